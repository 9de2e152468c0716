//! Requests and their answers: with gateways that repeat a request's id, and with those that do not.
#![cfg(feature = "client")]

mod scripted;

use std::future::Future;
use std::time::Duration;

use rejoin_diminuendo::client::event::{MemberRole, SessionList};
use rejoin_diminuendo::client::{Client, ClientOptions, Decision, Error, Event, Managed, MemberAction};
use rejoin_diminuendo::wire::{Code, FileKind, HistoryRole, Role, SessionStatus};
use scripted::{Peer, connected, connected_with, error, meta, snapshot};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::Instant;

fn asking<T, F>(client: &Client, ask: impl FnOnce(Client) -> F) -> JoinHandle<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    tokio::spawn(ask(client.clone()))
}

/// Asks, answers, and returns the message and what came of it.
async fn asked<T, F>(
    client: &Client,
    peer: &mut Peer,
    answer: Value,
    ask: impl FnOnce(Client) -> F,
) -> (Value, Result<T, Error>)
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    let asking = asking(client, ask);
    let mut message = peer.hears().await;
    peer.answers(&message, answer).await;
    let id = message.as_object_mut().and_then(|fields| fields.remove("requestId"));
    assert!(id.is_some_and(|id| id.as_str().is_some_and(|id| id.len() <= 64)));
    (message, asking.await.unwrap())
}

fn told(name: &str, mut session: Value) -> Value {
    session["status"] = "ready".into();
    json!({ "type": name, "session": session })
}

#[tokio::test(start_paused = true)]
async fn sessions_are_listed_created_and_changed() {
    let (client, _gateway, mut peer) = connected().await;
    let list = json!({ "type": "session_list", "sessions": [meta("s-1"), meta("s-2")] });
    let (sent, sessions) = asked(&client, &mut peer, list.clone(), async |c| c.list_sessions(false).await).await;
    assert_eq!(sent, json!({ "type": "list_sessions" }));
    let sessions = sessions.unwrap();
    assert_eq!((sessions.len(), &sessions[0].status), (2, &SessionStatus::Inactive));
    let (sent, _) = asked(&client, &mut peer, list, async |c| c.list_sessions(true).await).await;
    assert_eq!(sent, json!({ "type": "list_sessions", "includeArchived": true }));

    let answer = told("session_created", meta("s-3"));
    let create = async |c: Client| c.create_session("echo", Some("Smoke test")).await;
    let (sent, session) = asked(&client, &mut peer, answer, create).await;
    assert_eq!(sent, json!({ "type": "create_session", "agentType": "echo", "name": "Smoke test" }));
    assert_eq!(session.unwrap().id, "s-3");

    let answer = told("session_updated", meta("s-1"));
    let (sent, _) = asked(&client, &mut peer, answer.clone(), async |c| c.rename_session("s-1", "New").await).await;
    assert_eq!(sent, json!({ "type": "rename_session", "sessionId": "s-1", "name": "New" }));
    // Some gateways tell every change as one of these.
    let (sent, session) = asked(&client, &mut peer, answer, async |c| c.archive_session("s-1").await).await;
    assert_eq!(sent, json!({ "type": "archive_session", "sessionId": "s-1" }));
    assert_eq!(session.unwrap().status, SessionStatus::Ready);
    let answer = told("session_unarchived", meta("s-1"));
    let (sent, session) = asked(&client, &mut peer, answer, async |c| c.unarchive_session("s-1").await).await;
    assert_eq!(sent, json!({ "type": "unarchive_session", "sessionId": "s-1" }));
    session.unwrap();
    let answer = json!({ "type": "session_deleted", "sessionId": "s-1" });
    let (sent, outcome) = asked(&client, &mut peer, answer, async |c| c.delete_session("s-1").await).await;
    assert_eq!(sent, json!({ "type": "delete_session", "sessionId": "s-1" }));
    outcome.unwrap();
}

#[tokio::test(start_paused = true)]
async fn joining_tells_what_is_there() {
    let (client, _gateway, mut peer) = connected().await;
    let mut answer = snapshot("s-1", 9);
    answer["recentHistory"] =
        json!([{ "id": "m-1", "role": "user", "content": "hello", "createdAt": 5, "metadata": null }]);
    answer["activeTurn"] = json!({ "turnId": "t-1", "startedAt": 3, "textSoFar": "he" });
    let (sent, joined) = asked(&client, &mut peer, answer, async |c| c.join_session("s-1", Some(7)).await).await;
    assert_eq!(sent, json!({ "type": "join_session", "sessionId": "s-1", "afterSeq": 7 }));
    let joined = joined.unwrap();
    assert_eq!((joined.subscriber_count, joined.last_seq), (1, Some(9)));
    assert_eq!(joined.recent_history[0].role, HistoryRole::User);
    assert_eq!(joined.active_turn.unwrap().text_so_far, "he");
    let refused = asked(&client, &mut peer, error("SESSION_NOT_FOUND", "Session does not exist"), async |c| {
        c.join_session("nonexistent-id", None).await
    });
    let (sent, refused) = refused.await;
    assert_eq!(sent, json!({ "type": "join_session", "sessionId": "nonexistent-id" }));
    let refused = refused.unwrap_err();
    assert_eq!(refused.to_string(), "SESSION_NOT_FOUND: Session does not exist");
    assert!(refused.is(Code::SessionNotFound));
}

#[tokio::test(start_paused = true)]
async fn what_has_no_answer_is_sent_as_the_protocol_says() {
    let (client, _gateway, mut peer) = connected().await;
    let turn = client.run_turn("s", "Add tests", Some("client-turn-123")).unwrap();
    assert_eq!(turn, "client-turn-123");
    let minted = client.run_turn("s", "And docs", None).unwrap();
    client.stop_turn("s").unwrap();
    client.steer("s", "Focus").unwrap();
    client.answer_question("s", "q-1", [("preferred_language", "TypeScript")], false).unwrap();
    client.dismiss_question("s", "q-2").unwrap();
    client.answer_permission("s", "p-1", Decision::AllowAlways).unwrap();
    client.leave_session("s").unwrap();
    for expected in [
        json!({ "type": "run_turn", "sessionId": "s", "text": "Add tests", "clientTurnId": "client-turn-123" }),
        json!({ "type": "run_turn", "sessionId": "s", "text": "And docs", "clientTurnId": minted }),
        json!({ "type": "stop_turn", "sessionId": "s" }),
        json!({ "type": "steer", "sessionId": "s", "content": "Focus" }),
        json!({
            "type": "answer_question", "sessionId": "s", "requestId": "q-1",
            "answers": { "preferred_language": "TypeScript" },
        }),
        json!({ "type": "answer_question", "sessionId": "s", "requestId": "q-2", "answers": {}, "dismissed": true }),
        json!({
            "type": "answer_question", "sessionId": "s", "requestId": "p-1", "answers": { "decision": "allow_always" },
        }),
        json!({ "type": "leave_session", "sessionId": "s" }),
    ] {
        let mut sent = peer.hears().await;
        let field = if sent["type"] == "answer_question" { "clientRequestId" } else { "requestId" };
        sent.as_object_mut().unwrap().remove(field).expect("every message can be named");
        assert_eq!(sent, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn without_request_ids_nothing_is_added() {
    let (client, _gateway, mut peer) = connected_with(|options| ClientOptions { request_ids: false, ..options }).await;
    client.stop_turn("s").unwrap();
    assert_eq!(peer.hears().await, json!({ "type": "stop_turn", "sessionId": "s" }));
}

#[tokio::test(start_paused = true)]
async fn history_events_and_files_are_read() {
    let (client, _gateway, mut peer) = connected().await;
    let item = json!({ "id": "m", "role": "oracle", "content": "hm", "createdAt": 1, "metadata": { "seq": 3 } });
    let answer = json!({ "type": "history", "sessionId": "s", "items": [item], "hasMore": true, "nextAfterSeq": 3 });
    let (sent, page) = asked(&client, &mut peer, answer, async |c| c.history_page("s", 0, 50).await).await;
    assert_eq!(sent, json!({ "type": "get_history", "sessionId": "s", "afterSeq": 0, "limit": 50 }));
    let page = page.unwrap();
    assert_eq!((page.has_more, page.next_after_seq, page.items[0].role), (true, Some(3), HistoryRole::Other));

    let events = json!([
        { "type": "turn_started", "sessionId": "s", "turnId": "t", "seq": 1, "ts": 5 },
        { "type": "future.thing", "sessionId": "s", "seq": 2, "ts": 5 },
    ]);
    let answer = json!({ "type": "events", "sessionId": "s", "events": events, "hasMore": false, "lastSeq": 2 });
    let (sent, events) = asked(&client, &mut peer, answer, async |c| c.get_events("s", 0, 200).await).await;
    assert_eq!(sent, json!({ "type": "get_events", "sessionId": "s", "afterSeq": 0, "limit": 200 }));
    let events = events.unwrap();
    assert_eq!(events.iter().map(Event::name).collect::<Vec<_>>(), ["turn_started", "future_thing"]);
    assert_eq!((events[0].turn_id(), events[1].seq(), events[1].session_id()), (Some("t"), Some(2), Some("s")));

    let entry = |name: &str, kind: &str| json!({ "path": name, "name": name, "type": kind, "size": 3 });
    let files = json!([entry("a", "file"), entry("b", "directory"), entry("c", "symlink")]);
    let answer = json!({ "type": "file_list", "sessionId": "s", "path": "src", "files": files });
    let list = async |c: Client| c.list_files("s", Some("src/"), Some(2)).await;
    let (sent, files) = asked(&client, &mut peer, answer, list).await;
    assert_eq!(sent, json!({ "type": "list_files", "sessionId": "s", "path": "src/", "depth": 2 }));
    let kinds: Vec<_> = files.unwrap().iter().map(|file| file.kind).collect();
    assert_eq!(kinds, [FileKind::File, FileKind::Directory, FileKind::Other]);

    let content = json!({
        "type": "file_content", "sessionId": "s", "path": "src/main.ts", "content": "x", "encoding": "utf-8", "size": 1,
    });
    let (sent, file) =
        asked(&client, &mut peer, content.clone(), async |c| c.read_file("s", "src/main.ts").await).await;
    assert_eq!(sent, json!({ "type": "read_file", "sessionId": "s", "path": "src/main.ts" }));
    let file = file.unwrap();
    assert_eq!((file.content.as_str(), file.encoding.as_str()), ("x", "utf-8"));
    let mut old = content;
    old["iteration"] = 3.into();
    let (sent, file) = asked(&client, &mut peer, old, async |c| c.file_at_iteration("s", "src/main.ts", 3).await).await;
    assert_eq!(sent, json!({ "type": "file_at_iteration", "sessionId": "s", "path": "src/main.ts", "iteration": 3 }));
    assert_eq!(file.unwrap().iteration, Some(3));

    let history = json!([{ "iteration": 1, "timestamp": 5, "size": 1, "hash": "h" }]);
    let answer = json!({ "type": "file_history_result", "sessionId": "s", "path": "src/main.ts", "history": history });
    let (sent, history) = asked(&client, &mut peer, answer, async |c| c.file_history("s", "src/main.ts").await).await;
    assert_eq!(sent, json!({ "type": "file_history", "sessionId": "s", "path": "src/main.ts" }));
    assert_eq!(history.unwrap()[0].hash, "h");
}

#[tokio::test(start_paused = true)]
async fn members_are_managed_also_in_roles_that_we_do_not_know() {
    let (client, _gateway, mut peer) = connected().await;
    let member = |role: &str| json!({ "userId": "u", "email": "u@example.org", "role": role });
    let answer = json!({ "type": "member_list", "members": [member("owner"), member("auditor")] });
    let (sent, members) = asked(&client, &mut peer, answer, async |c| c.list_members().await).await;
    assert_eq!(sent, json!({ "type": "manage_members", "action": "list" }));
    let roles: Vec<_> = members.unwrap().into_iter().map(|member| member.role).collect();
    assert_eq!(roles, [MemberRole::Known(Role::Owner), MemberRole::Other("auditor".to_owned())]);

    let answer = json!({ "type": "member_updated", "member": member("admin") });
    let (sent, member) = asked(&client, &mut peer, answer, async |c| c.set_role("u", Role::Admin).await).await;
    assert_eq!(sent, json!({ "type": "manage_members", "action": "set_role", "userId": "u", "role": "admin" }));
    assert_eq!(member.unwrap().role, MemberRole::Known(Role::Admin));

    let answer = json!({ "type": "member_removed", "userId": "u" });
    let remove = async |c: Client| c.manage_members(MemberAction::Remove { user: "u".to_owned() }).await;
    let (sent, managed) = asked(&client, &mut peer, answer, remove).await;
    assert_eq!(sent, json!({ "type": "manage_members", "action": "remove", "userId": "u" }));
    assert_eq!(managed.unwrap(), Managed::Removed { user: "u".to_owned() });
}

#[tokio::test(start_paused = true)]
async fn a_ping_says_how_long_it_took() {
    let (client, _gateway, mut peer) = connected().await;
    let asking = asking(&client, async |c| c.ping().await);
    let ping = peer.hears_a("ping").await;
    assert!(ping["ts"].is_u64());
    tokio::time::sleep(Duration::from_millis(7)).await;
    peer.says(json!({ "type": "pong", "ts": 1, "clientTs": ping["ts"] })).await;
    assert_eq!(asking.await.unwrap().unwrap().as_millis(), 7);
}

#[tokio::test(start_paused = true)]
async fn diminuendo_82_a_request_without_an_answer_is_given_up_after_10_s() {
    let (client, _gateway, mut peer) = connected().await;
    let begun = Instant::now();
    let (outcome, _) = tokio::join!(client.join_session("s", None), peer.hears_a("join_session"));
    assert_eq!(outcome.unwrap_err().to_string(), "Request timeout for join_session");
    assert_eq!(begun.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn diminuendo_87_requests_at_once_are_each_answered_and_an_error_is_for_one_of_them() {
    let (client, _gateway, mut peer) = connected().await;
    let first = asking(&client, async |c| c.list_sessions(false).await);
    peer.hears_a("list_sessions").await;
    let second = asking(&client, async |c| c.list_sessions(false).await);
    peer.hears_a("list_sessions").await;
    peer.says(json!({ "type": "session_list", "sessions": [meta("one")] })).await;
    peer.says(json!({ "type": "session_list", "sessions": [meta("two")] })).await;
    assert_eq!(first.await.unwrap().unwrap()[0].id, "one");
    assert_eq!(second.await.unwrap().unwrap()[0].id, "two");

    let first = asking(&client, async |c| c.list_sessions(false).await);
    peer.hears_a("list_sessions").await;
    let second = asking(&client, async |c| c.join_session("s", None).await);
    peer.hears_a("join_session").await;
    peer.says(error("FORBIDDEN", "not for you")).await;
    peer.says(snapshot("s", 0)).await;
    assert!(first.await.unwrap().unwrap_err().is(Code::Forbidden));
    second.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn answers_of_one_kind_are_told_apart_by_session_and_path() {
    let (client, _gateway, mut peer) = connected().await;
    let one = asking(&client, async |c| c.read_file("s", "src/one").await);
    peer.hears_a("read_file").await;
    let two = asking(&client, async |c| c.read_file("s", "./src/two").await);
    peer.hears_a("read_file").await;
    let other = asking(&client, async |c| c.read_file("t", "src/one").await);
    peer.hears_a("read_file").await;
    for (session, path, content) in [("t", "src/one", "3"), ("s", "src/two", "2"), ("s", "src/one", "1")] {
        let file = json!({
            "type": "file_content", "sessionId": session, "path": path, "content": content, "encoding": "utf-8",
        });
        peer.says(file).await;
    }
    assert_eq!(one.await.unwrap().unwrap().content, "1");
    assert_eq!(two.await.unwrap().unwrap().content, "2");
    assert_eq!(other.await.unwrap().unwrap().content, "3");
}

#[tokio::test(start_paused = true)]
async fn diminuendo_88_a_late_answer_is_not_taken_for_that_of_a_newer_request() {
    let (client, _gateway, mut peer) = connected().await;
    let (late, _) = tokio::join!(client.list_sessions(false), peer.hears_a("list_sessions"));
    assert!(matches!(late, Err(Error::Timeout("list_sessions"))));
    let mut events = client.events();
    let newer = asking(&client, async |c| c.list_sessions(false).await);
    peer.hears_a("list_sessions").await;
    peer.says(json!({ "type": "session_list", "sessions": [meta("late")] })).await;
    peer.says(json!({ "type": "session_list", "sessions": [meta("newer")] })).await;
    assert_eq!(newer.await.unwrap().unwrap()[0].id, "newer");
    // Whoever listens hears both.
    for id in ["late", "newer"] {
        let Some(Event::SessionList(SessionList { sessions })) = events.next().await else { panic!("no list") };
        assert_eq!(sessions[0].id, id);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_nobody_waits_for_any_more_takes_its_own_answer_with_it() {
    let (client, _gateway, mut peer) = connected().await;
    let dropped = asking(&client, async |c| c.list_sessions(false).await);
    peer.hears_a("list_sessions").await;
    dropped.abort();
    assert!(dropped.await.unwrap_err().is_cancelled());
    let newer = asking(&client, async |c| c.list_sessions(true).await);
    peer.hears_a("list_sessions").await;
    peer.says(json!({ "type": "session_list", "sessions": [meta("dropped")] })).await;
    peer.says(json!({ "type": "session_list", "sessions": [meta("newer")] })).await;
    assert_eq!(newer.await.unwrap().unwrap()[0].id, "newer");
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_repeats_ids_may_answer_in_any_order_and_after_any_news() {
    let (client, _gateway, mut peer) = connected().await;
    let ping = asking(&client, async |c| c.ping().await);
    let asked = peer.hears_a("ping").await;
    peer.answers(&asked, json!({ "type": "pong", "ts": 1 })).await;
    ping.await.unwrap().unwrap();

    let one = asking(&client, async |c| c.create_session("echo", Some("one")).await);
    let first = peer.hears_a("create_session").await;
    let two = asking(&client, async |c| c.create_session("echo", Some("two")).await);
    let second = peer.hears_a("create_session").await;
    // Somebody else creates one too.
    peer.says(json!({ "type": "session_created", "session": meta("theirs") })).await;
    peer.answers(&second, json!({ "type": "session_created", "session": meta("two") })).await;
    peer.answers(&first, error("UNKNOWN_AGENT_TYPE", "no such agent")).await;
    assert_eq!(two.await.unwrap().unwrap().id, "two");
    assert!(one.await.unwrap().unwrap_err().is(Code::UnknownAgentType));
}

#[tokio::test(start_paused = true)]
async fn an_error_about_a_message_without_an_answer_fails_no_request() {
    let (client, _gateway, mut peer) = connected().await;
    let mut events = client.events();
    let list = asking(&client, async |c| c.list_sessions(false).await);
    let asked = peer.hears_a("list_sessions").await;
    client.run_turn("s", "hello", Some("mine")).unwrap();
    let turn = peer.hears_a("run_turn").await;
    client.answer_question("s", "q-1", [("answer", "yes")], false).unwrap();
    let answer = peer.hears_a("answer_question").await;
    peer.answers(&turn, error("TURN_IN_PROGRESS", "busy")).await;
    peer.answers(&answer, error("QUESTION_NOT_FOUND", "nobody asked")).await;
    peer.answers(&asked, json!({ "type": "session_list", "sessions": [] })).await;
    list.await.unwrap().unwrap();
    let Some(Event::Error(refused)) = events.next().await else { panic!("no error") };
    let about = refused.about.expect("it is said which message it was");
    assert_eq!((about.message, about.client_turn_id.as_deref()), ("run_turn", Some("mine")));
    let Some(Event::Error(refused)) = events.next().await else { panic!("no error") };
    assert_eq!(refused.about.unwrap().message, "answer_question");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_read_is_an_error_and_not_a_silence() {
    let (client, _gateway, mut peer) = connected().await;
    let answer = json!({ "type": "session_list", "sessions": "none" });
    let (_, outcome) = asked(&client, &mut peer, answer, async |c| c.list_sessions(false).await).await;
    assert_eq!(outcome.unwrap_err().to_string(), "list_sessions: the answer cannot be read");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_no_gateway_would_take_is_not_sent() {
    let (client, _gateway, mut peer) = connected().await;
    let refused = client.run_turn("s", &"x".repeat(1 << 20), None).unwrap_err();
    assert!(refused.is(Code::MessageTooLarge));
    client.run_turn("s", &"x".repeat((1 << 20) - 300), None).unwrap();
    assert_eq!(peer.hears_a("run_turn").await["text"].as_str().unwrap().len(), (1 << 20) - 300);
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_bounded_and_says_so() {
    let (client, _gateway, peer) = connected().await;
    drop(peer);
    let mut taken = 0;
    let full = loop {
        match client.steer("s", "on") {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((taken, full.to_string().as_str()), (256, "256 messages wait already"));
}
