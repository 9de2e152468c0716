//! What is read by pages, events as they were told and the history, and that it all outlives a restart.

use serde_json::json;

use crate::frames::{keys, kind, list, number, numbered, seqs, text};
use crate::gateway::Gateway;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_37_stored_events_are_what_was_broadcast_in_ascending_order() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    let turn = peer.turn(&session, "words\n!think hm\n!tool grep {} => found\n!shell echo out\n!usage 1 2").await;
    let asked = json!({ "type": "get_events", "sessionId": session, "afterSeq": 0, "limit": 200 });
    let told = peer.asks(asked).await;
    assert_eq!(told["sessionId"], session);
    assert_eq!(told["hasMore"], false);
    let events = list(&told, "events");
    assert_eq!(events, numbered(&turn));
    for event in events {
        assert!(!kind(event).is_empty());
        assert_eq!(event["sessionId"], session);
        number(event, "seq");
        number(event, "ts");
    }
    assert!(number(&told, "lastSeq") >= *seqs(events).last().unwrap());
    // Looking needs no join, and the arguments may be left out.
    let mut other = gateway.peer().await;
    let told = other.asks(json!({ "type": "get_events", "sessionId": session })).await;
    assert_eq!(list(&told, "events"), events);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_38_pages_of_events_visit_each_once() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    peer.turn(&session, "!flood 20 10\nwords\n!think hm").await;
    let whole = peer.log_of(&session).await;
    for (limit, most) in [(1, 1), (3, 3), (7, 7), (0, 1), (100_000, 1_000)] {
        let (mut after, mut visited) = (0, Vec::new());
        loop {
            let asked = json!({ "type": "get_events", "sessionId": session, "afterSeq": after, "limit": limit });
            let told = peer.asks(asked).await;
            let page = list(&told, "events");
            assert!(page.len() <= most, "{} at once, asked for {limit}", page.len());
            let Some(last) = page.last() else { break };
            after = number(last, "seq");
            visited.extend_from_slice(page);
            if told["hasMore"] == false {
                break;
            }
        }
        assert_eq!(visited, whole, "pages of {limit}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_39_the_history_has_what_the_user_and_the_assistant_said_in_order() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.creates("echo").await;
    peer.joins(&session).await;
    for prompt in ["to be", "or not to be", "that is the question"] {
        gateway.clock.advance(5);
        peer.turn(&session, prompt).await;
    }
    let told = peer.asks(json!({ "type": "get_history", "sessionId": session, "afterSeq": 0, "limit": 50 })).await;
    assert_eq!((&told["sessionId"], &told["hasMore"]), (&json!(session), &json!(false)));
    let items = list(&told, "items");
    let said: Vec<_> = items.iter().map(|item| (text(item, "role"), text(item, "content"))).collect();
    let expected = ["to be", "or not to be", "that is the question"]
        .into_iter()
        .flat_map(|said| [("user", said), ("assistant", said)]);
    assert_eq!(said, expected.collect::<Vec<_>>());
    let mut ids = Vec::new();
    for item in items {
        assert_eq!(keys(item), ["content", "createdAt", "id", "metadata", "role"]);
        assert!(item["metadata"].is_object() || item["metadata"].is_null());
        ids.push(text(item, "id"));
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), items.len(), "ids are unique");
    assert!(items.is_sorted_by_key(|item| number(item, "createdAt")));

    // Pages visit each item once.
    for limit in [1, 2, 4] {
        let (mut after, mut visited) = (0, Vec::new());
        loop {
            let asked = json!({ "type": "get_history", "sessionId": session, "afterSeq": after, "limit": limit });
            let told = peer.asks(asked).await;
            assert!(list(&told, "items").len() <= limit);
            visited.extend_from_slice(list(&told, "items"));
            if told["hasMore"] == false {
                break;
            }
            after = number(&told, "nextAfterSeq");
        }
        assert_eq!(visited, items, "pages of {limit}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_40_numbers_rise_for_ever_also_across_a_restart() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.creates("echo").await;
    peer.joins(&session).await;
    let mut before = seqs(&peer.turn(&session, "first life").await);
    let gateway = gateway.restart().await;
    let mut peer = gateway.peer().await;
    peer.joins(&session).await;
    before.extend(seqs(&peer.turn(&session, "second life").await));
    assert!(before.is_sorted_by(|a, b| a < b), "{before:?}");
    assert_eq!(seqs(&peer.log_of(&session).await).iter().filter(|seq| before.contains(seq)).count(), before.len());
    assert!(before.iter().all(|seq| *seq < 1 << 53));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_41_what_was_written_before_a_restart_is_there_after_it() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let told = peer.asks(json!({ "type": "create_session", "agentType": "script", "name": "Kept" })).await;
    let session = text(&told["session"], "id").to_owned();
    peer.joins(&session).await;
    let turn = peer.turn(&session, "words\n!tool grep {} => found\n!write a.txt kept").await;
    let history = peer.asks(json!({ "type": "get_history", "sessionId": session })).await;
    let gateway = gateway.restart().await;

    let mut peer = gateway.peer().await;
    let told = peer.asks(json!({ "type": "list_sessions" })).await;
    assert_eq!(told["sessions"][0]["name"], "Kept");
    assert_eq!(told["sessions"][0]["status"], "inactive");
    let (_, replayed) = peer.replayed(&session, 0).await;
    assert_eq!(replayed[..numbered(&turn).len()], numbered(&turn));
    assert_eq!(peer.asks(json!({ "type": "get_history", "sessionId": session })).await, history);
    let read = peer.asks(json!({ "type": "read_file", "sessionId": session, "path": "a.txt" })).await;
    assert_eq!(read["content"], "kept");
}
