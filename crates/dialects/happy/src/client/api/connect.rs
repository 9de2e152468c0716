//! Accounts elsewhere: GitHub, and those of model vendors, whose tokens the server can read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::Error;
use super::super::http::{Api, Ask};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Vendor {
    OpenAi,
    Anthropic,
    Gemini,
}

#[derive(Deserialize)]
struct One {
    token: Option<String>,
}

#[derive(Deserialize)]
struct All {
    tokens: Vec<Of>,
}

#[derive(Deserialize)]
struct Of {
    vendor: Vendor,
    token: String,
}

#[derive(Deserialize)]
struct Address {
    url: String,
}

impl Vendor {
    fn name(self) -> &'static str {
        match self {
            Vendor::OpenAi => "openai",
            Vendor::Anthropic => "anthropic",
            Vendor::Gemini => "gemini",
        }
    }
}

impl Api {
    pub async fn register_vendor_token(&self, vendor: Vendor, token: &str) -> Result<(), Error> {
        let route = format!("/v1/connect/{}/register", vendor.name());
        self.tell(Ask::post("registering a token", route).json(&json!({ "token": token })).safe()).await
    }

    pub async fn vendor_token(&self, vendor: Vendor) -> Result<Option<String>, Error> {
        let route = format!("/v1/connect/{}/token", vendor.name());
        Ok(self.ask::<One>(Ask::get("reading a token", route)).await?.token)
    }

    pub async fn vendor_tokens(&self) -> Result<BTreeMap<Vendor, String>, Error> {
        let all: All = self.ask(Ask::get("reading tokens", "/v1/connect/tokens")).await?;
        Ok(all.tokens.into_iter().map(|of| (of.vendor, of.token)).collect())
    }

    pub async fn remove_vendor_token(&self, vendor: Vendor) -> Result<(), Error> {
        self.tell(Ask::delete("removing a token", format!("/v1/connect/{}", vendor.name()))).await
    }

    /// Where a person signs in to GitHub.
    pub async fn github_address(&self) -> Result<String, Error> {
        Ok(self.ask::<Address>(Ask::get("asking for GitHub", "/v1/connect/github/params")).await?.url)
    }

    pub async fn disconnect_github(&self) -> Result<(), Error> {
        self.tell(Ask::delete("leaving GitHub", "/v1/connect/github").safe()).await
    }
}
