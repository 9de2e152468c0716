//! Making sessions, listing, renaming, archiving and deleting them, and whom that is told.

use serde_json::{Value, json};

use crate::frames::{keys, kind, list, number, of, shown, text};
use crate::gateway::{Gateway, NOW, PATIENCE, Plan, files_below};
use crate::peer::Peer;

const META: [&str; 9] =
    ["agentType", "archived", "createdAt", "id", "lastActivityAt", "name", "status", "tenantId", "updatedAt"];

async fn listed(peer: &mut Peer, archived: bool) -> Vec<Value> {
    let asked = match archived {
        true => json!({ "type": "list_sessions", "includeArchived": true }),
        false => json!({ "type": "list_sessions" }),
    };
    let told = peer.asks(asked).await;
    for session in list(&told, "sessions") {
        assert_eq!(keys(session), META);
    }
    list(&told, "sessions").to_vec()
}

fn on(request: &str, session: &str) -> Value {
    json!({ "type": request, "sessionId": session })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_23_a_new_session_is_shown_with_all_nine_fields_and_inactive() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let told = peer.asks(json!({ "type": "create_session", "agentType": "echo", "name": " Smoke test " })).await;
    assert_eq!(keys(&told), ["session", "type"]);
    let session = &told["session"];
    assert_eq!(keys(session), META);
    let expected = json!({
        "id": session["id"], "tenantId": "dev", "name": "Smoke test", "agentType": "echo", "status": "inactive",
        "archived": false, "createdAt": NOW, "updatedAt": NOW, "lastActivityAt": null,
    });
    assert_eq!(session, &expected);
    assert!(!text(session, "id").is_empty());
    assert_eq!(&listed(&mut peer, false).await, &[expected]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_24_a_session_without_a_name_says_null() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    for name in [None, Some(Value::Null), Some(json!("")), Some(json!("  \t "))] {
        let mut request = json!({ "type": "create_session", "agentType": "echo" });
        if let Some(name) = name {
            request["name"] = name;
        }
        let told = peer.asks(request).await;
        assert_eq!(told["session"].get("name"), Some(&Value::Null), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_25_archived_sessions_are_listed_only_when_asked_for() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let (kept, put_away) = (peer.creates("echo").await, peer.creates("echo").await);
    peer.asks(on("archive_session", &put_away)).await;
    let ids = |sessions: &[Value]| sessions.iter().map(|one| text(one, "id").to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(&listed(&mut peer, false).await), std::slice::from_ref(&kept));
    let told = peer.asks(json!({ "type": "list_sessions", "includeArchived": false })).await;
    assert_eq!(ids(list(&told, "sessions")), std::slice::from_ref(&kept));
    let mut all = ids(&listed(&mut peer, true).await);
    all.sort();
    let mut both = [kept.clone(), put_away.clone()];
    both.sort();
    assert_eq!(all, both);
    peer.asks(on("unarchive_session", &put_away)).await;
    assert_eq!(listed(&mut peer, false).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_26_each_change_answers_with_the_whole_session() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let id = peer.creates("echo").await;
    let renamed = peer.asks(json!({ "type": "rename_session", "sessionId": id, "name": "New Name" })).await;
    assert_eq!((kind(&renamed), &renamed["session"]["name"]), ("session_updated", &json!("New Name")));
    let archived = peer.asks(on("archive_session", &id)).await;
    assert_eq!((kind(&archived), &archived["session"]["archived"]), ("session_archived", &json!(true)));
    let back = peer.asks(on("unarchive_session", &id)).await;
    assert_eq!((kind(&back), &back["session"]["archived"]), ("session_unarchived", &json!(false)));
    for told in [&renamed, &archived, &back] {
        assert_eq!(keys(&told["session"]), META);
        assert_eq!(told["session"]["id"], id);
        assert_eq!(told["session"]["name"], "New Name");
    }
    // Twice is as good as once.
    for request in ["archive_session", "archive_session", "unarchive_session", "unarchive_session"] {
        peer.asks(on(request, &id)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_27_each_change_moves_the_time_of_the_change_and_not_that_of_the_birth() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let id = peer.creates("echo").await;
    peer.joins(&id).await;
    let mut before = NOW;
    for request in [
        json!({ "type": "rename_session", "sessionId": id, "name": "Two" }),
        on("archive_session", &id),
        on("unarchive_session", &id),
    ] {
        gateway.clock.advance(1_000);
        let session = peer.asks(request.clone()).await["session"].clone();
        assert_eq!(number(&session, "createdAt"), NOW);
        assert!(number(&session, "updatedAt") > before, "{request}: {session}");
        before = number(&session, "updatedAt");
    }
    gateway.clock.advance(1_000);
    peer.turn(&id, "a word").await;
    let session = listed(&mut peer, false).await.remove(0);
    assert_eq!(number(&session, "createdAt"), NOW);
    assert!(number(&session, "updatedAt") > before && number(&session, "lastActivityAt") > before, "{session}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_28_a_deleted_session_does_not_exist() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let id = peer.creates("echo").await;
    let told = peer.asks(on("delete_session", &id)).await;
    assert_eq!(told, json!({ "type": "session_deleted", "sessionId": id }));
    for request in ["join_session", "delete_session", "archive_session", "get_history", "get_events", "list_files"] {
        let error = peer.refused(on(request, &id)).await;
        let said = (text(&error, "code"), text(&error, "message"));
        assert_eq!(said, ("SESSION_NOT_FOUND", "Session does not exist"), "{request}");
    }
    assert!(listed(&mut peer, true).await.is_empty());
}

/// Everything that names a session, in a form that is sound otherwise.
fn every_request(session: &str) -> Vec<Value> {
    let mut requests: Vec<Value> = [
        "archive_session",
        "unarchive_session",
        "join_session",
        "leave_session",
        "stop_turn",
        "get_history",
        "get_events",
        "list_files",
        "delete_session",
    ]
    .map(|request| on(request, session))
    .into();
    requests.extend([
        json!({ "type": "rename_session", "sessionId": session, "name": "Mine" }),
        json!({ "type": "join_session", "sessionId": session, "afterSeq": 0 }),
        json!({ "type": "run_turn", "sessionId": session, "text": "hello" }),
        json!({ "type": "steer", "sessionId": session, "content": "hello" }),
        json!({ "type": "answer_question", "sessionId": session, "requestId": "r", "answers": {}, "dismissed": true }),
        json!({ "type": "read_file", "sessionId": session, "path": "a.txt" }),
        json!({ "type": "file_history", "sessionId": session, "path": "a.txt" }),
        json!({ "type": "file_at_iteration", "sessionId": session, "path": "a.txt", "iteration": 1 }),
        json!({ "type": "list_files", "sessionId": session, "path": "/" }),
        json!({ "type": "read_file", "sessionId": session, "path": "../a.txt" }),
    ]);
    requests
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_29_a_session_of_another_tenant_is_as_unknown_as_one_that_never_was() {
    let gateway = Gateway::locked().await;
    let mut ada = gateway.member("acme", "ada").await;
    let mut eve = gateway.member("elsewhere", "eve").await;
    let session = ada.with_script().await;
    ada.turn(&session, "!write a.txt x\nwords").await;
    ada.runs(&session, "!ask text Name?").await;
    ada.until_a("question_requested").await;
    assert!(listed(&mut eve, true).await.is_empty());

    let never = uuid::Uuid::now_v7().to_string();
    for (theirs, unknown) in every_request(&session).into_iter().zip(every_request(&never)) {
        eve.says(theirs.clone()).await;
        let about_theirs = eve.settles().await;
        eve.says(unknown).await;
        let about_unknown = eve.settles().await;
        assert_eq!(about_theirs, about_unknown, "{theirs}");
        let silent = text(&theirs, "type") == "leave_session";
        assert!(silent || of(&about_theirs, "error").len() == 1, "{theirs}: {}", shown(&about_theirs));
    }
    // Nothing of it had an effect, and nobody heard of it.
    let told = listed(&mut ada, false).await;
    assert_eq!((told.len(), &told[0]["status"], &told[0]["archived"]), (1, &json!("waiting"), &json!(false)));
    assert!(ada.settles().await.iter().all(|frame| kind(frame) != "approval_resolved"));
    assert!(eve.settles().await.is_empty(), "what happens in one tenant is not told in another");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_30_the_files_of_a_deleted_session_are_gone_from_the_disk() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let (gone, kept) = (peer.with_script().await, peer.with_script().await);
    peer.turn(&gone, "!write notes/file-that-shall-be-gone.txt x").await;
    peer.turn(&kept, "!write notes/file-that-shall-be-kept.txt x").await;
    let names = |words: &str| {
        let below = files_below(&gateway.data()).into_iter();
        below.filter(|path| path.to_string_lossy().contains(words)).collect::<Vec<_>>()
    };
    assert!(!names("file-that-shall-be-gone").is_empty() && !names("file-that-shall-be-kept").is_empty());
    peer.asks(on("delete_session", &gone)).await;
    let gone_in_time = async {
        while !names("file-that-shall-be-gone").is_empty() {
            tokio::task::yield_now().await; // nobody tells when the last file has left
        }
    };
    tokio::time::timeout(PATIENCE, gone_in_time).await.expect("the files of a deleted session leave");
    assert!(!names("file-that-shall-be-kept").is_empty());
    let gateway = gateway.restart().await;
    let mut peer = gateway.peer().await;
    assert_eq!(listed(&mut peer, true).await.len(), 1);
    assert_eq!(peer.refused(on("get_events", &gone)).await["code"], "SESSION_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_31_others_of_the_tenant_hear_of_each_change_once_and_so_does_who_made_it() {
    let gateway = Gateway::dev().await;
    let (mut ann, mut bob) = (gateway.peer().await, gateway.peer().await);
    // Bob is in the middle of things; Ann watches the session too, which must not double anything.
    let id = ann.creates("echo").await;
    bob.hears_a("session_created").await;
    ann.joins(&id).await;
    ann.settles().await;
    let (mut by_ann, mut heard) = (Vec::new(), Vec::new());
    for request in [
        json!({ "type": "create_session", "agentType": "echo", "name": "Second" }),
        json!({ "type": "rename_session", "sessionId": id, "name": "First" }),
        on("archive_session", &id),
        on("unarchive_session", &id),
        on("delete_session", &id),
    ] {
        by_ann.push(ann.asks(request).await);
        // Others are told how the session is by then, so nothing may follow before they are.
        heard.extend(bob.until_a(kind(&by_ann[by_ann.len() - 1])).await);
    }
    let told = ["session_created", "session_updated", "session_archived", "session_unarchived", "session_deleted"];
    // One more that is made last: when it is heard of, so is everything before.
    let last = ann.creates("echo").await;
    heard.extend(bob.until("the last creation", |frame| frame["session"]["id"] == *last).await);
    let heard: Vec<_> = heard.into_iter().filter(|frame| told.contains(&kind(frame))).collect();
    assert_eq!(heard[..heard.len() - 1], by_ann, "each once, and in the same words");
    let rest = ann.settles().await;
    assert!(rest.iter().all(|frame| !told.contains(&kind(frame))), "{}", shown(&rest));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_begins_with_what_was_used_last() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        gateway.clock.advance(10);
        ids.push(peer.creates("echo").await);
    }
    for at in [1, 0] {
        gateway.clock.advance(10);
        peer.joins(&ids[at]).await;
        peer.turn(&ids[at], "a word").await;
    }
    let order: Vec<_> = listed(&mut peer, false).await.iter().map(|one| text(one, "id").to_owned()).collect();
    assert_eq!(order, [0, 1, 3, 2].map(|at| ids[at].clone()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_agent_makes_no_session_and_a_mapped_one_keeps_its_name() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let error = peer.refused(json!({ "type": "create_session", "agentType": "no-such-agent" })).await;
    assert_eq!(error["code"], "UNKNOWN_AGENT_TYPE");
    let told = peer.asks(json!({ "type": "create_session", "agentType": "coding-agent" })).await;
    assert_eq!(told["session"]["agentType"], "coding-agent");
    assert_eq!(listed(&mut peer, false).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archived_session_is_read_and_takes_no_turns() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let id = peer.with_script().await;
    peer.turn(&id, "words").await;
    peer.asks(on("archive_session", &id)).await;
    let snapshot = peer.joins(&id).await;
    assert_eq!(snapshot["session"]["archived"], true);
    assert!(!peer.log_of(&id).await.is_empty());
    let error = peer.refused(json!({ "type": "run_turn", "sessionId": id, "text": "more" })).await;
    assert_eq!(error["code"], "SESSION_ARCHIVED");
    peer.asks(on("unarchive_session", &id)).await;
    peer.turn(&id, "more").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_looks_at_a_session_that_is_deleted_hears_of_it_and_nothing_after() {
    let gateway = Gateway::dev().await;
    let (mut ann, mut bob) = (gateway.peer().await, gateway.peer().await);
    let id = ann.with_script().await;
    bob.joins(&id).await;
    ann.runs(&id, "before\n!waitsteer").await;
    bob.until("some text", |frame| kind(frame) == "text_delta").await;
    ann.asks(json!({ "type": "delete_session", "sessionId": id })).await;
    bob.hears_a("session_deleted").await;
    let rest = bob.settles().await;
    assert!(rest.is_empty(), "{}", shown(&rest));
    bob.refused(json!({ "type": "steer", "sessionId": id, "content": "x" })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_made_a_session_hears_that_somebody_else_deleted_it() {
    let gateway = Gateway::dev().await;
    let (mut maker, mut other) = (gateway.peer().await, gateway.peer().await);
    let session = maker.creates("echo").await;
    maker.joins(&session).await;
    maker.asks(json!({ "type": "rename_session", "sessionId": session, "name": "Mine" })).await;
    other.asks(on("delete_session", &session)).await;
    assert_eq!(maker.hears_a("session_deleted").await["sessionId"], session);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_sessions_made_at_once_are_each_told_of_once() {
    const MANY: usize = 600; // more than the writer takes frames, and than one page of the feed
    let gateway = Plan::dev().toml("[diminuendo]\nmessages = 100000\n").start().await;
    let (mut maker, mut other) = (gateway.peer().await, gateway.peer().await);
    maker.hurries();
    for _ in 0..MANY {
        maker.says(json!({ "type": "create_session", "agentType": "echo" })).await;
    }
    for peer in [&mut maker, &mut other] {
        let mut seen = std::collections::HashSet::new();
        while seen.len() < MANY {
            let told = peer.hears_a("session_created").await;
            assert!(seen.insert(text(&told["session"], "id").to_owned()), "twice: {told}");
        }
    }
    // What is told last stands behind whatever came twice.
    let last = other.creates("echo").await;
    let rest = maker.until_a("session_created").await;
    assert_eq!(rest[rest.len() - 1]["session"]["id"], last);
}
