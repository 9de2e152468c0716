//! The real binary as a process: started, and killed without a word.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};

/// A gateway that is not there after this long will not come.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the gateway's data lies on.
pub(crate) enum Disk {
    Honest,
    Forgetful(Arc<tempfile::TempDir>),
}

impl Disk {
    /// After a kill: a disk that forgets loses what was not synced.
    pub(crate) fn cut_power(&self) {
        if let Disk::Forgetful(folder) = self {
            crate::power::forget(&folder.path().join("undo"));
        }
    }
}

pub(crate) struct Gateway {
    child: Child,
    pub(crate) url: String,
    pub(crate) key: String,
}

impl Gateway {
    pub(crate) async fn start(data: &Path, disk: &Disk) -> Gateway {
        let ready: PathBuf = data.with_extension("ready");
        let _ = std::fs::remove_file(&ready); // of the life before
        let mut command = Command::new(env!("CARGO_BIN_EXE_rejoin"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data).arg("--ready-file").arg(&ready);
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        command.env("REJOIN_LOG_FILTER", "warn");
        if let Disk::Forgetful(folder) = disk {
            command.env("LD_PRELOAD", folder.path().join("undo.so"));
            command.env("FORGETFUL_DISK", data).env("FORGETFUL_UNDO", folder.path().join("undo"));
        }
        let mut child = command.spawn().expect("the binary starts");
        let begun = Instant::now();
        let listen = loop {
            if let Ok(text) = std::fs::read_to_string(&ready) {
                let ready: serde_json::Value =
                    serde_json::from_str(&text).expect("it is renamed into place when whole");
                break ready["listen"].as_str().expect("it says where it listens").to_owned();
            }
            if let Ok(Some(status)) = child.try_wait() {
                panic!("the gateway ended at its start: {status}");
            }
            assert!(begun.elapsed() < PATIENCE, "the gateway is not ready");
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        let key = std::fs::read_to_string(data.join("owner.key")).expect("the first start writes a key");
        Gateway { child, url: listen, key: key.trim().to_owned() }
    }

    pub(crate) async fn kill(mut self) {
        self.child.start_kill().expect("it is ours");
        self.child.wait().await.expect("it ends");
    }
}
