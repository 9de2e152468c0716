//! Who is there: heartbeats, and what happens without them.

use serde_json::{Value, json};

use crate::frames::number;
use crate::gateway::{Gateway, NOW};

const TEN_MINUTES: u64 = 600_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_31_a_heartbeat_is_shown_to_people_at_a_time_that_can_be_true() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let (session, machine) = (account.creates().await, account.registers().await);
    let mut daemon = account.machine(&machine).await;
    let (mut user, mut agent) = (account.user().await, account.session(&session).await);
    let mut stranger = gateway.account().await.user().await;
    let activity = |at: u64, thinking: bool| json!({ "type": "activity", "id": session, "active": true, "activeAt": at, "thinking": thinking });
    for (beat, expected) in [
        (json!({ "sid": session, "time": NOW }), activity(NOW, false)),
        (json!({ "sid": session, "time": NOW, "thinking": true, "mode": "local" }), activity(NOW, true)),
        (json!({ "sid": session, "time": NOW, "thinking": false, "mode": "remote" }), activity(NOW, false)),
        (json!({ "sid": session, "time": NOW - 5_000, "mode": 7 }), activity(NOW - 5_000, false)),
        (json!({ "sid": session, "time": NOW + 5_000 }), activity(NOW, false)),
        (json!({ "sid": session, "time": NOW + 5_000_000_000u64 }), activity(NOW, false)),
        (json!({ "sid": session, "time": NOW - TEN_MINUTES + 1_000 }), activity(NOW - TEN_MINUTES + 1_000, false)),
    ] {
        agent.emits("session-alive", beat).await;
        assert_eq!(user.hears_next("activity").await, expected);
    }
    for ignored in [
        json!({ "sid": session, "time": NOW - TEN_MINUTES - 1_000 }),
        json!({ "sid": session, "time": 0 }),
        json!({ "sid": session, "time": -1 }),
        json!({ "sid": session, "time": NOW.to_string() }),
        json!({ "sid": session, "time": null }),
        json!({ "sid": session }),
        json!({ "time": NOW }),
        json!({ "sid": "unknown", "time": NOW }),
        json!({ "sid": 7, "time": NOW }),
        json!(null),
    ] {
        agent.emits("session-alive", ignored).await;
    }
    assert!(agent.settles().await.is_empty(), "only people are told");
    assert!(user.settles().await.is_empty(), "what cannot be is not told");
    assert!(daemon.settles().await.is_empty());
    assert!(stranger.settles().await.is_empty());

    // Anybody of the account may say that a session is alive.
    user.emits("session-alive", json!({ "sid": session, "time": NOW })).await;
    user.hears_next("activity").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_heartbeat_is_shown_and_the_stored_one_follows() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let (mut user, mut agent) = (account.user().await, account.session(&session).await);
    for _ in 0..50 {
        gateway.passes(2_000, &mut [&mut user, &mut agent]).await;
        let now = gateway.now();
        agent.emits("session-alive", json!({ "sid": session, "time": now, "thinking": true })).await;
        assert_eq!(user.hears_next("activity").await["activeAt"], now);
    }
    gateway.passes(10_000, &mut [&mut user, &mut agent]).await;
    let seen = account.looks_at(&session).await;
    let late = gateway.now() - number(&seen, "activeAt");
    assert!(late <= 50_000, "{late} ms behind");
    assert_eq!((&seen["active"], &seen["seq"]), (&json!(true), &json!(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_ends_is_shown_away_and_its_last_heartbeats_do_not_bring_it_back() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let (mut user, mut agent) = (account.user().await, account.session(&session).await);
    agent.emits("session-alive", json!({ "sid": session, "time": NOW, "thinking": true })).await;
    user.hears_next("activity").await;
    gateway.passes(2_000, &mut [&mut user, &mut agent]).await;
    let end = gateway.now() - 500;
    agent.emits("session-end", json!({ "sid": session, "time": end })).await;
    agent.emits("session-alive", json!({ "sid": session, "time": gateway.now() })).await;
    agent.reaches().await;
    let away = json!({ "type": "activity", "id": session, "active": false, "activeAt": end, "thinking": false });
    assert_eq!(user.hears_next("activity").await, away);
    assert!(user.settles().await.is_empty());
    let seen = account.looks_at(&session).await;
    assert_eq!((&seen["active"], &seen["activeAt"]), (&json!(false), &json!(end)));
    gateway.passes(61_000, &mut [&mut user, &mut agent]).await;
    agent.emits("session-alive", json!({ "sid": session, "time": gateway.now() })).await;
    assert_eq!(user.hears_next("activity").await["active"], true);
    gateway.passes(10_000, &mut [&mut user, &mut agent]).await;
    assert_eq!(account.looks_at(&session).await["active"], true);
    for ignored in
        [json!({ "sid": session }), json!({ "sid": session, "time": "now" }), json!({ "sid": "unknown", "time": NOW })]
    {
        agent.emits("session-end", ignored).await;
    }
    agent.reaches().await;
    assert!(user.settles().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_32_without_a_heartbeat_for_ten_minutes_a_session_is_away() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let (silent, alive) = (account.creates().await, account.creates().await);
    let (mut user, mut agent) = (account.user().await, account.session(&silent).await);
    agent.emits("session-alive", json!({ "sid": silent, "time": NOW })).await;
    user.hears_next("activity").await;
    // That its socket is there does not keep it, nor does it end it to go.
    let mut away = None;
    for _ in 0..140 {
        gateway.passes(5_000, &mut [&mut user, &mut agent]).await;
        user.emits("session-alive", json!({ "sid": alive, "time": gateway.now() })).await;
        for event in user.settles().await {
            assert_eq!(event.kind(), "activity");
            if event.arg["id"] == silent {
                assert_eq!((&event.arg["active"], &event.arg["thinking"]), (&json!(false), &json!(false)));
                assert!(away.replace(gateway.now() - NOW).is_none(), "it is told once");
            } else {
                assert_eq!(event.arg["active"], true, "who is alive stays");
            }
        }
    }
    let away = away.expect("it is told that the session is away");
    assert!((TEN_MINUTES..=TEN_MINUTES + 70_000).contains(&away), "after {away} ms");
    assert_eq!(account.looks_at(&silent).await["active"], false);
    assert_eq!(account.looks_at(&alive).await["active"], true);
    agent.emits("session-alive", json!({ "sid": silent, "time": gateway.now() })).await;
    assert_eq!(user.hears_next("activity").await["active"], true, "and it may come back");
    gateway.passes(10_000, &mut [&mut user, &mut agent]).await;
    assert_eq!(account.looks_at(&silent).await["active"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_goes_leaves_its_session_active() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let mut user = account.user().await;
    let agent = account.session(&session).await;
    agent.goes().await;
    drop(account.session(&session).await);
    gateway.passes(70_000, &mut [&mut user]).await;
    assert!(user.settles().await.is_empty());
    assert_eq!(account.looks_at(&session).await["active"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_33_a_daemon_that_comes_and_goes_is_shown_and_its_state_makes_it_active() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let machine = account.registers().await;
    let (mut user, mut agent) = (account.user().await, account.session("any").await);
    let look = async || {
        let told = account.get(&format!("/v1/machines/{machine}")).await.ok();
        told["machine"].clone()
    };
    let activity =
        |active: bool, at: u64| json!({ "type": "machine-activity", "id": machine, "active": active, "activeAt": at });
    assert_eq!(look().await["active"], false);

    let daemon = account.machine(&machine).await;
    assert_eq!(user.hears_next("machine-activity").await, activity(true, NOW));
    assert_eq!(look().await["active"], false, "that a socket is there is not stored");
    gateway.passes(3_000, &mut [&mut user]).await;
    daemon.goes().await;
    assert_eq!(user.hears_next("machine-activity").await, activity(false, NOW + 3_000));

    let mut daemon = account.machine(&machine).await;
    user.hears_next("machine-activity").await;
    let state = json!({ "machineId": machine, "daemonState": "cw==", "expectedVersion": 0 });
    daemon.asks("machine-update-state", state).await;
    user.hears_next("update-machine").await;
    let seen = look().await;
    assert_eq!((&seen["active"], &seen["activeAt"]), (&json!(true), &json!(NOW + 3_000)));

    daemon.emits("machine-alive", json!({ "machineId": machine, "time": NOW })).await;
    assert_eq!(user.hears_next("machine-activity").await, activity(true, NOW));
    daemon.emits("machine-alive", json!({ "machineId": machine, "time": NOW + 900_000 })).await;
    assert_eq!(user.hears_next("machine-activity").await, activity(true, NOW + 3_000));
    for ignored in [
        json!({ "machineId": machine, "time": NOW - TEN_MINUTES }),
        json!({ "machineId": machine, "time": "now" }),
        json!({ "machineId": machine }),
        json!({ "machineId": "unknown", "time": NOW }),
        json!({ "time": NOW }),
    ] {
        daemon.emits("machine-alive", ignored).await;
    }
    daemon.reaches().await;
    assert!(user.settles().await.is_empty());
    assert!(agent.settles().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_without_a_heartbeat_is_away_after_ten_minutes() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let machine = account.registers().await;
    let mut user = account.user().await;
    user.emits("machine-alive", json!({ "machineId": machine, "time": NOW })).await;
    assert_eq!(user.hears_next("machine-activity").await["active"], true);
    let active = async || account.get(&format!("/v1/machines/{machine}")).await.ok()["machine"]["active"].clone();
    gateway.passes(40_000, &mut [&mut user]).await;
    assert_eq!(active().await, true, "a heartbeat is stored soon");
    let mut away = 40_000;
    loop {
        gateway.passes(5_000, &mut [&mut user]).await;
        away += 5_000;
        let events = user.settles().await;
        if let Some(event) = events.first() {
            assert_eq!((events.len(), event.kind(), &event.arg["active"]), (1, "machine-activity", &json!(false)));
            break;
        }
        assert!(away < TEN_MINUTES + 120_000, "it is never away");
    }
    assert!(away >= TEN_MINUTES, "after {away} ms");
    assert_eq!(active().await, false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_34_a_ping_is_answered_by_an_empty_object() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let mut user = account.user().await;
    user.reaches().await;
    assert_eq!(user.asks("ping", json!({ "some": "thing" })).await, json!({}));
    assert_eq!(user.asks("ping", Value::Null).await, json!({}));
    let mut ids = Vec::new();
    for _ in 0..50 {
        ids.push(user.calls("ping", Value::Null).await);
    }
    for id in ids {
        assert_eq!(user.ack(id).await, json!({}));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heartbeats_of_an_old_life_do_not_make_a_session_active_after_a_restart() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let gateway = gateway.restart().await;
    let account = account.at(gateway.door());
    let mut user = account.user().await;
    let mut away = false;
    for _ in 0..140 {
        gateway.passes(5_000, &mut [&mut user]).await;
        for event in user.settles().await {
            assert_eq!((event.kind(), &event.arg["active"]), ("activity", &json!(false)));
            away = true;
        }
    }
    assert!(away, "who never came back is told to be away");
    assert_eq!(account.looks_at(&session).await["active"], false);
}
