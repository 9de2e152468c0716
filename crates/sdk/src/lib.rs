//! Talk to a Rejoin gateway from Rust.
//!
//! A session is something one leaves and rejoins. [`Client`] creates sessions and asks about them;
//! [`Client::attach`] follows one live, and goes on exactly where it was when the connection comes back.
//!
//! ```no_run
//! use rejoin_sdk::types::command::Command;
//! use rejoin_sdk::types::event::Event;
//! use rejoin_sdk::{Client, Item, JoinFrom, NewSession};
//!
//! # async fn story() -> Result<(), rejoin_sdk::Error> {
//! let client = Client::new("http://127.0.0.1:7717", std::env::var("REJOIN_KEY").unwrap_or_default())?;
//! let session = client.create(NewSession::with_agent("echo").titled("Hello")).await?.header.id;
//!
//! let mut attached = client.attach(&session, JoinFrom::Start);
//! // It is in the outbox now, and on its way whenever there is a connection.
//! let sent = attached.send(Command::Prompt {
//!     text: "say this again".into(),
//!     attachments: Vec::new(),
//!     if_busy: Default::default(),
//!     reference: None,
//! });
//! tokio::spawn(async move {
//!     match sent.await {
//!         Ok(done) => eprintln!("accepted at {}", done.position),
//!         Err(error) => eprintln!("not accepted: {error}"),
//!     }
//! });
//! while let Some(item) = attached.next().await {
//!     match item? {
//!         Item::Event(happened) => match happened.logged.event {
//!             Event::PartDelta { text, .. } => print!("{text}"),
//!             Event::TurnEnded { .. } => break,
//!             _ => {}
//!         },
//!         // A backup was restored, say: what was known is replaced by this.
//!         Item::Gap(view) => eprintln!("beginning again at {}", view.position),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What can be relied on
//!
//! - A command carries an id that is minted here, so the client sends it again when it does not know whether it
//!   arrived, and it is done once.
//! - A subscription tells every event once and in order. Where that is impossible it says so with [`Item::Gap`].
//! - What waits is bounded: items that nobody takes hold the connection back, and an outbox that is full says so.
//! - An error that another attempt would not cure (a revoked key, say) ends a subscription; it does not try for ever.
//!
//! # Streams
//!
//! Lists come as streams that ask for one page at a time:
//!
//! ```no_run
//! use rejoin_sdk::stream::TryStreamExt;
//! use rejoin_sdk::{Client, ListSessions};
//!
//! # async fn story(client: Client) -> Result<(), rejoin_sdk::Error> {
//! let mut sessions = std::pin::pin!(client.sessions(ListSessions::default()));
//! while let Some(session) = sessions.try_next().await? {
//!     println!("{} {}", session.id, session.title.unwrap_or_default());
//! }
//! # Ok(())
//! # }
//! ```

pub use rejoin_native::client::*;

/// The client of the Diminuendo dialect: for gateways of that make, and for ours at `/diminuendo/ws`.
pub mod diminuendo {
    pub use rejoin_diminuendo::client::*;
    pub use rejoin_diminuendo::wire::{
        Code, FileContent, FileEntry, FileKind, HistoryItem, HistoryRole, Identity, Iteration, Role, SessionMeta,
        SessionStatus, same_code,
    };
}

/// The client of the Happy dialect, end-to-end encrypted: for servers of that make, and for ours at `/happy`.
pub mod happy {
    pub use rejoin_happy::client::*;
    pub use rejoin_happy::payload;
    pub use rejoin_happy::wire;
}
