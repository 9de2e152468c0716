//! Members of one's tenant.

use clap::{Subcommand, ValueEnum};
use rejoin_sdk::types::Member;
use rejoin_sdk::types::id::UserId;
use rejoin_sdk::types::who::Role;

use crate::exit::{Exit, Told};
use crate::here::Here;
use crate::out::Out;
use crate::render::clean::one_line;
use crate::render::table::table;

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum RoleWord {
    Viewer,
    Member,
    BillingAdmin,
    Admin,
    Owner,
}

impl From<RoleWord> for Role {
    fn from(word: RoleWord) -> Role {
        match word {
            RoleWord::Viewer => Role::Viewer,
            RoleWord::Member => Role::Member,
            RoleWord::BillingAdmin => Role::BillingAdmin,
            RoleWord::Admin => Role::Admin,
            RoleWord::Owner => Role::Owner,
        }
    }
}

pub(super) fn role_word(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Member => "member",
        Role::BillingAdmin => "billing-admin",
        Role::Admin => "admin",
        Role::Owner => "owner",
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Members {
    /// List them
    Ls,
    /// Give a member another role, or add one
    SetRole { user: String, role: RoleWord },
    /// Remove a member
    Rm { user: String },
}

impl Members {
    pub(crate) async fn run(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
        let client = here.client()?;
        match self {
            Members::Ls => {
                let members = client.members().await?;
                if out.json {
                    for member in &members {
                        out.object(member)?;
                    }
                    return Ok(Exit::Ok);
                }
                for line in table(&members.iter().map(row).collect::<Vec<_>>()) {
                    out.line(line)?;
                }
            }
            Members::SetRole { user, role } => {
                let member = client.set_role(&id(&user)?, role.into()).await?;
                if out.json {
                    out.object(&member)?;
                }
            }
            Members::Rm { user } => client.remove_member(&id(&user)?).await?,
        }
        Ok(Exit::Ok)
    }
}

fn id(user: &str) -> anyhow::Result<UserId> {
    UserId::new(user).map_err(|bad| Told::usage(format!("user `{user}`: {bad}")))
}

fn row(member: &Member) -> Vec<String> {
    vec![
        member.user.to_string(),
        role_word(member.role).to_owned(),
        one_line(member.email.as_deref().unwrap_or("-"), 200),
    ]
}
