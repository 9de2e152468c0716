//! An account's own profile and its sealed settings.

use std::sync::Arc;

use rejoin_ports::gateway::Failure;
use rejoin_ports::sign_in::Account;
use rejoin_ports::store::{Expect, Owner};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::hub::Scope;
use super::shelf::{Kept, line, put};
use super::who::Who;
use super::{Hall, connect};
use crate::wire::{AccountProfile, Body, Settings, Versioned};

pub(super) const SETTINGS: &str = "happy.settings";
pub(super) const PROFILE: &str = "happy.profile";
/// An account has one of each.
const ONLY: &str = "";
/// The longest settings.
const LONGEST: usize = 4 << 20;

/// What an account shows of itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Profile {
    pub(super) first_name: Option<String>,
    pub(super) last_name: Option<String>,
    pub(super) username: Option<String>,
    pub(super) bio: Option<String>,
    /// Of GitHub, as it was told.
    pub(super) github: Option<Value>,
}

/// What came of a change of the settings.
pub(super) enum Changed {
    Done(u64),
    Mismatch(Settings),
}

/// Whose the records of any account are.
pub(super) fn owner(account: &Account) -> Owner {
    Owner::User(account.tenant.clone(), account.user.clone())
}

impl Hall {
    /// An account, if there is one of that id.
    pub(super) async fn account(&self, id: &str) -> Result<Option<Arc<Account>>, Failure> {
        Ok(self.gateway.accounts.account(id).await?.map(Arc::new))
    }
}

pub(super) async fn profile_of(hall: &Hall, owner: &Owner) -> Result<Kept<Profile>, Failure> {
    hall.kept(owner, PROFILE, ONLY).await
}

/// A write of a profile, to be kept together with what else it changes, and the line that tells of it.
pub(super) fn put_profile(
    owner: &Owner,
    expect: Expect,
    profile: &Profile,
    at: u64,
) -> (rejoin_ports::store::RecordWrite, rejoin_ports::store::FeedEntry) {
    (put(owner, PROFILE, ONLY, expect, Some(profile), at), line(owner, PROFILE, ONLY, at))
}

pub(super) async fn profile(hall: &Hall, who: &Who) -> Result<AccountProfile, Failure> {
    let profile = profile_of(hall, &who.owner()).await?.value.unwrap_or_default();
    Ok(AccountProfile {
        id: who.account.id.clone(),
        timestamp: hall.now(),
        first_name: profile.first_name,
        last_name: profile.last_name,
        username: profile.username,
        avatar: None,
        github: profile.github,
        connected_services: connect::services(hall, who).await?,
    })
}

pub(super) async fn settings(hall: &Hall, who: &Who) -> Result<Settings, Failure> {
    let kept: Kept<Option<String>> = hall.kept(&who.owner(), SETTINGS, ONLY).await?;
    Ok(Settings { settings: kept.value.flatten(), settings_version: kept.version })
}

/// Changes the settings if they still have the version expected.
pub(super) async fn set(hall: &Hall, who: &Who, settings: Option<String>, expected: u64) -> Result<Changed, Failure> {
    if settings.as_ref().is_some_and(|settings| settings.len() > LONGEST) {
        return Err(Failure::Invalid { field: "settings", why: "must not have more than 4 MiB".into() });
    }
    let (owner, now) = (who.owner(), hall.now());
    let write = put(&owner, SETTINGS, ONLY, Expect::Version(expected), Some(&settings), now);
    match hall.keep(vec![write], vec![line(&owner, SETTINGS, ONLY, now)]).await {
        Ok(()) => Ok(Changed::Done(expected + 1)),
        Err(Failure::Conflict { .. }) => Ok(Changed::Mismatch(self::settings(hall, who).await?)),
        Err(error) => Err(error),
    }
}

/// What a line of the feed tells.
pub(super) async fn told(hall: &Hall, who: &Who, kind: &str) -> Result<Option<(Scope, Body)>, Failure> {
    let mut told = Body::UpdateAccount {
        id: who.account.id.clone(),
        settings: None,
        github: None,
        username: None,
        first_name: None,
        last_name: None,
        avatar: None,
    };
    if let Body::UpdateAccount { settings, github, username, first_name, last_name, .. } = &mut told {
        match kind {
            SETTINGS => {
                let Settings { settings: value, settings_version: version } = self::settings(hall, who).await?;
                *settings = Some(Versioned { value, version });
            }
            _ => {
                let profile = profile_of(hall, &who.owner()).await?.value.unwrap_or_default();
                *github = Some(profile.github);
                *username = Some(profile.username);
                *first_name = Some(profile.first_name);
                *last_name = Some(profile.last_name);
            }
        }
    }
    Ok(Some((Scope::People, told)))
}
