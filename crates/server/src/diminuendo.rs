//! The Diminuendo door, put together: its options, and how it is told how we are.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use rejoin_diminuendo::names::{CodeStyle, Naming, SessionChange};
use rejoin_diminuendo::server::{Dependency, Health as Page, Probe};
use rejoin_engine::Engine;
use serde::Deserialize;

use crate::health::Health;
use crate::options::Bad;

/// The file's table `[diminuendo]`.
#[derive(Debug, Clone, Default, Deserialize, clap::Args)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct DiminuendoOptions {
    /// Address where Diminuendo stands at the root, as its original does: `/ws` and `/health`; none by default
    #[arg(id = "diminuendo-listen", long = "diminuendo-listen", env = "REJOIN_DIMINUENDO_LISTEN", value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Messages that a connection may send in ten seconds [default: 60]
    #[arg(
        id = "diminuendo-messages",
        long = "diminuendo-messages",
        env = "REJOIN_DIMINUENDO_MESSAGES",
        value_name = "N"
    )]
    pub messages: Option<u32>,
    #[arg(skip)]
    #[serde(alias = "error_code_style")]
    pub error_code_style: Option<CodeStyle>,
    #[arg(skip)]
    #[serde(alias = "event_naming")]
    pub event_naming: Option<Naming>,
    #[arg(skip)]
    #[serde(alias = "session_change_event")]
    pub session_change_event: Option<SessionChange>,
    /// Names that clients know agents by.
    #[arg(skip)]
    #[serde(alias = "agent_types")]
    pub agent_types: BTreeMap<String, String>,
}

/// What was decided of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiminuendoConfig {
    /// A listener of its own.
    pub listen: Option<SocketAddr>,
    pub messages_per_window: NonZeroU32,
    pub error_code_style: CodeStyle,
    pub event_naming: Naming,
    pub session_change_event: SessionChange,
    pub agent_types: BTreeMap<String, String>,
}

impl Default for DiminuendoConfig {
    fn default() -> DiminuendoConfig {
        DiminuendoOptions::default().resolve().expect("what is not given is taken as it should be")
    }
}

impl DiminuendoOptions {
    pub(crate) fn or(self, file: DiminuendoOptions) -> DiminuendoOptions {
        DiminuendoOptions {
            listen: self.listen.or(file.listen),
            messages: self.messages.or(file.messages),
            error_code_style: self.error_code_style.or(file.error_code_style),
            event_naming: self.event_naming.or(file.event_naming),
            session_change_event: self.session_change_event.or(file.session_change_event),
            agent_types: if self.agent_types.is_empty() { file.agent_types } else { self.agent_types },
        }
    }

    pub(crate) fn resolve(self) -> Result<DiminuendoConfig, Bad> {
        let usual = rejoin_diminuendo::server::Options::default();
        let messages_per_window = match self.messages {
            None => usual.messages_per_window,
            Some(messages) => NonZeroU32::new(messages)
                .ok_or_else(|| Bad { option: "diminuendo.messages", why: "it must be more than 0".to_owned() })?,
        };
        // Names of ours are kept unless another agent is given them.
        let mut agent_types = usual.agent_types;
        agent_types.extend(self.agent_types);
        Ok(DiminuendoConfig {
            listen: self.listen,
            messages_per_window,
            error_code_style: self.error_code_style.unwrap_or_default(),
            event_naming: self.event_naming.unwrap_or_default(),
            session_change_event: self.session_change_event.unwrap_or_default(),
            agent_types,
        })
    }
}

/// Looks at what the gateway needs.
pub(crate) struct Inside {
    pub(crate) health: Arc<Health>,
    pub(crate) engine: Engine,
    pub(crate) began: Instant,
}

#[async_trait]
impl Probe for Inside {
    async fn health(&self) -> Page {
        let looked = Instant::now();
        let ready = self.health.ready().await;
        let latency_ms = looked.elapsed().as_millis() as u64;
        let agents = Dependency { name: "agents", ok: true, vital: false, latency_ms: 0 };
        Page {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_ms: self.began.elapsed().as_millis() as u64,
            active_sessions: self.engine.figures().sessions as u64,
            dependencies: vec![Dependency { name: "store", ok: ready.is_ok(), vital: true, latency_ms }, agents],
        }
    }
}
