//! Signing in: with a key of one's own, or by being let in from a device that is signed in already.

mod attempts;
mod challenges;
mod requests;

use rejoin_ports::gateway::Failure;
use rejoin_seal::{base64, verify};
use serde::Deserialize;

use super::options::Registration;
use super::who::Who;
use super::{DOOR, Hall, id};

pub(super) use attempts::Attempts;
pub(super) use challenges::Challenges;
pub(super) use requests::{Answered, Desk, Kind, State};

/// Bytes of a public key.
const KEY: usize = 32;
/// The longest challenge, as text.
const LONGEST_CHALLENGE: usize = 4 << 10;

/// What somebody shows who has a key: a challenge of their own choice, signed. All three are base64.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Proof {
    public_key: String,
    challenge: String,
    signature: String,
}

/// A public key as accounts and requests know it. `None`: it is none.
pub(super) fn key(text: &str) -> Option<String> {
    let key = base64::decode(text).ok().filter(|key| key.len() == KEY)?;
    Some(hex(&key))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A token for whoever holds the key, if they do. A challenge that has served once is no proof any more.
pub(super) async fn enter(hall: &Hall, proof: &Proof) -> Result<Option<String>, Failure> {
    let Some(key) = proved(hall, proof) else { return Ok(None) };
    let make = (hall.options.registration == Registration::Open).then(id::fresh);
    let account = hall.gateway.accounts.of_subject(DOOR, &key, make).await?;
    Ok(account.map(|account| hall.tokens.mint(&account.id, None, hall.now())))
}

/// The key that a proof is of.
fn proved(hall: &Hall, proof: &Proof) -> Option<String> {
    if proof.challenge.len() > LONGEST_CHALLENGE {
        return None;
    }
    let [key, challenge, signature] =
        [&proof.public_key, &proof.challenge, &proof.signature].map(|text| base64::decode(text).ok());
    let (key, challenge) = (key?, challenge?);
    verify(&key, &challenge, &signature?).ok()?;
    hall.challenges.is_new(&key, &challenge).then(|| hex(&key))
}

/// Asks to be let in, or how that stands. Whoever was is given a new token each time.
pub(super) async fn ask(
    hall: &Hall,
    kind: Kind,
    key: &str,
    supports_v2: bool,
) -> Result<Option<(String, String)>, Failure> {
    let request = hall.desk.ask(hall, kind, key, supports_v2).await?;
    let Some(Answered { account, response }) = request.answered else { return Ok(None) };
    let session = (kind == Kind::Terminal).then_some(request.id.as_str());
    Ok(Some((hall.tokens.mint(&account, session, hall.now()), response)))
}

/// How a terminal's request stands.
pub(super) async fn state(hall: &Hall, key: &str) -> Result<State, Failure> {
    hall.desk.state(hall, Kind::Terminal, key).await
}

/// Lets somebody in who asked. The first answer counts; later ones change nothing.
pub(super) async fn answer(hall: &Hall, who: &Who, kind: Kind, key: &str, response: &str) -> Result<(), Failure> {
    let answered = Answered { account: who.account.id.clone(), response: response.to_owned() };
    hall.desk.answer(hall, kind, key, answered).await
}
