//! What people want of a session besides saying something to it: the calls with a name of their own.

use std::fmt::Display;

use serde::Deserialize;
use serde_json::{Value, json};

use super::SessionClient;
use crate::payload::{Drive, PermissionAnswer};

#[derive(Deserialize)]
struct Switch {
    to: Drive,
}

impl SessionClient {
    /// Calls this with people's answers to what the agent wants to be allowed.
    /// [`SessionClient::ask_permission`] does all that belongs to it.
    pub fn on_permission<F, E>(&self, handler: impl Fn(PermissionAnswer) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Display + 'static,
    {
        self.rpc().register_typed("permission", handler);
    }

    /// Calls this when people want the turn to stop; with their reason, if they give one.
    pub fn on_abort<F, E>(&self, handler: impl Fn(Option<String>) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Display,
    {
        self.rpc().register("abort", move |params: Value| handler(params["reason"].as_str().map(str::to_owned)));
    }

    /// Calls this when people want to drive from elsewhere. True: it is done.
    pub fn on_switch<F, E>(&self, handler: impl Fn(Drive) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<bool, E>> + Send + 'static,
        E: Display + 'static,
    {
        self.rpc().register_typed("switch", move |switch: Switch| handler(switch.to));
    }

    /// Calls this when people want the session to end. Its answer goes out before the handler's work is done, if that is
    /// left to a task: ending the process within it would leave them without one.
    pub fn on_kill_session<F, E>(&self, handler: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Display + 'static,
    {
        self.rpc().register("killSession", move |_| {
            let killing = handler();
            async move { killing.await.map(|()| json!({ "success": true, "message": "The session ends" })) }
        });
    }
}
