//! Attachments: sealed bytes of a session, put and fetched by their account alone.

use reqwest::Method;
use serde_json::{Value, json};

use crate::account::Account;
use crate::frames::text;
use crate::gateway::Gateway;
use crate::http::{Answer, told};

/// The longest attachment.
const LONGEST: usize = 10 << 20;

async fn asks_to_put(account: &Account, session: &str, size: usize) -> Answer {
    let body = json!({ "filename": "picture.png", "size": size });
    account.post(&format!("/v1/sessions/{session}/attachments/request-upload"), body).await
}
async fn puts(account: &Account, url: &str, bytes: Vec<u8>) -> Answer {
    let request = account.door.request(Method::PUT, url).bearer_auth(&account.token);
    told(request.header("content-type", "application/octet-stream").body(bytes), format!("PUT {url}")).await
}
async fn asks_to_fetch(account: &Account, session: &str, reference: &Value) -> Answer {
    let path = format!("/v1/sessions/{session}/attachments/request-download");
    account.post(&path, json!({ "ref": reference })).await
}
async fn fetches(account: &Account, url: &str) -> (u16, Vec<u8>) {
    let answer = account.door.request(Method::GET, url).bearer_auth(&account.token).send().await.unwrap();
    (answer.status().as_u16(), answer.bytes().await.unwrap().to_vec())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_47_what_is_put_is_fetched_byte_by_byte() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    for account in [account.clone(), account.at(&gateway.below())] {
        for size in [0, 1, 65_537, LONGEST] {
            let bytes: Vec<u8> = (0..size).map(|place| (place % 251) as u8).collect();
            let granted = asks_to_put(&account, &session, size).await.ok();
            let reference = text(&granted, "ref");
            let name = reference.strip_prefix(&format!("sessions/{session}/attachments/")).unwrap();
            assert!(uuid::Uuid::parse_str(name.strip_suffix(".enc").unwrap()).is_ok(), "{reference}");
            let url = text(&granted, "uploadUrl");
            // Or the client would send no bearer there.
            assert!(url.starts_with(&format!("{}/", account.door.url)), "{url}");
            assert_eq!(granted, json!({ "ref": reference, "uploadUrl": url, "method": "PUT" }));
            assert_eq!(puts(&account, url, bytes.clone()).await.ok(), json!({ "ok": true }));
            let granted = asks_to_fetch(&account, &session, &granted["ref"]).await.ok();
            assert_eq!(granted.as_object().unwrap().len(), 1);
            let url = text(&granted, "downloadUrl");
            assert!(url.starts_with(&format!("{}/", account.door.url)), "{url}");
            let (status, fetched) = fetches(&account, url).await;
            assert_eq!(status, 200);
            assert!(fetched == bytes, "{size} bytes come back");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_47_an_attachment_has_at_most_ten_mebibytes() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let path = format!("/v1/sessions/{session}/attachments/request-upload");
    let refused = asks_to_put(&account, &session, LONGEST + 1).await;
    assert!(matches!(refused.status, 400 | 413), "{refused}");
    refused.blamed();
    for wrong in [
        json!({}),
        json!({ "filename": "f" }),
        json!({ "size": 1 }),
        json!({ "filename": 7, "size": 1 }),
        json!({ "filename": "f", "size": "1" }),
        json!({ "filename": "f", "size": -1 }),
    ] {
        account.post(&path, wrong).await.invalid();
    }
    // Whatever it said before.
    let granted = asks_to_put(&account, &session, 10).await.ok();
    let answer = puts(&account, text(&granted, "uploadUrl"), vec![7; LONGEST + 1]).await;
    answer.refused(413, "File too large (max 10MB)");
    let url = text(&asks_to_fetch(&account, &session, &granted["ref"]).await.ok(), "downloadUrl").to_owned();
    assert_eq!(fetches(&account, &url).await.0, 404, "nothing of it is kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_47_nobody_else_and_nobody_without_a_bearer_reads_or_writes_it() {
    let gateway = Gateway::start().await;
    let (account, thief) = (gateway.account().await, gateway.account().await);
    let (session, second, theirs) = (account.creates().await, account.creates().await, thief.creates().await);
    let granted = asks_to_put(&account, &session, 6).await.ok();
    let (reference, upload) = (text(&granted, "ref").to_owned(), text(&granted, "uploadUrl").to_owned());
    puts(&account, &upload, b"secret".to_vec()).await.ok();
    let download = text(&asks_to_fetch(&account, &session, &granted["ref"]).await.ok(), "downloadUrl").to_owned();

    account.door.get(&download).await.refused(401, "Missing authorization header");
    account.door.ask(Method::GET, &download, Some("garbage"), None).await.refused(401, "Invalid token");
    let unsigned = account.door.request(Method::PUT, &upload).header("content-type", "application/octet-stream");
    told(unsigned.body("x"), upload.clone()).await.refused(401, "Missing authorization header");
    assert_eq!(fetches(&thief, &download).await.0, 404);
    assert_eq!(puts(&thief, &upload, b"x".to_vec()).await.status, 404);
    asks_to_put(&thief, &session, 1).await.refused(404, "Session not found");
    asks_to_fetch(&thief, &session, &granted["ref"]).await.refused(404, "Session not found");
    // By another way.
    asks_to_fetch(&thief, &theirs, &granted["ref"]).await.refused(400, "Ref does not belong to this session");
    asks_to_fetch(&account, &second, &granted["ref"]).await.refused(400, "Ref does not belong to this session");
    let elsewhere = download.replace(&session, &second);
    assert_eq!(fetches(&account, &elsewhere).await.0, 404);
    let elsewhere = download.replace(&session, &theirs);
    assert_eq!(fetches(&thief, &elsewhere).await.0, 404);
    for path in [format!("/files/{reference}"), format!("/files/{}", reference.replace('/', "%2F"))] {
        for bearer in [None, Some(thief.token.as_str()), Some(account.token.as_str())] {
            let answer = account.door.ask(Method::GET, &path, bearer, None).await;
            assert!(answer.status >= 400, "{answer}");
            assert!(!answer.body.to_string().contains("secret"), "{answer}");
        }
    }
    assert_eq!(fetches(&account, &download).await, (200, b"secret".to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_47_a_reference_that_is_none_leads_nowhere() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let below = format!("sessions/{session}/attachments");
    for reference in [
        "".to_owned(),
        "x".to_owned(),
        format!("{below}/"),
        format!("{below}/../../../owner.key"),
        format!("{below}/..%2f..%2fowner.key"),
        format!("{below}/a/b.enc"),
        format!("{below}/\u{0}.enc"),
        format!("/{below}/a.enc"),
        format!("../{below}/a.enc"),
        "sessions/other/attachments/9b2ad3a8-54a5-4d0c-8d3c-0a4c1d6f3c11.enc".to_owned(),
    ] {
        let answer = asks_to_fetch(&account, &session, &json!(reference)).await;
        assert_eq!(answer.status, 400, "{reference}: {answer}");
        let why = text(&answer.body, "error");
        assert!(
            matches!(why, "Ref does not belong to this session" | "Invalid attachment ref" | "Error"),
            "{reference}: {answer}"
        );
    }
    asks_to_fetch(&account, &session, &json!(7)).await.invalid();
    let key = std::fs::read_to_string(gateway.data().join("owner.key")).unwrap();
    for name in ["..", "%2e%2e", "..%2f..%2f..%2fowner.key", "%2fetc%2fpasswd", "a%00.enc", "a.txt", "unknown.enc"] {
        let url = format!("/v1/sessions/{session}/attachments/{name}");
        let answer = account.get(&url).await;
        assert!(matches!(answer.status, 400 | 403 | 404), "{answer}");
        if name != "unknown.enc" {
            let answer = puts(&account, &url, b"overwritten".to_vec()).await;
            assert!((400..500).contains(&answer.status), "{answer}");
        }
        if ["..", "%2e%2e"].contains(&name) {
            continue; // the client itself takes that for the folder above
        }
        let answer = account.get(&format!("/files/{name}")).await;
        assert!(matches!(answer.status, 400 | 403 | 404), "{answer}");
    }
    assert_eq!(std::fs::read_to_string(gateway.data().join("owner.key")).unwrap(), key);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_47_sixty_uploads_a_minute_are_enough() {
    let gateway = Gateway::start().await;
    let (account, other) = (gateway.account().await, gateway.account().await);
    let (session, second, theirs) = (account.creates().await, account.creates().await, other.creates().await);
    for number in 0..60 {
        asks_to_put(&account, if number % 2 == 0 { &session } else { &second }, 1).await.ok();
    }
    asks_to_put(&account, &session, 1).await.refused(429, "Too many upload requests. Try again in a minute.");
    asks_to_put(&other, &theirs, 1).await.ok();
    gateway.clock.advance(60_001);
    asks_to_put(&account, &session, 1).await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attachments_outlive_a_restart() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let granted = asks_to_put(&account, &session, 3).await.ok();
    puts(&account, text(&granted, "uploadUrl"), vec![1, 2, 3]).await.ok();
    let gateway = gateway.restart().await;
    let account = account.at(gateway.door());
    let told = asks_to_fetch(&account, &session, &granted["ref"]).await.ok();
    assert_eq!(fetches(&account, text(&told, "downloadUrl")).await, (200, vec![1, 2, 3]));
}
