//! The client of the native API: typed, async, cheap to clone.
//!
//! [`Client`] asks and answers over HTTP; [`Client::attach`] follows one session live over a WebSocket, comes back by
//! itself when the connection is lost, and goes on exactly where it was.

mod attach;
mod backoff;
mod budget;
mod builder;
mod call;
mod catalogue;
mod commands;
mod events;
mod feed;
mod files;
mod happened;
mod integrations;
mod keys;
mod members;
mod operations;
mod problem;
mod sessions;
mod sse;
mod terminals;
mod workspaces;

use std::sync::Arc;
use std::time::Duration;

use rejoin_ports::clock::Clock;
use reqwest::Url;
use reqwest::header::HeaderMap;

pub use attach::{Attached, Commands, Item, JoinFrom, Sent};
pub use backoff::Backoff;
pub use builder::ClientBuilder;
pub use catalogue::SessionUsage;
pub use commands::Done;
pub use events::{EventPage, Live};
pub use feed::{FeedItem, FeedPage};
pub use files::{FileList, FileSearch, FileVersion};
pub use happened::Happened;
pub use keys::MintedKey;
pub use problem::{CommandError, Error, Problem};
pub use rejoin_ports::gateway::View;
pub use sessions::{ListSessions, NewSession, SessionChange, SessionInfo};
pub use terminals::{AttachedTerminal, NewTerminal, TerminalItem, TerminalKeys};
pub use workspaces::NewWorkspace;

/// A way to one gateway as one user. Clones share their connections.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    http: reqwest::Client,
    url: Url,
    /// What every request carries; the WebSocket's does too.
    headers: HeaderMap,
    connect_timeout: Duration,
    request_timeout: Duration,
    retries: u32,
    clock: Arc<dyn Clock>,
}

impl Client {
    /// A client with the usual settings. `url` is where the gateway listens: `http://127.0.0.1:7717`, say.
    pub fn new(url: impl Into<String>, key: impl Into<String>) -> Result<Client, Error> {
        Client::builder(url).key(key).build()
    }
    pub fn builder(url: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(url)
    }
    /// Where the gateway is, as it was given.
    pub fn url(&self) -> &str {
        self.0.url.as_str()
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The headers hold the key.
        out.debug_tuple("Client").field(&self.url()).finish()
    }
}

/// The words of the wire: commands, events, what a session is.
pub mod types {
    pub use rejoin_core::{
        ask, command, control, event, grant, header, id, part, pattern, position, queue, register, turn, usage, who,
    };
    pub use rejoin_ports::agent::{AgentChoice, AgentInfo, AgentOption, AgentSettings};
    pub use rejoin_ports::gateway::{
        Budget, FeedLine, FileEntry, FileMatch, FilePreview, MessagePage, SessionPage, View, Workspace,
    };
    pub use rejoin_ports::integrations::{Link, LinkStanding, NewLink, Share, ShareStanding};
    pub use rejoin_ports::sign_in::{KeyInfo, Member, NewKey};
    pub use rejoin_ports::terminals::{
        MOST_COLS, MOST_ROWS, TerminalExit, TerminalFrom, TerminalInfo, TerminalSize, TerminalSnapshot,
    };
}

/// What one needs to go through streams.
pub mod stream {
    pub use futures_util::{Stream, StreamExt, TryStreamExt};
}
