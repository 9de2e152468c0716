//! Letting accounts in: keys, terminals that show a code, and further devices.

use std::collections::HashSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::account::{Account, base64, key, random, signed};
use crate::frames::{list, text};
use crate::gateway::{Gateway, Plan};
use crate::http::{Door, told};
use crate::peer::Peer;

/// Every route that needs a bearer.
const GUARDED: &[(&str, &str)] = &[
    ("POST", "/v1/auth/response"),
    ("POST", "/v1/auth/account/response"),
    ("POST", "/v1/sessions"),
    ("GET", "/v1/sessions"),
    ("GET", "/v2/sessions"),
    ("GET", "/v2/sessions/active"),
    ("POST", "/v1/sessions/nobodys/archive"),
    ("DELETE", "/v1/sessions/nobodys"),
    ("GET", "/v1/sessions/nobodys/messages"),
    ("GET", "/v3/sessions/nobodys/messages"),
    ("POST", "/v3/sessions/nobodys/messages"),
    ("POST", "/v1/sessions/nobodys/push-event"),
    ("POST", "/v1/sessions/nobodys/attachments/request-upload"),
    ("POST", "/v1/sessions/nobodys/attachments/request-download"),
    ("PUT", "/v1/sessions/nobodys/attachments/a.enc"),
    ("GET", "/v1/sessions/nobodys/attachments/a.enc"),
    ("POST", "/v1/machines"),
    ("GET", "/v1/machines"),
    ("GET", "/v1/machines/nobodys"),
    ("DELETE", "/v1/machines/nobodys"),
    ("GET", "/v1/artifacts"),
    ("POST", "/v1/artifacts"),
    ("GET", "/v1/artifacts/nobodys"),
    ("POST", "/v1/artifacts/nobodys"),
    ("DELETE", "/v1/artifacts/nobodys"),
    ("GET", "/v1/access-keys/a/b"),
    ("POST", "/v1/access-keys/a/b"),
    ("PUT", "/v1/access-keys/a/b"),
    ("GET", "/v1/kv/key"),
    ("GET", "/v1/kv"),
    ("POST", "/v1/kv/bulk"),
    ("POST", "/v1/kv"),
    ("GET", "/v1/account/profile"),
    ("GET", "/v1/account/settings"),
    ("POST", "/v1/account/settings"),
    ("POST", "/v1/usage/query"),
    ("POST", "/v1/push-tokens"),
    ("GET", "/v1/push-tokens"),
    ("DELETE", "/v1/push-tokens/token"),
    ("GET", "/v1/connect/github/params"),
    ("DELETE", "/v1/connect/github"),
    ("POST", "/v1/connect/openai/register"),
    ("GET", "/v1/connect/openai/token"),
    ("DELETE", "/v1/connect/openai"),
    ("GET", "/v1/connect/tokens"),
    ("GET", "/v1/user/nobody"),
    ("GET", "/v1/user/search?query=a"),
    ("POST", "/v1/friends/add"),
    ("POST", "/v1/friends/remove"),
    ("GET", "/v1/friends"),
    ("GET", "/v1/feed"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_1_a_signature_gives_a_token_and_the_same_key_is_the_same_account() {
    let gateway = Gateway::start().await;
    let door = gateway.door();
    let seed = random();
    let told = door.post("/v1/auth", signed(&seed, &random())).await.ok();
    assert_eq!(told, json!({ "success": true, "token": told["token"] }));
    let token = text(&told, "token");
    assert!(!token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()), "it goes into a header");

    let first = Account { door: door.clone(), seed, token: token.to_owned() };
    let session = first.creates().await;
    let again = Account::enters(door, seed).await;
    assert_eq!(again.looks_at(&session).await["id"], *session);
    assert_eq!(again.id().await, first.id().await);

    let other = gateway.account().await;
    assert_eq!(other.get("/v1/sessions").await.ok(), json!({ "sessions": [] }));
    assert_ne!(other.id().await, first.id().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_challenge_has_any_length_and_the_vector_of_the_specification_is_taken() {
    let gateway = Gateway::start().await;
    let seed: [u8; 32] = std::array::from_fn(|place| place as u8);
    for length in [1, 31, 32, 33, 1000] {
        gateway.door().post("/v1/auth", signed(&seed, &vec![7; length])).await.ok();
    }
    let challenge: Vec<u8> = (0xe0..=0xff).rev().collect();
    let sent = signed(&seed, &challenge);
    assert_eq!(sent["publicKey"], "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=");
    let signature = "FKJzdLTgP9ZC137K+bnUbp5CfXVzFN6Y5yy691hrJFv+sCzOcFTkPauJLld7gD7z5zWD25KFbuRuSPCB6zX6Aw==";
    assert_eq!(sent["signature"], signature);
    gateway.door().post("/v1/auth", sent).await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_2_a_wrong_signature_and_a_missing_field_are_told_apart() {
    let gateway = Gateway::start().await;
    let door = gateway.door();
    let sound = signed(&random(), &random());
    for field in ["challenge", "signature", "publicKey"] {
        let mut body = sound.clone();
        // Of the same length, and well formed.
        body[field] = signed(&random(), &random())[field].clone();
        door.post("/v1/auth", body).await.refused(401, "Invalid signature");
        for bad in [None, Some(json!(7)), Some(Value::Null), Some(json!(["a"]))] {
            let mut body = sound.clone();
            match bad {
                Some(bad) => body[field] = bad,
                None => drop(body.as_object_mut().unwrap().remove(field)),
            }
            door.post("/v1/auth", body).await.invalid();
        }
    }
    door.post("/v1/auth", json!({})).await.invalid();
    for body in ["{", "", "nothing", "{\"publicKey\":\"\\ud800\"}", "[]", "null", "\"text\""] {
        let request = door.request(Method::POST, "/v1/auth").header("content-type", "application/json");
        let answer = told(request.body(body), body.to_owned()).await;
        answer.shaped(400);
        if matches!(body, "{" | "nothing") {
            assert_eq!(answer.body["error"], "SyntaxError", "{answer}");
        }
    }
    door.post("/v1/auth", sound).await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_base64_of_the_standard_alphabet_and_of_the_right_length_is_a_key_or_a_signature() {
    let gateway = Gateway::start().await;
    // Until both texts have a character that the other alphabet writes differently.
    let sound = loop {
        let body = signed(&random(), &random());
        let differs = |field: &str| text(&body, field).contains(['+', '/']);
        if differs("publicKey") && differs("signature") {
            break body;
        }
    };
    for field in ["publicKey", "signature"] {
        let right = text(&sound, field);
        let wrong = [
            right.replace('+', "-").replace('/', "_"),
            "not base64!".to_owned(),
            String::new(),
            base64([1; 31]),
            base64([1; 33]),
            base64([1; 65]),
        ];
        for wrong in wrong {
            let mut body = sound.clone();
            body[field] = json!(wrong);
            let answer = gateway.door().post("/v1/auth", body).await;
            assert!(matches!(answer.status, 400 | 401), "{wrong}: {answer}");
            answer.blamed();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_proves_nothing_is_refused() {
    let gateway = Gateway::start().await;
    let hex = |text: &str| -> [u8; 32] {
        std::array::from_fn(|place| u8::from_str_radix(&text[2 * place..2 * place + 2], 16).unwrap())
    };
    // The points of small order, and other ways to write some of them.
    let points = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ];
    for point in points.map(hex) {
        for begins in points.map(hex) {
            let signature = [begins, [0; 32]].concat();
            for challenge in [[0; 32], [1; 32], [2; 32]] {
                let body = json!({
                    "publicKey": base64(point), "challenge": base64(challenge), "signature": base64(&signature),
                });
                let answer = gateway.door().post("/v1/auth", body).await;
                assert!(matches!(answer.status, 400 | 401), "{point:?} with {begins:?}: {answer}");
            }
            gateway.clock.advance(60_000); // whoever tries too often would be told that instead
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_3_without_a_bearer_nothing_is_told() {
    let gateway = Gateway::start().await;
    let door = gateway.door();
    let account = gateway.account().await;
    let mut forged = account.token.clone().into_bytes();
    let place = forged.len() - 10;
    forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
    let shorter = account.token[..account.token.len() - 1].to_owned();
    let tokens = ["garbage".to_owned(), "a.b.c".to_owned(), String::from_utf8(forged).unwrap(), shorter];
    for (method, path) in GUARDED {
        let method: Method = method.parse().unwrap();
        // Nothing of it depends on whether the rest of the request is sound.
        door.ask(method.clone(), path, None, None).await.refused(401, "Missing authorization header");
        let basic = door.request(method.clone(), path).header("authorization", format!("Basic {}", account.token));
        told(basic, path.to_string()).await.refused(401, "Missing authorization header");
        for token in &tokens {
            door.ask(method.clone(), path, Some(token), None).await.refused(401, "Invalid token");
        }
    }
    let strange = door.request(Method::GET, "/v1/sessions").header("authorization", &b"Bearer \xff\xfe"[..]);
    assert_eq!(told(strange, "bytes".to_owned()).await.status, 401);
    let long = "a".repeat(8_000);
    let answer = door.ask(Method::GET, "/v1/sessions", Some(&long), None).await;
    assert!(matches!(answer.status, 401 | 431), "{answer}");
    account.get("/v1/sessions").await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_4_a_token_outlives_a_restart() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let asked = key();
    gateway.door().post("/v1/auth/request", json!({ "publicKey": asked })).await.ok();
    account.post("/v1/auth/response", json!({ "publicKey": asked, "response": "sealed" })).await.ok();
    let told = gateway.door().post("/v1/auth/request", json!({ "publicKey": asked })).await.ok();
    let terminal = account.with(text(&told, "token"));

    let gateway = gateway.restart().await;
    for account in [account.at(gateway.door()), terminal.at(gateway.door())] {
        assert_eq!(account.looks_at(&session).await["id"], *session);
        account.user().await.settles().await;
    }
    gateway.clock.advance(400 * 86_400_000);
    account.at(gateway.door()).get("/v1/sessions").await.ok(); // and it does not expire
}

async fn state_of(door: &Door, key: &str) -> Value {
    let encoded = key.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    door.get(&format!("/v1/auth/request/status?publicKey={encoded}")).await.ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_5_a_terminal_asks_and_a_phone_answers_once() {
    let gateway = Gateway::start().await;
    let (door, phone) = (gateway.door(), gateway.account().await);
    for (sent, second) in [(json!(true), true), (json!(false), false), (Value::Null, false)] {
        let asked = key();
        assert_eq!(state_of(door, &asked).await, json!({ "status": "not_found", "supportsV2": false }));
        let request = json!({ "publicKey": asked, "supportsV2": sent });
        assert_eq!(door.post("/v1/auth/request", request.clone()).await.ok(), json!({ "state": "requested" }));
        assert_eq!(state_of(door, &asked).await, json!({ "status": "pending", "supportsV2": second }));
        // Asked again it is the same request, of which this was said at its beginning.
        let other = json!({ "publicKey": asked, "supportsV2": !second });
        assert_eq!(door.post("/v1/auth/request", other).await.ok(), json!({ "state": "requested" }));
        assert_eq!(state_of(door, &asked).await, json!({ "status": "pending", "supportsV2": second }));

        let response = base64([3; 105]);
        let answer = json!({ "publicKey": asked, "response": response });
        assert_eq!(phone.post("/v1/auth/response", answer).await.ok(), json!({ "success": true }));
        assert_eq!(state_of(door, &asked).await, json!({ "status": "authorized", "supportsV2": false }));
        let late = json!({ "publicKey": asked, "response": base64([4; 105]) });
        assert_eq!(phone.post("/v1/auth/response", late.clone()).await.ok(), json!({ "success": true }));
        let stranger = gateway.account().await;
        assert_eq!(stranger.post("/v1/auth/response", late).await.ok(), json!({ "success": true }));

        for _ in 0..2 {
            let told = door.post("/v1/auth/request", request.clone()).await.ok();
            let token = text(&told, "token").to_owned();
            assert_eq!(told, json!({ "state": "authorized", "token": token, "response": response }));
            assert_eq!(phone.with(&token).id().await, phone.id().await, "it opens the account of who answered first");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_answer_one_terminal_and_one_wins() {
    let gateway = Gateway::start().await;
    let asked = key();
    gateway.door().post("/v1/auth/request", json!({ "publicKey": asked })).await.ok();
    let mut phones = Vec::new();
    for _ in 0..5 {
        phones.push(gateway.account().await);
    }
    let answers = phones.iter().enumerate().map(|(number, phone)| {
        phone.post("/v1/auth/response", json!({ "publicKey": asked, "response": format!("from {number}") }))
    });
    for answer in futures_util::future::join_all(answers).await {
        answer.ok();
    }
    let told = gateway.door().post("/v1/auth/request", json!({ "publicKey": asked })).await.ok();
    let winner = phones[0].with(text(&told, "token")).id().await;
    let number: usize = text(&told, "response").strip_prefix("from ").unwrap().parse().unwrap();
    assert_eq!(winner, phones[number].id().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_6_a_key_of_another_length_asks_for_nothing() {
    let gateway = Gateway::start().await;
    let (door, phone) = (gateway.door(), gateway.account().await);
    for short in [base64([5; 31]), base64([5; 33]), String::new()] {
        for path in ["/v1/auth/request", "/v1/auth/account/request"] {
            door.post(path, json!({ "publicKey": short })).await.refused(401, "Invalid public key");
        }
        assert_eq!(state_of(door, &short).await, json!({ "status": "not_found", "supportsV2": false }));
        for path in ["/v1/auth/response", "/v1/auth/account/response"] {
            let answer = json!({ "publicKey": short, "response": "r" });
            phone.post(path, answer).await.refused(401, "Invalid public key");
        }
    }
    assert_eq!(state_of(door, "no base64 at all").await, json!({ "status": "not_found", "supportsV2": false }));
    for path in ["/v1/auth/response", "/v1/auth/account/response"] {
        phone.post(path, json!({ "publicKey": key(), "response": "r" })).await.refused(404, "Request not found");
        phone.post(path, json!({ "publicKey": key() })).await.invalid();
        phone.post(path, json!({ "response": "r" })).await.invalid();
    }
    for path in ["/v1/auth/request", "/v1/auth/account/request"] {
        door.post(path, json!({})).await.invalid();
        door.post(path, json!({ "publicKey": 5 })).await.invalid();
    }
    door.post("/v1/auth/request", json!({ "publicKey": key(), "supportsV2": "yes" })).await.invalid();
    door.get("/v1/auth/request/status").await.invalid();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_7_another_device_is_linked_and_opens_the_same_account() {
    let gateway = Gateway::start().await;
    let (door, phone) = (gateway.door(), gateway.account().await);
    let session = phone.creates().await;
    let asked = key();
    let request = json!({ "publicKey": asked });
    let ask = || door.post("/v1/auth/account/request", request.clone());
    assert_eq!(ask().await.ok(), json!({ "state": "requested" }));
    assert_eq!(ask().await.ok(), json!({ "state": "requested" }));
    // A terminal's request is another, also of the same key.
    assert_eq!(state_of(door, &asked).await["status"], "not_found");
    phone
        .post("/v1/auth/response", json!({ "publicKey": asked, "response": "r" }))
        .await
        .refused(404, "Request not found");

    let answer = json!({ "publicKey": asked, "response": "the first" });
    assert_eq!(phone.post("/v1/auth/account/response", answer).await.ok(), json!({ "success": true }));
    let late = json!({ "publicKey": asked, "response": "the second" });
    assert_eq!(phone.post("/v1/auth/account/response", late).await.ok(), json!({ "success": true }));
    let told = ask().await.ok();
    assert_eq!(told, json!({ "state": "authorized", "token": told["token"], "response": "the first" }));
    assert_eq!(phone.with(text(&told, "token")).looks_at(&session).await["id"], *session);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_registration_is_closed_who_was_there_comes_back_and_nobody_else_comes() {
    let gateway = Gateway::start().await;
    let old = gateway.account().await;
    let session = old.creates().await;
    let gateway = gateway.restart_as(Plan::default().closed()).await;
    let again = Account::enters(gateway.door(), old.seed).await;
    assert_eq!(again.looks_at(&session).await["id"], *session);

    let answer = gateway.door().post("/v1/auth", signed(&random(), &random())).await;
    assert!(matches!(answer.status, 401 | 403), "{answer}");
    answer.blamed();
    // Whose signature is wrong learns nothing about who is there.
    let mut wrong = signed(&old.seed, &random());
    wrong["challenge"] = json!(key());
    gateway.door().post("/v1/auth", wrong).await.refused(401, "Invalid signature");

    // Terminals and devices of old accounts are still linked.
    for (request, response) in
        [("/v1/auth/request", "/v1/auth/response"), ("/v1/auth/account/request", "/v1/auth/account/response")]
    {
        let asked = key();
        gateway.door().post(request, json!({ "publicKey": asked })).await.ok();
        again.post(response, json!({ "publicKey": asked, "response": "r" })).await.ok();
        let told = gateway.door().post(request, json!({ "publicKey": asked })).await.ok();
        assert_eq!(again.with(text(&told, "token")).looks_at(&session).await["id"], *session);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_first_visits_of_one_key_make_one_account() {
    let gateway = Gateway::start().await;
    let seed = random();
    let visits = (0..20).map(|_| Account::enters(gateway.door(), seed));
    let visits = futures_util::future::join_all(visits).await;
    let mut ids = HashSet::new();
    for visit in &visits {
        ids.insert(visit.id().await);
    }
    assert_eq!(ids.len(), 1);
    visits[0].opens("one").await;
    assert_eq!(list(&visits[19].get("/v1/sessions").await.ok(), "sessions").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_one_account_opens_no_other_and_sockets_ask_for_it_too() {
    let gateway = Gateway::start().await;
    let (one, other) = (gateway.account().await, gateway.account().await);
    assert_ne!(one.token, other.token);
    let refused = Peer::connects(gateway.door(), json!({ "token": "garbage" })).await.err();
    assert_eq!(refused, Some(json!({ "message": "Invalid authentication token" })));
    // What opens other doors opens none of these.
    let owner = std::fs::read_to_string(gateway.data().join("owner.key")).unwrap();
    one.with(owner.trim()).get("/v1/sessions").await.refused(401, "Invalid token");
}
