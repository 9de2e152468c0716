//! RevenueCat, as far as it is needed: whether somebody has paid.

use reqwest::Client;
use serde::Deserialize;

use super::RevenueCat;
use crate::server::outside::{self, Failed};

/// The longest answer.
const LONGEST: usize = 1 << 20;

#[derive(Deserialize)]
struct Subscriptions {
    #[serde(default)]
    items: Vec<Subscription>,
}

#[derive(Deserialize)]
struct Subscription {
    #[serde(default)]
    gives_access: bool,
}

pub(super) async fn has_paid(client: &Client, service: &RevenueCat, account: &str) -> Result<bool, Failed> {
    let RevenueCat { url, project, key } = service;
    let url = format!("{url}/v2/projects/{project}/customers/{account}/subscriptions");
    match outside::json::<Subscriptions>(client.get(url).bearer_auth(key), LONGEST).await {
        Ok(found) => Ok(found.items.iter().any(|subscription| subscription.gives_access)),
        Err(Failed::Status(404)) => Ok(false), // it does not know them
        Err(error) => Err(error),
    }
}
