//! Being in a terminal of a session: what it shows is shown here, and what is typed here is typed there.

mod tty;

use std::io::{IsTerminal, Write};

use rejoin_sdk::types::id::{SessionId, TerminalId};
use rejoin_sdk::types::{TerminalExit, TerminalFrom, TerminalSize};
use rejoin_sdk::{AttachedTerminal, Backoff, Client, Error, Problem, TerminalItem, TerminalKeys};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::exit::{Exit, Told};
use tty::{Raw, keys};

pub(crate) use tty::local_size;

/// Ctrl-], as telnet has it: no shell and hardly any program wants that key.
const LEAVE: u8 = 0x1d;
/// Attempts to come back after a connection was lost: about half a minute.
const ATTEMPTS: u32 = 10;
/// Undoes what a program may have done to the screen here. What it shows stays.
const LEFT: &[u8] =
    b"\x1b[?1049l\x1b[r\x1b[m\x1b[?25h\x1b[?1l\x1b>\x1b[?9l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1005l\
    \x1b[?1006l\x1b[?2004l\x1b[0 q\x1b[999;1H\r\n";

/// How one came out of it again.
enum Way {
    Left,
    Exited(TerminalExit),
    Stopping,
}

/// Goes into a terminal, until it ends or one leaves.
pub(crate) async fn attach(client: &Client, session: &SessionId, terminal: &TerminalId) -> anyhow::Result<Exit> {
    let is_screen = std::io::stdout().is_terminal();
    let is_person = is_screen && std::io::stdin().is_terminal();
    // Where nobody draws a screen, all that is kept is more use than how it looks now.
    let from = if is_screen { TerminalFrom::Screen } else { TerminalFrom::Scrollback };
    let is_plain = client.terminal(session, terminal).await?.size.is_none();
    let connected = client.attach_terminal(session, terminal, from).await?;
    let raw = if is_person { Some(Raw::enter()?) } else { None };
    let mut being = Being {
        client,
        session,
        terminal,
        typed: Some(keys()),
        resized: signal(SignalKind::window_change())?,
        is_person,
        is_plain,
        refused: None,
    };
    let way = being.live(connected).await;
    if raw.is_some() {
        show(LEFT)?;
    }
    drop(raw);
    if let Some(refused) = being.refused {
        eprintln!("rejoin: {refused}");
    }
    match way? {
        Way::Left => {
            eprintln!("rejoin: it goes on; `rejoin terminal attach {session} {terminal}` comes back");
            Ok(Exit::Ok)
        }
        Way::Stopping => Err(Told::error(Exit::Unreachable, "the gateway is stopping, and the terminal with it")),
        Way::Exited(TerminalExit::Code(0)) => Ok(Exit::Ok),
        Way::Exited(TerminalExit::Code(code)) => Err(Told::error(Exit::Failed, format!("it exited with {code}"))),
        Way::Exited(TerminalExit::Signal(signal)) => {
            Err(Told::error(Exit::Failed, format!("it was ended by signal {signal}")))
        }
    }
}

struct Being<'a> {
    client: &'a Client,
    session: &'a SessionId,
    terminal: &'a TerminalId,
    /// `None` once there is no more.
    typed: Option<mpsc::Receiver<Vec<u8>>>,
    resized: Signal,
    is_person: bool,
    is_plain: bool,
    /// What was refused last, to be told when the screen is ours again.
    refused: Option<Problem>,
}

impl Being<'_> {
    async fn live(&mut self, connected: (AttachedTerminal, TerminalKeys)) -> anyhow::Result<Way> {
        let (mut attached, mut keys) = connected;
        loop {
            self.tell_size(&keys).await;
            let lost = match self.look(&mut attached, &keys).await? {
                Ok(way) => return Ok(way),
                Err(lost) => lost,
            };
            (attached, keys) = self.come_back(attached.cursor(), lost).await?;
        }
    }

    /// Looks at it until it is over, or the connection is lost.
    async fn look(
        &mut self,
        attached: &mut AttachedTerminal,
        keys: &TerminalKeys,
    ) -> anyhow::Result<Result<Way, Error>> {
        loop {
            let typed = async {
                match &mut self.typed {
                    Some(typed) => typed.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                item = attached.next() => match item {
                    Some(Ok(TerminalItem::Output(bytes))) => show(&bytes)?,
                    Some(Ok(TerminalItem::Snapshot(snapshot))) => {
                        show(snapshot.screen.unwrap_or_default().as_bytes())?;
                    }
                    Some(Ok(TerminalItem::Resized(_))) => {}
                    Some(Ok(TerminalItem::Refused(problem))) => self.refused = Some(problem),
                    Some(Ok(TerminalItem::Exited(exit))) => return Ok(Ok(Way::Exited(exit))),
                    Some(Ok(TerminalItem::Stopping)) => return Ok(Ok(Way::Stopping)),
                    Some(Err(lost)) => return Ok(Err(lost)),
                    None => return Ok(Err(Error::Closed)),
                },
                typed = typed => match typed {
                    Some(bytes) => {
                        let left = bytes.iter().position(|byte| self.is_person && *byte == LEAVE);
                        if let Err(lost) = keys.write(&bytes[..left.unwrap_or(bytes.len())]).await {
                            return Ok(Err(lost));
                        }
                        if left.is_some() {
                            return Ok(Ok(Way::Left));
                        }
                    }
                    None => {
                        self.typed = None;
                        // A shell that others use as well does not end because our input did.
                        if self.is_plain && let Err(lost) = keys.end_input().await {
                            return Ok(Err(lost));
                        }
                    }
                },
                Some(()) = self.resized.recv() => self.tell_size(keys).await,
            }
        }
    }

    /// The terminal becomes as large as ours, for the one who goes in looks at it now.
    async fn tell_size(&self, keys: &TerminalKeys) {
        if let Some(size) = local_size().filter(|_| self.is_person) {
            // A lost connection is noticed by whoever reads from it.
            let _ = keys.resize(size).await;
        }
    }

    async fn come_back(&self, cursor: u64, mut lost: Error) -> anyhow::Result<(AttachedTerminal, TerminalKeys)> {
        let mut backoff = Backoff::fresh();
        while backoff.tries() < ATTEMPTS {
            tokio::time::sleep(backoff.next_wait()).await;
            let from = TerminalFrom::Cursor(cursor);
            match self.client.attach_terminal(self.session, self.terminal, from).await {
                Ok(connected) => return Ok(connected),
                Err(error @ Error::Problem(_)) => return Err(error.into()),
                Err(error) => lost = error,
            }
        }
        Err(lost.into())
    }
}

fn show(bytes: &[u8]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// A size that is not too large for the gateway.
fn fitting(cols: u16, rows: u16) -> Option<TerminalSize> {
    use rejoin_sdk::types::{MOST_COLS, MOST_ROWS};
    (cols > 0 && rows > 0).then(|| TerminalSize { cols: cols.min(MOST_COLS), rows: rows.min(MOST_ROWS) })
}
