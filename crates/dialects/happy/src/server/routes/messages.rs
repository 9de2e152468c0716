//! Sealed messages of a session.

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use rejoin_ports::gateway::{LARGEST_SEALING, Sealing};
use serde::Deserialize;
use serde_json::{Value, json};

use super::query::{Query, limit};
use crate::server::Hall;
use crate::server::body::Json as Body;
use crate::server::failure::Refused;
use crate::server::message::{self, Page, Stretch};
use crate::server::who::Signed;
use crate::wire::{Message, Posted};

/// What the oldest list shows, and messages of one post.
const LISTED: usize = 150;
const POSTED: usize = 100;

pub(super) fn routes() -> Router<Hall> {
    Router::new()
        .route("/v1/sessions/{session}/messages", get(newest))
        .route("/v3/sessions/{session}/messages", get(read).post(post))
}

async fn newest(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Path(session): Path<String>,
) -> Result<Json<Value>, Refused> {
    let mut messages: Vec<Message> = Vec::new();
    let (mut before, mut more) = (u64::MAX, true);
    // Pages of large messages are shorter than asked for.
    while more && messages.len() < LISTED {
        let stretch = Stretch::Before(before);
        let page = message::read(&hall, &who, &session, stretch, LISTED - messages.len()).await?;
        let Some(last) = page.messages.last() else { break };
        (before, more) = (last.seq, page.more);
        messages.extend(page.messages);
    }
    Ok(Json(json!({ "messages": messages })))
}

/// What apps say when they mean the newest page. Numbers may be beyond it, once a backup was restored.
const NEWEST: u64 = i32::MAX as u64;

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    after_seq: Option<u64>,
    #[serde(default)]
    before_seq: Option<u64>,
    #[serde(default)]
    limit: Option<usize>,
}

async fn read(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Path(session): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Value>, Refused> {
    let most = limit(wanted.limit, 500, 100)?;
    let stretch = match (wanted.after_seq, wanted.before_seq) {
        (Some(_), Some(_)) => return Err(Refused::query("after_seq", "and before_seq are mutually exclusive")),
        (_, Some(0)) => return Err(Refused::query("before_seq", "must be >= 1")),
        (after, None) => Stretch::After(after.unwrap_or(0)),
        (None, Some(NEWEST)) => Stretch::Before(u64::MAX),
        (None, Some(before)) => Stretch::Before(before),
    };
    let Page { messages, more } = message::read(&hall, &who, &session, stretch, most).await?;
    Ok(Json(json!({ "messages": messages, "hasMore": more })))
}

#[derive(Deserialize)]
struct Post {
    messages: Vec<New>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct New {
    content: String,
    local_id: String,
}

async fn post(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Path(session): Path<String>,
    Body(Post { messages }): Body<Post>,
) -> Result<Json<Value>, Refused> {
    if !(1..=POSTED).contains(&messages.len()) {
        return Err(Refused::body("messages", "must have 1 to 100 items"));
    }
    if messages.iter().any(|message| message.local_id.is_empty()) {
        return Err(Refused::body("messages", "must have local ids that are not empty"));
    }
    let sealing = |new: New| Sealing { content: new.content, local: Some(new.local_id) };
    let mut posted: Vec<Posted> = Vec::with_capacity(messages.len());
    for together in together(messages.into_iter().map(sealing).collect()) {
        posted.extend(message::post(&hall, &who, &session, None, together).await?);
    }
    posted.sort_by_key(|message| message.seq);
    posted.dedup_by_key(|message| message.seq);
    Ok(Json(json!({ "messages": posted })))
}

/// What goes into one commit each: all of it, unless that is too much for one. Who is interrupted in between sends all of it
/// again, as after any interruption.
fn together(messages: Vec<Sealing>) -> Vec<Vec<Sealing>> {
    let (mut parts, mut bytes) = (vec![Vec::new()], 0);
    for message in messages {
        if bytes + message.content.len() > LARGEST_SEALING && bytes > 0 {
            parts.push(Vec::new());
            bytes = 0;
        }
        bytes += message.content.len();
        parts.last_mut().expect("there is one").push(message);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_are_too_much_for_one_commit_go_into_several_in_their_order() {
        let message = |bytes: usize| Sealing { content: "x".repeat(bytes), local: None };
        let lengths = |sizes: &[usize]| -> Vec<usize> {
            let parts = together(sizes.iter().map(|size| message(*size)).collect());
            parts.iter().map(Vec::len).collect()
        };
        assert_eq!(lengths(&[1, 1, 1]), [3]);
        assert_eq!(lengths(&[LARGEST_SEALING, 1, 0]), [1, 2]);
        assert_eq!(lengths(&[LARGEST_SEALING / 2, LARGEST_SEALING / 2, 1]), [2, 1]);
    }
}
