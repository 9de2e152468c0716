//! `rejoin attach` through what happens to gateways: kills, restarts, restored backups.

mod shared;

use serde_json::Value;
use shared::{Gateway, lines};

/// The numbers and types of all events that an attached program printed.
fn events(out: &str) -> Vec<(u64, String)> {
    let of = |line: &Value| {
        let event = line.get("event")?;
        Some((event["seq"].as_u64()?, event["type"].as_str()?.to_owned()))
    };
    lines(out).iter().filter_map(of).collect()
}

#[test]
fn a_killed_gateway_costs_no_word_and_repeats_none() {
    let mut gateway = Gateway::start();
    let session = gateway.ok(&["new", "--agent", "script"]);
    let mut words = gateway.going(&["attach", &session, "--from", "start"]);
    let mut numbers = gateway.going(&["attach", &session, "--from", "start", "--json"]);
    gateway.ok(&["prompt", &session, "--no-wait", "!stream 100000 1"]);
    for (life, stop) in ["tok20 ", "tok60 "].into_iter().enumerate() {
        words.until(stop);
        numbers.until(stop);
        gateway.kill();
        gateway.start_again();
        words.until_times("-- interrupted: restart\n", life + 1);
        gateway.ok(&["prompt", &session, "--no-wait", "!stream 100000 1"]);
    }
    gateway.ok(&["interrupt", &session]);
    gateway.ok(&["prompt", &session, "the end"]);
    words.until("the end\n-- completed");
    numbers.until("the end");

    let log: Vec<(u64, String)> = gateway
        .json(&["events", &session])
        .iter()
        .map(|event| (event["seq"].as_u64().unwrap(), event["type"].as_str().unwrap().to_owned()))
        .collect();
    let end = log.iter().rposition(|(_, kind)| kind == "turnEnded").unwrap();
    while events(numbers.shown().rsplit_once('\n').unwrap().0).len() <= end {
        numbers.until(&format!("\"seq\":{},", log[end].0));
    }
    let told = events(numbers.shown().rsplit_once('\n').unwrap().0);
    assert_eq!(told[..=end], log[..=end], "every event once and in order");

    // What a person saw is what the log says: each stream from its first word to the one it was cut at.
    let whole = gateway.ok(&["attach", &session, "--from", "start", "--until-idle"]);
    assert!(whole.starts_with(words.shown().trim_end()), "{whole}\n---\n{}", words.shown());
}

#[test]
fn lines_are_prompts_and_answers() {
    let gateway = Gateway::start();
    let session = gateway.ok(&["new", "--agent", "script"]);
    let mut person = gateway.going(&["attach", &session, "--input"]);
    person.types("hello");
    person.until("hello\n-- completed");
    person.types("!ask permission shell push");
    person.until("answer: yes");
    person.types("perhaps");
    person.types("no, not today");
    person.until("denied");
    person.types("!sleep 60000");
    person.until("> !sleep 60000");
    person.types("/steer faster");
    person.until("> (steer) faster");
    person.types("/prompt then this");
    person.until("+ queued");
    person.types("/interrupt too slow");
    person.until("then this\n-- completed");
    person.types("/dance");
    person.types("/detach");
    let said = person.end();
    assert_eq!(said.code, 0);
    assert!(said.err.contains("that is no answer") && said.err.contains("/dance"), "{}", said.err);
    assert!(!said.out.contains('\x1b'), "plain where it is no terminal");
}

#[test]
fn lines_from_a_pipe_are_all_done_before_it_leaves() {
    let gateway = Gateway::start();
    let session = gateway.ok(&["new", "--agent", "echo"]);
    let said = gateway.with_input(&["attach", &session, "--input", "--until-idle"], "one\ntwo\nthree\n");
    assert_eq!(said.code, 0);
    let ended = said.out.matches("-- completed").count();
    assert_eq!(ended, 3, "{}", said.out);
}

#[test]
fn what_is_given_while_the_gateway_is_away_is_done_when_it_is_back() {
    let mut gateway = Gateway::start();
    let session = gateway.ok(&["new", "--agent", "echo"]);
    let mut person = gateway.going(&["attach", &session, "--input"]);
    person.types("here");
    person.until("here\n-- completed");
    gateway.kill();
    for word in ["first", "second", "third"] {
        person.types(word);
    }
    gateway.start_again();
    person.until("third\n-- completed");
    let prompts: Vec<String> = gateway
        .json(&["messages", &session])
        .iter()
        .filter(|message| message["role"] == "user")
        .map(|message| message["parts"][0]["text"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(prompts, ["here", "first", "second", "third"], "in order, and each once");
}

#[test]
fn a_restored_backup_is_told_of_and_begins_anew() {
    let mut gateway = Gateway::start();
    let session = gateway.ok(&["new", "--agent", "echo"]);
    gateway.ok(&["prompt", &session, "kept"]);
    let folder = gateway.file("backup");
    let folder = folder.to_str().unwrap();
    gateway.ok(&["backup", folder]);
    gateway.ok(&["prompt", &session, "lost"]);
    let mut reader = gateway.going(&["attach", &session, "--from", "start"]);
    reader.until("lost\n-- completed");
    assert_eq!(gateway.run(&["restore", folder]).code, 1, "not under a gateway that runs");
    gateway.kill();
    gateway.ok(&["restore", folder]);
    gateway.start_again();
    gateway.ok(&["prompt", &session, "after"]);
    reader.until("> after"); // in the snapshot, or behind it
    gateway.ok(&["prompt", &session, "more"]);
    reader.until("more\n-- completed");
    let shown = reader.shown();
    let again = shown.split_once("lost\n-- completed").unwrap().1;
    assert!(again.contains("> kept") && !again.contains("lost"), "{again}");
    gateway.ok(&["rm", &session]);
    let said = reader.end();
    assert_eq!(said.code, 0);
    assert!(said.err.contains("gone") && said.err.contains("deleted"), "{}", said.err);
}
