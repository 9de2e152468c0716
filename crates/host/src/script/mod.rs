//! `script`: does what the prompt says, line by line. Tests, demos and benchmarks make every situation with it.
//!
//! A line that does not begin with `!` is said as one delta, its newline included. The others:
//!
//! ```text
//! !stream N [delay_ms]             N deltas, "tok0 " "tok1 " ...
//! !flood N BYTES                   N finished tool results with an output of BYTES bytes each, never merged
//! !big BYTES                       one delta of that size
//! !think TEXT                      reasoning
//! !tool NAME {json} [after MS] => OUTPUT      a tool call: pending, running, completed
//! !tool NAME {json} [after MS] => !error TEXT                     ... or failed
//! !argdelta NAME {json}            a tool call whose arguments stream in
//! !guarded NAME {json} => OUTPUT   a tool call that asks first and runs with the input as answered
//! !shell COMMAND                   runs it in the workspace as a tool call with its real output
//! !write PATH TEXT                 a workspace file, a new version of it
//! !ask permission TOOL RESOURCE [{json}]      prints "allowed once|session|workspace" or "denied"
//! !ask confirm|text QUESTION                  prints yes|no, or the text
//! !ask single|multi QUESTION | A | B          prints the value, or the values joined by ", "
//! !ask form {json}                            prints the values as JSON
//! !ask client CAPABILITY {json}               prints the result as JSON
//! !waitsteer                       waits for a steer and streams it
//! !task NAME TEXT                  a child session running TEXT; prints what it said
//! !plan A | B                      !image                  !title TEXT
//! !usage INPUT OUTPUT [USD]        !sleep MS
//! !fail CODE [retry_ms=N] TEXT     ends the turn as failed
//! !crash                           the agent dies, the gateway lives
//! ```
//!
//! To print is to say a line: what is printed, and a newline, as one delta. An ask that nobody answers prints `dismissed`,
//! `expired` or `withdrawn`. Anything else behind a `!` fails the turn with the code `script_error`, when it is reached. The
//! page `docs/script.md` has all of it in detail.

mod ask;
mod form;
pub mod parse;
mod picture;
mod run;
pub mod statement;
mod tools;
mod words;
mod workspace;

pub use words::Wrong;

use async_trait::async_trait;
use rejoin_ports::agent::{AgentError, AgentInfo, OpenAgent, Opening};

use crate::agent::{Agent, Tasks};
use crate::life;
use crate::workbench::Workbench;
use workspace::Workspace;

/// The agent that does what it is told, to the letter.
pub struct Script {
    workbench: Workbench,
}

impl Script {
    pub fn new(workbench: Workbench) -> Script {
        Script { workbench }
    }
}

#[async_trait]
impl Agent for Script {
    fn info(&self) -> AgentInfo {
        AgentInfo {
            name: "script".into(),
            title: "Script".into(),
            description: "Does what the prompt says, line by line.".into(),
            resumable: true,
            steerable: true,
        }
    }

    async fn open(&self, opening: Opening, tasks: &Tasks) -> Result<OpenAgent, AgentError> {
        let workspace = Workspace::new(opening, self.workbench.clone(), tasks.clone());
        Ok(life::begin(run::Runner { workspace }, tasks))
    }
}
