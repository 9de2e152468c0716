//! What agents report of their use, and the sums of it.

use serde_json::{Value, json};

use crate::frames::{list, text};
use crate::gateway::{Gateway, NOW};

const HOUR: u64 = 3_600_000;

fn report(key: &str, session: Option<&str>, tokens: Value, cost: Value) -> Value {
    let mut report = json!({ "key": key, "tokens": tokens, "cost": cost });
    if let Some(session) = session {
        report["sessionId"] = json!(session);
    }
    report
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_35_a_report_is_told_and_the_next_of_its_key_replaces_it() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let (session, other) = (account.creates().await, account.creates().await);
    let (mut user, mut agent) = (account.user().await, account.session(&session).await);
    let tokens = json!({ "total": 21, "input": 1, "output": 2, "cache_creation": 8, "cache_read": 10 });
    let cost = json!({ "total": 0.5, "input": 0.2, "output": 0.3 });
    let told = agent.asks("usage-report", report("claude-session", Some(&session), tokens.clone(), cost.clone())).await;
    let id = text(&told, "reportId").to_owned();
    assert_eq!(told, json!({ "success": true, "reportId": id, "createdAt": NOW, "updatedAt": NOW }));
    let usage = json!({
        "type": "usage", "id": session, "key": "claude-session", "tokens": tokens, "cost": cost, "timestamp": NOW,
    });
    assert_eq!(user.hears_next("usage").await, usage);
    let query = account.post("/v1/usage/query", json!({})).await.ok();
    assert_eq!(query["usage"][0]["tokens"], tokens);

    gateway.passes(1_000, &mut [&mut user, &mut agent]).await;
    let fewer = json!({ "total": 5, "input": 2, "output": 3 });
    let told = agent
        .asks("usage-report", report("claude-session", Some(&session), fewer.clone(), json!({ "total": 0.25 })))
        .await;
    assert_eq!(told, json!({ "success": true, "reportId": id, "createdAt": NOW, "updatedAt": NOW + 1_000 }));
    user.hears_next("usage").await;
    let query = account.post("/v1/usage/query", json!({ "sessionId": session })).await.ok();
    assert_eq!((&query["groupBy"], &query["totalReports"]), (&json!("day"), &json!(1)));
    let bucket = &query["usage"][0];
    assert_eq!(
        (&bucket["tokens"], &bucket["cost"], &bucket["reportCount"]),
        (&fewer, &json!({ "total": 0.25 }), &json!(1))
    );
    assert!(bucket["timestamp"].as_u64().unwrap() <= NOW / 1_000 && bucket.as_object().unwrap().len() == 4);

    // Of another key, of another session, and of none: they are summed.
    let more = json!({ "total": 100, "input": 100, "thoughts": 7 });
    agent.asks("usage-report", report("second", Some(&session), more.clone(), json!({ "total": 1 }))).await;
    user.hears_next("usage").await;
    agent.asks("usage-report", report("claude-session", Some(&other), more.clone(), json!({ "total": 1 }))).await;
    assert_eq!(user.hears_next("usage").await["id"], *other);
    for _ in 0..2 {
        let told = agent.asks("usage-report", report("alone", None, more.clone(), json!({ "total": 1 }))).await;
        assert_eq!(told["success"], true, "{told}");
    }
    let sums = async |query: Value| {
        let told = account.post("/v1/usage/query", query).await.ok();
        let sum = |what: &str, key: &str| {
            list(&told, "usage").iter().filter_map(|bucket| bucket[what][key].as_f64()).sum::<f64>()
        };
        (
            told["totalReports"].as_u64().unwrap(),
            sum("tokens", "total"),
            sum("tokens", "thoughts"),
            sum("cost", "total"),
        )
    };
    assert_eq!(sums(json!({})).await, (4, 305.0, 21.0, 3.25));
    assert_eq!(sums(json!({ "sessionId": session })).await, (2, 105.0, 7.0, 1.25));
    assert_eq!(sums(json!({ "groupBy": "hour" })).await, (4, 305.0, 21.0, 3.25));
    assert!(agent.settles().await.is_empty());
    assert!(user.settles().await.is_empty(), "a report of no session is told to nobody");
    assert_eq!(gateway.account().await.post("/v1/usage/query", json!({})).await.ok()["usage"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_35_sums_are_by_hour_or_day_and_between_two_moments() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let mut user = account.user().await;
    for number in 0..4 {
        let one = report(&format!("{number}"), Some(&session), json!({ "total": 1 }), json!({ "total": 0 }));
        user.asks("usage-report", one).await;
        gateway.clock.advance(HOUR / 2);
        user = account.user().await; // nobody answers pings for so long
    }
    let query = async |query: Value| account.post("/v1/usage/query", query).await.ok();
    let hours = query(json!({ "groupBy": "hour" })).await;
    assert_eq!(hours["groupBy"], "hour");
    let start = NOW / 1_000;
    let bucket =
        |at: u64| json!({ "timestamp": at, "tokens": { "total": 2 }, "cost": { "total": 0 }, "reportCount": 2 });
    let same = |one: &Value, other: &Value| {
        let number = |value: &Value, place: &str| value.pointer(place).and_then(Value::as_f64);
        ["/timestamp", "/tokens/total", "/cost/total", "/reportCount"]
            .iter()
            .all(|place| number(one, place) == number(other, place))
    };
    let buckets = list(&hours, "usage");
    assert_eq!(buckets.len(), 2, "{hours}");
    assert!(same(&buckets[0], &bucket(start)) && same(&buckets[1], &bucket(start + 3_600)), "{hours}");
    for (from, to, expected) in [
        (Some(start), None, 4),
        (Some(start + 1), None, 3),
        (None, Some(start + 1_800), 2),
        (Some(start + 1_800), Some(start + 3_600), 2),
        (Some(start + 9_000), None, 0),
    ] {
        let mut asked = json!({});
        if let Some(from) = from {
            asked["startTime"] = json!(from);
        }
        if let Some(to) = to {
            asked["endTime"] = json!(to);
        }
        assert_eq!(query(asked.clone()).await["totalReports"], expected, "{asked}");
    }
    account.post("/v1/usage/query", json!({ "groupBy": "week" })).await.invalid();
    account.post("/v1/usage/query", json!({ "startTime": "now" })).await.invalid();
    account.post("/v1/usage/query", json!({ "sessionId": "unknown" })).await.refused(404, "Session not found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_35_a_report_that_is_not_sound_is_refused_with_the_reason() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let mut user = account.user().await;
    let (one, key) = (json!({ "total": 1 }), "Invalid key");
    let (tokens, cost) = ("Invalid tokens object - must include total", "Invalid cost object - must include total");
    for (wrong, why) in [
        (json!({ "tokens": one, "cost": one }), key),
        (json!({ "key": 7, "tokens": one, "cost": one }), key),
        (json!({ "key": "", "tokens": one, "cost": one }), key),
        (json!({ "key": "k", "cost": one }), tokens),
        (json!({ "key": "k", "tokens": {}, "cost": one }), tokens),
        (json!({ "key": "k", "tokens": { "total": "1" }, "cost": one }), tokens),
        (json!({ "key": "k", "tokens": 7, "cost": one }), tokens),
        (json!({ "key": "k", "tokens": one }), cost),
        (json!({ "key": "k", "tokens": one, "cost": null }), cost),
        (json!({ "key": "k", "tokens": one, "cost": { "input": 1 } }), cost),
        (json!({ "key": "k", "tokens": one, "cost": one, "sessionId": 7 }), "Invalid sessionId"),
        (json!({ "key": "k", "tokens": one, "cost": one, "sessionId": "unknown" }), "Session not found"),
    ] {
        let told = user.asks("usage-report", wrong.clone()).await;
        assert_eq!(told, json!({ "success": false, "error": why }), "{wrong}");
    }
    assert!(user.settles().await.is_empty());
    assert_eq!(account.post("/v1/usage/query", json!({})).await.ok()["totalReports"], 0);
    let strange = json!({ "total": 1e300, "": 0, "é": -1.5, "nested": { "a": 1 }, "text": "x" });
    let told = user.asks("usage-report", report("k", Some(&session), strange, json!({ "total": -0.0 }))).await;
    assert!(told["success"].is_boolean(), "{told}");
    account.post("/v1/usage/query", json!({})).await.ok();
}
