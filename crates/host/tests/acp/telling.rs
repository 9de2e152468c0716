//! What an agent says, as the engine hears it.

use rejoin_core::happening::Happening;
use rejoin_core::part::{Attachment, PlanStatus};
use serde_json::json;

use crate::rig::{Rig, said, setup};

#[tokio::test]
async fn a_prompt_is_answered() {
    let mut rig = Rig::open().await;
    assert_eq!(rig.run("say hello").await, [Happening::Text("hello".into()), Happening::Done]);
    assert_eq!(rig.says("say again").await, "again");
}

#[tokio::test]
async fn every_kind_of_update_has_its_happening() {
    let mut rig = Rig::open().await;
    let all = rig
        .run(
            r#"think hm
update {"sessionUpdate": "plan", "entries": [{"content": "a", "priority": "high", "status": "completed"}]}
update {"sessionUpdate": "tool_call", "toolCallId": "c", "title": "Look", "kind": "read", "status": "in_progress", "rawInput": {"x": 1}}
update {"sessionUpdate": "tool_call_update", "toolCallId": "c", "content": [{"type": "content", "content": {"type": "text", "text": "seen"}}]}
update {"sessionUpdate": "tool_call_update", "toolCallId": "c", "status": "completed"}
update {"sessionUpdate": "available_commands_update", "availableCommands": [{"name": "web"}]}
update {"sessionUpdate": "current_mode_update", "currentModeId": "code"}
update {"sessionUpdate": "config_option_update", "configOptions": []}
update {"sessionUpdate": "session_info_update", "title": "A title"}
update {"sessionUpdate": "usage_update", "used": 10, "size": 100, "cost": {"amount": 0.25, "currency": "USD"}}
update {"sessionUpdate": "from_the_future", "x": 1}
update {"sessionUpdate": "agent_message_chunk", "content": {"type": "image", "mimeType": "image/png", "data": "AAAA"}}
update {"sessionUpdate": "agent_message_chunk", "content": {"type": "resource_link", "uri": "file:///a", "name": "a"}}
usage {"stopReason": "end_turn", "usage": {"totalTokens": 12, "inputTokens": 7, "outputTokens": 5}}"#,
        )
        .await;
    let kinds: Vec<String> = all
        .iter()
        .map(|happening| match happening {
            Happening::Raw { source, .. } => source.clone(),
            Happening::Plan(items) => format!("plan {:?}", items[0].status == PlanStatus::Completed),
            Happening::Usage(usage) => format!("usage {} {} {:?}", usage.input, usage.output, usage.cost_micros),
            Happening::ToolCalled { input, .. } => format!("called {}", input["x"]),
            Happening::ToolStarted { .. } => "started".into(),
            Happening::ToolOutput { text, .. } => format!("output {text}"),
            Happening::ToolEnded { result, .. } => format!("ended {:?}", result.as_ref().unwrap()),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(
        kinds,
        [
            r#"Thinking("hm")"#,
            "plan true",
            "called 1",
            "started",
            "output seen",
            r#"ended String("seen")"#,
            "acp.commands",
            "acp.mode",
            "acp.options",
            r#"Title("A title")"#,
            "acp.from_the_future",
            r#"Image { mime: "image/png", url: "data:image/png;base64,AAAA" }"#,
            r#"File { name: Some("a"), mime: "application/octet-stream", url: "file:///a" }"#,
            "usage 7 5 Some(250000)",
            "Done",
        ]
    );
}

#[tokio::test]
async fn a_cost_of_the_whole_session_is_counted_once() {
    let mut rig = Rig::open().await;
    let cost = |amount: f64| {
        let cost = json!({"amount": amount, "currency": "USD"});
        format!("update {}", json!({"sessionUpdate": "usage_update", "used": 1, "size": 2, "cost": cost}))
    };
    let micros = |all: &[Happening]| {
        let cost = |happening: &Happening| match happening {
            Happening::Usage(usage) => usage.cost_micros,
            _ => None,
        };
        all.iter().find_map(cost)
    };
    assert_eq!(micros(&rig.run(&cost(0.5)).await), Some(500_000));
    assert_eq!(micros(&rig.run(&cost(0.75)).await), Some(250_000));
}

#[tokio::test]
async fn attachments_go_over_as_the_agent_takes_them() {
    let mut rig = Rig::open().await;
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
    let turn = rig.prompt_with("say look", attached).await;
    let all = rig.rest(&turn).await;
    assert_eq!(said(&all), "look[image][resource][resource_link]");
}

#[tokio::test]
async fn many_words_come_in_their_order() {
    let mut rig = Rig::open().await;
    let told = rig.says("flood 20000").await;
    let expected: String = (0..20_000).map(|number| format!("tok{number} ")).collect();
    assert!(told == expected, "{} bytes instead of {}", told.len(), expected.len());
}

#[tokio::test]
async fn commands_are_told_when_they_are_new() {
    let mut rig = setup(&["--load"]).open().await;
    let commands = |name: &str| {
        format!(
            r#"update {{"sessionUpdate": "available_commands_update", "availableCommands": [{{"name": "{name}"}}]}}"#
        )
    };
    let told = |all: &[Happening]| all.iter().filter(|one| matches!(one, Happening::Raw { .. })).count();
    assert_eq!(told(&rig.run(&commands("web")).await), 1);
    assert_eq!(told(&rig.run(&commands("web")).await), 0);
    let mut rig = rig.reopen().await;
    assert_eq!(told(&rig.run(&commands("web")).await), 0);
    assert_eq!(told(&rig.run(&commands("plan")).await), 1);
}
