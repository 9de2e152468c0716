//! Programs that live long and are talked to: started with pipes, apart from us, and never left behind.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::group::{Exit, Group};
use super::run::{end, set_apart};
use super::{End, Shell, ShellError, environment};
use crate::cage::{Cage, Fence, Rules};
use crate::reaper::{Marker, Registered, Targets, sweep};

/// How long the killed may take to be gone.
const KILLED: Duration = Duration::from_secs(2);
/// Between asking those who have left the group to end and killing them.
const STRAY_GRACE: Duration = Duration::from_millis(200);

/// A program to start.
#[derive(Debug, Clone)]
pub struct Program {
    /// An absolute path, or a name that is looked for on the PATH that the program gets.
    pub program: OsString,
    pub args: Vec<OsString>,
    pub folder: PathBuf,
    /// Beyond [`environment`]; a name of that may be set anew.
    pub env: Vec<(String, String)>,
    pub cage: Cage,
    /// Looked at only if there is a cage.
    pub fence: Fence,
}

/// A program that was started, and its three pipes.
#[derive(Debug)]
pub struct Started {
    pub process: Process,
    pub stdin: ChildStdin,
    pub stdout: ChildStdout,
    pub stderr: ChildStderr,
}

/// A program that runs. Dropping it kills its process group at once, and those who have left the group soon after;
/// [`Process::end`] is the polite way.
#[derive(Debug)]
pub struct Process {
    // Dropped first: the group must be killed before its leader is waited for.
    group: Option<Group>,
    exit: Exit,
    child: Child,
    /// Until all who carry it are gone.
    marker: Option<Marker>,
    _registered: Option<Registered>,
}

impl Shell {
    /// Starts a program in a session and a process group of its own.
    pub fn start(&self, program: &Program) -> Result<Started, ShellError> {
        program.check()?;
        let (rules, _) = Rules::prepare(program.cage, &program.fence)?;
        let marker = self.marker.narrow();
        let mut process = tokio::process::Command::new(&program.program);
        process
            .args(&program.args)
            .current_dir(&program.folder)
            .env_clear()
            .envs(environment())
            .envs(program.env.iter().map(|(name, value)| (name, value)))
            .envs([marker.variable()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        set_apart(&mut process, rules);
        let name = || program.program.to_string_lossy().into_owned();
        let mut child = process.spawn().map_err(|source| ShellError::Start { shell: name(), source })?;
        let number = child.id().expect("it has not been waited for");
        let leader = i32::try_from(number).ok().and_then(Pid::from_raw).expect("a process id is a positive number");
        // Made first, so that the group is killed should any of the following fail.
        let group = Group::new(leader);
        let registered = self.reaper.as_ref().map(|reaper| reaper.register(number)).transpose()?;
        let exit = Exit::of(leader).map_err(|source| ShellError::Wait { source })?;
        let pipe = "its pipes were asked for";
        let (stdin, stdout) = (child.stdin.take().expect(pipe), child.stdout.take().expect(pipe));
        let stderr = child.stderr.take().expect(pipe);
        let process = Process { group: Some(group), exit, child, marker: Some(marker), _registered: registered };
        Ok(Started { process, stdin, stdout, stderr })
    }
}

impl Process {
    /// The process id of the leader; its group has the same number.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Until the program itself has exited; others of its group may live on. Safe to drop and call again.
    pub async fn exited(&mut self) {
        self.exit.wait().await;
    }

    /// Sends a signal to the whole group.
    pub fn signal_term(&self) {
        if let Some(group) = &self.group {
            group.signal(Signal::TERM);
            group.signal(Signal::CONT); // a stopped process hears nothing but this
        }
    }

    /// Ends the program with everything it has started: asks, waits for `grace`, kills. Gives back how it ended.
    pub async fn end(mut self, grace: Duration) -> io::Result<End> {
        if timeout(Duration::ZERO, self.exit.wait()).await.is_err() {
            self.signal_term();
            if timeout(grace, self.exit.wait()).await.is_err()
                && let Some(group) = &self.group
            {
                group.signal(Signal::KILL);
            }
        }
        let gone = timeout(KILLED, self.exit.wait()).await.is_ok();
        if let Some(group) = self.group.take() {
            group.end();
        }
        let strays = Targets { marker: self.marker.clone(), ..Targets::default() };
        let _ = spawn_blocking(move || sweep(&strays, STRAY_GRACE)).await; // a panic there is no reason to lose the end
        self.marker = None;
        if !gone {
            return Err(io::Error::other("it could not be killed"));
        }
        self.child.wait().await.map(end)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.group.take()); // first, so that those in it start nobody else
        let Some(marker) = self.marker.take() else { return };
        let strays = Targets { marker: Some(marker), ..Targets::default() };
        // A thread of its own: it must happen also while the runtime ends. What it misses is the reaper's.
        let _ = std::thread::Builder::new().spawn(move || sweep(&strays, STRAY_GRACE));
    }
}

impl Program {
    fn check(&self) -> Result<(), ShellError> {
        let refuse = |why| Err(ShellError::Invalid { why });
        let has_nul = |text: &OsString| text.as_encoded_bytes().contains(&0);
        if self.program.is_empty() || has_nul(&self.program) || self.args.iter().any(has_nul) {
            return refuse("the program or an argument is empty or contains a NUL");
        }
        super::check_surroundings(&self.env, &self.folder)
    }
}
