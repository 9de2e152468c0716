//! What can be said on the command line, and who does it.

use std::path::PathBuf;

use rejoin_ports::store::Durability;

use crate::benches::{
    agent, append, connect, fanout, idle, join, mix, relay, resume, sessions, stalled, start, stream, teller,
};
use crate::kernel;
use crate::report::Report;
use crate::room::Room;

/// Measure what the gateway does in a second, beside what the machine does without it.
#[derive(Debug, Clone, clap::Args)]
pub struct Command {
    #[command(subcommand)]
    bench: Bench,
    #[command(flatten)]
    common: Common,
}

/// What all benches understand.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Common {
    /// The process of a gateway that runs already, for its memory and CPU time
    #[arg(long, global = true, value_name = "PID")]
    pub(crate) pid: Option<u32>,
    /// How durable writes are in a gateway that is started for the bench
    #[arg(long, global = true, value_enum, default_value_t = Durable::Full)]
    pub(crate) durability: Durable,
    /// Where data folders and bare files are made: on the disk to be measured [default: where temporary files go]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
    #[arg(skip)]
    pub(crate) program: PathBuf,
    #[arg(skip)]
    pub(crate) url: Option<String>,
    #[arg(skip)]
    pub(crate) key: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Durable {
    Full,
    Normal,
}

impl Durable {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Durable::Full => "full",
            Durable::Normal => "normal",
        }
    }
}

impl From<Durable> for Durability {
    fn from(durable: Durable) -> Durability {
        match durable {
            Durable::Full => Durability::Full,
            Durable::Normal => Durability::Normal,
        }
    }
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Bench {
    /// Events and commands kept in a second, in this process
    Append(append::Append),
    /// Events delivered in a second to many readers of one session
    Fanout(fanout::Fanout),
    /// Tokens shown in a second to one reader, and how long a word is on its way
    Stream(stream::Stream),
    /// Words of an ACP agent behind the gateway, beside the same agent read directly
    Agent(agent::Agent),
    /// The agent of that bench
    #[command(hide = true)]
    Teller,
    /// Sessions created in a second, and how long one takes
    Sessions(sessions::Sessions),
    /// How long connecting and signing in takes
    Connect(connect::Connect),
    /// From exec to the first create, after a clean stop and after a kill
    Start(start::Start),
    /// The snapshot of a long session, cold and hot, and all of its log
    Join(join::JoinBench),
    /// Memory of a gateway with nothing to do, and of readers that wait
    Idle(idle::Idle),
    /// What readers that do not read cost, and whether they miss anything
    Stalled(stalled::Stalled),
    /// Sessions that were in mid-turn when the gateway was killed
    Resume(resume::Resume),
    /// End-to-end encrypted messages from a session to a person, and calls
    Relay(relay::Relay),
    /// Many sessions that stream, and people who interrupt
    Mix(mix::Mix),
    /// All of them, one after the other, as they are without options
    All,
}

/// What the program around the benches knows.
#[derive(Debug, Clone, Default)]
pub struct Defaults {
    /// The program that is a gateway when told `serve`. Absent: this one.
    pub program: Option<PathBuf>,
    /// A gateway that runs already, if one was named. Absent: one is started for the bench and ended behind it.
    pub url: Option<String>,
    /// A key for that gateway.
    pub key: Option<String>,
    /// One JSON object a line instead of a table.
    pub json: bool,
}

/// Runs a bench and prints what it finds.
pub async fn run(command: Command, defaults: Defaults) -> anyhow::Result<()> {
    let Command { bench, mut common } = command;
    (common.url, common.key) = (defaults.url, defaults.key);
    common.program = match defaults.program {
        Some(program) => program,
        None => std::env::current_exe()?,
    };
    kernel::raise_open_files();
    let mut report = Report::new(defaults.json);
    match bench {
        Bench::All => all(&common, &mut report).await,
        bench => one(bench, &common, &mut report).await,
    }
}

async fn one(bench: Bench, common: &Common, report: &mut Report) -> anyhow::Result<()> {
    match bench {
        Bench::Append(bench) => append::run(bench, common, report).await,
        Bench::Fanout(bench) => fanout::run(bench, common, report).await,
        Bench::Stream(bench) => stream::run(bench, common, report).await,
        Bench::Agent(bench) => agent::run(bench, common, report).await,
        Bench::Teller => tokio::task::block_in_place(teller::run),
        Bench::Sessions(bench) => sessions::run(bench, common, report).await,
        Bench::Connect(bench) => connect::run(bench, common, report).await,
        Bench::Start(bench) => start::run(bench, common, report).await,
        Bench::Join(bench) => join::run(bench, common, report).await,
        Bench::Idle(bench) => idle::run(bench, common, report).await,
        Bench::Stalled(bench) => stalled::run(bench, common, report).await,
        Bench::Resume(bench) => resume::run(bench, common, report).await,
        Bench::Relay(bench) => relay::run(bench, common, report).await,
        Bench::Mix(bench) => mix::run(bench, common, report).await,
        Bench::All => Ok(()), // not one
    }
}

/// One that fails does not keep the others from being measured, and is not forgotten either.
async fn all(common: &Common, report: &mut Report) -> anyhow::Result<()> {
    let benches = [
        Bench::Append(usual()?),
        Bench::Fanout(usual()?),
        Bench::Fanout(usual::<fanout::Fanout>()?.over_sse()),
        Bench::Fanout(usual::<fanout::Fanout>()?.over_diminuendo()),
        Bench::Connect(usual()?),
        Bench::Stream(usual()?),
        Bench::Agent(usual()?),
        Bench::Sessions(usual()?),
        Bench::Start(usual()?),
        Bench::Join(usual()?),
        Bench::Idle(usual()?),
        Bench::Stalled(usual()?),
        Bench::Resume(usual()?),
        Bench::Relay(usual()?),
        Bench::Mix(usual()?),
    ];
    let mut failed = 0;
    for bench in benches {
        if let Err(error) = Box::pin(one(bench, common, report)).await {
            report.say(&format!("{error:#}"));
            failed += 1;
        }
    }
    anyhow::ensure!(failed == 0, "{failed} benches failed");
    Ok(())
}

/// A bench as it is without options.
fn usual<T: clap::Args>() -> anyhow::Result<T> {
    let line = T::augment_args(clap::Command::new("bench")).try_get_matches_from(["bench"])?;
    Ok(T::from_arg_matches(&line)?)
}

impl Common {
    pub(crate) fn room(&self, report: &Report) -> anyhow::Result<Room> {
        Room::new(self.folder.as_deref(), report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        command: Command,
    }

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Line::command().debug_assert();
    }

    #[test]
    fn every_bench_has_usual_options() {
        usual::<append::Append>().expect("defaults are valid");
        usual::<connect::Connect>().expect("defaults are valid");
        usual::<fanout::Fanout>().expect("defaults are valid");
        usual::<stream::Stream>().expect("defaults are valid");
        usual::<sessions::Sessions>().expect("defaults are valid");
        usual::<start::Start>().expect("defaults are valid");
        usual::<join::JoinBench>().expect("defaults are valid");
        usual::<idle::Idle>().expect("defaults are valid");
        usual::<stalled::Stalled>().expect("defaults are valid");
        usual::<relay::Relay>().expect("defaults are valid");
        usual::<resume::Resume>().expect("defaults are valid");
        usual::<mix::Mix>().expect("defaults are valid");
    }
}
