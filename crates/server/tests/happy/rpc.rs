//! Calls from one client to another, through a server that does not read them.

use serde_json::{Value, json};

use crate::account::{Account, base64};
use crate::gateway::Gateway;
use crate::peer::{Event, Peer};

/// At least so long a call waits for somebody to handle its method.
const GRACE: u64 = 10_000;
/// And so long a handler may take, or longer.
const LIMIT: u64 = 29_000;

fn failed(why: &str) -> Value {
    json!({ "ok": false, "error": why })
}
fn gave(result: Value) -> Value {
    json!({ "ok": true, "result": result })
}

async fn registers(peer: &mut Peer, method: &str) {
    peer.emits("rpc-register", json!({ "method": method })).await;
    assert_eq!(peer.hears_a("rpc-registered").await, json!({ "method": method }));
}

async fn calls(peer: &mut Peer, method: &str, params: &str) -> u64 {
    peer.calls("rpc-call", json!({ "method": method, "params": params })).await
}

async fn request(peer: &mut Peer) -> Event {
    peer.until("a request", |event| event.name == "rpc-request").await.pop().expect("the last is the one")
}

/// Answers the next request with what it asked.
async fn echoes(peer: &mut Peer) -> Event {
    let request = request(peer).await;
    peer.answers(&request, request.arg["params"].clone()).await;
    request
}

/// Has a call answered.
async fn done(caller: &mut Peer, handler: &mut Peer, method: &str) {
    let call = calls(caller, method, "p").await;
    echoes(handler).await;
    assert_eq!(caller.ack(call).await, gave(json!("p")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_36_a_call_reaches_its_handler_and_its_result_comes_back_unchanged() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let (session, machine) = (account.creates().await, account.registers().await);
    let (mut user, mut agent) = (account.user().await, account.session(&session).await);
    let mut daemon = account.machine(&machine).await;
    let (of_session, of_machine) = (format!("{session}:bash"), format!("{machine}:bash"));
    registers(&mut agent, &of_session).await;
    registers(&mut daemon, &of_machine).await;
    let long = base64(vec![9; 300_000]);
    for text in ["cmVzdWx0", "", "ACAhIiMkJSYnKCkqKx2nkJ8dgaq+PTFJAhqBd2s=", "no base64 é \" \\ \u{2028}", &long] {
        for (handler, method) in [(&mut agent, &of_session), (&mut daemon, &of_machine)] {
            let call = calls(&mut user, method, text).await;
            let asked = echoes(handler).await;
            assert_eq!(asked.arg, json!({ "method": method, "params": text }));
            assert_eq!(user.ack(call).await, gave(json!(text)));
        }
    }
    // Everybody may call everybody.
    let call = calls(&mut agent, &of_machine, "p").await;
    echoes(&mut daemon).await;
    assert_eq!(agent.ack(call).await, gave(json!("p")));
    registers(&mut user, "of a person").await;
    done(&mut daemon, &mut user, "of a person").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_at_a_time_are_each_answered_with_their_own_result() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let (mut user, mut desk, mut agent) = (account.user().await, account.user().await, account.session("s").await);
    registers(&mut agent, "m").await;
    let mut open = Vec::new();
    for number in 0..40 {
        let caller = if number % 2 == 0 { &mut user } else { &mut desk };
        open.push(calls(caller, "m", &number.to_string()).await);
    }
    let mut asked = Vec::new();
    for _ in 0..40 {
        asked.push(request(&mut agent).await);
    }
    // A call that is open blocks nothing else of the socket.
    user.reaches().await;
    agent.reaches().await;
    for request in asked.iter().rev() {
        agent.answers(request, json!(format!("result of {}", request.arg["params"].as_str().unwrap()))).await;
        agent.answers(request, json!("a second answer")).await; // nobody waits for it
    }
    for (number, call) in open.into_iter().enumerate() {
        let caller = if number % 2 == 0 { &mut user } else { &mut desk };
        assert_eq!(caller.ack(call).await, gave(json!(format!("result of {number}"))));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_method_is_registered_and_taken_back_by_name() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let mut agent = account.session("s").await;
    registers(&mut agent, "m").await;
    registers(&mut agent, "m").await; // as who reconnects does it
    agent.emits("rpc-unregister", json!({ "method": "m" })).await;
    assert_eq!(agent.hears_next("rpc-unregistered").await, json!({ "method": "m" }));
    agent.emits("rpc-unregister", json!({ "method": "never there" })).await;
    assert_eq!(agent.hears_next("rpc-unregistered").await, json!({ "method": "never there" }));
    for (event, kind) in [("rpc-register", "register"), ("rpc-unregister", "unregister")] {
        for wrong in
            [json!({}), json!({ "method": "" }), json!({ "method": 7 }), json!({ "method": null }), json!(null)]
        {
            agent.emits(event, wrong.clone()).await;
            let told = agent.hears_next("rpc-error").await;
            assert_eq!(told, json!({ "type": kind, "error": "Invalid method name" }), "{wrong}");
        }
    }
    assert!(agent.settles().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_37_a_call_that_nobody_can_take_is_answered_with_the_reason() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let (mut user, mut agent) = (account.user().await, account.session("s").await);
    registers(&mut agent, "mine").await;
    let call = calls(&mut agent, "mine", "p").await;
    assert_eq!(agent.ack(call).await, failed("Cannot call RPC on the same socket"));
    for wrong in [json!({ "params": "p" }), json!({ "method": "", "params": "p" }), json!({}), json!({ "method": 7 })] {
        let told = user.asks("rpc-call", wrong).await;
        assert_eq!(told, failed("Invalid parameters: method is required"));
    }
    let call = calls(&mut user, "nobody has this", "p").await;
    let (answer, passed) = gateway.ack_in_time(&mut user, call, &mut [&mut agent]).await;
    assert_eq!(answer, failed("RPC method not available"));
    assert!(passed >= GRACE, "after {passed} ms");

    agent.emits("rpc-unregister", json!({ "method": "mine" })).await;
    agent.hears_a("rpc-unregistered").await;
    let call = calls(&mut user, "mine", "p").await;
    let (answer, passed) = gateway.ack_in_time(&mut user, call, &mut [&mut agent]).await;
    assert_eq!(answer, failed("RPC method not available"));
    assert!(passed >= GRACE, "after {passed} ms");
    assert!(agent.settles().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_38_a_method_that_comes_soon_is_waited_for() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let mut user = account.user().await;
    let (first, second) = (calls(&mut user, "m", "1").await, calls(&mut user, "m", "2").await);
    gateway.passes(8_000, &mut [&mut user]).await;
    assert_eq!(user.acked(first), None);
    let mut agent = account.session("s").await;
    registers(&mut agent, "m").await;
    let mut params = Vec::new();
    for _ in 0..2 {
        gateway.clock.advance(250); // should it look only now and then
        params.push(echoes(&mut agent).await.arg["params"].clone());
    }
    assert_eq!(params, ["1", "2"]);
    assert_eq!(user.ack(first).await, gave(json!("1")));
    assert_eq!(user.ack(second).await, gave(json!("2")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_39_a_handler_that_is_killed_or_slow_leaves_no_call_open() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let (mut user, mut agent) = (account.user().await, account.session("s").await);
    registers(&mut agent, "m").await;
    let call = calls(&mut user, "m", "p").await;
    request(&mut agent).await;
    drop(agent);
    let (answer, _) = gateway.ack_in_time(&mut user, call, &mut []).await;
    assert_eq!(answer, failed("RPC target disconnected"));

    let mut agent = account.session("s").await;
    registers(&mut agent, "m").await;
    let call = calls(&mut user, "m", "p").await;
    let asked = request(&mut agent).await;
    gateway.passes(LIMIT, &mut [&mut user, &mut agent]).await;
    assert_eq!(user.acked(call), None, "it may take half a minute");
    let (answer, _) = gateway.ack_in_time(&mut user, call, &mut [&mut agent]).await;
    assert_eq!(answer, failed("operation has timed out"));
    agent.answers(&asked, json!("too late")).await;
    done(&mut user, &mut agent, "m").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_39_a_handler_that_leaves_in_order_leaves_no_call_open_either() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let (mut user, mut agent) = (account.user().await, account.session("s").await);
    registers(&mut agent, "m").await;
    let call = calls(&mut user, "m", "p").await;
    request(&mut agent).await;
    agent.goes().await;
    let (answer, _) = gateway.ack_in_time(&mut user, call, &mut []).await;
    assert_eq!(answer, failed("RPC target disconnected"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_40_who_reconnected_is_called_though_its_old_socket_seems_to_live() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let mut user = account.user().await;
    let mut dead = account.session("s").await;
    registers(&mut dead, "m").await;
    dead.wire.falls_silent();
    dead.wire.stops_reading();
    let mut alive = account.session("s").await;
    registers(&mut alive, "m").await;
    for _ in 0..3 {
        done(&mut user, &mut alive, "m").await;
    }
    // And who came before takes over again from who came later.
    let mut last = account.session("s").await;
    registers(&mut last, "m").await;
    done(&mut user, &mut last, "m").await;
    last.goes().await;
    done(&mut user, &mut alive, "m").await;
    let mut third = account.session("s").await;
    registers(&mut third, "m").await;
    third.emits("rpc-unregister", json!({ "method": "m" })).await;
    third.hears_a("rpc-unregistered").await;
    done(&mut user, &mut alive, "m").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_41_methods_of_another_account_are_not_there() {
    let gateway = Gateway::start().await;
    let (account, other) = (gateway.account().await, gateway.account().await);
    let (mut mine, mut theirs) = (account.session("s").await, other.session("s").await);
    registers(&mut mine, "m").await;
    let mut thief = other.user().await;
    let call = calls(&mut thief, "m", "p").await;
    let (answer, _) = gateway.ack_in_time(&mut thief, call, &mut []).await;
    assert_eq!(answer, failed("RPC method not available"));
    assert!(mine.settles().await.is_empty());
    // The same name is another method.
    registers(&mut theirs, "m").await;
    done(&mut thief, &mut theirs, "m").await;
    assert!(mine.settles().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_goes_on_while_messages_do_and_the_other_way_round() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let (mut user, mut agent) = (account.user().await, account.session(&session).await);
    registers(&mut agent, "m").await;
    let call = calls(&mut user, "m", "p").await;
    for number in 0..10 {
        user.emits("message", json!({ "sid": session, "message": base64([number]) })).await;
    }
    let write = json!({ "sid": session, "expectedVersion": 0, "metadata": "eA==" });
    assert_eq!(user.asks("update-metadata", write).await["result"], "success");
    echoes(&mut agent).await;
    assert_eq!(user.ack(call).await, gave(json!("p")));
    assert_eq!(account.messages(&session).await.len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_of_another_kind_hurts_nobody() {
    let gateway = Gateway::start().await;
    let account: Account = gateway.account().await;
    let (mut user, mut agent) = (account.user().await, account.session("s").await);
    registers(&mut agent, "m").await;
    for result in [json!(null), json!(7), json!({ "a": [1] }), json!([])] {
        let call = calls(&mut user, "m", "p").await;
        let asked = request(&mut agent).await;
        agent.answers(&asked, result.clone()).await;
        assert_eq!(user.ack(call).await, gave(result));
    }
    // An answer without a value.
    let call = calls(&mut user, "m", "p").await;
    let asked = request(&mut agent).await;
    agent.says(&format!("3{}[]", asked.id.unwrap())).await;
    assert_eq!(user.ack(call).await["ok"], true);
    // Answers to what nobody asked.
    for garbage in ["30[1]", "3999999[1]", "3[1]", "3x[1]"] {
        agent.says(garbage).await;
    }
    let mut agent = account.session("s").await;
    registers(&mut agent, "m").await;
    done(&mut user, &mut agent, "m").await;
}
