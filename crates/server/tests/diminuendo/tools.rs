//! Tools, commands and thoughts of a turn.

use rejoin_core::happening::Happening;
use rejoin_core::id::CallId;
use serde_json::{Value, json};

use crate::frames::{kind, number, of, one, shown, streamed, text};
use crate::gateway::{Gateway, Plan};
use crate::puppet::Puppet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_52_a_tools_result_names_the_call_that_it_belongs_to() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    let script = "!tool grep {\"q\": [1, null]} => found it\n!tool rm {} => !error not allowed\n!argdelta edit {\"path\": \"a b\"}\n";
    let turn = peer.turn(&session, script).await;
    let calls = of(&turn, "tool_call");
    assert_eq!(calls.iter().map(|call| text(call, "toolName")).collect::<Vec<_>>(), ["grep", "rm", "edit"]);
    assert_eq!(calls[0]["args"], json!({ "q": [1, null] }));
    assert_eq!(calls[2]["args"], json!({ "path": "a b" }));
    let ends: Vec<_> = turn.iter().filter(|frame| ["tool_result", "tool_error"].contains(&kind(frame))).collect();
    assert_eq!(ends.len(), 3, "one end for each call: {}", shown(&turn));
    for (call, end) in calls.iter().zip(&ends) {
        assert!(!text(call, "toolCallId").is_empty());
        assert_eq!(call["toolCallId"], end["toolCallId"]);
        assert!(number(call, "seq") < number(end, "seq"));
    }
    assert_eq!(
        (kind(ends[0]), &ends[0]["status"], &ends[0]["output"]),
        ("tool_result", &json!("success"), &json!("found it"))
    );
    let failed = ends[1];
    assert!(failed.to_string().contains("not allowed"), "{failed}");
    assert!(kind(failed) == "tool_error" || failed["status"] == "error", "{failed}");

    // Arguments that stream in: start, pieces, and then the call as a whole.
    let id = &calls[2]["toolCallId"];
    let of_call: Vec<_> = turn.iter().filter(|frame| frame["toolCallId"] == *id).collect();
    let pieces: String =
        of_call.iter().filter(|frame| kind(frame) == "tool_call_delta").map(|frame| text(frame, "delta")).collect();
    assert_eq!(serde_json::from_str::<Value>(&pieces).expect("the pieces are the arguments"), json!({ "path": "a b" }));
    let place = |name: &str| of_call.iter().position(|frame| kind(frame) == name);
    assert!(place("tool_call_delta") < place("tool_call"));
    assert!(place("tool_call_start").is_none_or(|start| start == 0), "{}", shown(&turn));
    let mut ids: Vec<_> = calls.iter().map(|call| text(call, "toolCallId")).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

/// A gateway whose only agent says this, and what is heard of it.
async fn puppet_says(lines: Vec<Happening>) -> Vec<Value> {
    let gateway = Plan::dev().host(Puppet::saying(lines)).start().await;
    let mut peer = gateway.peer().await;
    let session = peer.creates("puppet").await;
    peer.joins(&session).await;
    peer.turn(&session, "begin").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_53_a_tool_without_a_name_has_an_empty_one() {
    let call = CallId::new("c1").unwrap();
    let turn = puppet_says(vec![
        Happening::ToolCalled { call: call.clone(), name: String::new(), input: json!({}) },
        Happening::ToolStarted { call: call.clone(), input: None },
        Happening::ToolEnded { call, result: Ok(json!("done")) },
        Happening::Done,
    ])
    .await;
    let told = one(&turn, "tool_call");
    assert_eq!(told.get("toolName"), Some(&json!("")), "{told}");
    assert_eq!(one(&turn, "tool_result")["toolCallId"], told["toolCallId"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_54_an_empty_thought_is_not_told() {
    let empty = puppet_says(vec![
        Happening::Thinking(String::new()),
        Happening::Pause,
        Happening::Text("said".to_owned()),
        Happening::Done,
    ])
    .await;
    assert!(empty.iter().all(|frame| !kind(frame).starts_with("thinking")), "{}", shown(&empty));
    assert_eq!(streamed(&empty), "said");

    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    let turn = peer.turn(&session, "!think a real thought\nsaid").await;
    let thoughts: String = of(&turn, "thinking_progress").into_iter().map(|frame| text(frame, "text")).collect();
    assert_eq!(thoughts, "a real thought");
    let order: Vec<_> =
        turn.iter().map(kind).filter(|name| name.starts_with("thinking") || *name == "text_delta").collect();
    assert_eq!(order, ["thinking_start", "thinking_progress", "thinking_complete", "text_delta"]);
    assert_eq!(one(&turn, "turn_complete")["finalText"], "said", "a thought is not said");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_in_the_workspace_shows_its_output_and_how_it_ended() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    let turn = peer.turn(&session, "!shell echo out; echo err >&2; exit 3").await;
    let shown_text: String = of(&turn, "terminal_stream").into_iter().map(|frame| text(frame, "data")).collect();
    assert!(shown_text.contains("out\n") && shown_text.contains("err\n"), "{shown_text:?}");
    let end = one(&turn, "terminal_complete");
    assert_eq!(end["exitCode"], 3);
    for frame in of(&turn, "terminal_stream") {
        assert_eq!(frame["terminalId"], end["terminalId"]);
    }
    assert!(!text(end, "terminalId").is_empty());
}
