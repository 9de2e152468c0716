//! Requests over HTTP against a door that drops what it is sent: what may be sent again is, and nothing else.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rejoin_core::command::Command;
use rejoin_core::id::SessionId;
use rejoin_native::client::{Client, Error, NewSession};
use rejoin_ports::sign_in::NewKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What the door does with one request.
#[derive(Clone, Copy)]
enum Does {
    /// Reads it and hangs up.
    Drops,
    Answers(&'static str, &'static str),
}

struct Door {
    url: String,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl Door {
    async fn open(plan: Vec<Does>) -> Door {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let seen = bodies.clone();
        tokio::spawn(async move {
            for does in plan {
                let (mut stream, _) = listener.accept().await.unwrap();
                let body = read_request(&mut stream).await;
                seen.lock().unwrap().push(body);
                if let Does::Answers(status, body) = does {
                    let answer = format!(
                        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                        body.len()
                    );
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            }
        });
        Door { url, bodies }
    }
    fn client(&self) -> Client {
        Client::builder(&self.url).request_timeout(Duration::from_secs(20)).build().unwrap()
    }
    fn bodies(&self) -> Vec<String> {
        self.bodies.lock().unwrap().clone()
    }
}

/// Reads a whole request and gives back its body.
async fn read_request(stream: &mut tokio::net::TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count = stream.read(&mut chunk).await.unwrap();
        bytes.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&bytes).to_string();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            assert!(count > 0, "a request has an end");
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned))
            .map_or(0, |length| length.parse::<usize>().unwrap());
        if body.len() >= length {
            return body.to_owned();
        }
    }
}

fn session() -> SessionId {
    SessionId::new("s").unwrap()
}

const DONE: &str = r#"{"id":"c","position":"a.3"}"#;
const BUSY: &str =
    r#"{"type":"about:blank","title":"Too Many Requests","status":429,"code":"too_busy","detail":"too much at once"}"#;

#[tokio::test]
async fn a_command_that_got_lost_is_sent_again_to_the_letter() {
    let door =
        Door::open(vec![Does::Drops, Does::Answers("429 Too Many Requests", BUSY), Does::Answers("200 OK", DONE)])
            .await;
    let done = door.client().run(&session(), Command::Compact).await.unwrap();
    assert_eq!(done.position.to_string(), "a.3");
    let bodies = door.bodies();
    assert_eq!(bodies.len(), 3);
    assert!(bodies[0].contains(r#""type":"compact""#) && bodies[0].contains(r#""id":""#));
    assert_eq!((&bodies[0], &bodies[0]), (&bodies[1], &bodies[2]));
}

#[tokio::test]
async fn a_session_that_may_have_been_made_is_asked_for_under_the_same_id() {
    let refused = r#"{"status":422,"code":"invalid_request","detail":"no such agent","field":"agent"}"#;
    let door = Door::open(vec![Does::Drops, Does::Answers("422 Unprocessable Content", refused)]).await;
    let error = door.client().create(NewSession::with_agent("x")).await.unwrap_err();
    assert_eq!(error.code(), Some("invalid_request"));
    let bodies = door.bodies();
    assert!(bodies[0].contains(r#""id":""#), "{bodies:?}");
    assert_eq!(bodies[0], bodies[1]);
}

#[tokio::test]
async fn a_key_that_may_have_been_made_is_not_made_twice() {
    let door = Door::open(vec![Does::Drops, Does::Answers("200 OK", "{}")]).await;
    let new = NewKey { name: "laptop".to_owned(), user: None, role: None, expires_at: None };
    let error = door.client().create_key(&new).await.unwrap_err();
    assert!(matches!(error, Error::Transport { .. }), "{error:?}");
    assert_eq!(door.bodies().len(), 1);
}

#[tokio::test]
async fn a_refusal_is_final_and_says_why() {
    let refused = r#"{"status":409,"code":"busy","detail":"a turn is running"}"#;
    let door = Door::open(vec![Does::Answers("409 Conflict", refused)]).await;
    let error = door.client().prompt(&session(), "go").await.unwrap_err();
    assert_eq!(error.to_string(), "a turn is running (busy)");
    assert_eq!(door.bodies().len(), 1);
}

#[tokio::test]
async fn a_file_outside_is_not_even_asked_for() {
    let door = Door::open(vec![]).await;
    for path in ["../etc/passwd", "a/../../b", "..", "", "/"] {
        let error = door.client().read_file(&session(), path, None).await.unwrap_err();
        assert!(matches!(error, Error::Setting(_)), "{path}: {error:?}");
    }
}

#[tokio::test]
async fn a_gateway_that_is_not_there_is_told_of_with_its_address() {
    let client = Client::builder("http://127.0.0.1:1").retries(0).build().unwrap();
    let error = client.agents().await.unwrap_err();
    assert!(error.to_string().contains("http://127.0.0.1:1"), "{error}");
}

#[test]
fn an_address_that_cannot_be_one_is_refused_at_once() {
    for url in ["", "127.0.0.1:7717", "ftp://x", "http://"] {
        assert!(matches!(Client::new(url, "k"), Err(Error::Setting(_))), "{url}");
    }
    assert!(Client::new("http://127.0.0.1:7717", "two\nlines").is_err());
}

#[test]
fn a_key_is_not_shown_by_mistake() {
    let builder = Client::builder("http://127.0.0.1:7717").key("rjn_secret");
    assert!(!format!("{builder:?} {:?}", builder.clone().build()).contains("secret"));
}
