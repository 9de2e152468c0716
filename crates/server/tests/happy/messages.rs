//! Messages: numbered, posted again without harm, and read by pages.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use crate::account::{Account, base64};
use crate::frames::{list, number, seqs, text};
use crate::gateway::Gateway;
use crate::shapes::{is_message, is_receipt};

/// Messages of each of ten writers.
const EACH: usize = 200;

fn item(content: &str, local: &str) -> Value {
    json!({ "content": content, "localId": local })
}

async fn post(account: &Account, session: &str, items: Value) -> crate::http::Answer {
    account.post(&format!("/v3/sessions/{session}/messages"), json!({ "messages": items })).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_12_posted_messages_are_numbered_in_order_and_a_retry_adds_none() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let first = account.posts(&session, &[("YQ==", "a"), ("Yg==", "b"), ("Yzc=", "a"), ("ZA==", "d")]).await;
    first.iter().for_each(is_receipt);
    assert_eq!(seqs(&first), [1, 2, 3]);
    let locals = |told: &[Value]| told.iter().map(|told| text(told, "localId").to_owned()).collect::<Vec<_>>();
    assert_eq!(locals(&first), ["a", "b", "d"]);
    assert_eq!(account.contents(&session).await, ["YQ==", "Yg==", "ZA=="], "the first of a name is kept");

    gateway.clock.advance(1_000);
    let mut user = account.user().await;
    let second = account.posts(&session, &[("ZQ==", "e"), ("b3RoZXI=", "d"), ("b3RoZXI=", "a"), ("Zg==", "f")]).await;
    assert_eq!(seqs(&second), [1, 3, 4, 5]);
    assert_eq!(locals(&second), ["a", "d", "e", "f"]);
    assert_eq!(second[..2], [first[0].clone(), first[2].clone()], "what was stored is told as it was");
    assert_eq!(account.contents(&session).await, ["YQ==", "Yg==", "ZA==", "ZQ==", "Zg=="]);
    let update = user.hears_next("new-message").await;
    assert_eq!(update["body"]["message"]["localId"], "e");
    assert_eq!(user.hears_next("new-message").await["body"]["message"]["localId"], "f");
    let again = account.posts(&session, &[("ZQ==", "e"), ("Zg==", "f")]).await;
    assert_eq!(again, second[2..]);
    assert!(user.settles().await.is_empty());

    // A name is the session's own.
    let other = account.creates().await;
    assert_eq!(seqs(&account.posts(&other, &[("YQ==", "a")]).await), [1]);
    assert_eq!(account.looks_at(&session).await["seq"], 5);

    let messages = account.messages(&session).await;
    messages.iter().for_each(is_message);
    let receipt = &second[2];
    let expected = json!({
        "id": receipt["id"], "seq": 4, "content": { "t": "encrypted", "c": "ZQ==" }, "localId": "e",
        "createdAt": gateway.now(), "updatedAt": gateway.now(),
    });
    assert_eq!(messages[3], expected);
    let ids: HashSet<_> = messages.iter().map(|message| text(message, "id")).collect();
    assert_eq!(ids.len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_batch_posted_by_many_at_once_is_stored_once() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let batch: Vec<_> = (0..50).map(|number| item(&base64(number.to_string()), &format!("{number}"))).collect();
    let posts = (0..10).map(|_| post(&account, &session, json!(batch)));
    let mut told = Vec::new();
    for answer in futures_util::future::join_all(posts).await {
        told.push(answer.ok());
    }
    assert!(told.iter().all(|answer| *answer == told[0]));
    assert_eq!(seqs(&account.messages(&session).await), (1..=50).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_13_a_post_has_one_to_a_hundred_messages_with_names() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let many = |count: usize| (0..count).map(|number| item("YQ==", &number.to_string())).collect::<Vec<_>>();
    for items in [
        json!(many(0)),
        json!(many(101)),
        json!([item("YQ==", "")]),
        json!([item("YQ==", "fine"), item("YQ==", "")]),
        json!([{ "content": "YQ==" }]),
        json!([{ "localId": "a" }]),
        json!([{ "content": 1, "localId": "a" }]),
        json!([{ "content": "YQ==", "localId": null }]),
        json!("text"),
        json!(null),
        json!([[]]),
    ] {
        post(&account, &session, items).await.invalid();
    }
    account.post(&format!("/v3/sessions/{session}/messages"), json!({})).await.invalid();
    assert!(account.messages(&session).await.is_empty(), "a batch is stored as a whole or not at all");
    let told = post(&account, &session, json!(many(100))).await.ok();
    assert_eq!(seqs(list(&told, "messages")), (1..=100).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_14_pages_go_up_from_a_message_or_down_from_one() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let page = async |query: &str| {
        let told = account.get(&format!("/v3/sessions/{session}/messages{query}")).await.ok();
        assert_eq!(told.as_object().unwrap().len(), 2, "{told}");
        list(&told, "messages").iter().for_each(is_message);
        (seqs(list(&told, "messages")), told["hasMore"].as_bool().expect("it says whether there is more"))
    };
    assert_eq!(page("").await, (vec![], false));
    for begin in [0, 100] {
        let names: Vec<_> = (begin..begin + 100).map(|number| number.to_string()).collect();
        account.posts(&session, &names.iter().map(|name| ("YQ==", name.as_str())).collect::<Vec<_>>()).await;
    }
    account.says(&session, "YQ==").await;
    let up = |from: u64, to: u64| (from..=to).collect::<Vec<_>>();
    let down = |from: u64, to: u64| (to..=from).rev().collect::<Vec<_>>();
    assert_eq!(page("").await, (up(1, 100), true));
    assert_eq!(page("?after_seq=0").await, (up(1, 100), true));
    assert_eq!(page("?after_seq=100").await, (up(101, 200), true));
    assert_eq!(page("?after_seq=101").await, (up(102, 201), false), "exact at the boundary");
    assert_eq!(page("?after_seq=200&limit=1").await, (vec![201], false));
    assert_eq!(page("?after_seq=199&limit=1").await, (vec![200], true));
    assert_eq!(page("?after_seq=201").await, (vec![], false));
    assert_eq!(page("?after_seq=2147483647").await, (vec![], false));
    assert_eq!(page("?limit=500").await, (up(1, 201), false));
    assert_eq!(page("?limit=201").await, (up(1, 201), false));
    assert_eq!(page("?limit=200").await, (up(1, 200), true));
    assert_eq!(page("?before_seq=2147483647&limit=100").await, (down(201, 102), true));
    assert_eq!(page("?before_seq=102&limit=100").await, (down(101, 2), true));
    assert_eq!(page("?before_seq=102&limit=101").await, (down(101, 1), false));
    assert_eq!(page("?before_seq=101").await, (down(100, 1), false), "exact at the boundary");
    assert_eq!(page("?before_seq=1").await, (vec![], false));

    let path = |query: &str| format!("/v3/sessions/{session}/messages?{query}");
    for query in [
        "after_seq=1&before_seq=5",
        "limit=501",
        "limit=0",
        "limit=-1",
        "limit=x",
        "limit=1.5",
        "after_seq=-1",
        "after_seq=x",
        "after_seq=1.5",
        "before_seq=0",
        "before_seq=-1",
        "before_seq=x",
        "after_seq=99999999999999999999999999",
    ] {
        let answer = account.get(&path(query)).await;
        assert_eq!(answer.status, 400, "{answer}");
        assert!(answer.body["error"].is_string(), "{answer}");
    }
}

/// What a writer writes.
fn line(writer: usize, number: usize) -> String {
    base64(format!("{writer} {number}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn happy_15_ten_writers_and_a_reader_that_sees_each_message_once_and_in_order() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let mut writers = Vec::new();
    for writer in 0..10 {
        let (account, session) = (account.clone(), session.clone());
        writers.push(tokio::spawn(async move {
            if writer % 2 == 0 {
                let mut peer = if writer % 4 == 0 { account.session(&session).await } else { account.user().await };
                for number in 0..EACH {
                    peer.emits("message", json!({ "sid": session, "message": line(writer, number) })).await;
                }
                peer.reaches().await;
                return;
            }
            let lines: Vec<_> = (0..EACH).map(|number| (line(writer, number), format!("{writer} {number}"))).collect();
            for part in lines.chunks(10) {
                let part: Vec<_> = part.iter().map(|(text, local)| (text.as_str(), local.as_str())).collect();
                account.posts(&session, &part).await;
            }
        }));
    }
    let mut seen: Vec<Value> = Vec::new();
    let reads = async {
        while seen.len() < 10 * EACH {
            let after = seen.last().map_or(0, |message| number(message, "seq"));
            seen.extend(account.messages_after(&session, after).await);
        }
    };
    tokio::time::timeout(crate::gateway::PATIENCE, reads).await.expect("all messages come");
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(seqs(&seen), (1..=10 * EACH as u64).collect::<Vec<_>>(), "no number is left out or comes twice");
    assert_eq!(account.messages(&session).await, seen, "what was seen then is what there is");
    let mut of_each: HashMap<usize, Vec<usize>> = HashMap::new();
    for message in &seen {
        let plain = String::from_utf8(decoded(text(&message["content"], "c"))).unwrap();
        let (writer, number) = plain.split_once(' ').unwrap();
        of_each.entry(writer.parse().unwrap()).or_default().push(number.parse().unwrap());
    }
    for (writer, numbers) in of_each {
        assert_eq!(numbers, (0..EACH).collect::<Vec<_>>(), "of writer {writer}");
    }
}

fn decoded(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_seen_everywhere_before_the_next_ping_of_its_sender_is_answered() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let mut agent = account.session(&session).await;
    for number in 1..=20 {
        agent.emits("message", json!({ "sid": session, "message": base64(number.to_string()) })).await;
        agent.reaches().await;
        assert_eq!(account.messages(&session).await.len(), number);
        assert_eq!(account.looks_at(&session).await["seq"], number);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_49_every_text_comes_back_as_it_was_sent() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let (mut user, mut agent) = (account.user().await, account.session(&session).await);
    let bytes: Vec<u8> = (0..300).map(|place| (place * 7) as u8).collect();
    let mut texts: Vec<String> =
        (0..=70).chain([254, 255, 256, 257, 298, 299, 300]).map(|to| base64(&bytes[..to])).collect();
    // Ours to keep, not to judge: other alphabets, no padding, bits that mean nothing.
    texts.extend(["YQ", "YR==", "YWI", "-_-_", "++//", "AAAA", "=", "AA=A"].map(str::to_owned));
    for text in &texts {
        agent.emits("message", json!({ "sid": session, "message": text })).await;
        agent.reaches().await;
        account.says(&session, text).await;
        for _ in 0..2 {
            assert_eq!(user.hears_next("new-message").await["body"]["message"]["content"]["c"], *text);
        }
    }
    let twice: Vec<_> = texts.iter().flat_map(|text| [text.clone(), text.clone()]).collect();
    assert_eq!(account.contents(&session).await, twice);

    // What is sealed is any text to us.
    let strange = ["", " ", "é\u{2028}\u{1f600}", "\"\\/\n\t\u{1}", "{\"json\":1}", "<script>", "\u{7f}\u{ffff}"];
    for (version, text) in strange.iter().enumerate() {
        let metadata = json!({ "sid": session, "expectedVersion": version, "metadata": text });
        assert_eq!(user.asks("update-metadata", metadata).await["metadata"], *text);
        let state = json!({ "sid": session, "expectedVersion": version, "agentState": text });
        assert_eq!(user.asks("update-state", state).await["agentState"], *text);
        let seen = account.looks_at(&session).await;
        assert_eq!((&seen["metadata"], &seen["agentState"]), (&json!(text), &json!(text)));
        let made = json!({ "tag": format!("tag {text}"), "metadata": text, "dataEncryptionKey": text });
        let made = account.post("/v1/sessions", made).await.ok();
        assert_eq!((&made["session"]["metadata"], &made["session"]["dataEncryptionKey"]), (&json!(text), &json!(text)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_49_a_message_of_five_megabytes_comes_back_as_it_was_posted() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let mut user = account.user().await;
    let bytes: Vec<u8> = (0..5_000_001usize).map(|place| (place.wrapping_mul(2_654_435_761) >> 7) as u8).collect();
    let content = base64(&bytes);
    account.says(&session, &content).await;
    let told = user.hears_next("new-message").await;
    assert!(told["body"]["message"]["content"]["c"] == *content, "the update carries it");
    assert!(account.contents(&session).await == [content.as_str()], "a page has it");
    let page = account.get(&format!("/v1/sessions/{session}/messages")).await.ok();
    assert!(list(&page, "messages")[0]["content"]["c"] == *content, "so has the old list");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_too_long_or_of_no_known_kind_is_refused_and_the_rest_goes_on() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let url = format!("/v3/sessions/{session}/messages");
    let send = async |kind: &str, body: Vec<u8>| {
        let request = account.door.request(reqwest::Method::POST, &url).bearer_auth(&account.token);
        crate::http::told(request.header("content-type", kind).body(body), kind.to_owned()).await
    };
    let sound = json!({ "messages": [item("YQ==", "a")] }).to_string().into_bytes();
    for kind in ["text/plain", "application/xml", "application/x-www-form-urlencoded", "nonsense"] {
        send(kind, sound.clone()).await.shaped(415);
    }
    for body in ["{", "[1,", "{\"messages\":[{\"content\":\"YQ==\",\"localId\":\"a\"}]", "\u{feff}", "nul"] {
        let answer = send("application/json", body.as_bytes().to_vec()).await;
        answer.shaped(400);
        assert_eq!(answer.body["error"], "SyntaxError", "{answer}");
    }
    send("application/json", b"{\"messages\":\"\xff\xfe\"}".to_vec()).await.shaped(400);
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    send("application/json", deep.into_bytes()).await.shaped(400);
    send("application/json", Vec::new()).await.invalid(); // as good as `{}`, in which the messages are missing
    assert!(account.messages(&session).await.is_empty());
    assert_eq!(send("application/json; charset=utf-8", sound).await.status, 200);
    assert_eq!(account.messages(&session).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_in_place_of_a_message_stores_nothing_and_hurts_nobody() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let (mut agent, mut user) = (account.session(&session).await, account.user().await);
    for garbage in [
        json!(null),
        json!("text"),
        json!(7),
        json!([]),
        json!({}),
        json!({ "sid": session }),
        json!({ "message": "YQ==" }),
        json!({ "sid": session, "message": 7 }),
        json!({ "sid": session, "message": null }),
        json!({ "sid": [session], "message": "YQ==" }),
        json!({ "sid": { "a": 1 }, "message": "YQ==" }),
        json!({ "sid": "unknown", "message": "YQ==" }),
        json!({ "sid": "x".repeat(10_000), "message": "YQ==" }),
    ] {
        agent.emits("message", garbage).await;
    }
    agent.says("2[\"message\"]").await;
    agent.says("2[\"message\",{},{},{}]").await;
    assert!(agent.settles().await.is_empty());
    agent.emits("message", json!({ "sid": session, "message": "YQ==", "unknown": { "field": 1 } })).await;
    assert_eq!(user.hears_next("new-message").await["body"]["message"]["content"]["c"], "YQ==");
    assert_eq!(account.contents(&session).await, ["YQ=="]);
}
