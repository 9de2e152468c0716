//! What the gateway counts about itself, as `/metrics` shows it (OpenMetrics text).

mod process;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use rejoin_ports::store::{Store, StoreFigures};

use crate::http::Connections;

/// What the text is.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Seconds until an answer's head is ready: from a look into memory to a turn's patience.
const BUCKETS: [f64; 9] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 10.0];

pub struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    seconds: Family<Routed, Histogram, fn() -> Histogram>,
    errors: Family<Coded, Counter>,
    /// Codes that are counted under their name; anything else is `other`, so that nobody can grow the list.
    codes: Vec<&'static str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Routed {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Coded {
    code: &'static str,
}

impl Metrics {
    pub fn new(codes: Vec<&'static str>) -> Metrics {
        let mut registry = Registry::with_prefix("rejoin");
        let requests = Family::default();
        let seconds = Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> Histogram);
        let errors = Family::default();
        registry.register("http_requests", "Requests answered, by route and status", requests.clone());
        registry.register("http_answer_seconds", "Seconds until the head of an answer was ready", seconds.clone());
        registry.register("errors", "Problems answered, by code", errors.clone());
        Metrics { registry, requests, seconds, errors, codes }
    }

    /// Adds what a running gateway knows.
    pub fn watch(&mut self, store: Arc<dyn Store>, engine: rejoin_engine::Engine, connections: Connections) {
        self.registry.register_collector(Box::new(Gateway { store, engine, connections }));
    }

    pub(crate) fn answered(&self, method: &Method, route: &str, status: u16, took: Duration, code: Option<&str>) {
        let method = known(method);
        self.requests.get_or_create(&Answered { method, route: route.to_owned(), status }).inc();
        self.seconds.get_or_create(&Routed { route: route.to_owned() }).observe(took.as_secs_f64());
        if let Some(code) = code {
            let code = self.codes.iter().find(|known| **known == code).copied().unwrap_or("other");
            self.errors.get_or_create(&Coded { code }).inc();
        }
    }

    /// The whole text.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(16 << 10);
        // The process's own figures have names that every dashboard knows, without our prefix.
        let own = process::registry();
        let written = prometheus_client::encoding::text::encode_registry(&mut text, &own)
            .and_then(|()| prometheus_client::encoding::text::encode(&mut text, &self.registry));
        written.expect("a String takes every text");
        text
    }
}

/// Anybody can make methods up.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Figures that others keep, read when somebody looks.
struct Gateway {
    store: Arc<dyn Store>,
    engine: rejoin_engine::Engine,
    connections: Connections,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Gateway")
    }
}

impl Collector for Gateway {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let StoreFigures { commits, works, events, bytes, commit_micros, waiting, wal_bytes, database_bytes, sessions } =
            self.store.figures();
        let live = self.engine.figures();
        let seconds = commit_micros as f64 / 1e6;
        let out = &mut encoder;
        gauge(out, "sessions_stored", "Sessions that the store has", sessions)?;
        gauge(out, "sessions_live", "Sessions in memory", live.sessions as u64)?;
        gauge(out, "sessions_followed", "Sessions that have readers", live.followed as u64)?;
        gauge(out, "readers", "Readers of sessions", live.readers)?;
        gauge(out, "agents", "Agents that are open", live.agents)?;
        gauge(out, "turns", "Turns under way", live.turns.max(0) as u64)?;
        counter(out, "commands", "Commands taken", live.commands)?;
        counter(out, "commands_refused", "Commands refused by the rules", live.refused)?;
        counter(out, "ring_misses", "Readers that fell behind the ring and read the log", live.ring_misses)?;
        counter(out, "session_restarts", "Sessions rebuilt from their logs after a fault", live.restarts)?;
        counter(out, "store_commits", "Transactions: group commits", commits)?;
        counter(out, "store_works", "Works committed in them", works)?;
        counter(out, "store_events", "Events committed in them", events)?;
        counter(out, "store_bytes", "Bytes of those events", bytes)?;
        counter(out, "store_commit_seconds", "Seconds spent in group commits", seconds)?;
        gauge(out, "store_waiting", "Works that wait for the next group commit", waiting)?;
        gauge(out, "store_wal_bytes", "Bytes of the write-ahead log", wal_bytes)?;
        gauge(out, "store_database_bytes", "Bytes of the database", database_bytes)?;
        gauge(out, "connections", "Connections that speak HTTP", self.connections.http() as u64)?;
        gauge(out, "sockets", "Connections that became sockets", self.connections.sockets() as u64)?;
        counter(out, "connections_accepted", "Connections that came", self.connections.accepted())?;
        counter(out, "connections_refused", "Connections turned away: there were too many", self.connections.refused())
    }
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    // OpenMetrics knows signed numbers; nothing here comes near their end.
    let metric = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
    metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
}

fn counter<N: Clone + fmt::Debug>(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: N) -> fmt::Result
where
    ConstCounter<N>: EncodeMetric,
{
    let metric = ConstCounter::new(value);
    metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
}
