//! Artifacts: a sealed header and a sealed body, each with a version.

use serde_json::{Value, json};

use crate::account::{Account, base64, uuid};
use crate::frames::{each, number};
use crate::gateway::{Gateway, NOW};
use crate::shapes::{is_artifact, is_listed_artifact};

fn made(id: &str) -> Value {
    json!({ "id": id, "header": "aGVhZA==", "body": "Ym9keQ==", "dataEncryptionKey": base64([4; 105]) })
}

async fn look(account: &Account, id: &str) -> Value {
    let told = account.get(&format!("/v1/artifacts/{id}")).await.ok();
    is_artifact(&told);
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_43_an_artifact_is_made_read_changed_and_deleted_over_http() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let (mut user, mut agent) = (account.user().await, account.session("s").await);
    let id = uuid();
    let path = format!("/v1/artifacts/{id}");
    account.get(&path).await.refused(404, "Artifact not found");
    let told = account.post("/v1/artifacts", made(&id)).await.ok();
    is_artifact(&told);
    let mut expected = made(&id);
    for (field, value) in [("headerVersion", 1), ("bodyVersion", 1), ("seq", 0), ("createdAt", NOW), ("updatedAt", NOW)]
    {
        expected[field] = json!(value);
    }
    assert_eq!(told, expected);
    assert_eq!(look(&account, &id).await, expected);
    let update = user.hears_next("new-artifact").await;
    let mut body = expected.clone();
    let fields = body.as_object_mut().unwrap();
    fields.remove("id");
    fields.extend([("t".to_owned(), json!("new-artifact")), ("artifactId".to_owned(), json!(id))]);
    assert_eq!(update["body"], body);
    // Posted again it is as it was.
    let mut again = made(&id);
    again["header"] = json!("b3RoZXI=");
    assert_eq!(account.post("/v1/artifacts", again).await.ok(), expected);

    gateway.passes(1_000, &mut [&mut user, &mut agent]).await;
    let told = account.post(&path, json!({ "header": "bmV3", "expectedHeaderVersion": 1 })).await.ok();
    assert_eq!(told, json!({ "success": true, "headerVersion": 2 }));
    let body = json!({ "t": "update-artifact", "artifactId": id, "header": { "value": "bmV3", "version": 2 } });
    assert_eq!(user.hears_next("update-artifact").await["body"], body);
    let both = json!({ "header": "aA==", "expectedHeaderVersion": 2, "body": "Yg==", "expectedBodyVersion": 1 });
    let told = account.post(&path, both.clone()).await.ok();
    assert_eq!(told, json!({ "success": true, "headerVersion": 3, "bodyVersion": 2 }));
    let body = json!({
        "t": "update-artifact", "artifactId": id,
        "header": { "value": "aA==", "version": 3 }, "body": { "value": "Yg==", "version": 2 },
    });
    assert_eq!(user.hears_next("update-artifact").await["body"], body);
    let seen = look(&account, &id).await;
    assert_eq!((number(&seen, "seq"), number(&seen, "updatedAt")), (2, NOW + 1_000));

    // Of two parts that are not both new, none is written, and only what was wrong is told.
    let stale = json!({ "header": "eA==", "expectedHeaderVersion": 3, "body": "eA==", "expectedBodyVersion": 1 });
    let told = account.post(&path, stale).await.ok();
    let mismatch =
        json!({ "success": false, "error": "version-mismatch", "currentBodyVersion": 2, "currentBody": "Yg==" });
    assert_eq!(told, mismatch);
    let told = account.post(&path, both).await.ok();
    let mismatch = json!({
        "success": false, "error": "version-mismatch",
        "currentHeaderVersion": 3, "currentHeader": "aA==", "currentBodyVersion": 2, "currentBody": "Yg==",
    });
    assert_eq!(told, mismatch);
    assert_eq!(look(&account, &id).await, seen);

    // A part without its version is no part; and nothing to do is done.
    for nothing in [json!({}), json!({ "header": "eA==" }), json!({ "expectedBodyVersion": 7 })] {
        assert_eq!(account.post(&path, nothing).await.ok(), json!({ "success": true }));
        let body = json!({ "t": "update-artifact", "artifactId": id });
        assert_eq!(user.hears_next("update-artifact").await["body"], body);
    }
    let after = look(&account, &id).await;
    assert_eq!((&after["header"], &after["body"], &after["seq"]), (&seen["header"], &seen["body"], &json!(5)));

    assert_eq!(account.delete(&path).await.ok(), json!({ "success": true }));
    let body = json!({ "t": "delete-artifact", "artifactId": id });
    assert_eq!(user.hears_next("delete-artifact").await["body"], body);
    account.delete(&path).await.refused(404, "Artifact not found");
    account.get(&path).await.refused(404, "Artifact not found");
    account.post(&path, json!({})).await.refused(404, "Artifact not found");
    assert!(user.settles().await.is_empty() && agent.settles().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_43_an_artifact_is_made_read_changed_and_deleted_over_a_socket() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let (mut user, mut agent) = (account.user().await, account.session("s").await);
    let unknown = json!({ "result": "error", "message": "Artifact not found" });
    let invalid = json!({ "result": "error", "message": "Invalid parameters" });
    let id = "any text is an id here";
    assert_eq!(agent.asks("artifact-read", json!({ "artifactId": id })).await, unknown);
    let artifact = json!({
        "id": id, "header": "aGVhZA==", "headerVersion": 1, "body": "Ym9keQ==", "bodyVersion": 1, "seq": 0,
        "createdAt": NOW, "updatedAt": NOW,
    });
    let success = json!({ "result": "success", "artifact": artifact });
    assert_eq!(agent.asks("artifact-create", made(id)).await, success);
    assert_eq!(user.hears_next("new-artifact").await["body"]["artifactId"], id);
    let mut again = made(id);
    again["body"] = json!("b3RoZXI=");
    assert_eq!(agent.asks("artifact-create", again).await, success);
    assert_eq!(agent.asks("artifact-read", json!({ "artifactId": id })).await, success);

    let part = |data: &str, version: u64| json!({ "data": data, "expectedVersion": version });
    let told = agent.asks("artifact-update", json!({ "artifactId": id, "body": part("bmV3", 1) })).await;
    assert_eq!(told, json!({ "result": "success", "body": { "version": 2, "data": "bmV3" } }));
    let body = json!({ "t": "update-artifact", "artifactId": id, "body": { "value": "bmV3", "version": 2 } });
    assert_eq!(user.hears_next("update-artifact").await["body"], body);
    let both = json!({ "artifactId": id, "header": part("aA==", 1), "body": part("Yg==", 2) });
    let told = agent.asks("artifact-update", both.clone()).await;
    let success = json!({
        "result": "success", "header": { "version": 2, "data": "aA==" }, "body": { "version": 3, "data": "Yg==" },
    });
    assert_eq!(told, success);
    user.hears_next("update-artifact").await;
    let told = agent.asks("artifact-update", both).await;
    let mismatch = json!({
        "result": "version-mismatch",
        "header": { "currentVersion": 2, "currentData": "aA==" }, "body": { "currentVersion": 3, "currentData": "Yg==" },
    });
    assert_eq!(told, mismatch);
    let half = json!({ "artifactId": id, "header": part("eA==", 2), "body": part("eA==", 2) });
    let told = agent.asks("artifact-update", half).await;
    let mismatch = json!({ "result": "version-mismatch", "body": { "currentVersion": 3, "currentData": "Yg==" } });
    assert_eq!(told, mismatch);
    let read = agent.asks("artifact-read", json!({ "artifactId": id })).await;
    assert_eq!((&read["artifact"]["header"], &read["artifact"]["seq"]), (&json!("aA=="), &json!(2)));

    let message = |text: &str| json!({ "result": "error", "message": text });
    for (wrong, told) in [
        (json!({ "artifactId": id }), message("No updates provided")),
        (json!({ "artifactId": id, "header": "text" }), message("Invalid header parameters")),
        (json!({ "artifactId": id, "header": { "data": "eA==" } }), message("Invalid header parameters")),
        (
            json!({ "artifactId": id, "header": { "data": 7, "expectedVersion": 1 } }),
            message("Invalid header parameters"),
        ),
        (json!({ "artifactId": id, "body": { "expectedVersion": 1 } }), message("Invalid body parameters")),
        (
            json!({ "artifactId": id, "body": { "data": "eA==", "expectedVersion": "1" } }),
            message("Invalid body parameters"),
        ),
        (json!({ "header": part("eA==", 1) }), invalid.clone()),
        (json!({ "artifactId": 7, "header": part("eA==", 1) }), invalid.clone()),
        (json!({ "artifactId": "unknown", "header": part("eA==", 1) }), unknown.clone()),
    ] {
        assert_eq!(agent.asks("artifact-update", wrong.clone()).await, told, "{wrong}");
    }
    for event in ["artifact-read", "artifact-delete"] {
        for wrong in [json!({}), json!({ "artifactId": 7 }), json!(null)] {
            assert_eq!(agent.asks(event, wrong).await, invalid, "{event}");
        }
        assert_eq!(agent.asks(event, json!({ "artifactId": "unknown" })).await, unknown);
    }
    for field in ["id", "header", "body", "dataEncryptionKey"] {
        let mut wrong = made(&uuid());
        wrong[field] = json!(7);
        assert_eq!(agent.asks("artifact-create", wrong).await, invalid);
    }
    assert_eq!(agent.asks("artifact-delete", json!({ "artifactId": id })).await, json!({ "result": "success" }));
    assert_eq!(user.hears_next("delete-artifact").await["body"]["artifactId"], id);
    assert_eq!(agent.asks("artifact-read", json!({ "artifactId": id })).await, unknown);
    assert!(user.settles().await.is_empty() && agent.settles().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_43_an_id_of_somebody_else_is_taken_and_otherwise_not_there() {
    let gateway = Gateway::start().await;
    let (owner, thief) = (gateway.account().await, gateway.account().await);
    let id = uuid();
    let path = format!("/v1/artifacts/{id}");
    owner.post("/v1/artifacts", made(&id)).await.ok();
    let (mut user, mut theirs) = (owner.user().await, thief.user().await);
    let taken = "Artifact with this ID already exists for another account";
    thief.post("/v1/artifacts", made(&id)).await.refused(409, taken);
    assert_eq!(theirs.asks("artifact-create", made(&id)).await, json!({ "result": "error", "message": taken }));
    thief.get(&path).await.refused(404, "Artifact not found");
    thief.post(&path, json!({ "header": "eA==", "expectedHeaderVersion": 1 })).await.refused(404, "Artifact not found");
    thief.delete(&path).await.refused(404, "Artifact not found");
    assert_eq!(thief.get("/v1/artifacts").await.ok(), json!([]));
    let unknown = json!({ "result": "error", "message": "Artifact not found" });
    let write = json!({ "artifactId": id, "header": { "data": "eA==", "expectedVersion": 1 } });
    for event in ["artifact-read", "artifact-update", "artifact-delete"] {
        assert_eq!(theirs.asks(event, write.clone()).await, unknown, "{event}");
    }
    assert!(user.settles().await.is_empty() && theirs.settles().await.is_empty());
    assert_eq!(look(&owner, &id).await["header"], "aGVhZA==");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_43_a_list_of_artifacts_leaves_bodies_out_and_ends_after_two_hundred() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let mut ids = Vec::new();
    for _ in 0..201 {
        gateway.clock.advance(10);
        let id = uuid();
        account.post("/v1/artifacts", made(&id)).await.ok();
        ids.push(id);
    }
    let told = account.get("/v1/artifacts").await.ok();
    let listed = told.as_array().unwrap();
    listed.iter().for_each(is_listed_artifact);
    let newest: Vec<_> = ids.iter().rev().take(200).map(String::as_str).collect();
    assert_eq!(each(listed, "id"), newest);
    gateway.clock.advance(10);
    account
        .post(&format!("/v1/artifacts/{}", ids[0]), json!({ "header": "eA==", "expectedHeaderVersion": 1 }))
        .await
        .ok();
    let told = account.get("/v1/artifacts").await.ok();
    assert_eq!(told[0]["id"], *ids[0], "what changed last comes first");
    assert_eq!(told.as_array().unwrap().len(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_artifact_that_is_not_well_formed_is_not_made() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    for field in ["id", "header", "body", "dataEncryptionKey"] {
        for wrong in [json!(7), Value::Null, json!([])] {
            let mut body = made(&uuid());
            body[field] = wrong;
            account.post("/v1/artifacts", body).await.invalid();
        }
        let mut body = made(&uuid());
        body.as_object_mut().unwrap().remove(field);
        account.post("/v1/artifacts", body).await.invalid();
    }
    account.post("/v1/artifacts", made("no UUID")).await.invalid();
    for field in ["header", "body", "dataEncryptionKey"] {
        let mut body = made(&uuid());
        body[field] = json!("not base64!");
        let answer = account.post("/v1/artifacts", body).await;
        assert_eq!(answer.status, 400, "{answer}");
    }
    let id = uuid();
    account.post("/v1/artifacts", made(&id)).await.ok();
    let path = format!("/v1/artifacts/{id}");
    for wrong in [
        json!({ "header": 7, "expectedHeaderVersion": 1 }),
        json!({ "header": "eA==", "expectedHeaderVersion": "1" }),
        json!({ "body": "eA==", "expectedBodyVersion": 1.5 }),
    ] {
        account.post(&path, wrong).await.invalid();
    }
    let answer = account.post(&path, json!({ "body": "not base64!", "expectedBodyVersion": 1 })).await;
    assert_eq!(answer.status, 400, "{answer}");
    assert_eq!(account.get("/v1/artifacts").await.ok().as_array().unwrap().len(), 1);
    assert_eq!(look(&account, &id).await["seq"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_writers_of_one_version_one_wins_also_over_http() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let id = uuid();
    account.post("/v1/artifacts", made(&id)).await.ok();
    let path = format!("/v1/artifacts/{id}");
    let writes =
        (0..20).map(|number| account.post(&path, json!({ "body": base64([number]), "expectedBodyVersion": 1 })));
    let answers = futures_util::future::join_all(writes).await;
    let told: Vec<_> = answers.into_iter().map(crate::http::Answer::ok).collect();
    assert_eq!(told.iter().filter(|told| told["success"] == true).count(), 1);
    let seen = look(&account, &id).await;
    assert_eq!((&seen["bodyVersion"], &seen["seq"]), (&json!(2), &json!(1)));
    for loser in told.iter().filter(|told| told["success"] == false) {
        assert_eq!((&loser["currentBody"], &loser["currentBodyVersion"]), (&seen["body"], &json!(2)));
    }
}
