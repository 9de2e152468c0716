//! From a frame to an event: whatever is JSON with a `type` becomes one.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::Event;
use crate::names::{canonical, told};

/// What has to be known of a frame before it is known what it is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Label<'a> {
    /// With underscores, and by our spelling.
    pub(crate) name: Cow<'a, str>,
    /// The request that it answers, where the gateway says so.
    pub(crate) answers: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) seq: Option<u64>,
}

/// Nothing but `type` has to be as expected.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    r#type: &'a RawValue,
    #[serde(borrow)]
    request_id: Option<&'a RawValue>,
    #[serde(borrow)]
    client_request_id: Option<&'a RawValue>,
    #[serde(borrow)]
    session_id: Option<&'a RawValue>,
    #[serde(borrow)]
    session: Option<&'a RawValue>,
    #[serde(borrow)]
    path: Option<&'a RawValue>,
    #[serde(borrow)]
    seq: Option<&'a RawValue>,
}

impl<'a> Label<'a> {
    pub(crate) fn read(text: &'a str) -> Option<Label<'a>> {
        let wire: Wire<'a> = serde_json::from_str(text).ok()?;
        let name = match serde_json::from_str::<&'a str>(wire.r#type.get()) {
            Ok(plain) => canonical(plain),
            Err(_) => Cow::Owned(canonical(&string(wire.r#type)?).into_owned()),
        };
        // In these the field is the question's.
        let is_of_question =
            matches!(&*name, told::QUESTION_REQUESTED | told::PERMISSION_REQUESTED | told::APPROVAL_RESOLVED);
        let named = wire.client_request_id.or(wire.request_id.filter(|_| !is_of_question));
        let session = match wire.session_id {
            Some(id) => string(id),
            None => wire.session.and_then(id_of),
        };
        Some(Label {
            name,
            answers: named.and_then(string),
            session,
            path: wire.path.and_then(string),
            seq: wire.seq.and_then(whole),
        })
    }
}

fn string(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

fn id_of(session: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct WithId {
        id: String,
    }
    serde_json::from_str::<WithId>(session.get()).ok().map(|session| session.id)
}

fn whole(raw: &RawValue) -> Option<u64> {
    let text = raw.get();
    text.parse().ok().or_else(|| text.parse::<f64>().ok().filter(|n| n.fract() == 0.0 && *n >= 0.0).map(|n| n as u64))
}

impl Event {
    /// Reads a frame. `None`: it is no JSON object, or has no `type`.
    pub fn read(text: &str) -> Option<Event> {
        let label = Label::read(text)?;
        Event::named(&label.name, text)
    }

    /// Reads a frame whose name is known.
    pub(crate) fn named(name: &str, text: &str) -> Option<Event> {
        if let Some(event) = Event::typed(name, text) {
            return Some(event);
        }
        let raw: Map<String, Value> = serde_json::from_str(text).ok()?;
        let plain = Value::Object(plainer(raw.clone())).to_string();
        Some(
            Event::typed(name, &plain)
                .unwrap_or_else(|| Event::Unknown { event_type: name.to_owned(), raw: Value::Object(raw) }),
        )
    }
}

/// What is null is absent, and a whole number is one however it is written. Times may be finer than we need.
fn plainer(mut fields: Map<String, Value>) -> Map<String, Value> {
    fields.retain(|_, value| !value.is_null());
    for (key, value) in &mut fields {
        let Some(number) = value.as_f64().filter(|_| value.is_f64()) else { continue };
        if number.fract() == 0.0 || key == "ts" {
            *value = (number.round() as i64).into();
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::event::{TextDelta, ThinkingProgress};

    #[test]
    fn both_spellings_are_one_event() {
        for name in ["thinking_progress", "thinking.progress", "thinking.update"] {
            let text = format!(r#"{{"type":"{name}","sessionId":"s","turnId":"t","text":"hm","seq":3,"ts":1}}"#);
            let Some(Event::ThinkingProgress(ThinkingProgress { text, seq, .. })) = Event::read(&text) else {
                panic!("{name} is something else")
            };
            assert_eq!((text.as_str(), seq), ("hm", Some(3)));
        }
    }

    #[test]
    fn numbers_may_be_floats_and_fields_null() {
        let text = r#"{"type":"text_delta","sessionId":"s","turnId":null,"text":"a","seq":4.0,"ts":17.25}"#;
        assert_eq!(Label::read(text).unwrap().seq, Some(4));
        let Some(Event::TextDelta(TextDelta { turn_id, seq, ts, .. })) = Event::read(text) else { panic!("not read") };
        assert_eq!((turn_id.as_str(), seq, ts), ("", Some(4), Some(17)));
    }

    #[test]
    fn what_is_not_known_or_not_as_expected_is_kept_as_it_came() {
        for (text, name) in [
            (r#"{"type":"memory.extracted","items":[1]}"#, "memory_extracted"),
            (r#"{"type":"text_delta","text":{"no":"text"}}"#, "text_delta"),
            (r#"{"type":"text_delta","seq":-4}"#, "text_delta"),
        ] {
            let Some(Event::Unknown { event_type, raw }) = Event::read(text) else { panic!("{text} was understood") };
            assert_eq!((event_type.as_str(), raw), (name, serde_json::from_str(text).unwrap()));
        }
        for text in ["", "[", "[]", "3", "{}", r#"{"type":7}"#, r#"{"type":null}"#] {
            assert_eq!(Event::read(text), None, "{text}");
        }
    }

    #[test]
    fn an_id_of_a_question_is_not_taken_for_that_of_a_request() {
        let label = Label::read(r#"{"type":"question_requested","requestId":"q"}"#).unwrap();
        assert_eq!(label.answers, None);
        let label = Label::read(r#"{"type":"session_list","requestId":"r"}"#).unwrap();
        assert_eq!(label.answers.as_deref(), Some("r"));
        let label = Label::read(r#"{"type":"error","clientRequestId":"c"}"#).unwrap();
        assert_eq!(label.answers.as_deref(), Some("c"));
    }

    #[test]
    fn a_session_is_named_by_its_id_or_by_its_description() {
        let label = Label::read(r#"{"type":"session_updated","session":{"id":"s"}}"#).unwrap();
        assert_eq!(label.session.as_deref(), Some("s"));
    }
}
