//! Settings of an account, which it seals itself.

use serde_json::{Value, json};

use crate::gateway::Gateway;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_45_settings_are_written_by_who_saw_the_newest_and_told_to_people() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let (mut user, mut agent, mut daemon) =
        (account.user().await, account.session(&session).await, account.machine("m").await);
    user.hears_a("machine-activity").await;
    let path = "/v1/account/settings";
    assert_eq!(account.get(path).await.ok(), json!({ "settings": null, "settingsVersion": 0 }));
    let write = |settings: Value, version: u64| json!({ "settings": settings, "expectedVersion": version });
    assert_eq!(account.post(path, write(json!("b25l"), 0)).await.ok(), json!({ "success": true, "version": 1 }));
    let id = account.id().await;
    let body = json!({ "t": "update-account", "id": id, "settings": { "value": "b25l", "version": 1 } });
    assert_eq!(user.hears_next("update-account").await["body"], body);
    assert_eq!(account.get(path).await.ok(), json!({ "settings": "b25l", "settingsVersion": 1 }));

    let mismatch =
        json!({ "success": false, "error": "version-mismatch", "currentVersion": 1, "currentSettings": "b25l" });
    for stale in [0, 2, 1_000] {
        assert_eq!(account.post(path, write(json!("eA=="), stale)).await.ok(), mismatch);
    }
    assert_eq!(account.post(path, write(Value::Null, 1)).await.ok(), json!({ "success": true, "version": 2 }));
    let update = user.hears_next("update-account").await;
    assert_eq!(update["body"]["settings"], json!({ "value": null, "version": 2 }));
    let mismatch =
        json!({ "success": false, "error": "version-mismatch", "currentVersion": 2, "currentSettings": null });
    assert_eq!(account.post(path, write(json!("eA=="), 1)).await.ok(), mismatch);
    for wrong in [
        json!({}),
        json!({ "settings": "eA==" }),
        json!({ "expectedVersion": 2 }),
        json!({ "settings": 7, "expectedVersion": 2 }),
        json!({ "settings": "eA==", "expectedVersion": -1 }),
        json!({ "settings": "eA==", "expectedVersion": "2" }),
        json!({ "settings": "eA==", "expectedVersion": 1.5 }),
    ] {
        account.post(path, wrong).await.invalid();
    }
    // Only people hear of it, and only the account's own.
    account.says(&session, "bWFyaw==").await;
    assert!(user.until_message("bWFyaw==").await.is_empty());
    assert!(agent.until_message("bWFyaw==").await.is_empty());
    assert!(daemon.settles().await.is_empty());
    let other = gateway.account().await;
    assert_eq!(other.get(path).await.ok(), json!({ "settings": null, "settingsVersion": 0 }));
    let gateway = gateway.restart().await;
    let account = account.at(gateway.door());
    assert_eq!(account.get(path).await.ok(), json!({ "settings": null, "settingsVersion": 2 }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_write_the_same_version_one_wins() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let writes = (0..20).map(|number| {
        account.post("/v1/account/settings", json!({ "settings": format!("{number}"), "expectedVersion": 0 }))
    });
    let answers = futures_util::future::join_all(writes).await;
    let told: Vec<_> = answers.into_iter().map(crate::http::Answer::ok).collect();
    assert_eq!(told.iter().filter(|told| told["success"] == true).count(), 1);
    let seen = account.get("/v1/account/settings").await.ok();
    for loser in told.iter().filter(|told| told["success"] == false) {
        assert_eq!((&loser["currentSettings"], &loser["currentVersion"]), (&seen["settings"], &json!(1)));
    }
}
