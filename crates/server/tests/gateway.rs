//! Whole gateways in this process, talked to over HTTP.

use std::path::Path;
use std::time::Duration;

use rejoin_server::{Config, Options, Overrides, Running, Server, StartError};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes, so that a hang fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(120);

struct Gateway {
    running: Running,
    key: String,
    client: Client,
}

fn options(data: &Path) -> Options {
    Options { data: Some(data.to_path_buf()), listen: Some("127.0.0.1:0".parse().unwrap()), ..Options::default() }
}

async fn start(options: Options) -> Result<Running, StartError> {
    let config = Config::from(options, &|_| None).unwrap();
    Server::start(config, Overrides::default()).await
}

impl Gateway {
    async fn start(data: &Path) -> Gateway {
        Gateway::with(options(data)).await
    }

    async fn with(options: Options) -> Gateway {
        let data = options.data.clone().unwrap();
        let running = start(options).await.unwrap();
        let key = std::fs::read_to_string(data.join("owner.key")).unwrap_or_default().trim().to_owned();
        Gateway { running, key, client: Client::new() }
    }

    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.running.url());
        self.client.request(method, url).bearer_auth(&self.key).timeout(PATIENCE)
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        told(self.ask(Method::GET, path)).await
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        told(self.ask(Method::POST, path).json(&body)).await
    }

    async fn session(&self, agent: &str) -> String {
        let (status, session) = self.post("/api/v1/sessions", json!({ "agent": agent })).await;
        assert_eq!(status, StatusCode::CREATED, "{session}");
        session["id"].as_str().unwrap().to_owned()
    }

    async fn prompt(&self, session: &str, text: &str) {
        let id = uuid::Uuid::now_v7().to_string();
        let body = json!({ "id": id, "type": "prompt", "text": text });
        let (status, told) = self.post(&format!("/api/v1/sessions/{session}/commands"), body).await;
        assert_eq!(status, StatusCode::OK, "{told}");
    }

    async fn events(&self, session: &str) -> Vec<Value> {
        let (_, page) = self.get(&format!("/api/v1/sessions/{session}/events?limit=1000")).await;
        page["items"].as_array().unwrap_or_else(|| panic!("{page}")).clone()
    }

    /// Waits for an event of this kind.
    async fn until(&self, session: &str, kind: &str) -> Vec<Value> {
        let wait = async {
            loop {
                let events = self.events(session).await;
                if events.iter().any(|event| event["type"] == kind) {
                    return events;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("no {kind}"))
    }

    async fn stop(self) {
        tokio::time::timeout(PATIENCE, self.running.stop(CancellationToken::new())).await.unwrap().unwrap();
    }
}

async fn told(request: RequestBuilder) -> (StatusCode, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_there_again_after_a_restart_word_for_word() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(dir.path()).await;
    assert!(gateway.running.first_key().is_some());
    let session = gateway.session("echo").await;
    gateway.prompt(&session, "to be or not to be").await;
    let before = gateway.until(&session, "turnEnded").await;
    gateway.stop().await;

    let gateway = Gateway::start(dir.path()).await;
    assert!(gateway.running.first_key().is_none());
    let after = gateway.events(&session).await;
    assert_eq!(after[..before.len()], before);
    let (_, view) = gateway.get(&format!("/api/v1/sessions/{session}")).await;
    assert!(view.to_string().contains("to be or not to be"), "{view}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_a_turn_unless_it_is_in_a_hurry_and_the_turn_ends_either_way() {
    let dir = tempfile::tempdir().unwrap();
    let mut patient = options(dir.path());
    patient.limits.stop_ms = Some(600_000);
    let gateway = Gateway::with(patient).await;
    let session = gateway.session("script").await;
    gateway.prompt(&session, "begin\n!sleep 600000").await;
    gateway.until(&session, "turnStarted").await;
    let (client, url) = (gateway.client.clone(), gateway.running.url());
    let hurry = CancellationToken::new();
    let stopping = tokio::spawn(gateway.running.stop(hurry.clone()));

    // It still answers, and says why others should be asked.
    let not_ready = async {
        loop {
            let answer = client.get(format!("{url}/readyz")).send().await.unwrap();
            if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
                return answer.json::<Value>().await.unwrap();
            }
        }
    };
    let why = tokio::time::timeout(PATIENCE, not_ready).await.unwrap();
    assert_eq!(why["code"], "stopping");
    assert!(!stopping.is_finished());
    hurry.cancel();
    tokio::time::timeout(PATIENCE, stopping).await.unwrap().unwrap().unwrap();
    assert!(client.get(format!("{url}/healthz")).send().await.is_err());

    let gateway = Gateway::start(dir.path()).await;
    let events = gateway.until(&session, "turnEnded").await;
    let end = events.iter().find(|event| event["type"] == "turnEnded").unwrap();
    assert_eq!(end["outcome"]["outcome"], "interrupted", "{end}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_can_be_asked_without_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(dir.path()).await;
    let session = gateway.session("echo").await;
    gateway.prompt(&session, "hello").await;
    gateway.until(&session, "turnEnded").await;
    let bare = async |path: &str| told(gateway.client.get(format!("{}{path}", gateway.running.url()))).await;
    assert_eq!(bare("/healthz").await, (StatusCode::OK, json!("ok\n")));
    assert_eq!(bare("/readyz").await, (StatusCode::OK, json!("ready\n")));
    let (status, text) = bare("/metrics").await;
    let text = text.as_str().unwrap().to_owned();
    assert_eq!(status, StatusCode::OK);
    for line in [
        "rejoin_sessions_stored 1",
        "rejoin_sessions_live 1",
        "rejoin_store_commits_total ",
        "rejoin_commands_total ",
        "process_resident_memory_bytes ",
        "process_open_fds ",
        r#"rejoin_http_requests_total{method="POST",route="/api/v1/sessions",status="201"} 1"#,
    ] {
        assert!(text.lines().any(|shown| shown.starts_with(line)), "{line}\n{text}");
    }
    assert_eq!(text.matches("# EOF").count(), 1);
    assert!(text.ends_with("# EOF\n"));
    let (status, problem) = bare("/nowhere").await;
    assert_eq!((status, problem["code"].as_str()), (StatusCode::NOT_FOUND, Some("not_found")));
    let (status, problem) = bare("/api/v1/sessions").await;
    assert_eq!((status, problem["code"].as_str()), (StatusCode::UNAUTHORIZED, Some("unauthenticated")));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_gateway_on_the_same_folder_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let mut with_file = options(dir.path());
    let file = dir.path().join("ready.json");
    with_file.ready_file = Some(file.clone());
    let gateway = Gateway::with(with_file.clone()).await;
    let error = start(with_file).await.err().unwrap();
    assert!(matches!(&error, StartError::Store { .. }), "{error:?}");
    // The first one is as it was, its ready file included.
    let ready: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(ready["listen"], gateway.running.url());
    assert_eq!(gateway.get("/readyz").await.0, StatusCode::OK);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_dev_nobody_needs_a_key_and_a_page_of_the_web_gets_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::with(Options { dev: Some(true), ..options(dir.path()) }).await;
    assert!(gateway.running.first_key().is_none());
    gateway.session("echo").await;
    let (_, members) = gateway.get("/api/v1/members").await;
    assert_eq!(members["items"][0]["user"], "dev-user-001", "{members}");
    let page = gateway.ask(Method::GET, "/api/v1/sessions").header("origin", "https://evil.example");
    assert_eq!(told(page).await.0, StatusCode::FORBIDDEN);
    let rebound = gateway.ask(Method::GET, "/api/v1/sessions").header("host", "evil.example");
    assert_eq!(told(rebound).await.0, StatusCode::FORBIDDEN);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_running_gateway_opens_in_another_folder() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().canonicalize().unwrap();
    let (data, copy, other) = (base.join("data"), base.join("copy"), base.join("other"));
    let gateway = Gateway::start(&data).await;
    let session = gateway.session("echo").await;
    gateway.prompt(&session, "before the backup").await;
    gateway.until(&session, "turnEnded").await;
    for (path, status) in [
        (json!("relative"), StatusCode::UNPROCESSABLE_ENTITY),
        (json!(data.join("inside")), StatusCode::UNPROCESSABLE_ENTITY),
        (json!(base), StatusCode::UNPROCESSABLE_ENTITY),
        (json!(7), StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(gateway.post("/admin/backup", json!({ "path": path })).await.0, status, "{path}");
    }
    let nobody = gateway.client.post(format!("{}/admin/backup", gateway.running.url())).json(&json!({ "path": copy }));
    assert_eq!(told(nobody).await.0, StatusCode::UNAUTHORIZED);
    let (_, made) = gateway.post("/api/v1/keys", json!({ "role": "admin" })).await;
    let admin = gateway.client.post(format!("{}/admin/backup", gateway.running.url()));
    let admin = admin.bearer_auth(made["key"].as_str().unwrap()).json(&json!({ "path": copy }));
    assert_eq!(told(admin).await.0, StatusCode::FORBIDDEN);
    let (status, told) = gateway.post("/admin/backup", json!({ "path": copy })).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    assert!(rejoin_server::restore(&copy, &data).is_err(), "never under a running gateway");
    let key = gateway.key.clone();
    gateway.stop().await;

    rejoin_server::restore(&copy, &other).unwrap();
    let mut gateway = Gateway::start(&other).await;
    assert!(gateway.running.first_key().is_none(), "its owner has a key");
    gateway.key = key;
    let (status, view) = gateway.get(&format!("/api/v1/sessions/{session}")).await;
    assert_eq!(status, StatusCode::OK);
    assert!(view.to_string().contains("before the backup"));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_ends_its_event_stream() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(dir.path()).await;
    let session = gateway.session("echo").await;
    let (status, made) = gateway.post("/api/v1/keys", json!({ "name": "phone", "role": "member" })).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let url = format!("{}/api/v1/sessions/{session}/events", gateway.running.url());
    let request = gateway.client.get(url).header("accept", "text/event-stream");
    let mut stream = request.bearer_auth(made["key"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(stream.status(), StatusCode::OK);
    assert!(stream.chunk().await.unwrap().is_some());
    let id = made["id"].as_str().unwrap();
    let (status, _) = told(gateway.ask(Method::DELETE, &format!("/api/v1/keys/{id}"))).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let ends = async { while let Ok(Some(_)) = stream.chunk().await {} };
    tokio::time::timeout(Duration::from_secs(2), ends).await.expect("within a second, and some");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_session_are_written_read_and_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(dir.path()).await;
    let session = gateway.session("script").await;
    let file = format!("/api/v1/sessions/{session}/files/notes/a.txt");
    for text in ["one", "two"] {
        let (status, told) = told(gateway.ask(Method::PUT, &file).body(text)).await;
        assert!(status.is_success(), "{status} {told}");
    }
    assert_eq!(gateway.get(&file).await.1, json!("two"));
    assert_eq!(gateway.get(&format!("{file}?version=1")).await.1, json!("one"));
    gateway.prompt(&session, "!shell echo made > made.txt\n!write wrote.txt text").await;
    let events = gateway.until(&session, "turnEnded").await;
    let changed =
        events.iter().filter(|event| event["type"] == "fileChanged").map(|event| event["path"].as_str().unwrap());
    assert_eq!(changed.collect::<Vec<_>>(), ["notes/a.txt", "notes/a.txt", "made.txt", "wrote.txt"]);
    let (status, problem) = gateway.get(&format!("/api/v1/sessions/{session}/files/..%2F..%2Fowner.key")).await;
    assert!(status.is_client_error(), "{problem}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_the_web_may_use_the_api_only_if_they_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let named = Options { cors_origins: vec!["https://app.example/".to_owned()], ..options(dir.path()) };
    let gateway = Gateway::with(named).await;
    for (origin, allowed) in [("https://app.example", true), ("https://evil.example", false)] {
        let preflight = gateway.ask(Method::OPTIONS, "/api/v1/sessions").header("origin", origin);
        let answer = preflight.header("access-control-request-method", "POST").send().await.unwrap();
        assert_eq!(answer.headers().contains_key("access-control-allow-origin"), allowed, "{origin}");
    }
    gateway.stop().await;
}

/// How many files there are below a folder.
fn files_below(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { files_below(&entry.path()) } else { 1 }).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_a_deleted_session_go_with_it_unless_a_fork_works_there_too() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(dir.path()).await;
    let session = gateway.session("script").await;
    gateway.prompt(&session, "!write a.txt one").await;
    gateway.until(&session, "turnEnded").await;
    let workspaces = dir.path().join("workspaces");
    assert_eq!(files_below(&workspaces), 1);

    let fork = json!({ "id": "fork-1", "type": "fork" });
    let (status, told) = gateway.post(&format!("/api/v1/sessions/{session}/commands"), fork).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    let forked = told["session"].as_str().unwrap_or_else(|| panic!("{told}")).to_owned();
    gateway.ask(Method::DELETE, &format!("/api/v1/sessions/{session}")).send().await.unwrap();
    assert_eq!(files_below(&workspaces), 1, "the fork works there");

    let alone = gateway.session("script").await;
    gateway.prompt(&alone, "!write b.txt two").await;
    gateway.until(&alone, "turnEnded").await;
    gateway.ask(Method::DELETE, &format!("/api/v1/sessions/{alone}")).send().await.unwrap();
    assert_eq!(files_below(&workspaces), 1, "nobody else worked there");
    let (status, file) = gateway.get(&format!("/api/v1/sessions/{forked}/files/a.txt")).await;
    assert_eq!(status, StatusCode::OK, "{file}");
    gateway.stop().await;
}

const SECRET: &str = "a secret that is long enough for HS256";

/// A token of somebody in another tenant than the owner key's; the first to come owns it.
fn stranger() -> String {
    let expires = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 3_600;
    let claims = json!({ "sub": "eve", "tenant_id": "elsewhere", "exp": expires });
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256), &claims, &key).unwrap()
}

impl Gateway {
    async fn budget(&self) -> Value {
        let (status, budget) = self.get("/api/v1/budget").await;
        assert_eq!(status, StatusCode::OK, "{budget}");
        budget
    }

    async fn allow(&self, micros: u64) {
        let set = self.ask(Method::PUT, "/api/v1/budget").json(&json!({ "limitMicros": micros }));
        let (status, set) = told(set).await;
        assert_eq!((status, &set["spentMicros"]), (StatusCode::OK, &json!(0)), "{set}");
    }

    /// The code with which a prompt is refused.
    async fn refused(&self, session: &str, text: &str) -> (StatusCode, String) {
        let body = json!({ "id": uuid::Uuid::now_v7().to_string(), "type": "prompt", "text": text });
        let (status, told) = self.post(&format!("/api/v1/sessions/{session}/commands"), body).await;
        (status, told["code"].as_str().unwrap_or_default().to_owned())
    }

    /// How the turn ended that this prompt made.
    async fn turn(&self, session: &str, text: &str) -> Value {
        let before = self.events(session).await.len();
        self.prompt(session, text).await;
        let wait = async {
            loop {
                let events = self.events(session).await;
                if let Some(ended) = events[before..].iter().find(|event| event["type"] == "turnEnded") {
                    return ended["outcome"].clone();
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("the turn ends")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_spends_what_it_may_and_no_more_also_behind_a_restart_and_another_one_does_not_notice() {
    let dir = tempfile::tempdir().unwrap();
    let with_tokens = || {
        let mut options = options(dir.path());
        options.jwt.secret = Some(SECRET.to_owned());
        options
    };
    let mut gateway = Gateway::with(with_tokens()).await;
    assert_eq!(gateway.get("/api/v1/budget").await.0, StatusCode::NOT_FOUND);
    gateway.allow(1_000_000).await;
    let (one, two) = (gateway.session("script").await, gateway.session("script").await);
    let outcome = gateway.turn(&one, "!usage 10 10 0.5").await;
    assert_eq!(outcome["outcome"], "completed", "{outcome}");
    let budget = gateway.budget().await;
    assert_eq!((&budget["limitMicros"], &budget["spentMicros"]), (&json!(1_000_000), &json!(500_000)));
    gateway.stop().await;

    gateway = Gateway::with(with_tokens()).await;
    assert_eq!(gateway.budget().await, budget);
    let outcome = gateway.turn(&two, "!usage 10 10 0.5\nnever said").await;
    assert_eq!((&outcome["outcome"], &outcome["code"]), (&json!("failed"), &json!("budget_exceeded")), "{outcome}");
    gateway.stop().await;

    gateway = Gateway::with(with_tokens()).await;
    for session in [&one, &two] {
        let refused = gateway.refused(session, "more").await;
        assert_eq!(refused, (StatusCode::CONFLICT, "budget_exceeded".to_owned()));
    }
    let mine = std::mem::replace(&mut gateway.key, stranger());
    assert_eq!(gateway.get("/api/v1/budget").await.0, StatusCode::NOT_FOUND);
    let (status, told_her) = gateway.get("/api/v1/budget?tenant=default").await;
    assert_eq!((status, &told_her["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("tenant")));
    let session = gateway.session("script").await;
    let outcome = gateway.turn(&session, "!usage 10 10 0.5").await;
    assert_eq!(outcome["outcome"], "completed", "{outcome}");
    gateway.allow(5).await;
    assert_eq!(told(gateway.ask(Method::DELETE, "/api/v1/budget")).await.0, StatusCode::NO_CONTENT);

    gateway.key = mine;
    assert_eq!(gateway.budget().await["spentMicros"], 1_000_000, "hers is not ours");
    gateway.allow(2_000_000).await;
    let outcome = gateway.turn(&one, "!usage 10 10 0.5").await;
    assert_eq!(outcome["outcome"], "completed", "{outcome}");
    gateway.stop().await;
}
