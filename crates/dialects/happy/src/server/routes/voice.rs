//! Talking to an agent.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::server::Hall;
use crate::server::body::Json as Body;
use crate::server::failure::Refused;
use crate::server::voice::{self, Outcome, Trouble, Voice};
use crate::server::who::Signed;

/// The longest name of an agent.
const LONGEST: usize = 256;
/// Apps know this answer.
const NONE: Refused = Refused::Told(StatusCode::INTERNAL_SERVER_ERROR, "Voice is not configured on this server");
const AWAY: Refused = Refused::Told(StatusCode::INTERNAL_SERVER_ERROR, "Voice is not available right now");

pub(super) fn routes() -> Router<Hall> {
    Router::new().route("/v1/voice/conversations", post(begin)).route("/v1/voice/usage", get(usage))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    agent_id: String,
}

async fn begin(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Body(wanted): Body<Wanted>,
) -> Result<Json<Value>, Refused> {
    let voice = configured(&hall)?;
    if !(1..=LONGEST).contains(&wanted.agent_id.len()) {
        return Err(Refused::body("agentId", "must have 1 to 256 bytes"));
    }
    let agent = &wanted.agent_id;
    Ok(Json(match voice::begin(&hall, &who, voice, agent).await.map_err(refused)? {
        Outcome::Granted { token, conversation, usage } => json!({
            "allowed": true,
            "conversationToken": token,
            "conversationId": conversation,
            "agentId": agent,
            "elevenUserId": usage.eleven_user_id,
            "usedSeconds": usage.used_seconds,
            "limitSeconds": usage.limit_seconds,
        }),
        Outcome::Denied { reason, usage } => json!({
            "allowed": false,
            "reason": reason,
            "usedSeconds": usage.used_seconds,
            "limitSeconds": usage.limit_seconds,
            "agentId": agent,
        }),
    }))
}

async fn usage(State(hall): State<Hall>, Signed(who): Signed) -> Result<Json<voice::Usage>, Refused> {
    Ok(Json(voice::usage(&hall, &who, configured(&hall)?).await.map_err(refused)?))
}

fn configured(hall: &Hall) -> Result<&Voice, Refused> {
    hall.options.voice.as_ref().ok_or(NONE)
}

fn refused(trouble: Trouble) -> Refused {
    match trouble {
        Trouble::Store(failure) => failure.into(),
        Trouble::Outside(error) => {
            tracing::warn!(%error, "happy: voice");
            AWAY
        }
    }
}
