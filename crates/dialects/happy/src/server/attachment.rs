//! Attachments: sealed bytes of a session, put and read by name.

use std::collections::HashMap;
use std::sync::Mutex;

use bytes::Bytes;
use rejoin_core::id::SessionId;
use rejoin_core::position::Millis;
use rejoin_ports::gateway::Failure;
use uuid::Uuid;

use super::who::Who;
use super::{Hall, session};

/// The largest one.
pub(super) const LARGEST: usize = 10 << 20;
/// Uploads that an account may ask for in a minute.
const A_MINUTE: u32 = 60;
const MINUTE_MS: Millis = 60_000;
/// Accounts whose uploads are counted. Beyond it those whose minute is over are forgotten, and then all.
const COUNTED: usize = 10_000;

/// Counts what accounts ask for.
#[derive(Default)]
pub(super) struct Uploads {
    counts: Mutex<HashMap<String, (Millis, u32)>>,
}

impl Uploads {
    /// Whether the account may ask for another one.
    pub(super) fn allow(&self, account: &str, now: Millis) -> bool {
        let mut counts = self.counts.lock().expect("no holder of this lock panics");
        if counts.len() >= COUNTED && !counts.contains_key(account) {
            counts.retain(|_, (since, _)| *since + MINUTE_MS > now);
            if counts.len() >= COUNTED {
                counts.clear();
            }
        }
        let (since, count) = counts.entry(account.to_owned()).or_insert((now, 0));
        if *since + MINUTE_MS <= now {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        *count <= A_MINUTE
    }
}

/// A name for a new one.
pub(super) fn fresh() -> String {
    format!("{}.enc", Uuid::now_v7())
}

/// Where it is, as clients write it down.
pub(super) fn reference(session: &str, file: &str) -> String {
    format!("sessions/{session}/attachments/{file}")
}

/// Why a reference names nothing here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadReference {
    Elsewhere,
    Invalid,
}

/// The name of an attachment that a reference of a session has in it.
pub(super) fn referred<'a>(session: &str, reference: &'a str) -> Result<&'a str, BadReference> {
    let within = reference.strip_prefix("sessions/").and_then(|rest| rest.strip_prefix(session));
    let file = within.and_then(|rest| rest.strip_prefix("/attachments/")).ok_or(BadReference::Elsewhere)?;
    if is_file(file) { Ok(file) } else { Err(BadReference::Invalid) }
}

/// Whether it may be a name: one that we gave.
pub(super) fn is_file(name: &str) -> bool {
    name.strip_suffix(".enc").is_some_and(|id| id.len() == 36 && Uuid::try_parse(id).is_ok())
}

pub(super) async fn put(hall: &Hall, who: &Who, session: &str, file: &str, bytes: Bytes) -> Result<(), Failure> {
    let session = ours(hall, who, session).await?;
    hall.gateway.blobs.put(&who.caller(None), &session, file, bytes).await
}

pub(super) async fn get(hall: &Hall, who: &Who, session: &str, file: &str) -> Result<Bytes, Failure> {
    let session = ours(hall, who, session).await?;
    let found = hall.gateway.blobs.get(&who.identity(), &session, file).await?;
    found.ok_or(Failure::NotFound("attachment"))
}

/// Whether it is in the data folder.
pub(super) async fn is_here(hall: &Hall, who: &Who, session: &str, file: &str) -> Result<bool, Failure> {
    match get(hall, who, session, file).await {
        Ok(_) => Ok(true),
        Err(Failure::NotFound("attachment")) => Ok(false),
        Err(failure) => Err(failure),
    }
}

pub(super) async fn ours(hall: &Hall, who: &Who, session: &str) -> Result<SessionId, Failure> {
    let missing = Failure::NotFound("session");
    let Ok(id) = SessionId::new(session) else { return Err(missing) };
    session::born(hall, who, session).await?.map(|_| id).ok_or(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_may_ask_sixty_times_a_minute() {
        let uploads = Uploads::default();
        assert!((0..60).all(|_| uploads.allow("ann", 1_000)));
        assert!(!uploads.allow("ann", 60_999));
        assert!(uploads.allow("bob", 60_999));
        assert!(uploads.allow("ann", 61_000));
    }

    #[test]
    fn counting_takes_no_more_than_its_room() {
        let uploads = Uploads::default();
        for n in 0..COUNTED * 2 {
            uploads.allow(&n.to_string(), 1);
        }
        assert!(uploads.counts.lock().unwrap().len() <= COUNTED);
    }

    #[test]
    fn a_reference_names_a_file_of_its_own_session() {
        let file = fresh();
        assert_eq!(referred("s1", &reference("s1", &file)), Ok(file.as_str()));
        assert_eq!(referred("s2", &reference("s1", &file)), Err(BadReference::Elsewhere));
        assert_eq!(referred("s", &reference("s1", &file)), Err(BadReference::Elsewhere));
        for bad in ["", "x.enc", "../../etc/passwd", "..", ".enc", "0123.enc"] {
            assert_eq!(referred("s1", &reference("s1", bad)), Err(BadReference::Invalid), "{bad}");
        }
        assert_eq!(referred("s1", "files/s1"), Err(BadReference::Elsewhere));
    }
}
