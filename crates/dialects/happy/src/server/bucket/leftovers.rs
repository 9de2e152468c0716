//! Objects of sessions that are gone. What is to be removed is written down before the session goes, and forgotten when the
//! store has nothing of it any more: a store that is away for a while, or a restart in between, leaves nothing behind.

use std::sync::{Arc, Weak};

use rejoin_core::position::Millis;
use rejoin_ports::gateway::Failure;
use rejoin_ports::store::{Expect, Owner};
use tokio::sync::Notify;

use super::S3;
use crate::server::shelf::put;
use crate::server::who::Who;
use crate::server::{Hall, outside, session};

const KIND: &str = "happy.leftover";
/// Sessions that are looked at in one pass.
const AT_ONCE: usize = 100;
/// How often it is tried again.
const AGAIN_MS: Millis = 60_000;
/// How long one of our own requests may be used.
const LEAVE_SECONDS: u64 = 60;
/// The longest list that is read; the store gives a thousand names at a time.
const LONGEST: usize = 4 << 20;
/// Lists of one session that are read in one pass.
const MOST_LISTS: usize = 100;

#[derive(Default)]
pub(in crate::server) struct Leftovers {
    woken: Notify,
}

impl Leftovers {
    /// Removes what is left of sessions that are gone, for as long as the door is there.
    pub(in crate::server) fn look_after(hall: &Hall) {
        let Some(s3) = hall.options.s3.clone() else { return };
        let (weak, clock, stop) = (Arc::downgrade(&hall.0), hall.options.clock.clone(), hall.options.stop.clone());
        hall.options.tasks.spawn(async move {
            loop {
                let Some(shared) = Weak::upgrade(&weak) else { return };
                let hall = Hall(shared);
                let pass = async {
                    if let Err(error) = sweep(&hall, &s3).await {
                        tracing::warn!(%error, "happy: objects of sessions that are gone are still there");
                    }
                    let again = clock.until(clock.now() + AGAIN_MS);
                    tokio::select! {
                        () = again => {}
                        () = hall.leftovers.woken.notified() => {}
                    }
                };
                tokio::select! {
                    () = pass => {}
                    () = stop.cancelled() => return,
                }
            }
        });
    }

    /// Writes down that this session's objects must go once it is gone.
    pub(in crate::server) async fn expect(&self, hall: &Hall, who: &Who, session: &str) -> Result<(), Failure> {
        if hall.options.s3.is_none() {
            return Ok(());
        }
        let write = put(&Owner::Gateway, KIND, session, Expect::Anything, Some(&who.account.id), hall.now());
        hall.keep(vec![write], Vec::new()).await
    }

    /// It is gone now.
    pub(in crate::server) fn gone(&self) {
        self.woken.notify_one();
    }
}

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Store(#[from] Failure),
    #[error(transparent)]
    Outside(#[from] outside::Failed),
}

async fn sweep(hall: &Hall, s3: &S3) -> Result<(), Trouble> {
    let left: Vec<(String, String)> = hall.all(&Owner::Gateway, KIND, "", AT_ONCE).await?;
    let mut trouble = None;
    for (session, account) in left {
        if is_there(hall, &account, &session).await? {
            // It was to be deleted and was not. If it is to be once more, that is written down again.
            hall.forget(&Owner::Gateway, KIND, [session.as_str()]).await?;
            continue;
        }
        match remove_all(hall, s3, &session).await {
            Ok(()) => hall.forget(&Owner::Gateway, KIND, [session.as_str()]).await?,
            Err(error) => trouble = Some(error),
        }
    }
    trouble.map_or(Ok(()), Err)
}

async fn is_there(hall: &Hall, account: &str, name: &str) -> Result<bool, Failure> {
    let Some(account) = hall.account(account).await? else { return Ok(false) };
    match hall.gateway.accounts.enter(&account).await {
        Ok(signed) => Ok(session::born(hall, &Who { account, signed }, name).await?.is_some()),
        Err(_) => Ok(false), // whoever had it is no member any more
    }
}

async fn remove_all(hall: &Hall, s3: &S3, session: &str) -> Result<(), Trouble> {
    let prefix = format!("sessions/{session}/attachments/");
    for _ in 0..MOST_LISTS {
        let query = [("list-type", "2"), ("prefix", prefix.as_str())];
        let list = s3.signed_url(&s3.url, "GET", &format!("/{}", s3.bucket), &query, hall.now(), LEAVE_SECONDS);
        let listed = outside::text(hall.http().get(list), LONGEST).await?;
        let keys = keys(&listed, &prefix);
        if keys.is_empty() {
            return Ok(());
        }
        for key in keys {
            let url = s3.signed_url(&s3.url, "DELETE", &s3.path(key), &[], hall.now(), LEAVE_SECONDS);
            match outside::text(hall.http().delete(url), LONGEST).await {
                Ok(_) | Err(outside::Failed::Status(404)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// The names in a list that are ours to remove. They are made of what XML writes as it is.
fn keys<'a>(listed: &'a str, prefix: &str) -> Vec<&'a str> {
    let keys = listed.split("<Key>").skip(1).filter_map(|rest| rest.split_once("</Key>").map(|(key, _)| key));
    keys.filter(|key| key.starts_with(prefix) && !key.contains('&')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_the_session_are_taken_from_a_list() {
        let listed = "<R><Contents><Key>sessions/s/attachments/a.enc</Key></Contents><Contents><Key>other/b</Key>\
            </Contents><Contents><Key>sessions/s/attachments/b.enc</Key></Contents><Key>sessions/s/attachments/cut";
        assert_eq!(
            keys(listed, "sessions/s/attachments/"),
            ["sessions/s/attachments/a.enc", "sessions/s/attachments/b.enc"]
        );
        assert!(keys("", "x").is_empty());
    }
}
