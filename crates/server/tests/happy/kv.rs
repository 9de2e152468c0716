//! The key-value store: all of a batch or nothing, and versions that never go back.

use serde_json::{Value, json};

use crate::account::{Account, base64};
use crate::frames::{each, list};
use crate::gateway::Gateway;

fn set(key: &str, value: &str, version: i64) -> Value {
    json!({ "key": key, "value": value, "version": version })
}
fn unset(key: &str, version: i64) -> Value {
    json!({ "key": key, "value": null, "version": version })
}
async fn writes(account: &Account, mutations: &[Value]) -> crate::http::Answer {
    account.post("/v1/kv", json!({ "mutations": mutations })).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_44_a_batch_is_written_as_a_whole_and_told_once() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let (mut user, mut agent) = (account.user().await, account.session("s").await);
    account.get("/v1/kv/a").await.refused(404, "Key not found");
    let told = writes(&account, &[set("a", "YQ==", -1), set("b", "Yg==", -1)]).await.ok();
    let results = json!([{ "key": "a", "version": 0 }, { "key": "b", "version": 0 }]);
    assert_eq!(told, json!({ "success": true, "results": results }));
    let changes = json!([{ "key": "a", "value": "YQ==", "version": 0 }, { "key": "b", "value": "Yg==", "version": 0 }]);
    let body = json!({ "t": "kv-batch-update", "changes": changes });
    assert_eq!(user.hears_next("kv-batch-update").await["body"], body);
    assert_eq!(account.get("/v1/kv/a").await.ok(), json!({ "key": "a", "value": "YQ==", "version": 0 }));

    // One that is stale keeps all from being written.
    let refused =
        writes(&account, &[set("a", "eA==", 0), set("b", "eA==", 7), set("c", "eA==", 3), set("d", "eA==", -1)]).await;
    assert_eq!(refused.status, 409, "{refused}");
    let errors = json!([
        { "key": "b", "error": "version-mismatch", "version": 0, "value": "Yg==" },
        { "key": "c", "error": "version-mismatch", "version": -1, "value": null },
    ]);
    assert_eq!(refused.body, json!({ "success": false, "errors": errors }));
    let refused = writes(&account, &[set("a", "eA==", -1)]).await;
    let errors = json!([{ "key": "a", "error": "version-mismatch", "version": 0, "value": "YQ==" }]);
    assert_eq!((refused.status, &refused.body), (409, &json!({ "success": false, "errors": errors })));
    account.get("/v1/kv/d").await.refused(404, "Key not found");
    assert_eq!(account.get("/v1/kv/a").await.ok()["version"], 0);

    let told = writes(&account, &[set("a", "bmV3", 0)]).await.ok();
    assert_eq!(told["results"], json!([{ "key": "a", "version": 1 }]));
    user.hears_next("kv-batch-update").await;
    assert!(user.settles().await.is_empty() && agent.settles().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_44_a_key_that_was_deleted_remembers_its_version() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let mut user = account.user().await;
    writes(&account, &[set("a", "YQ==", -1)]).await.ok();
    user.hears_next("kv-batch-update").await;
    let told = writes(&account, &[unset("a", 0)]).await.ok();
    assert_eq!(told["results"], json!([{ "key": "a", "version": 1 }]));
    let body = json!({ "t": "kv-batch-update", "changes": [{ "key": "a", "value": null, "version": 1 }] });
    assert_eq!(user.hears_next("kv-batch-update").await["body"], body);
    account.get("/v1/kv/a").await.refused(404, "Key not found");
    assert_eq!(account.get("/v1/kv").await.ok(), json!({ "items": [] }));
    assert_eq!(account.post("/v1/kv/bulk", json!({ "keys": ["a"] })).await.ok(), json!({ "values": [] }));
    let refused = writes(&account, &[set("a", "eA==", -1)]).await;
    let errors = json!([{ "key": "a", "error": "version-mismatch", "version": 1, "value": null }]);
    assert_eq!((refused.status, &refused.body["errors"]), (409, &errors));
    let told = writes(&account, &[set("a", "YWdhaW4=", 1)]).await.ok();
    assert_eq!(told["results"], json!([{ "key": "a", "version": 2 }]));
    assert_eq!(account.get("/v1/kv/a").await.ok()["value"], "YWdhaW4=");
    // An empty text is none.
    writes(&account, &[set("a", "", 2)]).await.ok();
    account.get("/v1/kv/a").await.refused(404, "Key not found");
    let gateway = gateway.restart().await;
    let account = account.at(gateway.door());
    let told = writes(&account, &[set("a", "YQ==", 3)]).await.ok();
    assert_eq!(told["results"], json!([{ "key": "a", "version": 4 }]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_44_keys_are_listed_by_prefix_and_fetched_by_name() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let other = gateway.account().await;
    let keys = ["a", "a%b", "a/1", "a/10", "a/2", "a_b", "b", "é", "todo.x"];
    let mutations: Vec<_> = keys.iter().map(|key| set(key, &base64(key), -1)).collect();
    writes(&account, &mutations).await.ok();
    writes(&other, &[set("a", "dGhlaXJz", -1)]).await.ok();
    let items = async |query: &str| {
        let told = account.get(&format!("/v1/kv{query}")).await.ok();
        list(&told, "items").iter().map(|item| item["key"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let mut sorted = keys.map(str::to_owned);
    sorted.sort_unstable();
    assert_eq!(items("").await, sorted);
    assert_eq!(items("?prefix=a/").await, ["a/1", "a/10", "a/2"]);
    assert_eq!(items("?prefix=a%25").await, ["a%b"], "a prefix is no pattern");
    assert_eq!(items("?prefix=a_").await, ["a_b"]);
    assert_eq!(items("?prefix=%C3%A9").await, ["é"]);
    assert_eq!(items("?prefix=zzz").await, [] as [&str; 0]);
    assert_eq!(items("?limit=2").await, sorted[..2]);
    let told = account.get("/v1/kv?limit=1").await.ok();
    assert_eq!(told, json!({ "items": [{ "key": "a", "value": base64("a"), "version": 0 }] }));
    assert_eq!(account.get("/v1/kv/a%2F1").await.ok()["key"], "a/1");
    assert_eq!(account.get("/v1/kv/%C3%A9").await.ok()["value"], base64("é"));
    let told = account.post("/v1/kv/bulk", json!({ "keys": ["b", "none", "a/2", "b"] })).await.ok();
    let mut found = each(list(&told, "values"), "key");
    found.sort_unstable();
    found.dedup();
    assert_eq!(found, ["a/2", "b"]);
    account.get("/v1/kv?limit=1000").await.ok();
    for query in ["limit=0", "limit=1001", "limit=x"] {
        account.get(&format!("/v1/kv?{query}")).await.invalid();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_44_a_batch_has_one_to_a_hundred_changes_that_are_well_formed() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let many = |count: usize| (0..count).map(|number| set(&format!("{number:03}"), "eA==", -1)).collect::<Vec<_>>();
    writes(&account, &many(0)).await.invalid();
    writes(&account, &many(101)).await.invalid();
    for wrong in [
        json!({ "key": 7, "value": "eA==", "version": -1 }),
        json!({ "value": "eA==", "version": -1 }),
        json!({ "key": "k", "value": 7, "version": -1 }),
        json!({ "key": "k", "value": "eA==" }),
        json!({ "key": "k", "value": "eA==", "version": "0" }),
        json!("k"),
    ] {
        writes(&account, &[set("fine", "eA==", -1), wrong]).await.invalid();
    }
    let answer = writes(&account, &[set("fine", "not base64!", -1)]).await;
    assert!(matches!(answer.status, 200 | 400), "{answer}");
    account.post("/v1/kv", json!({})).await.invalid();
    let keys = |count: usize| json!({ "keys": (0..count).map(|number| number.to_string()).collect::<Vec<_>>() });
    account.post("/v1/kv/bulk", keys(0)).await.invalid();
    account.post("/v1/kv/bulk", keys(101)).await.invalid();
    account.post("/v1/kv/bulk", keys(100)).await.ok();
    account.post("/v1/kv/bulk", json!({ "keys": [7] })).await.invalid();
    let told = writes(&account, &many(100)).await.ok();
    assert_eq!(list(&told, "results").len(), 100);
    assert_eq!(list(&account.get("/v1/kv?prefix=0").await.ok(), "items").len(), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_batches_that_overlap_one_wins_each_round() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    for round in -1..5 {
        let batches = (0..10).map(|number| {
            let value = base64([number]);
            let account = account.clone();
            async move { writes(&account, &[set("a", &value, round), set("b", &value, round)]).await }
        });
        let answers = futures_util::future::join_all(batches).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
        assert_eq!(answers.iter().filter(|answer| answer.status == 409).count(), 9);
        let (a, b) = (account.get("/v1/kv/a").await.ok(), account.get("/v1/kv/b").await.ok());
        assert_eq!((&a["value"], &a["version"]), (&b["value"], &json!(round + 1)));
    }
}
