//! Two programs that look at text for people: they are used where they are installed.

use std::io::ErrorKind;
use std::time::Duration;

use rejoin_machine::cage::{Cage, Fence};
use rejoin_machine::shell::{End, Program, Shell, ShellError};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use super::Place;
use super::bash::failed;
use crate::payload::{ToolRun, ToolRunDone};

/// What it is called, and the program that it is.
pub(super) type Tool = (&'static str, &'static str);
pub(super) const RIPGREP: Tool = ("ripgrep", "rg");
pub(super) const DIFFTASTIC: Tool = ("difftastic", "difft");

/// How long either may take.
const TIME: Duration = Duration::from_secs(30);
/// How long it may take to end when it was asked to.
const GRACE: Duration = Duration::from_secs(2);
/// Bytes of each output that are kept: sealed and in base64 it has to fit into one packet.
const OUTPUT: u64 = 256 << 10;
/// Arguments of one run.
const ARGUMENTS: usize = 1_024;

pub(super) async fn run(place: &Place, (name, program): Tool, params: &ToolRun) -> ToolRunDone {
    let folder = match place.cwd(params.cwd.as_deref()) {
        Ok(folder) => folder,
        Err(error) => return failed(error),
    };
    if params.args.len() > ARGUMENTS {
        return failed(format!("More than {ARGUMENTS} arguments"));
    }
    let wanted = Program {
        program: program.into(),
        args: params.args.iter().map(Into::into).collect(),
        fence: Fence { workspace: folder.clone(), ..Fence::default() },
        folder,
        env: Vec::new(),
        cage: Cage::Off,
    };
    let started = match Shell::unwatched().start(&wanted) {
        Ok(started) => started,
        Err(ShellError::Start { source, .. }) if source.kind() == ErrorKind::NotFound => {
            return failed(format!("{name} is not installed: there is no program '{program}'"));
        }
        Err(error) => return failed(error.to_string()),
    };
    drop(started.stdin);
    let mut process = started.process;
    let told = async {
        let (stdout, stderr) = tokio::join!(read(started.stdout), read(started.stderr));
        process.exited().await;
        (stdout, stderr)
    };
    let told = timeout(TIME, told).await;
    match (told, process.end(GRACE).await) {
        (Err(_), _) => failed("Command timed out".to_owned()),
        (Ok((stdout, stderr)), Ok(end)) => {
            let exit_code = match end {
                End::Exited(code) => code,
                End::Signalled(_) => -1,
            };
            // What was found is in the code: a search without a match is a run that went well.
            ToolRunDone {
                success: true,
                stdout: Some(stdout),
                stderr: Some(stderr),
                exit_code: Some(exit_code),
                error: None,
            }
        }
        (Ok(_), Err(error)) => failed(error.to_string()),
    }
}

/// The beginning of an output. All of it is taken, so that the program is not held up.
async fn read(mut pipe: impl AsyncRead + Unpin) -> String {
    let mut kept = Vec::new();
    // What breaks while it is read ends it.
    let _ = (&mut pipe).take(OUTPUT).read_to_end(&mut kept).await;
    let left_out = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await.unwrap_or(0);
    let mut text = String::from_utf8_lossy(&kept).into_owned();
    if left_out > 0 {
        text.push_str(&format!("\n[{left_out} bytes left out]\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(args: &[&str]) -> ToolRun {
        ToolRun { args: args.iter().map(|arg| (*arg).to_owned()).collect(), cwd: None }
    }

    #[tokio::test]
    async fn a_program_that_is_not_installed_is_named() {
        let place = Place::within("/tmp").expect("it is a folder");
        let done = run(&place, ("ripgrep", "no-such-program"), &args(&[])).await;
        let text = "ripgrep is not installed: there is no program 'no-such-program'";
        assert_eq!((done.success, done.error.as_deref()), (false, Some(text)));
    }

    #[tokio::test]
    async fn both_outputs_and_the_code_are_told() {
        let place = Place::within("/tmp").expect("it is a folder");
        let done = run(&place, ("shell", "sh"), &args(&["-c", "echo out; echo err >&2; exit 1"])).await;
        let told = (done.success, done.exit_code, done.stdout.as_deref(), done.stderr.as_deref());
        assert_eq!(told, (true, Some(1), Some("out\n"), Some("err\n")));
    }
}
