//! Frames that are no messages, messages that are none of ours, too much of either, and what errors say.

use rejoin_core::happening::Happening;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::frames::{kind, list, of, one, shown, text};
use crate::gateway::{Gateway, Plan, files_below};
use crate::peer::Peer;
use crate::puppet::Puppet;

/// The largest message that is read.
const LARGEST: usize = 1_048_576;
/// How many messages one connection may send in [`WINDOW_MS`].
const MOST: u32 = 60;
const WINDOW_MS: u64 = 10_000;

/// The code of the error that one frame causes.
async fn code_of(peer: &mut Peer, message: Message) -> String {
    peer.sends(message).await;
    let error = peer.error().await;
    text(&error, "code").to_owned()
}

/// A ping of exactly this many bytes.
fn padded(bytes: usize) -> String {
    let bare = json!({ "type": "ping", "ts": 5, "pad": "" }).to_string();
    let pad = "x".repeat(bytes - bare.len());
    let frame = json!({ "type": "ping", "ts": 5, "pad": pad }).to_string();
    assert_eq!(frame.len(), bytes);
    frame
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_15_what_is_no_json_is_refused_and_the_next_message_works() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    for text in ["{not json", "", " ", "\0", "{\"type\":\"ping\"", "{\"type\":\"ping\"} x", "NaN", "{'type':'ping'}"] {
        assert_eq!(code_of(&mut peer, Message::text(text)).await, "INVALID_JSON", "{text:?}");
        peer.asks(json!({ "type": "ping" })).await;
    }
    let binary = Message::binary(json!({ "type": "ping" }).to_string());
    assert_eq!(code_of(&mut peer, binary).await, "INVALID_JSON");
    peer.asks(json!({ "type": "list_sessions" })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_16_json_that_is_none_of_our_messages_is_refused() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    let s = session.as_str();
    let mut others = Vec::new();
    for wrong in [
        json!({}),
        json!([]),
        json!("ping"),
        json!(17),
        json!(null),
        json!({ "type": 1 }),
        json!({ "type": null }),
        json!({ "type": "" }),
        json!({ "type": "no_such_message" }),
        json!({ "type": "create_automation", "name": "nightly" }),
        json!({ "type": "authenticate" }),
        json!({ "type": "authenticate", "token": 5 }),
        json!({ "type": "list_sessions", "includeArchived": "yes" }),
        json!({ "type": "create_session" }),
        json!({ "type": "create_session", "agentType": 7 }),
        json!({ "type": "create_session", "agentType": "" }),
        json!({ "type": "create_session", "agentType": "no blanks" }),
        json!({ "type": "create_session", "agentType": "x".repeat(101) }),
        json!({ "type": "create_session", "agentType": "echo", "name": 7 }),
        json!({ "type": "create_session", "agentType": "echo", "name": "x".repeat(201) }),
        json!({ "type": "rename_session", "sessionId": s }),
        json!({ "type": "rename_session", "name": "x" }),
        json!({ "type": "archive_session" }),
        json!({ "type": "unarchive_session", "sessionId": 5 }),
        json!({ "type": "delete_session", "sessionId": {} }),
        json!({ "type": "join_session" }),
        json!({ "type": "join_session", "sessionId": s, "afterSeq": "1" }),
        json!({ "type": "leave_session" }),
        json!({ "type": "run_turn", "sessionId": s }),
        json!({ "type": "run_turn", "sessionId": s, "text": ["x"] }),
        json!({ "type": "run_turn", "sessionId": s, "text": " \n\t" }),
        json!({ "type": "run_turn", "sessionId": s, "text": "x", "clientTurnId": "x".repeat(129) }),
        json!({ "type": "stop_turn" }),
        json!({ "type": "steer", "sessionId": s }),
        json!({ "type": "answer_question", "sessionId": s, "answers": {} }),
        json!({ "type": "answer_question", "sessionId": s, "requestId": "r", "answers": "yes" }),
        json!({ "type": "answer_question", "sessionId": s, "requestId": "r", "answers": { "answer": 1 } }),
        json!({ "type": "answer_question", "sessionId": s, "requestId": "r", "answers": {}, "dismissed": "no" }),
        json!({ "type": "get_history", "sessionId": s, "limit": "50" }),
        json!({ "type": "get_events", "sessionId": s, "afterSeq": [] }),
        json!({ "type": "list_files", "sessionId": s, "path": 5 }),
        json!({ "type": "list_files", "sessionId": s, "depth": "deep" }),
        json!({ "type": "read_file", "sessionId": s }),
        json!({ "type": "file_history", "sessionId": s, "path": null }),
        json!({ "type": "file_at_iteration", "sessionId": s, "path": "a.txt" }),
        json!({ "type": "file_at_iteration", "sessionId": s, "path": "a.txt", "iteration": "1" }),
        json!({ "type": "manage_members" }),
        json!({ "type": "manage_members", "action": "explode" }),
        json!({ "type": "manage_members", "action": "set_role", "userId": "bob" }),
        json!({ "type": "manage_members", "action": "remove" }),
    ] {
        let code = code_of(&mut peer, Message::text(wrong.to_string())).await;
        if code != "INVALID_MESSAGE" {
            others.push(format!("{code} for {wrong}"));
        }
    }
    assert!(others.is_empty(), "{others:#?}");
    assert_eq!(list(&peer.asks(json!({ "type": "list_sessions" })).await, "sessions").len(), 1, "none had an effect");
    assert!(peer.log_of(&session).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_17_a_message_of_a_megabyte_is_read_and_one_byte_more_is_not() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    peer.sends(Message::text(padded(LARGEST))).await;
    assert_eq!(peer.hears_a("pong").await["clientTs"], 5);
    assert_eq!(code_of(&mut peer, Message::text(padded(LARGEST + 1))).await, "MESSAGE_TOO_LARGE");
    // Not even looked at.
    assert_eq!(code_of(&mut peer, Message::text("{".repeat(LARGEST + 1))).await, "MESSAGE_TOO_LARGE");
    peer.asks(json!({ "type": "ping" })).await;
    // Nor does it matter who says it.
    let mut stranger = Gateway::locked().await.dial().await;
    assert_eq!(code_of(&mut stranger, Message::text(padded(LARGEST + 1))).await, "MESSAGE_TOO_LARGE");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_far_beyond_the_limit_ends_the_connection_and_no_other() {
    let gateway = Gateway::dev().await;
    let (mut other, mut peer) = (gateway.peer().await, gateway.peer().await);
    peer.tries(Message::text("x".repeat(3 * LARGEST))).await;
    let (_, code) = peer.closed().await;
    // Whoever is still sending when the other end has gone may never see why.
    assert!(matches!(code, Some(1009) | None), "{code:?}");
    other.settles().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_18_the_sixty_first_message_of_a_window_waits_until_it_slides() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let mut other = gateway.peer().await;
    peer.hurries();
    let ping = json!({ "type": "ping" });
    for _ in 0..MOST / 2 {
        peer.asks(ping.clone()).await;
    }
    gateway.clock.advance(WINDOW_MS / 2);
    for _ in 0..MOST / 2 {
        peer.asks(ping.clone()).await;
    }
    peer.says(ping.clone()).await;
    let error = peer.hears().await;
    assert_eq!((kind(&error), text(&error, "code")), ("error", "RATE_LIMITED"));
    other.settles().await; // each connection has its own window

    gateway.clock.advance(WINDOW_MS / 2 + 1);
    for _ in 0..MOST / 4 {
        peer.asks(ping.clone()).await; // the first half has left the window
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_19_unknown_fields_are_passed_over() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let more = json!({ "x": [1, { "y": null }], "z": "z" });
    let told = peer.asks(json!({ "type": "create_session", "agentType": "echo", "extra": more, "seq": 9 })).await;
    let session = text(&told["session"], "id").to_owned();
    peer.asks(json!({ "type": "join_session", "sessionId": session, "extra": more })).await;
    peer.says(json!({ "type": "run_turn", "sessionId": session, "text": "still here", "extra": more })).await;
    let turn = peer.until_rest(&session).await;
    assert_eq!(one(&turn, "turn_complete")["finalText"], "still here");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_20_an_error_has_a_code_and_a_message_and_no_place_in_a_session() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    for wrong in [
        json!({ "type": "join_session", "sessionId": "nobody-has-this" }),
        json!({ "type": "steer", "sessionId": session, "content": "left" }),
        json!({ "type": "answer_question", "sessionId": session, "requestId": "r", "answers": {} }),
        json!({ "type": "read_file", "sessionId": session, "path": "nowhere.txt" }),
        json!({ "type": "create_session", "agentType": "no-such-agent" }),
        json!({ "type": "what" }),
    ] {
        let error = peer.refused(wrong).await;
        assert_eq!(crate::frames::keys(&error), ["code", "message", "type"], "{error}");
        let code = text(&error, "code");
        assert!(code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'), "{code}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_21_an_error_reaches_nobody_but_who_caused_it() {
    let gateway = Gateway::dev().await;
    let (mut ann, mut bob) = (gateway.peer().await, gateway.peer().await);
    let session = ann.with_script().await;
    bob.joins(&session).await;
    ann.refused(json!({ "type": "steer", "sessionId": session, "content": "left" })).await;
    ann.refused(json!({ "type": "answer_question", "sessionId": session, "requestId": "r", "answers": {} })).await;
    ann.sends(Message::text("{not json")).await;
    ann.error().await;
    ann.runs(&session, "said").await;
    ann.until_rest(&session).await;
    let heard = bob.until_rest(&session).await;
    assert!(of(&heard, "error").is_empty(), "{}", shown(&heard));
    assert!(of(&bob.settles().await, "error").is_empty());
}

/// Words that must not reach a client.
fn assert_clean(message: &str, gateway: &Gateway) {
    let data = gateway.data();
    for secret in [data.to_str().expect("a plain path"), "/home/", ".rs:", "panicked", "stack backtrace", "sk-live"] {
        assert!(!message.contains(secret), "{message}");
    }
    assert!(message.chars().count() <= 500, "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_22_what_fails_inside_is_told_without_paths_keys_and_traces() {
    // A workspace that somebody replaced behind the gateway's back.
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    peer.turn(&session, "!write notes/here.txt x").await;
    let file = files_below(&gateway.data()).into_iter().find(|path| path.ends_with("notes/here.txt"));
    let folder = file.as_deref().and_then(|file| file.parent()?.parent()).expect("the workspace's folder").to_owned();
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::write(&folder, "no folder any more").unwrap();
    for broken in [
        json!({ "type": "list_files", "sessionId": session }),
        json!({ "type": "read_file", "sessionId": session, "path": "notes/here.txt" }),
        json!({ "type": "list_files", "sessionId": session, "path": "notes" }),
    ] {
        let error = peer.refused(broken).await;
        assert_clean(text(&error, "message"), &gateway);
    }
    // Nonsense of any length is not repeated.
    let error = peer.refused(json!({ "type": "x".repeat(5_000) })).await;
    assert_clean(text(&error, "message"), &gateway);
    peer.settles().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_cannot_be_opened_fails_the_turn() {
    let why =
        format!("opening /home/ada/.ssh/id failed with sk-live-1234\nstack backtrace:\n  main.rs:7{}", "x".repeat(900));
    let gateway = Plan::dev().host(Puppet { broken: Some(why), lines: Vec::new() }).start().await;
    let mut peer = gateway.peer().await;
    let session = peer.creates("puppet").await;
    peer.joins(&session).await;
    let turn = peer.turn(&session, "begin").await;
    let end = one(&turn, "turn_error");
    assert!(!text(end, "message").is_empty(), "{end}");
    assert_eq!(peer.status(&session), "error");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_of_every_kind_is_refused_and_harms_nobody() {
    let gateway = Gateway::dev().await;
    let mut other = gateway.peer().await;
    let session = other.with_script().await;
    let mut peer = gateway.peer().await;
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
    for garbage in [
        deep("[", "]"),
        deep("{\"a\":", "}"),
        format!("{{\"type\":\"ping\",\"ts\":{}}}", deep("[", "]")),
        format!("{{\"type\":{}}}", "9".repeat(100_000)),
        "{\"type\":\"ping\"".repeat(1_000),
        "\u{feff}{\"type\":\"pong\"}".to_owned(),
        "\u{0}\u{1}\u{7f}".to_owned(),
    ] {
        let code = code_of(&mut peer, Message::text(garbage.clone())).await;
        assert!(["INVALID_JSON", "INVALID_MESSAGE"].contains(&code.as_str()), "{code} for {}", &garbage[..20]);
    }
    for seq in ["-1", "1.5", "1e400", "99999999999999999999999999", "-0.0001", "18446744073709551616", "true", "{}"] {
        let asked = format!("{{\"type\":\"get_events\",\"sessionId\":\"{session}\",\"afterSeq\":{seq}}}");
        let code = code_of(&mut peer, Message::text(asked)).await;
        assert!(["INVALID_JSON", "INVALID_MESSAGE"].contains(&code.as_str()), "{code} for {seq}");
    }
    // A number so large that no event has it, but a number: nothing follows it.
    let far = json!({ "type": "get_events", "sessionId": session, "afterSeq": 9_007_199_254_740_991_u64 });
    assert!(list(&peer.asks(far).await, "events").is_empty());
    for name in ["\u{0}", "../../etc/passwd", "a b", "\u{202e}", &"x".repeat(100_000), ""] {
        for request in ["join_session", "delete_session", "get_events", "list_files", "run_turn", "stop_turn"] {
            let error = peer.refused(json!({ "type": request, "sessionId": name, "text": "x" })).await;
            let code = text(&error, "code");
            assert!(["SESSION_NOT_FOUND", "INVALID_MESSAGE"].contains(&code), "{request} {name:?}: {error}");
        }
    }
    let odd = "\u{0}\u{1}\u{fffd}\u{1f600} \u{202e}\"\\</script>\u{2028}";
    let turn = other.turn(&session, odd).await;
    assert_eq!(one(&turn, "turn_complete")["finalText"], odd, "odd text is still text");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_in_pieces_is_one_message() {
    use tokio_tungstenite::tungstenite::protocol::frame::Frame;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let message = json!({ "type": "ping", "ts": 77 }).to_string();
    let last = message.len() - 1;
    for (at, byte) in message.bytes().enumerate() {
        let code = OpCode::Data(if at == 0 { Data::Text } else { Data::Continue });
        peer.sends(Message::Frame(Frame::message(vec![byte], code, at == last))).await;
    }
    assert_eq!(peer.hears_a("pong").await["clientTs"], 77);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_may_carry_a_name_that_comes_back_with_its_answer() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let told = peer.asks(json!({ "type": "list_sessions", "requestId": "r-1" })).await;
    assert_eq!(told["requestId"], "r-1");
    let told = peer.asks(json!({ "type": "list_sessions" })).await;
    assert_eq!(told.get("requestId"), None);
    let error = peer.refused(json!({ "type": "join_session", "sessionId": "nobody", "requestId": "r-2" })).await;
    assert_eq!(error["requestId"], "r-2");
    let error = peer.refused(json!({ "type": "join_session", "sessionId": "nobody" })).await;
    assert_eq!(error.get("requestId"), None);

    // Answers name the question with that word, so there it is another.
    let session = peer.with_script().await;
    let answer = json!({ "type": "answer_question", "sessionId": session, "requestId": "q", "answers": {}, "clientRequestId": "r-3" });
    let error = peer.refused(answer).await;
    assert_eq!(error["requestId"], "r-3");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_answered_in_their_order() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    peer.turn(&session, "!write a.txt first\n!write b.txt second").await;
    for request in [
        json!({ "type": "read_file", "sessionId": session, "path": "a.txt" }),
        json!({ "type": "list_sessions" }),
        json!({ "type": "read_file", "sessionId": session, "path": "nowhere" }),
        json!({ "type": "list_sessions" }),
        json!({ "type": "file_history", "sessionId": session, "path": "b.txt" }),
        json!({ "type": "get_history", "sessionId": session }),
        json!({ "type": "read_file", "sessionId": session, "path": "b.txt" }),
        json!({ "type": "get_events", "sessionId": session }),
    ] {
        peer.says(request).await;
    }
    let frames = peer.settles().await;
    let order: Vec<_> = frames.iter().map(kind).collect();
    let expected = [
        "file_content",
        "session_list",
        "error",
        "session_list",
        "file_history_result",
        "history",
        "file_content",
        "events",
    ];
    assert_eq!(order, expected);
    let contents: Vec<&Value> = of(&frames, "file_content").into_iter().map(|frame| &frame["path"]).collect();
    assert_eq!(contents, ["a.txt", "b.txt"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agents_failure_is_told_in_words_that_fit_an_error() {
    let long = format!("{}\nstack backtrace:", "é".repeat(2_000));
    let failed = Happening::Failed { code: "upstream".to_owned(), message: long, retry_ms: None };
    let gateway = Plan::dev().host(Puppet::saying(vec![failed])).start().await;
    let mut peer = gateway.peer().await;
    let session = peer.creates("puppet").await;
    peer.joins(&session).await;
    let turn = peer.turn(&session, "begin").await;
    assert!(!text(one(&turn, "turn_error"), "message").is_empty());
    peer.settles().await;
}
