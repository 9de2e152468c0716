//! A gateway as a process of its own, so that it can be killed.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::Value;

use crate::gateway::{PATIENCE, Plan, doors, options, ready};
use crate::http::Door;

/// Names the data folder to a copy of this program that shall be a gateway.
const DATA: &str = "REJOIN_TEST_HAPPY_DATA";

#[test]
#[ignore = "not a test but the gateway that others kill; they start it"]
fn a_gateway_to_be_killed() {
    let folder = std::env::var_os(DATA).expect("only other tests start this one, with a folder");
    let mut options = options(Path::new(&folder), &Plan::default());
    options.log_filter = Some("warn".to_owned());
    options.durability = None; // as it comes
    rejoin_server::serve(options, None).expect("the gateway ends in order");
}

pub(crate) struct Process {
    child: Child,
    pub(crate) door: Door,
}

impl Process {
    pub(crate) async fn start(folder: &Path) -> Process {
        let ready = ready(folder);
        let _ = std::fs::remove_file(&ready);
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "process::a_gateway_to_be_killed"]).env(DATA, folder);
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        let begun = Instant::now();
        loop {
            if let Ok(written) = std::fs::read_to_string(&ready) {
                let told: Value = serde_json::from_str(&written).unwrap();
                return Process { child, door: Door::at(&doors(&told).0, "") };
            }
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the gateway ended at its start: {status}");
            }
            assert!(begun.elapsed() < PATIENCE, "the gateway is not ready");
            tokio::task::yield_now().await; // a process cannot wait for another's file
        }
    }

    /// As a power cut does it.
    pub(crate) fn kill(self) {
        drop(self);
    }
}

impl Drop for Process {
    /// None is left behind, also by a test that fails.
    fn drop(&mut self) {
        let _ = self.child.kill(); // one that has ended already is as good
        let _ = self.child.wait();
    }
}
