//! Remote calls that we answer: handlers by name, sealed questions in and sealed answers out.

mod reply;

use std::collections::HashMap;
use std::fmt::Display;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::FutureExt;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};

use super::Error;
use super::key::Key;
use super::socket::{Reply as ReplyTo, Socket};
pub use reply::Reply;

/// Calls that are answered at once; more are turned away rather than kept waiting unseen.
const AT_ONCE: usize = 64;
/// Names that one client answers to.
const NAMES: usize = 1_024;
/// How long the server may take to confirm a name before it is told again: an older one loses what comes too early.
const CONFIRMATION: Duration = Duration::from_secs(2);

type Answering = Pin<Box<dyn Future<Output = Result<Reply, String>> + Send>>;
type Handler = Arc<dyn Fn(Value) -> Answering + Send + Sync>;

/// The calls that a client answers. Names are without the id in front of them; registered ones are told to the server
/// again on every connection.
#[derive(Clone)]
pub struct RpcHandlers(Arc<Inner>);

struct Inner {
    /// The session's or machine's id.
    scope: String,
    key: Key,
    handlers: Mutex<HashMap<String, Registered>>,
    /// Something was registered or taken away.
    changed: Notify,
    room: Arc<Semaphore>,
}

#[derive(Deserialize)]
struct Confirmed {
    method: String,
}

struct Registered {
    handler: Handler,
    is_confirmed: bool,
}

impl RpcHandlers {
    pub(super) fn new(scope: &str, key: &Key) -> RpcHandlers {
        RpcHandlers(Arc::new(Inner {
            scope: scope.to_owned(),
            key: key.clone(),
            handlers: Mutex::default(),
            changed: Notify::new(),
            room: Arc::new(Semaphore::new(AT_ONCE)),
        }))
    }

    /// Answers calls of this name from now on; another handler of the name is replaced.
    ///
    /// What cannot be opened arrives as `null`. An error is told to the caller as `{"error": …}`, and so is a panic. The
    /// handler must not wait for something that only a later event of the same stream brings.
    pub fn register<F, R, E>(&self, name: &str, handler: impl Fn(Value) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<R, E>> + Send + 'static,
        R: Into<Reply>,
        E: Display,
    {
        let handler: Handler = Arc::new(move |params| {
            let answering = handler(params);
            Box::pin(async move { answering.await.map(Into::into).map_err(|error| error.to_string()) })
        });
        let mut handlers = self.handlers();
        if handlers.len() >= NAMES && !handlers.contains_key(name) {
            tracing::error!(name, "happy: too many handlers; this one is not registered");
            return;
        }
        let is_confirmed = handlers.get(name).is_some_and(|before| before.is_confirmed);
        handlers.insert(name.to_owned(), Registered { handler, is_confirmed });
        drop(handlers);
        self.0.changed.notify_one();
    }

    /// The same with parameters of a type; others are an error of the caller's.
    pub fn register_typed<P, F, R, E>(&self, name: &str, handler: impl Fn(P) -> F + Send + Sync + 'static)
    where
        P: DeserializeOwned + Send + 'static,
        F: Future<Output = Result<R, E>> + Send + 'static,
        R: Into<Reply> + 'static,
        E: Display + 'static,
    {
        let handler = Arc::new(handler);
        self.register(name, move |params| {
            let handler = handler.clone();
            async move {
                let params = serde_json::from_value(params).map_err(|why| format!("Invalid parameters: {why}"))?;
                handler(params).await.map(Into::<Reply>::into).map_err(|error| error.to_string())
            }
        });
    }

    /// Answers calls of this name no longer.
    pub fn unregister(&self, name: &str) {
        if self.handlers().remove(name).is_some() {
            self.0.changed.notify_one();
        }
    }

    /// The names that are answered to.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.handlers().keys().cloned().collect();
        names.sort();
        names
    }

    /// There is a new connection, which knows of no name yet.
    pub(super) fn connected(&self) {
        for registered in self.handlers().values_mut() {
            registered.is_confirmed = false;
        }
        self.0.changed.notify_one();
    }

    /// The server has confirmed a name.
    pub(super) fn heard_confirmation(&self, data: &str) {
        let Ok(confirmed) = serde_json::from_str::<Confirmed>(data) else { return };
        let Some(name) = self.name_of(&confirmed.method) else { return };
        if let Some(registered) = self.handlers().get_mut(name) {
            registered.is_confirmed = true;
        }
    }

    /// Nothing is answered any more. Handlers may own whoever owns us.
    pub(super) fn clear(&self) {
        let handlers = std::mem::take(&mut *self.handlers());
        drop(handlers);
        self.0.changed.notify_one();
    }

    /// Answers a call, beside everything else that goes on.
    pub(super) fn called(&self, socket: &Socket, method: &str, params: &str, reply: ReplyTo) {
        let (socket, rpc) = (socket.clone(), self.clone());
        let (method, params) = (method.to_owned(), params.to_owned());
        let room = self.0.room.clone().try_acquire_owned();
        tokio::spawn(async move {
            let answer = match &room {
                Ok(_) => rpc.answer(&method, &params).await,
                Err(_) => rpc.sealed(&error("Too many calls at once")),
            };
            let told = match socket.answer(reply, &answer).await {
                Err(Error::TooLarge { size, limit, .. }) => {
                    let text = format!("The result of {size} bytes is larger than the {limit} that fit");
                    socket.answer(reply, &rpc.sealed(&error(&text))).await
                }
                told => told,
            };
            if let Err(error) = told {
                tracing::debug!(method, %error, "happy: the answer to a call was not told");
            }
        });
    }

    async fn answer(&self, method: &str, params: &str) -> String {
        let handler = self.name_of(method).and_then(|name| Some(self.handlers().get(name)?.handler.clone()));
        let Some(handler) = handler else { return self.sealed(&error("Method not found")) };
        let params = self.0.key.open(params).ok().flatten().unwrap_or_default();
        let answering = AssertUnwindSafe(async { handler(params).await });
        let reply = answering.catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!(method, "happy: a handler panicked");
            Err("The handler failed".to_owned())
        });
        self.sealed(&reply.unwrap_or_else(|text| error(&text)))
    }

    fn sealed(&self, reply: &Reply) -> String {
        let sealed = match reply {
            Reply::Nothing => Ok(self.0.key.seal_nothing()),
            Reply::Value(value) => self.0.key.seal(value),
        };
        sealed.unwrap_or_else(|_| self.0.key.seal_nothing())
    }

    fn name_of<'a>(&self, method: &'a str) -> Option<&'a str> {
        method.strip_prefix(&*self.0.scope)?.strip_prefix(':')
    }

    fn handlers(&self) -> MutexGuard<'_, HashMap<String, Registered>> {
        self.0.handlers.lock().expect("no holder of this lock panics")
    }

    /// Tells the server which names we answer to, for as long as the client lives.
    pub(super) async fn announce(self, socket: Socket) {
        let mut told: Vec<String> = Vec::new();
        loop {
            let unconfirmed = self.tell(&socket, &mut told).await;
            let changed = self.0.changed.notified();
            match unconfirmed {
                true => drop(tokio::time::timeout(CONFIRMATION, changed).await),
                false => changed.await,
            }
            if socket.is_closed() {
                return;
            }
        }
    }

    /// Whether there are names that the server has not confirmed.
    async fn tell(&self, socket: &Socket, told: &mut Vec<String>) -> bool {
        let names = self.names();
        for gone in told.extract_if(.., |name| !names.contains(name)) {
            let _ = socket.emit("rpc-unregister", &json!({ "method": self.method(&gone) })).await;
        }
        let waiting: Vec<_> = {
            let handlers = self.handlers();
            names.into_iter().filter(|name| handlers.get(name).is_some_and(|found| !found.is_confirmed)).collect()
        };
        for name in &waiting {
            // Without a connection it is told on the next one.
            let _ = socket.emit("rpc-register", &json!({ "method": self.method(name) })).await;
            if !told.contains(name) {
                told.push(name.clone());
            }
        }
        !waiting.is_empty()
    }

    fn method(&self, name: &str) -> String {
        format!("{}:{name}", self.0.scope)
    }
}

impl std::fmt::Debug for RpcHandlers {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("RpcHandlers").field("names", &self.names()).finish()
    }
}

fn error(text: &str) -> Reply {
    Reply::Value(json!({ "error": text }))
}
