//! Sessions: made, found again, listed, put away and deleted.

use std::collections::HashSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::account::{Account, base64};
use crate::frames::{each, list, number, text};
use crate::gateway::{Gateway, NOW};
use crate::peer::kinds;
use crate::shapes::{is_bare_session, is_session};

/// One more than lists of version 1 hold.
const MANY: usize = 151;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_9_a_new_session_begins_at_nothing_and_only_people_are_told() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let (other, machine) = (account.creates().await, account.registers().await);
    let (mut user, mut agent) = (account.user().await, account.session(&other).await);
    let (mut daemon, mut stranger) = (account.machine(&machine).await, gateway.account().await.user().await);
    user.hears_a("machine-activity").await; // of the daemon

    let wrapped = base64([7; 105]);
    let request =
        json!({ "tag": "a tag", "metadata": "bWV0YQ==", "agentState": "c3RhdGU=", "dataEncryptionKey": wrapped });
    let told = account.post("/v1/sessions", request).await.ok();
    let session = &told["session"];
    assert_eq!(told.as_object().unwrap().len(), 1);
    is_session(session);
    let expected = json!({
        "id": session["id"], "seq": 0, "metadata": "bWV0YQ==", "metadataVersion": 0,
        "agentState": null, "agentStateVersion": 0, "dataEncryptionKey": wrapped,
        "active": true, "activeAt": NOW, "createdAt": NOW, "updatedAt": NOW, "lastMessage": null,
    });
    assert_eq!(*session, expected);

    let update = user.hears_next("new-session").await;
    let mut body = expected.clone();
    body.as_object_mut().unwrap().remove("lastMessage");
    body["t"] = json!("new-session");
    assert_eq!(update["body"], body);
    assert_eq!(update["createdAt"], NOW);

    // The others hear what is theirs, and nothing before it.
    account.says(&other, "bWFyaw==").await;
    assert!(agent.until_message("bWFyaw==").await.is_empty());
    user.emits(
        "machine-update-metadata",
        json!({ "machineId": machine, "metadata": "bWFyaw==", "expectedVersion": 1 }),
    )
    .await;
    daemon.hears_next("update-machine").await;
    assert!(stranger.settles().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_needs_a_tag_and_metadata_and_the_rest_may_be_missing() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    for body in [
        json!({}),
        json!({ "tag": "t" }),
        json!({ "metadata": "m" }),
        json!({ "tag": 1, "metadata": "m" }),
        json!({ "tag": "t", "metadata": null }),
        json!({ "tag": "t", "metadata": "m", "agentState": 1 }),
        json!({ "tag": "t", "metadata": "m", "dataEncryptionKey": {} }),
    ] {
        account.post("/v1/sessions", body).await.invalid();
    }
    let bare = json!({ "tag": "t", "metadata": "m", "agentState": null, "dataEncryptionKey": null, "unknown": [1] });
    let told = account.post("/v1/sessions", bare).await.ok();
    assert_eq!((&told["session"]["dataEncryptionKey"], &told["session"]["agentState"]), (&Value::Null, &Value::Null));
    assert_eq!(list(&account.get("/v1/sessions").await.ok(), "sessions").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_10_a_tag_is_one_session_however_often_it_is_made() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let mut user = account.user().await;
    let first = json!({ "tag": "t", "metadata": "Zmlyc3Q=", "dataEncryptionKey": base64([1; 105]) });
    let first = account.post("/v1/sessions", first).await.ok();
    gateway.clock.advance(1_000);
    let second = json!({ "tag": "t", "metadata": "c2Vjb25k", "dataEncryptionKey": base64([2; 105]) });
    let second = account.post("/v1/sessions", second).await.ok();
    assert_eq!(second, first, "what was sent later is dropped");
    user.hears_next("new-session").await;

    let creations = (0..20).map(|number| {
        let body = json!({ "tag": "many", "metadata": format!("from {number}") });
        account.post("/v1/sessions", body)
    });
    let mut made = Vec::new();
    for answer in futures_util::future::join_all(creations).await {
        made.push(answer.ok()["session"].clone());
    }
    assert_eq!(each(&made, "id").into_iter().collect::<HashSet<_>>().len(), 1);
    assert_eq!(each(&made, "metadata").into_iter().collect::<HashSet<_>>().len(), 1, "all are told what was stored");
    account.says(text(&made[0], "id"), "bWFyaw==").await;
    let heard = user.until_message("bWFyaw==").await;
    assert_eq!(kinds(&heard), ["new-session"]);

    // A tag is the account's own.
    let other = gateway.account().await;
    let theirs = other.opens("t").await;
    assert_ne!(theirs["id"], first["session"]["id"]);
    assert_eq!(theirs["metadata"], "bWV0YQ==");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_11_a_session_of_somebody_else_does_not_exist() {
    let gateway = Gateway::start().await;
    let (owner, thief) = (gateway.account().await, gateway.account().await);
    let session = owner.creates().await;
    owner.says(&session, "c2VjcmV0").await;
    let (mut user, mut agent) = (owner.user().await, owner.session(&session).await);

    let one = json!({ "messages": [{ "content": "aGk=", "localId": "l" }] });
    for id in [session.as_str(), "nobodys", "c123456789012345678901234", "%00", "..%2f..", &"x".repeat(3_000)] {
        let path = |rest: &str| format!("/v1/sessions/{id}{rest}");
        thief.get(&path("/messages")).await.refused(404, "Session not found");
        let newer = path("/messages").replace("/v1", "/v3");
        thief.get(&newer).await.refused(404, "Session not found");
        thief.post(&newer, one.clone()).await.refused(404, "Session not found");
        thief.ask(Method::POST, &path("/archive"), None).await.refused(404, "Session not found");
        thief.delete(&path("")).await.refused(404, "Session not found or not owned by user");
        let event = json!({ "kind": "done", "title": "t", "body": "b" });
        thief.post(&path("/push-event"), event).await.refused(404, "Session not found");
        let upload = json!({ "filename": "f", "size": 1 });
        thief.post(&path("/attachments/request-upload"), upload).await.refused(404, "Session not found");
        thief.post("/v1/usage/query", json!({ "sessionId": id })).await.refused(404, "Session not found");
    }
    assert_eq!(thief.get("/v1/sessions").await.ok(), json!({ "sessions": [] }));

    // It may say that it is the session's, and hears nothing.
    for mut peer in [thief.user().await, thief.session(&session).await, thief.machine(&session).await] {
        peer.emits("message", json!({ "sid": session, "message": "aGk=" })).await;
        peer.emits("message", json!({ "sid": session, "message": "aGk=", "localId": "theirs" })).await;
        let now = gateway.now();
        peer.emits("session-alive", json!({ "sid": session, "time": now })).await;
        peer.emits("session-end", json!({ "sid": session, "time": now })).await;
        let write = json!({ "sid": session, "expectedVersion": 0, "metadata": "eA==", "agentState": "eA==" });
        for event in ["update-metadata", "update-state"] {
            assert_eq!(peer.asks(event, write.clone()).await, json!({ "result": "error" }), "{event}");
        }
        let report = json!({ "key": "k", "sessionId": session, "tokens": { "total": 1 }, "cost": { "total": 1 } });
        let told = peer.asks("usage-report", report).await;
        assert_eq!(told, json!({ "success": false, "error": "Session not found" }));
        let keys = json!({ "sessionId": session, "machineId": "m" });
        let told = peer.asks("access-key-get", keys).await;
        assert_eq!(told, json!({ "ok": false, "error": "Session or machine not found" }));
        let heard = peer.settles().await;
        assert!(heard.iter().all(|event| event.kind() == "machine-activity"), "{heard:?}");
    }

    owner.says(&session, "bWFyaw==").await;
    assert!(user.until_message("bWFyaw==").await.is_empty());
    assert!(agent.until_message("bWFyaw==").await.is_empty());
    assert_eq!(owner.contents(&session).await, ["c2VjcmV0", "bWFyaw=="]);
    let seen = owner.looks_at(&session).await;
    assert_eq!((&seen["active"], &seen["metadataVersion"], &seen["seq"]), (&json!(true), &json!(0), &json!(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_16_lists_of_version_1_end_after_150_and_pages_of_version_2_show_each_session_once() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let mut made = Vec::new();
    for number in 0..MANY {
        gateway.clock.advance(10);
        made.push(text(&account.opens(&format!("tag {number}")).await, "id").to_owned());
    }
    let told = account.get("/v1/sessions").await.ok();
    let listed = list(&told, "sessions");
    listed.iter().for_each(is_session);
    let newest: Vec<_> = made.iter().rev().take(150).map(String::as_str).collect();
    assert_eq!(each(listed, "id"), newest);
    // What changes comes first.
    gateway.clock.advance(10);
    account.says(&made[0], "aGk=").await;
    let told = account.get("/v1/sessions").await.ok();
    assert_eq!(each(list(&told, "sessions"), "id")[..2], [made[0].as_str(), made[MANY - 1].as_str()]);

    for limit in [1, 7, 50, 200] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        for _ in 0..=MANY {
            let page = account.get(&format!("/v2/sessions?limit={limit}{cursor}")).await.ok();
            assert_eq!(page.as_object().unwrap().len(), 3, "{page}");
            let sessions = list(&page, "sessions");
            assert!(sessions.len() <= limit);
            sessions.iter().for_each(is_bare_session);
            seen.extend(each(sessions, "id").into_iter().map(str::to_owned));
            assert_eq!(page["hasNext"], page["nextCursor"].is_string());
            if page["hasNext"] == false {
                assert_eq!(page["nextCursor"], Value::Null);
                break;
            }
            assert_eq!(page["nextCursor"], format!("cursor_v1_{}", seen.last().unwrap()));
            cursor = format!("&cursor={}", text(&page, "nextCursor"));
        }
        assert!(seen.is_sorted_by(|one, next| one > next), "by id, descending");
        assert_eq!(seen.len(), MANY);
        if limit == 1 {
            break;
        }
    }
    assert_eq!(list(&account.get("/v2/sessions").await.ok(), "sessions").len(), 50);

    for cursor in ["x", "", "cursor_v2_abc", "cursor_v1"] {
        let answer = account.get(&format!("/v2/sessions?cursor={cursor}")).await;
        if cursor.is_empty() {
            assert!(matches!(answer.status, 200 | 400), "{answer}"); // none, or a bad one
        } else {
            answer.refused(400, "Invalid cursor format");
        }
    }
    for query in ["limit=0", "limit=201", "limit=-1", "limit=x", "limit=1.5", "changedSince=0", "changedSince=x"] {
        account.get(&format!("/v2/sessions?{query}")).await.invalid();
    }
    let changed = number(&account.looks_at(&made[MANY - 1]).await, "updatedAt");
    let page = account.get(&format!("/v2/sessions?changedSince={}", changed - 1)).await.ok();
    let ids: HashSet<_> = each(list(&page, "sessions"), "id").into_iter().map(str::to_owned).collect();
    assert_eq!(ids, HashSet::from([made[MANY - 1].clone(), made[0].clone()]));
    let page = account.get(&format!("/v2/sessions?changedSince={changed}")).await.ok();
    assert_eq!(each(list(&page, "sessions"), "id"), [made[0].as_str()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_16_a_list_of_messages_of_version_1_ends_after_the_newest_150() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let texts: Vec<_> = (0..MANY).map(|number| (base64(number.to_string()), format!("local {number}"))).collect();
    for part in texts.chunks(76) {
        gateway.clock.advance(10);
        let part: Vec<_> = part.iter().map(|(content, local)| (content.as_str(), local.as_str())).collect();
        account.posts(&session, &part).await;
    }
    let told = account.get(&format!("/v1/sessions/{session}/messages")).await.ok();
    assert_eq!(told.as_object().unwrap().len(), 1);
    let messages = list(&told, "messages");
    messages.iter().for_each(crate::shapes::is_message);
    let seqs = crate::frames::seqs(messages);
    assert_eq!(seqs, (2..=MANY as u64).rev().collect::<Vec<_>>());
    assert_eq!(messages[0]["localId"], format!("local {}", MANY - 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_active_list_shows_who_was_alive_in_the_last_quarter_of_an_hour() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let mut user = account.user().await;
    let old = account.creates().await;
    gateway.passes(10_000, &mut [&mut user]).await;
    let ended = account.creates().await;
    let young = account.creates().await;
    account.ask(Method::POST, &format!("/v1/sessions/{ended}/archive"), None).await.ok();
    gateway.passes(10_000, &mut [&mut user]).await;
    user.emits("session-alive", json!({ "sid": old, "time": gateway.now() })).await;
    user.reaches().await;
    // A heartbeat is stored soon, not at once.
    gateway.passes(40_000, &mut [&mut user]).await;
    let told = account.get("/v2/sessions/active").await.ok();
    assert_eq!(told.as_object().unwrap().len(), 1);
    list(&told, "sessions").iter().for_each(is_bare_session);
    let ids: HashSet<_> = each(list(&told, "sessions"), "id").into_iter().collect();
    assert_eq!(ids, HashSet::from([old.as_str(), young.as_str()]));
    let moments: Vec<_> = list(&told, "sessions").iter().map(|session| number(session, "activeAt")).collect();
    assert!(moments.is_sorted_by(|one, next| one >= next), "newest first: {moments:?}");

    let page = account.get("/v2/sessions/active?limit=1").await.ok();
    assert_eq!(each(list(&page, "sessions"), "id"), each(&list(&told, "sessions")[..1], "id"));
    account.get("/v2/sessions/active?limit=500").await.ok();
    for query in ["limit=0", "limit=501", "limit=x"] {
        account.get(&format!("/v2/sessions/active?{query}")).await.invalid();
    }
    gateway.clock.advance(16 * 60_000);
    assert_eq!(account.get("/v2/sessions/active").await.ok(), json!({ "sessions": [] }));
}

async fn beats(gateway: &Gateway, peer: &mut crate::peer::Peer, session: &str) -> Vec<Value> {
    peer.emits("session-alive", json!({ "sid": session, "time": gateway.now() })).await;
    peer.settles().await.into_iter().filter(|event| event.kind() == "activity").map(|event| event.arg).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_17_an_archived_session_stays_away_though_its_heart_still_beats() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = text(&account.opens("t").await, "id").to_owned();
    let mut user = account.user().await;
    gateway.passes(5_000, &mut [&mut user]).await;
    let path = format!("/v1/sessions/{session}/archive");
    assert_eq!(account.post(&path, json!({})).await.ok(), json!({ "success": true }));
    let away =
        json!({ "type": "activity", "id": session, "active": false, "activeAt": gateway.now(), "thinking": false });
    assert_eq!(user.hears_a("activity").await, away);
    let seen = account.looks_at(&session).await;
    assert_eq!((&seen["active"], &seen["activeAt"]), (&json!(false), &json!(gateway.now())));
    assert_eq!((&seen["metadata"], &seen["metadataVersion"]), (&json!("bWV0YQ=="), &json!(0)));

    for _ in 0..5 {
        gateway.passes(10_000, &mut [&mut user]).await;
        assert_eq!(beats(&gateway, &mut user, &session).await, [] as [Value; 0]);
        assert_eq!(account.looks_at(&session).await["active"], false);
    }
    // Whoever opens it again lifts that.
    let opened = account.opens("t").await;
    assert_eq!(opened["id"], *session);
    let beat = beats(&gateway, &mut user, &session).await;
    assert_eq!(beat.len(), 1, "{beat:?}");
    assert_eq!(beat[0]["active"], true);
    gateway.passes(10_000, &mut [&mut user]).await;
    assert_eq!(account.looks_at(&session).await["active"], true);

    // And so does a minute; and an empty body is as good as none.
    account.ask(Method::POST, &path, None).await.ok();
    user.hears_a("activity").await;
    gateway.passes(55_000, &mut [&mut user]).await;
    assert!(beats(&gateway, &mut user, &session).await.is_empty());
    gateway.passes(6_000, &mut [&mut user]).await;
    assert_eq!(beats(&gateway, &mut user, &session).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_18_a_deleted_session_leaves_nothing() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = text(&account.opens("t").await, "id").to_owned();
    let (kept, machine) = (account.creates().await, account.registers().await);
    account.says(&session, "aGk=").await;
    account.says(&kept, "a2VwdA==").await;
    let base = format!("/v1/sessions/{session}");
    let upload = json!({ "filename": "f", "size": 3 });
    let upload = account.post(&format!("{base}/attachments/request-upload"), upload).await.ok();
    let put = account.door.request(Method::PUT, text(&upload, "uploadUrl")).bearer_auth(&account.token);
    let put = put.header("content-type", "application/octet-stream").body(vec![1, 2, 3]);
    assert_eq!(put.send().await.unwrap().status(), 200);
    let download = json!({ "ref": upload["ref"] });
    let download = account.post(&format!("{base}/attachments/request-download"), download).await.ok();
    let url = text(&download, "downloadUrl").to_owned();
    account.get(&url).await.ok();
    account.post(&format!("/v1/access-keys/{session}/{machine}"), json!({ "data": "d" })).await.ok();
    let (mut user, mut agent) = (account.user().await, account.session(&session).await);
    let mut daemon = account.machine(&machine).await;
    user.hears_a("machine-activity").await;
    let report = json!({ "key": "k", "sessionId": session, "tokens": { "total": 5 }, "cost": { "total": 1 } });
    user.asks("usage-report", report).await;
    user.hears_a("usage").await;

    assert_eq!(account.delete(&base).await.ok(), json!({ "success": true }));
    assert_eq!(user.hears_next("delete-session").await["body"], json!({ "t": "delete-session", "sid": session }));
    account.delete(&base).await.refused(404, "Session not found or not owned by user");
    let left = account.get("/v1/sessions").await.ok();
    assert_eq!(each(list(&left, "sessions"), "id"), [kept.as_str()]);
    account.get(&format!("{base}/messages")).await.refused(404, "Session not found");
    account.get(&format!("/v3/sessions/{session}/messages")).await.refused(404, "Session not found");
    assert_eq!(account.get(&url).await.status, 404);
    let keys = account.get(&format!("/v1/access-keys/{session}/{machine}")).await;
    keys.refused(404, "Session or machine not found");
    assert_eq!(account.post("/v1/usage/query", json!({})).await.ok()["totalReports"], 0);
    assert_eq!(list(&account.get("/v2/sessions").await.ok(), "sessions").len(), 1);

    // What still runs is heard no more.
    let now = gateway.now();
    agent.emits("session-alive", json!({ "sid": session, "time": now })).await;
    agent.emits("message", json!({ "sid": session, "message": "aGk=" })).await;
    let write = json!({ "sid": session, "expectedVersion": 0, "metadata": "eA==" });
    assert_eq!(agent.asks("update-metadata", write).await, json!({ "result": "error" }));
    assert!(agent.settles().await.is_empty());
    assert!(user.settles().await.is_empty());
    assert!(daemon.settles().await.is_empty());

    // Its tag begins anew, and the others were not touched.
    let anew = account.opens("t").await;
    assert_ne!(anew["id"], *session);
    assert_eq!(anew["seq"], 0);
    assert_eq!(account.contents(&kept).await, ["a2VwdA=="]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_moves_the_time_of_the_last_change() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let mut user = account.user().await;
    let when = async |account: &Account| number(&account.looks_at(&session).await, "updatedAt");
    assert_eq!(when(&account).await, NOW);
    gateway.passes(1_000, &mut [&mut user]).await;
    account.says(&session, "aGk=").await;
    assert_eq!(when(&account).await, NOW + 1_000);
    gateway.passes(1_000, &mut [&mut user]).await;
    user.asks("update-metadata", json!({ "sid": session, "expectedVersion": 0, "metadata": "eA==" })).await;
    assert_eq!(when(&account).await, NOW + 2_000);
    gateway.passes(1_000, &mut [&mut user]).await;
    user.asks("update-state", json!({ "sid": session, "expectedVersion": 0, "agentState": "eA==" })).await;
    assert_eq!(when(&account).await, NOW + 3_000);
    let seen = account.looks_at(&session).await;
    assert_eq!((&seen["createdAt"], &seen["seq"]), (&json!(NOW), &json!(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_have_the_form_that_clients_were_written_for() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let message = account.says(&session, "aGk=").await;
    for id in [session.as_str(), text(&message, "id"), &account.id().await] {
        let sound = id.len() == 25 && id.starts_with('c') && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        assert!(sound, "{id} is no cuid");
    }
}
