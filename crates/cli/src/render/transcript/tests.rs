use rejoin_sdk::types::event::Logged;
use serde_json::{Value, json};

use super::*;

/// Feeds events to a transcript, and gives back all it shows.
fn shows(events: &[Value]) -> String {
    let mut transcript = Transcript::new(Style::new(false));
    let mut out = String::new();
    for event in events {
        out.push_str(&transcript.event(&logged(event)));
    }
    out + &transcript.finish()
}

fn logged(event: &Value) -> Logged {
    let mut line = json!({ "seq": 1, "at": 1, "author": { "user": "ada", "door": "native" } });
    line.as_object_mut().unwrap().extend(event.as_object().unwrap().clone());
    Logged::read(line.to_string().as_bytes()).unwrap()
}

fn part(id: &str, body: Value) -> Value {
    let mut part = json!({ "id": id, "message": "m", "at": 1 });
    part.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    part
}

fn text(id: &str, text: &str) -> Value {
    part(id, json!({ "kind": "text", "text": text }))
}

fn started(part: Value) -> Value {
    json!({ "type": "partStarted", "part": part })
}
fn updated(part: Value) -> Value {
    json!({ "type": "partUpdated", "part": part })
}
fn completed(part: Value) -> Value {
    json!({ "type": "partCompleted", "part": part })
}
fn delta(id: &str, text: &str) -> Value {
    json!({ "type": "partDelta", "part": id, "text": text })
}

fn prompt(words: &str) -> Value {
    let message = json!({ "id": "p", "role": "user", "status": "completed", "createdAt": 1 });
    json!({ "type": "messageAdded", "message": message, "parts": [text("pp", words)] })
}

fn ended(outcome: Value) -> Value {
    json!({ "type": "turnEnded", "turn": "t", "outcome": outcome, "text": "", "usage": { "input": 3, "output": 5 } })
}

fn tool(id: &str, state: Value) -> Value {
    let call = json!({ "kind": "tool", "call": "c", "name": "shell", "input": { "command": "ls" }, "state": state });
    part(id, call)
}

#[test]
fn a_turn_reads_like_a_conversation() {
    let shown = shows(&[
        json!({ "type": "turnStarted", "turn": "t", "prompt": "p" }),
        prompt("what is here?"),
        started(text("1", "")),
        delta("1", "Let me "),
        delta("1", "look."),
        completed(text("1", "Let me look.")),
        started(tool("2", json!({ "status": "pending" }))),
        updated(tool("2", json!({ "status": "running", "startedAt": 1 }))),
        completed(tool("2", json!({ "status": "completed", "startedAt": 1, "endedAt": 2, "output": "a.txt\nb.txt" }))),
        started(text("3", "")),
        delta("3", "Two files.\n"),
        completed(text("3", "Two files.\n")),
        ended(json!({ "outcome": "completed" })),
    ]);
    let wanted = "\
> what is here?
Let me look.
* shell {\"command\":\"ls\"}
    a.txt
    b.txt
Two files.
-- completed · 3 in, 5 out
";
    assert_eq!(shown, wanted);
}

#[test]
fn every_word_of_a_part_is_shown_once_however_it_comes() {
    let whole = "one two three four";
    for cut in 0..=whole.len() {
        let (head, tail) = whole.split_at(cut);
        // With a delta for the end, without one, and complete at once.
        let with = shows(&[started(text("1", head)), delta("1", tail), completed(text("1", whole))]);
        let without = shows(&[started(text("1", head)), completed(text("1", whole))]);
        let at_once = shows(&[completed(text("1", whole))]);
        let line = format!("{whole}\n");
        assert_eq!((&with, &without, &at_once), (&line, &line, &line));
    }
}

#[test]
fn who_joins_in_the_middle_of_a_word_hears_its_end() {
    let usage = json!({ "input": 0, "output": 0 });
    let view = json!({
        "session": {
            "id": "s", "tenant": "t", "createdBy": "ada", "kind": "hosted", "agent": "script", "title": "Work",
            "status": "running", "archived": false, "createdAt": 1, "updatedAt": 1, "lastActivityAt": null,
            "turns": 0, "usage": usage,
        },
        "config": {}, "position": "a.9", "asks": [], "control": { "status": "free" }, "more": true,
        "recent": [],
        "queue": [{ "id": "q", "text": "next", "addedAt": 1, "author": { "user": "ada", "door": "native" } }],
        "openTurn": {
            "id": "t", "startedAt": 1, "started": 2, "prompt": { "message": "p", "text": "go" },
            "parts": [text("1", "hel")], "usage": usage,
        },
    });
    let view: View = serde_json::from_value(view).unwrap();
    let mut transcript = Transcript::new(Style::new(false));
    let mut shown = transcript.view(&view);
    shown.push_str(&transcript.event(&logged(&delta("1", "lo wor"))));
    shown.push_str(&transcript.event(&logged(&completed(text("1", "hello world")))));
    let wanted = "\
-- Work · script · s
-- there are older messages: see `rejoin messages`
> go
hel
+ queued q: next
lo world";
    assert_eq!(shown, wanted);
}

#[test]
fn thoughts_are_set_off_from_answers() {
    let thought = |text: &str| part("1", json!({ "kind": "reasoning", "text": text }));
    let shown = shows(&[
        started(thought("")),
        delta("1", "hm\nwe"),
        delta("1", "ll"),
        completed(thought("hm\nwell")),
        completed(text("2", "Yes.")),
    ]);
    assert_eq!(shown, "| hm\n| well\nYes.\n");
}

#[test]
fn output_that_was_shown_as_it_came_is_not_repeated() {
    let shown = shows(&[
        updated(tool("2", json!({ "status": "running", "startedAt": 1 }))),
        json!({ "type": "toolOutput", "part": "2", "call": "c", "text": "line 1\nli" }),
        json!({ "type": "toolOutput", "part": "2", "call": "c", "text": "ne 2\n" }),
        completed(tool(
            "2",
            json!({ "status": "completed", "startedAt": 1, "endedAt": 2, "output": "line 1\nline 2\n" }),
        )),
    ]);
    assert_eq!(shown, "* shell {\"command\":\"ls\"}\n    line 1\n    line 2\n  = done\n");
}

#[test]
fn an_ask_says_how_it_is_answered_and_who_did() {
    let ask = json!({
        "id": "k", "turn": "t", "question": "git push?", "authority": "anyone", "openedAt": 1,
        "kind": "permission", "tool": "shell", "input": { "command": "git push" },
        "intents": [{ "resource": "shell", "action": "run", "targets": [{ "matcher": "exact", "text": "git push" }], "scopes": ["once", "session"] }],
    });
    let shown = shows(&[
        json!({ "type": "askOpened", "ask": ask }),
        json!({ "type": "askAnswered", "ask": "k", "answer": { "kind": "allow", "scope": "session" } }),
    ]);
    let wanted = "\
? git push? [k]
  shell {\"command\":\"git push\"}
  run shell: git push
  answer: yes | session | no
-- ada answered: allowed for the session
";
    assert_eq!(shown, wanted);
}

#[test]
fn a_prompt_typed_right_here_is_not_shown_again() {
    let mut transcript = Transcript::new(Style::new(false));
    transcript.typed("mine".to_owned());
    let began = json!({ "type": "turnStarted", "turn": "t", "prompt": "p", "reference": "mine" });
    assert_eq!(transcript.event(&logged(&began)), "");
    assert_eq!(transcript.event(&logged(&prompt("hello"))), "");
    assert_eq!(transcript.event(&logged(&prompt("hello"))), "> hello\n", "only the first is meant");
}

#[test]
fn a_plain_transcript_has_no_control_codes_whatever_was_said() {
    let evil = "\x1b]0;title\x07\x1b[2J\r\u{9b}1m";
    let shown = shows(&[
        prompt(evil),
        started(text("1", evil)),
        delta("1", evil),
        completed(tool("2", json!({ "status": "failed", "startedAt": 1, "endedAt": 2, "error": evil }))),
        json!({ "type": "steered", "turn": "t", "text": evil }),
        json!({ "type": "sessionRenamed", "title": evil }),
        ended(json!({ "outcome": "failed", "code": "x", "message": evil })),
    ]);
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
    assert!(shown.contains("title"));
}

#[test]
fn colours_are_only_where_they_are_wanted() {
    let event = logged(&ended(json!({ "outcome": "interrupted", "reason": "user" })));
    let plain = Transcript::new(Style::new(false)).event(&event);
    let bright = Transcript::new(Style::new(true)).event(&event);
    assert_eq!(plain, "-- interrupted: user · 3 in, 5 out\n");
    assert!(bright.contains("\x1b["));
}

#[test]
fn what_is_newer_than_this_version_is_named() {
    let shown = shows(&[json!({ "type": "moonRose", "phase": "full" })]);
    assert_eq!(shown, "-- moonRose (newer than this version)\n");
}
