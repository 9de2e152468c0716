//! A server written from the specification: enough of it to tell stories, and ways to fail. It speaks raw frames, so that it
//! shares no mistake with the client.

mod http;
mod route;
mod socket;
mod world;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rejoin_happy::client::seal::AccountSecret;
use rejoin_happy::client::{Account, NewSession, OpenedSession, Options, SessionClient, SessionOptions};
use rejoin_happy::payload::{Metadata, UserMessage};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub(crate) use world::{Fault, World};

/// Longer than anything here takes, however busy the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Standin {
    pub(crate) address: String,
    /// Below which path it stands: `/happy`, or nothing.
    pub(crate) prefix: &'static str,
    world: Arc<Mutex<World>>,
    changes: watch::Sender<u64>,
    stop: CancellationToken,
}

impl Drop for Standin {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Standin {
    /// One that stands where ours does.
    pub(crate) async fn start() -> Arc<Standin> {
        Standin::start_with("/happy", |_| {}).await
    }

    pub(crate) async fn start_with(prefix: &'static str, set: impl FnOnce(&mut World)) -> Arc<Standin> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a port");
        let address = format!("http://{}", listener.local_addr().expect("it is bound"));
        let mut world = World::new(format!("{address}{prefix}"));
        set(&mut world);
        let standin = Arc::new(Standin {
            address,
            prefix,
            world: Arc::new(Mutex::new(world)),
            changes: watch::Sender::default(),
            stop: CancellationToken::new(),
        });
        // What is spawned holds no `Standin`, so that dropping it ends it.
        let served = Served {
            prefix,
            world: standin.world.clone(),
            changes: standin.changes.clone(),
            stop: standin.stop.clone(),
        };
        let stop = standin.stop.clone();
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    () = stop.cancelled() => return,
                    accepted = listener.accept() => accepted,
                };
                if let Ok((stream, _)) = accepted {
                    tokio::spawn(served.clone().serve(stream));
                }
            }
        });
        standin
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            reconnect_delay: Duration::from_millis(5),
            longest_delay: Duration::from_millis(50),
            request_timeout: PATIENCE,
            ack_timeout: Duration::from_secs(20),
            ..Options::new(&format!("{}{}", self.address, self.prefix)).expect("it is an address")
        }
    }

    pub(crate) async fn account(&self) -> Account {
        Account::sign_in(&self.options(), &AccountSecret::from_bytes([7; 32])).await.expect("it lets everybody in")
    }

    /// A new session and its client, connected.
    pub(crate) async fn session(&self) -> (OpenedSession, SessionClient) {
        self.session_with(SessionOptions::default()).await
    }

    pub(crate) async fn session_with(&self, options: SessionOptions) -> (OpenedSession, SessionClient) {
        let account = self.account().await;
        let session = account.create_session(&NewSession::new(metadata())).await.expect("it is created");
        let client = account.session_client(&session, options).expect("it is opened");
        client.connected(PATIENCE).await.expect("it connects");
        (session, client)
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("no holder of this lock panics")
    }

    /// Changes something, and lets those know who wait.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let changed = change(&mut self.world());
        self.changes.send_modify(|count| *count += 1);
        changed
    }

    /// Waits until something is so.
    pub(crate) async fn sees<T>(&self, what: &str, look: impl FnMut(&mut World) -> Option<T>) -> T {
        let mut look = look;
        let mut changes = self.changes.subscribe();
        let seen = async {
            loop {
                changes.borrow_and_update();
                if let Some(seen) = look(&mut self.world()) {
                    return seen;
                }
                changes.changed().await.expect("we hold the other end");
            }
        };
        match timeout(PATIENCE, seen).await {
            Ok(seen) => seen,
            Err(_) => panic!("it never sees {what}; events: {:?}", self.world().events),
        }
    }

    /// Waits for the next event of this name that nobody has taken.
    pub(crate) async fn hears(&self, name: &str) -> Value {
        self.sees(name, |world| world.take_event(name)).await
    }

    /// Somebody else writes into a session.
    pub(crate) fn somebody_says(&self, session: &OpenedSession, text: &str) -> u64 {
        let message = UserMessage::new(text).into();
        let sealed = session.seal(&message).expect("it can be sealed");
        self.change(|world| world.store(session.id(), &sealed, None, None).0)
    }

    /// All that a session contains, opened, in its order.
    pub(crate) fn said(&self, session: &OpenedSession) -> Vec<Value> {
        let open =
            |message: &world::Stored| session.key.open(&message.content).expect("it is ours").expect("it is not empty");
        self.world().messages(session.id()).iter().map(open).collect()
    }

    /// Cuts every socket without a word.
    pub(crate) fn cut(&self) {
        self.change(World::cut);
    }
}

#[derive(Clone)]
pub(crate) struct Served {
    prefix: &'static str,
    world: Arc<Mutex<World>>,
    changes: watch::Sender<u64>,
    stop: CancellationToken,
}

impl Served {
    async fn serve(self, stream: tokio::net::TcpStream) {
        let stop = self.stop.clone();
        let work = async {
            let mut head = [0; 32];
            let Ok(count) = stream.peek(&mut head).await else { return };
            match head[..count].starts_with(b"GET /v1/updates/") {
                true => socket::serve(self, stream).await,
                false => http::serve(self, stream).await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = work => {}
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let changed = change(&mut self.world.lock().expect("no holder of this lock panics"));
        self.changes.send_modify(|count| *count += 1);
        changed
    }
}

pub(crate) fn metadata() -> Metadata {
    Metadata { path: "/tmp".into(), host: "laptop".into(), ..Metadata::default() }
}

pub(crate) fn error(text: &str) -> Value {
    json!({ "error": text })
}
