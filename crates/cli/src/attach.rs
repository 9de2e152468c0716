//! Following a session: showing what happens, and taking what a person types.

mod input;
mod line;
pub(crate) mod wait;

use std::time::Duration;

use rejoin_sdk::stream::StreamExt;
use rejoin_sdk::types::ask::Ask;
use rejoin_sdk::types::command::Command;
use rejoin_sdk::types::event::Event;
use rejoin_sdk::types::header::Status;
use rejoin_sdk::types::id::SessionId;
use rejoin_sdk::types::position::Position;
use rejoin_sdk::types::turn::Outcome;
use rejoin_sdk::{Attached, Client, CommandError, Done, Happened, Item, JoinFrom, View};
use serde_json::json;
use tokio::task::JoinSet;

use crate::answering::understand;
use crate::exit::{self, Exit};
use crate::out::Out;
use crate::render::clean::one_line;
use crate::render::transcript::Transcript;
use input::Lines;
use line::Said;

/// How long commands that were typed may still take when somebody leaves.
const LEAVING: Duration = Duration::from_secs(5);

pub(crate) struct Following {
    pub(crate) client: Client,
    pub(crate) session: SessionId,
    pub(crate) from: JoinFrom,
    pub(crate) until_idle: bool,
    /// Take lines from standard input also where it is no terminal.
    pub(crate) input: bool,
}

/// Follows until the session, or whoever follows, has enough.
pub(crate) async fn follow(following: Following, out: &mut Out) -> anyhow::Result<Exit> {
    let mut lines = Lines::open(following.input, out.terminal);
    let mut attached = following.client.attach(&following.session, following.from);
    let mut follower = Follower {
        transcript: Transcript::new(out.style),
        asks: Vec::new(),
        sent: JoinSet::new(),
        lost: false,
        current: false,
        look: false,
        look_at: None,
        heard: None,
        last: Exit::Ok,
        following,
        out,
    };
    loop {
        let stay = tokio::select! {
            item = attached.next() => match item {
                Some(item) => follower.item(item?)?,
                None => break,
            },
            // Before that, nobody knows whether a line is a prompt or an answer.
            line = lines.next(), if follower.current => match line {
                Some(line) => follower.typed(&line, &attached).await?,
                None => {
                    follower.look = true;
                    !lines.is_terminal()
                }
            },
            Some(answer) = follower.sent.join_next() => {
                follower.answered(answer.unwrap_or(Err(CommandError::Closed(None))));
                true
            }
        };
        follower.out.flush()?;
        if !stay || (!lines.has_more() && follower.is_done().await) {
            break;
        }
    }
    follower.leave(&mut attached).await
}

struct Follower<'a> {
    following: Following,
    out: &'a mut Out,
    transcript: Transcript,
    /// What waits for an answer, the oldest first.
    asks: Vec<Ask>,
    sent: JoinSet<Result<Done, CommandError>>,
    /// The connection is lost, and it was said.
    lost: bool,
    /// Everything that was there when we came has been shown.
    current: bool,
    /// Something ended, and perhaps nothing is left to do.
    look: bool,
    /// Whether nothing is left to do is looked at again when this was heard.
    look_at: Option<Position>,
    /// Everything up to here was shown.
    heard: Option<Position>,
    /// How the last turn ended.
    last: Exit,
}

impl Follower<'_> {
    /// Shows one item. False: that was the last one that matters.
    fn item(&mut self, item: Item) -> anyhow::Result<bool> {
        match item {
            Item::Event(happened) => self.event(&happened)?,
            Item::Joined(view) => self.view("joined", &view)?,
            Item::Gap(view) => {
                self.note("what was known of the session is gone; this is how it is now")?;
                self.view("gap", &view)?;
            }
            Item::CaughtUp(position) => {
                if self.out.json {
                    self.out.object(&json!({ "caughtUp": { "position": position } }))?;
                }
                self.heard = Some(position);
                self.current = true;
                self.look = true;
            }
            Item::Connected => {
                if std::mem::take(&mut self.lost) {
                    self.note("connected again")?;
                }
            }
            Item::Reconnecting { why, .. } => {
                if !std::mem::replace(&mut self.lost, true) {
                    self.note(&format!("the connection is lost ({why}); trying again"))?;
                }
            }
            Item::Deleted => {
                match self.out.json {
                    true => self.out.object(&json!({ "deleted": true }))?,
                    false => self.note("the session was deleted")?,
                }
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn event(&mut self, happened: &Happened) -> anyhow::Result<()> {
        let logged = &happened.logged;
        match self.out.json {
            true => self.out.object(&json!({ "event": happened }))?,
            false => {
                let text = self.transcript.event(logged);
                self.out.text(&text)?;
            }
        }
        let at = happened.position();
        self.heard = Some(at);
        if self.look_at.is_some_and(|look_at| at.seq >= look_at.seq) {
            self.look_at = None;
            self.look = true;
        }
        match &logged.event {
            Event::AskOpened { ask } => self.asks.push(ask.clone()),
            Event::AskAnswered { ask, .. } | Event::AskClosed { ask, .. } => {
                self.asks.retain(|open| open.id != *ask);
            }
            Event::TurnEnded { outcome, .. } => {
                self.last = of_outcome(outcome);
                self.look = true;
            }
            Event::Dequeued { .. } => self.look = true,
            _ => {}
        }
        Ok(())
    }

    fn view(&mut self, name: &str, view: &View) -> anyhow::Result<()> {
        self.asks = view.asks.clone();
        self.heard = Some(view.position);
        match self.out.json {
            true => self.out.object(&json!({ name: { "snapshot": view } }))?,
            false => {
                let text = self.transcript.view(view);
                self.out.text(&text)?;
            }
        }
        Ok(())
    }

    /// Whether nothing runs, nothing waits, and all of it was shown.
    async fn is_done(&mut self) -> bool {
        if !(self.following.until_idle && self.current && self.look && self.sent.is_empty()) {
            return false;
        }
        self.look = false;
        let Some(heard) = self.heard else {
            return false;
        };
        let Ok(view) = self.following.client.session(&self.following.session).await else {
            self.look = true; // the subscription notices by itself whether that is for good
            return false;
        };
        let busy = matches!(view.session.status, Status::Running | Status::Waiting)
            || view.open_turn.is_some()
            || !view.queue.is_empty();
        if busy {
            return false; // whatever ends it makes us look again
        }
        if view.position.epoch == heard.epoch && view.position.seq <= heard.seq {
            return true;
        }
        self.look_at = Some(view.position);
        false
    }

    /// Does what a person typed. False: they want to leave.
    async fn typed(&mut self, line: &str, attached: &Attached) -> anyhow::Result<bool> {
        if self.out.terminal {
            self.transcript.line_ended();
        }
        let command = match Said::read(line, !self.asks.is_empty()) {
            Said::Nothing => return Ok(true),
            Said::Detach => return Ok(false),
            Said::Help => {
                for line in line::HELP {
                    self.note(line)?;
                }
                return Ok(true);
            }
            Said::Unknown(word) => {
                self.note(&format!("there is no {}; /help says what there is", one_line(&word, 80)))?;
                return Ok(true);
            }
            Said::Queue => {
                self.queue().await?;
                return Ok(true);
            }
            Said::Answer(words) => match self.asks.first() {
                None => {
                    self.note("nothing waits for an answer")?;
                    return Ok(true);
                }
                Some(ask) => match understand(ask, &words) {
                    Ok(answer) => Command::Answer { ask: ask.id.clone(), answer },
                    Err(why) => {
                        self.note(&format!("that is no answer: {}", one_line(&why, 400)))?;
                        return Ok(true);
                    }
                },
            },
            Said::Dismiss => match self.asks.first() {
                None => {
                    self.note("nothing waits for an answer")?;
                    return Ok(true);
                }
                Some(ask) => Command::Answer { ask: ask.id.clone(), answer: rejoin_sdk::types::ask::Answer::Dismiss },
            },
            Said::Steer(text) => Command::Steer { text },
            Said::Interrupt(reason) => Command::Interrupt { reason, clear_queue: false },
            Said::Prompt(text) => self.prompt(text),
        };
        self.sent.spawn(attached.send(command));
        Ok(true)
    }

    fn prompt(&mut self, text: String) -> Command {
        let reference = uuid::Uuid::now_v7().to_string();
        if self.out.terminal {
            self.transcript.typed(reference.clone()); // its own line shows it already
        }
        Command::Prompt { text, attachments: Vec::new(), if_busy: Default::default(), reference: Some(reference) }
    }

    async fn queue(&mut self) -> anyhow::Result<()> {
        match self.following.client.session(&self.following.session).await {
            Ok(view) if view.queue.is_empty() => self.note("the queue is empty")?,
            Ok(view) => {
                for item in &view.queue {
                    self.note(&format!("{}  {}", item.id, one_line(&item.text, 200)))?;
                }
            }
            Err(error) => self.note(&exit::message(&error.into()))?,
        }
        Ok(())
    }

    fn answered(&mut self, answer: Result<Done, CommandError>) {
        self.look = true;
        if let Err(error) = answer {
            eprintln!("rejoin: {}", exit::message(&error.into()));
        }
    }

    /// Tells whoever sits there something that is no part of the session.
    fn note(&mut self, text: &str) -> anyhow::Result<()> {
        if self.out.terminal {
            // On a terminal both streams share the screen.
            let end = self.transcript.finish();
            self.out.text(&end)?;
        }
        self.out.flush()?;
        eprintln!("-- {text}");
        Ok(())
    }

    /// Waits a little for commands that were typed.
    async fn leave(mut self, attached: &mut Attached) -> anyhow::Result<Exit> {
        if !self.out.json {
            let end = self.transcript.finish();
            self.out.text(&end)?;
        }
        self.out.flush()?;
        let settle = async {
            while !self.sent.is_empty() {
                tokio::select! {
                    // Answers stand behind events, so events are taken, but not shown any more.
                    item = attached.next() => if item.is_none() { break },
                    Some(answer) = self.sent.join_next() => {
                        if let Ok(Err(error)) = answer {
                            eprintln!("rejoin: {}", exit::message(&error.into()));
                        }
                    }
                }
            }
        };
        if tokio::time::timeout(LEAVING, settle).await.is_err() {
            eprintln!("rejoin: not everything that was typed has been answered");
        }
        Ok(if self.following.until_idle { self.last } else { Exit::Ok })
    }
}

pub(crate) fn of_outcome(outcome: &Outcome) -> Exit {
    match outcome {
        Outcome::Completed => Exit::Ok,
        Outcome::Failed { .. } => Exit::TurnFailed,
        Outcome::Interrupted { .. } => Exit::TurnInterrupted,
    }
}

/// Follows a log as it is, one line for each event.
pub(crate) async fn follow_raw(mut attached: Attached, out: &mut Out, most: usize) -> anyhow::Result<Exit> {
    let mut count = 0;
    while count < most
        && let Some(item) = StreamExt::next(&mut attached).await
    {
        match item? {
            Item::Event(happened) => {
                count += 1;
                out.either(&happened, |_| crate::verbs::event_line(&happened))?;
            }
            Item::Gap(view) => {
                let gap = json!({ "gap": { "position": view.position } });
                out.either(&gap, |_| format!("-- a gap: it goes on behind {}", view.position))?;
            }
            Item::Reconnecting { attempt: 1, why, .. } => {
                eprintln!("-- the connection is lost ({why}); trying again");
            }
            _ => {}
        }
        out.flush()?;
    }
    Ok(Exit::Ok)
}
