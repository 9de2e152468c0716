//! What a session client does on a good day: everything that the original's does.

use rejoin_happy::client::{Status, UserText};
use rejoin_happy::payload::{
    AcpMessage, AcpProvider, Drive, Envelope, Ev, PermissionMode, SessionEvent, TurnStatus, Usage, cuid2,
};
use serde_json::json;

use super::standin::Standin;

#[tokio::test]
async fn a_session_says_everything_in_order() {
    let standin = Standin::start().await;
    let (session, client) = standin.session().await;
    let typed = json!({ "type": "user", "uuid": "u", "message": { "role": "user", "content": "hi" } });
    let answer = json!({ "type": "assistant", "uuid": "a", "message": { "role": "assistant", "content": [] } });
    client.send_claude_session_message(typed).unwrap();
    client.send_claude_session_message(answer.clone()).unwrap();
    client.send_codex_message(json!({ "type": "message", "message": "m" })).unwrap();
    let thinking = AcpMessage::Thinking { text: "hm".into() };
    client.send_agent_message(AcpProvider::Gemini, thinking).unwrap();
    client.send_session_event(SessionEvent::Ready, Some("e1")).unwrap();
    let mode = SessionEvent::PermissionModeChanged { mode: PermissionMode::AcceptEdits };
    client.send_session_event(mode, None).unwrap();
    let turn = cuid2();
    client.send_envelope(Envelope::agent(&turn, 5, Ev::TurnStart)).unwrap();
    let ended = Ev::TurnEnd { status: TurnStatus::Completed };
    let last = client.send_envelope(Envelope::agent(&turn, 6, ended)).unwrap().await.unwrap();
    assert_eq!(last.seq, 8);

    let cli = json!({ "sentFrom": "cli" });
    let said = standin.said(&session);
    assert_eq!(said[0], json!({ "role": "user", "content": { "type": "text", "text": "hi" }, "meta": cli }));
    assert_eq!(said[1], json!({ "role": "agent", "content": { "type": "output", "data": answer }, "meta": cli }));
    let codex = json!({ "type": "codex", "data": { "type": "message", "message": "m" } });
    assert_eq!(said[2], json!({ "role": "agent", "content": codex, "meta": cli }));
    let acp = json!({ "type": "acp", "provider": "gemini", "data": { "type": "thinking", "text": "hm" } });
    assert_eq!(said[3], json!({ "role": "agent", "content": acp, "meta": cli }));
    let ready = json!({ "type": "event", "id": "e1", "data": { "type": "ready" } });
    assert_eq!(said[4], json!({ "role": "agent", "content": ready }));
    let mode = json!({ "type": "permission-mode-changed", "mode": "acceptEdits" });
    assert_eq!(said[5]["content"]["data"], mode);
    assert_eq!(said[6]["role"], "session");
    assert_eq!(said[6]["content"]["ev"], json!({ "t": "turn-start" }));
    assert_eq!(said[6]["content"]["turn"], turn);
    assert_eq!(said[7]["content"]["ev"], json!({ "t": "turn-end", "status": "completed" }));
}

#[tokio::test]
async fn usage_adds_up_and_a_summary_goes_into_the_metadata() {
    let standin = Standin::start().await;
    let (session, client) = standin.session().await;
    let usage = json!({ "input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 3 });
    let answer = json!({ "type": "assistant", "message": { "role": "assistant", "content": [], "usage": usage } });
    client.send_claude_session_message(answer).unwrap();
    client.flush().await.unwrap();
    let report = standin.hears("usage-report").await;
    let tokens = json!({ "total": 18, "input": 10, "output": 5, "cache_creation": 0, "cache_read": 3 });
    assert_eq!(report["tokens"], tokens);
    assert_eq!((&report["key"], &report["sessionId"]), (&json!("claude-session"), &json!(session.id())));

    client.send_usage_data(&Usage { input_tokens: 1, output_tokens: 1, ..Usage::default() });
    client.flush().await.unwrap();
    assert_eq!(standin.hears("usage-report").await["tokens"]["total"], 20);

    let summary = json!({ "type": "summary", "summary": "Fix the login", "leafUuid": "l" });
    client.send_claude_session_message(summary).unwrap();
    let mut changes = client.metadata_changes();
    changes.wait_for(|count| *count > 0).await.unwrap();
    assert_eq!(client.metadata().unwrap().summary.unwrap().text, "Fix the login");
}

#[tokio::test]
async fn a_session_says_that_it_is_there_and_when_it_is_over() {
    let standin = Standin::start().await;
    let (session, client) = standin.session().await;
    client.keep_alive(true, Drive::Remote);
    let alive = standin.hears("session-alive").await;
    assert_eq!(
        (&alive["sid"], &alive["thinking"], &alive["mode"]),
        (&json!(session.id()), &json!(true), &json!("remote"))
    );
    assert!(alive["time"].as_u64().unwrap() > 1_700_000_000_000);

    client.keep_alive(false, Drive::Local);
    client.send_session_death();
    client.keep_alive(true, Drive::Local);
    client.flush().await.unwrap();
    client.ping().await.unwrap();
    let end = standin.hears("session-end").await;
    assert_eq!(end["sid"], session.id());

    client.close();
    assert_eq!(client.status_changed(&Status::Connected).await, Status::Closed);
    standin.sees("that the socket is gone", |world| world.lines.is_empty().then_some(())).await;
}

#[tokio::test]
async fn people_are_heard_by_a_handler_and_by_a_stream() {
    let standin = Standin::start().await;
    let (session, client) = standin.session().await;
    standin.somebody_says(&session, "first");
    standin.somebody_says(&session, "second");
    let mut stream = client.user_messages();
    let UserText { seq, message } = stream.next().await.unwrap();
    assert_eq!((seq, message.text()), (1, "first"));
    assert_eq!(stream.next().await.unwrap().message.text(), "second");

    let (heard_in, mut heard) = tokio::sync::mpsc::channel(8);
    client.on_user_message(move |message| heard_in.try_send(message.text().to_owned()).unwrap());
    standin.somebody_says(&session, "third");
    assert_eq!(heard.recv().await.unwrap(), "third");
    client.close();
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn a_server_at_the_root_is_spoken_to_in_the_plain_namespace() {
    let standin = Standin::start_with("", |_| {}).await;
    let (session, client) = standin.session().await;
    client.send_session_event(SessionEvent::Ready, None).unwrap().await.unwrap();
    standin.somebody_says(&session, "hello");
    assert_eq!(client.user_messages().next().await.unwrap().message.text(), "hello");
}

#[tokio::test]
async fn a_client_that_is_dropped_goes_away() {
    let standin = Standin::start().await;
    let (_, client) = standin.session().await;
    drop(client);
    standin.sees("that the socket is gone", |world| world.lines.is_empty().then_some(())).await;
}
