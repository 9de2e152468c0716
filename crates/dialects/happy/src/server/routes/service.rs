//! What is asked before anything else: who is there, how it is, and whether an app is too old.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use rejoin_core::position::Millis;
use rejoin_ports::store::Owner;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::server::Hall;
use crate::server::body::Json as Body;

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

/// `2026-11-27T06:09:00.000Z`
fn iso(at: Millis) -> String {
    let (seconds, millis) = (at / 1_000, at % 1_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years begin with March here, so that the leap day is their last.
    let day = days + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let year = era * 400 + year + later;
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
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
    fn times_are_told_as_dates() {
        assert_eq!(iso(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso(951_782_400_123), "2000-02-29T00:00:00.123Z");
        assert_eq!(iso(1_709_251_199_999), "2024-02-29T23:59:59.999Z");
        assert_eq!(iso(1_709_251_200_000), "2024-03-01T00:00:00.000Z");
        assert_eq!(iso(1_767_225_599_000), "2025-12-31T23:59:59.000Z");
    }

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
