//! What a script really does to its workspace: commands and files.
//!
//! A turn may be dropped at any moment, but what it has begun here must not be left half told: a file that has changed is a
//! new version, whoever is interrupted. So each work is a task of its own, which outlives its turn until it is in order, and
//! there is never more than one. It tells changed files of no turn, for they are true without it.

use std::error::Error;
use std::sync::Arc;

use rejoin_core::happening::Happening;
use rejoin_core::id::{CallId, TurnId};
use rejoin_machine::shell::{Chunk, Command, End, Outcome, Shell, Stream};
use rejoin_ports::agent::{AgentFiles, FileChanged, Opening};
use serde_json::{Map, Value, json};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use super::tools::{called, ended};
use crate::agent::Tasks;
use crate::turn::Turn;
use crate::voice::Voice;
use crate::workbench::Workbench;

/// Pieces of output that wait to be told. A piece has at most 16 KiB.
const CHUNKS: usize = 16;

pub(super) struct Workspace {
    opening: Opening,
    workbench: Workbench,
    tasks: Tasks,
    /// Held by the work under way.
    desk: Arc<Mutex<()>>,
}

impl Workspace {
    pub(super) fn new(opening: Opening, workbench: Workbench, tasks: Tasks) -> Workspace {
        let desk = Arc::default();
        Workspace { opening, workbench, tasks, desk }
    }

    /// Until no work is under way.
    pub(super) async fn settle(&self) {
        drop(self.desk.lock().await);
    }

    pub(super) async fn shell(&self, turn: &Turn, line: usize, script: &str) {
        let call = turn.call_id(line);
        called(turn, &call, "shell", json!({"command": script})).await;
        turn.start(&call).await;
        let stop = self.tasks.stop().child_token();
        let run = Run {
            shell: self.workbench.shell.clone(),
            command: self.workbench.command(script, &self.opening),
            files: self.opening.files.clone(),
            voice: turn.voice.clone(),
            turn: turn.id.clone(),
            call: call.clone(),
            stop: stop.clone(),
        };
        let _stopped_with_the_turn = stop.drop_guard();
        let result = self.work(run.run()).await;
        ended(turn, call, result).await;
    }

    pub(super) async fn write(&self, turn: &Turn, line: usize, path: &str, text: &str) {
        let call = turn.call_id(line);
        called(turn, &call, "write", json!({"path": path, "text": text})).await;
        turn.start(&call).await;
        let (files, voice) = (self.opening.files.clone(), turn.voice.clone());
        let (path, bytes) = (path.to_owned(), text.as_bytes().to_owned());
        let result = self
            .work(async move {
                let changed = files.write(&path, bytes).await;
                let changed = changed.map_err(|error| why(&error))?;
                let output = json!({
                    "path": changed.path,
                    "version": changed.version,
                    "size": changed.size,
                });
                tell(&voice, changed).await;
                Ok(output)
            })
            .await;
        ended(turn, call, result).await;
    }

    /// Does a work to its end, also if nobody waits for it any more.
    async fn work(&self, work: impl Future<Output = Result<Value, String>> + Send + 'static) -> Result<Value, String> {
        let only = self.desk.clone().lock_owned().await;
        let work = self.tasks.spawn(async move {
            let _only = only;
            work.await
        });
        work.await.unwrap_or_else(|error| Err(error.to_string()))
    }
}

/// One command, from the look at the workspace before it to the files it has changed.
struct Run {
    shell: Shell,
    command: Command,
    files: Arc<dyn AgentFiles>,
    voice: Voice,
    turn: TurnId,
    call: CallId,
    stop: CancellationToken,
}

impl Run {
    async fn run(self) -> Result<Value, String> {
        let before = self.files.before().await.map_err(|error| why(&error))?;
        let (chunks, heard) = mpsc::channel(CHUNKS);
        let run = self.shell.run(&self.command, Some(chunks), &self.stop);
        let (outcome, streams) = tokio::join!(run, self.listen(heard));
        // Also a command that failed may have changed something.
        let changes = before.after().await;
        let unseen = changes.as_ref().err().map(|error| why(error));
        for changed in changes.unwrap_or_default() {
            tell(&self.voice, changed).await;
        }
        let mut output = streams.output(outcome.map_err(|error| why(&error))?);
        if let Some(unseen) = unseen {
            tracing::warn!(error = unseen, "files that a command changed are not known");
            output.insert("filesUnknown".into(), unseen.into());
        }
        Ok(Value::Object(output))
    }

    /// Tells output as it comes, until the turn is over.
    async fn listen(&self, mut chunks: mpsc::Receiver<Chunk>) -> Streams {
        let mut streams = Streams::default();
        while let Some(chunk) = chunks.recv().await {
            streams.push(&chunk);
            let output =
                Happening::ToolOutput { call: self.call.clone(), text: chunk.text, error: chunk.stream == Stream::Err };
            tokio::select! {
                biased;
                () = self.stop.cancelled() => {}
                // With nobody to hear it, the turn is over as well.
                _ = self.voice.say(Some(self.turn.clone()), output) => {}
            }
        }
        streams
    }
}

async fn tell(voice: &Voice, changed: FileChanged) {
    let happening = Happening::FileChanged {
        path: changed.path,
        change: changed.change,
        version: Some(changed.version),
        hash: changed.hash,
        size: Some(changed.size),
    };
    // With nobody to hear it, the next look at the workspace is what remains.
    let _ = voice.say(None, happening).await;
}

/// Both streams of a command, each by itself. No longer than a command's output is kept.
#[derive(Default)]
struct Streams {
    out: String,
    err: String,
}

impl Streams {
    fn push(&mut self, chunk: &Chunk) {
        match chunk.stream {
            Stream::Out => self.out.push_str(&chunk.text),
            Stream::Err => self.err.push_str(&chunk.text),
        }
    }

    /// What the call gives back. Where the streams are not all there was, both as they came, without their middle.
    fn output(self, outcome: Outcome) -> Map<String, Value> {
        let mut output = Map::new();
        let is_all = outcome.omitted == 0 && self.out.len() + self.err.len() == outcome.output.len();
        output.insert("stdout".into(), self.out.into());
        output.insert("stderr".into(), self.err.into());
        match outcome.end {
            End::Exited(code) => output.insert("exitCode".into(), code.into()),
            End::Signalled(signal) => {
                output.insert("exitCode".into(), Value::Null);
                output.insert("signal".into(), signal.into())
            }
        };
        if outcome.timed_out {
            output.insert("timedOut".into(), true.into());
        }
        if !is_all {
            output.insert("output".into(), outcome.output.into());
            output.insert("omitted".into(), outcome.omitted.into());
        }
        output
    }
}

/// An error and what caused it.
fn why(error: &(dyn Error + 'static)) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message = format!("{message}: {error}");
        cause = error.source();
    }
    message
}
