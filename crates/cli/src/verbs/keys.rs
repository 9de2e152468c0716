//! API keys.

use clap::Subcommand;
use rejoin_sdk::types::id::UserId;
use rejoin_sdk::types::{KeyInfo, NewKey};

use super::members::{RoleWord, role_word};
use crate::exit::{Exit, Told};
use crate::here::Here;
use crate::out::Out;
use crate::render::clean::one_line;
use crate::render::table::table;
use crate::render::when;

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Make a key. Its text is shown once
    Create {
        /// What it is for
        #[arg(long, default_value = "")]
        name: String,
        /// Whose it is; you, if not given
        #[arg(long)]
        user: Option<String>,
        /// What it may do; as much as you, if not given
        #[arg(long)]
        role: Option<RoleWord>,
        /// Seconds until it expires; never, if not given
        #[arg(long, value_name = "SECONDS")]
        expires_in: Option<u64>,
    },
    /// List keys, without their texts
    Ls,
    /// Let a key open nothing any more
    Revoke { id: String },
}

impl Keys {
    pub(crate) async fn run(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
        let client = here.client()?;
        match self {
            Keys::Create { name, user, role, expires_in } => {
                let user = user.map(UserId::new).transpose();
                let new = NewKey {
                    name,
                    user: user.map_err(|bad| Told::usage(format!("--user: {bad}")))?,
                    role: role.map(Into::into),
                    expires_at: expires_in.map(|seconds| when::now().saturating_add(seconds.saturating_mul(1_000))),
                };
                let minted = client.create_key(&new).await?;
                out.either(&minted, |_| minted.key.clone())?;
            }
            Keys::Ls => {
                let keys = client.keys().await?;
                if out.json {
                    for key in &keys {
                        out.object(key)?;
                    }
                    return Ok(Exit::Ok);
                }
                for line in table(&keys.iter().map(row).collect::<Vec<_>>()) {
                    out.line(line)?;
                }
            }
            Keys::Revoke { id } => client.revoke_key(&id).await?,
        }
        Ok(Exit::Ok)
    }
}

fn row(key: &KeyInfo) -> Vec<String> {
    let expires = key.expires_at.map_or("never expires".to_owned(), |at| format!("expires {}", when::utc(at)));
    vec![
        one_line(&key.id, 128),
        key.user.to_string(),
        role_word(key.role).to_owned(),
        expires,
        one_line(&key.name, 200),
    ]
}
