//! JSON-RPC 2.0, as the protocol uses it: one object a line.

use serde::Deserialize;
use serde_json::{Value, json};

/// The method is not known here.
pub(super) const NO_METHOD: i64 = -32601;
pub(super) const BAD_PARAMS: i64 = -32602;
pub(super) const INTERNAL: i64 = -32603;
/// Somebody has to sign in first.
pub(super) const AUTH_REQUIRED: i64 = -32000;
/// What was asked for is not there.
pub(super) const NOT_FOUND: i64 = -32002;

/// What an agent says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Message {
    Request {
        id: Value,
        method: String,
        params: Value,
    },
    Notification {
        method: String,
        params: Value,
    },
    /// An answer to the request of ours with this number.
    Response {
        id: u64,
        outcome: Result<Value, RpcError>,
    },
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub(super) struct RpcError {
    pub(super) code: i64,
    pub(super) message: String,
    pub(super) data: Value,
}

/// A line that is no message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It does not even look like one: a banner, say.
    Noise,
    /// It should be one.
    Broken(String),
}

#[derive(Deserialize)]
struct Frame {
    #[serde(default)]
    id: Option<Value>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    params: Value,
    #[serde(default)]
    result: Value,
    #[serde(default)]
    error: Option<RpcError>,
}

impl RpcError {
    pub(super) fn new(code: i64, message: impl Into<String>) -> RpcError {
        RpcError { code, message: message.into(), data: Value::Null }
    }

    /// What went wrong, in the agent's words.
    pub(super) fn words(&self) -> String {
        let detail = match &self.data {
            Value::String(text) => Some(text.clone()),
            Value::Object(members) => ["details", "detail", "message", "error"]
                .iter()
                .find_map(|name| members.get(*name)?.as_str().map(str::to_owned)),
            _ => None,
        };
        match detail.filter(|detail| !detail.is_empty() && *detail != self.message) {
            Some(detail) if self.message.is_empty() => detail,
            Some(detail) => format!("{}: {detail}", self.message),
            None if self.message.is_empty() => format!("error {}", self.code),
            None => self.message.clone(),
        }
    }
}

/// Reads one line.
pub(super) fn read(line: &[u8]) -> Result<Message, Unreadable> {
    if line.trim_ascii_start().first() != Some(&b'{') {
        return Err(Unreadable::Noise);
    }
    let frame: Frame = serde_json::from_slice(line).map_err(|error| Unreadable::Broken(error.to_string()))?;
    match (frame.method, frame.id) {
        (Some(method), Some(id)) if !id.is_null() => Ok(Message::Request { id, method, params: frame.params }),
        (Some(method), _) => Ok(Message::Notification { method, params: frame.params }),
        (None, Some(id)) => {
            // Some libraries give numbers back as text.
            let number = id.as_u64().or_else(|| id.as_str()?.parse().ok());
            let id = number.ok_or_else(|| Unreadable::Broken("an answer to nothing that was asked".to_owned()))?;
            Ok(Message::Response { id, outcome: frame.error.map_or(Ok(frame.result), Err) })
        }
        // It could not read something of ours and cannot say what: a complaint, and no reason to end.
        (None, None) if frame.error.is_some() => Err(Unreadable::Noise),
        (None, None) => Err(Unreadable::Broken("neither a method nor an id".to_owned())),
    }
}

pub(super) fn request(id: u64, method: &str, params: Value) -> String {
    line(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
}

pub(super) fn notification(method: &str, params: Value) -> String {
    line(json!({"jsonrpc": "2.0", "method": method, "params": params}))
}

pub(super) fn response(id: &Value, outcome: Result<Value, RpcError>) -> String {
    line(match outcome {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err(RpcError { code, message, data }) => {
            let mut error = json!({"code": code, "message": message});
            if !data.is_null() {
                error["data"] = data;
            }
            json!({"jsonrpc": "2.0", "id": id, "error": error})
        }
    })
}

fn line(value: Value) -> String {
    let mut text = value.to_string();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_kind_of_message_is_told_apart() {
        let heard = |text: &str| read(text.as_bytes());
        let request = Message::Request { id: json!("a"), method: "m".into(), params: json!({"x": 1}) };
        assert_eq!(heard(r#" {"id":"a","method":"m","params":{"x":1},"more":2}"#), Ok(request));
        let told = Message::Notification { method: "m".into(), params: Value::Null };
        assert_eq!(heard(r#"{"method":"m","id":null}"#), Ok(told));
        assert_eq!(heard(r#"{"id":7,"result":null}"#), Ok(Message::Response { id: 7, outcome: Ok(Value::Null) }));
        let error = RpcError::new(AUTH_REQUIRED, "no");
        let refused = Message::Response { id: 7, outcome: Err(error) };
        assert_eq!(heard(r#"{"id":"7","error":{"code":-32000,"message":"no"}}"#), Ok(refused));
        assert_eq!(heard("Welcome!"), Err(Unreadable::Noise));
        let complaint = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}"#;
        assert_eq!(heard(complaint), Err(Unreadable::Noise));
        assert!(matches!(heard(r#"{"id":7"#), Err(Unreadable::Broken(_))));
        assert!(matches!(heard(r#"{"id":{},"result":1}"#), Err(Unreadable::Broken(_))));
    }

    #[test]
    fn an_error_is_told_in_the_agents_words() {
        let error = |data: Value| RpcError { code: 1, message: "Internal error".into(), data }.words();
        assert_eq!(error(json!({"details": "no key"})), "Internal error: no key");
        assert_eq!(error(json!("no key")), "Internal error: no key");
        assert_eq!(error(Value::Null), "Internal error");
        assert_eq!(RpcError { code: 5, ..RpcError::default() }.words(), "error 5");
    }

    proptest! {
        #[test]
        fn no_line_is_too_strange_to_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = read(&bytes);
        }

        #[test]
        fn what_is_written_is_read_back(id in any::<u64>(), text in any::<String>()) {
            let line = request(id, "m", json!({"t": text}));
            prop_assert_eq!(line.matches('\n').count(), 1);
            let back = Message::Request { id: json!(id), method: "m".into(), params: json!({"t": text}) };
            prop_assert_eq!(read(line.as_bytes()), Ok(back));
        }
    }
}
