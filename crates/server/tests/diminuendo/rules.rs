//! What holds for every stream of frames, whatever a story is about: each peer holds what it hears against this.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

/// The states that a session may go to.
fn next(status: &str) -> &'static [&'static str] {
    match status {
        "inactive" => &["activating"],
        "activating" => &["ready", "error", "inactive"],
        "ready" => &["running", "deactivating", "inactive", "error"],
        "running" => &["ready", "waiting", "error", "deactivating"],
        "waiting" => &["running", "error", "deactivating", "ready"],
        "deactivating" => &["inactive", "error"],
        "error" => &["activating", "inactive", "deactivating"],
        _ => &[],
    }
}

#[derive(Default)]
pub(crate) struct Rules {
    sessions: HashMap<String, Stream>,
}

/// One session as it was followed since it was joined.
#[derive(Default)]
struct Stream {
    seq: u64,
    ts: u64,
    /// As it was told last, by the snapshot or by an event.
    status: String,
    /// As an event told it last.
    told: Option<String>,
    open: HashSet<String>,
    ended: HashSet<String>,
}

impl Rules {
    pub(crate) fn status(&self, session: &str) -> &str {
        self.sessions.get(session).map_or("", |stream| &stream.status)
    }

    /// Says what is wrong with a frame, given those before it.
    pub(crate) fn hear(&mut self, frame: &Value) -> Result<(), String> {
        let Some(kind) = frame["type"].as_str() else { return Err("it has no type".to_owned()) };
        match kind {
            "error" => return error(frame),
            "state_snapshot" => {
                let session = frame["sessionId"].as_str().ok_or("a snapshot without a sessionId")?;
                let status = frame["session"]["status"].as_str().ok_or("a snapshot without a status")?;
                let stream = Stream { status: status.to_owned(), ..Stream::default() };
                self.sessions.insert(session.to_owned(), stream);
                return Ok(());
            }
            _ => {}
        }
        if frame.get("turnId").is_some_and(|turn| !turn.is_null()) {
            for field in ["sessionId", "seq", "ts"] {
                if frame.get(field).is_none() {
                    return Err(format!("an event of a turn without {field}"));
                }
            }
        }
        if frame.get("seq").is_none() {
            return Ok(());
        }
        let session = frame["sessionId"].as_str().ok_or("a numbered event without a sessionId")?;
        let stream = self.sessions.get_mut(session).ok_or("an event of a session that was not joined")?;
        stream.hear(kind, frame)
    }
}

impl Stream {
    fn hear(&mut self, kind: &str, frame: &Value) -> Result<(), String> {
        let seq = frame["seq"].as_u64().ok_or("seq is no whole number")?;
        let ts = frame["ts"].as_u64().ok_or("ts is no whole number")?;
        if seq <= self.seq {
            return Err(format!("seq {seq} follows {}", self.seq));
        }
        if ts < self.ts {
            return Err(format!("ts {ts} follows {}", self.ts));
        }
        (self.seq, self.ts) = (seq, ts);
        if kind == "session_state" {
            let status = frame["status"].as_str().ok_or("a state without a status")?;
            let before = frame["previousStatus"].as_str().ok_or("a state without a previousStatus")?;
            if self.told.as_deref().is_some_and(|told| told != before) {
                return Err(format!("previousStatus {before}, but it was {:?}", self.told));
            }
            if !next(before).contains(&status) {
                return Err(format!("{before} does not go to {status}"));
            }
            self.told = Some(status.to_owned());
            self.status = status.to_owned();
        }
        let Some(turn) = frame["turnId"].as_str() else { return Ok(()) };
        if self.ended.contains(turn) {
            return Err("an event of a turn that has ended".to_owned());
        }
        match kind {
            "turn_started" if !self.open.insert(turn.to_owned()) => Err("its turn had begun already".to_owned()),
            "turn_complete" | "turn_error" => {
                self.ended.insert(turn.to_owned());
                Ok(())
            }
            _ => {
                self.open.insert(turn.to_owned());
                Ok(())
            }
        }
    }
}

fn error(frame: &Value) -> Result<(), String> {
    let keys = frame.as_object().ok_or("an error that is no object")?.keys();
    let known = ["type", "code", "message", "retryAfterMs", "requestId"];
    if let Some(key) = keys.into_iter().find(|key| !known.contains(&key.as_str())) {
        return Err(format!("an error with {key}"));
    }
    let code = frame["code"].as_str().ok_or("an error without a code")?;
    let message = frame["message"].as_str().ok_or("an error without a message")?;
    if code.is_empty() || message.is_empty() || message.chars().count() > 500 {
        return Err("an error whose code or message is empty, or too long".to_owned());
    }
    Ok(())
}
