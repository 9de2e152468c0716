//! Server-sent events: a stream that pulls from its source only as fast as the client reads.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::Stream;
use rejoin_core::position::Millis;
use rejoin_ports::clock::Clock;
use rejoin_ports::sign_in::{NotSignedIn, Over};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::api::{Api, Hangup};
use crate::identity::Who;
use crate::problem::Problem;

/// Proxies cut streams that are silent for long.
const HEARTBEAT_MS: Millis = 10_000;
/// A client that takes nothing for this long is cut off. It costs little until then, and loses nothing by it.
pub(crate) const STALLED_MS: Millis = 120_000;
/// How soon a browser comes back by itself.
const FIRST: &[u8] = b"retry: 1000\n\n";

/// What a source has next.
pub(crate) enum Piece {
    Text(Bytes),
    /// Nothing follows.
    Last(Bytes),
}

/// Where a stream's events come from.
pub(crate) trait Source: Send + 'static {
    /// Waits for what comes next. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = Piece> + Send;
}

/// One event with a name. `data` must be a single line, as JSON is.
pub(crate) fn named(name: &str, data: &[u8]) -> Bytes {
    let parts: [&[u8]; 5] = [b"event: ", name.as_bytes(), b"\ndata: ", data, b"\n\n"];
    parts.concat().into()
}

/// Ends a stream with what went wrong.
pub(crate) fn problem(problem: &Problem) -> Piece {
    if let Some(cause) = problem.cause() {
        tracing::error!(cause, "native: an event stream failed");
    }
    Piece::Last(named("problem", &problem.to_json()))
}

/// Answers with a stream that lasts as long as its source, the caller's sign-in and the client.
pub(crate) fn answer(api: &Api, who: Who, hangup: Option<Hangup>, source: impl Source) -> Response {
    let clock = api.clock.clone();
    let pace = Arc::new(Pace::new(clock.now()));
    let gone = CancellationToken::new();
    if let Some(Hangup(hangup)) = hangup {
        let (pace, gone, clock) = (pace.clone(), gone.clone(), clock.clone());
        // Not one of `api.tasks`: those are sockets, and counted as connections. This ends with its stream.
        tokio::spawn(async move {
            tokio::select! {
                () = gone.cancelled() => {}
                () = pace.stalls(clock.as_ref()) => hangup.cancel(),
            }
        });
    }
    let pieces = pieces(clock.clone(), who, source);
    let stream = Paced { pieces: Box::pin(pieces), pace, clock, _gone: gone.drop_guard() };
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store"),
        ("x-accel-buffering".parse().expect("a header's name"), "no"),
    ];
    (StatusCode::OK, headers, Body::from_stream(stream)).into_response()
}

fn pieces(
    clock: Arc<dyn Clock>,
    who: Who,
    source: impl Source,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    struct State<S> {
        source: S,
        over: Pin<Box<dyn Future<Output = Over> + Send>>,
        heartbeat: Pin<Box<dyn Future<Output = ()> + Send>>,
        clock: Arc<dyn Clock>,
        began: bool,
        ended: bool,
    }
    let heartbeat = |clock: &Arc<dyn Clock>| -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let clock = clock.clone();
        Box::pin(async move { clock.until(clock.now().saturating_add(HEARTBEAT_MS)).await })
    };
    let state = State {
        source,
        over: Box::pin(who.signed.over(clock.clone())),
        heartbeat: heartbeat(&clock),
        clock,
        began: false,
        ended: false,
    };
    futures_util::stream::unfold(state, move |mut state| async move {
        if state.ended {
            return None;
        }
        if !std::mem::replace(&mut state.began, true) {
            return Some((Ok(Bytes::from_static(FIRST)), state));
        }
        let bytes = tokio::select! {
            // A revoked key hears nothing more, however much there is.
            biased;
            over = &mut state.over => {
                state.ended = true;
                named("problem", &problem_of(over).to_json())
            }
            () = &mut state.heartbeat => {
                state.heartbeat = heartbeat(&state.clock);
                Bytes::from_static(b":\n\n")
            }
            piece = state.source.next() => match piece {
                Piece::Text(bytes) => bytes,
                Piece::Last(bytes) => {
                    state.ended = true;
                    bytes
                }
            },
        };
        Some((Ok(bytes), state))
    })
}

/// How a client is told that its sign-in is over.
pub(crate) fn problem_of(over: Over) -> Problem {
    match over {
        Over::Revoked => NotSignedIn::Invalid.into(),
        Over::Expired => NotSignedIn::Expired.into(),
    }
}

/// Whether the client takes what it is given. Nobody asks a stream for more while the client's window is shut, so the
/// stream itself could not tell.
struct Pace {
    asked_at: AtomicU64,
    /// The stream has nothing: it is we who let the client wait.
    idle: AtomicBool,
}

impl Pace {
    fn new(now: Millis) -> Pace {
        Pace { asked_at: AtomicU64::new(now), idle: AtomicBool::new(false) }
    }

    /// Returns when nothing was asked for in a long time, although there was more.
    async fn stalls(&self, clock: &dyn Clock) {
        loop {
            let late = self.asked_at.load(Ordering::Acquire).saturating_add(STALLED_MS);
            let now = clock.now();
            if now < late {
                clock.until(late).await;
            } else if self.idle.load(Ordering::Acquire) {
                clock.until(now.saturating_add(STALLED_MS)).await;
            } else {
                return;
            }
        }
    }
}

/// A stream that notes when it is asked.
struct Paced<S> {
    pieces: Pin<Box<S>>,
    pace: Arc<Pace>,
    clock: Arc<dyn Clock>,
    _gone: DropGuard,
}

impl<S: Stream> Stream for Paced<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let now = self.clock.now();
        self.pace.asked_at.store(now, Ordering::Release);
        let next = self.pieces.as_mut().poll_next(context);
        self.pace.idle.store(next.is_pending(), Ordering::Release);
        next
    }
}
