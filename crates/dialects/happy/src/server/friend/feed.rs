//! What an account is told of other people: a short list, the newest in place of an older one that says the same.

use rejoin_core::position::Millis;
use rejoin_ports::gateway::Failure;
use rejoin_ports::store::{FeedEntry, Owner, RecordWrite};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::server::hub::Scope;
use crate::server::shelf::{Kept, line, put};
use crate::server::who::Who;
use crate::server::{Hall, id};
use crate::wire::{Body, FeedItem};

/// Lines of the feed that tell of a new item.
pub(crate) const POST: &str = "happy.feed-post";
const KIND: &str = "happy.feed";
/// An account has one list.
const ONLY: &str = "";
/// Items that are kept.
const MOST: usize = 500;

/// Which of two is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Mine,
    Theirs,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Requested,
    Accepted,
}

impl What {
    fn name(self) -> &'static str {
        match self {
            What::Requested => "friend_request",
            What::Accepted => "friend_accepted",
        }
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Feed {
    /// The number of the newest item.
    newest: u64,
    /// Oldest first.
    items: Vec<Item>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    id: String,
    number: u64,
    body: Value,
    repeat_key: Option<String>,
    created_at: Millis,
}

impl Item {
    fn shown(self) -> FeedItem {
        FeedItem {
            id: self.id,
            body: self.body,
            repeat_key: self.repeat_key,
            cursor: format!("0-{}", self.number),
            created_at: self.created_at,
        }
    }
}

/// Adds an item about somebody to an account's list: what is to be written, and the line that tells of it.
pub(super) async fn post(
    hall: &Hall,
    owner: &Owner,
    what: What,
    about: &str,
) -> Result<(RecordWrite, FeedEntry), Failure> {
    let kept: Kept<Feed> = hall.kept(owner, KIND, ONLY).await?;
    let (expect, now) = (kept.unchanged(), hall.now());
    let mut feed = kept.value.unwrap_or_default();
    let item = feed.add(json!({ "kind": what.name(), "uid": about }), format!("{}_{about}", what.name()), now);
    Ok((put(owner, KIND, ONLY, expect, Some(&feed), now), line(owner, POST, &item, now)))
}

impl Feed {
    /// The new item's id.
    fn add(&mut self, body: Value, repeat_key: String, now: Millis) -> String {
        self.newest += 1;
        self.items.retain(|item| item.repeat_key.as_ref() != Some(&repeat_key));
        self.items.drain(..(self.items.len() + 1).saturating_sub(MOST));
        let id = id::fresh();
        let repeat_key = Some(repeat_key);
        self.items.push(Item { id: id.clone(), number: self.newest, body, repeat_key, created_at: now });
        id
    }

    /// Newest first, and whether there are more.
    fn page(self, before: Option<u64>, after: Option<u64>, most: usize) -> (Vec<FeedItem>, bool) {
        let is_wanted = |item: &Item| {
            before.is_none_or(|before| item.number < before) && after.is_none_or(|after| item.number > after)
        };
        let mut wanted = self.items.into_iter().rev().filter(is_wanted);
        let page = wanted.by_ref().take(most).map(Item::shown).collect();
        (page, wanted.next().is_some())
    }
}

/// A page of an account's list.
pub(crate) async fn read(
    hall: &Hall,
    who: &Who,
    before: Option<u64>,
    after: Option<u64>,
    most: usize,
) -> Result<(Vec<FeedItem>, bool), Failure> {
    let kept: Kept<Feed> = hall.kept(&who.owner(), KIND, ONLY).await?;
    Ok(kept.value.unwrap_or_default().page(before, after, most))
}

/// What a line of the feed tells.
pub(crate) async fn told(hall: &Hall, who: &Who, key: &str) -> Result<Option<(Scope, Body)>, Failure> {
    let kept: Kept<Feed> = hall.kept(&who.owner(), KIND, ONLY).await?;
    let item = kept.value.unwrap_or_default().items.into_iter().find(|item| item.id == key);
    let tell = |FeedItem { id, body, repeat_key, cursor, created_at }: FeedItem| {
        (Scope::People, Body::NewFeedPost { id, body, cursor, created_at, repeat_key })
    };
    Ok(item.map(|item| tell(item.shown())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(page: &[FeedItem]) -> Vec<&str> {
        page.iter().map(|item| item.cursor.as_str()).collect()
    }

    #[test]
    fn the_newest_item_takes_the_place_of_one_that_says_the_same() {
        let mut feed = Feed::default();
        for about in ["a", "b", "a"] {
            feed.add(json!({}), format!("friend_request_{about}"), 1);
        }
        assert_eq!(numbers(&feed.page(None, None, 10).0), ["0-3", "0-2"]);
    }

    #[test]
    fn pages_go_from_the_newest_on() {
        let feed = || {
            let mut feed = Feed::default();
            (0..MOST + 5).for_each(|n| drop(feed.add(json!({}), n.to_string(), 1)));
            feed
        };
        assert_eq!(feed().items.len(), MOST);
        let (page, more) = feed().page(None, None, 2);
        assert_eq!((numbers(&page), more), (vec!["0-505", "0-504"], true));
        let (page, more) = feed().page(Some(8), None, 2);
        assert_eq!((numbers(&page), more), (vec!["0-7", "0-6"], false));
        let (page, more) = feed().page(None, Some(503), 2);
        assert_eq!((numbers(&page), more), (vec!["0-505", "0-504"], false));
    }
}
