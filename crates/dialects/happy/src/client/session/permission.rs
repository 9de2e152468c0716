//! Asking people whether a tool may run.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use serde_json::Value;
use tokio::sync::oneshot;

use super::super::Error;
use super::SessionClient;
use crate::payload::{PermissionAnswer, RequestStatus, ToolRequest};

/// Asks that wait for people at once.
const WAITING: usize = 1_024;

/// What people said to an ask.
#[derive(Debug, Clone, PartialEq)]
pub enum Permission {
    Answered(PermissionAnswer),
    /// Nobody will answer: the turn was aborted, or the client closed.
    Withdrawn,
}

/// Asks that wait, by their ids.
#[derive(Default)]
pub(super) struct Permissions(Mutex<HashMap<String, oneshot::Sender<PermissionAnswer>>>);

impl Permissions {
    fn waiting(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<PermissionAnswer>>> {
        self.0.lock().expect("no holder of this lock panics")
    }

    /// All of them are withdrawn.
    pub(super) fn end(&self) {
        self.waiting().clear();
    }
}

impl SessionClient {
    /// Asks people whether a tool may run, and returns what they say: shows it in the agent state, waits for an answer, and
    /// moves it to what is completed. [`SessionClient::answer_permissions`] must have been called.
    ///
    /// Dropping the future leaves the ask in the agent state, until [`SessionClient::withdraw_permissions`].
    pub async fn ask_permission(&self, id: &str, tool: &str, arguments: Value) -> Result<Permission, Error> {
        let shared = &self.0.0;
        let (answered, answer) = oneshot::channel();
        {
            let mut waiting = shared.permissions.waiting();
            if waiting.len() >= WAITING {
                return Err(Error::OutboxFull { items: waiting.len(), bytes: 0 });
            }
            waiting.insert(id.to_owned(), answered);
        }
        let request = ToolRequest::new(tool, arguments, shared.options().clock.now());
        let shown = self.update_agent_state(|mut state| {
            state.ask(id, request.clone());
            state
        });
        if let Err(error) = shown.await {
            shared.permissions.waiting().remove(id);
            return Err(error);
        }
        let Ok(answer) = answer.await else { return Ok(Permission::Withdrawn) };
        self.completed(&answer).await?;
        Ok(Permission::Answered(answer))
    }

    /// Answers the calls with which people answer, for [`SessionClient::ask_permission`]. Answers to what nobody asks are
    /// passed over.
    pub fn answer_permissions(&self) {
        let shared = std::sync::Arc::downgrade(&self.0.0);
        self.rpc().register_typed("permission", move |answer: PermissionAnswer| {
            let asker = shared.upgrade().and_then(|shared| shared.permissions.waiting().remove(&answer.id));
            if let Some(asker) = asker {
                let _ = asker.send(answer); // it may have given up
            }
            std::future::ready(Ok::<(), String>(()))
        });
    }

    /// Gives up everything that waits for people, also what an earlier life of the session left.
    pub async fn withdraw_permissions(&self, reason: &str) -> Result<(), Error> {
        let now = self.0.0.options().clock.now();
        self.0.0.permissions.end();
        let is_idle = self.agent_state().is_none_or(|state| state.requests.is_none_or(|requests| requests.is_empty()));
        if is_idle {
            return Ok(());
        }
        let withdrawn = self.update_agent_state(|mut state| {
            state.cancel_all(reason, now);
            state
        });
        withdrawn.await.map(drop)
    }

    async fn completed(&self, answer: &PermissionAnswer) -> Result<(), Error> {
        let now = self.0.0.options().clock.now();
        let status = if answer.approved { RequestStatus::Approved } else { RequestStatus::Denied };
        let completed = self.update_agent_state(|mut state| {
            state.complete(&answer.id, status.clone(), now, |completed| {
                completed.reason = answer.reason.clone();
                completed.mode = answer.mode.clone();
                completed.decision = answer.decision.clone();
                // Command lines write the one, apps read the other.
                completed.allow_tools = answer.allow_tools.clone();
                completed.allowed_tools = answer.allow_tools.clone();
            });
            state
        });
        completed.await.map(drop)
    }
}
