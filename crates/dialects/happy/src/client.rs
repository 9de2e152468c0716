//! The Rust client: everything that the original's SDK has, and nothing of what it loses.
//!
//! An [`Account`] is somebody who is signed in. [`SessionClient`] runs one session, as a command line does;
//! [`UserClient`] sees all of an account and speaks in it, as a phone does; [`MachineClient`] stands for a computer on which
//! sessions are started from afar; [`Api`] is all that the server offers over HTTP.
//!
//! ```no_run
//! use rejoin_happy::client::{Account, Error, Home, NewSession, SessionOptions};
//! use rejoin_happy::payload::{AcpMessage, AcpProvider, Drive, Metadata, SessionEvent};
//!
//! # async fn story() -> Result<(), Error> {
//! let account = Account::from_home(&Home::from_env()?)?.ok_or(Error::Closed)?;
//! let metadata = Metadata { path: "/work".into(), host: "laptop".into(), ..Metadata::default() };
//! let session = account.create_session(&NewSession::new(metadata)).await?;
//! let client = account.session_client(&session, SessionOptions::default())?;
//!
//! client.keep_alive(false, Drive::Remote);
//! let mut people = client.user_messages();
//! while let Some(said) = people.next().await {
//!     let message = format!("You said: {}", said.message.text());
//!     client.send_agent_message(AcpProvider::Claude, AcpMessage::Message { message })?;
//!     client.send_session_event(SessionEvent::Ready, None)?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The other side of it:
//!
//! ```no_run
//! use rejoin_happy::client::{Account, Error};
//! use rejoin_happy::payload::{Message, UserMessage};
//!
//! # async fn story(account: Account, session: &str) -> Result<(), Error> {
//! let phone = account.user_client(true);
//! let session = account.session(session).await?.expect("there is such a session");
//! let posted = phone.send_user_message(&session, UserMessage::new("run the tests")).await?;
//! let mut messages = phone.follow(&session, posted.seq);
//! while let Some(next) = messages.next().await {
//!     if let Some(Message::Agent(message)) = next.message {
//!         println!("{:?}", message.content);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What can be relied on
//!
//! - What a session says is kept, in order, until the server has confirmed it: sent again under the same id when an answer
//!   was lost, over HTTP whatever its size, with [`OutboxOptions::file`] also by the next process. [`Sent`] tells the outcome
//!   of one message, [`SessionClient::flush`] that of all.
//! - A message that the server does not take is reported, and those behind it go on.
//! - What is said to a session is heard once and in order, also what was said while there was no connection. Whoever does not
//!   listen holds nobody up: messages stay on the server until they do.
//! - Metadata and agent state are changed against others who change them as well, and a change whose answer was lost is not
//!   made twice. Fields that are not known here stay as they are.
//! - A connection that is lost comes back by itself, after a second first and never more than five. A token that is not valid
//!   is not tried again, and said out loud: [`Status::Refused`], [`Error::Refused`].
//! - Servers of an older generation are served as well as they allow: messages go over the socket and are read back.
//! - Everything that waits is bounded, and says so when it is full.

mod account;
pub mod api;
mod backoff;
mod dial;
mod error;
pub mod handlers;
mod home;
mod http;
mod inbox;
mod key;
mod machine;
mod options;
mod outbox;
mod register;
mod rpc;
mod server;
mod session;
mod socket;
mod stream;
mod terminal;
mod user;

pub use account::{Account, NewMachine, NewSession, OpenedArtifact, OpenedMachine, OpenedSession};
pub use error::Error;
pub use home::{Home, HomeSettings};
pub use http::Api;
pub use key::Key;
pub use machine::{MachineClient, MachineOptions};
pub use options::{Clock, Options};
pub use outbox::{OutboxOptions, Sent};
pub use rpc::{Reply, RpcHandlers};
pub use server::Server;
pub use session::{Permission, SessionClient, SessionNews, SessionOptions, Start, UserMessages, UserText};
pub use socket::Status;
pub use stream::Events;
pub use terminal::{AskStatus, SignIn};
pub use user::{Followed, Opened, OpenedUpdate, SessionMessages, UserClient, UserNews};

/// Keys and envelopes, as they are used here.
pub use rejoin_seal as seal;
