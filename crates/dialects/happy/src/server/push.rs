//! Push: tokens of phones, and what a session has to say to somebody who is not looking.

mod expo;

use rejoin_core::position::Millis;
use rejoin_ports::gateway::Failure;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::hub::{Scope, Signal};
use super::shelf::{Kept, put, until_kept};
use super::who::Who;
use super::{Hall, id, session};
use crate::wire::Ephemeral;

/// Expo's own service.
pub const EXPO: &str = "https://exp.host/--/api/v2/push/send";

const KIND: &str = "happy.push-token";
/// Phones of an account. Who brings another one loses the one that was heard of longest ago.
const MOST: usize = 100;
/// The longest token.
pub(super) const LONGEST: usize = 512;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Phone {
    id: String,
    created_at: Millis,
    updated_at: Millis,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listed {
    id: String,
    token: String,
    created_at: Millis,
    updated_at: Millis,
}

/// What a session says.
pub(super) struct Event {
    pub(super) kind: &'static str,
    pub(super) title: String,
    pub(super) body: String,
    pub(super) data: Map<String, Value>,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Outcome {
    success: bool,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

pub(super) async fn add(hall: &Hall, who: &Who, token: &str) -> Result<(), Failure> {
    let owner = who.owner();
    let kept = until_kept(|| async {
        let (kept, now): (Kept<Phone>, _) = (hall.kept(&owner, KIND, token).await?, hall.now());
        let expect = kept.unchanged();
        let phone = match kept.value {
            Some(phone) => Phone { updated_at: now, ..phone },
            None => Phone { id: id::fresh(), created_at: now, updated_at: now },
        };
        hall.keep(vec![put(&owner, KIND, token, expect, Some(&phone), now)], Vec::new()).await
    });
    kept.await?;
    let mut phones: Vec<(String, Phone)> = hall.all(&owner, KIND, "", MOST * 2).await?;
    phones.sort_by_key(|(_, phone)| std::cmp::Reverse(phone.updated_at));
    hall.forget(&owner, KIND, phones.iter().skip(MOST).map(|(token, _)| token.as_str())).await
}

pub(super) async fn remove(hall: &Hall, who: &Who, token: &str) -> Result<(), Failure> {
    let owner = who.owner();
    // Of one that never was nothing need be kept.
    if hall.kept::<Phone>(&owner, KIND, token).await?.value.is_some() {
        hall.forget(&owner, KIND, [token]).await?;
    }
    Ok(())
}

/// The newest first.
pub(super) async fn list(hall: &Hall, who: &Who) -> Result<Vec<Listed>, Failure> {
    let phones: Vec<(String, Phone)> = hall.all(&who.owner(), KIND, "", MOST * 2).await?;
    let listed = |(token, phone): (String, Phone)| {
        let Phone { id, created_at, updated_at } = phone;
        Listed { id, token, created_at, updated_at }
    };
    let mut listed: Vec<Listed> = phones.into_iter().map(listed).collect();
    listed.sort_by_key(|phone| std::cmp::Reverse(phone.created_at));
    Ok(listed)
}

/// Tells whoever is connected, and phones unless somebody looks at an app right now.
pub(super) async fn tell(hall: &Hall, who: &Who, session: &str, event: Event) -> Result<Outcome, Failure> {
    session::born(hall, who, session).await?.ok_or(Failure::NotFound("session"))?;
    let told = Ephemeral::SessionEvent {
        session_id: session.to_owned(),
        kind: event.kind.to_owned(),
        title: event.title.clone(),
        body: event.body.clone(),
        timestamp: hall.now(),
    };
    hall.hub.signal(&who.account.id, Signal::new(Scope::Session(session.into()), &told));
    if hall.hub.find(&who.account.id).is_some_and(|room| room.somebody_looks()) {
        return Ok(Outcome::of("suppressed").because("active-ui-client"));
    }
    let owner = who.owner();
    let tokens: Vec<(String, Phone)> = hall.all(&owner, KIND, "", MOST).await?;
    let tokens: Vec<String> = tokens.into_iter().map(|(token, _)| token).collect();
    if tokens.is_empty() {
        return Ok(Outcome::of("no_tokens").counted(0, 0));
    }
    let Some(url) = &hall.options.push else {
        return Ok(Outcome::of("failed").counted(tokens.len(), 0).because("push-not-configured"));
    };
    let sent = expo::send(hall.http(), url, &tokens, session, &event).await;
    hall.forget(&owner, KIND, sent.gone.iter().map(String::as_str)).await?;
    let outcome = match sent.delivered {
        0 => Outcome::of("failed").because("delivery-failed"),
        all if all == tokens.len() => Outcome::of("sent"),
        _ => Outcome::of("partial"),
    };
    Ok(outcome.counted(tokens.len(), sent.delivered))
}

impl Outcome {
    fn of(result: &'static str) -> Outcome {
        Outcome { success: true, result, tokens: None, delivered: None, reason: None }
    }

    fn counted(self, tokens: usize, delivered: usize) -> Outcome {
        Outcome { tokens: Some(tokens), delivered: Some(delivered), ..self }
    }

    fn because(self, reason: &'static str) -> Outcome {
        Outcome { reason: Some(reason), ..self }
    }
}
