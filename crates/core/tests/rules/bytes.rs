//! Bytes from outside: whatever comes, reading it does not panic.

use proptest::prelude::*;
use rejoin_core::command::Command;
use rejoin_core::event::{Event, KINDS, Logged};
use rejoin_core::position::{Epoch, Heard, Position, Seq};
use rejoin_core::session::Session;
use rejoin_core::trim::{Fading, Marks, rest_for};
use serde_json::Value;

use crate::story::Story;

/// Text in the manner of what is expected, with mistakes in it.
fn nearly(pattern: &'static str) -> impl Strategy<Value = String> {
    prop_oneof![3 => pattern, 1 => any::<String>()]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,6}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A written log in which some values are replaced by others.
fn damaged() -> impl Strategy<Value = Vec<Value>> {
    let lines: Vec<Value> = include_str!("../samples/v0.1.0.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).expect("a sample"))
        .collect();
    let damage = prop::collection::vec((any::<prop::sample::Index>(), any::<u64>(), value()), 1..6);
    damage.prop_map(move |damages| {
        let mut lines = lines.clone();
        for (at, which, value) in damages {
            let line = at.index(lines.len());
            replace(&mut lines[line], which, value);
        }
        lines
    })
}

/// Replaces one of the values below `into`, chosen by `which`.
fn replace(into: &mut Value, which: u64, value: Value) {
    let (count, rest) = match into {
        Value::Object(map) if !map.is_empty() => (map.len() as u64, which / (map.len() as u64)),
        Value::Array(list) if !list.is_empty() => (list.len() as u64, which / (list.len() as u64)),
        leaf => return *leaf = value,
    };
    let chosen = match into {
        Value::Object(map) => map.values_mut().nth((which % count) as usize),
        Value::Array(list) => list.get_mut((which % count) as usize),
        _ => None,
    };
    let chosen = chosen.expect("counted");
    if rest.is_multiple_of(4) { *chosen = value } else { replace(chosen, rest, value) }
}

proptest! {
    #[test]
    fn no_bytes_make_reading_a_line_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Logged::read(&bytes);
        let _ = Logged::peek_seq(&bytes);
    }

    #[test]
    fn no_line_of_the_right_beginnings_makes_reading_panic(
        seq in nearly("[0-9]{0,20}"), kind in prop::sample::select(KINDS), rest in value(),
    ) {
        let line = format!(r#"{{"seq":{seq},"at":1,"author":{{"user":"u","door":"d"}},"type":"{kind}","turn":{rest}}}"#);
        let peeked = Logged::peek_seq(line.as_bytes());
        if let Ok(logged) = Logged::read(line.as_bytes()) {
            prop_assert_eq!(peeked, Some(logged.seq));
        }
    }

    #[test]
    fn no_text_makes_a_position_panic(text in nearly("[0-9a-fx.+-]{0,24}")) {
        if let Ok(heard) = text.parse::<Heard>() {
            prop_assert!(heard.seq < 1 << 53);
        }
        if let Ok(at) = text.parse::<Position>() {
            prop_assert_eq!(at.to_string().parse::<Position>(), Ok(at));
            prop_assert_eq!(serde_json::from_str::<Position>(&serde_json::to_string(&at).unwrap()).unwrap(), at);
        }
        let _ = text.parse::<Epoch>();
    }

    #[test]
    fn no_text_makes_marks_panic(text in nearly("([0-9]{1,20}\\.[0-9]{1,20},?){0,4}"), seq in any::<u64>()) {
        if let Ok(marks) = Marks::try_from(text) {
            marks.heard(seq);
            let again = Marks::try_from(String::from(marks.clone())).expect("what we write we read");
            prop_assert_eq!(again, marks);
        }
    }

    #[test]
    fn no_marks_make_a_reader_or_the_trimming_panic(
        texts in prop::collection::vec(("[a-zé]{0,8}", nearly("([0-9]{1,20}\\.[0-9]{1,20},?){0,4}")), 1..4),
        after in prop_oneof![0..20_u64, any::<u64>()],
    ) {
        let mut story = Story::begin();
        story.ann().prompts("go").unwrap();
        story.agent().text("first");
        let part = story.session.turn.as_ref().unwrap().parts[0].id.clone();
        let mut log = story.log.clone();
        for (text, marks) in texts {
            let last = log.last().expect("a log").clone();
            let marks = Marks::try_from(marks).unwrap_or_default();
            let event = Event::PartDelta { part: part.clone(), text, marks, of: Default::default() };
            log.push(Logged { seq: last.seq.next(), event, ..last });
        }
        let end = story.session.turn.as_ref().unwrap().parts[0].clone();
        let last = log.last().expect("a log").clone();
        log.push(Logged { seq: last.seq.next(), event: Event::PartCompleted { part: end, whole: false }, ..last });
        let mut fading = Fading::default();
        log.iter().for_each(|logged| fading.see(logged));
        for logged in log {
            if let Some(left) = fading.fade(logged) {
                let again = Logged::read(&left.to_json()).expect("what we write we read");
                rest_for(again, after);
            }
        }
    }

    #[test]
    fn no_value_makes_reading_a_command_panic(
        kind in nearly("prompt|answer|move|label|configure|set-register|fork|end"), fields in value(),
        bytes in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let mut command = match fields {
            Value::Object(map) => map,
            other => [("text", other.clone()), ("answer", other.clone()), ("config", other)]
                .map(|(name, value)| (name.to_owned(), value)).into_iter().collect(),
        };
        command.insert("type".into(), kind.into());
        let _ = serde_json::from_value::<Command>(Value::Object(command));
        let _ = serde_json::from_slice::<Command>(&bytes);
    }

    #[test]
    fn whatever_can_be_read_of_a_damaged_log_can_be_folded(lines in damaged()) {
        let read: Vec<Logged> = lines
            .iter()
            .filter_map(|line| Logged::read(line.to_string().as_bytes()).ok())
            .filter(|logged| logged.seq < Seq::new(1 << 52).unwrap())
            .collect();
        if let Ok(session) = Session::replay(&read) {
            let _ = session.wake_at();
            session.hides(Seq::FIRST);
            let snapshot = serde_json::to_vec(&session).unwrap();
            prop_assert_eq!(serde_json::from_slice::<Session>(&snapshot).unwrap(), session);
        }
    }
}
