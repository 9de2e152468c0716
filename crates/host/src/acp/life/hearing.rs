//! What the agent says and wants.

use std::future::Future;

use rejoin_core::happening::{FromAgent, Happening};
use rejoin_core::id::AskId;
use rejoin_core::usage::Usage;
use rejoin_ports::agent::FileChanged;
use serde_json::{Value, json};
use tokio::task::{Id, JoinError};
use tokio::time::Instant;

use super::state::{Asked, State, Wanted};
use super::{GULP, Life, MOST_AT_ONCE, MOST_WORKS, Work};
use crate::acp::elicitation::{self, Form};
use crate::acp::failure::{ERROR, Failure, MAX_REQUESTS, MAX_TOKENS, REFUSED, STOPPED, UNAUTHENTICATED};
use crate::acp::files::{Files, told};
use crate::acp::message::{AUTH_REQUIRED, BAD_PARAMS, INTERNAL, Message, NO_METHOD, RpcError};
use crate::acp::permission;
use crate::acp::permission::Options;
use crate::acp::wire::call::CallUpdate;
use crate::acp::wire::setup;
use crate::acp::wire::update::Update;
use crate::acp::wire::{members, text};

impl Life {
    pub(super) async fn heard(&mut self, message: Message) {
        let State::On(live) = &mut self.state else { return };
        live.heard_at = Instant::now();
        match message {
            Message::Notification { method, params } if method == "session/update" => self.updated(params).await,
            Message::Notification { .. } => {}
            Message::Request { id, method, params } => self.asked_of_us(id, &method, params).await,
            Message::Response { id, outcome } => {
                if live.flight.as_ref().is_some_and(|flight| flight.number == id) {
                    self.landed(outcome).await;
                } else if let Some(wish) = live.asked_for.remove(&id) {
                    self.confirmed(wish, outcome);
                }
            }
        }
    }

    /// Hears what has come behind a text, as long as it is text: an agent that tells much costs a round for a gulp of it, and
    /// not for each word.
    pub(super) async fn hear_on(&mut self) {
        for _ in 0..MOST_AT_ONCE {
            let (Some(said), State::On(live)) = (self.outbox.back(), &mut self.state) else { return };
            let is_full = match &said.happening {
                Happening::Text(text) | Happening::Thinking(text) => text.len() >= GULP,
                _ => true,
            };
            if is_full {
                return;
            }
            match live.child.ready() {
                Some(Ok(message)) => self.heard(message).await,
                Some(Err(lost)) => return self.lose(lost),
                None => return,
            }
        }
    }

    async fn updated(&mut self, params: Value) {
        let State::On(live) = &mut self.state else { return };
        let mut params = members(params);
        // Sessions that the agent runs besides ours are its own affair.
        if params.get("sessionId").and_then(Value::as_str).is_some_and(|session| session != live.session) {
            return;
        }
        let update = Update::read(params.remove("update").unwrap_or_default());
        if let Update::Options(options) = &update {
            live.settings.options = setup::options(options);
        }
        if let Update::Mode(mode) = &update {
            live.remembered.mode = Some(mode.clone());
            live.remembered.keep(&self.opening.memory).await;
        }
        let flight = live.flight.as_ref().map(|flight| &flight.turn);
        let Some(turn) = self.turn.as_mut().filter(|turn| Some(&turn.id) == flight) else {
            match update {
                Update::Title(title) => {
                    self.outbox.push_back(FromAgent { turn: None, happening: Happening::Title(title) });
                }
                Update::Commands(_) | Update::Mode(_) | Update::Options(_) => update.supersede(&mut live.news),
                _ => {} // of a turn that is over
            }
            return;
        };
        if let Update::Commands(commands) = &update {
            if !live.remembered.has_new_commands(commands) {
                return;
            }
            live.remembered.keep(&self.opening.memory).await;
        }
        let mut out = Vec::new();
        if let Update::Used(used) = update {
            turn.used = Some(used);
            return;
        }
        if matches!(update, Update::Call(_)) {
            for (call, shown) in &mut live.shown {
                turn.telling.terminal_output(call, shown.more(), &mut out);
            }
        }
        let noted = turn.telling.update(update, &mut out);
        if let Some((call, terminal)) = noted.shown
            && let Some(shown) = live.terminals.show(&terminal)
        {
            live.shown.insert(call, shown);
        }
        live.shown.retain(|call, _| turn.telling.is_open(call));
        let id = turn.id.clone();
        self.say_all(&id, out);
        if noted.may_have_changed {
            self.watch.changed(&self.tasks);
        }
    }

    /// Tells what shown terminals have put out since.
    pub(super) fn show(&mut self) {
        let (State::On(live), Some(turn)) = (&mut self.state, &mut self.turn) else { return };
        let mut out = Vec::new();
        for (call, shown) in &mut live.shown {
            turn.telling.terminal_output(call, shown.more(), &mut out);
        }
        let id = turn.id.clone();
        self.say_all(&id, out);
    }

    async fn asked_of_us(&mut self, request: Value, method: &str, params: Value) {
        match method {
            "session/request_permission" => self.permission(request, params).await,
            "elicitation/create" => self.form(request, params).await,
            "fs/read_text_file" => {
                let files = self.files();
                self.work(request, async move { (files.read(&params).await, None) }).await;
            }
            "fs/write_text_file" => {
                let files = self.files();
                let work = async move {
                    match files.write(&params).await {
                        Ok(changed) => (Ok(json!({})), Some(changed)),
                        Err(error) => (Err(error), None),
                    }
                };
                if let Some(id) = self.work(request, work).await {
                    self.writes.insert(id);
                }
            }
            "terminal/create" | "terminal/output" | "terminal/wait_for_exit" | "terminal/kill" | "terminal/release" => {
                self.terminal(request, method.to_owned(), params).await;
            }
            _ => self.respond(&request, Err(RpcError::new(NO_METHOD, format!("there is no method {method}")))).await,
        }
    }

    fn files(&self) -> Files {
        Files::new(&self.opening.folder, self.opening.files.clone())
    }

    async fn terminal(&mut self, request: Value, method: String, params: Value) {
        let State::On(live) = &mut self.state else { return };
        let terminals = live.terminals.clone();
        let work = async move {
            let outcome = match method.as_str() {
                "terminal/create" => terminals.create(&params),
                "terminal/output" => terminals.output(&params),
                "terminal/wait_for_exit" => terminals.wait(&params).await,
                "terminal/kill" => terminals.kill(&params),
                _ => terminals.release(&params),
            };
            (outcome, None)
        };
        self.work(request, work).await;
    }

    /// Works for the agent beside everything else.
    async fn work(
        &mut self,
        request: Value,
        work: impl Future<Output = (Result<Value, RpcError>, Option<FileChanged>)> + Send + 'static,
    ) -> Option<Id> {
        if self.works.len() >= MOST_WORKS {
            let error = RpcError::new(INTERNAL, format!("{MOST_WORKS} requests are being worked on; wait for some"));
            self.respond(&request, Err(error)).await;
            return None;
        }
        let life = self.lives;
        let done = async move {
            let (outcome, changed) = work.await;
            Work { life, request, outcome, changed }
        };
        Some(self.works.spawn(done).id())
    }

    pub(super) async fn worked(&mut self, done: Option<Result<(Id, Work), JoinError>>) {
        match done {
            Some(Ok((id, work))) => {
                self.writes.remove(&id);
                if let Some(changed) = work.changed {
                    self.outbox.push_back(FromAgent { turn: None, happening: told(changed) });
                }
                if work.life == self.lives {
                    if let State::On(live) = &mut self.state {
                        live.heard_at = Instant::now();
                    }
                    self.respond(&work.request, work.outcome).await;
                }
            }
            Some(Err(error)) => {
                self.writes.remove(&error.id());
            }
            None => {}
        }
    }

    async fn respond(&mut self, request: &Value, outcome: Result<Value, RpcError>) {
        let State::On(live) = &mut self.state else { return };
        if let Err(lost) = live.child.respond(request, outcome).await {
            self.lose(lost);
        }
    }

    /// Whether somebody can still be asked something: the turn goes on, and was not told to stop.
    fn can_ask(&self) -> bool {
        let State::On(live) = &self.state else { return false };
        let flight = live.flight.as_ref().filter(|flight| flight.stop_by.is_none());
        flight.is_some_and(|flight| self.turn.as_ref().is_some_and(|turn| turn.id == flight.turn))
    }

    async fn permission(&mut self, request: Value, params: Value) {
        if !self.can_ask() {
            return self.respond(&request, Ok(permission::cancelled())).await;
        }
        let options = Options::read(&params);
        let call = CallUpdate::read(members(params).remove("toolCall").unwrap_or_default());
        let Some(turn) = &mut self.turn else { return };
        let mut out = Vec::new();
        let waiting = turn.telling.waiting(call, &mut out);
        let id = turn.next_ask();
        out.push(Happening::Asked(options.ask(id.clone(), &waiting)));
        let turn = turn.id.clone();
        self.say_all(&turn, out);
        self.ask(id, Asked { request, what: Wanted::Permission(options) });
    }

    async fn form(&mut self, request: Value, params: Value) {
        if !self.can_ask() {
            return self.respond(&request, Ok(elicitation::cancelled())).await;
        }
        let Some(form) = Form::read(&params) else {
            let error = RpcError::new(BAD_PARAMS, "only forms of plain fields can be shown");
            return self.respond(&request, Err(error)).await;
        };
        let Some(turn) = &mut self.turn else { return };
        let mut out = Vec::new();
        turn.telling.flush(&mut out);
        let id = turn.next_ask();
        out.push(Happening::Asked(form.ask(id.clone())));
        let turn = turn.id.clone();
        self.say_all(&turn, out);
        self.ask(id, Asked { request, what: Wanted::Form(form) });
    }

    fn ask(&mut self, id: AskId, asked: Asked) {
        if let State::On(live) = &mut self.state {
            live.asks.insert(id, asked);
        }
    }

    /// The prompt is answered.
    async fn landed(&mut self, outcome: Result<Value, RpcError>) {
        let State::On(live) = &mut self.state else { return };
        let Some(flight) = live.flight.take() else { return };
        live.asks.clear();
        live.shown.clear();
        let Some(turn) = self.turn.as_mut().filter(|turn| turn.id == flight.turn) else {
            self.watch.end(&self.tasks); // interrupted, and now it has really stopped
            return;
        };
        let told = outcome.as_ref().unwrap_or(&Value::Null);
        let mut usage = tokens(told.get("usage").unwrap_or(&Value::Null));
        if let Some(cost) = turn.used.take().and_then(|used| used.cost_micros) {
            // It is told of the whole session. A sum that shrinks has begun anew.
            let before = live.remembered.cost_micros;
            usage.cost_micros = Some(if cost >= before { cost - before } else { cost });
            live.remembered.cost_micros = cost;
            live.remembered.keep(&self.opening.memory).await;
        }
        let mut out = Vec::new();
        turn.telling.flush(&mut out);
        if usage != Usage::default() {
            out.push(Happening::Usage(usage));
        }
        let id = turn.id.clone();
        if turn.steers.is_empty() {
            turn.ended = Some(ended(outcome).map_err(|failure| live.child.hushed(failure)));
            self.say_all(&id, out);
            self.watch.end(&self.tasks);
        } else {
            self.say_all(&id, out);
            self.send_steers().await;
        }
    }
}

fn tokens(usage: &Value) -> Usage {
    let count = |name: &str| usage.get(name).and_then(Value::as_u64).unwrap_or(0);
    Usage {
        input: count("inputTokens"),
        output: count("outputTokens").saturating_add(count("thoughtTokens")),
        cache_read: count("cachedReadTokens"),
        cache_write: count("cachedWriteTokens"),
        cost_micros: None,
    }
}

fn ended(outcome: Result<Value, RpcError>) -> Result<(), Failure> {
    let told = match outcome {
        Ok(told) => told,
        Err(error) if error.code == AUTH_REQUIRED => return Err(Failure::new(UNAUTHENTICATED, error.words())),
        Err(error) => return Err(Failure::new(ERROR, error.words())),
    };
    match text(&told, "stopReason") {
        Some("max_tokens") => Err(Failure::new(MAX_TOKENS, "the model's answer was longer than it may be")),
        Some("max_turn_requests") => {
            Err(Failure::new(MAX_REQUESTS, "the agent has asked the model as often as it may in one turn"))
        }
        Some("refusal") => Err(Failure::new(REFUSED, "the agent refuses to go on")),
        Some("cancelled") => Err(Failure::new(STOPPED, "the agent stopped the turn")),
        _ => Ok(()),
    }
}
