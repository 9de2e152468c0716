//! Files and commands.

use rejoin_core::event::FileChange;
use rejoin_core::happening::Happening;

use crate::rig::Rig;

#[tokio::test]
async fn files_are_read_and_written_through_the_workspace() {
    let mut rig = Rig::open().await;
    std::fs::write(rig.folder.path().join("old"), "one\ntwo\nthree\n").unwrap();
    assert_eq!(rig.says("read old 2 1").await, "two\n");
    assert_eq!(rig.says("write new hello\nread new").await, "written\nhello");
    assert_eq!(rig.changed, [("new".to_owned(), FileChange::Created)]);
    assert!(rig.says("read missing").await.starts_with("error -32002"));
    assert!(rig.says("read /etc/passwd").await.contains("outside"));
    assert!(rig.says("write /tmp/x y").await.contains("outside"));
}

#[tokio::test]
async fn files_that_the_agent_writes_itself_become_versions_before_the_turn_ends() {
    let mut rig = Rig::open().await;
    std::fs::write(rig.folder.path().join("b"), "before").unwrap();
    rig.says("directly a first").await;
    assert_eq!(rig.changed, [("a".to_owned(), FileChange::Created)]);
    rig.changed.clear();
    let call =
        r#"update {"sessionUpdate": "tool_call_update", "toolCallId": "c", "kind": "edit", "status": "completed"}"#;
    rig.says(&format!("directly b second\n{call}\nsleep 50\ndirectly a third")).await;
    let modified = |path: &str| (path.to_owned(), FileChange::Modified);
    rig.changed.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(rig.changed, [modified("a"), modified("b")]);
}

#[tokio::test]
async fn what_people_change_between_turns_is_not_the_agents() {
    let mut rig = Rig::open().await;
    rig.says("say hello").await;
    std::fs::write(rig.folder.path().join("mine"), "x").unwrap();
    rig.says("say hello").await;
    assert_eq!(rig.changed, []);
}

#[tokio::test]
async fn a_file_that_an_interrupted_turn_has_written_is_told_all_the_same() {
    let mut rig = Rig::open().await;
    let turn = rig.prompt("directly a x\nsay there\nwaitcancel").await;
    rig.until_said(&turn, "there").await;
    rig.interrupt(&turn).await;
    rig.says("say next").await;
    assert_eq!(rig.changed, [("a".to_owned(), FileChange::Created)]);
}

#[tokio::test]
async fn a_command_runs_in_a_terminal_of_ours_and_its_output_is_shown() {
    let mut rig = Rig::open().await;
    let all = rig.run("run echo one; sleep 0.2; echo two; echo $PWD > where; exit 3").await;
    let output: String = all
        .iter()
        .filter_map(|happening| match happening {
            Happening::ToolOutput { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(output, "one\ntwo\n");
    let result = all.iter().find_map(|happening| match happening {
        Happening::ToolEnded { result: Ok(value), .. } => Some(value.clone()),
        _ => None,
    });
    let result = result.expect("the call ended");
    assert_eq!(result["rawOutput"]["ended"]["exitCode"], 3);
    assert_eq!(result["rawOutput"]["output"]["output"], "one\ntwo\n");
    assert_eq!(result["rawOutput"]["output"]["exitStatus"]["exitCode"], 3);
    assert_eq!(result["content"][0]["output"], "one\ntwo\n");
    assert_eq!(rig.changed, [("where".to_owned(), FileChange::Created)]);
    let folder = rig.folder.path().canonicalize().unwrap();
    assert_eq!(std::fs::read_to_string(folder.join("where")).unwrap().trim(), folder.to_str().unwrap());
}

#[tokio::test]
async fn only_so_many_terminals_are_open_at_a_time() {
    let mut rig = Rig::open().await;
    let lines = vec!["terminal true"; 33].join("\n");
    let told = rig.says(&lines).await;
    assert!(told.contains("32 terminals are open"), "{told}");
}

#[tokio::test]
async fn a_method_that_we_do_not_know_is_refused_and_nothing_breaks() {
    let mut rig = Rig::open().await;
    assert!(rig.says("method x/y").await.starts_with("error -32601"));
    assert_eq!(rig.says("say fine").await, "fine");
}
