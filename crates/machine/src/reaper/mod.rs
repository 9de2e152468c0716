//! Ends the processes of tools when the gateway that started them is gone, however it went.
//!
//! The gateway starts one helper, the same binary with a hidden argument, whose body is [`main`]. The helper holds the
//! read end of a pipe and hears there which process groups live. When the gateway dies, SIGKILL included, the kernel
//! closes the other end, and the helper ends every group still noted: leaders, npm wrappers and grandchildren alike.
//!
//! A child cannot be noted before it exists, so there is an instant in which it runs and the helper does not know it;
//! and a child may leave its group by `setsid`. For both there is the [`Marker`], which a child carries from its very
//! first instruction and hands on: the helper also ends every process with it. What escapes is who leaves its group *and*
//! clears its environment.

mod body;
mod marker;
mod processes;

pub use body::main;
pub use marker::Marker;
pub(crate) use processes::{Targets, start_time, sweep};

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};

use rustix::fs::OFlags;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum ReaperError {
    #[error("reaper: starting {program}")]
    Start { program: String, source: io::Error },
    /// It was started anew and still did not listen.
    #[error("reaper: telling it about a process group")]
    Tell { source: io::Error },
    #[error("reaper: process {pid} is not running")]
    NotRunning { pid: u32 },
}

/// The gateway's side: it knows the helper, and starts it again should it die.
#[derive(Debug)]
pub struct Reaper {
    program: PathBuf,
    args: Vec<OsString>,
    marker: Marker,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    helper: Child,
    pipe: ChildStdin,
    /// Group to the start time of its leader: what a new helper has to be told. As many as there are live tools.
    groups: HashMap<u32, u64>,
}

/// A process group that ends with the gateway, until this is dropped.
#[derive(Debug)]
pub struct Registered {
    reaper: Arc<Reaper>,
    group: u32,
}

impl Reaper {
    /// Starts the helper: `program` with `args` must call [`main`] before anything else.
    pub fn start(program: impl Into<PathBuf>, args: Vec<OsString>) -> Result<Arc<Reaper>, ReaperError> {
        let (program, marker) = (program.into(), Marker::fresh());
        let (helper, pipe) = spawn(&program, &args, &marker)?;
        let state = Mutex::new(State { helper, pipe, groups: HashMap::new() });
        Ok(Arc::new(Reaper { program, args, marker, state }))
    }

    /// What every child of this gateway must carry in its environment.
    pub fn marker(&self) -> &Marker {
        &self.marker
    }

    /// The helper's process id.
    pub fn pid(&self) -> u32 {
        self.lock().helper.id()
    }

    /// Notes the group that `leader`, a child of ours that is not yet waited for, leads.
    pub fn register(self: &Arc<Self>, leader: u32) -> Result<Registered, ReaperError> {
        let started = processes::start_time(leader).ok_or(ReaperError::NotRunning { pid: leader })?;
        let mut state = self.lock();
        state.groups.insert(leader, started);
        let told = self.tell(&mut state, &format!("+{leader} {started}\n"));
        if told.is_err() {
            state.groups.remove(&leader);
        }
        told.map(|()| Registered { reaper: self.clone(), group: leader })
    }

    fn unregister(&self, group: u32) {
        let mut state = self.lock();
        state.groups.remove(&group);
        if let Err(error) = self.tell(&mut state, &format!("-{group}\n")) {
            // Harmless: the start time tells the helper that the group is no longer the one it knew.
            tracing::warn!(%error, group, "the reaper still watches a group that has ended");
        }
    }

    /// Writes one line, to a new helper if the old one is gone.
    fn tell(&self, state: &mut State, line: &str) -> Result<(), ReaperError> {
        // Lines are far shorter than PIPE_BUF, so one is written whole or not at all. A full pipe is a helper that hangs.
        let Err(error) = state.pipe.write_all(line.as_bytes()) else {
            return Ok(());
        };
        tracing::warn!(%error, "the reaper does not listen; starting another");
        self.replace(state)
    }

    fn replace(&self, state: &mut State) -> Result<(), ReaperError> {
        // Killed before its pipe closes, or it would take us for dead.
        let _ = state.helper.kill();
        let _ = state.helper.wait();
        let (helper, pipe) = spawn(&self.program, &self.args, &self.marker)?;
        (state.helper, state.pipe) = (helper, pipe);
        for (group, started) in &state.groups {
            let line = format!("+{group} {started}\n");
            state.pipe.write_all(line.as_bytes()).map_err(|source| ReaperError::Tell { source })?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.reaper.unregister(self.group);
    }
}

fn spawn(program: &Path, args: &[OsString], marker: &Marker) -> Result<(Child, ChildStdin), ReaperError> {
    let failed = |source| ReaperError::Start { program: program.display().to_string(), source };
    let mut helper = Command::new(program)
        .args(args)
        // A marker in its own environment would make it end itself, or be ended by the reaper of a gateway around us.
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed)?;
    let mut pipe = helper.stdin.take().expect("its stdin is piped");
    let ready = rustix::fs::fcntl_setfl(&pipe, OFlags::NONBLOCK)
        .map_err(io::Error::from)
        .and_then(|()| writeln!(pipe, "={}", marker.value()));
    match ready {
        Ok(()) => Ok((helper, pipe)),
        Err(source) => {
            let _ = helper.kill();
            let _ = helper.wait();
            Err(failed(source))
        }
    }
}
