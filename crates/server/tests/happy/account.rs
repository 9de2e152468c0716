//! Somebody with a key of their own, and what they do.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};

use crate::frames::{list, number, text};
use crate::http::{Answer, Door};
use crate::peer::Peer;

pub(crate) fn base64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

/// As random as anything here needs to be.
pub(crate) fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).expect("the machine has randomness");
    bytes
}

/// 32 random bytes, as requests carry them.
pub(crate) fn key() -> String {
    base64(random())
}

/// What clients call machines and artifacts.
pub(crate) fn uuid() -> String {
    let bytes = random()[..16].try_into().expect("sixteen of 32 bytes");
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

fn pair(seed: &[u8; 32]) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(seed).expect("32 bytes are a seed")
}

/// What a client sends to be let in: its key, and a challenge of its own that it has signed.
pub(crate) fn signed(seed: &[u8; 32], challenge: &[u8]) -> Value {
    let pair = pair(seed);
    json!({
        "publicKey": base64(pair.public_key()),
        "challenge": base64(challenge),
        "signature": base64(pair.sign(challenge)),
    })
}

#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) door: Door,
    pub(crate) seed: [u8; 32],
    pub(crate) token: String,
}

impl Account {
    pub(crate) async fn new(door: &Door) -> Account {
        Account::enters(door, random()).await
    }
    pub(crate) async fn enters(door: &Door, seed: [u8; 32]) -> Account {
        let told = door.post("/v1/auth", signed(&seed, &random())).await.ok();
        Account { door: door.clone(), seed, token: text(&told, "token").to_owned() }
    }
    /// The same token at another door.
    pub(crate) fn at(&self, door: &Door) -> Account {
        Account { door: door.clone(), ..self.clone() }
    }
    /// The same door with another token.
    pub(crate) fn with(&self, token: &str) -> Account {
        Account { token: token.to_owned(), ..self.clone() }
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.door.ask(method, path, Some(&self.token), body.as_ref()).await
    }
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, None).await
    }
    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::POST, path, Some(body)).await
    }
    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::PUT, path, Some(body)).await
    }
    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.ask(Method::DELETE, path, None).await
    }

    pub(crate) async fn user(&self) -> Peer {
        self.connects(json!({ "clientType": "user-scoped" })).await
    }
    pub(crate) async fn session(&self, id: &str) -> Peer {
        self.connects(json!({ "clientType": "session-scoped", "sessionId": id })).await
    }
    pub(crate) async fn machine(&self, id: &str) -> Peer {
        self.connects(json!({ "clientType": "machine-scoped", "machineId": id })).await
    }
    pub(crate) async fn connects(&self, mut auth: Value) -> Peer {
        auth["token"] = json!(self.token);
        Peer::connects(&self.door, auth).await.expect("it is let in")
    }

    /// The id of the account.
    pub(crate) async fn id(&self) -> String {
        text(&self.get("/v1/account/profile").await.ok(), "id").to_owned()
    }
    /// Makes a session, or finds it, and gives it back.
    pub(crate) async fn opens(&self, tag: &str) -> Value {
        let told = self.post("/v1/sessions", json!({ "tag": tag, "metadata": "bWV0YQ==" })).await.ok();
        told["session"].clone()
    }
    /// The id of a new session.
    pub(crate) async fn creates(&self) -> String {
        text(&self.opens(&uuid()).await, "id").to_owned()
    }
    /// The id of a new machine.
    pub(crate) async fn registers(&self) -> String {
        let id = uuid();
        self.post("/v1/machines", json!({ "id": id, "metadata": "bWFjaGluZQ==" })).await.ok();
        id
    }
    /// Posts contents with names of their own, and gives back what is told of them.
    pub(crate) async fn posts(&self, session: &str, messages: &[(&str, &str)]) -> Vec<Value> {
        let item = |(content, local): &(&str, &str)| json!({ "content": content, "localId": local });
        let body = json!({ "messages": messages.iter().map(item).collect::<Vec<_>>() });
        let told = self.post(&format!("/v3/sessions/{session}/messages"), body).await.ok();
        list(&told, "messages").to_vec()
    }
    /// Posts one message.
    pub(crate) async fn says(&self, session: &str, content: &str) -> Value {
        let local = uuid();
        self.posts(session, &[(content, &local)]).await.remove(0)
    }
    /// All messages of a session after this one.
    pub(crate) async fn messages_after(&self, session: &str, seq: u64) -> Vec<Value> {
        let (mut messages, mut after) = (Vec::new(), seq);
        loop {
            let path = format!("/v3/sessions/{session}/messages?after_seq={after}&limit=500");
            let page = self.get(&path).await.ok();
            messages.extend_from_slice(list(&page, "messages"));
            if page["hasMore"] != true {
                return messages;
            }
            after = number(messages.last().expect("more follows nothing"), "seq");
        }
    }
    pub(crate) async fn messages(&self, session: &str) -> Vec<Value> {
        self.messages_after(session, 0).await
    }
    /// The contents of all messages of a session.
    pub(crate) async fn contents(&self, session: &str) -> Vec<String> {
        let messages = self.messages(session).await;
        messages.iter().map(|message| text(&message["content"], "c").to_owned()).collect()
    }
    /// A session as lists show it.
    pub(crate) async fn looks_at(&self, session: &str) -> Value {
        let told = self.get("/v1/sessions").await.ok();
        let found = list(&told, "sessions").iter().find(|listed| listed["id"] == session);
        found.unwrap_or_else(|| panic!("{session} is not listed")).clone()
    }
}
