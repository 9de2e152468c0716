//! Terminals in a session's workspace.

use std::str::FromStr;

use clap::Subcommand;
use rejoin_sdk::types::id::{SessionId, TerminalId};
use rejoin_sdk::types::{TerminalExit, TerminalInfo};
use rejoin_sdk::{Client, NewTerminal};

use crate::exit::{Exit, Told};
use crate::here::Here;
use crate::out::Out;
use crate::render::clean::one_line;
use crate::render::table::table;
use crate::terminal::{attach, local_size};

#[derive(Debug, Subcommand)]
pub(crate) enum Terminals {
    /// Open one, and go into it where this is a terminal
    New {
        /// The session's id, or @last for the newest
        session: String,
        /// How large it is [default: as large as the one here, or 80x24]
        #[arg(long, value_name = "COLSxROWS")]
        size: Option<Sized>,
        /// Pipes instead of a terminal
        #[arg(long, conflicts_with = "size")]
        plain: bool,
        /// Print its id instead of going into it
        #[arg(long)]
        detached: bool,
        /// A line for a shell; without one, a login shell
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// List them
    Ls {
        /// The session's id, or @last for the newest
        session: String,
    },
    /// Go into one; Ctrl-] leaves it as it is
    Attach {
        /// The session's id, or @last for the newest
        session: String,
        /// Its id; not needed where only one runs
        terminal: Option<String>,
    },
    /// End all that runs in one, and forget it
    Kill {
        /// The session's id, or @last for the newest
        session: String,
        terminal: String,
    },
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Sized {
    cols: u16,
    rows: u16,
}

impl FromStr for Sized {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Sized, Self::Err> {
        let sides = text.split_once('x').and_then(|(cols, rows)| Some((cols.parse().ok()?, rows.parse().ok()?)));
        let (cols, rows) = sides.ok_or("a size is written as 80x24")?;
        Ok(Sized { cols, rows })
    }
}

impl Terminals {
    pub(crate) async fn run(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
        let client = here.client()?;
        match self {
            Terminals::New { session, size, plain, detached, command } => {
                let session = here.session(&client, &session).await?;
                let (cols, rows) = match (size, local_size()) {
                    (Some(size), _) => (Some(size.cols), Some(size.rows)),
                    (None, Some(local)) if !plain => (Some(local.cols), Some(local.rows)),
                    _ => (None, None),
                };
                let command = (!command.is_empty()).then(|| command.join(" "));
                let new = NewTerminal { command, cols, rows, plain };
                let terminal = client.open_terminal(&session, &new).await?;
                if detached || out.json || !out.terminal {
                    out.either(&terminal, |_| terminal.id.to_string())?;
                    return Ok(Exit::Ok);
                }
                return attach(&client, &session, &terminal.id).await;
            }
            Terminals::Ls { session } => {
                let session = here.session(&client, &session).await?;
                let all = client.terminals(&session).await?;
                if out.json {
                    for terminal in &all {
                        out.object(terminal)?;
                    }
                    return Ok(Exit::Ok);
                }
                for line in table(&all.iter().map(row).collect::<Vec<_>>()) {
                    out.line(line)?;
                }
            }
            Terminals::Attach { session, terminal } => {
                let session = here.session(&client, &session).await?;
                let terminal = match terminal {
                    Some(terminal) => id(&terminal)?,
                    None => the_one(&client, &session).await?,
                };
                return attach(&client, &session, &terminal).await;
            }
            Terminals::Kill { session, terminal } => {
                let session = here.session(&client, &session).await?;
                client.close_terminal(&session, &id(&terminal)?).await?;
            }
        }
        Ok(Exit::Ok)
    }
}

fn id(text: &str) -> anyhow::Result<TerminalId> {
    TerminalId::new(text).map_err(|bad| Told::usage(format!("terminal `{text}`: {bad}")))
}

/// The terminal that is meant when none is named.
async fn the_one(client: &Client, session: &SessionId) -> anyhow::Result<TerminalId> {
    let mut running: Vec<TerminalInfo> = client.terminals(session).await?;
    running.retain(|terminal| terminal.exit.is_none());
    match running.len() {
        1 => Ok(running.remove(0).id),
        0 => Err(Told::error(Exit::NotFound, "no terminal runs in this session; `rejoin terminal new` opens one")),
        many => Err(Told::usage(format!("{many} terminals run in this session; say which"))),
    }
}

fn row(terminal: &TerminalInfo) -> Vec<String> {
    let stands = match terminal.exit {
        None => "running".to_owned(),
        Some(TerminalExit::Code(code)) => format!("exited {code}"),
        Some(TerminalExit::Signal(signal)) => format!("signal {signal}"),
    };
    let size = terminal.size.map_or("plain".to_owned(), |size| format!("{}x{}", size.cols, size.rows));
    let what = terminal.title.as_ref().or(terminal.command.as_ref()).unwrap_or(&terminal.program);
    vec![terminal.id.to_string(), stands, size, format!("{} looking", terminal.viewers), one_line(what, 200)]
}
