//! Packets as they are written: whole Engine.IO texts around one value each.
//!
//! A value that cannot be JSON (a map whose keys are no strings, say) is an error; one of ours never is.

use serde::Serialize;
use serde_json::{Error, json};

use super::message::Prefix;

/// Where the first words of a server name the events that it confirms.
pub const CONFIRMED: &str = "confirmed";

/// Asks to join a namespace.
pub fn connect(namespace: &str, auth: &impl Serialize) -> Result<String, Error> {
    packet("40", namespace, None, auth)
}

/// Says that a namespace was joined, as `sid`. Events that it names as confirmed are answered once they are kept, which not
/// all servers do.
pub fn connected(namespace: &str, sid: &str, confirmed: &[&str]) -> String {
    let body = match confirmed {
        [] => json!({ "sid": sid }),
        _ => json!({ "sid": sid, CONFIRMED: confirmed }),
    };
    packet("40", namespace, None, &body).expect("a text is JSON")
}

/// Says that a namespace was not joined, and why.
pub fn connect_error(namespace: &str, message: &str) -> String {
    packet("44", namespace, None, &json!({ "message": message })).expect("a text is JSON")
}

/// Leaves a namespace, or sends somebody out of it. A library that is sent out does not come back by itself.
pub fn disconnect(namespace: &str) -> String {
    format!("41{}", Prefix(namespace))
}

/// An event with one argument; with `ack` an answer is wanted.
pub fn event<T: Serialize + ?Sized>(namespace: &str, ack: Option<u64>, name: &str, arg: &T) -> Result<String, Error> {
    packet("42", namespace, ack, &(name, arg))
}

/// The answer to an event.
pub fn ack<T: Serialize + ?Sized>(namespace: &str, id: u64, value: &T) -> Result<String, Error> {
    packet("43", namespace, Some(id), &(value,))
}

fn packet(kind: &str, namespace: &str, number: Option<u64>, body: &impl Serialize) -> Result<String, Error> {
    let mut out = format!("{kind}{}", Prefix(namespace)).into_bytes();
    if let Some(number) = number {
        out.extend_from_slice(number.to_string().as_bytes());
    }
    serde_json::to_writer(&mut out, body)?;
    Ok(String::from_utf8(out).expect("JSON is text"))
}
