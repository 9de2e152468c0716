//! A gateway as a process of its own, so that it can be killed, and told to end.

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use rejoin_ports::clock::HandClock;
use rejoin_server::Options;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::frames::{kind, list, numbered, of, one, seqs, streamed, text};
use crate::gateway::PATIENCE;
use crate::peer::Peer;

/// Names the data folder to a copy of this program that shall be a gateway.
const DATA: &str = "REJOIN_TEST_GATEWAY_DATA";
const READY: &str = "ready.json";

#[test]
#[ignore = "not a test but the gateway that the others of this file kill; they start it"]
fn a_gateway_to_be_killed() {
    let folder = std::env::var_os(DATA).expect("only other tests start this one, with a folder");
    let folder = Path::new(&folder);
    let mut options = Options {
        data: Some(folder.join("data")),
        listen: Some("127.0.0.1:0".parse().unwrap()),
        dev: Some(true),
        ready_file: Some(folder.join(READY)),
        log_filter: Some("warn".to_owned()),
        ..Options::default()
    };
    options.limits.stop_ms = Some(300);
    rejoin_server::serve(options, None).expect("the gateway ends in order");
}

struct Process {
    child: Child,
    url: String,
}

impl Process {
    async fn start(folder: &Path) -> Process {
        let ready = folder.join(READY);
        let _ = std::fs::remove_file(&ready);
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "process::a_gateway_to_be_killed"]).env(DATA, folder);
        let child = command.stdout(Stdio::null()).spawn().unwrap();
        let mut process = Process { child, url: String::new() };
        let begun = Instant::now();
        loop {
            if let Ok(written) = std::fs::read_to_string(&ready) {
                let told: Value = serde_json::from_str(&written).unwrap();
                process.url = text(&told, "listen").replace("http://", "ws://") + "/diminuendo/ws";
                return process;
            }
            if let Some(status) = process.child.try_wait().unwrap() {
                panic!("the gateway ended at its start: {status}");
            }
            assert!(begun.elapsed() < PATIENCE, "the gateway is not ready");
            tokio::task::yield_now().await; // a process cannot wait for another's file
        }
    }

    async fn peer(&self) -> Peer {
        let mut peer = Peer::dial(&self.url, &[], HandClock::at(0)).await.expect("the upgrade is taken");
        peer.hurries(); // its clock is the machine's, and few messages are sent
        peer.hears_a("authenticated").await;
        peer
    }

    /// As a power cut does it.
    fn kill(self) {
        drop(self);
    }

    async fn ends(mut self) -> ExitStatus {
        let ended = async {
            loop {
                if let Some(status) = self.child.try_wait().unwrap() {
                    return status;
                }
                tokio::task::yield_now().await; // nor for its end, without a thread that a failure would leave behind
            }
        };
        tokio::time::timeout(PATIENCE, ended).await.expect("the process ends")
    }
}

impl Drop for Process {
    /// None is left behind, also by a test that fails.
    fn drop(&mut self) {
        let _ = self.child.kill(); // one that has ended already is as good
        let _ = self.child.wait();
    }
}

/// Hears a turn until it waits to be steered.
async fn begins(peer: &mut Peer, session: &str) -> Vec<Value> {
    peer.runs(session, "!stream 200\n!tool grep {} => found\nand then\n!waitsteer").await;
    let mut heard = Vec::new();
    while !streamed(&heard).ends_with("and then\n") {
        heard.push(peer.hears().await);
    }
    heard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_73_what_was_heard_before_a_kill_is_there_and_the_open_turn_is_closed_once() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path()).await;
    let mut peer = process.peer().await;
    let session = peer.with_script().await;
    let done = peer.turn(&session, "a turn that is done").await;
    let heard = begins(&mut peer, &session).await;
    process.kill();

    let process = Process::start(folder.path()).await;
    let mut peer = process.peer().await;
    let told = peer.asks(json!({ "type": "list_sessions" })).await;
    assert_eq!(told["sessions"][0]["status"], "inactive");
    peer.joins_after(&session, 0).await;
    let mut replayed = Vec::new();
    while of(&replayed, "turn_error").is_empty() {
        replayed.push(peer.hears().await); // it is closed when somebody touches it, or soon
    }
    let before: Vec<_> = [numbered(&done), numbered(&heard)].concat();
    assert_eq!(numbered(&replayed)[..before.len()], before, "nothing that was shown is lost or changed");
    let error = one(&replayed, "turn_error");
    assert_eq!((&error["code"], &error["turnId"]), (&json!("INTERRUPTED"), &one(&heard, "turn_started")["turnId"]));
    let told = peer.asks(json!({ "type": "get_history", "sessionId": session })).await;
    assert!(told.to_string().contains("a turn that is done"));
    let turn = peer.turn(&session, "next life").await;
    assert_eq!(one(&turn, "turn_complete")["finalText"], "next life");
    assert!(seqs(&turn)[0] > *seqs(&before).last().unwrap());
    // Once, also in the log.
    let of_turn = |frame: &Value| frame["turnId"] == error["turnId"] && kind(frame) == "turn_error";
    assert_eq!(peer.log_of(&session).await.iter().filter(|frame| of_turn(frame)).count(), 1);
    process.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_outlives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path()).await;
    let mut peer = process.peer().await;
    let session = peer.with_script().await;
    peer.runs(&session, "before\n!ask text Name?\nafter").await;
    let request = peer.hears_a("question_requested").await;
    process.kill();

    let process = Process::start(folder.path()).await;
    let mut peer = process.peer().await;
    let snapshot = peer.joins(&session).await;
    assert_eq!(snapshot["session"]["status"], "waiting");
    let pending = list(&snapshot, "pendingRequests");
    assert_eq!((pending.len(), &pending[0]["requestId"]), (1, &request["requestId"]));
    let answers = json!({ "answer": "Ada" });
    peer.says(json!({ "type": "answer_question", "sessionId": session, "requestId": request["requestId"], "answers": answers }))
        .await;
    let rest = peer.until_rest(&session).await;
    assert_eq!(one(&rest, "turn_complete")["finalText"], "before\nAda\nafter");
    process.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_74_a_signal_to_end_loses_no_event_and_ends_well() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path()).await;
    let mut peer = process.peer().await;
    let session = peer.with_script().await;
    let mut heard = begins(&mut peer, &session).await;
    kill_process(Pid::from_child(&process.child), Signal::TERM).unwrap();
    let (rest, code) = peer.closed().await;
    assert_eq!(code, Some(1001));
    assert_eq!(of(&rest, "server_shutdown").len(), 1, "{rest:?}");
    assert_eq!(one(&rest, "turn_error")["code"], "INTERRUPTED");
    heard.extend(rest);
    assert_eq!(process.ends().await.code(), Some(0));

    let process = Process::start(folder.path()).await;
    let mut peer = process.peer().await;
    let (_, replayed) = peer.replayed(&session, 0).await;
    let before = numbered(&heard);
    assert_eq!(replayed[..before.len()], before);
    process.kill();
}
