//! Samples: logs of released versions, which are read for ever.

use std::collections::BTreeSet;
use std::path::PathBuf;

use rejoin_core::event::{BadLine, Event, KINDS, Logged};
use rejoin_core::session::Session;
use serde_json::{Value, json};

/// The sample files, oldest version first.
fn samples() -> Vec<(PathBuf, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
    let files = std::fs::read_dir(folder).expect("the samples are there").map(|file| file.expect("readable").path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|ext| ext == "jsonl")).collect();
    files.sort_by_key(|path| {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let numbers = name.trim_start_matches('v').split('.');
        numbers.map(|number| number.parse::<u32>().expect("vX.Y.Z")).collect::<Vec<_>>()
    });
    assert!(!files.is_empty());
    files.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).expect("text"))).collect()
}

/// Whether all that the old text said is in the new one; it may say more.
fn keeps(old: &Value, new: &Value) -> bool {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            old.iter().all(|(key, value)| new.get(key).is_some_and(|now| keeps(value, now)))
        }
        (Value::Array(old), Value::Array(new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| keeps(old, new))
        }
        (old, new) => old == new,
    }
}

#[test]
fn every_line_that_was_ever_written_can_be_read() {
    for (path, text) in samples() {
        for line in text.lines() {
            let logged = Logged::read(line.as_bytes()).unwrap_or_else(|error| panic!("{path:?}: {error}\n{line}"));
            assert!(!matches!(logged.event, Event::Unknown(_)), "{path:?}: {line}");
            let again = logged.to_json();
            let (old, new) = (serde_json::from_str(line).unwrap(), serde_json::from_slice(&again).unwrap());
            assert!(keeps(&old, &new), "{path:?}: {old}\nbecame {new}");
            assert_eq!(Logged::read(&again).unwrap(), logged);
            assert_eq!(Logged::peek_seq(&again), Some(logged.seq));
            assert_eq!(Logged::peek_seq(line.as_bytes()), Some(logged.seq));
        }
    }
}

#[test]
fn every_sample_is_a_log_that_folds() {
    for (path, text) in samples() {
        let log: Vec<Logged> = text.lines().map(|line| Logged::read(line.as_bytes()).unwrap()).collect();
        let session = Session::replay(&log).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        assert_eq!(session.tip.map(|tip| tip.get()), Some(log.len() as u64));
        let snapshot = serde_json::to_vec(&session).unwrap();
        assert_eq!(serde_json::from_slice::<Session>(&snapshot).unwrap(), session);
    }
}

#[test]
fn the_newest_sample_has_every_kind_there_is() {
    let (path, text) = samples().pop().unwrap();
    let kinds: BTreeSet<String> =
        text.lines().map(|line| Logged::read(line.as_bytes()).unwrap().event.kind().to_owned()).collect();
    let known: BTreeSet<String> = KINDS.iter().map(|kind| (*kind).to_owned()).collect();
    assert_eq!(kinds, known, "{path:?}");
    assert_eq!(known.len(), KINDS.len(), "no kind is listed twice");
}

#[test]
fn a_kind_is_what_the_line_says() {
    for (_, text) in samples() {
        for line in text.lines() {
            let value: Value = serde_json::from_str(line).unwrap();
            assert_eq!(value["type"], json!(Logged::read(line.as_bytes()).unwrap().event.kind()));
        }
    }
}

fn line(event: Value) -> Vec<u8> {
    let mut line = json!({"seq": 2, "at": 5, "author": {"user": "ann", "door": "native"}});
    line.as_object_mut().unwrap().extend(event.as_object().unwrap().clone());
    serde_json::to_vec(&line).unwrap()
}

#[test]
fn an_event_of_a_newer_version_is_kept_and_folds_to_nothing() {
    for event in [
        json!({"type": "danced", "with": {"deep": [1, 2.5, null, -7, u64::MAX, "é"]}, "turn": "t"}),
        json!({"type": "", "x": true}),
        json!({"type": 7}),
        json!({}),
    ] {
        let logged = Logged::read(&line(event.clone())).unwrap();
        assert_eq!(logged.event, Event::Unknown(event.clone()));
        let again: Value = serde_json::from_slice(&logged.to_json()).unwrap();
        let before: Value = serde_json::from_slice(&line(event)).unwrap();
        assert_eq!(again, before);

        let mut story = crate::story::Story::begin();
        let mut expected = story.session.clone();
        story.session.apply(&logged);
        expected.tip = Some(logged.seq);
        expected.header.updated_at = expected.header.updated_at.max(logged.at);
        assert_eq!(story.session, expected);
    }
}

#[test]
fn a_field_of_a_newer_version_is_no_trouble() {
    let logged = Logged::read(&line(json!({"type": "steered", "turn": "t", "text": "x", "louder": true}))).unwrap();
    assert_eq!(logged.event.kind(), "steered");
}

#[test]
fn a_known_event_with_a_wrong_field_is_an_error_and_not_unknown() {
    for event in [
        json!({"type": "steered", "turn": "t"}),
        json!({"type": "steered", "turn": "t", "text": 7}),
        json!({"type": "steered", "turn": "", "text": "x"}),
        json!({"type": "partDelta", "part": "p", "text": "x", "marks": "nonsense"}),
        json!({"type": "sessionEnded", "end": {}}),
        json!({"type": "controlChanged", "control": {"status": "lost"}, "reason": "claimed"}),
    ] {
        let error = Logged::read(&line(event.clone())).expect_err(&event.to_string());
        assert!(matches!(&error, BadLine::Known(kind) if event["type"] == json!(kind)), "{event}: {error:?}");
    }
}

#[test]
fn a_line_needs_its_number_its_time_and_its_author() {
    for missing in ["seq", "at", "author"] {
        let mut value: Value = serde_json::from_slice(&line(json!({"type": "sessionClosed"}))).unwrap();
        value.as_object_mut().unwrap().remove(missing);
        assert!(matches!(Logged::read(value.to_string().as_bytes()), Err(BadLine::Json(_))), "{missing}");
    }
    for seq in [json!(0), json!(-1), json!(1.5), json!("1"), json!((1_u64 << 53) + 1)] {
        let mut value: Value = serde_json::from_slice(&line(json!({"type": "sessionClosed"}))).unwrap();
        value["seq"] = seq.clone();
        assert!(Logged::read(value.to_string().as_bytes()).is_err(), "{seq}");
    }
}
