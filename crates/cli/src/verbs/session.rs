//! Verbs that give a session one command and say that it was done.

use std::collections::BTreeMap;

use clap::Args;
use rejoin_sdk::types::command::Command;
use rejoin_sdk::types::id::ClientId;

use crate::exit::{Exit, Told};
use crate::here::Here;
use crate::out::Out;

/// Gives a session a command, and says where it stands then.
pub(super) async fn give(here: &Here, out: &mut Out, session: &str, command: Command) -> anyhow::Result<Exit> {
    let client = here.client()?;
    let session = here.session(&client, session).await?;
    let done = client.run(&session, command).await?;
    if out.json {
        out.object(&done)?;
    }
    Ok(Exit::Ok)
}

macro_rules! plain {
    ($($name:ident)*) => {$(
        #[derive(Debug, Args)]
        pub(crate) struct $name {
            /// The session's id, or @last for the newest
            session: String,
        }
        impl $name {
            pub(crate) async fn run(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
                give(here, out, &self.session, Command::$name).await
            }
        }
    )*};
}

plain! { Compact Archive Unarchive Close Reopen }

#[derive(Debug, Args)]
pub(crate) struct Steer {
    /// The session's id, or @last for the newest
    session: String,
    /// What to say; `-` reads it from standard input
    #[arg(required = true)]
    text: Vec<String>,
}

impl Steer {
    pub(crate) async fn run(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
        let text = super::prompt::text(self.text)?;
        give(here, out, &self.session, Command::Steer { text }).await
    }
}

#[derive(Debug, Args)]
pub(crate) struct Interrupt {
    /// The session's id, or @last for the newest
    session: String,
    #[arg(long)]
    reason: Option<String>,
    /// Drop the prompts that wait, too
    #[arg(long)]
    clear_queue: bool,
}

impl Interrupt {
    pub(crate) async fn run(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
        let command = Command::Interrupt { reason: self.reason, clear_queue: self.clear_queue };
        give(here, out, &self.session, command).await
    }
}

#[derive(Debug, Args)]
pub(crate) struct Rename {
    /// The session's id, or @last for the newest
    session: String,
    /// The new title; without one the old is taken away
    title: Vec<String>,
}

impl Rename {
    pub(crate) async fn run(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
        let title = (!self.title.is_empty()).then(|| self.title.join(" "));
        give(here, out, &self.session, Command::Rename { title }).await
    }
}

#[derive(Debug, Args)]
pub(crate) struct End {
    /// The session's id, or @last for the newest
    session: String,
    #[arg(long, default_value = "ended by hand")]
    reason: String,
    #[arg(long, allow_hyphen_values = true)]
    exit_code: Option<i32>,
    #[arg(long)]
    error: Option<String>,
}

impl End {
    pub(crate) async fn run(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
        let command = Command::End { reason: self.reason, exit_code: self.exit_code, error: self.error };
        give(here, out, &self.session, command).await
    }
}

#[derive(Debug, Args)]
pub(crate) struct SetModel {
    /// The session's id, or @last for the newest
    session: String,
    model: String,
    #[arg(long)]
    provider: Option<String>,
    #[arg(long)]
    variant: Option<String>,
}

impl SetModel {
    pub(crate) async fn run(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
        let command = Command::SetModel { model: self.model, provider: self.provider, variant: self.variant };
        give(here, out, &self.session, command).await
    }
}

#[derive(Debug, Args)]
pub(crate) struct Label {
    /// The session's id, or @last for the newest
    session: String,
    /// `name=value`; `name=` takes one away
    #[arg(required = true, value_name = "NAME=VALUE")]
    labels: Vec<String>,
}

impl Label {
    pub(crate) async fn run(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
        let (set, away) = labels(&self.labels)?;
        let client = here.client()?;
        let session = here.session(&client, &self.session).await?;
        let mut labels = client.session(&session).await?.session.labels;
        labels.extend(set);
        labels.retain(|name, _| !away.contains(name));
        let done = client.run(&session, Command::Label { labels }).await?;
        if out.json {
            out.object(&done)?;
        }
        Ok(Exit::Ok)
    }
}

/// Labels to set, and names of labels to take away.
pub(super) fn labels(words: &[String]) -> anyhow::Result<(BTreeMap<String, String>, Vec<String>)> {
    let (mut set, mut away) = (BTreeMap::new(), Vec::new());
    for word in words {
        match word.split_once('=') {
            Some((name, "")) if !name.is_empty() => away.push(name.to_owned()),
            Some((name, value)) if !name.is_empty() => {
                set.insert(name.to_owned(), value.to_owned());
            }
            _ => return Err(Told::usage(format!("`{word}` is not name=value"))),
        }
    }
    Ok((set, away))
}

#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// Ids of sessions
    #[arg(required = true)]
    sessions: Vec<String>,
}

impl Rm {
    pub(crate) async fn run(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
        let client = here.client()?;
        for session in &self.sessions {
            let session = here.session(&client, session).await?;
            client.delete(&session).await?;
            if out.json {
                out.object(&serde_json::json!({ "deleted": session }))?;
            }
        }
        Ok(Exit::Ok)
    }
}

/// Control is held by a program, so whoever uses it must say which one they are.
#[derive(Debug, Args)]
pub(crate) struct Controlling {
    /// The session's id, or @last for the newest
    session: String,
    /// The name of the program that controls: the same one releases
    #[arg(long, env = "REJOIN_CLIENT", default_value = "cli")]
    client: String,
}

impl Controlling {
    async fn give(self, here: &Here, out: &mut Out, command: Command) -> anyhow::Result<Exit> {
        let id = ClientId::new(&self.client).map_err(|bad| Told::usage(format!("--client: {bad}")))?;
        let client = here.client_as(id)?;
        let session = here.session(&client, &self.session).await?;
        let done = client.run(&session, command).await?;
        if out.json {
            out.object(&done)?;
        }
        Ok(Exit::Ok)
    }
}

macro_rules! controlling {
    ($($name:ident: $command:expr;)*) => {$(
        #[derive(Debug, Args)]
        pub(crate) struct $name {
            #[command(flatten)]
            controlling: Controlling,
        }
        impl $name {
            pub(crate) async fn run(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
                self.controlling.give(here, out, $command).await
            }
        }
    )*};
}

controlling! {
    Claim: Command::Claim { quietly: false };
    Release: Command::Release;
    Takeover: Command::Takeover;
}

/// What to say to whoever asks for control.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Decision {
    Approve,
    Deny,
}

#[derive(Debug, Args)]
pub(crate) struct RespondTakeover {
    #[command(flatten)]
    controlling: Controlling,
    /// Whether control is given away
    decision: Decision,
}

impl RespondTakeover {
    pub(crate) async fn run(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
        let approve = matches!(self.decision, Decision::Approve);
        self.controlling.give(here, out, Command::RespondTakeover { approve, requester: None }).await
    }
}

/// Whatever has no verb of its own: `configure`, `revoke-grant`, `set-register`, `seal`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    controlling: Controlling,
    /// The command as the API takes it, such as '{"type":"revoke-grant","grant":"…"}'
    #[arg(value_name = "JSON")]
    command: String,
}

impl Run {
    pub(crate) async fn run(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
        let command = serde_json::from_str(&self.command)
            .map_err(|bad| Told::usage(format!("that is no command of the API: {bad}")))?;
        self.controlling.give(here, out, command).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_without_a_value_is_taken_away() {
        let words = ["a=1".to_owned(), "b=".to_owned(), "c=x=y".to_owned()];
        let (set, away) = labels(&words).unwrap();
        assert_eq!(set["c"], "x=y");
        assert_eq!((set.len(), away), (2, vec!["b".to_owned()]));
        for bad in ["", "=", "=x", "name"] {
            assert!(labels(&[bad.to_owned()]).is_err(), "{bad}");
        }
    }
}
