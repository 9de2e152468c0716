//! The one table of what this door does: routes and their descriptions are made from it.

use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::api::Api;
use crate::{
    agents, budget, commands, events, feed, files, integrations, keys, members, messages, sessions, socket, terminals,
    usage, workspaces,
};

pub(crate) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// What is sent, or answered.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Content {
    Nothing,
    Json(SchemaOf),
    Bytes,
    /// Server-sent events.
    Events,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content: Content,
    pub(crate) meaning: &'static str,
}

/// One thing that the door does.
pub(crate) struct Operation {
    pub(crate) id: &'static str,
    pub(crate) method: Method,
    /// Behind the API's base, as axum writes it.
    pub(crate) path: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) query: Option<SchemaOf>,
    pub(crate) request: Content,
    pub(crate) answers: Vec<Answer>,
    /// Codes that are this operation's own; every operation has the general ones besides.
    pub(crate) codes: &'static [&'static str],
    pub(crate) route: MethodRouter<Api>,
}

/// Codes that every operation may answer with.
pub(crate) const GENERAL: &[&str] = &[
    "malformed",
    "unauthenticated",
    "invalid_token",
    "token_expired",
    "forbidden",
    "too_many_attempts",
    "rate_limited",
    "too_busy",
    "internal",
    "stopping",
    "sign_in_unavailable",
    "store_locked",
    "store_read_only",
    "store_corrupt",
    "store_failed",
    "disk_full",
];

impl Operation {
    pub(crate) fn new(id: &'static str, method: Method, path: &'static str, summary: &'static str) -> Operation {
        Operation {
            id,
            method,
            path,
            summary,
            query: None,
            request: Content::Nothing,
            answers: Vec::new(),
            codes: &[],
            route: MethodRouter::new(),
        }
    }
    pub(crate) fn query<T: JsonSchema>(mut self) -> Operation {
        self.query = Some(|generator| T::json_schema(generator));
        self
    }
    pub(crate) fn takes<T: JsonSchema>(mut self) -> Operation {
        self.request = Content::Json(SchemaGenerator::subschema_for::<T>);
        self
    }
    pub(crate) fn takes_bytes(mut self) -> Operation {
        self.request = Content::Bytes;
        self
    }
    pub(crate) fn answers<T: JsonSchema>(self, status: u16, meaning: &'static str) -> Operation {
        self.answer(status, Content::Json(SchemaGenerator::subschema_for::<T>), meaning)
    }
    pub(crate) fn answer(mut self, status: u16, content: Content, meaning: &'static str) -> Operation {
        self.answers.push(Answer { status, content, meaning });
        self
    }
    pub(crate) fn fails(mut self, codes: &'static [&'static str]) -> Operation {
        self.codes = codes;
        self
    }
    /// Who does it.
    pub(crate) fn by<H, T>(mut self, handler: H) -> Operation
    where
        H: Handler<T, Api>,
        T: 'static,
    {
        let filter = MethodFilter::try_from(self.method.clone()).expect("a plain method");
        self.route = on(filter, handler);
        self
    }
}

/// All of them.
pub(crate) fn all() -> Vec<Operation> {
    let nouns: [fn() -> Vec<Operation>; 15] = [
        sessions::operations,
        commands::operations,
        messages::operations,
        events::operations,
        socket::operations,
        feed::operations,
        files::operations,
        usage::operations,
        workspaces::operations,
        agents::operations,
        keys::operations,
        members::operations,
        budget::operations,
        integrations::operations,
        terminals::operations,
    ];
    nouns.into_iter().flat_map(|noun| noun()).collect()
}
