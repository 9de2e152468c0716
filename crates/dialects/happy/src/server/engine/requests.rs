//! The HTTP side: which request is a new session, which belongs to one, and which to none.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts, Query, Request, State};
use axum::http::header::{CONTENT_TYPE, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse, Response};
use rejoin_socket::{Accept, Limits, Upgrade};
use serde::Deserialize;

use super::outgoing::Packet;
use super::peer::{Caller, Peer};
use super::probe::Trying;
use super::refused::Refused;
use super::{Hall, PING_INTERVAL_MS, PING_TIMEOUT_MS, cors, sid};
use crate::packet::{Engine, LARGEST, Open};

const VERSION: &str = "4";
const POLLING: &str = "polling";
const WEBSOCKET: &str = "websocket";
/// A packet up to here is read past before its sender is told that it was too large; a larger one ends the reading.
const FAR_TOO_LARGE: usize = 2 << 20;
/// What the kernel holds for a client that does not read.
const SEND_BUFFER: usize = 112 << 10;
/// The longest name of a client program that is kept.
const LONGEST_LABEL: usize = 64;

#[derive(Deserialize)]
struct Asked {
    #[serde(rename = "EIO")]
    version: Option<String>,
    transport: Option<String>,
    sid: Option<String>,
}

pub(super) async fn answer(State(hall): State<Hall>, request: Request) -> Response {
    let origin = request.headers().get(ORIGIN).cloned();
    let mut answer = match *request.method() {
        Method::OPTIONS => cors::preflight(request.headers()),
        _ => take(hall, request).await.unwrap_or_else(IntoResponse::into_response),
    };
    cors::allow(origin, answer.headers_mut());
    answer
}

async fn take(hall: Hall, request: Request) -> Result<Response, Refused> {
    let (mut parts, body) = request.into_parts();
    let Query(asked) = Query::<Asked>::try_from_uri(&parts.uri).map_err(|_| Refused::Request)?;
    let transport = asked.transport.as_deref();
    if ![Some(POLLING), Some(WEBSOCKET)].contains(&transport) {
        return Err(Refused::Transport);
    }
    let Some(sid) = asked.sid.filter(|sid| !sid.is_empty()) else {
        if parts.method != Method::GET {
            return Err(Refused::Method);
        }
        if asked.version.as_deref() != Some(VERSION) {
            return Err(Refused::Version);
        }
        return match transport {
            Some(POLLING) => begin_polling(hall, &parts),
            _ => begin_websocket(hall, parts).await,
        };
    };
    let session = hall.sessions.find(&sid).ok_or(Refused::Session)?;
    if asked.version.as_deref() != Some(VERSION) {
        return Err(Refused::Request);
    }
    if transport == Some(WEBSOCKET) {
        let upgrade = upgrade(&mut parts).await?;
        let trying = Trying::begin(session)?;
        let clock = hall.options.clock.clone();
        return Ok(upgrade.accept(accept(&hall), move |socket| trying.prove(socket, clock)));
    }
    match parts.method {
        Method::GET => Ok(payload(session.poll().await?)),
        Method::POST => {
            session.post(body).await?;
            Ok(([(CONTENT_TYPE, "text/html")], "ok").into_response())
        }
        _ => Err(Refused::Request),
    }
}

fn begin_polling(hall: Hall, parts: &Parts) -> Result<Response, Refused> {
    let registered = hall.sessions.begin().ok_or(Refused::TooMany)?;
    let opened = open(registered.sid(), &[WEBSOCKET]);
    let peer = Peer::polling(hall.clone(), registered, caller(parts));
    hall.options.tasks.spawn((hall.serve)(peer));
    Ok(payload(opened))
}

async fn begin_websocket(hall: Hall, mut parts: Parts) -> Result<Response, Refused> {
    let upgrade = upgrade(&mut parts).await?;
    let caller = caller(&parts);
    Ok(upgrade.accept(accept(&hall), move |socket| {
        let opened = Packet::new(&open(&sid::random(), &[]));
        async move {
            let mut peer = Peer::websocket(hall.clone(), socket, opened, caller);
            peer.flush().await; // whatever the door does first
            (hall.serve)(peer).await;
        }
    }))
}

async fn upgrade(parts: &mut Parts) -> Result<Upgrade, Refused> {
    Upgrade::from_request_parts(parts, &()).await.map_err(|error| {
        tracing::debug!(%error, "happy: a websocket that is none");
        Refused::Request
    })
}

fn accept(hall: &Hall) -> Accept {
    Accept::new(Limits::new(LARGEST, FAR_TOO_LARGE)).send_buffer(SEND_BUFFER).tracked_by(&hall.options.tasks)
}

/// The first packet.
fn open(sid: &str, upgrades: &[&str]) -> String {
    let open = Open {
        sid: sid.to_owned(),
        upgrades: upgrades.iter().map(|&name| name.to_owned()).collect(),
        ping_interval: PING_INTERVAL_MS,
        ping_timeout: PING_TIMEOUT_MS,
        max_payload: Some(LARGEST as u64),
    };
    let open = serde_json::to_string(&open).expect("texts and numbers are JSON");
    Engine::Open(&open).to_string()
}

fn payload(text: String) -> Response {
    ([(CONTENT_TYPE, "text/plain; charset=UTF-8")], text).into_response()
}

fn caller(parts: &Parts) -> Caller {
    let address: Option<IpAddr> =
        parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip());
    Caller { address, label: label(&parts.headers) }
}

fn label(headers: &HeaderMap) -> Option<Box<str>> {
    let label = headers.get("x-happy-client")?.to_str().ok()?;
    (label.len() <= LONGEST_LABEL).then(|| label.into())
}
