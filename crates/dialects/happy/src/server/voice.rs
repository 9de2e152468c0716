//! Talking to an agent: whether an account may, and the leave to do it. What is said goes between the app and ElevenLabs.

mod elevenlabs;
mod revenuecat;

use std::collections::HashSet;

use rejoin_core::position::Millis;
use rejoin_ports::gateway::Failure;
use rejoin_ports::store::Expect;
use serde::{Deserialize, Serialize};

use super::auth::hex;
use super::outside::Failed;
use super::shelf::put;
use super::who::Who;
use super::{Hall, vault};

const KIND: &str = "happy.voice";
/// Limits are for so long.
const MONTH_MS: Millis = 30 * 24 * 3_600_000;
/// Conversations of an account that are looked at; those before the month are forgotten on the way.
const LOOKED_AT: usize = 10_000;

/// Services that voice needs, and what an account may use in thirty days. It has no `Debug`: half of it is secret.
#[derive(Clone)]
pub struct Voice {
    pub url: String,
    pub key: String,
    /// Who knows who has paid. `None`: everybody may talk up to the hard limit.
    pub revenuecat: Option<RevenueCat>,
    pub free_seconds: u64,
    pub hard_seconds: u64,
    pub conversations: usize,
}

#[derive(Clone)]
pub struct RevenueCat {
    pub url: String,
    pub project: String,
    pub key: String,
}

impl Voice {
    pub fn new(key: String) -> Voice {
        Voice {
            url: "https://api.elevenlabs.io".to_owned(),
            key,
            revenuecat: None,
            free_seconds: 1_200,
            hard_seconds: 18_000,
            conversations: 100,
        }
    }
}

impl RevenueCat {
    pub fn new(project: String, key: String) -> RevenueCat {
        RevenueCat { url: "https://api.revenuecat.com".to_owned(), project, key }
    }
}

#[derive(Serialize, Deserialize)]
struct Conversation {
    at: Millis,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Usage {
    pub(super) used_seconds: u64,
    pub(super) limit_seconds: u64,
    pub(super) conversation_count: usize,
    pub(super) conversation_limit: usize,
    pub(super) eleven_user_id: String,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Store(#[from] Failure),
    #[error(transparent)]
    Outside(#[from] Failed),
}

pub(super) enum Outcome {
    Granted { token: String, conversation: String, usage: Usage },
    Denied { reason: &'static str, usage: Usage },
}

pub(super) async fn usage(hall: &Hall, who: &Who, voice: &Voice) -> Result<Usage, Trouble> {
    // Not the account's own name: it is told to others.
    let name = hex(&vault::derived(&hall.options.seed, &format!("happy voice {}", who.account.id))[..16]);
    let since = hall.now().saturating_sub(MONTH_MS);
    let known: Vec<(String, Conversation)> = hall.all(&who.owner(), KIND, "", LOOKED_AT).await?;
    let (recent, old): (Vec<_>, Vec<_>) = known.into_iter().partition(|(_, conversation)| conversation.at > since);
    hall.forget(&who.owner(), KIND, old.iter().map(|(id, _)| id.as_str())).await?;
    let ours: HashSet<String> = recent.into_iter().map(|(id, _)| id).collect();
    let used = match ours.is_empty() {
        true => 0,
        false => elevenlabs::seconds(hall.http(), voice, &name, since, &ours).await?,
    };
    let may_have_more = match &voice.revenuecat {
        Some(revenuecat) if used >= voice.free_seconds => {
            revenuecat::has_paid(hall.http(), revenuecat, &who.account.id).await?
        }
        // Nobody asks before it matters.
        Some(_) => false,
        None => true,
    };
    let limit_seconds = if may_have_more { voice.hard_seconds } else { voice.free_seconds };
    Ok(Usage {
        used_seconds: used,
        limit_seconds,
        conversation_count: ours.len(),
        conversation_limit: voice.conversations,
        eleven_user_id: name,
    })
}

pub(super) async fn begin(hall: &Hall, who: &Who, voice: &Voice, agent: &str) -> Result<Outcome, Trouble> {
    let usage = usage(hall, who, voice).await?;
    let reason = if usage.used_seconds >= voice.hard_seconds {
        Some("voice_hard_limit_reached")
    } else if usage.used_seconds >= usage.limit_seconds {
        Some("subscription_required")
    } else if usage.conversation_count >= usage.conversation_limit {
        Some("voice_conversation_limit_reached")
    } else {
        None
    };
    if let Some(reason) = reason {
        return Ok(Outcome::Denied { reason, usage });
    }
    let (token, conversation) = elevenlabs::token(hall.http(), voice, agent, &usage.eleven_user_id).await?;
    let now = hall.now();
    let write = put(&who.owner(), KIND, &conversation, Expect::Anything, Some(&Conversation { at: now }), now);
    hall.keep(vec![write], Vec::new()).await?;
    Ok(Outcome::Granted { token, conversation, usage })
}
