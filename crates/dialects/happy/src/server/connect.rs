//! Other services that an account is connected with: its GitHub profile, and tokens of vendors.

mod github;
mod oauth;

use rejoin_ports::gateway::Failure;
use rejoin_ports::store::{Expect, Owner, RecordWrite};
use serde_json::Value;

use super::Hall;
use super::account::{self, Profile};
use super::shelf::{Kept, put, until_kept};
use super::who::Who;

pub(super) use github::{NoPerson, Person, fetch};
pub(super) use oauth::{State, is_signed};

/// Which account a person of GitHub is, and which has a name: both are everybody's.
const PERSON: &str = "happy.github-holder";
pub(super) const USERNAME: &str = "happy.username";
/// Vendors that an account may leave tokens of.
const VENDORS: [&str; 3] = ["openai", "anthropic", "gemini"];
/// What GitHub's own token is called among them.
const GITHUB: &str = "github";
/// The longest token.
const LONGEST: usize = 16 << 10;

/// The vendor of that name, if tokens of it are kept.
pub(super) fn vendor(name: &str) -> Option<&'static str> {
    VENDORS.into_iter().find(|vendor| *vendor == name)
}

pub(super) async fn register(hall: &Hall, who: &Who, vendor: &'static str, token: &str) -> Result<(), Failure> {
    if token.len() > LONGEST {
        return Err(Failure::Invalid { field: "token", why: "is too long".into() });
    }
    hall.entrust(&who.owner(), vendor, token).await
}

pub(super) async fn token(hall: &Hall, who: &Who, vendor: &'static str) -> Result<Option<String>, Failure> {
    hall.entrusted(&who.owner(), vendor).await
}

pub(super) async fn tokens(hall: &Hall, who: &Who) -> Result<Vec<(&'static str, String)>, Failure> {
    let mut found = Vec::new();
    for vendor in VENDORS {
        found.extend(token(hall, who, vendor).await?.map(|token| (vendor, token)));
    }
    Ok(found)
}

pub(super) async fn forget(hall: &Hall, who: &Who, vendor: &'static str) -> Result<(), Failure> {
    if hall.services_of(&who.owner()).await?.iter().any(|service| service == vendor) {
        hall.give_back(&who.owner(), vendor).await?;
    }
    Ok(())
}

/// The vendors that there are tokens of.
pub(super) async fn services(hall: &Hall, who: &Who) -> Result<Vec<String>, Failure> {
    let mut services = hall.services_of(&who.owner()).await?;
    services.retain(|service| service != GITHUB);
    Ok(services)
}

/// The account is this person of GitHub from now on; an account that was before is not any more.
pub(super) async fn connect(hall: &Hall, id: &str, person: &Person, token: &str) -> Result<(), Failure> {
    let account = hall.account(id).await?.ok_or(Failure::NotFound("account"))?;
    let owner = account::owner(&account);
    until_kept(|| async {
        let holder: Kept<String> = hall.kept(&Owner::Gateway, PERSON, &person.id).await?;
        if let Some(other) = holder.value.as_ref().filter(|holder| *holder != id) {
            disconnect(hall, other).await?;
            return Err(Failure::Conflict { version: holder.version });
        }
        let (kept, now) = (account::profile_of(hall, &owner).await?, hall.now());
        let expect = kept.unchanged();
        let before = kept.value.unwrap_or_default();
        let mut writes = vec![put(&Owner::Gateway, PERSON, &person.id, holder.unchanged(), Some(&id), now)];
        writes.extend(person_before(&before, now).filter(|write| write.key != person.id));
        let wanted = person.login.to_lowercase();
        let name: Kept<String> = hall.kept(&Owner::Gateway, USERNAME, &wanted).await?;
        let is_free = name.value.as_ref().is_none_or(|holder| holder == id);
        if is_free {
            writes.push(put(&Owner::Gateway, USERNAME, &wanted, name.unchanged(), Some(&id), now));
            writes.extend(name_before(&before, now).filter(|write| write.key != wanted));
        }
        let (first_name, last_name) = person.names();
        let profile = Profile {
            first_name,
            last_name,
            username: if is_free { Some(person.login.clone()) } else { before.username.clone() },
            bio: person.bio.clone(),
            github: Some(person.profile.clone()),
        };
        let (write, line) = account::put_profile(&owner, expect, &profile, now);
        writes.push(write);
        hall.keep(writes, vec![line]).await
    })
    .await?;
    hall.entrust(&owner, GITHUB, token).await
}

/// The account is nobody of GitHub any more. Where it was none, nothing changes.
pub(super) async fn disconnect(hall: &Hall, id: &str) -> Result<(), Failure> {
    let Some(account) = hall.account(id).await? else { return Ok(()) };
    let owner = account::owner(&account);
    let was_there = until_kept(|| async {
        let (kept, now) = (account::profile_of(hall, &owner).await?, hall.now());
        let expect = kept.unchanged();
        let Some(before) = kept.value.filter(|profile| profile.github.is_some()) else { return Ok(false) };
        let mut writes: Vec<RecordWrite> = person_before(&before, now).chain(name_before(&before, now)).collect();
        let profile = Profile { username: None, github: None, ..before };
        let (write, line) = account::put_profile(&owner, expect, &profile, now);
        writes.push(write);
        hall.keep(writes, vec![line]).await?;
        Ok(true)
    });
    if was_there.await? {
        hall.give_back(&owner, GITHUB).await?;
    }
    Ok(())
}

/// Gives up the person that a profile is of. Its key is guarded by the profile's own version.
fn person_before(profile: &Profile, now: u64) -> impl Iterator<Item = RecordWrite> {
    let id = profile.github.as_ref().and_then(github::id_of);
    id.into_iter().map(move |id| put::<Value>(&Owner::Gateway, PERSON, &id, Expect::Anything, None, now))
}

fn name_before(profile: &Profile, now: u64) -> impl Iterator<Item = RecordWrite> {
    let name = profile.username.as_ref().map(|name| name.to_lowercase());
    name.into_iter().map(move |name| put::<Value>(&Owner::Gateway, USERNAME, &name, Expect::Anything, None, now))
}
