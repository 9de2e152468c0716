//! The Rust client: everything that the original's SDK has, and a stream that loses nothing.
//!
//! ```no_run
//! use rejoin_diminuendo::client::event::{TextDelta, TurnComplete};
//! use rejoin_diminuendo::client::{Client, ClientOptions, Error};
//!
//! # async fn story() -> Result<(), Error> {
//! let client = Client::new(ClientOptions::new("ws://localhost:8080/ws").token("secret"));
//! client.connect().await?;
//! let session = client.create_session("echo", Some("Hello")).await?;
//! client.join_session(&session.id, None).await?;
//!
//! client.on(|event: &TextDelta| print!("{}", event.text));
//! let leaving = client.clone();
//! client.once(move |_: &TurnComplete| leaving.disconnect());
//! client.run_turn(&session.id, "say this again", None)?;
//! client.closed().await;
//! # Ok(())
//! # }
//! ```
//!
//! The same with a stream:
//!
//! ```no_run
//! use rejoin_diminuendo::client::{Client, Error, Event};
//!
//! # async fn story(client: Client, session: &str) -> Result<(), Error> {
//! let mut events = client.events();
//! client.run_turn(session, "say this again", None)?;
//! while let Some(event) = events.next().await {
//!     match event {
//!         Event::TextDelta(delta) => print!("{}", delta.text),
//!         Event::TurnComplete(_) => break,
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What can be relied on
//!
//! - When the connection is lost it comes back by itself, and every session that was joined goes on behind the last event
//!   that was heard. Each numbered event is told once.
//! - Turns, steering and answers that are given meanwhile wait and are sent then. What broke on its way is sent again; a
//!   turn carries an id of ours, so that it is begun once.
//! - A stream holds the socket back rather than lose something, and everything that waits is bounded.
//! - An answer is matched by its request's id where the gateway repeats it, and by order where it does not.

mod call;
mod dial;
mod error;
pub mod event;
mod files;
mod frame;
mod handlers;
mod listening;
mod members;
mod options;
mod pump;
mod reading;
mod sessions;
mod shared;
mod stream;
mod turns;

use std::sync::Arc;

pub use dial::{Dial, Dialing, Io, Tcp};
pub use error::Error;
pub use event::{Event, Payload};
pub use handlers::{EVERY, Subscription};
pub use members::{Managed, MemberAction};
pub use options::ClientOptions;
pub use stream::Events;
pub use turns::Decision;

use crate::wire::Identity;
use shared::Shared;

/// A connection to a Diminuendo gateway. Cheap to clone; all clones are one client.
///
/// When the last clone is dropped it is disconnected. A handler that owns a clone keeps it alive, until it disconnects.
#[derive(Clone)]
pub struct Client(Arc<Owner>);

/// Whoever owns the client; the task behind it does not.
struct Owner(Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Client {
    /// A client that is not connected yet.
    pub fn new(options: impl Into<ClientOptions>) -> Client {
        Client(Arc::new(Owner(Arc::new(Shared::new(options.into())))))
    }

    /// Connects and signs in. A first attempt that fails is not repeated by itself.
    ///
    /// Returns at once when it is connected already, and waits when it is about to connect again.
    /// Must be called within a Tokio runtime.
    pub async fn connect(&self) -> Result<(), Error> {
        let shared = &self.0.0;
        let mut state = shared.state.subscribe();
        loop {
            if let Some(outcome) = shared.start() {
                return outcome.await.unwrap_or(Err(Error::NotConnected));
            }
            if shared.goes_on() {
                let signed_in = state.wait_for(|state| state.authenticated || !state.runs);
                return match tokio::time::timeout(shared.options.connect_timeout, signed_in).await {
                    Ok(Ok(state)) if state.authenticated => Ok(()),
                    Ok(_) => Err(Error::NotConnected),
                    Err(_) => Err(Error::ConnectTimeout),
                };
            }
            // The last connection is about to end; that takes a second at most.
            let _ = state.wait_for(|state| !state.runs).await;
        }
    }

    /// Disconnects, and does not connect again. Requests that are not answered fail; what was sent before still goes out.
    pub fn disconnect(&self) {
        self.0.0.stop();
    }

    /// Returns once the client is disconnected for good.
    pub async fn closed(&self) {
        let _ = self.0.0.state.subscribe().wait_for(|state| !state.runs).await; // we hold the other end
    }

    /// Whether the socket is open.
    pub fn connected(&self) -> bool {
        self.0.0.state.borrow().connected
    }

    /// Whether somebody is signed in.
    pub fn authenticated(&self) -> bool {
        self.0.0.state.borrow().authenticated
    }

    /// Who is signed in.
    pub fn identity(&self) -> Option<Identity> {
        self.0.0.state.borrow().identity.clone()
    }
}
