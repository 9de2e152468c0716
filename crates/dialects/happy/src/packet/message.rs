//! Socket.IO: events and their acks, in namespaces.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{ARGUMENTS, DEPTH, LARGEST_ACK, NAMESPACE, Unreadable};

/// Names that mean something to the libraries themselves.
const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// One Socket.IO packet.
#[derive(Debug, Clone)]
pub struct Message<'a> {
    /// Begins with a slash, which is all that the main one is.
    pub namespace: &'a str,
    pub body: Body<'a>,
}

#[derive(Debug, Clone)]
pub enum Body<'a> {
    Connect(Option<&'a RawValue>),
    Disconnect,
    Event {
        /// The number under which an answer is wanted.
        ack: Option<u64>,
        name: Cow<'a, str>,
        args: Vec<&'a RawValue>,
    },
    Ack {
        id: u64,
        args: Vec<&'a RawValue>,
    },
    ConnectError(Option<&'a RawValue>),
}

impl<'a> Message<'a> {
    pub const MAIN: &'static str = "/";

    /// Reads what an Engine.IO message carries.
    pub fn decode(text: &'a str) -> Result<Message<'a>, Unreadable> {
        let kind = text.chars().next().ok_or(Unreadable::Empty)?;
        let (namespace, rest) = namespace(&text[kind.len_utf8()..])?;
        let (number, json) = number(rest)?;
        let body = match kind {
            '0' => Body::Connect(value(json)?),
            '1' if json.is_empty() => Body::Disconnect,
            '1' => return Err(Unreadable::Surplus),
            '2' => {
                let mut args = list(json)?;
                if args.is_empty() {
                    return Err(Unreadable::NoName);
                }
                Body::Event { ack: number, name: name(args.remove(0))?, args }
            }
            '3' => Body::Ack { id: number.ok_or(Unreadable::NoAck)?, args: list(json)? },
            '4' => Body::ConnectError(value(json)?),
            '5' | '6' => return Err(Unreadable::Binary),
            other => return Err(Unreadable::Kind(other)),
        };
        Ok(Message { namespace, body })
    }
}

impl fmt::Display for Message<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.body {
            Body::Connect(_) => '0',
            Body::Disconnect => '1',
            Body::Event { .. } => '2',
            Body::Ack { .. } => '3',
            Body::ConnectError(_) => '4',
        };
        write!(out, "{kind}{}", Prefix(self.namespace))?;
        match &self.body {
            Body::Connect(value) | Body::ConnectError(value) => {
                value.map_or(Ok(()), |value| out.write_str(value.get()))
            }
            Body::Disconnect => Ok(()),
            Body::Event { ack, name, args } => {
                if let Some(ack) = ack {
                    write!(out, "{ack}")?;
                }
                let name = serde_json::to_string(name).map_err(|_| fmt::Error)?;
                write_list(out, std::iter::once(&*name).chain(args.iter().map(|arg| arg.get())))
            }
            Body::Ack { id, args } => {
                write!(out, "{id}")?;
                write_list(out, args.iter().map(|arg| arg.get()))
            }
        }
    }
}

/// A namespace as it stands in a packet; the main one does not.
pub(super) struct Prefix<'a>(pub(super) &'a str);

impl fmt::Display for Prefix<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == Message::MAIN { Ok(()) } else { write!(out, "{},", self.0) }
    }
}

fn write_list<'a>(out: &mut fmt::Formatter<'_>, items: impl Iterator<Item = &'a str>) -> fmt::Result {
    out.write_str("[")?;
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.write_str(",")?;
        }
        out.write_str(item)?;
    }
    out.write_str("]")
}

/// The namespace, and what stands behind it.
fn namespace(text: &str) -> Result<(&str, &str), Unreadable> {
    if !text.starts_with('/') {
        return Ok((Message::MAIN, text));
    }
    let (namespace, rest) = text.split_once(',').unwrap_or((text, ""));
    if namespace.len() > NAMESPACE {
        return Err(Unreadable::Namespace(namespace.len()));
    }
    Ok((namespace, rest))
}

/// The number, if there is one, and what stands behind it.
fn number(text: &str) -> Result<(Option<u64>, &str), Unreadable> {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() {
        return Ok((None, rest));
    }
    let number = digits.parse().ok().filter(|number| *number <= LARGEST_ACK);
    Ok((Some(number.ok_or(Unreadable::Ack)?), rest))
}

fn value(json: &str) -> Result<Option<&RawValue>, Unreadable> {
    if json.is_empty() {
        return Ok(None);
    }
    shallow(json)?;
    serde_json::from_str(json).map(Some).map_err(Unreadable::Body)
}

fn list(json: &str) -> Result<Vec<&RawValue>, Unreadable> {
    if json.is_empty() {
        return Err(Unreadable::NoBody);
    }
    shallow(json)?;
    serde_json::from_str::<List<'_>>(json).map(|list| list.0).map_err(Unreadable::Body)
}

fn name(raw: &RawValue) -> Result<Cow<'_, str>, Unreadable> {
    let quoted = raw.get();
    let name = match quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        None => return Err(Unreadable::NoName),
        Some(plain) if !plain.contains('\\') => Cow::Borrowed(plain),
        Some(_) => Cow::Owned(serde_json::from_str(quoted).map_err(Unreadable::Body)?),
    };
    match RESERVED.contains(&&*name) {
        true => Err(Unreadable::Reserved(name.into_owned())),
        false => Ok(name),
    }
}

/// Refuses what nests too deep: it would pass here as text, and trouble whoever reads it later.
fn shallow(json: &str) -> Result<(), Unreadable> {
    let opens = |byte: &u8| matches!(byte, b'[' | b'{');
    // What opens seldom cannot nest deep, whatever stands in quotes: a quick look that nearly always is enough.
    if json.bytes().filter(opens).count() <= DEPTH {
        return Ok(());
    }
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH {
            return Err(Unreadable::Depth);
        }
    }
    Ok(())
}

/// A bounded list of values that nobody looked into.
struct List<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for List<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<List<'de>, D::Error> {
        from.deserialize_seq(Items)
    }
}

struct Items;

impl<'de> Visitor<'de> for Items {
    type Value = List<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<List<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element()? {
            if items.len() > ARGUMENTS {
                return Err(A::Error::custom(format_args!("more than {ARGUMENTS} arguments")));
            }
            items.push(item);
        }
        Ok(List(items))
    }
}
