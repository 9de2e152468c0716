//! Terminals of a whole gateway, over HTTP and WebSocket, with real commands in them.

use std::path::Path;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use jsonwebtoken::{EncodingKey, Header};
use rejoin_server::sign_in::jwt::JwtOptions;
use rejoin_server::{Config, Options, Overrides, Running, Server};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes, so that a hang fails instead of hanging.
const SOON: Duration = Duration::from_secs(120);
const SECRET: &str = "a secret of at least thirty-two letters";

struct Gateway {
    running: Running,
    owner: String,
    client: Client,
    session: String,
}

impl Gateway {
    /// A gateway with a session, and its owner.
    async fn start(data: &Path) -> Gateway {
        let options = Options {
            data: Some(data.to_path_buf()),
            listen: Some("127.0.0.1:0".parse().unwrap()),
            jwt: JwtOptions { secret: Some(SECRET.to_owned()), ..JwtOptions::default() },
            ..Options::default()
        };
        let config = Config::from(options, &|_| None).unwrap();
        let running = Server::start(config, Overrides::default()).await.unwrap();
        let owner = std::fs::read_to_string(data.join("owner.key")).unwrap().trim().to_owned();
        let mut gateway = Gateway { running, owner, client: Client::new(), session: String::new() };
        let (_, session) = gateway.asks(&gateway.owner, Method::POST, "", Some(json!({ "agent": "echo" }))).await;
        gateway.session = session["id"].as_str().unwrap().to_owned();
        gateway
    }

    /// Asks for something of sessions.
    async fn asks(&self, key: &str, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        self.asks_for(key, method, &format!("sessions{path}"), body).await
    }

    async fn asks_for(&self, key: &str, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let url = format!("{}/api/v1/{path}", self.running.url());
        let request = self.client.request(method, url).bearer_auth(key).timeout(SOON);
        let request = if let Some(body) = body { request.json(&body) } else { request };
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap_or_default())
    }

    /// Opens a terminal and gives back its path.
    async fn terminal(&self, command: &str) -> String {
        let path = format!("/{}/terminals", self.session);
        let body = json!({ "command": command, "cols": 60, "rows": 12 });
        let (status, info) = self.asks(&self.owner, Method::POST, &path, Some(body)).await;
        assert_eq!(status, StatusCode::CREATED, "{info}");
        format!("{path}/{}", info["id"].as_str().unwrap())
    }

    async fn looks(&self, key: &str, terminal: &str, query: &str) -> Looker {
        let address = self.running.url().replacen("http", "ws", 1);
        let url = format!("{address}/api/v1/sessions{terminal}/socket?key={key}{query}");
        let (socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        let mut looker =
            Looker { socket, screen: vt100::Parser::default(), cursor: 0, exit: None, refused: Vec::new() };
        looker.hears().await;
        looker
    }

    async fn viewer(&self) -> String {
        let body = json!({ "name": "only looks", "role": "viewer" });
        let (status, key) = self.asks_for(&self.owner, Method::POST, "keys", Some(body)).await;
        assert_eq!(status, StatusCode::CREATED, "{key}");
        key["key"].as_str().unwrap().to_owned()
    }

    async fn stop(self) {
        self.running.stop(CancellationToken::new()).await.unwrap();
    }
}

/// The owner of another tenant.
fn stranger() -> String {
    let claims = json!({ "sub": "mallory", "tenant_id": "elsewhere", "exp": 4_000_000_000_u64 });
    jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

/// Somebody with a terminal of their own, in which they see ours.
struct Looker {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    screen: vt100::Parser,
    cursor: u64,
    exit: Option<Value>,
    refused: Vec<String>,
}

impl Looker {
    /// Takes the next message; `false` when the socket is closed.
    async fn hears(&mut self) -> bool {
        let next = timeout(SOON, self.socket.next()).await.expect("the socket says something");
        match next {
            Some(Ok(Message::Binary(bytes))) => {
                let (at, bytes) = bytes.split_at(8);
                assert_eq!(u64::from_be_bytes(at.try_into().unwrap()), self.cursor, "neither hole nor overlap");
                self.cursor += bytes.len() as u64;
                self.screen.process(bytes);
            }
            Some(Ok(Message::Text(text))) => {
                let told: Value = serde_json::from_str(&text).unwrap();
                let resize = |screen: &mut vt100::Parser, size: &Value| {
                    let side = |name: &str| u16::try_from(size[name].as_u64()?).ok()?.try_into().ok();
                    if let (Some(rows), Some(cols)) = (side("rows"), side("cols")) {
                        screen.set_size(rows, cols);
                    }
                };
                if let Some(snapshot) = told.get("snapshot") {
                    self.cursor = snapshot["cursor"].as_u64().unwrap();
                    resize(&mut self.screen, &snapshot["size"]);
                    self.screen.process(snapshot["screen"].as_str().unwrap_or_default().as_bytes());
                } else if let Some(size) = told.get("resized") {
                    resize(&mut self.screen, size);
                } else if let Some(exit) = told.get("exited") {
                    self.exit = Some(exit.clone());
                } else if let Some(refused) = told.get("refused") {
                    self.refused.push(refused["code"].as_str().unwrap().to_owned());
                }
            }
            Some(Ok(Message::Close(_)) | Err(_)) | None => return false,
            Some(Ok(_)) => {}
        }
        true
    }

    async fn sees(&mut self, what: &str) {
        while !self.screen.screen().contents().contains(what) {
            assert!(self.hears().await, "{what:?} did not come: {:?}", self.screen.screen().contents());
        }
    }

    async fn types(&mut self, keys: &str) {
        self.socket.send(Message::binary(keys.as_bytes().to_vec())).await.unwrap();
    }

    async fn says(&mut self, message: Value) {
        self.socket.send(Message::text(message.to_string())).await.unwrap();
    }

    async fn until_closed(mut self) -> Option<Value> {
        while self.hears().await {}
        self.exit
    }

    fn picture(&self) -> String {
        self.screen.screen().contents_formatted()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_share_a_terminal_and_a_late_joiner_sees_what_they_see() {
    let data = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(data.path()).await;
    let key = gateway.owner.clone();
    let terminal = gateway.terminal("stty size; while read line; do printf '\\033[1;3%sm%s\\033[m|' $line; done").await;
    let mut one = gateway.looks(&key, &terminal, "").await;
    one.sees("12 60").await;
    let mut two = gateway.looks(&key, &terminal, "").await;
    two.sees("12 60").await;
    one.types("1 red\n").await;
    two.sees("red|").await;
    two.types("2 green\n").await;
    one.sees("green|").await;
    two.says(json!({ "resize": { "cols": 44, "rows": 9 } })).await;
    while one.screen.screen().size().1.get() != 44 {
        one.hears().await;
    }
    one.types("3 done\n").await;
    one.sees("done|").await;
    two.sees("done|").await;
    let late = gateway.looks(&key, &terminal, "").await;
    assert_eq!(one.picture(), two.picture());
    assert_eq!(late.picture(), one.picture());

    let (_, list) = gateway.asks(&key, Method::GET, terminal.rsplit_once('/').unwrap().0, None).await;
    let info = &list["items"][0];
    assert_eq!((&info["viewers"], &info["size"]["cols"], info.get("exit")), (&json!(3), &json!(44), None));
    one.says(json!({ "endInput": true })).await;
    assert_eq!(one.until_closed().await, Some(json!({ "code": 0 })));
    assert_eq!(late.until_closed().await, Some(json!({ "code": 0 })));
    let (_, ended) = gateway.asks(&key, Method::GET, &terminal, None).await;
    assert_eq!(ended["exit"], json!({ "code": 0 }));
    let again = gateway.looks(&key, &terminal, "&scrollback=1").await;
    assert_eq!(again.until_closed().await, Some(json!({ "code": 0 })));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn going_away_ends_nothing_and_coming_back_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(data.path()).await;
    let key = gateway.owner.clone();
    let terminal = gateway.terminal("stty -echo; echo begun; while read line; do echo got $line; done").await;
    let mut one = gateway.looks(&key, &terminal, "").await;
    one.sees("begun").await;
    let (cursor, mut screen) = (one.cursor, one.screen);
    drop(one.socket);
    let mut other = gateway.looks(&key, &terminal, "").await;
    other.types("meanwhile\n").await;
    other.sees("got meanwhile").await;
    let mut back = gateway.looks(&key, &terminal, &format!("&after={cursor}")).await;
    assert_eq!(back.cursor, cursor);
    std::mem::swap(&mut back.screen, &mut screen);
    back.sees("got meanwhile").await;
    back.types("again\n").await;
    back.sees("got again").await;
    other.sees("got again").await;
    assert!(back.screen.screen().contents().starts_with("begun\n"), "what was seen stays");
    drop((back, other));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_look_may_not_touch_and_strangers_see_nothing() {
    let data = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(data.path()).await;
    let terminal = gateway.terminal("echo secret; exec cat").await;
    let all = terminal.rsplit_once('/').unwrap().0.to_owned();
    let viewer = gateway.viewer().await;
    let mut looker = gateway.looks(&viewer, &terminal, "").await;
    looker.sees("secret").await;
    looker.types("rm -rf x\n").await;
    looker.says(json!({ "resize": { "cols": 5, "rows": 5 } })).await;
    looker.says(json!({ "endInput": true })).await;
    while looker.refused.len() < 3 {
        assert!(looker.hears().await);
    }
    assert_eq!(looker.refused, ["forbidden"; 3]);
    for (method, path, body) in [
        (Method::POST, all.clone(), Some(json!({}))),
        (Method::POST, format!("{terminal}/resize"), Some(json!({ "cols": 5, "rows": 5 }))),
        (Method::DELETE, terminal.clone(), None),
    ] {
        let (status, told) = gateway.asks(&viewer, method, &path, body.clone()).await;
        assert_eq!((status, &told["code"]), (StatusCode::FORBIDDEN, &json!("forbidden")), "{path}");
    }
    let (_, info) = gateway.asks(&viewer, Method::GET, &terminal, None).await;
    assert_eq!(info["size"], json!({ "cols": 60, "rows": 12 }));

    let stranger = stranger();
    for (method, path, body) in [
        (Method::GET, all.clone(), None),
        (Method::GET, terminal.clone(), None),
        (Method::GET, format!("{terminal}/socket"), None),
        (Method::POST, all, Some(json!({}))),
        (Method::POST, format!("{terminal}/resize"), Some(json!({ "cols": 5, "rows": 5 }))),
        (Method::DELETE, terminal.clone(), None),
    ] {
        let (status, told) = gateway.asks(&stranger, method, &path, body).await;
        let hidden = status == StatusCode::NOT_FOUND || told["code"] == "upgrade_required";
        assert!(hidden && !told.to_string().contains("secret"), "{path}: {status} {told}");
    }
    let address = gateway.running.url().replacen("http", "ws", 1);
    let refused =
        tokio_tungstenite::connect_async(format!("{address}/api/v1/sessions{terminal}/socket?key={stranger}"));
    let Err(tokio_tungstenite::tungstenite::Error::Http(refused)) = refused.await else { panic!("it is open") };
    assert_eq!(refused.status(), 404);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_session_takes_its_terminals_along() {
    let data = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(data.path()).await;
    let key = gateway.owner.clone();
    let terminal = gateway.terminal("trap '' HUP; echo pid $$; sleep 600 & wait").await;
    let mut looker = gateway.looks(&key, &terminal, "").await;
    looker.sees("pid ").await;
    let (_, info) = gateway.asks(&key, Method::GET, &terminal, None).await;
    let (status, told) = gateway.asks(&key, Method::DELETE, &format!("/{}", gateway.session), None).await;
    assert!(status.is_success(), "{told}");
    assert!(!Path::new(&format!("/proc/{}", info["pid"])).exists(), "it is gone by the time that the session is");
    assert!(looker.until_closed().await.is_some_and(|exit| exit.get("signal").is_some()));
    assert_eq!(gateway.asks(&key, Method::GET, &terminal, None).await.0, StatusCode::NOT_FOUND);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_stops_leaves_nothing_running() {
    let data = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(data.path()).await;
    let key = gateway.owner.clone();
    let terminal = gateway.terminal("set -m; (trap '' HUP; exec sleep 600) & echo job $!; wait").await;
    let mut looker = gateway.looks(&key, &terminal, "").await;
    looker.sees("job ").await;
    let contents = looker.screen.screen().contents();
    let job = contents.split("job ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    assert!(Path::new(&format!("/proc/{job}")).exists());
    // It reads on, so that the stop need not wait for it.
    let (_, exit) = tokio::join!(gateway.stop(), looker.until_closed());
    assert!(exit.is_some_and(|exit| exit.get("signal").is_some()));
    let stat = std::fs::read_to_string(format!("/proc/{job}/stat")).unwrap_or_default();
    assert!(stat.is_empty() || stat.contains(") Z "), "{stat}");
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_only_so_many_and_ended_ones_make_room() {
    let data = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(data.path()).await;
    let key = gateway.owner.clone();
    let ended = gateway.terminal("exit 3").await;
    while gateway.asks(&key, Method::GET, &ended, None).await.1.get("exit").is_none() {}
    let mut open = Vec::new();
    for _ in 0..rejoin_server::terminals::MOST_IN_SESSION {
        open.push(gateway.terminal("sleep 600").await);
    }
    assert_eq!(gateway.asks(&key, Method::GET, &ended, None).await.0, StatusCode::NOT_FOUND);
    let path = format!("/{}/terminals", gateway.session);
    let (status, told) = gateway.asks(&key, Method::POST, &path, Some(json!({}))).await;
    assert_eq!((status, &told["code"]), (StatusCode::CONFLICT, &json!("too_many_terminals")));
    assert_eq!(gateway.asks(&key, Method::DELETE, &open[0], None).await.0, StatusCode::NO_CONTENT);
    gateway.terminal("true").await;

    let left = format!("/{}/terminals", gateway.session);
    let archive = json!({ "id": "c1", "type": "archive" });
    let (status, told) =
        gateway.asks(&key, Method::POST, &format!("/{}/commands", gateway.session), Some(archive)).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    let (_, told) = gateway.asks(&key, Method::POST, &path, Some(json!({}))).await;
    assert_eq!(told["code"], "session_archived");
    timeout(SOON, async { while gateway.asks(&key, Method::GET, &left, None).await.1["items"] != json!([]) {} })
        .await
        .expect("an archived session has no terminals");
    gateway.stop().await;
}

#[tokio::test]
async fn in_a_strict_session_only_the_controller_types() {
    let data = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(data.path()).await;
    let key = gateway.owner.clone();
    let commands = format!("/{}/commands?client=mine", gateway.session);
    let configure = json!({ "id": "c1", "type": "configure", "config": { "strictControl": true } });
    for command in [configure, json!({ "id": "c2", "type": "claim" })] {
        let (status, told) = gateway.asks(&key, Method::POST, &commands, Some(command)).await;
        assert_eq!(status, StatusCode::OK, "{told}");
    }
    let path = format!("/{}/terminals", gateway.session);
    let cat = || Some(json!({ "command": "cat", "plain": true }));
    for (client, code) in [("", "client_required"), ("?client=theirs", "not_controller")] {
        let (_, told) = gateway.asks(&key, Method::POST, &format!("{path}{client}"), cat()).await;
        assert_eq!(told["code"], code, "{told}");
    }
    let (status, info) = gateway.asks(&key, Method::POST, &format!("{path}?client=mine"), cat()).await;
    assert_eq!(status, StatusCode::CREATED, "{info}");
    let terminal = format!("{path}/{}", info["id"].as_str().unwrap());
    for (query, code) in [("", "client_required"), ("&client=theirs", "not_controller")] {
        let mut looker = gateway.looks(&key, &terminal, query).await;
        looker.types("no\n").await;
        while looker.refused.is_empty() {
            assert!(looker.hears().await);
        }
        assert_eq!(looker.refused, [code]);
    }
    let mut looker = gateway.looks(&key, &terminal, "&client=mine").await;
    looker.types("yes\n").await;
    looker.sees("yes").await;
    assert!(!looker.screen.screen().contents().contains("no"));
    let (_, told) = gateway.asks(&key, Method::DELETE, &terminal, None).await;
    assert_eq!(told["code"], "client_required", "{told}");
    gateway.stop().await;
}
