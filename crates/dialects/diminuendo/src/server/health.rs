//! How we are, as the original's load balancers ask.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Hall;

/// Something that we need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    pub name: &'static str,
    pub ok: bool,
    /// Without it nothing works.
    pub vital: bool,
    pub latency_ms: u64,
}

/// How the gateway is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    pub version: String,
    pub uptime_ms: u64,
    pub active_sessions: u64,
    pub dependencies: Vec<Dependency>,
}

/// Knows how the gateway is.
#[async_trait]
pub trait Probe: Send + Sync + 'static {
    async fn health(&self) -> Health;
}

/// For a door without anything behind it.
pub(super) struct NothingBehind;

#[async_trait]
impl Probe for NothingBehind {
    async fn health(&self) -> Health {
        Health::default()
    }
}

pub(super) async fn page(State(door): State<Hall>) -> (StatusCode, Json<Value>) {
    let health = door.options.health.health().await;
    let failing = || health.dependencies.iter().filter(|dependency| !dependency.ok);
    let status = match (failing().next(), failing().any(|dependency| dependency.vital)) {
        (None, _) => "ok",
        (Some(_), false) => "degraded",
        (Some(_), true) => "down",
    };
    let dependencies: serde_json::Map<String, Value> = health
        .dependencies
        .iter()
        .map(|dependency| {
            let state = if dependency.ok { "ok" } else { "down" };
            (dependency.name.to_owned(), json!({ "status": state, "latencyMs": dependency.latency_ms }))
        })
        .collect();
    let code = if status == "down" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let page = json!({
        "status": status,
        "version": health.version,
        "uptimeMs": health.uptime_ms,
        "connections": door.viewers.connections.load(Ordering::Relaxed),
        "activeSessions": health.active_sessions,
        "dependencies": dependencies,
    });
    (code, Json(page))
}
