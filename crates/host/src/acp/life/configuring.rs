//! What a session is configured for while its agent runs: set at once, without waiting for the answer.

use rejoin_core::header::{Config, Model};
use rejoin_ports::agent::ORDERS;
use serde_json::{Value, json};

use super::Life;
use super::state::State;
use crate::acp::message::RpcError;
use crate::acp::start::{model_option, set_option, wanted_mode, wanted_options};
use crate::acp::wire::setup;
use crate::acp::wire::update::Update;

/// Something that the agent is to be set to.
pub(super) enum Wish {
    Mode(String),
    Option(String),
}

impl Wish {
    fn words(&self) -> String {
        match self {
            Wish::Mode(mode) => format!("mode {mode}"),
            Wish::Option(option) => option.clone(),
        }
    }
}

impl Life {
    pub(super) async fn configured(&mut self, config: Config, model: Option<Model>) {
        (self.opening.config, self.opening.model) = (config, model);
        self.configure().await;
    }

    /// Asks the agent for what the session wants and it has not. A start does the same, so what runs already is like
    /// what starts anew.
    pub(super) async fn configure(&mut self) {
        let State::On(live) = &mut self.state else { return };
        let config = &self.opening.config;
        let mut wishes: Vec<(Wish, &str, Value)> = Vec::new();
        let wanted = wanted_mode(config);
        if live.remembered.wanted != wanted {
            if let Some(mode) = wanted.as_ref().filter(|mode| live.settings.has_mode(mode)) {
                let params = json!({"sessionId": live.session, "modeId": mode});
                wishes.push((Wish::Mode(mode.clone()), "session/set_mode", params));
                live.remembered.mode = Some(mode.clone());
            }
            live.remembered.wanted = wanted;
            live.remembered.keep(&self.opening.memory).await;
        }
        let mut options = wanted_options(config);
        if let (Some(model), Some(option)) = (&self.opening.model, model_option(&live.settings.options)) {
            options.push((option.id.clone(), model.model.clone()));
        }
        for (id, value) in options {
            let Some(option) = live.settings.options.iter_mut().find(|option| option.id == id) else { continue };
            if option.value != value
                && let Some(params) = set_option(&live.session, option, &value)
            {
                wishes.push((Wish::Option(format!("{id} {value}")), "session/set_config_option", params));
                option.value = value;
            }
        }
        for (wish, method, params) in wishes {
            if live.asked_for.len() >= ORDERS {
                tracing::warn!("an agent confirms nothing of what it is set to");
                return;
            }
            match live.child.request(method, params).await {
                Ok(number) => drop(live.asked_for.insert(number, wish)),
                Err(lost) => return self.lose(lost),
            }
        }
    }

    /// What became of a setting that was asked for.
    pub(super) fn confirmed(&mut self, wish: Wish, outcome: Result<Value, RpcError>) {
        let State::On(live) = &mut self.state else { return };
        match outcome {
            Ok(mut told) => {
                let options = told["configOptions"].take();
                if let Wish::Mode(mode) = wish {
                    Update::Mode(mode).supersede(&mut live.news);
                }
                if options.is_array() {
                    live.settings.options = setup::options(&options);
                    Update::Options(options).supersede(&mut live.news);
                }
            }
            Err(error) => {
                let (why, what) = (error.words(), wish.words());
                tracing::info!(session.id = %self.opening.session, what, why, "an agent does not take a setting");
                let value = json!({"what": what, "why": why});
                Update::Other { kind: "refused".to_owned(), value }.supersede(&mut live.news);
            }
        }
    }
}
