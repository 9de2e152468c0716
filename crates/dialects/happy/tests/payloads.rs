//! What is inside the seals, byte for byte as others write it.

use rejoin_happy::payload::{
    AcpMessage, AgentContent, AgentMessage, AgentState, Completed, DaemonState, Envelope, Ev, MachineMetadata, Message,
    Meta, Metadata, PermissionAnswer, PermissionMode, RequestStatus, SessionEvent, SessionMessage, Setting, Spawned,
    ToolRequest, Usage, UserMessage,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Reads it and writes it again: nothing is lost and nothing added.
#[track_caller]
fn same<T: Serialize + DeserializeOwned>(text: Value) -> T {
    let read: T = serde_json::from_value(text.clone()).expect("it can be read");
    assert_eq!(serde_json::to_value(&read).unwrap(), text);
    read
}

#[test]
fn messages_of_people_are_told_from_all_others() {
    let message: Message = same(json!({
        "role": "user", "content": { "type": "text", "text": "run the tests" }, "localKey": "k",
        "meta": {
            "sentFrom": "web", "permissionMode": "acceptEdits", "model": null, "allowedTools": ["Bash"], "effort": "high",
        },
    }));
    let Message::User(message) = message else { panic!("a person says it") };
    let meta = message.meta.as_ref().unwrap();
    assert_eq!((&meta.model, &meta.fallback_model), (&Setting::Reset, &Setting::Unchanged));
    assert_eq!(meta.permission_mode, Some(PermissionMode::AcceptEdits));
    for other in [
        json!({ "role": "user", "content": { "type": "image", "url": "x" } }),
        json!({ "role": "user", "content": "text" }),
        json!({ "role": "somebody", "content": { "type": "text", "text": "x" } }),
        json!({ "content": { "type": "text", "text": "x" } }),
        json!("text"),
        json!(null),
    ] {
        assert_eq!(Message::read(other.clone()), Message::Other(other));
    }
    // A mode of a later day is a mode.
    let later = json!({
        "role": "user", "content": { "type": "text", "text": "x" }, "meta": { "permissionMode": "later" },
    });
    assert!(matches!(Message::read(later), Message::User(_)));
}

#[test]
fn every_message_of_an_agent_is_written_as_it_was_read() {
    for data in [
        json!({ "type": "message", "message": "m" }),
        json!({ "type": "reasoning", "message": "m" }),
        json!({ "type": "thinking", "text": "t" }),
        json!({ "type": "tool-call", "callId": "c", "name": "Bash", "input": { "command": "ls" }, "id": "i" }),
        json!({ "type": "tool-result", "callId": "c", "output": [1], "id": "i", "isError": true }),
        json!({ "type": "tool-call-result", "callId": "c", "output": "o", "id": "i" }),
        json!({ "type": "file-edit", "description": "d", "filePath": "/f", "diff": "-", "id": "i" }),
        json!({ "type": "terminal-output", "data": "d", "callId": "c" }),
        json!({ "type": "task_started", "id": "i" }),
        json!({ "type": "task_complete", "id": "i" }),
        json!({ "type": "turn_aborted", "id": "i" }),
        json!({ "type": "permission-request", "permissionId": "p", "toolName": "t", "description": "d", "options": {} }),
        json!({ "type": "token_count", "info": { "total": 3 }, "rateLimits": null }),
    ] {
        let read: AcpMessage = same(data.clone());
        assert!(!matches!(read, AcpMessage::Other(_)), "{data}");
        let whole = json!({
            "role": "agent", "content": { "type": "acp", "provider": "gemini", "data": data }, "meta": { "sentFrom": "cli" },
        });
        let read: Message = same(whole);
        assert!(matches!(read, Message::Agent(AgentMessage { content: AgentContent::Acp { .. }, .. })));
    }
    let other: AcpMessage = same(json!({ "type": "later", "x": 1 }));
    assert!(matches!(other, AcpMessage::Other(_)));
    let named_after_the_agent: Message =
        same(json!({ "role": "agent", "content": { "type": "gemini", "data": { "x": 1 } } }));
    let Message::Agent(message) = named_after_the_agent else { panic!("an agent says it") };
    assert!(matches!(message.content, AgentContent::Other(_)));
    let codex =
        json!({ "role": "agent", "content": { "type": "codex", "data": { "type": "message", "message": "m" } } });
    assert!(matches!(same(codex), Message::Agent(AgentMessage { content: AgentContent::Codex { .. }, .. })));
}

#[test]
fn every_event_of_a_session_is_written_as_it_was_read() {
    for (data, known) in [
        (json!({ "type": "switch", "mode": "local" }), true),
        (json!({ "type": "message", "message": "m" }), true),
        (json!({ "type": "permission-mode-changed", "mode": "plan" }), true),
        (json!({ "type": "ready" }), true),
        (json!({ "type": "limit-reached", "endsAt": 5 }), true),
        (json!({ "type": "later", "x": 1 }), false),
    ] {
        let read: SessionEvent = same(data.clone());
        assert_eq!(!matches!(read, SessionEvent::Other(_)), known, "{data}");
        let _: Message = same(json!({ "role": "agent", "content": { "type": "event", "id": "e", "data": data } }));
    }
}

#[test]
fn envelopes_are_read_in_either_wrapper_and_written_in_the_one_of_command_lines() {
    let envelope = json!({
        "id": "abc", "time": 1_795_191_629_991_u64, "role": "agent", "turn": "t1", "subagent": "cabc",
        "usage": { "input_tokens": 1, "output_tokens": 2 }, "ev": { "t": "text", "text": "hi", "thinking": true },
    });
    let direct = json!({ "role": "session", "content": envelope, "meta": { "sentFrom": "cli" } });
    let wrapped = json!({
        "role": "session", "content": { "type": "session", "data": envelope }, "meta": { "sentFrom": "cli" },
    });
    let read: Message = same(direct.clone());
    assert_eq!(Message::read(wrapped), read);
    let Message::Session(message) = read else { panic!("it is an envelope") };
    let SessionMessage { content: Envelope { ev, .. }, .. } = *message;
    assert!(matches!(ev, Ev::Text { thinking: Some(true), .. }));
    for (ev, known) in [
        (json!({ "t": "service", "text": "s" }), true),
        (
            json!({ "t": "tool-call-start", "call": "c", "name": "n", "title": "t", "description": "d", "args": { "x": 1 } }),
            true,
        ),
        (json!({ "t": "tool-call-end", "call": "c" }), true),
        (
            json!({ "t": "file", "ref": "r", "name": "n", "size": 3, "mimeType": "image/png", "image": { "width": 1, "height": 2 } }),
            true,
        ),
        (json!({ "t": "turn-start" }), true),
        (json!({ "t": "turn-end", "status": "cancelled" }), true),
        (json!({ "t": "start", "title": "sub" }), true),
        (json!({ "t": "stop" }), true),
        (json!({ "t": "later" }), false),
    ] {
        let read: Ev = same(ev.clone());
        assert_eq!(!matches!(read, Ev::Other(_)), known, "{ev}");
    }
}

#[test]
fn what_is_not_known_of_metadata_and_states_is_kept() {
    let metadata: Metadata = same(json!({
        "path": "/work", "host": "laptop", "homeDir": "/home", "happyHomeDir": "/h", "happyLibDir": "/l",
        "happyToolsDir": "/t", "summary": { "text": "s", "updatedAt": 4, "by": "x" }, "tools": ["Bash"],
        "mcpServers": [{ "name": "m", "status": "connected" }], "lifecycleState": "archived", "flavor": "claude",
        "models": [{ "code": "c", "value": "v" }], "sandbox": null, "rigMetadataVersion": 1, "activity": { "x": [1, 2.5] },
        "permissionMode": "yolo", "hostPid": 77,
    }));
    assert!(metadata.is_ending());
    assert_eq!(metadata.permission_mode, Some(PermissionMode::Yolo));
    let state: AgentState = same(json!({
        "controlledByUser": false,
        "requests": { "r": { "tool": "Bash", "arguments": { "command": "ls" }, "createdAt": 1, "later": true } },
        "completedRequests": { "d": {
            "tool": "Bash", "arguments": {}, "createdAt": 1, "completedAt": 2, "status": "approved", "reason": "ok",
            "mode": "default", "decision": "approved_for_session", "allowTools": ["Bash(ls)"], "allowedTools": ["Bash(ls)"],
        } },
        "usageLimits": { "capturedAt": 1, "windows": [] }, "communications": { "c": { "kind": "form" } },
    }));
    assert_eq!(state.requests.unwrap()["r"].tool, "Bash");
    let machine: MachineMetadata = same(json!({
        "host": "h", "platform": "linux", "happyCliVersion": "1", "homeDir": "/", "happyHomeDir": "/h", "happyLibDir": "/l",
        "cliAvailability": { "claude": true, "detectedAt": 1 }, "later": [1],
    }));
    assert_eq!(machine.platform, "linux");
    let _: DaemonState = same(json!({ "status": "shutting-down", "pid": 3, "shutdownSource": "cli", "later": 1 }));
}

#[test]
fn an_ask_goes_from_waiting_to_completed() {
    let mut state = AgentState::default();
    state.ask("a", ToolRequest::new("Bash", json!({ "command": "ls" }), 1));
    state.ask("b", ToolRequest::new("Edit", json!({}), 2));
    assert!(!state.complete("other", RequestStatus::Approved, 3, |_| {}));
    assert!(state.complete("a", RequestStatus::Approved, 3, |completed| completed.reason = Some("fine".into())));
    state.cancel_all("restart", 4);
    let written = serde_json::to_value(&state).unwrap();
    let wanted = json!({
        "requests": {},
        "completedRequests": {
            "a": { "tool": "Bash", "arguments": { "command": "ls" }, "createdAt": 1, "completedAt": 3,
                   "status": "approved", "reason": "fine" },
            "b": { "tool": "Edit", "arguments": {}, "createdAt": 2, "completedAt": 4, "status": "canceled",
                   "reason": "restart" },
        },
    });
    assert_eq!(written, wanted);
    let _: Completed = same(written["completedRequests"]["a"].clone());
}

#[test]
fn answers_and_spawns_have_the_forms_that_command_lines_know() {
    let answer = PermissionAnswer::approve("id");
    assert_eq!(serde_json::to_value(&answer).unwrap(), json!({ "id": "id", "approved": true }));
    let denied = serde_json::to_value(PermissionAnswer::deny("id", Some("no"))).unwrap();
    assert_eq!(denied, json!({ "id": "id", "approved": false, "reason": "no" }));
    let _: Spawned = same(json!({ "type": "success", "sessionId": "s" }));
    let _: Spawned = same(json!({ "type": "requestToApproveDirectoryCreation", "directory": "/new" }));
    let meta = Meta { effort: Setting::To("low".into()), ..Meta::sent_from("cli") };
    let said = Message::from(UserMessage::new("x").with_meta(meta));
    let written = json!({
        "role": "user", "content": { "type": "text", "text": "x" }, "meta": { "sentFrom": "cli", "effort": "low" },
    });
    assert_eq!(serde_json::to_value(&said).unwrap(), written);
    let usage: Usage = same(json!({ "input_tokens": 1, "output_tokens": 2, "cache_read_input_tokens": 3 }));
    assert_eq!(rejoin_happy::payload::Tokens::from(&usage).total, 6);
}
