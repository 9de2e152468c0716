//! Starting what runs in a terminal.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;

use pty_process::{OwnedReadPty, OwnedWritePty};
use tokio::net::unix::pipe;
use tokio::process::{Child, ChildStdin, Command};

use super::{Run, Size, Spec, TerminalError};
use crate::cage::{Caged, Rules};
use crate::reaper::Marker;
use crate::shell::environment;

/// What our model of a screen understands, and every program knows.
const TERM: (&str, &str) = ("TERM", "xterm-256color");

pub(super) struct Started {
    pub(super) child: Child,
    pub(super) pid: u32,
    pub(super) program: String,
    pub(super) caged: Caged,
    pub(super) wires: Wires,
}

/// How we are connected to it.
pub(super) enum Wires {
    Terminal {
        reading: OwnedReadPty,
        writing: OwnedWritePty,
    },
    /// One pipe for output and errors, so that they stay in order.
    Pipes {
        reading: pipe::Receiver,
        writing: Option<ChildStdin>,
    },
}

impl Started {
    pub(super) fn has_input(&self) -> bool {
        !matches!(self.wires, Wires::Pipes { writing: None, .. })
    }
}

pub(super) fn start(spec: &Spec, marker: &Marker) -> Result<Started, TerminalError> {
    let (rules, is_caged) = Rules::prepare(spec.cage, &spec.fence)?;
    let (program, args) = resolve(&spec.run);
    let mut command = Command::new(&program);
    command
        .args(args)
        .current_dir(&spec.folder)
        .env_clear()
        .envs(environment())
        .envs(spec.size.map(|_| TERM))
        .envs(spec.env.iter().map(|(name, value)| (name, value)))
        .envs([marker.variable()])
        .kill_on_drop(true);
    let failed = |source| TerminalError::Start { program: program.clone(), source };
    let (child, wires) = match spec.size {
        Some(size) => {
            let opened = pty_process::open().and_then(|(pty, pts)| pty.resize(raw(size)).map(|()| (pty, pts)));
            let (pty, pts) = opened.map_err(|error| TerminalError::Open { source: plain(error) })?;
            let child = caged(command.into(), rules).spawn(pts).map_err(|error| failed(plain(error)))?;
            let (reading, writing) = pty.into_split();
            (child, Wires::Terminal { reading, writing })
        }
        None => {
            let (output, errors, reading) = one_pipe().map_err(|source| TerminalError::Open { source })?;
            command.stdin(if spec.input { Stdio::piped() } else { Stdio::null() }).stdout(output).stderr(errors);
            set_apart(&mut command, rules);
            let mut child = command.spawn().map_err(failed)?;
            // It holds our ends of the output, which would never end with them.
            drop(command);
            let writing = child.stdin.take();
            (child, Wires::Pipes { reading, writing })
        }
    };
    let pid = child.id().expect("it has not been waited for");
    Ok(Started { child, pid, program, caged: is_caged, wires })
}

/// The program, and its arguments.
fn resolve(run: &Run) -> (String, Vec<String>) {
    match run {
        Run::LoginShell => (login_shell(), vec!["-l".to_owned()]),
        Run::Script(script) => ("/bin/sh".to_owned(), vec!["-c".to_owned(), script.clone()]),
        Run::Program { program, args } => (program.clone(), args.clone()),
    }
}

fn login_shell() -> String {
    let own = std::env::var("SHELL").ok().filter(|shell| shell.starts_with('/'));
    let mut known = own.into_iter().chain(["/bin/bash".to_owned()]);
    known.find(|shell| Path::new(shell).is_file()).unwrap_or_else(|| "/bin/sh".to_owned())
}

pub(super) fn raw(size: Size) -> pty_process::Size {
    pty_process::Size::new(size.rows(), size.cols())
}

pub(super) fn plain(error: pty_process::Error) -> io::Error {
    match error {
        pty_process::Error::Io(error) => error,
        pty_process::Error::Rustix(error) => error.into(),
        other => io::Error::other(other.to_string()),
    }
}

fn one_pipe() -> io::Result<(Stdio, Stdio, pipe::Receiver)> {
    let (reading, writing) = io::pipe()?;
    let again = writing.try_clone()?;
    let reading = pipe::Receiver::from_owned_fd(OwnedFd::from(reading))?;
    Ok((writing.into(), again.into(), reading))
}

#[expect(unsafe_code, reason = "only between fork and exec can a child change itself")]
fn caged(command: pty_process::Command, mut rules: Rules) -> pty_process::Command {
    // SAFETY: the closure makes system calls only; it allocates nothing and takes no lock.
    unsafe { command.pre_exec(move || rules.put_on()) }
}

/// Gives the child a session of its own, without a terminal, and its cage.
#[expect(unsafe_code, reason = "only between fork and exec can a child change itself")]
fn set_apart(command: &mut Command, mut rules: Rules) {
    // SAFETY: as above.
    unsafe {
        command.pre_exec(move || {
            rustix::process::setsid()?;
            rules.put_on()
        });
    }
}
