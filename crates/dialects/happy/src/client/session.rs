//! Running a session: what its agent does goes out, what people want of it comes in.

mod ear;
mod event;
mod hand;
mod keep_alive;
mod options;
mod permission;
mod sending;
mod state;
mod usage;
mod users;
mod verbs;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::handlers::{self, Place};
use super::inbox::{Inbox, Inlet};
use super::key::Key;
use super::outbox::{Flusher, Outbox};
use super::register::{AGENT_STATE, METADATA, Register};
use super::rpc::RpcHandlers;
use super::socket::{Scope, Socket};
use super::stream::{Events, Streams};
use super::{Account, Api, Error, OpenedSession, Options, Status};
use crate::payload::{AgentState, Metadata};
pub use event::SessionNews;
use hand::SessionHand;
use keep_alive::Presence;
pub use options::{SessionOptions, Start};
pub use permission::Permission;
use permission::Permissions;
use usage::Meter;
use users::Users;
pub use users::{UserMessages, UserText};

/// A session that runs here. Cheap to clone; when the last clone is dropped it is closed.
///
/// A handler that owns a clone keeps it alive, until it is closed.
#[derive(Clone)]
pub struct SessionClient(Arc<Owner>);

/// Whoever owns the client; the tasks behind it do not.
struct Owner(Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.close();
    }
}

struct Shared {
    id: String,
    key: Key,
    api: Api,
    socket: Socket,
    metadata: Register<Metadata>,
    agent_state: Register<AgentState>,
    outbox: Outbox,
    inlet: Inlet<SessionNews>,
    users: Users,
    news: Streams<SessionNews>,
    rpc: RpcHandlers,
    permissions: Permissions,
    presence: Presence,
    meter: Meter,
    stop: CancellationToken,
}

impl SessionClient {
    pub(super) fn open(
        account: &Account,
        session: &OpenedSession,
        options: SessionOptions,
    ) -> Result<SessionClient, Error> {
        let (record, key) = (&session.record, &session.key);
        let id = record.id.as_str();
        let outbox = Outbox::open(&options.outbox, id)?;
        let metadata = Register::new(METADATA, id, key, Some(&record.metadata), record.metadata_version);
        let state = record.agent_state.as_deref();
        let agent_state = Register::new(AGENT_STATE, id, key, state, record.agent_state_version);
        let rpc = RpcHandlers::new(id, key);
        if let Some(place) = metadata.value().and_then(|metadata: Metadata| Place::within(&metadata.path))
            && options.common_handlers
        {
            handlers::register(&rpc, place);
        }

        let api = account.api().clone();
        let scope = Scope::Session(id.to_owned());
        let (socket, heard) = Socket::open(api.options(), account.token(), &scope);
        let stop = CancellationToken::new();
        let is_old = Arc::new(AtomicBool::new(false));
        let (users, news) = (Users::default(), Streams::default());
        let hand = SessionHand {
            session: id.to_owned(),
            key: key.clone(),
            outbox: outbox.clone(),
            users: users.clone(),
            news: news.clone(),
        };
        let after = options.start.after(record.seq);
        let (inlet, inbox) = Inbox::new(api.clone(), id, after, hand, is_old.clone());
        let flusher = Flusher {
            outbox: outbox.clone(),
            api: api.clone(),
            socket: socket.clone(),
            session: id.to_owned(),
            inlet: inlet.clone(),
            is_old,
            stop: stop.clone(),
        };
        let usage_key = options.usage_key(record.seq);
        let shared = Arc::new(Shared {
            id: id.to_owned(),
            key: key.clone(),
            api,
            socket: socket.clone(),
            metadata,
            agent_state,
            outbox,
            inlet,
            users,
            news,
            rpc: rpc.clone(),
            permissions: Permissions::default(),
            presence: Presence::default(),
            meter: Meter::new(usage_key),
            stop: stop.clone(),
        });
        tokio::spawn(ear::listen(shared.clone(), heard));
        tokio::spawn(inbox.run(stop.clone()));
        tokio::spawn(flusher.run());
        let until = |task: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>, stop: CancellationToken| async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = task => {}
            }
        };
        tokio::spawn(until(Box::pin(rpc.announce(socket)), stop.clone()));
        tokio::spawn(until(Box::pin(keep_alive::tell(shared.clone())), stop.clone()));
        tokio::spawn(until(Box::pin(usage::tell(shared.clone())), stop));
        Ok(SessionClient(Arc::new(Owner(shared))))
    }

    pub fn session_id(&self) -> &str {
        &self.0.0.id
    }

    /// Whether there is a connection.
    pub fn status(&self) -> Status {
        self.0.0.socket.status()
    }

    /// Returns once the status is another than this one, and says which.
    pub async fn status_changed(&self, from: &Status) -> Status {
        self.0.0.socket.changed(from).await
    }

    /// Waits for a connection. An error says that there will be none, or none in that time.
    pub async fn connected(&self, patience: Duration) -> Result<(), Error> {
        self.0.0.socket.connected(tokio::time::Instant::now() + patience).await
    }

    /// The calls that are answered here.
    pub fn rpc(&self) -> &RpcHandlers {
        &self.0.0.rpc
    }

    /// What the server offers over HTTP.
    pub fn api(&self) -> &Api {
        &self.0.0.api
    }

    /// The key of the session.
    pub fn key(&self) -> &Key {
        &self.0.0.key
    }

    /// Everything but what people say, from now on: see [`SessionNews`].
    pub fn news(&self) -> Events<SessionNews> {
        self.0.0.news.add()
    }

    /// Where hearing stands: every message up to this number has been taken. For [`Start::After`] in another life.
    pub fn cursor(&self) -> u64 {
        let shared = &self.0.0;
        shared.users.oldest().map_or_else(|| shared.inlet.seen(), |oldest| oldest - 1)
    }

    /// Returns once everything that was said until now has been confirmed by the server.
    ///
    /// The error is that of a message that was not taken, or says that it takes too long.
    pub async fn flush(&self) -> Result<(), Error> {
        self.flush_within(self.options().flush_patience).await
    }

    /// The same with a patience of one's own.
    pub async fn flush_within(&self, patience: Duration) -> Result<(), Error> {
        let shared = &self.0.0;
        let all = async {
            shared.outbox.flush(patience).await?;
            shared.presence.flush(&shared.socket).await;
            shared.meter.flush(&shared.socket).await;
            Ok(())
        };
        tokio::time::timeout(patience, all).await.unwrap_or(Err(Error::Timeout("flushing")))
    }

    /// Asks whether the server is there.
    pub async fn ping(&self) -> Result<(), Error> {
        let patience = self.options().ack_timeout;
        self.0.0.socket.call("pinging", "ping", None, patience).await.map(drop)
    }

    /// Closes the connection. What is not confirmed is given up, or stays in the outbox's file: flush first.
    pub fn close(&self) {
        self.0.0.close();
    }

    fn options(&self) -> &Options {
        self.0.0.options()
    }
}

impl Shared {
    fn options(&self) -> &Options {
        self.api.options()
    }

    fn close(&self) {
        self.end(Error::Closed);
        self.socket.close();
    }

    /// Nothing is sent or heard any more.
    fn end(&self, why: Error) {
        self.outbox.end(why);
        self.permissions.end();
        self.rpc.clear();
        self.stop.cancel();
        self.users.end();
        self.news.close();
    }
}

impl fmt::Debug for SessionClient {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, status) = (self.session_id(), self.status());
        out.debug_struct("SessionClient").field("id", &id).field("status", &status).finish_non_exhaustive()
    }
}
