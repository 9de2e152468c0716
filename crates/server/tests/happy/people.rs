//! The service itself, and the people of it: profiles, friends, the feed, and tokens of vendors.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::account::Account;
use crate::frames::{list, number, text};
use crate::gateway::{Gateway, NOW, PATIENCE};
use crate::http::told;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_says_what_it_is_and_how_it_is() {
    let gateway = Gateway::start().await;
    let below = gateway.below();
    for door in [gateway.door(), &below] {
        for path in ["/", ""] {
            if !(path.is_empty() && door.namespace.is_empty()) {
                let answer = door.get(path).await;
                assert_eq!((answer.status, &answer.body), (200, &json!("Welcome to Happy Server!")), "{answer}");
            }
        }
        let health = door.get("/health").await.ok();
        let time = text(&health, "timestamp");
        assert_eq!(health, json!({ "status": "ok", "timestamp": time, "service": "happy-server" }));
        assert!(time.len() >= 20 && time.as_bytes()[10] == b'T' && time.ends_with('Z'), "{time} is no ISO 8601");

        for (method, path) in [
            (Method::GET, "/v9/nothing?a=b"),
            (Method::POST, "/v1/nothing"),
            (Method::PATCH, "/v1/sessions"),
            (Method::DELETE, "/v1/sessions"),
            (Method::PUT, "/v1/auth"),
            (Method::POST, "/logs-combined-from-cli-and-mobile-for-simple-ai-debugging"),
            (Method::GET, "/v1/../v1/nothing"),
        ] {
            let answer = door.ask(method.clone(), path, None, None).await;
            assert_eq!(answer.status, 404, "{answer}");
            assert_eq!(
                (&answer.body["error"], &answer.body["method"]),
                (&json!("Not found"), &json!(method.as_str())),
                "{answer}"
            );
            assert!(text(&answer.body, "path").starts_with('/'), "{answer}");
        }
    }
    assert_eq!(gateway.door().get("/v9/nothing?a=b").await.body["path"], "/v9/nothing?a=b");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_old_apps_of_phones_are_told_to_be_renewed() {
    let gateway = Gateway::start().await;
    let ask = async |platform: &str, version: &str| {
        let body = json!({ "platform": platform, "version": version, "app_id": "app" });
        gateway.door().post("/v1/version", body).await.ok()
    };
    for (platform, version) in [("ios", "1.4.1"), ("ANDROID", "1.4.1"), ("iOS", "2.0.0"), ("web", "0.0.1"), ("", "x")] {
        assert_eq!(ask(platform, version).await, json!({ "updateUrl": null }), "{platform} {version}");
    }
    for platform in ["ios", "Android"] {
        let told = ask(platform, "1.0.0").await;
        assert!(told["updateUrl"].is_string() || told["updateUrl"].is_null(), "{told}");
    }
    ask("ios", "no version at all").await;
    gateway.door().post("/v1/version", json!({})).await.invalid();
    gateway.door().post("/v1/version", json!({ "platform": 7, "version": "1", "app_id": "a" })).await.invalid();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_of_more_than_a_hundred_mebibytes_is_refused_before_it_comes() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let origin = account.door.url.strip_prefix("http://").unwrap();
    let session = account.creates().await;
    let mut stream = tokio::net::TcpStream::connect(origin).await.unwrap();
    let head = format!(
        "POST /v3/sessions/{session}/messages HTTP/1.1\r\nhost: {origin}\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{{",
        account.token,
        (100 << 20) + 1,
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let reads = async {
        while !answer.ends_with(b"}") {
            if stream.read_buf(&mut answer).await.unwrap() == 0 {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, reads).await.expect("it is answered at once");
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("\"statusCode\":413"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profile_begins_empty() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let profile = account.get("/v1/account/profile").await.ok();
    let fields: Vec<_> = profile.as_object().unwrap().keys().cloned().collect();
    let mut expected =
        ["id", "timestamp", "firstName", "lastName", "username", "avatar", "github", "connectedServices"]
            .map(str::to_owned);
    expected.sort_unstable();
    let mut fields = fields;
    fields.sort_unstable();
    assert_eq!(fields, expected, "{profile}");
    assert!(profile["timestamp"].is_u64());
    for field in ["firstName", "lastName", "username"] {
        assert!(profile[field].is_null() || profile[field] == "", "{profile}");
    }
    assert_eq!((&profile["avatar"], &profile["github"]), (&Value::Null, &Value::Null));
    assert_eq!(profile["connectedServices"], json!([]));
}

async fn profile(account: &Account, id: &str) -> Value {
    account.get(&format!("/v1/user/{id}")).await.ok()["user"].clone()
}

fn is_profile(value: &Value, id: &str, status: &str) {
    let expected = ["avatar", "bio", "firstName", "id", "lastName", "status", "username"];
    let mut fields: Vec<_> = value.as_object().unwrap_or_else(|| panic!("{value} is nobody")).keys().collect();
    fields.sort_unstable();
    assert_eq!(fields, expected);
    assert_eq!((&value["id"], &value["status"]), (&json!(id), &json!(status)), "{value}");
    assert!(value["firstName"].is_string() && value["username"].is_string());
}

async fn status(account: &Account, id: &str) -> String {
    text(&profile(account, id).await, "status").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_become_friends_when_both_want_it_and_part_when_one_does() {
    let gateway = Gateway::start().await;
    let (one, other) = (gateway.account().await, gateway.account().await);
    let (a, b) = (one.id().await, other.id().await);
    is_profile(&profile(&one, &b).await, &b, "none");
    one.get("/v1/user/nobody").await.refused(404, "User not found");
    let change = async |account: &Account, what: &str, uid: &str| {
        account.post(&format!("/v1/friends/{what}"), json!({ "uid": uid })).await.ok()
    };
    for what in ["add", "remove"] {
        assert_eq!(change(&one, what, "nobody").await, json!({ "user": null }));
        assert_eq!(change(&one, what, &a).await, json!({ "user": null }));
        one.post(&format!("/v1/friends/{what}"), json!({})).await.invalid();
        one.post(&format!("/v1/friends/{what}"), json!({ "uid": 7 })).await.invalid();
    }
    let both = async || (status(&one, &b).await, status(&other, &a).await);
    let are = |mine: &str, theirs: &str| (mine.to_owned(), theirs.to_owned());

    is_profile(&change(&one, "add", &b).await["user"], &b, "requested");
    assert_eq!(both().await, are("requested", "pending"));
    change(&one, "add", &b).await;
    assert_eq!(both().await, are("requested", "pending"), "asked again it is as it was");
    is_profile(&change(&one, "remove", &b).await["user"], &b, "rejected");
    assert_eq!(both().await.0, "rejected");
    change(&one, "add", &b).await;
    assert_eq!(both().await, are("requested", "pending"));
    is_profile(&change(&other, "add", &a).await["user"], &a, "friend");
    assert_eq!(both().await, are("friend", "friend"));
    for (account, id) in [(&one, &b), (&other, &a)] {
        let told = account.get("/v1/friends").await.ok();
        let friends = list(&told, "friends");
        assert_eq!(friends.len(), 1);
        is_profile(&friends[0], id, "friend");
    }
    is_profile(&change(&one, "remove", &b).await["user"], &b, "requested");
    assert_eq!(both().await, are("pending", "requested"));
    is_profile(&change(&one, "remove", &b).await["user"], &b, "none");
    assert_eq!(both().await.0, "none");

    // Nobody else is concerned.
    let stranger = gateway.account().await;
    assert_eq!(stranger.get("/v1/friends").await.ok(), json!({ "friends": [] }));
    assert_eq!(status(&stranger, &a).await, "none");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_to_be_a_friend_is_in_the_feed_of_who_is_asked() {
    let gateway = Gateway::start().await;
    let (one, other) = (gateway.account().await, gateway.account().await);
    let (a, b) = (one.id().await, other.id().await);
    assert_eq!(other.get("/v1/feed").await.ok(), json!({ "items": [], "hasMore": false }));
    let mut theirs = other.user().await;
    let mut mine = one.user().await;
    one.post("/v1/friends/add", json!({ "uid": b })).await.ok();
    let post = theirs.hears_next("new-feed-post").await;
    assert_eq!(post["body"]["body"], json!({ "kind": "friend_request", "uid": a }));
    assert!(post["body"].get("repeatKey").is_some(), "or apps drop it");
    let feed = other.get("/v1/feed").await.ok();
    let item = &list(&feed, "items")[0];
    let expected = json!({
        "id": post["body"]["id"], "body": { "kind": "friend_request", "uid": a },
        "repeatKey": post["body"]["repeatKey"], "cursor": post["body"]["cursor"], "createdAt": NOW,
    });
    assert_eq!((item, list(&feed, "items").len(), &feed["hasMore"]), (&expected, 1, &json!(false)));
    let cursor = text(item, "cursor").to_owned();
    assert!(cursor.strip_prefix("0-").is_some_and(|number| number.parse::<u64>().is_ok()), "{cursor}");

    other.post("/v1/friends/add", json!({ "uid": a })).await.ok();
    let post = mine.hears_next("new-feed-post").await;
    assert_eq!(post["body"]["body"], json!({ "kind": "friend_accepted", "uid": b }));

    // A day has to pass before the same is told again, and then it is told once.
    for _ in 0..3 {
        one.post("/v1/friends/remove", json!({ "uid": b })).await.ok();
        one.post("/v1/friends/remove", json!({ "uid": b })).await.ok();
        one.post("/v1/friends/add", json!({ "uid": b })).await.ok();
    }
    let requests = async || {
        let feed = other.get("/v1/feed").await.ok();
        list(&feed, "items").iter().filter(|item| item["body"]["kind"] == "friend_request").count()
    };
    assert_eq!(requests().await, 1);

    // Pages, newest first.
    let third = gateway.account().await;
    third.post("/v1/friends/add", json!({ "uid": b })).await.ok();
    let feed = other.get("/v1/feed").await.ok();
    let all: Vec<_> = list(&feed, "items").to_vec();
    let count = |cursor: &Value| text(&json!({ "c": cursor }), "c")[2..].parse::<u64>().unwrap();
    assert!(all.is_sorted_by(|item, next| count(&item["cursor"]) > count(&next["cursor"])));
    let first = other.get("/v1/feed?limit=1").await.ok();
    assert_eq!((list(&first, "items"), &first["hasMore"]), (&all[..1], &json!(true)));
    let before = other.get(&format!("/v1/feed?before={}", text(&all[0], "cursor"))).await.ok();
    assert_eq!(list(&before, "items"), &all[1..]);
    let after = other.get(&format!("/v1/feed?after={cursor}")).await.ok();
    assert!(list(&after, "items").iter().all(|item| count(&item["cursor"]) > count(&json!(cursor))));
    for query in ["limit=0", "limit=201", "limit=x"] {
        other.get(&format!("/v1/feed?{query}")).await.invalid();
    }
    for cursor in ["x", "1-1", "0-x"] {
        let answer = other.get(&format!("/v1/feed?before={cursor}")).await;
        assert_eq!(answer.status, 400, "{answer}");
    }
    other.get("/v1/feed?limit=200").await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_finds_only_names() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    for query in ["a", "%25", "_", "%C3%A9", ""] {
        let answer = account.get(&format!("/v1/user/search?query={query}")).await;
        if !query.is_empty() || answer.status == 200 {
            // Nobody has a name here.
            assert_eq!(answer.ok(), json!({ "users": [] }));
        } else {
            answer.invalid();
        }
    }
    account.get("/v1/user/search").await.invalid();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vendors_token_is_kept_sealed_and_given_back() {
    let gateway = Gateway::start().await;
    let (account, other) = (gateway.account().await, gateway.account().await);
    let secret = "sk-that-nobody-else-may-read-0123456789";
    for vendor in ["openai", "anthropic", "gemini"] {
        let path = |rest: &str| format!("/v1/connect/{vendor}{rest}");
        assert_eq!(account.get(&path("/token")).await.ok(), json!({ "token": null }));
        account.post(&path("/register"), json!({ "token": "an old one" })).await.ok();
        let token = format!("{secret} {vendor}");
        assert_eq!(account.post(&path("/register"), json!({ "token": token })).await.ok(), json!({ "success": true }));
        assert_eq!(account.get(&path("/token")).await.ok(), json!({ "token": token }));
        assert_eq!(other.get(&path("/token")).await.ok(), json!({ "token": null }));
        account.post(&path("/register"), json!({})).await.invalid();
        account.post(&path("/register"), json!({ "token": 7 })).await.invalid();
    }
    let told = account.get("/v1/connect/tokens").await.ok();
    let tokens = list(&told, "tokens");
    assert_eq!(tokens.len(), 3);
    for entry in tokens {
        assert_eq!(
            *entry,
            json!({ "vendor": entry["vendor"], "token": format!("{secret} {}", text(entry, "vendor")) })
        );
    }
    let profile = account.get("/v1/account/profile").await.ok();
    let mut connected: Vec<_> = list(&profile, "connectedServices").iter().filter_map(Value::as_str).collect();
    connected.sort_unstable();
    assert_eq!(connected, ["anthropic", "gemini", "openai"]);
    for (method, path) in [(Method::GET, "/token"), (Method::POST, "/register"), (Method::DELETE, "")] {
        let body = (method == Method::POST).then(|| json!({ "token": "t" }));
        let answer = account.ask(method, &format!("/v1/connect/elsewhere{path}"), body).await;
        assert_eq!(answer.status, 400, "{answer}");
    }

    let gateway = gateway.restart().await;
    let account = account.at(gateway.door());
    assert_eq!(account.get("/v1/connect/openai/token").await.ok(), json!({ "token": format!("{secret} openai") }));
    for file in files_below(&gateway.data()) {
        let bytes = std::fs::read(&file).unwrap_or_default();
        let found = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
        assert!(!found, "{} holds it as it is", file.display());
    }
    for _ in 0..2 {
        assert_eq!(account.delete("/v1/connect/openai").await.ok(), json!({ "success": true }));
    }
    assert_eq!(account.get("/v1/connect/openai/token").await.ok(), json!({ "token": null }));
    assert_eq!(list(&account.get("/v1/connect/tokens").await.ok(), "tokens").len(), 2);
}

/// Every file below a folder.
fn files_below(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let entries = entries.filter_map(Result::ok).map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_set_up_says_so() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    account.get("/v1/connect/github/params").await.refused(400, "GitHub OAuth not configured");
    for _ in 0..2 {
        assert_eq!(account.delete("/v1/connect/github").await.ok(), json!({ "success": true }));
    }
    for (method, path) in
        [(Method::GET, "/v1/connect/github/callback?code=c&state=s"), (Method::POST, "/v1/connect/github/webhook")]
    {
        let answer = told(gateway.door().request(method, path), path.to_owned()).await;
        assert!(answer.status >= 300 && answer.status != 401, "{answer}");
    }
    for (method, path) in [(Method::POST, "/v1/voice/conversations"), (Method::GET, "/v1/voice/usage")] {
        let body = (method == Method::POST).then(|| json!({ "agentId": "a" }));
        let answer = account.ask(method, path, body).await;
        assert!(matches!(answer.status, 404 | 500), "{answer}");
        assert!(answer.body["error"].is_string(), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_on_any_route_is_blamed_on_who_sent_it() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let (session, machine) = (account.creates().await, account.registers().await);
    let routes = [
        "/v1/auth",
        "/v1/auth/request",
        "/v1/auth/account/request",
        "/v1/auth/response",
        "/v1/auth/account/response",
        "/v1/sessions",
        "/v1/machines",
        "/v1/artifacts",
        "/v1/kv",
        "/v1/kv/bulk",
        "/v1/account/settings",
        "/v1/push-tokens",
        "/v1/friends/add",
        "/v1/friends/remove",
        "/v1/connect/openai/register",
        "/v1/version",
        &format!("/v3/sessions/{session}/messages"),
        &format!("/v1/sessions/{session}/push-event"),
        &format!("/v1/sessions/{session}/attachments/request-upload"),
        &format!("/v1/sessions/{session}/attachments/request-download"),
        &format!("/v1/access-keys/{session}/{machine}"),
    ];
    let deep = "{\"a\":".repeat(5_000) + "1" + &"}".repeat(5_000);
    let bodies: [&[u8]; 10] =
        [b"", b"null", b"[]", b"7", b"\"x\"", b"{", b"{\"tag\":", b"\xff\xfe\x00", b"{\"a\":1e999}", deep.as_bytes()];
    for route in routes {
        for body in bodies {
            let request = account.door.request(Method::POST, route).bearer_auth(&account.token);
            let request = request.header("content-type", "application/json").body(body.to_vec());
            told(request, format!("{route} {}", String::from_utf8_lossy(&body[..body.len().min(20)]))).await.blamed();
        }
        let request = account.door.request(Method::POST, route).bearer_auth(&account.token);
        let request = request.header("content-type", "text/html").body("<p>");
        told(request, route.to_owned()).await.shaped(415);
    }
    let gets = [
        "/v1/sessions/%ff%fe/messages",
        "/v1/machines/%ff",
        "/v1/artifacts/%00",
        "/v1/kv/%ff",
        "/v1/user/%ff",
        "/v1/access-keys/%ff/%ff",
        "/v2/sessions?cursor=%ff",
        "/v2/sessions?limit=1&limit=2",
        "/v1/kv?prefix=%ff&limit=999999999999999999999999",
        "/v1/feed?before=%ff",
        "/v1/auth/request/status?publicKey=%ff",
    ];
    for path in gets {
        let answer = account.get(path).await;
        assert!(answer.status < 500, "{answer}");
    }
    assert_eq!(number(&account.looks_at(&session).await, "seq"), 0);
}
