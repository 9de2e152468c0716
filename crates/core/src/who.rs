//! Who acts, through which door, and what their role lets them do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{ClientId, TenantId, UserId};

/// Who caused an event, and over which connection: stored with it, so that "no echo to the sender" holds in replay too.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Author {
    pub user: UserId,
    /// `native`, a dialect's name, `agent`, or `gateway` for what the gateway does by itself.
    pub door: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
}

impl Author {
    fn plain(name: &str) -> Author {
        let user = UserId::new(name).expect("a literal id");
        Author { user, door: name.to_owned(), client: None, connection: None }
    }
    /// What the agent does.
    pub fn agent() -> Author {
        Author::plain("agent")
    }
    /// What the gateway does by itself: deadlines, repairs.
    pub fn gateway() -> Author {
        Author::plain("gateway")
    }
}

/// What a person may do in a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Viewer,
    Member,
    BillingAdmin,
    Admin,
    Owner,
}

/// Every carrier of a sign-in resolves to this.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    pub tenant: TenantId,
    pub user: UserId,
    pub role: Role,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// Kinds of things that rights are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Session,
    File,
    Workspace,
    Member,
    Key,
    Secret,
    Billing,
    Agent,
}

/// What is done to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    Create,
    Read,
    Write,
    Delete,
    Archive,
    Steer,
}

impl Role {
    /// The one table of rights: kind x verb x role.
    pub fn may(self, verb: Verb, kind: Kind) -> bool {
        use Role::{Admin, BillingAdmin, Member, Owner, Viewer};
        let least: &[Role] = match (kind, verb) {
            (Kind::Session | Kind::File | Kind::Workspace | Kind::Agent, Verb::Read) => {
                &[Viewer, Member, BillingAdmin, Admin, Owner]
            }
            (Kind::Session, Verb::Delete) | (Kind::Workspace, Verb::Delete) => &[Admin, Owner],
            (Kind::Session | Kind::File | Kind::Workspace, _) => &[Member, BillingAdmin, Admin, Owner],
            (Kind::Member, Verb::Read) => &[Admin, Owner],
            (Kind::Member, Verb::Delete) => &[Owner],
            (Kind::Member, _) => &[Admin, Owner],
            (Kind::Key | Kind::Secret, _) => &[Admin, Owner],
            (Kind::Billing, Verb::Read) => &[BillingAdmin, Admin, Owner],
            (Kind::Billing, _) => &[BillingAdmin, Owner],
            (Kind::Agent, _) => &[Owner],
        };
        least.contains(&self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_only_reads_and_only_an_owner_removes_members() {
        assert!(Role::Viewer.may(Verb::Read, Kind::Session));
        for verb in [Verb::Create, Verb::Write, Verb::Delete, Verb::Archive, Verb::Steer] {
            assert!(!Role::Viewer.may(verb, Kind::Session), "{verb:?}");
        }
        assert!(!Role::Member.may(Verb::Delete, Kind::Session));
        assert!(!Role::Admin.may(Verb::Delete, Kind::Member));
        assert!(Role::Owner.may(Verb::Delete, Kind::Member));
        assert!(!Role::Admin.may(Verb::Write, Kind::Billing));
    }
}
