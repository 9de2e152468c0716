//! One command of the shell, with an end to its time and to its output.

use std::time::Duration;

use rejoin_machine::shell::{Chunk, Command, End, Outcome, Shell, Stream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Place;
use crate::payload::{Bash, BashDone};

/// Unless the caller says otherwise.
const TIME: Duration = Duration::from_secs(30);
/// Whatever the caller says.
const LONGEST: Duration = Duration::from_secs(60 * 60);
/// Bytes of both outputs together: sealed and in base64 it has to fit into one packet.
const OUTPUT: usize = 512 << 10;
/// Pieces of output that wait to be put together.
const CHUNKS: usize = 64;

pub(super) async fn run(place: &Place, params: &Bash) -> BashDone {
    match place.cwd(params.cwd.as_deref()) {
        Ok(folder) => {
            let time = params.timeout.map_or(TIME, Duration::from_millis).min(LONGEST);
            let command = Command { time, output: OUTPUT, ..Command::new(&params.command, folder) };
            told(&command).await
        }
        Err(error) => failed(error),
    }
}

async fn told(command: &Command) -> BashDone {
    let (chunks, mut chunks_out) = mpsc::channel::<Chunk>(CHUNKS);
    let gathered = async {
        let (mut out, mut err) = (String::new(), String::new());
        while let Some(chunk) = chunks_out.recv().await {
            match chunk.stream {
                Stream::Out => out.push_str(&chunk.text),
                Stream::Err => err.push_str(&chunk.text),
            }
        }
        (out, err)
    };
    let (shell, stop) = (Shell::unwatched(), CancellationToken::new());
    let (outcome, (stdout, stderr)) = tokio::join!(shell.run(command, Some(chunks), &stop), gathered);
    match outcome {
        Ok(outcome) => done(command, &outcome, stdout, stderr),
        Err(error) => failed(error.to_string()),
    }
}

fn done(command: &Command, outcome: &Outcome, stdout: String, stderr: String) -> BashDone {
    let code = match outcome.end {
        End::Exited(code) => code,
        End::Signalled(_) => -1,
    };
    let error = match outcome {
        outcome if outcome.timed_out => Some("Command timed out".to_owned()),
        outcome if outcome.is_success() => None,
        _ => Some(format!("Command failed: {}\n{stderr}", command.script)),
    };
    BashDone {
        success: error.is_none(),
        stdout: Some(stdout),
        stderr: Some(stderr),
        exit_code: Some(if outcome.timed_out && code == 0 { -1 } else { code }),
        error,
    }
}

pub(super) fn failed(error: String) -> BashDone {
    BashDone {
        success: false,
        stdout: Some(String::new()),
        stderr: Some(String::new()),
        exit_code: Some(-1),
        error: Some(error),
    }
}
