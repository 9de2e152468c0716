//! An account's profile and settings.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::server::Hall;
use crate::server::account::{self, Changed};
use crate::server::body::Json as Body;
use crate::server::failure::Refused;
use crate::server::who::Signed;
use crate::wire::{AccountProfile, Settings};

pub(super) fn routes() -> Router<Hall> {
    Router::new().route("/v1/account/profile", get(profile)).route("/v1/account/settings", get(settings).post(set))
}

async fn profile(State(hall): State<Hall>, Signed(who): Signed) -> Result<Json<AccountProfile>, Refused> {
    Ok(Json(account::profile(&hall, &who).await?))
}

async fn settings(State(hall): State<Hall>, Signed(who): Signed) -> Result<Json<Settings>, Refused> {
    Ok(Json(account::settings(&hall, &who).await?))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Set {
    /// It may be `null`, and must be there.
    #[serde(deserialize_with = "Option::deserialize")]
    settings: Option<String>,
    expected_version: u64,
}

async fn set(State(hall): State<Hall>, Signed(who): Signed, Body(set): Body<Set>) -> Result<Json<Value>, Refused> {
    Ok(Json(match account::set(&hall, &who, set.settings, set.expected_version).await? {
        Changed::Done(version) => json!({ "success": true, "version": version }),
        Changed::Mismatch(Settings { settings, settings_version }) => json!({
            "success": false,
            "error": "version-mismatch",
            "currentVersion": settings_version,
            "currentSettings": settings,
        }),
    }))
}
