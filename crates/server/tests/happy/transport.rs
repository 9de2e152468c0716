//! Engines: how they are opened, kept alive, and closed; and that no frame hurts anybody else.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::account::base64;
use crate::frames::{number, text};
use crate::gateway::Gateway;
use crate::http::Door;
use crate::peer::{Peer, Said, kinds};
use crate::polling::{Polling, fetch};
use crate::wire::{Heard, Wire};

const WEBSOCKET: &str = "EIO=4&transport=websocket";
/// Of half a megabyte each.
const LONG_MESSAGES: u64 = 20;
/// Of a tenth of a megabyte each.
const LATE_MESSAGES: u64 = 50;

fn opening(sid: &Value, upgrades: Value) -> Value {
    json!({ "sid": sid, "upgrades": upgrades, "pingInterval": 15_000, "pingTimeout": 45_000, "maxPayload": 1_000_000 })
}

async fn dial(door: &Door) -> Wire {
    let mut wire = Wire::dial(&door.engine, WEBSOCKET).await.expect("the upgrade is taken");
    assert!(wire.packet().await.starts_with("0{"));
    wire
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_19_an_engine_is_opened_by_a_websocket() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let mut wire = Wire::dial(&account.door.engine, WEBSOCKET).await.expect("the upgrade is taken");
    let packet = wire.packet().await;
    let open: Value = serde_json::from_str(packet.strip_prefix('0').unwrap()).unwrap();
    assert_eq!(open, opening(&open["sid"], json!([])));
    assert!(!text(&open, "sid").is_empty());
    wire.sends(&format!("40{}", json!({ "token": account.token }))).await;
    let connected = wire.packet().await;
    let told: Value = serde_json::from_str(connected.strip_prefix("40").unwrap()).unwrap();
    assert!(!text(&told, "sid").is_empty() && told.as_object().unwrap().len() == 1);
    assert_ne!(told["sid"], open["sid"], "the engine's name is nobody else's to know");
    wire.sends("420[\"ping\"]").await;
    assert_eq!(wire.packet().await, "430[{}]");
    wire.sends("42123456789[\"ping\"]").await;
    assert_eq!(wire.packet().await, "43123456789[{}]");
    wire.sends("1").await;
    assert_eq!(wire.closed().await, [] as [String; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_19_an_engine_is_opened_by_polling_and_upgraded() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let mut polling = Polling::open(&account.door).await;
    assert_eq!(polling.open, opening(&polling.open["sid"], json!(["websocket"])));
    let auth = json!({ "token": account.token, "clientType": "session-scoped", "sessionId": session });
    polling.says(&[&format!("40{auth}")]).await;
    assert!(polling.hears().await.starts_with("40{\"sid\":"));
    polling.says(&["420[\"ping\"]", &format!("42{}", json!(["rpc-register", { "method": "m" }]))]).await;
    assert_eq!(polling.hears().await, "430[{}]");
    assert_eq!(polling.hears().await, "42[\"rpc-registered\",{\"method\":\"m\"}]");
    account.says(&session, "cG9sbGVk").await;
    assert!(polling.hears_a("42[\"update\"").await.contains("cG9sbGVk"));

    // What comes while it is probed is lost on neither.
    let query = format!("{WEBSOCKET}&sid={}", polling.sid());
    let mut wire = Wire::dial(&account.door.engine, &query).await.expect("the upgrade is taken");
    wire.sends("2probe").await;
    assert_eq!(wire.packet().await, "3probe");
    // A poll that waits is sent home.
    let (status, packets) = polling.polls().await;
    assert_eq!((status, packets), (200, vec!["6".to_owned()]));
    wire.sends("5").await;
    let mut peer = Peer::over(wire, &account.door);
    peer.reaches().await;
    for number in 0..20 {
        account.says(&session, &base64(number.to_string())).await;
    }
    for number in 0..20 {
        let told = peer.hears_next("new-message").await;
        assert_eq!(told["body"]["message"]["content"]["c"], base64(number.to_string()));
    }
    let (status, _) = polling.polls().await;
    assert_eq!(status, 400, "it polls no more");
    peer.reaches().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_amid_a_burst_loses_and_repeats_nothing() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let mut polling = Polling::open(&account.door).await;
    polling.says(&[&format!("40{}", json!({ "token": account.token }))]).await;
    polling.hears().await;
    let writing = tokio::spawn({
        let (account, session) = (account.clone(), session.clone());
        async move {
            for number in 0..200 {
                account.says(&session, &base64(number.to_string())).await;
            }
        }
    });
    let mut seen = Vec::new();
    while seen.len() < 20 {
        seen.push(seq_of(&polling.hears_a("42").await));
    }
    let query = format!("{WEBSOCKET}&sid={}", polling.sid());
    let mut wire = Wire::dial(&account.door.engine, &query).await.expect("the upgrade is taken");
    wire.sends("2probe").await;
    assert_eq!(wire.packet().await, "3probe");
    loop {
        let packet = polling.hears().await;
        if packet == "6" {
            break;
        }
        seen.push(seq_of(&packet));
    }
    wire.sends("5").await;
    while seen.len() < 200 {
        seen.push(seq_of(&wire.packet().await));
    }
    writing.await.unwrap();
    assert_eq!(seen, (1..=200).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_19_another_version_and_an_unknown_engine_are_refused() {
    let gateway = Gateway::start().await;
    let door = gateway.door();
    for version in ["EIO=3&", "EIO=5&", ""] {
        let (status, body) = fetch(door, &format!("{version}transport=polling")).await;
        assert_eq!(status, 400, "{body}");
        let told: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(told, json!({ "code": 5, "message": "Unsupported protocol version" }));
        let refused = Wire::dial(&door.engine, &format!("{version}transport=websocket")).await.err();
        assert_eq!(refused.map(|(status, _)| status), Some(400));
    }
    for query in [
        "EIO=4&transport=carrier-pigeon",
        "EIO=4",
        "EIO=4&transport=polling&sid=unknown",
        "EIO=4&transport=websocket", // without an upgrade
        "EIO=4&transport=polling&sid=%00%ff",
    ] {
        let (status, body) = fetch(door, query).await;
        assert_eq!(status, 400, "{query}: {body}");
    }
    let refused = Wire::dial(&door.engine, "EIO=4&transport=websocket&sid=unknown").await.err();
    assert_eq!(refused.map(|(status, _)| status), Some(400));
    let bare = door.get("/v1/updates?EIO=4&transport=polling").await;
    assert_eq!(bare.status, 404, "{bare}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_20_who_is_not_let_in_is_told_why() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let missing = "Missing authentication token";
    let (session, machine) =
        ("Session ID required for session-scoped clients", "Machine ID required for machine-scoped clients");
    let invalid = "Invalid authentication token";
    let token = account.token.as_str();
    for (auth, why) in [
        (json!({}), missing),
        (json!({ "clientType": "session-scoped" }), missing),
        (json!({ "clientType": "machine-scoped" }), missing),
        (json!({ "token": "", "clientType": "session-scoped" }), missing),
        (json!({ "token": null }), missing),
        (json!({ "token": "bad", "clientType": "session-scoped" }), session),
        (json!({ "token": token, "clientType": "session-scoped" }), session),
        (json!({ "token": token, "clientType": "session-scoped", "sessionId": "" }), session),
        (json!({ "token": token, "clientType": "session-scoped", "machineId": "m" }), session),
        (json!({ "token": "bad", "clientType": "machine-scoped" }), machine),
        (json!({ "token": token, "clientType": "machine-scoped", "sessionId": "s" }), machine),
        (json!({ "token": "bad" }), invalid),
        (json!({ "token": "bad", "clientType": "session-scoped", "sessionId": "s" }), invalid),
        (json!({ "token": "bad", "clientType": "machine-scoped", "machineId": "m" }), invalid),
        (json!({ "token": format!("{token}x"), "clientType": "user-scoped" }), invalid),
    ] {
        let refused = Peer::connects(&account.door, auth.clone()).await.err();
        assert_eq!(refused, Some(json!({ "message": why })), "{auth}");
    }
    // Without any auth at all, and with one that is no object.
    for packet in ["40", "40{}"] {
        let mut wire = dial(&account.door).await;
        wire.sends(packet).await;
        assert_eq!(wire.packet().await, format!("44{}", json!({ "message": missing })), "{packet}");
    }
    // A token that is no text opens nothing.
    for token in [json!(7), json!(["a"]), json!({}), json!(true)] {
        assert!(Peer::connects(&account.door, json!({ "token": token })).await.is_err());
    }
    // Who was refused may ask again, over the same engine.
    let mut peer = Peer::dial(&account.door).await;
    assert!(peer.enters(json!({ "token": "bad" })).await.is_err());
    peer.enters(json!({ "token": token })).await.expect("it is let in");
    peer.reaches().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_21_whoever_says_nothing_known_of_itself_is_a_person() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    for auth in [
        json!({}),
        json!({ "clientType": "user-scoped" }),
        json!({ "clientType": "toaster-scoped" }),
        json!({ "clientType": "" }),
        json!({ "clientType": null, "sessionId": "s" }),
        json!({ "clientType": "User-Scoped", "happyClient": "web/1.0", "appState": "background" }),
    ] {
        let mut peer = account.connects(auth).await;
        account.creates().await;
        peer.hears_next("new-session").await;
        account.says(&session, "aGk=").await;
        peer.hears_next("new-message").await;
        peer.emits("session-alive", json!({ "sid": session, "time": gateway.now() })).await;
        peer.hears_next("activity").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_pings_every_fifteen_seconds_and_who_answers_stays() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let mut peer = account.user().await;
    peer.wire.falls_silent();
    for _ in 0..10 {
        peer.reaches().await;
        gateway.clock.advance(14_999);
        peer.reaches().await; // and no ping has come, or that would have failed
        gateway.clock.advance(1);
        assert_eq!(peer.wire.packet().await, "2");
        peer.sends("3").await;
    }
    peer.reaches().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_22_who_answers_no_ping_is_dropped_within_a_minute_and_calls_go_elsewhere() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let (mut caller, mut silent) = (account.user().await, account.user().await);
    let (mut first, mut unheard) = (account.user().await, account.user().await);
    for (peer, method) in [(&mut first, "shared"), (&mut silent, "shared"), (&mut unheard, "alone")] {
        peer.emits("rpc-register", json!({ "method": method })).await;
        peer.hears_next("rpc-registered").await;
    }
    silent.wire.falls_silent();
    unheard.wire.falls_silent();
    for _ in 0..13 {
        gateway.passes(5_000, &mut [&mut caller, &mut first]).await;
    }
    silent.wire.closed().await;
    unheard.wire.closed().await;

    let call = caller.calls("rpc-call", json!({ "method": "shared", "params": "p" })).await;
    let request = first.until("rpc-request", |event| event.name == "rpc-request").await.pop().unwrap();
    first.answers(&request, json!("r")).await;
    assert_eq!(caller.ack(call).await, json!({ "ok": true, "result": "r" }));
    let call = caller.calls("rpc-call", json!({ "method": "alone", "params": "p" })).await;
    let (answer, _) = gateway.ack_in_time(&mut caller, call, &mut [&mut first]).await;
    assert_eq!(answer, json!({ "ok": false, "error": "RPC method not available" }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_opens_an_engine_and_enters_nowhere_is_sent_away() {
    let gateway = Gateway::start().await;
    let mut idle = dial(gateway.door()).await;
    let mut user = gateway.account().await.user().await;
    for _ in 0..5 {
        gateway.passes(5_000, &mut [&mut user]).await;
    }
    idle.closed().await;
    user.reaches().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_23_what_is_sent_with_the_greeting_is_not_lost() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let burst = [
        format!("40{}", json!({ "token": account.token, "clientType": "session-scoped", "sessionId": session })),
        format!("42{}", json!(["rpc-register", { "method": "m" }])),
        format!("42{}", json!(["message", { "sid": session, "message": "YQ==" }])),
        "421[\"ping\"]".to_owned(),
    ];
    let mut wire = Wire::dial(&account.door.engine, WEBSOCKET).await.expect("the upgrade is taken");
    for packet in &burst {
        wire.sends(packet).await; // it was not even opened
    }
    assert!(wire.packet().await.starts_with("0{"));
    assert!(wire.packet().await.starts_with("40{"));
    assert_eq!(wire.packet().await, "42[\"rpc-registered\",{\"method\":\"m\"}]");
    assert_eq!(wire.packet().await, "431[{}]");
    assert_eq!(account.contents(&session).await, ["YQ=="]);

    let mut polling = Polling::open(&account.door).await;
    let burst: Vec<_> = burst.iter().map(String::as_str).collect();
    polling.says(&burst).await;
    assert!(polling.hears().await.starts_with("40{"));
    assert_eq!(polling.hears().await, "42[\"rpc-registered\",{\"method\":\"m\"}]");
    assert_eq!(polling.hears().await, "431[{}]");
    assert_eq!(account.contents(&session).await, ["YQ==", "YQ=="]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_24_a_packet_that_is_too_long_ends_its_own_connection_only() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let (mut user, mut agent) = (account.user().await, account.session(&session).await);
    let mut other = account.session(&session).await;
    let fits = "A".repeat(999_000);
    agent.emits("message", json!({ "sid": session, "message": fits })).await;
    assert_eq!(user.hears_next("new-message").await["body"]["message"]["content"]["c"], fits);
    other.hears_next("new-message").await;
    agent.emits("message", json!({ "sid": session, "message": "A".repeat(1_100_000) })).await;
    assert!(agent.closed().await.is_empty());
    other.emits("message", json!({ "sid": session, "message": "YQ==" })).await;
    assert_eq!(user.hears_next("new-message").await["body"]["message"]["content"]["c"], "YQ==");
    assert!(other.settles().await.is_empty());
    assert_eq!(account.messages(&session).await.len(), 2);

    let mut polling = Polling::open(&account.door).await;
    polling.says(&[&format!("40{}", json!({ "token": account.token }))]).await;
    polling.hears().await;
    let long = json!(["message", { "sid": session, "message": "A".repeat(1_100_000) }]);
    let (status, _) = polling.posts(&[&format!("42{long}")]).await;
    assert!((400..500).contains(&status), "{status}");
    assert_eq!(account.messages(&session).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_frame_hurts_anybody_but_its_sender() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let mut witness = account.user().await;
    let frames = [
        "",
        "4",
        "42",
        "42[",
        "42{}",
        "42[]",
        "42[1]",
        "42[null,null]",
        "42[\"\"]",
        "42[\"nobody knows this event\",{}]",
        "42[\"message\"]",
        "42[\"ping\"]",
        "42[\"connect\"]",
        "42[\"disconnect\"]",
        "42[\"error\"]",
        "4299999999999999999999999999[\"ping\"]",
        "42-1[\"ping\"]",
        "43",
        "43[]",
        "437[{}]",
        "43999999999999999999999[1]",
        "40",
        "40{",
        "40null",
        "40[]",
        "40{\"token\":\"x\"}",
        "41",
        "44{}",
        "45-[\"x\"]",
        "451-[\"message\",{\"_placeholder\":true,\"num\":0}]",
        "4599999999999-[\"x\"]",
        "46",
        "47",
        "4/",
        "42/",
        "42/unknown,[\"ping\"]",
        "40/unknown,{}",
        "42/happy[\"ping\"]",
        "4é",
        "42[\"é\u{2028}\"]",
        "0",
        "0{}",
        "2",
        "2probe",
        "3",
        "3probe",
        "5",
        "6",
        "7",
        "b",
        "bAQID",
        "garbage",
        "\u{0}",
        "é",
    ];
    for frame in frames {
        for connected in [false, true] {
            let mut wire = dial(&account.door).await;
            if connected {
                wire.sends(&format!("40{}", json!({ "token": account.token }))).await;
            }
            wire.sends(frame).await;
            wire.sends("427[\"ping\"]").await;
            let told = wire.goes().await;
            assert!(told.len() <= 6, "{frame}: {told:?}");
        }
        witness.reaches().await;
    }
    let deep = format!("42[\"message\",{}{}]", "[".repeat(50_000), "]".repeat(50_000));
    for frame in [Message::binary(vec![0, 159, 146, 150]), Message::binary(vec![]), Message::text(deep)] {
        let mut wire = dial(&account.door).await;
        wire.sends(&format!("40{}", json!({ "token": account.token }))).await;
        wire.sends_raw(frame).await;
        wire.goes().await;
        witness.reaches().await;
    }
    let polling = Polling::open(&account.door).await;
    for body in ["", "\u{1e}", "\u{1e}\u{1e}4", "garbage", "42[\u{1e}42]", "é"] {
        let other = Polling::open(&account.door).await;
        let (status, _) = other.posts_raw(body.to_owned()).await;
        assert!(status < 500, "{body}: {status}");
    }
    polling.says(&[&format!("40{}", json!({ "token": account.token }))]).await;
    assert!(witness.settles().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_in_any_event_is_answered_or_dropped_and_the_connection_goes_on() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let (mut peer, mut witness) = (account.session(&session).await, account.user().await);
    let args = [
        json!(null),
        json!(0),
        json!(-1),
        json!(1e300),
        json!(true),
        json!(""),
        json!("text"),
        json!([]),
        json!([[[]]]),
        json!({}),
        json!({ "sid": null, "machineId": null, "artifactId": null, "method": null, "key": null }),
        json!({ "sid": {}, "machineId": {}, "artifactId": {}, "method": {}, "sessionId": {} }),
        json!({ "sid": session, "expectedVersion": "0", "metadata": 7, "agentState": 7, "time": "now" }),
        json!({ "sid": session, "expectedVersion": -1, "metadata": "x", "agentState": "x", "time": null }),
        json!({ "sid": session, "expectedVersion": 1.5, "metadata": "x", "agentState": "x", "time": [] }),
        json!({ "sid": session, "expectedVersion": 18446744073709551615u64, "metadata": "x", "agentState": "x" }),
        json!({ "key": "", "tokens": [], "cost": [], "sessionId": "" }),
        json!({ "key": "k", "tokens": { "total": "1" }, "cost": { "total": null }, "sessionId": session }),
        json!({ "id": "", "header": 1, "body": [], "dataEncryptionKey": {} }),
        json!({ "state": 7 }),
    ];
    let events = [
        "message",
        "update-metadata",
        "update-state",
        "session-alive",
        "session-end",
        "usage-report",
        "app-state",
        "machine-alive",
        "machine-update-metadata",
        "machine-update-state",
        "artifact-read",
        "artifact-create",
        "artifact-update",
        "artifact-delete",
        "access-key-get",
        "rpc-register",
        "rpc-unregister",
    ];
    for event in events {
        for arg in &args {
            peer.emits(event, arg.clone()).await;
            peer.calls(event, arg.clone()).await;
        }
        peer.says(&format!("2{}", json!([event]))).await;
        peer.says(&format!("2{}", json!([event, null, null, null]))).await;
        peer.says(&format!("2999{}", json!([event]))).await;
        for event in peer.settles().await {
            assert!(event.name.starts_with("rpc-"), "{event:?}");
        }
    }
    for arg in &args {
        let call = peer.calls("rpc-call", arg.clone()).await;
        let told = peer.ack(call).await;
        assert_eq!(told, json!({ "ok": false, "error": "Invalid parameters: method is required" }), "{arg}");
    }
    let heard = witness.settles().await;
    assert!(heard.is_empty(), "{heard:?}");
    let seen = account.looks_at(&session).await;
    assert_eq!((&seen["metadataVersion"], &seen["agentStateVersion"], &seen["seq"]), (&json!(0), &json!(0), &json!(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_one_socket_are_done_in_their_order() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let (mut agent, mut user) = (account.session(&session).await, account.user().await);
    let mut calls = Vec::new();
    for version in 0..30 {
        agent.emits("message", json!({ "sid": session, "message": base64(version.to_string()) })).await;
        let write = json!({ "sid": session, "expectedVersion": version, "metadata": format!("m{version}") });
        calls.push(agent.calls("update-metadata", write).await);
        agent.emits("session-alive", json!({ "sid": session, "time": gateway.now() })).await;
        let write = json!({ "sid": session, "expectedVersion": version, "agentState": format!("s{version}") });
        calls.push(agent.calls("update-state", write).await);
        agent.calls("an event that nobody knows", json!({})).await;
    }
    // The sender hears what it changed, and then that it did.
    for pair in calls.chunks(2) {
        for (call, register) in pair.iter().zip(["metadata", "agentState"]) {
            match agent.hears_any().await {
                Said::Event(event) => assert!(event.body().get(register).is_some(), "{event:?}"),
                ack => panic!("{ack:?} came before the update"),
            }
            match agent.hears_any().await {
                Said::Ack { id, answer } => assert_eq!((id, &answer["result"]), (*call, &json!("success"))),
                event => panic!("{event:?} came before the answer"),
            }
        }
    }
    let heard = user.until("the last state", |event| event.body()["agentState"]["version"] == 30).await;
    let updates: Vec<_> = heard.iter().filter(|event| event.name == "update").collect();
    for (version, part) in updates.chunks(3).enumerate() {
        assert_eq!(part[0].body()["message"]["content"]["c"], base64(version.to_string()));
        assert_eq!(part[1].body()["metadata"], json!({ "value": format!("m{version}"), "version": version + 1 }));
        assert_eq!(part[2].body()["agentState"], json!({ "value": format!("s{version}"), "version": version + 1 }));
    }
    assert_eq!(updates.len(), 90);
    let first = number(&updates[0].arg, "seq");
    let seqs: Vec<_> = updates.iter().map(|event| number(&event.arg, "seq")).collect();
    assert_eq!(seqs, (first..first + 90).collect::<Vec<_>>(), "without a hole");
    // Of heartbeats that nobody has heard yet, the newest is enough.
    assert!(kinds(&heard).iter().filter(|kind| **kind == "activity").count() <= 30);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_the_namespace_hears_nothing_more_and_may_come_back() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let (mut user, mut leaver) = (account.user().await, account.session(&session).await);
    leaver.emits("rpc-register", json!({ "method": "m" })).await;
    leaver.hears_next("rpc-registered").await;
    leaver.says("1").await;
    leaver.emits("message", json!({ "sid": session, "message": "dG9vIGxhdGU=" })).await;
    let auth = json!({ "token": account.token, "clientType": "user-scoped" });
    // Either the engine is closed with it, or it may enter anew.
    leaver.says(&format!("0{auth}")).await;
    match leaver.wire.hears().await {
        Some(Heard::Packet(packet)) => {
            assert!(packet.starts_with("40{"), "{packet}");
            leaver.reaches().await;
        }
        Some(Heard::Closed) => {}
        None => panic!("neither an answer nor an end"),
    }
    account.says(&session, "bWFyaw==").await;
    assert!(user.until_message("bWFyaw==").await.is_empty(), "what it sent outside of it was dropped");
    let call = user.calls("rpc-call", json!({ "method": "m", "params": "" })).await;
    let (answer, _) = gateway.ack_in_time(&mut user, call, &mut []).await;
    assert_eq!(answer, json!({ "ok": false, "error": "RPC method not available" }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn browsers_of_any_origin_may_ask() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let origin = "https://app.example.org";
    let door = &account.door;
    let engine = format!("http://{}?EIO=4&transport=polling", door.engine);
    let answer = door.request(reqwest::Method::GET, &engine).header("origin", origin).send().await.unwrap();
    let allowed = answer.headers().get("access-control-allow-origin").map(|value| value.to_str().unwrap().to_owned());
    assert!(matches!(allowed.as_deref(), Some("*" | "https://app.example.org")), "{allowed:?}");
    let answer = door.request(reqwest::Method::GET, "/v1/sessions").header("origin", origin).send().await.unwrap();
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    for method in ["GET", "POST", "PUT", "DELETE"] {
        let preflight = door
            .request(reqwest::Method::OPTIONS, "/v1/sessions")
            .header("origin", origin)
            .header("access-control-request-method", method)
            .header("access-control-request-headers", "authorization,content-type,x-happy-client");
        let answer = preflight.send().await.unwrap();
        assert_eq!(answer.status(), 204);
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
        let methods = answer.headers()["access-control-allow-methods"].to_str().unwrap().to_owned();
        assert!(methods.contains(method) || methods == "*", "{methods}");
        let headers = answer.headers()["access-control-allow-headers"].to_str().unwrap().to_lowercase();
        assert!(headers == "*" || headers.contains("authorization"), "{headers}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_costs_nobody_anything_and_can_fetch_what_it_missed() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let (mut slow, mut user) = (account.session(&session).await, account.user().await);
    account.says(&session, "YmVmb3Jl").await;
    slow.hears_next("new-message").await;
    user.hears_next("new-message").await;
    slow.wire.stops_reading();
    // More than the kernel keeps for who does not read.
    let long = "A".repeat(500_000);
    for number in 0..LONG_MESSAGES {
        account.says(&session, &format!("{number:04}{long}")).await;
        let told = user.hears_next("new-message").await;
        assert!(text(&told["body"]["message"]["content"], "c").starts_with(&format!("{number:04}")));
    }
    account.says(&session, "bGFzdA==").await;
    user.hears_next("new-message").await;
    slow.wire.reads_on();
    let all = LONG_MESSAGES + 2;
    let (mut seen, mut closed) = (vec![1], false);
    while seen.last() != Some(&all) && !closed {
        match slow.wire.hears().await {
            Some(Heard::Packet(packet)) => seen.push(seq_of(&packet)),
            Some(Heard::Closed) => closed = true,
            None => panic!("neither the rest nor an end after {seen:?}"),
        }
    }
    assert_eq!(seen, (1..=seen.len() as u64).collect::<Vec<_>>(), "nothing is left out on the way");
    let missed = account.messages_after(&session, seen.len() as u64).await;
    assert_eq!(seen.len() + missed.len(), all as usize);
    assert_eq!(closed, !missed.is_empty(), "who was not cut off got everything");
}

/// The number of the message that an update tells of.
fn seq_of(packet: &str) -> u64 {
    let told: Value = serde_json::from_str(packet.strip_prefix("42").expect("an event")).expect("JSON");
    number(&told[1]["body"]["message"], "seq")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_polls_late_gets_everything_in_its_order_or_can_fetch_it() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let mut polling = Polling::open(&account.door).await;
    polling.says(&[&format!("40{}", json!({ "token": account.token }))]).await;
    polling.hears().await;
    let long = "A".repeat(100_000);
    for number in 0..LATE_MESSAGES {
        account.says(&session, &format!("{number:04}{long}")).await;
    }
    let (mut seen, mut closed) = (Vec::new(), false);
    while seen.last() != Some(&LATE_MESSAGES) && !closed {
        let (status, packets) = polling.polls().await;
        closed = status != 200;
        seen.extend(packets.iter().filter(|packet| packet.starts_with("42")).map(|packet| seq_of(packet)));
    }
    assert_eq!(seen, (1..=seen.len() as u64).collect::<Vec<_>>());
    let missed = account.messages_after(&session, seen.len() as u64).await;
    assert_eq!(seen.len() + missed.len(), LATE_MESSAGES as usize);
    assert_eq!(closed, !missed.is_empty(), "who was not cut off got everything");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_is_told_what_is_confirmed_and_nobody_else_hears_of_it() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    for (wants, told) in [(json!(true), Some(json!(["message"]))), (json!("yes"), None), (json!(null), None)] {
        let mut wire = dial(&account.door).await;
        wire.sends(&format!("40{}", json!({ "token": account.token, "confirmed": wants }))).await;
        let joined = wire.packet().await;
        let body: Value = serde_json::from_str(joined.strip_prefix("40").expect("it may join")).expect("JSON");
        assert_eq!(body.get("confirmed").cloned(), told, "{joined}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_asks_for_an_answer_gets_its_place_once_it_is_kept() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let mut agent = account.session(&session).await;
    let message = |local: &str| json!({ "sid": session, "message": "YQ==", "localId": local });
    let (first, second) = (agent.calls("message", message("a")).await, agent.calls("message", message("b")).await);
    let (first, second) = (agent.ack(first).await, agent.ack(second).await);
    assert_eq!((&first["seq"], &first["localId"], &second["seq"]), (&json!(1), &json!("a"), &json!(2)));
    let again = agent.calls("message", message("a")).await;
    assert_eq!(agent.ack(again).await, first, "what is sent again is where it was");
    let kept = account.messages_after(&session, 0).await;
    assert_eq!(kept.iter().map(|message| &message["id"]).collect::<Vec<_>>(), [&first["id"], &second["id"]]);
}
