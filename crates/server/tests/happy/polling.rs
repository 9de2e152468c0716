//! An engine over plain HTTP: packets are fetched and posted, several at a time.

use reqwest::Method;
use serde_json::Value;

use crate::frames::text;
use crate::gateway::PATIENCE;
use crate::http::Door;

/// Stands between packets of one body.
const BETWEEN: char = '\u{1e}';

pub(crate) struct Polling {
    door: Door,
    pub(crate) open: Value,
    waiting: Vec<String>,
}

impl Polling {
    pub(crate) async fn open(door: &Door) -> Polling {
        let (status, body) = fetch(door, "EIO=4&transport=polling").await;
        assert_eq!(status, 200, "{body}");
        let open = body.strip_prefix('0').unwrap_or_else(|| panic!("{body} does not open an engine"));
        let open = serde_json::from_str(open).unwrap_or_else(|_| panic!("{open} is no JSON"));
        Polling { door: door.clone(), open, waiting: Vec::new() }
    }

    pub(crate) fn sid(&self) -> &str {
        text(&self.open, "sid")
    }

    /// Posts packets in one body; the status and the body of the answer.
    pub(crate) async fn posts(&self, packets: &[&str]) -> (u16, String) {
        let body = packets.join(&BETWEEN.to_string());
        self.posts_raw(body).await
    }
    pub(crate) async fn posts_raw(&self, body: String) -> (u16, String) {
        let url = format!("http://{}?EIO=4&transport=polling&sid={}", self.door.engine, self.sid());
        let request = self.door.request(Method::POST, &url).header("content-type", "text/plain;charset=UTF-8");
        let answer = request.body(body).send().await.expect("an answer to a post");
        (answer.status().as_u16(), answer.text().await.expect("an answer has a body"))
    }
    /// Posts packets, which are taken.
    pub(crate) async fn says(&self, packets: &[&str]) {
        assert_eq!(self.posts(packets).await, (200, "ok".to_owned()));
    }

    /// Everything that waits, or comes next.
    pub(crate) async fn polls(&self) -> (u16, Vec<String>) {
        let (status, body) = fetch(&self.door, &format!("EIO=4&transport=polling&sid={}", self.sid())).await;
        (status, body.split(BETWEEN).map(str::to_owned).collect())
    }
    /// The next packet that is no ping.
    pub(crate) async fn hears(&mut self) -> String {
        while self.waiting.is_empty() {
            let (status, packets) = self.polls().await;
            assert_eq!(status, 200, "{packets:?}");
            for packet in packets {
                if packet == "2" {
                    self.says(&["3"]).await;
                } else {
                    self.waiting.push(packet);
                }
            }
        }
        self.waiting.remove(0)
    }
    /// The next packet of these beginnings; what comes before it is passed over.
    pub(crate) async fn hears_a(&mut self, beginning: &str) -> String {
        let found = async {
            loop {
                let packet = self.hears().await;
                if packet.starts_with(beginning) {
                    return packet;
                }
            }
        };
        tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("no packet began with {beginning}"))
    }
}

pub(crate) async fn fetch(door: &Door, query: &str) -> (u16, String) {
    let request = door.request(Method::GET, &format!("http://{}?{query}", door.engine));
    let answer = request.send().await.expect("an answer to a poll");
    (answer.status().as_u16(), answer.text().await.expect("an answer has a body"))
}
