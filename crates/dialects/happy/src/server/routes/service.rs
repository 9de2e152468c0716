//! What is asked before anything else: who is there, how it is, and whether an app is too old.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use rejoin_ports::store::Owner;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::server::Hall;
use crate::server::body::Json as Body;
use crate::server::instant::iso;

const NAME: &str = "happy-server";
/// Apps before this one should be replaced; and where newer ones are.
const OLDEST: (u64, u64, u64) = (1, 4, 1);
const IOS: &str = "https://apps.apple.com/us/app/happy-claude-code-client/id6748571505";
const ANDROID: &str = "https://play.google.com/store/apps/details?id=com.ex3ndr.happy";

pub(super) fn routes() -> Router<Hall> {
    Router::new().route("/", get(greet)).route("/health", get(health)).route("/v1/version", post(version))
}

pub(super) async fn greet() -> &'static str {
    "Welcome to Happy Server!"
}

async fn health(State(hall): State<Hall>) -> Response {
    let timestamp = iso(hall.now());
    match hall.gateway.records.get(&Owner::Gateway, "happy.health", "").await {
        Ok(_) => Json(json!({ "status": "ok", "timestamp": timestamp, "service": NAME })).into_response(),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "happy: the store does not answer");
            let error = "Database connectivity failed";
            let told = json!({ "status": "error", "timestamp": timestamp, "service": NAME, "error": error });
            (StatusCode::SERVICE_UNAVAILABLE, Json(told)).into_response()
        }
    }
}

#[derive(Deserialize)]
struct App {
    platform: String,
    version: String,
    #[serde(rename = "app_id")]
    _app_id: String,
}

async fn version(Body(app): Body<App>) -> Json<Value> {
    let store = match app.platform.to_ascii_lowercase().as_str() {
        "ios" => Some(IOS),
        "android" => Some(ANDROID),
        _ => None,
    };
    Json(json!({ "updateUrl": store.filter(|_| !is_new(&app.version)) }))
}

/// What has not the shape of a version, or is a first taste of one, is not new enough.
fn is_new(version: &str) -> bool {
    let version = version.trim().split('+').next().unwrap_or_default();
    let numbers: Vec<Option<u64>> = version.split('.').map(|number| number.parse().ok()).collect();
    matches!(numbers[..], [Some(major), Some(minor), Some(patch)] if (major, minor, patch) >= OLDEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_is_new_from_1_4_1_on() {
        for new in ["1.4.1", "1.4.10", "1.5.0", "2.0.0", "1.4.1+5"] {
            assert!(is_new(new), "{new}");
        }
        for old in ["1.4.0", "1.3.9", "0.9.9", "1.4", "", "x", "1.4.1-beta", "1.4.1.1"] {
            assert!(!is_new(old), "{old}");
        }
    }
}
