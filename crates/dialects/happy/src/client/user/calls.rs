//! Calling what agents and machines answer to.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::super::key::Key;
use super::super::{Error, OpenedMachine, OpenedSession};
use super::UserClient;
use crate::payload::{Bash, BashDone, PermissionAnswer, SpawnSession, Spawned};

const DOING: &str = "calling";

impl UserClient {
    /// Calls what a session answers to. None: it was done, and there is nothing to say about it.
    pub async fn call_rpc(
        &self,
        session: &OpenedSession,
        name: &str,
        params: &impl Serialize,
    ) -> Result<Option<Value>, Error> {
        self.call(&session.key, session.id(), name, params).await
    }

    /// Calls what a machine answers to.
    pub async fn call_machine(
        &self,
        machine: &OpenedMachine,
        name: &str,
        params: &impl Serialize,
    ) -> Result<Option<Value>, Error> {
        self.call(&machine.key, machine.id(), name, params).await
    }

    /// Answers what an agent wants to be allowed. Whether it still wanted to know is seen in the agent state.
    pub async fn answer_permission(&self, session: &OpenedSession, answer: &PermissionAnswer) -> Result<(), Error> {
        done(self.call_rpc(session, "permission", answer).await?)
    }

    /// Wants the turn to stop.
    pub async fn abort(&self, session: &OpenedSession, reason: Option<&str>) -> Result<(), Error> {
        done(self.call_rpc(session, "abort", &json!({ "reason": reason })).await?)
    }

    /// Wants the session to end.
    pub async fn kill_session(&self, session: &OpenedSession) -> Result<(), Error> {
        done(self.call_rpc(session, "killSession", &json!({})).await?)
    }

    /// Runs a command where the session runs.
    pub async fn bash(&self, session: &OpenedSession, command: &Bash) -> Result<BashDone, Error> {
        result(self.call_rpc(session, "bash", command).await?)
    }

    /// Starts a session on a machine.
    pub async fn spawn_session(&self, machine: &OpenedMachine, wanted: &SpawnSession) -> Result<Spawned, Error> {
        result(self.call_machine(machine, "spawn-happy-session", wanted).await?)
    }

    async fn call(&self, key: &Key, scope: &str, name: &str, params: &impl Serialize) -> Result<Option<Value>, Error> {
        let shared = &self.0.0;
        let question = json!({ "method": format!("{scope}:{name}"), "params": key.seal(params)? });
        let patience = shared.account.options().call_timeout;
        let answer = shared.socket.call(DOING, "rpc-call", Some(&question), patience).await?;
        if answer["ok"] != true {
            let text = answer["error"].as_str().unwrap_or("the server gives no reason").to_owned();
            return Err(Error::Rejected { doing: DOING, text });
        }
        let sealed = answer["result"].as_str().ok_or(Error::Unreadable(DOING))?;
        key.open(sealed).map_err(|why| Error::io("opening the answer to a call", why))
    }
}

/// What a handler could not do is told as `{error}`.
fn failure(answer: &Value) -> Option<Error> {
    let only_error = answer.as_object().is_some_and(|fields| fields.len() == 1);
    let text = answer["error"].as_str().filter(|_| only_error)?;
    Some(Error::Rejected { doing: DOING, text: text.to_owned() })
}

fn done(answer: Option<Value>) -> Result<(), Error> {
    answer.as_ref().and_then(failure).map_or(Ok(()), Err)
}

fn result<T: DeserializeOwned>(answer: Option<Value>) -> Result<T, Error> {
    let answer = answer.ok_or(Error::Unreadable(DOING))?;
    match failure(&answer) {
        Some(error) => Err(error),
        None => serde_json::from_value(answer).map_err(|_| Error::Unreadable(DOING)),
    }
}
