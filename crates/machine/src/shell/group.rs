//! The process group of one command: signalled as a whole, and never left behind.

use std::io;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use tokio::signal::unix::{self, SignalKind};

/// Kills the group when dropped, unless it has been ended before.
#[derive(Debug)]
pub(crate) struct Group {
    leader: Pid,
    is_over: bool,
}

impl Group {
    /// `leader` leads the group and has not been waited for, so that its number cannot have become another's.
    pub(crate) fn new(leader: Pid) -> Group {
        Group { leader, is_over: false }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        // The only failure is that nobody is left, which is what signals are for.
        let _ = rustix::process::kill_process_group(self.leader, signal);
    }

    /// Kills what is left. Must come before the leader is waited for.
    pub(crate) fn end(mut self) {
        self.signal(Signal::KILL);
        self.is_over = true;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.is_over {
            self.signal(Signal::KILL);
        }
    }
}

/// Hears when a child has exited, without waiting for it: its number stays taken until we have ended its group.
#[derive(Debug)]
pub(crate) struct Exit {
    child: Pid,
    signals: unix::Signal,
}

impl Exit {
    pub(crate) fn of(child: Pid) -> io::Result<Exit> {
        Ok(Exit { child, signals: unix::signal(SignalKind::child())? })
    }

    /// Safe to drop and call again.
    pub(crate) async fn wait(&mut self) {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        loop {
            match rustix::process::waitid(WaitId::Pid(self.child), look) {
                Ok(None) => {}
                Err(rustix::io::Errno::INTR) => continue,
                // An error is a child that somebody else has waited for: gone as well.
                Ok(Some(_)) | Err(_) => return,
            }
            if self.signals.recv().await.is_none() {
                // No more signals, for the runtime ends, and with it we do.
                std::future::pending::<()>().await;
            }
        }
    }
}
