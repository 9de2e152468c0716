//! Runs a script, line by line, from its beginning or from behind an ask.

use std::time::Duration;

use async_trait::async_trait;
use rejoin_core::ask::{Ask, Settled};
use rejoin_core::happening::Happening;
use rejoin_core::part::{PlanItem, PlanStatus};
use tokio::time::{Instant, interval_at, sleep};

use super::ask;
use super::parse::{numbered, statement};
use super::picture;
use super::statement::Statement;
use super::tools;
use super::workspace::Workspace;
use crate::life::Mind;
use crate::turn::{End, Turn};
use crate::words::words;

pub(super) struct Runner {
    pub(super) workspace: Workspace,
}

/// What a turn that another life of the process began waits for no longer: the line that asked, and the answer.
struct Resumed {
    line: usize,
    settled: Settled,
}

#[async_trait]
impl Mind for Runner {
    async fn think(&self, turn: &Turn) -> End {
        let mut resumed = match resumed(&turn.settled) {
            Ok(resumed) => resumed,
            Err(why) => return failed(why),
        };
        let first = resumed.as_ref().map_or(1, |resumed| resumed.line);
        for (number, line) in numbered(&turn.prompt.text).skip(first - 1) {
            let statement = match statement(line) {
                Ok(statement) => statement,
                Err(wrong) => return failed(format!("line {number}: {wrong}")),
            };
            let asks = matches!(statement, Statement::Ask(_) | Statement::Guarded { .. });
            if resumed.is_some() && !asks {
                return failed(format!("line {number}: it asks nothing that could be answered"));
            }
            let settled = resumed.take().map(|resumed| resumed.settled);
            if let Some(end) = self.run(turn, number, statement, settled).await {
                return end;
            }
        }
        match resumed {
            Some(_) => failed(format!("line {first}: there is no such line to go on from")),
            None => End::Done,
        }
    }

    async fn settle(&self) {
        self.workspace.settle().await;
    }
}

/// The newest answer counts: a script asks one thing at a time.
fn resumed(settled: &[(Ask, Settled)]) -> Result<Option<Resumed>, String> {
    let Some((ask, settled)) = settled.last() else {
        return Ok(None);
    };
    let line = ask.bookmark.as_deref().and_then(ask::marked_line);
    let line = line.ok_or_else(|| format!("ask {} marks no line to go on from", ask.id))?;
    let settled = settled.clone();
    Ok(Some(Resumed { line, settled }))
}

fn failed(message: String) -> End {
    End::Failed { code: "script_error".into(), message, retry_ms: None }
}

impl Runner {
    /// Runs one line. `settled` is there if it has asked already.
    async fn run(&self, turn: &Turn, number: usize, statement: Statement<'_>, settled: Option<Settled>) -> Option<End> {
        match statement {
            Statement::Say(text) => turn.say_text(text).await,
            Statement::Stream { count, delay_ms } => stream(turn, count, delay_ms).await,
            Statement::Flood { count, bytes } => tools::flood(turn, number, count, bytes).await,
            Statement::Big { bytes } => turn.say_text(tools::filler(bytes)).await,
            Statement::Think(text) => turn.say(Happening::Thinking(text.to_owned())).await,
            Statement::Tool { name, input, after_ms, result } => {
                tools::tool(turn, number, name, input, after_ms, result).await
            }
            Statement::ArgDelta { name, text, input } => {
                tools::argdelta(turn, number, name, text, input).await;
            }
            Statement::Guarded { name, input, result } => {
                tools::guarded(turn, number, name, input, result, settled).await
            }
            Statement::Shell(command) => self.workspace.shell(turn, number, command).await,
            Statement::Write { path, text } => {
                self.workspace.write(turn, number, path, text).await;
            }
            Statement::Ask(inquiry) => {
                let settled = match settled {
                    Some(settled) => settled,
                    None => turn.ask(ask::inquire(turn, number, inquiry)).await,
                };
                turn.say_text(ask::printed(&settled) + "\n").await;
            }
            Statement::WaitSteer => {
                let steer = turn.steer().await + "\n";
                for word in words(&steer) {
                    turn.say_text(word).await;
                }
            }
            Statement::Task { name, text } => tools::task(turn, number, name, text).await,
            Statement::Plan(items) => {
                let item = |text: &str| PlanItem { text: text.to_owned(), status: PlanStatus::Pending };
                let items = items.into_iter().map(item).collect();
                turn.say(Happening::Plan(items)).await;
            }
            Statement::Image => turn.say(picture::image()).await,
            Statement::Usage(usage) => turn.say(Happening::Usage(usage)).await,
            Statement::Title(text) => turn.say(Happening::Title(text.to_owned())).await,
            Statement::Sleep { ms } => sleep(Duration::from_millis(ms)).await,
            Statement::Fail { code, retry_ms, text } => {
                return Some(End::Failed { code: code.to_owned(), message: text.to_owned(), retry_ms });
            }
            Statement::Crash => return Some(End::Died(format!("line {number}: !crash"))),
        }
        None
    }
}

/// With a delay, tokens come at that pace: one that was held up does not hold up those behind it.
async fn stream(turn: &Turn, count: u64, delay_ms: Option<u64>) {
    let delay = delay_ms.map(Duration::from_millis).filter(|delay| !delay.is_zero());
    let mut pace = delay.map(|delay| interval_at(Instant::now(), delay));
    for token in 0..count {
        if let Some(pace) = &mut pace {
            pace.tick().await;
        }
        turn.say_text(format!("tok{token} ")).await;
    }
}
