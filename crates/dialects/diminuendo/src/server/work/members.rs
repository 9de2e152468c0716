//! Members of the tenant.

use rejoin_core::id::UserId;
use rejoin_core::who::Role;
use rejoin_ports::sign_in::Member;
use serde_json::json;

use super::{Done, Outcome};
use crate::names::told;
use crate::server::Hall;
use crate::server::failure::Refused;
use crate::server::request::Members;
use crate::server::who::Who;
use crate::wire::{self, Code};

pub(in crate::server) async fn manage(door: &Hall, who: &Who, asked: Members) -> Outcome {
    let caller = who.caller();
    let members = &door.gateway.members;
    let told = match asked {
        Members::List => {
            let members: Vec<_> = members.list(&caller).await?.into_iter().map(member).collect();
            json!({ "type": told::MEMBER_LIST, "members": members })
        }
        Members::SetRole { user, role } => {
            let role: wire::Role = serde_json::from_value(role.into())
                .map_err(|_| Refused::new(Code::InvalidRole, "There is no such role"))?;
            let changed = members.set_role(&caller, &user_id(&user)?, ours(role)).await?;
            json!({ "type": told::MEMBER_UPDATED, "member": member(changed) })
        }
        Members::Remove { user } => {
            members.remove(&caller, &user_id(&user)?).await?;
            json!({ "type": told::MEMBER_REMOVED, "userId": user })
        }
    };
    Ok(Done::told(told))
}

fn user_id(user: &str) -> Result<UserId, Refused> {
    UserId::new(user).map_err(|_| Refused::new(Code::MemberNotFound, "There is no such member"))
}

fn member(member: Member) -> wire::Member {
    wire::Member {
        user_id: member.user.to_string(),
        email: member.email.unwrap_or_default(),
        role: theirs(member.role),
        created_at: member.created_at,
        updated_at: member.updated_at,
    }
}

fn ours(role: wire::Role) -> Role {
    match role {
        wire::Role::Owner => Role::Owner,
        wire::Role::Admin => Role::Admin,
        wire::Role::BillingAdmin => Role::BillingAdmin,
        wire::Role::Member => Role::Member,
        wire::Role::Viewer => Role::Viewer,
    }
}

fn theirs(role: Role) -> wire::Role {
    match role {
        Role::Owner => wire::Role::Owner,
        Role::Admin => wire::Role::Admin,
        Role::BillingAdmin => wire::Role::BillingAdmin,
        Role::Member => wire::Role::Member,
        Role::Viewer => wire::Role::Viewer,
    }
}
