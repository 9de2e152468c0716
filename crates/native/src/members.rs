//! Members of the caller's tenant and their roles.

use axum::extract::State;
use axum::http::Method;
use rejoin_core::id::UserId;
use rejoin_core::who::Role;
use rejoin_ports::sign_in::Member;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::answer::{self, Items, Outcome};
use crate::api::Api;
use crate::body::Json;
use crate::identity::Who;
use crate::operations::{Content, Operation};
use crate::query::At;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetRole {
    role: Role,
}

pub(crate) fn operations() -> Vec<Operation> {
    let new = Operation::new;
    vec![
        new("listMembers", Method::GET, "/members", "List members")
            .answers::<Items<Member>>(200, "All of them.")
            .by(list),
        new("setRole", Method::PUT, "/members/{user}", "Give a member another role, or add one")
            .takes::<SetRole>()
            .answers::<Member>(200, "How the member stands now.")
            .fails(&["not_found", "last_owner", "invalid_request", "body_too_large", "unsupported_media_type"])
            .by(set_role),
        new("removeMember", Method::DELETE, "/members/{user}", "Remove a member; the last owner stays")
            .answer(204, Content::Nothing, "The member is gone.")
            .fails(&["not_found", "last_owner", "invalid_request"])
            .by(remove),
    ]
}

async fn list(State(api): State<Api>, who: Who) -> Outcome {
    let items = api.gateway.members.list(&who.caller()).await?;
    answer::ok(&Items { items })
}

async fn set_role(State(api): State<Api>, who: Who, At(user): At<UserId>, Json(wanted): Json<SetRole>) -> Outcome {
    let members = &api.gateway.members;
    let member = members.set_role(&who.caller(), &user, wanted.role).await?;
    answer::ok(&member)
}

async fn remove(State(api): State<Api>, who: Who, At(user): At<UserId>) -> Outcome {
    api.gateway.members.remove(&who.caller(), &user).await?;
    answer::nothing()
}
