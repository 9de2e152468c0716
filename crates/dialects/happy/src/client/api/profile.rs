//! The account itself: who it is, its settings, and what it has used.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::Error;
use super::super::http::{Api, Ask};
use super::{Change, Versioned, changed};
use crate::wire::{AccountProfile, Settings};

/// Which reports to sum up. Times are in seconds here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageQuery {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_by: Option<GroupBy>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupBy {
    Hour,
    Day,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageReport {
    pub usage: Vec<UsageBucket>,
    pub group_by: GroupBy,
    pub total_reports: u64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageBucket {
    /// In seconds.
    pub timestamp: u64,
    pub tokens: BTreeMap<String, f64>,
    pub cost: BTreeMap<String, f64>,
    pub report_count: u64,
}

impl Api {
    pub async fn profile(&self) -> Result<AccountProfile, Error> {
        self.ask(Ask::get("reading the profile", "/v1/account/profile")).await
    }

    /// The settings, sealed.
    pub async fn settings(&self) -> Result<Settings, Error> {
        self.ask(Ask::get("reading settings", "/v1/account/settings")).await
    }

    /// Replaces the settings, which are sealed, if they still have this version.
    pub async fn change_settings(
        &self,
        settings: Option<&str>,
        expected_version: u64,
    ) -> Result<Change<Versioned>, Error> {
        const DOING: &str = "changing settings";
        let body = json!({ "settings": settings, "expectedVersion": expected_version });
        let answer: Value = self.ask(Ask::post(DOING, "/v1/account/settings").json(&body)).await?;
        changed(DOING, &answer, "currentSettings")
    }

    pub async fn usage(&self, query: &UsageQuery) -> Result<UsageReport, Error> {
        self.ask(Ask::post("reading usage", "/v1/usage/query").json(query).safe()).await
    }
}
