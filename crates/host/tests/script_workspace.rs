//! What a script does to its workspace, really.

mod common;

use common::{Rig, SOON, text};
use rejoin_core::event::FileChange;
use rejoin_core::happening::{FromAgent, Happening};
use rejoin_core::header::AgentStatus;
use rejoin_ports::agent::Order;
use serde_json::{Value, json};

fn output(happenings: &[Happening]) -> Result<Value, String> {
    let ended = happenings.iter().find_map(|happening| match happening {
        Happening::ToolEnded { result, .. } => Some(result.clone()),
        _ => None,
    });
    ended.expect("the call ends")
}

fn files(happenings: &[Happening]) -> Vec<(String, FileChange, Option<u64>)> {
    let changed = |happening: &Happening| match happening {
        Happening::FileChanged { path, change, version, .. } => Some((path.clone(), *change, *version)),
        _ => None,
    };
    happenings.iter().filter_map(changed).collect()
}

/// Says when a command in the workspace has come so far, and which process it is.
const PID: &str = "echo $$ > pid.new && mv pid.new pid";

async fn pid(rig: &Rig) -> u32 {
    let file = rig.folder.path().join("pid");
    let written = async {
        loop {
            match std::fs::read_to_string(&file) {
                Ok(text) => return text.trim().parse().unwrap(),
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            }
        }
    };
    tokio::time::timeout(SOON, written).await.expect("the command starts")
}

async fn is_gone(pid: u32) {
    let gone = async {
        loop {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            if stat.is_empty() || stat.contains(") Z ") {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, gone).await.expect("the command ends");
}

#[tokio::test]
async fn a_command_gives_its_real_output() {
    let mut rig = Rig::open("script").await;
    let happenings = rig.run("!shell echo $GREETING; echo bad >&2; exit 3\non").await;
    let Happening::ToolCalled { name, input, .. } = &happenings[0] else { panic!("{happenings:?}") };
    assert_eq!(name, "shell");
    assert_eq!(*input, json!({"command": "echo $GREETING; echo bad >&2; exit 3"}));
    assert!(matches!(happenings[1], Happening::ToolStarted { .. }));
    let heard = |of_errors: bool| -> String {
        let piece = |happening: &Happening| match happening {
            Happening::ToolOutput { text, error, .. } if *error == of_errors => Some(text.clone()),
            _ => None,
        };
        happenings.iter().filter_map(piece).collect()
    };
    assert_eq!((heard(false).as_str(), heard(true).as_str()), ("hello\n", "bad\n"));
    let expected = json!({"stdout": "hello\n", "stderr": "bad\n", "exitCode": 3});
    assert_eq!(output(&happenings), Ok(expected));
    assert_eq!(text(&happenings), "on");
}

#[tokio::test]
async fn a_long_output_keeps_its_ends() {
    let mut rig = Rig::open("script").await;
    let happenings = rig.run("!shell echo begin; seq 300000; echo end").await;
    let output = output(&happenings).unwrap();
    let kept = output["output"].as_str().unwrap();
    assert!(kept.starts_with("begin\n") && kept.ends_with("end\n"));
    assert!(output["omitted"].as_u64().unwrap() > 0);
    assert!(output.to_string().len() < 4 << 20);
}

#[tokio::test]
async fn what_a_command_changed_behind_our_back_is_told() {
    let mut rig = Rig::open("script").await;
    std::fs::write(rig.folder.path().join("old"), "1").unwrap();
    std::fs::write(rig.folder.path().join("going"), "1").unwrap();
    std::fs::write(rig.folder.path().join("same"), "1").unwrap();
    let happenings = rig.run("!shell echo 2 > old; echo 1 > new; rm going; false").await;
    let told = files(&happenings);
    let expected = |path: &str, change| (path.to_owned(), change, Some(1));
    assert_eq!(
        told,
        [
            expected("new", FileChange::Created),
            expected("old", FileChange::Modified),
            expected("going", FileChange::Deleted)
        ]
    );
    assert_eq!(output(&happenings).unwrap()["exitCode"], 1);
}

#[tokio::test]
async fn a_command_that_cannot_run_fails_its_call_alone() {
    let mut rig = Rig::open("script").await;
    let happenings = rig.run("!shell echo \0\non").await;
    assert!(output(&happenings).unwrap_err().contains("NUL"));
    assert_eq!(text(&happenings), "on");
}

#[tokio::test]
async fn a_file_is_written_and_its_version_told() {
    let mut rig = Rig::open("script").await;
    let happenings = rig.run("!write note.md  a b\\n \n!write note.md\n!write ../up x\non").await;
    let written = std::fs::read_to_string(rig.folder.path().join("note.md")).unwrap();
    assert_eq!(written, "");
    let note = |change, version| ("note.md".to_owned(), change, Some(version));
    assert_eq!(files(&happenings), [note(FileChange::Created, 1), note(FileChange::Modified, 2)]);
    assert_eq!(output(&happenings), Ok(json!({"path": "note.md", "version": 1, "size": 6})));
    let refused = happenings
        .iter()
        .any(|happening| matches!(happening, Happening::ToolEnded { result: Err(why), .. } if why.contains("outside")));
    assert!(refused, "{happenings:?}");
    assert_eq!(text(&happenings), "on");

    rig.run("!write note.md  a b\\n ").await;
    let written = std::fs::read_to_string(rig.folder.path().join("note.md")).unwrap();
    assert_eq!(written, "a b\\n ");
}

#[tokio::test]
async fn nothing_is_done_before_its_start_is_kept() {
    let mut rig = Rig::open("script").await;
    for script in ["!shell echo x > file", "!write file x"] {
        let turn = rig.prompt(script).await;
        // Heard past the rig, which would answer.
        let call = loop {
            match rig.agent.happenings.recv().await.unwrap().happening {
                Happening::ToolStarted { call, .. } => break call,
                Happening::ToolCalled { .. } => {}
                other => panic!("{other:?}"),
            }
        };
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(rig.agent.happenings.is_empty());
        assert!(!rig.folder.path().join("file").exists());
        rig.order(Order::Started { turn, call }).await;
        rig.rest().await;
        assert!(rig.folder.path().join("file").exists());
        std::fs::remove_file(rig.folder.path().join("file")).unwrap();
    }
}

#[tokio::test]
async fn an_interrupt_ends_a_command_and_all_it_started() {
    let mut rig = Rig::open("script").await;
    let turn = rig.prompt(&format!("!shell {PID}; sleep 600 & sleep 600; echo never\nnever")).await;
    while !matches!(rig.next_of(&turn).await, Happening::ToolStarted { .. }) {}
    let pid = pid(&rig).await;
    rig.interrupt(&turn).await;
    let next = rig.prompt("at once").await;
    assert_eq!(rig.next_of(&next).await, Happening::Text("at once".into()));
    assert_eq!(rig.next_of(&next).await, Happening::Done);
    is_gone(pid).await;
    // The next command waits until the old one is gone, and what that one changed is told, though its turn is over.
    rig.prompt("!shell echo two").await;
    let rest = rig.rest().await;
    assert_eq!(files(&rest), [("pid".to_owned(), FileChange::Created, Some(1))]);
    assert_eq!(output(&rest).unwrap()["stdout"], "two\n");
}

#[tokio::test]
async fn an_agent_that_is_closed_ends_its_command_first() {
    let mut rig = Rig::open("script").await;
    let turn = rig.prompt(&format!("!shell {PID}; sleep 600")).await;
    while !matches!(rig.next_of(&turn).await, Happening::ToolStarted { .. }) {}
    let pid = pid(&rig).await;
    rig.order(Order::Close).await;
    let mut last = None;
    while let Some(said) = rig.hear().await {
        last = Some(said);
    }
    assert_eq!(last, Some(common::lives(AgentStatus::Stopped)));
    is_gone(pid).await;
}

#[tokio::test]
async fn a_host_that_ends_takes_its_commands_with_it() {
    let mut rig = Rig::open("script").await;
    let turn = rig.prompt(&format!("!shell {PID}; sleep 600")).await;
    while !matches!(rig.next_of(&turn).await, Happening::ToolStarted { .. }) {}
    let pid = pid(&rig).await;
    tokio::time::timeout(SOON, rig.host.end()).await.expect("the host ends");
    is_gone(pid).await;
    let mut said: Vec<FromAgent> = Vec::new();
    while let Some(more) = rig.hear().await {
        said.push(more);
    }
    assert_eq!(said.last(), Some(&common::lives(AgentStatus::Stopped)));
}
