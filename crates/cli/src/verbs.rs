//! Everything the program can be told to do, one file for each noun.

mod acp;
mod agents;
mod answer;
mod attach;
mod backup;
mod bench;
mod budget;
mod events;
mod export;
mod feed;
mod files;
mod fork;
mod happy;
mod keys;
mod ls;
mod members;
mod messages;
mod new;
mod prompt;
mod queue;
pub(crate) mod serve;
mod session;
mod show;
mod terminals;
mod usage;
mod workspaces;

use clap::Subcommand;

use crate::exit::Exit;
use crate::here::Here;
use crate::out::Out;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Start a gateway
    Serve(Box<serve::Serve>),
    /// Create a session
    New(new::New),
    /// List sessions
    Ls(ls::Ls),
    /// Show a session: how it stands, what waits, what was said last
    Show(show::Show),
    /// Give a session something to do, and wait for the answer
    Prompt(prompt::Prompt),
    /// Follow a session live, and take part in it
    Attach(attach::Attach),
    /// Answer what an agent asks
    Answer(answer::Answer),
    /// Say something to the turn that runs
    Steer(session::Steer),
    /// Interrupt the turn that runs
    Interrupt(session::Interrupt),
    /// Prompts that wait for the turn that runs
    #[command(subcommand)]
    Queue(queue::Queue),
    /// Copy a session, or its beginning, into a new one
    Fork(fork::Fork),
    /// Take back what follows a message
    Revert(fork::Revert),
    /// Sum up what was said, so that the agent has less to read
    Compact(session::Compact),
    /// Give a session another title
    Rename(session::Rename),
    /// Put a session out of sight
    Archive(session::Archive),
    /// Bring a session back into sight
    Unarchive(session::Unarchive),
    /// Let a session take no more prompts
    Close(session::Close),
    /// Let a closed session take prompts again
    Reopen(session::Reopen),
    /// End a session for good; it can still be read and forked
    End(session::End),
    /// Delete sessions with everything that belongs to them
    Rm(session::Rm),
    /// Let a session use another model
    SetModel(session::SetModel),
    /// Set labels of a session: `name=value`, or `name=` to take one away
    Label(session::Label),
    /// Take control of a session
    Claim(session::Claim),
    /// Give control of a session back
    Release(session::Release),
    /// Ask whoever has control of a session for it
    Takeover(session::Takeover),
    /// Answer whoever asks for control of a session
    RespondTakeover(session::RespondTakeover),
    /// Give a session any command of the API, as JSON
    Run(session::Run),
    /// Read the transcript
    Messages(messages::Messages),
    /// Read the log
    Events(events::Events),
    /// Read what changes among your sessions
    Feed(feed::Feed),
    /// Files of a session's workspace
    #[command(subcommand)]
    Files(files::Files),
    /// Terminals in a session's workspace
    #[command(subcommand)]
    Terminal(terminals::Terminals),
    /// Write a session as JSON lines: what it is, its transcript, its log
    Export(export::Export),
    /// What a session has cost
    Usage(usage::Usage),
    /// API keys
    #[command(subcommand)]
    Key(keys::Keys),
    /// Members and their roles
    #[command(subcommand)]
    Member(members::Members),
    /// What the tenant may spend, all its sessions together
    #[command(subcommand)]
    Budget(budget::Budget),
    /// Your sessions in your Happy apps
    #[command(subcommand)]
    Happy(happy::Happy),
    /// Folders where agents work
    #[command(subcommand)]
    Workspace(workspaces::Workspaces),
    /// Agents that sessions can be created for
    #[command(subcommand)]
    Agent(agents::Agents),
    /// Be an agent for an editor that speaks the Agent Client Protocol
    Acp(acp::Acp),
    /// Copy everything a gateway keeps, while it goes on serving
    Backup(backup::Backup),
    /// Put a backup in place of what a stopped gateway keeps
    Restore(backup::Restore),
    /// Measure what the gateway does in a second, beside what the machine does without it
    Bench(Box<bench::Bench>),
}

pub(crate) use events::line as event_line;

impl Verb {
    pub(crate) fn run(self, here: &Here) -> anyhow::Result<Exit> {
        match self {
            Verb::Serve(serve) => return serve.run(here),
            Verb::Restore(restore) => return restore.run(here),
            Verb::Bench(bench) => return bench.run(here),
            _ => {}
        }
        // Talking to one gateway keeps one thread busy at most, and starting more would take longer than most verbs.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut out = Out::new(here.json);
        let exit = runtime.block_on(self.talk(here, &mut out));
        // What was found before something went wrong is shown too.
        let flushed = out.flush();
        let exit = exit?;
        flushed?;
        // A thread may wait for a line that nobody types.
        runtime.shutdown_background();
        Ok(exit)
    }

    async fn talk(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
        match self {
            Verb::Serve(_) | Verb::Restore(_) | Verb::Bench(_) => unreachable!("they need no gateway and ran already"),
            Verb::New(verb) => verb.run(here, out).await,
            Verb::Ls(verb) => verb.run(here, out).await,
            Verb::Show(verb) => verb.run(here, out).await,
            Verb::Prompt(verb) => verb.run(here, out).await,
            Verb::Attach(verb) => verb.run(here, out).await,
            Verb::Answer(verb) => verb.run(here, out).await,
            Verb::Steer(verb) => verb.run(here, out).await,
            Verb::Interrupt(verb) => verb.run(here, out).await,
            Verb::Queue(verb) => verb.run(here, out).await,
            Verb::Fork(verb) => verb.run(here, out).await,
            Verb::Revert(verb) => verb.run(here, out).await,
            Verb::Compact(verb) => verb.run(here, out).await,
            Verb::Rename(verb) => verb.run(here, out).await,
            Verb::Archive(verb) => verb.run(here, out).await,
            Verb::Unarchive(verb) => verb.run(here, out).await,
            Verb::Close(verb) => verb.run(here, out).await,
            Verb::Reopen(verb) => verb.run(here, out).await,
            Verb::End(verb) => verb.run(here, out).await,
            Verb::Rm(verb) => verb.run(here, out).await,
            Verb::SetModel(verb) => verb.run(here, out).await,
            Verb::Label(verb) => verb.run(here, out).await,
            Verb::Claim(verb) => verb.run(here, out).await,
            Verb::Release(verb) => verb.run(here, out).await,
            Verb::Takeover(verb) => verb.run(here, out).await,
            Verb::RespondTakeover(verb) => verb.run(here, out).await,
            Verb::Run(verb) => verb.run(here, out).await,
            Verb::Messages(verb) => verb.run(here, out).await,
            Verb::Events(verb) => verb.run(here, out).await,
            Verb::Feed(verb) => verb.run(here, out).await,
            Verb::Files(verb) => verb.run(here, out).await,
            Verb::Terminal(verb) => verb.run(here, out).await,
            Verb::Export(verb) => verb.run(here, out).await,
            Verb::Usage(verb) => verb.run(here, out).await,
            Verb::Key(verb) => verb.run(here, out).await,
            Verb::Member(verb) => verb.run(here, out).await,
            Verb::Budget(verb) => verb.run(here, out).await,
            Verb::Happy(verb) => verb.run(here, out).await,
            Verb::Workspace(verb) => verb.run(here, out).await,
            Verb::Acp(acp) => acp.run(here).await,
            Verb::Agent(verb) => verb.run(here, out).await,
            Verb::Backup(verb) => verb.run(here, out).await,
        }
    }
}
