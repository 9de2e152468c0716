//! Members of the tenant.

use serde_json::json;

use super::call::Call;
use super::event::ListedMember;
use super::{Client, Error, Event};
use crate::names::{fields, said, told};
use crate::wire::Role;

/// What to do with members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberAction {
    List,
    SetRole { user: String, role: Role },
    Remove { user: String },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Managed {
    Listed(Vec<ListedMember>),
    Updated(ListedMember),
    Removed { user: String },
}

impl Client {
    /// Manages members, for those who may.
    pub async fn manage_members(&self, action: MemberAction) -> Result<Managed, Error> {
        let user = fields::USER[0];
        let (expects, fields): (&'static [&'static str], _) = match &action {
            MemberAction::List => (&[told::MEMBER_LIST], json!({ "action": "list" })),
            MemberAction::SetRole { user: id, role } => {
                (&[told::MEMBER_UPDATED], json!({ "action": "set_role", user: id, "role": role }))
            }
            MemberAction::Remove { user: id } => (&[told::MEMBER_REMOVED], json!({ "action": "remove", user: id })),
        };
        match self.ask(Call::new(said::MANAGE_MEMBERS, expects, fields)).await?.event {
            Event::MemberList(told) => Ok(Managed::Listed(told.members)),
            Event::MemberUpdated(told) => Ok(Managed::Updated(told.member)),
            Event::MemberRemoved(told) => Ok(Managed::Removed { user: told.user_id }),
            _ => Err(Error::Unreadable(said::MANAGE_MEMBERS)),
        }
    }

    pub async fn list_members(&self) -> Result<Vec<ListedMember>, Error> {
        match self.manage_members(MemberAction::List).await? {
            Managed::Listed(members) => Ok(members),
            _ => Err(Error::Unreadable(said::MANAGE_MEMBERS)),
        }
    }

    pub async fn set_role(&self, user: &str, role: Role) -> Result<ListedMember, Error> {
        match self.manage_members(MemberAction::SetRole { user: user.to_owned(), role }).await? {
            Managed::Updated(member) => Ok(member),
            _ => Err(Error::Unreadable(said::MANAGE_MEMBERS)),
        }
    }

    pub async fn remove_member(&self, user: &str) -> Result<(), Error> {
        self.manage_members(MemberAction::Remove { user: user.to_owned() }).await.map(drop)
    }
}
