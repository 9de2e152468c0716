//! What must be true when everything has come to rest.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::people::World;
use crate::process::Gateway;

pub(crate) async fn everything(world: &World, _gateway: &Gateway) {
    let sessions = world.sessions.lock().unwrap().clone();
    for (kind, id) in sessions {
        let log = read_all(world, &id).await;
        no_hole(kind, &log);
        notes_agree(world, kind, &id, &log);
        turns_ended(kind, &log);
        prompts_ran_once(world, kind, &id, &log);
        asks_were_answered_once_and_the_script_went_on(kind, &log);
    }
}

async fn read_all(world: &World, id: &str) -> Vec<Value> {
    let (mut log, mut after) = (Vec::new(), "0".to_owned());
    loop {
        let page = world.get(&format!("/api/v1/sessions/{id}/events?after={after}&limit=1000")).await;
        let items = page["items"].as_array().expect("a page has items");
        if items.is_empty() {
            return log;
        }
        log.extend(items.iter().cloned());
        after = page["next"].as_str().expect("a page says where it ends").to_owned();
    }
}

fn no_hole(kind: &str, log: &[Value]) {
    for (index, event) in log.iter().enumerate() {
        assert_eq!(event["seq"].as_u64(), Some(index as u64 + 1), "{kind}: {event}");
    }
}

/// Every reader was shown exactly the log, each event once and as it still is.
fn notes_agree(world: &World, kind: &str, id: &str, log: &[Value]) {
    let readers = world.readers.lock().unwrap().clone();
    for reader in readers.iter().filter(|reader| reader.session == id) {
        let notes = reader.notes.lock().unwrap();
        assert!(notes.complaints.is_empty(), "{kind}: {:?}", notes.complaints);
        assert!(notes.resumed > 1, "{kind}: it came back at least once");
        assert_eq!(notes.events.len(), log.len(), "{kind}");
        for ((seq, noted), kept) in notes.events.iter().zip(log) {
            let mut kept = kept.clone();
            kept.as_object_mut().expect("an object").remove("epoch");
            assert_eq!(*noted, kept, "{kind} {seq}: what was shown is what is kept");
        }
    }
}

fn turns_ended(kind: &str, log: &[Value]) {
    let mut open: Option<&str> = None;
    let mut ended = BTreeSet::new();
    for event in log {
        let turn = event["turn"].as_str();
        match event["type"].as_str() {
            Some("turnStarted") => {
                assert_eq!(open, None, "{kind}: one turn at a time");
                open = turn;
            }
            Some("turnEnded") => {
                assert_eq!(open, turn, "{kind}: the open turn ends");
                assert!(ended.insert(turn), "{kind}: a turn ends once");
                open = None;
            }
            _ => {}
        }
    }
    assert_eq!(open, None, "{kind}: every turn ended");
    assert!(!ended.is_empty(), "{kind}: something was done");
}

/// Every accepted prompt ran, once; prompts of one queue in the order in which they were taken.
fn prompts_ran_once(world: &World, kind: &str, id: &str, log: &[Value]) {
    let ran: Vec<&str> = log
        .iter()
        .filter(|event| event["type"] == "messageAdded" && event["message"]["role"] == "user")
        .filter_map(|event| event["parts"][0]["text"].as_str())
        .collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    ran.iter().for_each(|text| *counts.entry(text).or_default() += 1);
    let accepted = world.accepted.lock().unwrap();
    let accepted: BTreeSet<&str> =
        accepted.iter().filter(|(session, _)| session == id).map(|(_, text)| text.as_str()).collect();
    assert!(!accepted.is_empty(), "{kind}: something was accepted");
    assert_eq!(
        counts.keys().copied().collect::<BTreeSet<_>>(),
        accepted,
        "{kind}: what was accepted ran, and nothing else"
    );
    assert!(counts.values().all(|count| *count == 1), "{kind}: {counts:?}");
}

fn asks_were_answered_once_and_the_script_went_on(kind: &str, log: &[Value]) {
    let mut settled: BTreeMap<&str, usize> = BTreeMap::new();
    let opened = log.iter().filter(|event| event["type"] == "askOpened").count();
    for (index, event) in log.iter().enumerate() {
        match event["type"].as_str() {
            Some("askAnswered") => {
                *settled.entry(event["ask"].as_str().expect("an ask")).or_default() += 1;
                let next =
                    log[index..].iter().find(|event| event["type"] == "partDelta").map(|event| event["text"].as_str());
                let text = next.flatten().expect("the script says something behind it");
                assert!(text.starts_with("yes"), "{kind}: the script goes on behind its ask, not with {text:?}");
            }
            Some("askClosed") => *settled.entry(event["ask"].as_str().expect("an ask")).or_default() += 1,
            _ => {}
        }
    }
    assert_eq!(settled.len(), opened, "{kind}: every ask was settled");
    assert!(settled.values().all(|count| *count == 1), "{kind}: and only once: {settled:?}");
    if kind == "asks" {
        assert!(opened > 0, "there were asks");
    }
}
