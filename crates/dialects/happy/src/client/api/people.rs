//! Other people, and news of them.

use serde::Deserialize;
use serde_json::json;

use super::super::Error;
use super::super::http::{Api, Ask};
use super::segment;
use crate::wire::{FeedItem, UserProfile};

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeedPage {
    pub items: Vec<FeedItem>,
    pub has_more: bool,
}

#[derive(Deserialize)]
struct One {
    user: Option<UserProfile>,
}

#[derive(Deserialize)]
struct Many {
    #[serde(alias = "friends")]
    users: Vec<UserProfile>,
}

impl Api {
    pub async fn user(&self, id: &str) -> Result<UserProfile, Error> {
        let one: One = self.ask(Ask::get("reading a user", format!("/v1/user/{}", segment(id)))).await?;
        one.user.ok_or(Error::Unreadable("reading a user"))
    }

    /// Users whose names begin so, ten at most.
    pub async fn search_users(&self, query: &str) -> Result<Vec<UserProfile>, Error> {
        let ask = Ask::get("looking for users", "/v1/user/search").query("query", Some(query));
        Ok(self.ask::<Many>(ask).await?.users)
    }

    pub async fn friends(&self) -> Result<Vec<UserProfile>, Error> {
        Ok(self.ask::<Many>(Ask::get("listing friends", "/v1/friends")).await?.users)
    }

    /// Asks somebody to be a friend, or agrees. None: there is no such user.
    pub async fn add_friend(&self, user: &str) -> Result<Option<UserProfile>, Error> {
        self.friend("adding a friend", "/v1/friends/add", user).await
    }

    pub async fn remove_friend(&self, user: &str) -> Result<Option<UserProfile>, Error> {
        self.friend("removing a friend", "/v1/friends/remove", user).await
    }

    /// News, newest first, before or after a cursor.
    pub async fn feed(&self, before: Option<&str>, after: Option<&str>, limit: Option<u32>) -> Result<FeedPage, Error> {
        let ask =
            Ask::get("reading news", "/v1/feed").query("before", before).query("after", after).query("limit", limit);
        self.ask(ask).await
    }

    async fn friend(&self, doing: &'static str, route: &str, user: &str) -> Result<Option<UserProfile>, Error> {
        Ok(self.ask::<One>(Ask::post(doing, route).json(&json!({ "uid": user }))).await?.user)
    }
}
