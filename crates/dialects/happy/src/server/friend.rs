//! People: how accounts see each other, who is whose friend, and what they are told of it.

mod feed;

use rejoin_core::position::Millis;
use rejoin_ports::gateway::Failure;
use rejoin_ports::sign_in::Account;
use rejoin_ports::store::Owner;
use serde::{Deserialize, Serialize};

use super::Hall;
use super::account::{self, owner};
use super::connect::USERNAME;
use super::shelf::{Kept, is_key, put, until_kept};
use super::who::Who;
use crate::wire::{Relationship, UserProfile};

pub(super) use feed::{POST, Side, read as read_feed, told};

const KIND: &str = "happy.friend";
/// People that a search shows, and friends that a list does.
const FOUND: usize = 10;
const LISTED: usize = 1_000;
/// The longest text that is searched for.
const LONGEST: usize = 100;
/// One is told of the same person not more often than this.
const QUIET_MS: Millis = 24 * 60 * 60 * 1_000;

/// How one side of two stands to the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Stands {
    status: Relationship,
    /// When this side was last told of the other.
    told_at: Option<Millis>,
}

/// What one side does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Add,
    Remove,
}

/// What comes of an act: both sides, whom it is told to, and what the one who acted sees.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    mine: Relationship,
    theirs: Relationship,
    told: Vec<(Side, feed::What)>,
    shown: Relationship,
}

/// The rules. `mine` is how the one who acts stands to the other.
fn decide(act: Act, mine: Relationship, theirs: Relationship) -> Outcome {
    use Relationship::{Friend, None, Pending, Rejected, Requested};
    let outcome = |mine, theirs| Outcome { mine, theirs, told: Vec::new(), shown: mine };
    match (act, mine, theirs) {
        (Act::Add, _, Requested) => Outcome {
            told: vec![(Side::Theirs, feed::What::Accepted), (Side::Mine, feed::What::Accepted)],
            ..outcome(Friend, Friend)
        },
        (Act::Add, None | Rejected, theirs) => Outcome {
            told: vec![(Side::Theirs, feed::What::Requested)],
            ..outcome(Requested, if theirs == None { Pending } else { theirs })
        },
        (Act::Remove, Requested, theirs) => outcome(Rejected, theirs),
        (Act::Remove, Friend, _) => Outcome { shown: Requested, ..outcome(Pending, Requested) },
        (Act::Remove, Pending, theirs) => outcome(None, if theirs == Rejected { theirs } else { None }),
        (_, mine, theirs) => outcome(mine, theirs),
    }
}

impl Stands {
    /// Whether this side is told of the other now. Who rejected them hears nothing.
    fn hears(&self, now: Millis) -> bool {
        self.status != Relationship::Rejected && self.told_at.is_none_or(|at| at + QUIET_MS < now)
    }
}

/// One side acts on the other. `None`: there is nobody of that id, or it is oneself.
pub(super) async fn act(hall: &Hall, who: &Who, id: &str, act: Act) -> Result<Option<UserProfile>, Failure> {
    let Some(other) = other(hall, who, id).await? else { return Ok(None) };
    let (my_id, my_owner, their_owner) = (who.account.id.as_str(), who.owner(), owner(&other));
    let shown = until_kept(|| async {
        let (mine, theirs): (Kept<Stands>, Kept<Stands>) =
            (hall.kept(&my_owner, KIND, id).await?, hall.kept(&their_owner, KIND, my_id).await?);
        let (expect_mine, expect_theirs) = (mine.unchanged(), theirs.unchanged());
        let (mut mine, mut theirs) = (mine.value.unwrap_or_default(), theirs.value.unwrap_or_default());
        let before = (mine, theirs);
        let outcome = decide(act, mine.status, theirs.status);
        (mine.status, theirs.status) = (outcome.mine, outcome.theirs);
        let now = hall.now();
        let (mut writes, mut lines) = (Vec::new(), Vec::new());
        for (side, what) in outcome.told {
            let (stands, owner, about) = match side {
                Side::Mine => (&mut mine, &my_owner, id),
                Side::Theirs => (&mut theirs, &their_owner, my_id),
            };
            if stands.hears(now) {
                stands.told_at = Some(now);
                let (write, line) = feed::post(hall, owner, what, about).await?;
                writes.push(write);
                lines.push(line);
            }
        }
        if (mine, theirs) != before {
            writes.push(put(&my_owner, KIND, id, expect_mine, Some(&mine), now));
            writes.push(put(&their_owner, KIND, my_id, expect_theirs, Some(&theirs), now));
            hall.keep(writes, lines).await?;
        }
        Ok(outcome.shown)
    });
    let status = shown.await?;
    show(hall, &other, status).await.map(Some)
}

async fn other(hall: &Hall, who: &Who, id: &str) -> Result<Option<std::sync::Arc<Account>>, Failure> {
    if !is_key(id) || id == who.account.id {
        return Ok(None);
    }
    hall.account(id).await
}

/// Friends, and those who may become some.
pub(super) async fn list(hall: &Hall, who: &Who) -> Result<Vec<UserProfile>, Failure> {
    let mut listed = Vec::new();
    for (id, stands) in hall.all::<Stands>(&who.owner(), KIND, "", LISTED).await? {
        let is_one = matches!(stands.status, Relationship::Friend | Relationship::Pending | Relationship::Requested);
        if let (true, Some(account)) = (is_one, hall.account(&id).await?) {
            listed.push(show(hall, &account, stands.status).await?);
        }
    }
    Ok(listed)
}

pub(super) async fn find(hall: &Hall, who: &Who, id: &str) -> Result<UserProfile, Failure> {
    let account = if is_key(id) { hall.account(id).await? } else { None };
    let account = account.ok_or(Failure::NotFound("user"))?;
    let status = status(hall, &who.owner(), id).await?;
    show(hall, &account, status).await
}

/// People whose name begins so.
pub(super) async fn search(hall: &Hall, who: &Who, text: &str) -> Result<Vec<UserProfile>, Failure> {
    let prefix = text.trim().to_lowercase();
    if prefix.is_empty() || prefix.len() > LONGEST {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for (_, id) in hall.all::<String>(&Owner::Gateway, USERNAME, &prefix, FOUND).await? {
        if let Some(account) = hall.account(&id).await? {
            let status = status(hall, &who.owner(), &id).await?;
            found.push(show(hall, &account, status).await?);
        }
    }
    Ok(found)
}

async fn status(hall: &Hall, owner: &Owner, id: &str) -> Result<Relationship, Failure> {
    let kept: Kept<Stands> = hall.kept(owner, KIND, id).await?;
    Ok(kept.value.unwrap_or_default().status)
}

async fn show(hall: &Hall, account: &Account, status: Relationship) -> Result<UserProfile, Failure> {
    let profile = account::profile_of(hall, &owner(account)).await?.value.unwrap_or_default();
    Ok(UserProfile {
        id: account.id.clone(),
        first_name: profile.first_name.unwrap_or_default(),
        last_name: profile.last_name,
        avatar: None,
        username: profile.username.unwrap_or_default(),
        bio: profile.bio,
        status,
    })
}

#[cfg(test)]
mod tests {
    use Relationship::{Friend, None, Pending, Rejected, Requested};

    use super::*;

    /// A asks B, and so on; each step is (who acts, act, how A stands, how B stands).
    fn play(steps: &[(char, Act, Relationship, Relationship)]) {
        let (mut a, mut b) = (None, None);
        for (who, act, after_a, after_b) in steps {
            let outcome = if *who == 'a' { decide(*act, a, b) } else { decide(*act, b, a) };
            (a, b) = if *who == 'a' { (outcome.mine, outcome.theirs) } else { (outcome.theirs, outcome.mine) };
            assert_eq!((a, b), (*after_a, *after_b), "{who} {act:?}");
        }
    }

    #[test]
    fn two_who_add_each_other_are_friends() {
        play(&[
            ('a', Act::Add, Requested, Pending),
            ('a', Act::Add, Requested, Pending),
            ('b', Act::Add, Friend, Friend),
            ('b', Act::Add, Friend, Friend),
            ('a', Act::Remove, Pending, Requested),
            ('a', Act::Add, Friend, Friend),
        ]);
        assert_eq!(decide(Act::Remove, Friend, Friend).shown, Requested);
    }

    #[test]
    fn who_was_asked_may_decline_and_who_asked_may_take_it_back() {
        play(&[('a', Act::Add, Requested, Pending), ('b', Act::Remove, None, None)]);
        play(&[
            ('a', Act::Add, Requested, Pending),
            ('a', Act::Remove, Rejected, Pending),
            ('b', Act::Add, Rejected, Pending),
            ('a', Act::Add, Requested, Pending),
            ('b', Act::Add, Friend, Friend),
        ]);
        play(&[('a', Act::Remove, None, None), ('b', Act::Remove, None, None)]);
    }

    #[test]
    fn one_is_told_of_the_same_person_once_a_day() {
        let mut stands = Stands::default();
        assert!(stands.hears(5));
        stands.told_at = Some(5);
        assert!(!stands.hears(5 + QUIET_MS));
        assert!(stands.hears(6 + QUIET_MS));
        stands.status = Rejected;
        assert!(!stands.hears(u64::MAX));
    }
}
