//! The complete example of the original's documentation, frame by frame as its SDK sends them.

use serde_json::json;

use crate::frames::{kind, text};
use crate::gateway::Gateway;
use crate::peer::Peer;

/// Runs the example with this prompt and gives back what it prints.
async fn example(gateway: &Gateway, prompt: &str) -> Vec<String> {
    let mut printed = Vec::new();
    let mut client: Peer = gateway.dial().await;
    // connect(): resolves on `authenticated`, or on a welcome that asks for nobody.
    let welcome = client.hears_a("welcome").await;
    assert_eq!(welcome["requiresAuth"], true);
    client.says(json!({ "type": "authenticate", "token": gateway.token("acme", "ada") })).await;
    let authenticated = client.hears_a("authenticated").await;
    printed.push(format!("Authenticated as {}", text(&authenticated["identity"], "email")));
    client.says(json!({ "type": "create_session", "agentType": "coding-agent", "name": "Bug Fix Session" })).await;
    let created = client.hears_a("session_created").await;
    let session = text(&created["session"], "id").to_owned();
    printed.push(format!("Created session: {}", created["session"]["name"]));
    client.says(json!({ "type": "join_session", "sessionId": session })).await;
    let snapshot = client.hears_a("state_snapshot").await;
    printed.push(format!("Session status: {}", text(&snapshot["session"], "status")));
    client.says(json!({ "type": "run_turn", "sessionId": session, "text": prompt })).await;
    loop {
        let event = client.hears().await;
        match kind(&event) {
            "turn_started" => printed.push(format!("Turn started: {}", !text(&event, "turnId").is_empty())),
            "text_delta" => printed.push(text(&event, "text").to_owned()),
            "tool_call" => printed.push(format!("Tool call: {}({})", text(&event, "toolName"), event["args"])),
            "tool_result" => printed.push(format!("Tool result [{}]: {}", text(&event, "status"), event["output"])),
            "turn_complete" => {
                printed.push("Turn complete.".to_owned());
                break;
            }
            "turn_error" => {
                printed.push(format!("Turn error: {}", text(&event, "message")));
                break;
            }
            _ => {}
        }
    }
    client.goes().await;
    printed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_92_the_originals_example_runs_to_its_end() {
    let gateway = Gateway::locked().await;
    let prompt = "Looking at it.\n!tool read {\"path\":\"src/auth.ts\"} => 12 lines\nFixed.";
    let printed = example(&gateway, prompt).await;
    let expected = [
        "Authenticated as ada@example.org",
        "Created session: \"Bug Fix Session\"",
        "Session status: inactive",
        "Turn started: true",
        "Looking at it.\n",
        "Tool call: read({\"path\":\"src/auth.ts\"})",
        "Tool result [success]: \"12 lines\"",
        "Fixed.",
        "Turn complete.",
    ];
    assert_eq!(printed, expected);
    // Its own prompt is words, and no script.
    let printed = example(&gateway, "Fix the authentication bug in src/auth.ts").await;
    assert_eq!(printed[4..], ["Fix the authentication bug in src/auth.ts", "Turn complete."]);
    let printed = example(&gateway, "!fail overloaded no luck").await;
    assert!(printed.last().unwrap().starts_with("Turn error: ") && printed.last().unwrap().contains("no luck"));
}
