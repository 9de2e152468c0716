//! What those who run the gateway ask it: is it alive, is it ready, what does it cost, and make a backup.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use rejoin_core::who::{Identity, Role};
use rejoin_ports::sign_in::{Carrier, NotSignedIn, SignIn};
use rejoin_ports::store::{Store, StoreError};
use serde::Deserialize;
use serde_json::json;

use crate::health::Health;
use crate::http::problem::problem;
use crate::metrics::{self, Metrics};
use crate::sign_in::{Gate, developer};

/// The longest body of a request here: a path.
const LONGEST_BODY: usize = 64 << 10;

/// What the routes of operations need.
#[derive(Clone)]
pub(crate) struct Operations {
    pub(crate) health: Arc<Health>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) store: Arc<dyn Store>,
    /// The data folder.
    pub(crate) data: PathBuf,
    /// Everybody is the developer.
    pub(crate) dev: bool,
}

/// `/healthz`, `/readyz`, `/metrics` and `/admin/backup`.
///
/// `/metrics` needs no sign-in from loopback, and an owner's or admin's key from elsewhere.
///
/// `/admin/backup` makes a copy while service goes on. It writes to this machine's disk, so it listens only to loopback, and
/// only to an owner of tenant `default`. Another process could not make the copy: the gateway holds its database alone.
pub(crate) fn routes(operations: Operations) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(show_metrics))
        .route("/admin/backup", post(backup))
        .with_state(operations)
}

async fn ready(State(operations): State<Operations>) -> Response {
    match operations.health.ready().await {
        Ok(()) => "ready\n".into_response(),
        Err(not) => problem(StatusCode::SERVICE_UNAVAILABLE, not.code, &not.detail),
    }
}

async fn show_metrics(
    State(operations): State<Operations>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Response {
    if !peer.ip().to_canonical().is_loopback() {
        match operations.signed_in(&headers, peer).await {
            Ok(who) if who.role >= Role::Admin => {}
            Ok(_) => return problem(StatusCode::FORBIDDEN, "forbidden", "your role does not allow this"),
            Err(response) => return response,
        }
    }
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], operations.metrics.text()).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// An absolute folder that does not exist yet.
    path: PathBuf,
}

async fn backup(
    State(operations): State<Operations>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    if !peer.ip().to_canonical().is_loopback() {
        return problem(StatusCode::NOT_FOUND, "not_found", "there is no such path");
    }
    let who = match operations.signed_in(request.headers(), peer).await {
        Ok(who) => who,
        Err(response) => return response,
    };
    if !is_operator(&who, operations.dev) {
        return problem(StatusCode::FORBIDDEN, "forbidden", "only an owner of tenant `default` makes backups");
    }
    let Ok(body) = axum::body::to_bytes(request.into_body(), LONGEST_BODY).await else {
        return problem(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "the body is a path, and shorter than that");
    };
    let Ok(Wanted { path }) = serde_json::from_slice(&body) else {
        return problem(
            StatusCode::BAD_REQUEST,
            "malformed",
            "the body is {\"path\": an absolute folder that does not exist yet}",
        );
    };
    if let Err(why) = operations.check(&path) {
        return problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", why);
    }
    tracing::info!(into = %path.display(), by = %who.user, "a backup begins");
    // In a task of its own: whoever asked may hang up, and half a backup is none.
    let (store, into) = (operations.store.clone(), path.clone());
    let made = tokio::spawn(async move { store.backup(&into).await }).await;
    match made.unwrap_or(Err(StoreError::Closed)) {
        Ok(()) => {
            tracing::info!(into = %path.display(), "a backup is complete");
            axum::Json(json!({ "path": path })).into_response()
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a backup failed");
            problem(StatusCode::SERVICE_UNAVAILABLE, error.code(), &error.to_string())
        }
    }
}

/// Whoever runs the gateway. The developer's tenant is anybody's name for a tenant where there is no developer.
fn is_operator(who: &Identity, dev: bool) -> bool {
    who.role == Role::Owner && (who.tenant.as_str() == "default" || (dev && who.tenant == developer().tenant))
}

impl Operations {
    async fn signed_in(&self, headers: &HeaderMap, peer: SocketAddr) -> Result<Identity, Response> {
        let shown = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token =
            shown.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let token = token.map(|(_, token)| token.trim().to_owned());
        let carrier = Carrier { token, peer: Some(peer.ip()), door: rejoin_native::DOOR };
        let signed_in = self.gate.sign_in(carrier).await.map_err(|why| {
            let status = match why {
                NotSignedIn::Missing | NotSignedIn::Invalid | NotSignedIn::Expired => StatusCode::UNAUTHORIZED,
                NotSignedIn::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
                NotSignedIn::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            };
            problem(status, why.code(), &why.to_string())
        })?;
        Ok(signed_in.identity)
    }

    fn check(&self, path: &Path) -> Result<(), &'static str> {
        if !path.is_absolute() {
            return Err("the path must be absolute");
        }
        if path.starts_with(&self.data) {
            return Err("a backup does not belong into the folder that it is of");
        }
        // An empty folder of the operator's own making would do, but what is there must never be overwritten.
        if path.symlink_metadata().is_ok() {
            return Err("there is something at that path already");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_of_a_tenant_named_dev_is_an_operator_only_with_dev() {
        let mut who = developer();
        assert!(is_operator(&who, true));
        assert!(!is_operator(&who, false));
        who.role = Role::Admin;
        assert!(!is_operator(&who, true));
        let tenant = rejoin_core::id::TenantId::new("default").unwrap();
        assert!(is_operator(&Identity { tenant, role: Role::Owner, ..who }, false));
    }
}
