//! Whether an app is too old.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::Error;
use super::super::http::{Api, Ask};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    Ios,
    Android,
    Web,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    update_url: Option<String>,
}

impl Api {
    /// Where a newer app is, if this one is too old.
    pub async fn update_address(&self, platform: Platform, version: &str, app: &str) -> Result<Option<String>, Error> {
        let body = json!({ "platform": platform, "version": version, "app_id": app });
        let ask = Ask::post("asking for updates", "/v1/version").json(&body).safe();
        Ok(self.ask::<Answer>(ask).await?.update_url)
    }
}
