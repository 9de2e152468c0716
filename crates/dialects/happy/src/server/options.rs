//! What the door is told by whoever puts the gateway together.

use std::sync::Arc;

use rejoin_core::position::Millis;
use rejoin_ports::clock::{Clock, SystemClock};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::bucket::S3;
use super::voice::Voice;

/// Whether new keys make accounts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Registration {
    #[default]
    Open,
    /// Only keys that are known come in.
    Closed,
}

#[derive(Clone)]
pub struct Options {
    pub clock: Arc<dyn Clock>,
    pub registration: Registration,
    /// What tokens are signed with. It must be the same in every life of the gateway.
    pub seed: [u8; 32],
    /// The connections' tasks, so that a stop can wait for them.
    pub tasks: TaskTracker,
    pub stop: CancellationToken,
    /// Where clients find us, if that is not where they say they look.
    pub public_url: Option<String>,
    /// How long a call waits for somebody to register its method, and then for the answer.
    pub rpc_grace_ms: Millis,
    pub rpc_ms: Millis,
    /// Where phones are told through, usually [`EXPO`](super::EXPO). None: nobody is asked.
    pub push: Option<String>,
    /// What people may connect their accounts with.
    pub github: Option<GitHub>,
    /// Where attachments are, if not in the data folder.
    pub s3: Option<S3>,
    /// Who talks. None: voice is not there.
    pub voice: Option<Voice>,
}

/// An OAuth app of GitHub. It has no `Debug`: half of it is secret.
#[derive(Clone)]
pub struct GitHub {
    pub client_id: String,
    pub client_secret: String,
    /// Where GitHub sends people back to: our `/v1/connect/github/callback`.
    pub redirect_url: String,
    /// What GitHub signs its own messages with. None: none are taken.
    pub webhook_secret: Option<String>,
    /// Where people go then.
    pub app_url: String,
    pub site: String,
    pub api: String,
}

impl GitHub {
    pub fn new(client_id: String, client_secret: String, redirect_url: String) -> GitHub {
        GitHub {
            client_id,
            client_secret,
            redirect_url,
            webhook_secret: None,
            app_url: "https://app.happy.engineering".to_owned(),
            site: "https://github.com".to_owned(),
            api: "https://api.github.com".to_owned(),
        }
    }
}

impl Default for Options {
    fn default() -> Options {
        Options {
            clock: Arc::new(SystemClock),
            registration: Registration::default(),
            seed: [0; 32],
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            public_url: None,
            rpc_grace_ms: 15_000,
            rpc_ms: 30_000,
            push: None,
            github: None,
            s3: None,
            voice: None,
        }
    }
}
