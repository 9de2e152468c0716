//! What is there after a stop, and after a kill in the middle of everything.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};

use crate::account::{Account, base64};
use crate::frames::{number, seqs, text};
use crate::gateway::{Gateway, PATIENCE};
use crate::peer::Peer;
use crate::process::Process;
use crate::wire::Heard;

const WRITERS: usize = 10;
/// Messages that are confirmed before the kill.
const CONFIRMED: usize = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_there_again_after_a_stop() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = text(&account.opens("a tag").await, "id").to_owned();
    let machine = account.registers().await;
    account.posts(&session, &[("YQ==", "a"), ("Yg==", "b")]).await;
    let artifact = crate::account::uuid();
    let made = json!({ "id": artifact, "header": "aA==", "body": "Yg==", "dataEncryptionKey": "aw==" });
    account.post("/v1/artifacts", made).await.ok();
    let mut user = account.user().await;
    user.asks("machine-update-state", json!({ "machineId": machine, "daemonState": "cw==", "expectedVersion": 0 }))
        .await;
    let report = json!({ "key": "k", "sessionId": session, "tokens": { "total": 5 }, "cost": { "total": 1 } });
    user.asks("usage-report", report).await;
    account.post("/v1/push-tokens", json!({ "token": "t" })).await.ok();
    let paths = [
        "/v1/sessions".to_owned(),
        "/v2/sessions".to_owned(),
        format!("/v1/sessions/{session}/messages"),
        format!("/v3/sessions/{session}/messages"),
        "/v1/machines".to_owned(),
        "/v1/artifacts".to_owned(),
        format!("/v1/artifacts/{artifact}"),
        "/v1/push-tokens".to_owned(),
        "/v1/account/profile".to_owned(),
    ];
    let all = async |account: &Account| {
        let mut told = Vec::new();
        for path in &paths {
            told.push(account.get(path).await.ok());
        }
        told.push(account.post("/v1/usage/query", json!({ "groupBy": "hour" })).await.ok());
        told
    };
    let before = all(&account).await;
    drop(user);
    let gateway = gateway.restart().await;
    let account = account.at(gateway.door());
    assert_eq!(all(&account).await, before);
    // Names are still names, tags still tags, and numbers go on.
    assert_eq!(account.opens("a tag").await["id"], *session);
    assert_eq!(seqs(&account.posts(&session, &[("eA==", "b"), ("Yw==", "c")]).await), [2, 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_connected_when_the_gateway_stops_is_let_go() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let (mut user, mut agent) = (account.user().await, account.session("s").await);
    agent.emits("rpc-register", json!({ "method": "m" })).await;
    agent.reaches().await;
    user.calls("rpc-call", json!({ "method": "m", "params": "p" })).await;
    let gateway = gateway.restart().await;
    user.closed().await;
    agent.closed().await;
    account.at(gateway.door()).user().await.reaches().await;
}

/// Posts one message; `false`: there is nobody any more.
async fn tries(account: &Account, session: &str, content: &str, local: &str) -> bool {
    let url = format!("/v3/sessions/{session}/messages");
    let body = json!({ "messages": [{ "content": content, "localId": local }] });
    let request = account.door.request(Method::POST, &url).header(AUTHORIZATION, format!("Bearer {}", account.token));
    let Ok(answer) = request.json(&body).send().await else { return false };
    let status = answer.status();
    let Ok(told) = answer.json::<Value>().await else { return false };
    assert_eq!(status, 200, "{told}");
    true
}

/// The messages that a peer was told of, until its server was gone.
async fn told(mut peer: Peer) -> Vec<Value> {
    let mut messages = Vec::new();
    for event in peer.closed().await {
        assert_eq!(event.kind(), "new-message");
        messages.push(event.body()["message"].clone());
    }
    messages
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_kill_amid_ten_writers_loses_nothing_that_was_shown_and_repeats_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path()).await;
    let account = Account::new(&process.door).await;
    let session = account.creates().await;
    let (user, agent) = (account.user().await, account.session(&session).await);
    let confirmed = Arc::new(AtomicUsize::new(0));
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let (account, session, confirmed) = (account.clone(), session.clone(), confirmed.clone());
        writers.push(tokio::spawn(async move {
            let mut peer = if writer % 2 == 0 { Some(account.session(&session).await) } else { None };
            let mut sent = 0;
            // The last that is sent is the one of which nobody knows.
            loop {
                let (content, local) = (base64(format!("{writer} {sent}")), format!("{writer} {sent}"));
                sent += 1;
                let done = match &mut peer {
                    Some(peer) => says_and_waits(peer, &session, &content, &local).await,
                    None => tries(&account, &session, &content, &local).await,
                };
                if !done {
                    return sent - 1;
                }
                confirmed.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    let readers = [tokio::spawn(told(user)), tokio::spawn(told(agent))];
    let enough = async {
        while confirmed.load(Ordering::Relaxed) < CONFIRMED {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, enough).await.expect("messages are confirmed");
    process.kill();
    let mut counts = Vec::new();
    for writer in writers {
        counts.push(writer.await.unwrap());
    }
    let mut shown = Vec::new();
    for reader in readers {
        shown.push(reader.await.unwrap());
    }

    let process = Process::start(folder.path()).await;
    let account = account.at(&process.door);
    let stored = account.messages(&session).await;
    assert_eq!(seqs(&stored), (1..=stored.len() as u64).collect::<Vec<_>>(), "without a hole");
    for messages in &shown {
        assert!(!messages.is_empty());
        for message in messages {
            let kept = &stored[number(message, "seq") as usize - 1];
            assert_eq!(kept, message, "what was shown is there, as it was shown");
        }
        assert!(seqs(messages).is_sorted_by(|one, next| one < next), "in order, and once");
    }
    let mut names: HashMap<&str, usize> = HashMap::new();
    for message in &stored {
        *names.entry(text(message, "localId")).or_default() += 1;
    }
    assert!(names.values().all(|times| *times == 1), "nothing is there twice");
    for (writer, count) in counts.iter().enumerate() {
        for sent in 0..*count {
            assert!(names.contains_key(format!("{writer} {sent}").as_str()), "{writer} {sent} was confirmed");
        }
        // Whoever does not know says it again, and it is there once.
        let (content, local) = (base64(format!("{writer} {count}")), format!("{writer} {count}"));
        account.posts(&session, &[(&content, &local)]).await;
        account.posts(&session, &[(&content, &local)]).await;
    }
    let after = account.messages(&session).await;
    assert_eq!(after[..stored.len()], stored);
    assert_eq!(after.len(), counts.iter().map(|count| count + 1).sum::<usize>());
    assert_eq!(account.looks_at(&session).await["seq"], after.len());
    process.kill();
}

/// Says something, and waits until it is stored; `false`: there is nobody any more.
async fn says_and_waits(peer: &mut Peer, session: &str, content: &str, local: &str) -> bool {
    let message = json!({ "sid": session, "message": content, "localId": local });
    peer.emits("message", message).await;
    peer.sends("421[\"ping\"]").await;
    loop {
        match peer.wire.hears().await {
            Some(Heard::Packet(packet)) if packet == "431[{}]" => return true,
            Some(Heard::Packet(_)) => {}
            Some(Heard::Closed) => return false,
            None => panic!("neither an answer nor an end"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_before_a_kill_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path()).await;
    let account = Account::new(&process.door).await;
    let session = text(&account.opens("a tag").await, "id").to_owned();
    let machine = account.registers().await;
    let (mut user, mut agent) = (account.user().await, account.session(&session).await);
    let write = json!({ "sid": session, "expectedVersion": 0, "metadata": "bmV3" });
    agent.asks("update-metadata", write).await;
    let newest = number(&user.hears_a("update-session").await, "seq");
    let state = json!({ "machineId": machine, "daemonState": "cw==", "expectedVersion": 0 });
    agent.asks("machine-update-state", state).await;
    account.post("/v1/kv", json!({ "mutations": [{ "key": "k", "value": "eA==", "version": -1 }] })).await.ok();
    account.post("/v1/account/settings", json!({ "settings": "cw==", "expectedVersion": 0 })).await.ok();
    let asked = crate::account::key();
    process.door.post("/v1/auth/request", json!({ "publicKey": asked, "supportsV2": true })).await.ok();
    process.kill();

    let process = Process::start(folder.path()).await;
    let account = account.at(&process.door);
    let seen = account.looks_at(&session).await;
    assert_eq!((&seen["metadata"], &seen["metadataVersion"]), (&json!("bmV3"), &json!(1)));
    let seen = account.get(&format!("/v1/machines/{machine}")).await.ok();
    assert_eq!((&seen["machine"]["daemonState"], &seen["machine"]["daemonStateVersion"]), (&json!("cw=="), &json!(1)));
    assert_eq!(account.get("/v1/kv/k").await.ok()["value"], "eA==");
    assert_eq!(account.get("/v1/account/settings").await.ok()["settings"], "cw==");
    account.post("/v1/auth/response", json!({ "publicKey": asked, "response": "r" })).await.ok();
    let told = process.door.post("/v1/auth/request", json!({ "publicKey": asked })).await.ok();
    assert_eq!((&told["state"], &told["response"]), (&json!("authorized"), &json!("r")));
    assert_eq!(account.opens("a tag").await["id"], *session);
    let mut user = account.user().await;
    account.says(&session, "YQ==").await;
    assert!(number(&user.hears_next("new-message").await, "seq") > newest);
    process.kill();
}
