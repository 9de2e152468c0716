//! Sessions in one's Happy apps.

use std::time::Duration;

use clap::{Args, Subcommand};
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use rejoin_sdk::types::{Link, LinkStanding, NewLink, Share, ShareStanding};
use rejoin_sdk::{Client, Error};

use crate::exit::{Exit, Told};
use crate::here::Here;
use crate::out::Out;
use crate::render::clean::one_line;
use crate::render::table::table;

const KIND: &str = "happy";
/// Between two looks at whether somebody agreed.
const EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Subcommand)]
pub(crate) enum Happy {
    /// Link the gateway with your Happy account: shows a code to scan in the app, and waits until you did
    Link(LinkTo),
    /// Show the link, and the sessions that are shared
    Status,
    /// Forget the link with its keys, and share nothing any more
    Unlink,
    /// Let sessions appear in your Happy apps, from their beginning
    Share(ShareWhat),
    /// Let sessions appear there no more; what the apps have, they keep
    Unshare {
        /// Ids of sessions, or @last for the newest
        #[arg(required = true, value_name = "SESSION")]
        sessions: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct LinkTo {
    /// The Happy server that your app uses [default: the gateway itself]
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// Print the link and do not wait; `status` says when it is done
    #[arg(long)]
    no_wait: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct ShareWhat {
    /// Ids of sessions, or @last for the newest
    #[arg(value_name = "SESSION")]
    sessions: Vec<String>,
    /// Every session that you create from now on
    #[arg(long)]
    all_new: bool,
    /// From now on only sessions that are named
    #[arg(long, conflicts_with = "all_new")]
    no_new: bool,
}

impl Happy {
    pub(crate) async fn run(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
        let client = here.client()?;
        match self {
            Happy::Link(to) => return to.run(&client, out).await,
            Happy::Status => status(&client, out).await?,
            Happy::Unlink => client.unlink_integration(KIND).await?,
            Happy::Share(what) => what.run(here, &client, out).await?,
            Happy::Unshare { sessions } => {
                for session in sessions {
                    let session = here.session(&client, &session).await?;
                    client.unshare(KIND, &session).await?;
                }
            }
        }
        Ok(Exit::Ok)
    }
}

impl LinkTo {
    async fn run(self, client: &Client, out: &mut Out) -> anyhow::Result<Exit> {
        let asked = client.link_integration(KIND, &NewLink { server: self.server.clone() }).await;
        let link = asked.map_err(|error| match &error {
            Error::Problem(problem) if problem.code == "version_conflict" => Told::error(
                Exit::Refused,
                "linked to another server already; `rejoin happy unlink` forgets it with all that is shared",
            ),
            _ => error.into(),
        })?;
        match link.standing {
            LinkStanding::Waiting => {}
            _ => return said(out, &link),
        }
        show(out, &link)?;
        out.flush()?;
        if self.no_wait {
            return Ok(Exit::Ok);
        }
        let mut trouble = None;
        loop {
            tokio::time::sleep(EVERY).await;
            let now = client.integration(KIND).await?;
            match now.standing {
                LinkStanding::Linked => return said(out, &now),
                LinkStanding::Waiting if now.show == link.show => {}
                _ => return Err(Told::error(Exit::Failed, "nobody agreed to the link; begin again")),
            }
            if now.error != trouble {
                if let Some(error) = &now.error {
                    eprintln!("rejoin: not yet: {}", one_line(error, 300));
                }
                trouble = now.error;
            }
        }
    }
}

/// What there is to scan, and the same as text for those who cannot.
fn show(out: &mut Out, link: &Link) -> anyhow::Result<()> {
    if out.json {
        out.object(link)?;
        return Ok(());
    }
    let text = link.show.as_deref().unwrap_or_default();
    let server = link.server.as_deref().unwrap_or_default();
    out.line(code(text))?;
    out.line(one_line(text, 500))?;
    out.line(format!(
        "Scan this in the Happy app (Settings, Link terminal), or open it there. The app must use {}.",
        one_line(server, 300)
    ))?;
    Ok(())
}

/// A QR code as text. Terminals are mostly dark, and readers want the ground light.
fn code(text: &str) -> String {
    let Ok(code) = QrCode::new(text.as_bytes()) else { return String::new() };
    code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build()
}

fn said(out: &mut Out, link: &Link) -> anyhow::Result<Exit> {
    out.either(link, |_| stands(link))?;
    Ok(Exit::Ok)
}

fn stands(link: &Link) -> String {
    let server = one_line(link.server.as_deref().unwrap_or_default(), 300);
    let because = |text: String| match &link.error {
        Some(error) => format!("{text}: {}", one_line(error, 300)),
        None => text,
    };
    match link.standing {
        LinkStanding::None => "not linked; `rejoin happy link` does it".to_owned(),
        LinkStanding::Waiting => because(format!("waiting for you to scan the code; server {server}")),
        LinkStanding::Refused => because(format!("{server} does not let us in any more")),
        LinkStanding::Linked if link.share_new => format!("linked with {server}; new sessions are shared"),
        LinkStanding::Linked => format!("linked with {server}"),
    }
}

async fn status(client: &Client, out: &mut Out) -> anyhow::Result<()> {
    let link = client.integration(KIND).await?;
    out.either(&link, |_| stands(&link))?;
    let shares = client.shares(KIND).await?;
    if out.json {
        for share in &shares {
            out.object(share)?;
        }
        return Ok(());
    }
    for line in table(&shares.iter().map(row).collect::<Vec<_>>()) {
        out.line(line)?;
    }
    Ok(())
}

fn row(share: &Share) -> Vec<String> {
    let standing = match share.standing {
        ShareStanding::Waiting => "waiting",
        ShareStanding::Live => "live",
        ShareStanding::Failed => "failed",
    };
    let position = share.position.map_or_else(|| "-".to_owned(), |position| position.to_string());
    let error = share.error.as_deref().map(|error| one_line(error, 200)).unwrap_or_default();
    vec![share.session.to_string(), standing.to_owned(), position, error]
}

impl ShareWhat {
    async fn run(self, here: &Here, client: &Client, out: &mut Out) -> anyhow::Result<()> {
        if self.all_new || self.no_new {
            let link = client.share_new_sessions(KIND, self.all_new).await.map_err(unlinked)?;
            out.either(&link, |_| stands(&link))?;
        }
        for session in self.sessions {
            let session = here.session(client, &session).await?;
            let shared = client.share(KIND, &session).await;
            let share = shared.map_err(|error| if is_unlinked(&error) { unlinked(error) } else { error.into() })?;
            if out.json {
                out.object(&share)?;
            }
        }
        Ok(())
    }
}

fn is_unlinked(error: &Error) -> bool {
    matches!(error, Error::Problem(problem) if problem.code == "not_found" && problem.detail.ends_with("link"))
}

/// Nothing can be shared before there is somebody to share it with.
fn unlinked(error: Error) -> anyhow::Error {
    match is_unlinked(&error) {
        true => Told::error(Exit::NotFound, "not linked with a Happy account; `rejoin happy link` does it"),
        false => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_a_square_of_half_blocks() {
        let code = code("happy://terminal?3Mwssejwo73JHf935HXKSz60eHENfVZaM65kr3qXSg0");
        let lines: Vec<_> = code.lines().collect();
        let width = lines[0].chars().count();
        assert!(width >= 29 && lines.iter().all(|line| line.chars().count() == width), "{code}");
        assert_eq!(lines.len(), width.div_ceil(2));
        assert!(code.chars().all(|sign| " ▀▄█\n".contains(sign)));
    }

    #[test]
    fn a_link_says_in_a_line_how_it_stands() {
        let link = Link { server: Some("http://here".into()), ..Link::default() };
        assert_eq!(stands(&link), "not linked; `rejoin happy link` does it");
        let refused = Link { standing: LinkStanding::Refused, error: Some("bad\ntoken".into()), ..link.clone() };
        assert!(!stands(&refused).contains('\n'));
        let linked = Link { standing: LinkStanding::Linked, share_new: true, ..link };
        assert_eq!(stands(&linked), "linked with http://here; new sessions are shared");
    }
}
