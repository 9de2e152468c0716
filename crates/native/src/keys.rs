//! API keys of the caller's tenant.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use rejoin_ports::sign_in::{KeyInfo, NewKey};
use schemars::JsonSchema;
use serde::Serialize;

use crate::answer::{self, Items, Outcome};
use crate::api::Api;
use crate::body::Json;
use crate::identity::Who;
use crate::operations::{Content, Operation};
use crate::query::At;

/// A new key, with the one sight of its text.
#[derive(Serialize, JsonSchema)]
pub(crate) struct CreatedKey {
    #[serde(flatten)]
    info: KeyInfo,
    /// The key itself. It is shown here, and never again.
    key: String,
}

pub(crate) fn operations() -> Vec<Operation> {
    let new = Operation::new;
    vec![
        new("createKey", Method::POST, "/keys", "Make an API key")
            .takes::<NewKey>()
            .answers::<CreatedKey>(201, "The key, with its text.")
            .fails(&["not_found", "invalid_request", "too_long", "body_too_large", "unsupported_media_type"])
            .by(create),
        new("listKeys", Method::GET, "/keys", "List API keys, without their texts")
            .answers::<Items<KeyInfo>>(200, "All of them.")
            .by(list),
        new("revokeKey", Method::DELETE, "/keys/{id}", "Revoke an API key")
            .answer(204, Content::Nothing, "It opens nothing any more.")
            .fails(&["not_found"])
            .by(revoke),
    ]
}

async fn create(State(api): State<Api>, who: Who, Json(new): Json<NewKey>) -> Outcome {
    let (info, key) = api.gateway.keys.create(&who.caller(), new).await?;
    answer::json(StatusCode::CREATED, &CreatedKey { info, key })
}

async fn list(State(api): State<Api>, who: Who) -> Outcome {
    let items = api.gateway.keys.list(&who.caller()).await?;
    answer::ok(&Items { items })
}

async fn revoke(State(api): State<Api>, who: Who, At(id): At<String>) -> Outcome {
    api.gateway.keys.revoke(&who.caller(), &id).await?;
    answer::nothing()
}
