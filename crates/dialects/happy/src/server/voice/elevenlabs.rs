//! ElevenLabs, as far as it is needed: tokens for conversations, and how long those were.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rejoin_core::position::Millis;
use reqwest::Client;
use serde::Deserialize;
use serde_json::Value;

use super::Voice;
use crate::server::outside::{self, Failed};

const KEY: &str = "xi-api-key";
/// Conversations of one page, and pages that are read: more than limits allow.
const PAGE: &str = "100";
const MOST_PAGES: usize = 20;
/// The longest answer.
const LONGEST: usize = 4 << 20;

#[derive(Deserialize)]
struct Token {
    token: String,
}

#[derive(Deserialize)]
struct Page {
    conversations: Vec<Past>,
    #[serde(default)]
    has_more: bool,
    #[serde(default)]
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Past {
    conversation_id: String,
    #[serde(default)]
    call_duration_secs: u64,
}

/// Leave for one conversation with an agent, and its name.
pub(super) async fn token(client: &Client, voice: &Voice, agent: &str, user: &str) -> Result<(String, String), Failed> {
    let url = format!("{}/v1/convai/conversation/token", voice.url);
    let url = outside::asking(url, &[("agent_id", agent), ("participant_name", user)]);
    let Token { token } = outside::json(client.get(url).header(KEY, &voice.key), LONGEST).await?;
    let conversation = conversation_of(&token).ok_or(Failed::Unreadable)?;
    Ok((token, conversation))
}

/// How long these conversations of somebody were, all together, as far as they began behind a moment.
pub(super) async fn seconds(
    client: &Client,
    voice: &Voice,
    user: &str,
    since: Millis,
    ours: &HashSet<String>,
) -> Result<u64, Failed> {
    let (mut sum, mut cursor) = (0_u64, None::<String>);
    for _ in 0..MOST_PAGES {
        let after = (since / 1_000).to_string();
        let mut query = vec![("user_id", user), ("call_start_after_unix", &*after), ("page_size", PAGE)];
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let url = outside::asking(format!("{}/v1/convai/conversations", voice.url), &query);
        let page: Page = outside::json(client.get(url).header(KEY, &voice.key), LONGEST).await?;
        let known = page.conversations.iter().filter(|past| ours.contains(&past.conversation_id));
        sum = known.fold(sum, |sum, past| sum.saturating_add(past.call_duration_secs));
        cursor = page.next_cursor.filter(|_| page.has_more);
        if cursor.is_none() {
            break;
        }
    }
    Ok(sum)
}

/// The name of the conversation that a token is for: part of the name of its room.
fn conversation_of(token: &str) -> Option<String> {
    let claims = token.split('.').nth(1)?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?).ok()?;
    let room = claims["video"]["room"].as_str()?;
    let from = room.find("conv_")?;
    let end = room[from..].find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    Some(room[from..end.map_or(room.len(), |end| from + end)].to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn token(room: Value) -> String {
        format!("h.{}.s", URL_SAFE_NO_PAD.encode(json!({ "video": { "room": room } }).to_string()))
    }

    #[test]
    fn a_conversation_is_named_by_its_room() {
        assert_eq!(conversation_of(&token(json!("room_agent_1_conv_ab12-x"))).as_deref(), Some("conv_ab12"));
        for bad in [token(json!("room")), token(json!(7)), "a.b.c".to_owned(), String::new()] {
            assert_eq!(conversation_of(&bad), None, "{bad}");
        }
    }
}
