//! A sealed value that many may change, each only what it has seen: metadata, agent state, daemon state.

use std::sync::{Mutex, MutexGuard};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::{Mutex as Turn, watch};
use tokio::time::{Instant, sleep};

use super::backoff::after_conflict;
use super::key::Key;
use super::socket::Socket;
use super::{Error, Options};
use crate::wire::Versioned;

/// What is asked of the server to change it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    pub(super) doing: &'static str,
    pub(super) event: &'static str,
    /// The value's name in questions and answers.
    pub(super) field: &'static str,
    /// What names the record it belongs to.
    pub(super) owner: &'static str,
}

pub(super) const METADATA: Kind =
    Kind { doing: "changing metadata", event: "update-metadata", field: "metadata", owner: "sid" };
pub(super) const AGENT_STATE: Kind =
    Kind { doing: "changing agent state", event: "update-state", field: "agentState", owner: "sid" };
pub(super) const MACHINE_METADATA: Kind = Kind {
    doing: "changing a machine's metadata",
    event: "machine-update-metadata",
    field: "metadata",
    owner: "machineId",
};
pub(super) const DAEMON_STATE: Kind = Kind {
    doing: "changing a daemon's state",
    event: "machine-update-state",
    field: "daemonState",
    owner: "machineId",
};

pub(super) struct Register<T> {
    kind: Kind,
    owner: String,
    key: Key,
    held: Mutex<Held<T>>,
    /// Counts what was adopted.
    changes: watch::Sender<u64>,
    /// One change at a time: each is made from the outcome of the one before.
    turn: Turn<()>,
}

#[derive(Clone)]
struct Held<T> {
    value: Opened<T>,
    /// The value as it travels.
    sealed: Option<String>,
    version: u64,
}

/// A change on its way.
struct Attempt<T> {
    wanted: Option<T>,
    sealed: Option<String>,
    /// What it was made from.
    version: u64,
}

#[derive(Debug, Clone)]
enum Opened<T> {
    Nothing,
    Value(T),
    /// It is under another key, or damaged. It must not be changed by whoever cannot read it.
    Unreadable,
}

impl<T> Register<T>
where
    T: Serialize + DeserializeOwned + Clone + PartialEq + Default,
{
    pub(super) fn new(kind: Kind, owner: &str, key: &Key, sealed: Option<&str>, version: u64) -> Register<T> {
        let held = Held { value: Opened::read(key, sealed), sealed: sealed.map(str::to_owned), version };
        Register {
            kind,
            owner: owner.to_owned(),
            key: key.clone(),
            held: Mutex::new(held),
            changes: watch::Sender::new(0),
            turn: Turn::new(()),
        }
    }

    pub(super) fn value(&self) -> Option<T> {
        match &self.held().value {
            Opened::Value(value) => Some(value.clone()),
            Opened::Nothing | Opened::Unreadable => None,
        }
    }

    pub(super) fn version(&self) -> u64 {
        self.held().version
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Takes over what the server tells, if it is newer than what is known.
    pub(super) fn adopt(&self, told: &Versioned) {
        let value = Opened::read(&self.key, told.value.as_deref());
        let mut held = self.held();
        if told.version > held.version {
            *held = Held { value, sealed: told.value.clone(), version: told.version };
            drop(held);
            self.changes.send_modify(|count| *count += 1);
        }
    }

    /// Changes it, against others who change it as well and through lost connections. `change` may be called again, with
    /// what others have made of it meanwhile.
    pub(super) async fn change<R: Into<Option<T>>>(
        &self,
        socket: &Socket,
        options: &Options,
        mut change: impl FnMut(T) -> R,
    ) -> Result<Option<T>, Error> {
        let _turn = self.turn.lock().await;
        let until = Instant::now() + options.change_patience;
        let mut failures = 0;
        // What was sent last, and may have arrived although no answer came.
        let mut unsure: Option<Attempt<T>> = None;
        loop {
            socket.connected(until).await?;
            let (current, held) = self.readable()?;
            // The server told everybody, and us no more.
            if let Some(sent) = unsure.take_if(|sent| sent.arrived_as(&held)) {
                return Ok(sent.wanted);
            }
            // As long as nobody has changed it, the very same text: should it be there, it is known by that.
            let attempt = match unsure.take().filter(|sent| sent.version == held.version) {
                Some(sent) => sent,
                None => {
                    let wanted = change(current).into();
                    if failures > 0 && held.value.is(wanted.as_ref()) {
                        return Ok(wanted); // others had the same wish
                    }
                    let sealed = wanted.as_ref().map(|wanted| self.key.seal(wanted)).transpose()?;
                    Attempt { wanted, sealed, version: held.version }
                }
            };
            let question = json!({
                self.kind.owner: self.owner, "expectedVersion": attempt.version, self.kind.field: attempt.sealed,
            });
            let answer = socket.call(self.kind.doing, self.kind.event, Some(&question), options.ack_timeout).await;
            match answer.and_then(|answer| self.read(&answer)) {
                Ok(Answer::Done(told)) => {
                    self.adopt(&told);
                    return Ok(attempt.wanted);
                }
                Ok(Answer::Stale(told)) => {
                    self.adopt(&told);
                    // Each sealing is different, so this one is ours: its answer was lost.
                    if told.value.is_some() && told.value == attempt.sealed {
                        return Ok(attempt.wanted);
                    }
                }
                // Lost on the way, there or back.
                Err(Error::NotConnected | Error::Timeout(_)) => unsure = Some(attempt),
                Err(error) => return Err(error),
            }
            if Instant::now() >= until {
                return Err(Error::Timeout(self.kind.doing));
            }
            failures += 1;
            sleep(after_conflict(failures)).await;
        }
    }

    fn readable(&self) -> Result<(T, Held<T>), Error> {
        let held = self.held().clone();
        match &held.value {
            Opened::Nothing => Ok((T::default(), held)),
            Opened::Value(value) => Ok((value.clone(), held)),
            Opened::Unreadable => Err(Error::Sealed(self.kind.field)),
        }
    }

    fn read(&self, answer: &Value) -> Result<Answer, Error> {
        let text = || answer["message"].as_str().unwrap_or("the server gives no reason").to_owned();
        let told = || {
            let version = answer["version"].as_u64().ok_or(Error::Unreadable(self.kind.doing))?;
            Ok(Versioned { value: answer[self.kind.field].as_str().map(str::to_owned), version })
        };
        match answer["result"].as_str() {
            Some("success") => told().map(Answer::Done),
            Some("version-mismatch") => told().map(Answer::Stale),
            Some("error") => Err(Error::Rejected { doing: self.kind.doing, text: text() }),
            _ => Err(Error::Unreadable(self.kind.doing)),
        }
    }

    fn held(&self) -> MutexGuard<'_, Held<T>> {
        self.held.lock().expect("no holder of this lock panics")
    }
}

impl<T> Attempt<T> {
    fn arrived_as(&self, held: &Held<T>) -> bool {
        held.version > self.version && self.sealed.is_some() && self.sealed == held.sealed
    }
}

enum Answer {
    Done(Versioned),
    Stale(Versioned),
}

impl<T: PartialEq> Opened<T> {
    fn is(&self, wanted: Option<&T>) -> bool {
        match self {
            Opened::Nothing => wanted.is_none(),
            Opened::Value(value) => wanted == Some(value),
            Opened::Unreadable => false,
        }
    }
}

impl<T: DeserializeOwned> Opened<T> {
    fn read(key: &Key, sealed: Option<&str>) -> Opened<T> {
        let Some(sealed) = sealed else { return Opened::Nothing };
        match key.open(sealed).map(|value| value.map(serde_json::from_value)) {
            Ok(Some(Ok(value))) => Opened::Value(value),
            Ok(None) => Opened::Nothing,
            Ok(Some(Err(_))) | Err(_) => Opened::Unreadable,
        }
    }
}
