//! What goes over the pipes, held against the protocol's own types: in both directions, they and we mean the same.

use std::collections::BTreeSet;

use agent_client_protocol_schema::v1 as acp;
use rejoin_core::ask::Answer;
use rejoin_core::grant::Scope;
use rejoin_core::happening::Happening;
use rejoin_core::header::Model;
use rejoin_core::part::Attachment;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::rig::{Rig, setup};

/// Everything we say must come back out of their type: a name that they do not know, or a value that they would replace by
/// a default, does not.
fn is_of<T: DeserializeOwned + Serialize>(ours: &Value) {
    let theirs: T = serde_json::from_value(ours.clone()).unwrap_or_else(|error| panic!("{ours}: {error}"));
    let theirs = serde_json::to_value(theirs).unwrap();
    assert!(covers(&theirs, ours), "we say {ours}\nthey hear {theirs}");
}

fn covers(theirs: &Value, ours: &Value) -> bool {
    match (theirs, ours) {
        (Value::Object(theirs), Value::Object(ours)) => ours.iter().all(|(name, value)| match theirs.get(name) {
            Some(heard) => covers(heard, value),
            // Left out is the same as nothing.
            None => value.is_null() || *value == json!([]) || *value == json!({}),
        }),
        (Value::Array(theirs), Value::Array(ours)) => {
            theirs.len() == ours.len() && theirs.iter().zip(ours).all(|(theirs, ours)| covers(theirs, ours))
        }
        _ => theirs == ours,
    }
}

fn check(heard: &Value) -> Option<String> {
    let (name, body) = match heard.get("method") {
        Some(method) => (method.as_str()?.to_owned(), &heard["params"]),
        None => (format!("answer to {}", heard["answers"].as_str()?), &heard["result"]),
    };
    match name.as_str() {
        "initialize" => is_of::<acp::InitializeRequest>(body),
        "authenticate" => is_of::<acp::AuthenticateRequest>(body),
        "session/new" => is_of::<acp::NewSessionRequest>(body),
        "session/load" => is_of::<acp::LoadSessionRequest>(body),
        "session/resume" => is_of::<acp::ResumeSessionRequest>(body),
        "session/close" => is_of::<acp::CloseSessionRequest>(body),
        "session/set_mode" => is_of::<acp::SetSessionModeRequest>(body),
        "session/set_config_option" => is_of::<acp::SetSessionConfigOptionRequest>(body),
        "session/prompt" => is_of::<acp::PromptRequest>(body),
        "session/cancel" => is_of::<acp::CancelNotification>(body),
        "answer to session/request_permission" => is_of::<acp::RequestPermissionResponse>(body),
        "answer to elicitation/create" => is_of::<acp::CreateElicitationResponse>(body),
        "answer to fs/read_text_file" => is_of::<acp::ReadTextFileResponse>(body),
        "answer to fs/write_text_file" => is_of::<acp::WriteTextFileResponse>(body),
        "answer to terminal/create" => is_of::<acp::CreateTerminalResponse>(body),
        "answer to terminal/output" => is_of::<acp::TerminalOutputResponse>(body),
        "answer to terminal/wait_for_exit" => is_of::<acp::WaitForTerminalExitResponse>(body),
        "answer to terminal/release" => is_of::<acp::ReleaseTerminalResponse>(body),
        other => panic!("nobody has said what {other} must be"),
    }
    Some(name)
}

fn heard(rig: &Rig) -> BTreeSet<String> {
    let text = std::fs::read_to_string(rig.state.path().join("heard")).unwrap();
    text.lines().filter_map(|line| check(&serde_json::from_str(line).unwrap())).collect()
}

/// As the protocol's own types write it.
fn written(update: acp::SessionUpdate) -> String {
    format!("update {}", serde_json::to_value(update).unwrap())
}

#[tokio::test]
async fn the_protocols_own_types_take_everything_that_we_say() {
    let mut setup = setup(&["--load", "--resume", "--close", "--modes", "--models", "--auth", "way"]);
    setup.recipe.auth = Some("way".into());
    setup.recipe.mode = Some("code".into());
    setup.model = Some(Model { model: "large".into(), provider: None, variant: None });
    let servers = json!({"files": {"command": "mcp-files", "args": ["."], "env": {"A": "b"}}});
    setup.config.extra.insert("mcpServers".into(), servers);
    let mut rig = setup.open().await;
    let attachment = |mime: &str, url: &str| Attachment {
        id: "a".into(),
        mime: mime.into(),
        name: Some("x".into()),
        url: url.into(),
    };
    let attached = vec![
        attachment("image/png", "data:image/png;base64,AAAA"),
        attachment("text/plain", "data:text/plain;base64,aGk="),
        attachment("text/html", "https://example.org/"),
    ];
    let turn = rig.prompt_with("write a b\nread a\nrun true\nsay .\nwaitcancel", attached).await;
    rig.until_said(&turn, "b.").await;
    rig.interrupt(&turn).await;
    let call = acp::ToolCallUpdate::new("c", acp::ToolCallUpdateFields::new().title("t"));
    let option = acp::PermissionOption::new("y", "Yes", acp::PermissionOptionKind::AllowOnce);
    let request = acp::RequestPermissionRequest::new("s", call, vec![option]);
    let request = serde_json::to_value(request).unwrap();
    let (_, ask) = rig.run_to_ask(&format!("permission {request}")).await;
    rig.answer(&ask, Answer::Allow { scope: Scope::Once, pattern: None, input: None, duration_ms: None }).await;
    let (_, ask) = rig.run_to_ask(r#"form {"type": "object", "properties": {"a": {"type": "string"}}}"#).await;
    rig.answer(&ask, Answer::Fill { values: [("a".to_owned(), json!("b"))].into() }).await;
    let (_, ask) = rig.run_to_ask(r#"form {"type": "object", "properties": {"a": {"type": "string"}}}"#).await;
    rig.answer(&ask, Answer::Dismiss).await;
    let mut rig = rig.reopen().await;
    rig.says("say again").await;
    rig.close().await;
    let heard = heard(&rig);
    for expected in
        ["session/resume", "session/close", "session/set_mode", "session/set_config_option", "session/cancel"]
    {
        assert!(heard.contains(expected), "{heard:?}");
    }
    assert_eq!(heard.len(), 17, "{heard:?}");
}

#[tokio::test]
async fn we_hear_what_the_protocols_own_types_say() {
    use acp::SessionUpdate as Update;
    let mut rig = Rig::open().await;
    let text = |text: &str| acp::ContentChunk::new(acp::ContentBlock::Text(acp::TextContent::new(text)));
    let block = acp::ContentBlock::Text(acp::TextContent::new("out"));
    let call = acp::ToolCall::new("c", "Edit a")
        .kind(acp::ToolKind::Edit)
        .status(acp::ToolCallStatus::InProgress)
        .raw_input(json!({"path": "a"}))
        .locations(vec![acp::ToolCallLocation::new("/w/a")]);
    let done = acp::ToolCallUpdateFields::new().status(acp::ToolCallStatus::Completed).content(vec![
        acp::ToolCallContent::Content(acp::Content::new(block)),
        acp::ToolCallContent::Diff(acp::Diff::new("/w/a", "new")),
    ]);
    let entry = acp::PlanEntry::new("step", acp::PlanEntryPriority::High, acp::PlanEntryStatus::InProgress);
    let cost = acp::UsageUpdate::new(5, 10).cost(acp::Cost::new(1.5, "USD"));
    let lines = [
        written(Update::AgentMessageChunk(text("said"))),
        written(Update::AgentThoughtChunk(text("thought"))),
        written(Update::UserMessageChunk(text("echo"))),
        written(Update::ToolCall(call)),
        written(Update::ToolCallUpdate(acp::ToolCallUpdate::new("c", done))),
        written(Update::Plan(acp::Plan::new(vec![entry]))),
        written(Update::AvailableCommandsUpdate(acp::AvailableCommandsUpdate::new(vec![]))),
        written(Update::CurrentModeUpdate(acp::CurrentModeUpdate::new("code"))),
        written(Update::ConfigOptionUpdate(acp::ConfigOptionUpdate::new(vec![]))),
        written(Update::SessionInfoUpdate(acp::SessionInfoUpdate::new().title("title".to_owned()))),
        written(Update::Notice(acp::Notice::new(acp::NoticeSeverity::Warning, "careful"))),
        written(Update::UsageUpdate(cost)),
    ];
    let all = rig.run(&lines.join("\n")).await;
    let kinds: Vec<String> = all
        .iter()
        .map(|happening| match happening {
            Happening::ToolCalled { name, input, .. } => {
                format!("called {name} {} {}", input["path"], input["locations"][0]["path"])
            }
            Happening::ToolEnded { result: Ok(result), .. } => {
                format!("ended {} {}", result["content"][0]["text"], result["content"][1]["newText"])
            }
            Happening::Raw { source, .. } => source.clone(),
            Happening::Usage(usage) => format!("cost {:?}", usage.cost_micros),
            Happening::Plan(items) => format!("plan {:?}", items[0].status),
            Happening::ToolStarted { .. } => "started".to_owned(),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(
        kinds,
        [
            r#"Text("said")"#,
            r#"Thinking("thought")"#,
            r#"called edit "a" "/w/a""#,
            "started",
            r#"ended "out" "new""#,
            "plan InProgress",
            "acp.commands",
            "acp.mode",
            "acp.options",
            r#"Title("title")"#,
            "acp.notice",
            "cost Some(1500000)",
            "Done",
        ]
    );
}
