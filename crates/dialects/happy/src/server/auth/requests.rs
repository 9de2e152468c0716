//! Requests to be let in, until somebody who is signed in answers them.
//!
//! Anybody may ask, so they have a fixed number of places: each place keeps the newest few of the keys that fall to it. Who is
//! pushed out asks again with the next poll. Nobody can say which keys fall together: that depends on a secret.

use aws_lc_rs::hmac;
use rejoin_core::position::Millis;
use rejoin_ports::gateway::Failure;
use rejoin_ports::store::Owner;
use serde::{Deserialize, Serialize};

use crate::server::shelf::{Kept, put, until_kept};
use crate::server::vault::derived;
use crate::server::{Hall, id};

/// Places of a kind of requests, and requests in each.
const PLACES: u16 = 1_024;
const IN_PLACE: usize = 16;
/// What nobody has come for in so long is over.
const VALID_MS: Millis = 24 * 60 * 60 * 1_000;
/// The longest response. Sealed secrets have some 140 characters.
const LONGEST: usize = 4 << 10;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A command line.
    Terminal,
    /// Another device of the same person.
    Device,
}

impl Kind {
    fn kind(self) -> &'static str {
        match self {
            Kind::Terminal => "happy.terminal-requests",
            Kind::Device => "happy.device-requests",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Request {
    pub(super) id: String,
    /// The public key of whoever asks, in hex.
    key: String,
    supports_v2: bool,
    asked_at: Millis,
    pub(super) answered: Option<Answered>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answered {
    pub(crate) account: String,
    pub(crate) response: String,
}

/// How a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    NotFound,
    Pending { supports_v2: bool },
    Authorized,
}

/// Where requests are.
pub(crate) struct Desk {
    key: hmac::Key,
}

/// The requests of one place, oldest first.
type Place = Vec<Request>;

impl Desk {
    pub(crate) fn new(seed: &[u8; 32]) -> Desk {
        Desk { key: hmac::Key::new(hmac::HMAC_SHA256, &derived(seed, "happy requests")) }
    }

    fn place(&self, key: &str) -> String {
        let tag = hmac::sign(&self.key, key.as_bytes());
        let number = u16::from_be_bytes(tag.as_ref()[..2].try_into().expect("SHA-256 has 32 bytes"));
        format!("{:04}", number % PLACES)
    }

    /// The request of a key, made if there is none.
    pub(super) async fn ask(&self, hall: &Hall, kind: Kind, key: &str, supports_v2: bool) -> Result<Request, Failure> {
        let name = self.place(key);
        until_kept(|| async {
            let (kept, now): (Kept<Place>, _) = (hall.kept(&Owner::Gateway, kind.kind(), &name).await?, hall.now());
            let expect = kept.unchanged();
            let mut place = kept.value.unwrap_or_default();
            if let Some(request) = find(&mut place, key, now) {
                return Ok(request.clone());
            }
            let id = id::fresh();
            let request = Request { id, key: key.to_owned(), supports_v2, asked_at: now, answered: None };
            add(&mut place, request.clone());
            let write = put(&Owner::Gateway, kind.kind(), &name, expect, Some(&place), now);
            hall.keep(vec![write], Vec::new()).await?;
            Ok(request)
        })
        .await
    }

    pub(super) async fn state(&self, hall: &Hall, kind: Kind, key: &str) -> Result<State, Failure> {
        let kept: Kept<Place> = hall.kept(&Owner::Gateway, kind.kind(), &self.place(key)).await?;
        let mut place = kept.value.unwrap_or_default();
        Ok(match find(&mut place, key, hall.now()) {
            None => State::NotFound,
            Some(Request { answered: Some(_), .. }) => State::Authorized,
            Some(Request { supports_v2, .. }) => State::Pending { supports_v2: *supports_v2 },
        })
    }

    /// Answers a request, unless somebody has.
    pub(super) async fn answer(&self, hall: &Hall, kind: Kind, key: &str, answer: Answered) -> Result<(), Failure> {
        if answer.response.len() > LONGEST {
            return Err(Failure::Invalid { field: "response", why: "is too long".into() });
        }
        let name = self.place(key);
        until_kept(|| async {
            let (kept, now): (Kept<Place>, _) = (hall.kept(&Owner::Gateway, kind.kind(), &name).await?, hall.now());
            let expect = kept.unchanged();
            let mut place = kept.value.unwrap_or_default();
            let request = find(&mut place, key, now).ok_or(Failure::NotFound("request"))?;
            if request.answered.is_some() {
                return Ok(());
            }
            request.answered = Some(answer.clone());
            let write = put(&Owner::Gateway, kind.kind(), &name, expect, Some(&place), now);
            hall.keep(vec![write], Vec::new()).await
        })
        .await
    }
}

fn find<'a>(place: &'a mut Place, key: &str, now: Millis) -> Option<&'a mut Request> {
    place.retain(|request| request.asked_at + VALID_MS > now);
    place.iter_mut().find(|request| request.key == key)
}

fn add(place: &mut Place, request: Request) {
    place.drain(..(place.len() + 1).saturating_sub(IN_PLACE));
    place.push(request);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(key: &str, asked_at: Millis) -> Request {
        Request { id: id::fresh(), key: key.to_owned(), supports_v2: true, asked_at, answered: None }
    }

    #[test]
    fn a_place_keeps_the_newest_few_for_a_day() {
        let mut place = Place::new();
        for n in 0..IN_PLACE + 3 {
            add(&mut place, request(&n.to_string(), 1));
        }
        assert_eq!(place.len(), IN_PLACE);
        assert!(find(&mut place, "2", 1).is_none());
        assert!(find(&mut place, "3", VALID_MS).is_some());
        assert!(find(&mut place, "3", VALID_MS + 1).is_none());
        assert!(place.is_empty());
    }

    #[test]
    fn which_keys_fall_together_is_a_secret() {
        let (one, other) = (Desk::new(&[1; 32]), Desk::new(&[2; 32]));
        let keys: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        assert!(keys.iter().all(|key| one.place(key) == Desk::new(&[1; 32]).place(key)));
        assert!(keys.iter().any(|key| one.place(key) != other.place(key)));
    }
}
