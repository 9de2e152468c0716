//! Metadata and the agent's state: whoever writes must have seen what is there.

use serde_json::{Value, json};

use crate::frames::{number, text};
use crate::gateway::Gateway;
use crate::peer::Said;

/// Changes of each of two writers.
const CHANGES: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_28_a_write_that_saw_the_newest_is_taken_and_told_to_all() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let (session, other) = (account.creates().await, account.creates().await);
    for (event, field, version_field) in
        [("update-metadata", "metadata", "metadataVersion"), ("update-state", "agentState", "agentStateVersion")]
    {
        let (mut agent, mut twin) = (account.session(&session).await, account.session(&session).await);
        let (mut user, mut elsewhere) = (account.user().await, account.session(&other).await);
        let write = |version: Value, value: Value| json!({ "sid": session, "expectedVersion": version, field: value });
        let call = agent.calls(event, write(json!(0), json!("bmV3"))).await;
        // The update comes before the answer.
        let update = match agent.hears_any().await {
            Said::Event(event) => event,
            ack => panic!("{ack:?} came before the update"),
        };
        let body = json!({ "t": "update-session", "id": session, field: { "value": "bmV3", "version": 1 } });
        assert_eq!(*update.body(), body);
        assert_eq!(agent.ack(call).await, json!({ "result": "success", "version": 1, field: "bmV3" }));
        assert_eq!(twin.hears_next("update-session").await, update.arg);
        assert_eq!(user.hears_next("update-session").await, update.arg);

        let mismatch = json!({ "result": "version-mismatch", "version": 1, field: "bmV3" });
        for stale in [0, 2, 100] {
            assert_eq!(user.asks(event, write(json!(stale), json!("b3RoZXI="))).await, mismatch);
        }
        let wrong = [
            write(json!("1"), json!("eA==")),
            write(Value::Null, json!("eA==")),
            write(json!([]), json!("eA==")),
            write(json!(1), json!(7)),
            write(json!(1), json!({})),
            json!({ "sid": session, "expectedVersion": 1 }),
            json!({ "sid": session, field: "eA==" }),
            json!({ "sid": 7, "expectedVersion": 1, field: "eA==" }),
            json!({ "expectedVersion": 1, field: "eA==" }),
            json!({}),
            json!(null),
            json!("text"),
            json!({ "sid": "unknown", "expectedVersion": 0, field: "eA==" }),
        ];
        for wrong in wrong {
            assert_eq!(user.asks(event, wrong.clone()).await, json!({ "result": "error" }), "{wrong}");
        }
        // Nothing of that was told to anybody or stored.
        account.says(&session, "bWFyaw==").await;
        for peer in [&mut agent, &mut twin, &mut user] {
            assert!(peer.until_message("bWFyaw==").await.is_empty());
        }
        account.says(&other, "bWFyaw==").await;
        assert!(elsewhere.until_message("bWFyaw==").await.is_empty());
        let seen = account.looks_at(&session).await;
        assert_eq!((&seen[field], &seen[version_field]), (&json!("bmV3"), &json!(1)));
        // A second version, of the other writer.
        let told = user.asks(event, write(json!(1), json!("bmV4dA=="))).await;
        assert_eq!(told, json!({ "result": "success", "version": 2, field: "bmV4dA==" }));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_cannot_be_taken_away() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let mut user = account.user().await;
    let write = json!({ "sid": session, "expectedVersion": 0, "metadata": null });
    assert_eq!(user.asks("update-metadata", write).await, json!({ "result": "error" }));
    assert_eq!(account.looks_at(&session).await["metadata"], "bWV0YQ==");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn happy_29_two_that_read_change_and_write_lose_no_change() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let made = json!({ "tag": "t", "metadata": "0" });
    let made = account.post("/v1/sessions", made).await.ok();
    let session = text(&made["session"], "id").to_owned();
    let mut writers = Vec::new();
    for scope in 0..2 {
        let mut peer = if scope == 0 { account.session(&session).await } else { account.user().await };
        let session = session.clone();
        writers.push(tokio::spawn(async move {
            let (mut version, mut value) = (0, 0);
            for _ in 0..CHANGES {
                loop {
                    let next = (value + 1).to_string();
                    let write = json!({ "sid": session, "expectedVersion": version, "metadata": next });
                    let told = peer.asks("update-metadata", write).await;
                    let fresher = number(&told, "version") > version;
                    version = number(&told, "version");
                    value = text(&told, "metadata").parse::<u64>().unwrap();
                    match text(&told, "result") {
                        "success" => break,
                        "version-mismatch" => assert!(fresher, "what it is told lets it go on"),
                        other => panic!("{other}"),
                    }
                }
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let seen = account.looks_at(&session).await;
    let changes = (2 * CHANGES).to_string();
    assert_eq!((&seen["metadata"], &seen["metadataVersion"]), (&json!(changes), &json!(2 * CHANGES)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_30_a_state_can_be_taken_away() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let (mut agent, mut user) = (account.session(&session).await, account.user().await);
    agent.asks("update-state", json!({ "sid": session, "expectedVersion": 0, "agentState": "eA==" })).await;
    user.hears_next("update-session").await;
    let write = json!({ "sid": session, "expectedVersion": 1, "agentState": null });
    let told = agent.asks("update-state", write.clone()).await;
    assert_eq!(told, json!({ "result": "success", "version": 2, "agentState": null }));
    let body = json!({ "t": "update-session", "id": session, "agentState": { "value": null, "version": 2 } });
    assert_eq!(user.hears_next("update-session").await["body"], body);
    assert_eq!(
        agent.asks("update-state", write).await,
        json!({ "result": "version-mismatch", "version": 2, "agentState": null })
    );
    let seen = account.looks_at(&session).await;
    assert_eq!((&seen["agentState"], &seen["agentStateVersion"]), (&Value::Null, &json!(2)));
    // A field that is missing is not one that is null.
    let told = agent.asks("update-state", json!({ "sid": session, "expectedVersion": 2 })).await;
    assert_eq!(told, json!({ "result": "error" }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registers_outlive_a_restart() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let mut user = account.user().await;
    for version in 0..3 {
        user.asks("update-metadata", json!({ "sid": session, "expectedVersion": version, "metadata": "bQ==" })).await;
    }
    user.asks("update-state", json!({ "sid": session, "expectedVersion": 0, "agentState": "cw==" })).await;
    let before = account.looks_at(&session).await;
    let gateway = gateway.restart().await;
    let account = account.at(gateway.door());
    assert_eq!(account.looks_at(&session).await, before);
    let mut user = account.user().await;
    let told = user.asks("update-metadata", json!({ "sid": session, "expectedVersion": 3, "metadata": "bg==" })).await;
    assert_eq!(told, json!({ "result": "success", "version": 4, "metadata": "bg==" }));
}
