//! What the caller's tenant may spend, all its sessions together.

use axum::extract::State;
use axum::http::Method;
use rejoin_core::id::TenantId;
use rejoin_ports::gateway::{Budget, Failure};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::answer::{self, Outcome};
use crate::api::Api;
use crate::body::Json;
use crate::identity::Who;
use crate::operations::{Content, Operation};
use crate::problem::Problem;
use crate::query::Params;

/// Whose budget it is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Whose {
    /// The caller's own tenant, which it also is where none is named.
    tenant: Option<TenantId>,
}

impl Whose {
    /// A client that means another tenant is told, rather than shown its own.
    fn check(self, who: &Who) -> Result<(), Problem> {
        match self.tenant {
            Some(tenant) if tenant != who.identity().tenant => {
                let why = "it is not the tenant of this sign-in".into();
                Err(Failure::Invalid { field: "tenant", why }.into())
            }
            _ => Ok(()),
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SetBudget {
    /// Millionths of a dollar, at most 2^53 - 1. 0: no turn starts.
    limit_micros: u64,
}

pub(crate) fn operations() -> Vec<Operation> {
    let new = Operation::new;
    vec![
        new("getBudget", Method::GET, "/budget", "Read what the tenant may spend, and what it has spent")
            .query::<Whose>()
            .answers::<Budget>(200, "The budget.")
            .fails(&["not_found", "invalid_request"])
            .by(get),
        new(
            "setBudget",
            Method::PUT,
            "/budget",
            "Set what the tenant may spend from now on; what was spent before does not count",
        )
        .query::<Whose>()
        .takes::<SetBudget>()
        .answers::<Budget>(200, "The budget, with nothing spent.")
        .fails(&["invalid_request", "body_too_large", "unsupported_media_type"])
        .by(set),
        new("clearBudget", Method::DELETE, "/budget", "Let nothing bound what the tenant spends")
            .query::<Whose>()
            .answer(204, Content::Nothing, "There is no budget.")
            .fails(&["invalid_request"])
            .by(clear),
    ]
}

async fn get(State(api): State<Api>, who: Who, Params(whose): Params<Whose>) -> Outcome {
    whose.check(&who)?;
    let budget = api.gateway.budgets.get(&who.caller()).await?;
    answer::ok(&budget.ok_or(Failure::NotFound("budget"))?)
}

async fn set(State(api): State<Api>, who: Who, Params(whose): Params<Whose>, Json(wanted): Json<SetBudget>) -> Outcome {
    whose.check(&who)?;
    answer::ok(&api.gateway.budgets.set(&who.caller(), wanted.limit_micros).await?)
}

async fn clear(State(api): State<Api>, who: Who, Params(whose): Params<Whose>) -> Outcome {
    whose.check(&who)?;
    api.gateway.budgets.clear(&who.caller()).await?;
    answer::nothing()
}
