//! What every request passes on its way in, and every answer on its way out.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use rejoin_socket::Origins;

use super::problem::{self, problem};
use crate::metrics::Metrics;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest request id that is taken over from a caller.
const LONGEST_ID: usize = 128;

/// What stands before the routes.
#[derive(Clone)]
pub(crate) struct Front {
    pub(crate) metrics: Arc<Metrics>,
    /// With `--dev` nobody shows a key, so a page of the web must not reach us through somebody's browser.
    pub(crate) only_local_pages: Option<Origins>,
}

/// The layer around all routes.
pub(crate) async fn pass(State(front): State<Front>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = request_id(request.headers());
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let method = request.method().clone();
    let path = request.uri().path().to_owned(); // never the query: a key may stand in it
    let route = request.extensions().get::<MatchedPath>().cloned();
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());

    let refused = front.only_local_pages.as_ref().is_some_and(|origins| !is_local(origins, request.headers()));
    let answer = if refused {
        problem(
            StatusCode::FORBIDDEN,
            "origin_refused",
            "with --dev, only this machine's own pages and programs are served",
        )
    } else {
        // Whatever a handler shares is behind locks that a panic poisons, and those are expected not to be.
        AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!(request.id = id.to_str().unwrap_or_default(), %method, path, "a handler panicked");
            problem(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "a fault of the gateway; its log has it under the request's id",
            )
        })
    };
    let status = answer.status();
    let failed = status.is_client_error() || status.is_server_error();
    let (mut answer, code) = if failed { problem::code(answer).await } else { (answer, None) };
    harden(answer.headers_mut(), status);
    answer.headers_mut().insert(REQUEST_ID, id.clone());

    let took = began.elapsed();
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    front.metrics.answered(&method, route, status.as_u16(), took, code.as_deref());
    let (id, micros) = (id.to_str().unwrap_or_default(), took.as_micros() as u64);
    let (status, peer) = (status.as_u16(), peer.map(tracing::field::display));
    let code = code.as_deref().map(tracing::field::display);
    match route {
        // Asked for every few seconds by machines.
        "/healthz" | "/readyz" | "/metrics" => {
            tracing::debug!(target: "access", %method, path, status, micros, peer, code, request.id = id, "answered");
        }
        _ => tracing::info!(target: "access", %method, path, status, micros, peer, code, request.id = id, "answered"),
    }
    answer
}

/// The caller's own id, if it is one, or one of ours.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let given = headers.get(REQUEST_ID).filter(|id| {
        let id = id.as_bytes();
        (1..=LONGEST_ID).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
    });
    given.cloned().unwrap_or_else(|| {
        let id = uuid::Uuid::now_v7().to_string();
        HeaderValue::try_from(id).expect("a UUID is plain ASCII")
    })
}

/// Headers by which a browser makes nothing else of an answer than what it is.
fn harden(headers: &mut HeaderMap, status: StatusCode) {
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return;
    }
    let ours = [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        // Nothing of ours is a page yet; files of workspaces must not become one.
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; sandbox"),
        (CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in ours {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

/// Whether a request is by a program or a page of this machine, under a name that leads to this machine only: another name
/// could be an attacker's that was pointed at 127.0.0.1 for a moment.
fn is_local(origins: &Origins, headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).map(|host| host.to_str().unwrap_or("?"));
    let named = host.is_none_or(|host| {
        let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((six, _)) => six,
            None => host.split(':').next().unwrap_or(host),
        };
        name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    });
    named && origins.admit(headers)
}

#[cfg(test)]
mod tests {
    use http::header::ORIGIN;

    use super::*;

    #[test]
    fn in_dev_a_page_or_a_name_of_the_web_is_not_local() {
        let local = |host: &'static str, origin: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static(host));
            if let Some(origin) = origin {
                headers.insert(ORIGIN, HeaderValue::from_static(origin));
            }
            is_local(&Origins::default(), &headers)
        };
        for host in ["localhost:7717", "127.0.0.1", "127.0.0.1:7717", "[::1]:7717", "LOCALHOST"] {
            assert!(local(host, None), "{host}");
            assert!(local(host, Some("http://localhost:3000")), "{host}");
            assert!(!local(host, Some("https://evil.example")), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example:7717", "192.168.0.1", "", "[::2]:1"] {
            assert!(!local(host, None), "{host}");
        }
    }

    #[test]
    fn a_request_id_is_taken_over_only_if_it_is_plain() {
        let id = |value: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_bytes(value).unwrap());
            request_id(&headers)
        };
        assert_eq!(id(b"abc-1"), "abc-1");
        for bad in [b"a b".as_slice(), b"", &[b'x'; 129], "é".as_bytes()] {
            assert_eq!(id(bad).len(), 36);
        }
    }
}
