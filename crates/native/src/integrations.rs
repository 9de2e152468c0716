//! Other services that show the caller's sessions.

use axum::extract::State;
use axum::http::Method;
use rejoin_core::id::SessionId;
use rejoin_ports::integrations::{Link, NewLink, Share};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::answer::{self, Items, Outcome};
use crate::api::Api;
use crate::body::Json;
use crate::identity::Who;
use crate::operations::{Content, Operation};
use crate::query::At;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ChangeLink {
    /// Whether sessions that you create from now on are shared without asking.
    share_new: bool,
}

pub(crate) fn operations() -> Vec<Operation> {
    let new = Operation::new;
    vec![
        new("listIntegrations", Method::GET, "/integrations", "List the services that can show your sessions")
            .answers::<Items<Link>>(200, "All of them, each with your link to it.")
            .by(list),
        new("getIntegration", Method::GET, "/integrations/{kind}", "Look at your link to a service")
            .answers::<Link>(200, "The link.")
            .fails(&["not_found"])
            .by(get),
        new(
            "linkIntegration",
            Method::POST,
            "/integrations/{kind}",
            "Begin to link: somebody has to open `show` in the service's app; look again to see whether they did",
        )
        .takes::<NewLink>()
        .answers::<Link>(200, "The link, which waits; or as it is, where there is one.")
        .fails(&["not_found", "invalid_request", "version_conflict", "body_too_large", "unsupported_media_type"])
        .by(link),
        new("changeIntegration", Method::PATCH, "/integrations/{kind}", "Share all new sessions of yours, or not")
            .takes::<ChangeLink>()
            .answers::<Link>(200, "The link.")
            .fails(&["not_found", "version_conflict", "body_too_large", "unsupported_media_type"])
            .by(change),
        new("unlinkIntegration", Method::DELETE, "/integrations/{kind}", "Forget a link, and share nothing any more")
            .answer(204, Content::Nothing, "There is no link.")
            .fails(&["not_found"])
            .by(unlink),
        new("listShares", Method::GET, "/integrations/{kind}/sessions", "List the sessions that a service shows")
            .answers::<Items<Share>>(200, "All of them.")
            .fails(&["not_found"])
            .by(shares),
        new("shareSession", Method::PUT, "/integrations/{kind}/sessions/{id}", "Let a service show a session")
            .answers::<Share>(200, "How far it is.")
            .fails(&["not_found", "invalid_request", "session_sealed"])
            .by(share),
        new(
            "unshareSession",
            Method::DELETE,
            "/integrations/{kind}/sessions/{id}",
            "Let a service hear no more of a session",
        )
        .answer(204, Content::Nothing, "It is not shared.")
        .fails(&["not_found"])
        .by(unshare),
    ]
}

async fn list(State(api): State<Api>, who: Who) -> Outcome {
    let integrations = &api.gateway.integrations;
    let mut items = Vec::new();
    for kind in integrations.kinds() {
        items.push(integrations.link(&who.caller(), kind).await?);
    }
    answer::ok(&Items { items })
}

async fn get(State(api): State<Api>, who: Who, At(kind): At<String>) -> Outcome {
    answer::ok(&api.gateway.integrations.link(&who.caller(), &kind).await?)
}

async fn link(State(api): State<Api>, who: Who, At(kind): At<String>, Json(new): Json<NewLink>) -> Outcome {
    answer::ok(&api.gateway.integrations.begin_link(&who.caller(), &kind, new).await?)
}

async fn change(State(api): State<Api>, who: Who, At(kind): At<String>, Json(wanted): Json<ChangeLink>) -> Outcome {
    answer::ok(&api.gateway.integrations.share_new(&who.caller(), &kind, wanted.share_new).await?)
}

async fn unlink(State(api): State<Api>, who: Who, At(kind): At<String>) -> Outcome {
    api.gateway.integrations.unlink(&who.caller(), &kind).await?;
    answer::nothing()
}

async fn shares(State(api): State<Api>, who: Who, At(kind): At<String>) -> Outcome {
    let items = api.gateway.integrations.shared(&who.caller(), &kind).await?;
    answer::ok(&Items { items })
}

async fn share(State(api): State<Api>, who: Who, At((kind, id)): At<(String, SessionId)>) -> Outcome {
    answer::ok(&api.gateway.integrations.share(&who.caller(), &kind, &id).await?)
}

async fn unshare(State(api): State<Api>, who: Who, At((kind, id)): At<(String, SessionId)>) -> Outcome {
    api.gateway.integrations.unshare(&who.caller(), &kind, &id).await?;
    answer::nothing()
}
