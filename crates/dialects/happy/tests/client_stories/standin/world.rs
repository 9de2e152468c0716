//! What the server knows, and how it is to fail.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde_json::{Value, json};
use tokio::sync::mpsc;

pub(crate) const NOW: u64 = 1_800_000_000_000;

/// What goes wrong with one request or event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fault {
    /// It is done, and the line breaks before the answer.
    DoneThenCut,
    /// The line breaks before it is done.
    Cut,
    /// This status, and nothing is done.
    Status(u16),
    /// Another writer was faster; this is what is there then.
    Overtaken(String),
    /// It is done and told to all who care, and the line breaks before the answer.
    ToldThenCut,
    /// It is done, and never answered.
    Silence,
}

#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) id: String,
    pub(crate) seq: u64,
    pub(crate) content: String,
    pub(crate) local_id: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) tag: String,
    pub(crate) metadata: (String, u64),
    pub(crate) agent_state: (Option<String>, u64),
    pub(crate) key: Option<String>,
    pub(crate) seq: u64,
    pub(crate) messages: Vec<Stored>,
}

pub(crate) struct Line {
    pub(crate) scope: Value,
    pub(crate) namespace: &'static str,
    /// Frames to write; dropped, the socket is cut.
    pub(crate) out: mpsc::UnboundedSender<String>,
}

pub(crate) struct World {
    pub(crate) base: String,
    pub(crate) sessions: Vec<Record>,
    pub(crate) machines: BTreeMap<String, Value>,
    pub(crate) values: BTreeMap<String, Value>,
    pub(crate) settings: (Option<String>, u64),
    pub(crate) files: HashMap<String, Vec<u8>>,
    pub(crate) terminals: HashMap<String, Value>,
    pub(crate) lines: BTreeMap<u64, Line>,
    pub(crate) next: u64,
    pub(crate) methods: HashMap<String, u64>,
    /// Calls on their way: number at the callee, and who asked with which.
    pub(crate) calls: HashMap<u64, (u64, String)>,
    /// What clients sent, without what was taken: name, data.
    pub(crate) events: VecDeque<(String, Value)>,
    /// What was asked over HTTP.
    pub(crate) asked: Vec<String>,
    pub(crate) is_old: bool,
    /// Names that are not confirmed until then.
    pub(crate) deaf_to_names: usize,
    pub(crate) refuses: Option<&'static str>,
    pub(crate) is_away: bool,
    pub(crate) max_payload: usize,
    /// A post that contains this is a bad request.
    pub(crate) poison: Option<String>,
    pub(crate) posts: VecDeque<Fault>,
    pub(crate) changes: VecDeque<Fault>,
    /// The sizes of posts.
    pub(crate) batches: Vec<usize>,
    /// Whether live messages are told.
    pub(crate) is_telling: bool,
}

impl World {
    pub(crate) fn new(base: String) -> World {
        World {
            base,
            sessions: Vec::new(),
            machines: BTreeMap::new(),
            values: BTreeMap::new(),
            settings: (None, 0),
            files: HashMap::new(),
            terminals: HashMap::new(),
            lines: BTreeMap::new(),
            next: 0,
            methods: HashMap::new(),
            calls: HashMap::new(),
            events: VecDeque::new(),
            asked: Vec::new(),
            is_old: false,
            deaf_to_names: 0,
            refuses: None,
            is_away: false,
            max_payload: 1_000_000,
            poison: None,
            posts: VecDeque::new(),
            changes: VecDeque::new(),
            batches: Vec::new(),
            is_telling: true,
        }
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(crate) fn session(&mut self, id: &str) -> Option<&mut Record> {
        self.sessions.iter_mut().find(|session| session.id == id)
    }

    pub(crate) fn messages(&mut self, id: &str) -> &[Stored] {
        &self.session(id).expect("there is such a session").messages
    }

    pub(crate) fn take_event(&mut self, name: &str) -> Option<Value> {
        let at = self.events.iter().position(|(event, _)| event == name)?;
        self.events.remove(at).map(|(_, data)| data)
    }

    /// Stores a message once for its id, tells everybody but the sender, and gives back its number and whether it is new.
    pub(crate) fn store(
        &mut self,
        id: &str,
        content: &str,
        local_id: Option<&str>,
        sender: Option<u64>,
    ) -> (u64, bool) {
        let number = self.number();
        let session = self.session(id).expect("there is such a session");
        let same = |stored: &&Stored| local_id.is_some() && stored.local_id.as_deref() == local_id;
        if let Some(before) = session.messages.iter().find(same) {
            return (before.seq, false);
        }
        session.seq += 1;
        let seq = session.seq;
        let stored = Stored {
            id: format!("cmessage{number}"),
            seq,
            content: content.to_owned(),
            local_id: local_id.map(str::to_owned),
        };
        session.messages.push(stored.clone());
        if self.is_telling {
            self.tell(id, &json!({ "t": "new-message", "sid": id, "message": shown(&stored) }), sender);
        }
        (seq, true)
    }

    /// Tells an update to all who care for a session.
    pub(crate) fn tell(&mut self, session: &str, body: &Value, but: Option<u64>) {
        let seq = self.number();
        let update = json!({ "id": "abcdefghijkl", "seq": seq, "body": body, "createdAt": NOW });
        for (number, line) in &self.lines {
            let scope = line.scope["clientType"].as_str().unwrap_or_default();
            let cares = match scope {
                "session-scoped" => line.scope["sessionId"] == session,
                "machine-scoped" => false,
                _ => true,
            };
            if cares && Some(*number) != but {
                line.event("update", &update);
            }
        }
    }

    pub(crate) fn cut(&mut self) {
        self.lines.clear();
        self.methods.clear();
    }
}

impl Line {
    /// Sends an event without an ack.
    pub(crate) fn event(&self, name: &str, data: &Value) {
        let _ = self.out.send(format!("42{}{}", self.namespace, json!([name, data]))); // it may be gone
    }
}

pub(crate) fn shown(stored: &Stored) -> Value {
    json!({
        "id": stored.id, "seq": stored.seq, "content": { "t": "encrypted", "c": stored.content },
        "localId": stored.local_id, "createdAt": NOW, "updatedAt": NOW,
    })
}

impl Record {
    pub(crate) fn shown(&self) -> Value {
        json!({
            "id": self.id, "seq": self.seq, "metadata": self.metadata.0, "metadataVersion": self.metadata.1,
            "agentState": self.agent_state.0, "agentStateVersion": self.agent_state.1, "dataEncryptionKey": self.key,
            "active": true, "activeAt": NOW, "createdAt": NOW, "updatedAt": NOW, "lastMessage": null,
        })
    }
}
