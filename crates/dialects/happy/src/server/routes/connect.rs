//! Other services that an account is connected with.

use axum::extract::{Path, Request, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Value, json};

use super::query::Query;
use super::success;
use crate::server::Hall;
use crate::server::body::{self, Json as Body};
use crate::server::connect::{self, NoPerson};
use crate::server::failure::Refused;
use crate::server::options::GitHub;
use crate::server::who::Signed;

const SCOPE: &str = "read:user,user:email,read:org,codespace";
/// The largest message of GitHub's.
const LARGEST_HOOK: usize = 4 << 20;

pub(super) fn routes() -> Router<Hall> {
    Router::new()
        .route("/v1/connect/github/params", get(params))
        .route("/v1/connect/github/callback", get(callback))
        .route("/v1/connect/github/webhook", post(webhook))
        .route("/v1/connect/github", delete(disconnect))
        .route("/v1/connect/tokens", get(tokens))
        .route("/v1/connect/{vendor}", delete(forget))
        .route("/v1/connect/{vendor}/register", post(register))
        .route("/v1/connect/{vendor}/token", get(token))
}

fn github(hall: &Hall) -> Result<&GitHub, Refused> {
    hall.options.github.as_ref().ok_or(Refused::Told(StatusCode::BAD_REQUEST, "GitHub OAuth not configured"))
}

async fn params(State(hall): State<Hall>, Signed(who): Signed) -> Result<Json<Value>, Refused> {
    let github = github(&hall)?;
    let state = hall.ways.make(&who.account.id, hall.now());
    let pairs = [
        ("client_id", github.client_id.as_str()),
        ("redirect_uri", github.redirect_url.as_str()),
        ("scope", SCOPE),
        ("state", state.as_str()),
    ];
    let site = format!("{}/login/oauth/authorize", github.site);
    let url = Url::parse_with_params(&site, pairs).map_err(|_| Refused::Inside)?;
    Ok(Json(json!({ "url": url.as_str() })))
}

#[derive(Deserialize)]
struct Back {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    error: Option<String>,
}

async fn callback(State(hall): State<Hall>, Query(back): Query<Back>) -> Result<Response, Refused> {
    let github = github(&hall)?;
    let pairs = match arrive(&hall, github, back).await {
        Ok(login) => vec![("github", "connected".to_owned()), ("user", login)],
        Err(error) => vec![("error", error)],
    };
    let url = Url::parse_with_params(&github.app_url, pairs).map_err(|_| Refused::Inside)?;
    let location = HeaderValue::from_str(url.as_str()).map_err(|_| Refused::Inside)?;
    Ok((StatusCode::FOUND, [(LOCATION, location)]).into_response())
}

/// Somebody comes back from GitHub: what they are called there, or what the app is told instead.
async fn arrive(hall: &Hall, github: &GitHub, back: Back) -> Result<String, String> {
    let bad_state = || "invalid_state".to_owned();
    let account = back.state.and_then(|state| hall.ways.read(&state, hall.now())).ok_or_else(bad_state)?;
    if let Some(error) = back.error {
        return Err(error.chars().take(100).collect());
    }
    let code = back.code.ok_or_else(bad_state)?;
    let (person, token) = connect::fetch(hall.http(), github, &code).await.map_err(|error| match error {
        NoPerson::Refused(error) => error.chars().take(100).collect(),
        NoPerson::Unknown(error) => {
            tracing::warn!(%error, "happy: GitHub does not say who somebody is");
            "github_user_fetch_failed".to_owned()
        }
        NoPerson::Failed(error) => {
            tracing::warn!(%error, "happy: GitHub gives no token");
            "server_error".to_owned()
        }
    })?;
    connect::connect(hall, &account, &person, &token).await.map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "happy: an account was not connected");
        "server_error".to_owned()
    })?;
    Ok(person.login)
}

async fn webhook(State(hall): State<Hall>, headers: HeaderMap, request: Request) -> Result<Json<Value>, Refused> {
    let secret = hall.options.github.as_ref().and_then(|github| github.webhook_secret.as_ref());
    let secret = secret.ok_or(Refused::Told(StatusCode::INTERNAL_SERVER_ERROR, "Webhooks not configured"))?;
    let bytes = body::bytes(request.into_body(), LARGEST_HOOK).await?;
    let signature = headers.get("x-hub-signature-256").and_then(|signature| signature.to_str().ok());
    if !signature.is_some_and(|signature| connect::is_signed(secret, &bytes, signature)) {
        return Err(Refused::Told(StatusCode::INTERNAL_SERVER_ERROR, "Invalid signature"));
    }
    let event = headers.get("x-github-event").and_then(|event| event.to_str().ok()).unwrap_or_default();
    tracing::info!(event, "happy: GitHub says something");
    Ok(Json(json!({ "received": true })))
}

async fn disconnect(State(hall): State<Hall>, Signed(who): Signed) -> Result<Json<Value>, Refused> {
    connect::disconnect(&hall, &who.account.id).await?;
    Ok(success())
}

fn vendor(name: &str) -> Result<&'static str, Refused> {
    connect::vendor(name).ok_or_else(|| Refused::params("vendor", "must be openai, anthropic or gemini"))
}

#[derive(Deserialize)]
struct New {
    token: String,
}

async fn register(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Path(name): Path<String>,
    Body(New { token }): Body<New>,
) -> Result<Json<Value>, Refused> {
    connect::register(&hall, &who, vendor(&name)?, &token).await?;
    Ok(success())
}

async fn token(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Path(name): Path<String>,
) -> Result<Json<Value>, Refused> {
    Ok(Json(json!({ "token": connect::token(&hall, &who, vendor(&name)?).await? })))
}

async fn forget(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Path(name): Path<String>,
) -> Result<Json<Value>, Refused> {
    connect::forget(&hall, &who, vendor(&name)?).await?;
    Ok(success())
}

async fn tokens(State(hall): State<Hall>, Signed(who): Signed) -> Result<Json<Value>, Refused> {
    let tokens = connect::tokens(&hall, &who).await?;
    let tokens: Vec<Value> =
        tokens.into_iter().map(|(vendor, token)| json!({ "vendor": vendor, "token": token })).collect();
    Ok(Json(json!({ "tokens": tokens })))
}
