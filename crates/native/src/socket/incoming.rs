//! What a client says over a socket.

use rejoin_core::command::Command;
use rejoin_core::id::CommandId;
use serde_json::{Number, Value};

use crate::body;
use crate::commands;
use crate::problem::Problem;

/// A message, read.
#[derive(Debug)]
pub(crate) enum Incoming {
    Command(CommandId, Box<Command>),
    Ping(Number),
    /// It makes no sense; the id is there if there was one.
    Senseless(Option<CommandId>, Problem),
}

pub(crate) fn read(text: &str) -> Incoming {
    let value = match body::parse(text.as_bytes()) {
        Ok(value) => value,
        Err(problem) => return Incoming::Senseless(None, problem),
    };
    let mut fields = match value {
        Value::Object(fields) if fields.len() == 1 => fields,
        _ => return senseless(),
    };
    if let Some(command) = fields.remove("command") {
        let (id, command) = commands::read(command);
        return match command {
            Ok(command) => Incoming::Command(id.unwrap_or_else(commands::mint), Box::new(command)),
            Err(problem) => Incoming::Senseless(id, problem),
        };
    }
    match fields.remove("ping") {
        Some(Value::Number(number)) => Incoming::Ping(number),
        _ => senseless(),
    }
}

fn senseless() -> Incoming {
    let why = "a message is {\"command\": {...}} or {\"ping\": number}";
    Incoming::Senseless(None, Problem::malformed("", why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_told_apart_from_what_does() {
        assert!(matches!(read(r#"{"ping":7}"#), Incoming::Ping(n) if n == Number::from(7)));
        let good = read(r#"{"command":{"id":"c1","type":"release"}}"#);
        assert!(
            matches!(&good, Incoming::Command(id, command) if id.as_str() == "c1" && **command == Command::Release),
            "{good:?}"
        );
        let bad = read(r#"{"command":{"id":"c2","type":"dance"}}"#);
        assert!(
            matches!(&bad, Incoming::Senseless(Some(id), problem) if id.as_str() == "c2" && problem.code == "malformed"),
            "{bad:?}"
        );
        let deep = format!("{}1{}", "[".repeat(9_999), "]".repeat(9_999));
        for text in ["", "{", "null", "[]", "{}", r#"{"ping":"x"}"#, r#"{"a":1,"b":2}"#, &deep, "\0"] {
            let bad = read(text);
            assert!(matches!(&bad, Incoming::Senseless(None, _)), "{bad:?}");
        }
    }
}
