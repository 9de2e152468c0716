//! The people of a crash test: they prompt, answer and queue, and try again until they know the outcome.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::Chance;
use crate::process::Gateway;
use crate::reader::Reader;

/// What each session is for.
const KINDS: [&str; 4] = ["stream", "asks", "queue", "flood"];
/// A command without a clear answer after this long has none.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct World {
    here: watch::Sender<Option<(String, String)>>,
    http: reqwest::Client,
    pub(crate) sessions: Mutex<BTreeMap<&'static str, String>>,
    pub(crate) readers: Mutex<Vec<Reader>>,
    /// Prompts that were accepted, by session, in the order of their acceptance.
    pub(crate) accepted: Arc<Mutex<Vec<(String, String)>>>,
    /// Commands on their way.
    busy: watch::Sender<usize>,
}

impl World {
    pub(crate) fn new() -> World {
        World {
            here: watch::Sender::new(None),
            http: reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().expect("a client"),
            sessions: Mutex::default(),
            readers: Mutex::default(),
            accepted: Arc::default(),
            busy: watch::Sender::new(0),
        }
    }

    pub(crate) async fn begin(&self, gateway: &Gateway) {
        self.back(gateway);
        for kind in KINDS {
            let body = json!({ "agent": "script", "title": kind });
            let (status, session) = self.post("/api/v1/sessions", &body).await;
            assert_eq!(status, 201, "{session}");
            let id = session["id"].as_str().expect("a session has an id").to_owned();
            for _ in 0..3 {
                self.readers.lock().unwrap().push(Reader::follow(&id, self.here.subscribe()));
            }
            self.sessions.lock().unwrap().insert(kind, id);
        }
        self.answer_asks();
    }

    fn ids(&self) -> Vec<String> {
        self.sessions.lock().unwrap().values().cloned().collect()
    }

    pub(crate) fn gone(&self) {
        self.here.send_replace(None);
    }
    pub(crate) fn back(&self, gateway: &Gateway) {
        self.here.send_replace(Some((gateway.url.clone(), gateway.key.clone())));
    }

    /// The prompts of one round.
    pub(crate) async fn work(&self, round: u64, chance: &mut Chance) {
        let stream = format!("s{round}\n!stream {} {}\n", 50 + chance.below(400), chance.below(2));
        self.prompt("stream", format!("p{round}"), stream);
        self.prompt(
            "asks",
            format!("a{round}"),
            format!("before {round}\n!ask confirm round {round}?\nbehind {round}\n"),
        );
        for item in 0..3 {
            self.prompt("queue", format!("q{round}-{item}"), format!("item {round}-{item}\n!sleep 2\n"));
        }
        self.prompt("flood", format!("f{round}"), format!("f{round}\n!flood {} 300\n", 200 + chance.below(2_000)));
    }

    /// Sends a prompt, and the same again until it is known what became of it.
    fn prompt(&self, kind: &'static str, id: String, text: String) {
        let session = self.sessions.lock().unwrap()[kind].clone();
        let body = json!({ "id": id, "type": "prompt", "text": text, "ifBusy": "queue" });
        let (world, accepted) = (self.quiet(), self.accepted.clone());
        self.busy.send_modify(|busy| *busy += 1);
        let busy = self.busy.clone();
        tokio::spawn(async move {
            let (status, answer) = world.post(&format!("/api/v1/sessions/{session}/commands"), &body).await;
            match status {
                200 => accepted.lock().unwrap().push((session, text)),
                409 => assert_eq!(answer["code"], "queue_full", "{answer}"),
                _ => panic!("{status} {answer}"),
            }
            busy.send_modify(|busy| *busy -= 1);
        });
    }

    /// Two people answer every ask as soon as they see it.
    fn answer_asks(&self) {
        let session = self.sessions.lock().unwrap()["asks"].clone();
        let readers: Vec<Reader> =
            self.readers.lock().unwrap().iter().filter(|reader| reader.session == session).take(2).cloned().collect();
        for (person, reader) in readers.into_iter().enumerate() {
            let (world, session) = (self.quiet(), session.clone());
            tokio::spawn(async move {
                let (mut news, mut seen) = (reader.news.subscribe(), 0);
                loop {
                    let fresh: Vec<Value> = {
                        let notes = reader.notes.lock().unwrap();
                        let fresh = notes.events[seen..].iter().map(|(_, event)| event.clone()).collect();
                        seen = notes.events.len();
                        fresh
                    };
                    for event in fresh.iter().filter(|event| event["type"] == "askOpened") {
                        let ask = event["ask"]["id"].as_str().expect("an ask has an id");
                        let answer = json!({ "kind": "confirm", "confirmed": true });
                        let body =
                            json!({ "id": format!("{person}-{ask}"), "type": "answer", "ask": ask, "answer": answer });
                        let (status, answer) = world.post(&format!("/api/v1/sessions/{session}/commands"), &body).await;
                        assert!(status == 200 || answer["code"] == "not_waiting", "{status} {answer}");
                    }
                    if news.changed().await.is_err() {
                        return;
                    }
                }
            });
        }
    }

    /// The same world for a task of its own.
    fn quiet(&self) -> Person {
        Person { here: self.here.subscribe(), http: self.http.clone() }
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.quiet().post(path, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (url, key) = self.here.borrow().clone().expect("the gateway is there");
        let answer = self.http.get(format!("{url}{path}")).bearer_auth(key).send().await.expect("it answers");
        answer.json().await.expect("JSON")
    }

    /// Waits until every command has its answer, every session is idle, and every reader is at the tip.
    pub(crate) async fn finish(&self) {
        let settled = async {
            self.busy.subscribe().wait_for(|busy| *busy == 0).await.expect("ours");
            for id in self.ids() {
                let tip = loop {
                    let view = self.get(&format!("/api/v1/sessions/{id}")).await;
                    let queue = view["queue"].as_array().map_or(0, Vec::len);
                    if view["session"]["status"] == "idle" && queue == 0 {
                        let position = view["position"].as_str().expect("a view has a position");
                        break position.split_once('.').expect("epoch.seq").1.parse::<u64>().expect("a number");
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                };
                let readers = self.readers.lock().unwrap().clone();
                for reader in readers.iter().filter(|reader| reader.session == id) {
                    let mut news = reader.news.subscribe();
                    while reader.last() < tip {
                        news.changed().await.expect("the reader goes on");
                    }
                }
            }
        };
        if tokio::time::timeout(PATIENCE, settled).await.is_err() {
            for id in self.ids() {
                let view = self.get(&format!("/api/v1/sessions/{id}")).await;
                eprintln!("{id}: {} turn {} asks {}", view["session"]["status"], view["openTurn"], view["asks"]);
            }
            panic!("not everything came to rest");
        }
    }
}

/// Somebody who does not give up.
struct Person {
    here: watch::Receiver<Option<(String, String)>>,
    http: reqwest::Client,
}

impl Person {
    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let begun = std::time::Instant::now();
        let mut here = self.here.clone();
        loop {
            let found = here.wait_for(Option::is_some).await.expect("the world goes on").clone();
            let (url, key) = found.expect("just seen");
            let sent = self.http.post(format!("{url}{path}")).bearer_auth(key).json(body).send().await;
            if let Ok(answer) = sent {
                let status = answer.status().as_u16();
                // What says "try again" is not an outcome, and neither is an answer that breaks off.
                if let (false, Ok(answer)) = (status == 429 || status >= 500, answer.json().await) {
                    return (status, answer);
                }
            }
            assert!(begun.elapsed() < PATIENCE * 10, "no outcome for {body}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
