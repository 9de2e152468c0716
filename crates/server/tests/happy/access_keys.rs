//! Access keys: a text for each pair of a session and a machine.

use serde_json::json;

use crate::gateway::{Gateway, NOW};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_46_a_key_is_made_once_read_and_replaced_by_who_saw_the_newest() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let (session, machine) = (account.creates().await, account.registers().await);
    let mut agent = account.session(&session).await;
    let path = format!("/v1/access-keys/{session}/{machine}");
    let pair = json!({ "sessionId": session, "machineId": machine });
    assert_eq!(account.get(&path).await.ok(), json!({ "accessKey": null }));
    assert_eq!(agent.asks("access-key-get", pair.clone()).await, json!({ "ok": true, "accessKey": null }));
    let put = |data: &str, version: i64| json!({ "data": data, "expectedVersion": version });
    account.put(&path, put("x", 1)).await.refused(404, "Access key not found");

    let record = json!({ "data": "one", "dataVersion": 1, "createdAt": NOW, "updatedAt": NOW });
    let told = account.post(&path, json!({ "data": "one" })).await.ok();
    assert_eq!(told, json!({ "success": true, "accessKey": record }));
    account.post(&path, json!({ "data": "two" })).await.refused(409, "Access key already exists");
    assert_eq!(account.get(&path).await.ok(), json!({ "accessKey": record }));
    assert_eq!(agent.asks("access-key-get", pair.clone()).await, json!({ "ok": true, "accessKey": record }));

    gateway.passes(1_000, &mut [&mut agent]).await;
    assert_eq!(account.put(&path, put("two", 1)).await.ok(), json!({ "success": true, "version": 2 }));
    let mismatch = json!({ "success": false, "error": "version-mismatch", "currentVersion": 2, "currentData": "two" });
    for stale in [0, 1, 3] {
        assert_eq!(account.put(&path, put("x", stale)).await.ok(), mismatch);
    }
    let record = json!({ "data": "two", "dataVersion": 2, "createdAt": NOW, "updatedAt": NOW + 1_000 });
    assert_eq!(account.get(&path).await.ok(), json!({ "accessKey": record }));

    account.put(&path, put("x", -1)).await.invalid();
    account.put(&path, json!({ "data": "x" })).await.invalid();
    account.put(&path, json!({ "expectedVersion": 2 })).await.invalid();
    account.post(&path, json!({})).await.invalid();
    account.post(&path, json!({ "data": 7 })).await.invalid();
    let gateway = gateway.restart().await;
    assert_eq!(account.at(gateway.door()).get(&path).await.ok(), json!({ "accessKey": record }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_46_both_ends_of_a_key_must_be_the_accounts_own() {
    let gateway = Gateway::start().await;
    let (account, other) = (gateway.account().await, gateway.account().await);
    let (session, machine) = (account.creates().await, account.registers().await);
    let (their_session, their_machine) = (other.creates().await, other.registers().await);
    let mut user = account.user().await;
    let why = "Session or machine not found";
    for (session, machine) in [
        (session.as_str(), "unknown"),
        ("unknown", machine.as_str()),
        (session.as_str(), their_machine.as_str()),
        (their_session.as_str(), machine.as_str()),
        (their_session.as_str(), their_machine.as_str()),
    ] {
        let path = format!("/v1/access-keys/{session}/{machine}");
        account.get(&path).await.refused(404, why);
        account.post(&path, json!({ "data": "d" })).await.refused(404, why);
        let told = user.asks("access-key-get", json!({ "sessionId": session, "machineId": machine })).await;
        assert_eq!(told, json!({ "ok": false, "error": why }));
    }
    let path = format!("/v1/access-keys/{their_session}/{their_machine}");
    other.post(&path, json!({ "data": "theirs" })).await.ok();
    account.put(&path, json!({ "data": "d", "expectedVersion": 1 })).await.blamed();
    assert_eq!(other.get(&path).await.ok()["accessKey"]["data"], "theirs");
    let required = json!({ "ok": false, "error": "Invalid parameters: sessionId and machineId are required" });
    for wrong in [
        json!({}),
        json!({ "sessionId": session }),
        json!({ "machineId": machine }),
        json!({ "sessionId": "", "machineId": machine }),
        json!(null),
    ] {
        assert_eq!(user.asks("access-key-get", wrong).await, required);
    }
}
