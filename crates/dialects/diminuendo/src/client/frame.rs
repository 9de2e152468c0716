//! Messages as they travel.

use serde_json::{Map, Value, json};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::ClientOptions;
use super::pump::given::{Ask, Given, Reply, What};
use crate::names::{fields, said, told};

/// How ids of requests begin, so that nothing else is taken for one.
const OURS: &str = "rejoin-";

pub(super) fn id(number: u64) -> String {
    format!("{OURS}{number}")
}

pub(super) fn is_ours(id: &str) -> bool {
    id.starts_with(OURS)
}

/// Writes a message; `fields` is an object, and what is null in it is left away.
pub(super) fn write(kind: &'static str, fields: Value, id: &str, options: &ClientOptions) -> Utf8Bytes {
    let mut all = Map::new();
    all.insert("type".to_owned(), kind.into());
    if let Value::Object(fields) = fields {
        all.extend(fields.into_iter().filter(|(_, value)| !value.is_null()));
    }
    if options.request_ids {
        // A question has an id of its own under this name.
        let field = if kind == said::ANSWER_QUESTION { fields::CLIENT_REQUEST_ID } else { fields::REQUEST_ID };
        all.insert(field.to_owned(), id.into());
    }
    Value::Object(all).to_string().into()
}

pub(super) fn authenticate(id: &str, options: &ClientOptions) -> Utf8Bytes {
    write(said::AUTHENTICATE, json!({ "token": options.token }), id, options)
}

pub(super) fn ping(id: String, options: &ClientOptions, reply: Reply) -> Given {
    ours(said::PING, &[told::PONG], None, json!({ "ts": unix_ms() }), id, options, None, reply)
}

pub(super) fn join(id: String, options: &ClientOptions, session: &str, after: Option<u64>, reply: Reply) -> Given {
    let fields = json!({ "sessionId": session, "afterSeq": after });
    ours(said::JOIN_SESSION, &[told::STATE_SNAPSHOT], Some(session), fields, id, options, after, reply)
}

pub(super) fn events(id: String, options: &ClientOptions, session: &str, after: u64, limit: u64) -> Given {
    let fields = json!({ "sessionId": session, "afterSeq": after, "limit": limit });
    ours(said::GET_EVENTS, &[told::EVENTS], Some(session), fields, id, options, None, Reply::Repair)
}

#[expect(clippy::too_many_arguments, reason = "the one place where our own requests are put together")]
fn ours(
    kind: &'static str,
    expects: &'static [&'static str],
    session: Option<&str>,
    fields: Value,
    id: String,
    options: &ClientOptions,
    after: Option<u64>,
    reply: Reply,
) -> Given {
    let frame = write(kind, fields, &id, options);
    let what = What::Ask(Ask { expects, path: None, after, reply });
    Given { kind, id, frame, session: session.map(str::to_owned), what, room: None }
}

/// Only a gateway's echo of it; nothing here is decided by it.
pub(super) fn unix_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}
