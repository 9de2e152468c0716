//! Every verb of the real program against a real gateway, and what it answers to its caller.

mod shared;

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use shared::{Gateway, program, said};

#[test]
fn a_first_session_is_created_prompted_and_found_again() {
    let gateway = Gateway::start();
    let session = gateway.ok(&["new", "--agent", "echo", "--title", "Hello"]);
    assert_eq!(gateway.ok(&["prompt", &session, "say", "this again"]), "say this again");
    assert_eq!(gateway.ok(&["prompt", "@last", "and this"]), "and this");
    let listed = gateway.ok(&["ls"]);
    assert!(listed.starts_with(&session) && listed.ends_with("Hello"), "{listed}");
    let shown = gateway.ok(&["show", &session]);
    assert!(shown.ends_with("> say this again\nsay this again\n> and this\nand this"), "{shown}");
    let from_input = gateway.with_input(&["prompt", &session, "-"], "two\nlines\n");
    assert_eq!(from_input.out, "two\nlines\n");
    let again = gateway.ok(&["new", "--id", &session]);
    assert_eq!(again, session, "the same id is the same session");
}

#[test]
fn the_exit_code_says_what_went_wrong() {
    let gateway = Gateway::start();
    let session = gateway.ok(&["new", "--agent", "script"]);
    let code = |words: &[&str]| gateway.run(words).code;
    assert_eq!(code(&["prompt", &session, "hello"]), 0);
    assert_eq!(code(&["prompt"]), 2);
    assert_eq!(code(&["dance"]), 2);
    assert_eq!(code(&["files", "cat", &session, "../outside"]), 2);
    assert_eq!(code(&["show", "nobody"]), 3);
    assert_eq!(code(&["files", "cat", &session, "nothing.txt"]), 3);
    assert_eq!(code(&["release", &session]), 4);
    assert_eq!(code(&["ls", "--key", "rjn_wrong"]), 5);
    assert_eq!(code(&["prompt", &session, "!fail broken it broke"]), 7);
    assert_eq!(code(&["--help"]), 0);

    let mut waiting = gateway.going(&["prompt", &session, "before\n!sleep 60000"]);
    waiting.until("before\n");
    gateway.ok(&["interrupt", &session]);
    assert_eq!(waiting.end().code, 8);
}

#[test]
fn a_gateway_that_is_not_there_is_told_of_with_what_to_do() {
    let said = said(program(&["ls", "--url", "http://127.0.0.1:1"]).output().unwrap());
    assert_eq!((said.code, said.out.as_str()), (6, ""));
    assert!(said.err.contains("http://127.0.0.1:1") && said.err.contains("rejoin serve"), "{}", said.err);
}

#[test]
fn whoever_stops_reading_is_not_scolded() {
    let gateway = Gateway::start();
    let session = gateway.ok(&["new", "--agent", "script"]);
    gateway.ok(&["prompt", &session, "!flood 3000 300"]);
    let mut child = program(&["export", &session, "--url", &gateway.url, "--data"])
        .arg(gateway.data())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("{\"export\":"));
    let said = said(child.wait_with_output().unwrap());
    assert_eq!((said.code, said.err.as_str()), (0, ""));
}

#[test]
fn an_ask_is_answered_from_another_shell() {
    let gateway = Gateway::start();
    let session = gateway.ok(&["new", "--agent", "script"]);
    let mut prompt =
        gateway.going(&["prompt", &session, "first\n!ask single Colour? | Red | Blue\n!ask confirm Sure?"]);
    prompt.until("first\n");
    let mut follower = gateway.going(&["attach", &session, "--from", "start"]);
    // The prompt, which is shown too, has the words of both.
    follower.until_times("Colour?", 2);
    assert!(gateway.ok(&["answer", &session]).contains("2) Blue"));
    assert_eq!(gateway.run(&["answer", &session, "-", "Green"]).code, 2);
    gateway.ok(&["answer", &session, "-", "2"]);
    follower.until_times("Sure?", 2);
    let asks = gateway.json(&["answer", &session]);
    let id = asks[0]["id"].as_str().unwrap();
    gateway.ok(&["answer", &session, id, "yes"]);
    assert_eq!(gateway.run(&["answer", &session, id, "no"]).code, 3, "one answer wins");
    let said = prompt.end();
    assert_eq!((said.code, said.out.as_str()), (0, "first\nBlue\nyes\n"));
    assert!(said.err.contains("rejoin answer"), "{}", said.err);
}

#[test]
fn what_waits_can_be_edited_moved_and_taken_away() {
    let gateway = Gateway::start();
    let session = gateway.ok(&["new", "--agent", "script"]);
    let mut first = gateway.going(&["prompt", &session, "before\n!waitsteer"]);
    first.until("before\n");
    gateway.ok(&["queue", "add", &session, "one"]);
    gateway.ok(&["queue", "add", &session, "two"]);
    gateway.ok(&["queue", "add", &session, "three"]);
    let ids: Vec<String> =
        gateway.json(&["queue", "ls", &session]).iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect();
    gateway.ok(&["queue", "edit", &session, &ids[0], "uno"]);
    gateway.ok(&["queue", "move", &session, &ids[2], "--before", &ids[0]]);
    gateway.ok(&["queue", "rm", &session, &ids[1]]);
    let waiting = gateway.ok(&["queue", "ls", &session]);
    let texts: Vec<&str> = waiting.lines().map(|line| line.rsplit("  ").next().unwrap()).collect();
    assert_eq!(texts, ["three", "uno"]);
    gateway.ok(&["steer", &session, "go on"]);
    assert_eq!(first.end().out, "before\ngo on\n");
    // Each of them is a turn of its own, in that order.
    let followed = gateway.ok(&["attach", &session, "--from", "start", "--until-idle"]);
    let three = followed.find("> three").unwrap();
    assert!(followed.find("> uno").unwrap() > three, "{followed}");
}

#[test]
fn files_are_written_listed_found_and_kept_in_versions() {
    let gateway = Gateway::start();
    let session = gateway.ok(&["new", "--agent", "script"]);
    gateway.ok(&["prompt", &session, "!write notes.txt from the agent"]);
    let put = gateway.with_input(&["files", "put", &session, "notes.txt"], "from me\n");
    assert_eq!(put.code, 0, "{put:?}");
    assert_eq!(gateway.run(&["files", "cat", &session, "notes.txt"]).out, "from me\n");
    let old = gateway.run(&["files", "cat", &session, "notes.txt", "--version", "1"]).out;
    assert_eq!(old, "from the agent");
    assert_eq!(gateway.json(&["files", "versions", &session, "notes.txt"]).len(), 2);
    assert!(gateway.ok(&["files", "ls", &session]).contains("notes.txt"));
    assert_eq!(gateway.ok(&["files", "search", &session, "note"]), "notes.txt");
    assert_eq!(gateway.ok(&["files", "search", &session, "-c", "from me"]), "notes.txt:1: from me");
}

#[test]
fn a_session_is_forked_reverted_and_brought_to_its_end() {
    let gateway = Gateway::start();
    let session = gateway.ok(&["new", "--agent", "echo", "--label", "team=core"]);
    gateway.ok(&["prompt", &session, "one"]);
    gateway.ok(&["prompt", &session, "two"]);
    let messages = gateway.json(&["messages", &session]);
    let second = messages[1]["id"].as_str().unwrap();
    let copy = gateway.ok(&["fork", &session, "--message", second, "--title", "Copy"]);
    assert_eq!(gateway.json(&["messages", &copy]).len(), 2);
    gateway.ok(&["revert", &session, second]);
    assert_eq!(gateway.json(&["messages", &session]).len(), 2);

    gateway.ok(&["rename", &session, "Another", "title"]);
    gateway.ok(&["label", &session, "state=done", "team="]);
    let header = &gateway.json(&["show", &session])[0]["session"];
    assert_eq!(header["title"], "Another title");
    assert_eq!(header["labels"], serde_json::json!({ "state": "done" }));
    assert_eq!(gateway.ok(&["ls", "--label", "state=done"]).lines().count(), 1);

    gateway.ok(&["claim", &session]);
    assert_eq!(gateway.run(&["claim", &session, "--client", "other"]).code, 4);
    gateway.ok(&["takeover", &session, "--client", "other"]);
    gateway.ok(&["respond-takeover", &session, "deny"]);
    gateway.ok(&["run", &session, r#"{"type":"set-register","name":"note","expected":0,"value":"kept"}"#]);
    assert_eq!(gateway.run(&["run", &session, r#"{"type":"no-such-thing"}"#]).code, 2);
    gateway.ok(&["release", &session]);

    gateway.ok(&["archive", &session]);
    assert!(!gateway.ok(&["ls"]).contains(&session));
    assert!(gateway.ok(&["ls", "--archived"]).contains(&session));
    gateway.ok(&["unarchive", &session]);
    gateway.ok(&["close", &session]);
    assert_eq!(gateway.run(&["prompt", &session, "three"]).code, 4);
    gateway.ok(&["reopen", &session]);
    gateway.ok(&["end", &session, "--reason", "enough"]);
    assert!(gateway.ok(&["show", &session, "--brief"]).contains("enough"));
    gateway.ok(&["rm", &session, &copy]);
    assert_eq!(gateway.run(&["show", &session]).code, 3);
}

#[test]
fn keys_open_what_their_role_allows_until_they_are_revoked() {
    let gateway = Gateway::start();
    gateway.ok(&["new", "--agent", "echo"]);
    let minted = &gateway.json(&["key", "create", "--name", "reader", "--role", "viewer"])[0];
    let (id, key) = (minted["id"].as_str().unwrap(), minted["key"].as_str().unwrap());
    assert_eq!(gateway.run(&["ls", "--key", key]).code, 0);
    assert_eq!(gateway.run(&["new", "--key", key]).code, 4);
    assert!(!gateway.ok(&["key", "ls"]).contains(key), "its text is shown once");
    let mut reader = gateway.going(&["attach", "@last", "--key", key, "--json"]);
    reader.until("caughtUp");
    gateway.ok(&["key", "revoke", id]);
    assert_eq!(reader.end().code, 5, "it does not try for ever");
    assert_eq!(gateway.run(&["ls", "--key", key]).code, 5);

    gateway.ok(&["member", "set-role", "bob", "member"]);
    assert!(gateway.ok(&["member", "ls"]).contains("bob"));
    gateway.ok(&["member", "rm", "bob"]);
    let workspace = gateway.ok(&["workspace", "new", "--name", "here"]);
    gateway.ok(&["workspace", "rename", &workspace, "there"]);
    assert!(gateway.ok(&["workspace", "show", &workspace]).contains("there"));
    gateway.ok(&["workspace", "rm", &workspace]);
    assert!(gateway.ok(&["agent", "ls"]).contains("echo"));
}

#[test]
fn with_json_every_line_is_one_object() {
    let gateway = Gateway::start();
    let session = gateway.json(&["new", "--agent", "script"])[0]["id"].as_str().unwrap().to_owned();
    let done = &gateway.json(&["prompt", &session, "!usage 3 5\nhello"])[0];
    assert_eq!((&done["outcome"]["outcome"], &done["text"]), (&"completed".into(), &"hello".into()));
    for words in [
        vec!["ls"],
        vec!["show", &session],
        vec!["messages", &session],
        vec!["events", &session],
        vec!["feed"],
        vec!["usage", &session],
        vec!["files", "ls", &session],
        vec!["export", &session],
        vec!["attach", &session, "--from", "start", "--until-idle"],
        vec!["agent", "ls"],
        vec!["key", "ls"],
        vec!["member", "ls"],
        vec!["workspace", "ls"],
    ] {
        gateway.json(&words); // checks each line
    }
    let events = gateway.json(&["events", &session]);
    let exported = gateway.json(&["export", &session]);
    let of_log: Vec<_> = exported.iter().filter_map(|line| line.get("event")).collect();
    assert_eq!(of_log, events.iter().collect::<Vec<_>>());
    let refused = gateway.run(&["release", &session, "--json"]);
    let told = &shared::lines(&refused.err)[0]["error"];
    assert_eq!((&told["code"], &told["exit"]), (&"uncontrolled".into(), &4.into()));
}

#[test]
fn a_budget_counts_what_the_logs_say_also_when_the_gateway_is_killed_in_the_middle() {
    let mut gateway = Gateway::start();
    assert_eq!(gateway.ok(&["budget", "show"]), "no budget");
    assert_eq!(gateway.json(&["budget", "show"]), [serde_json::Value::Null; 0]);
    assert_eq!(gateway.run(&["budget", "set", "--usd", "1e3"]).code, 2);
    let other = gateway.run(&["budget", "set", "--tenant", "elsewhere", "--usd", "1"]);
    assert_eq!(other.code, 4, "{other:?}");
    let shown = gateway.ok(&["budget", "set", "--tenant", "default", "--usd", "100.5"]);
    assert!(shown.starts_with("$0.00 of $100.50 spent since "), "{shown}");
    assert_eq!(gateway.run(&["budget", "show", "--tenant", "elsewhere"]).code, 4);

    let sessions: Vec<String> = (0..3).map(|_| gateway.ok(&["new", "--agent", "script"])).collect();
    let many = "!usage 1 1 0.000001\nx\n!sleep 1\n".repeat(3_000);
    let mut going: Vec<_> = sessions.iter().map(|session| gateway.going(&["prompt", session, &many])).collect();
    going.iter_mut().for_each(|prompt| prompt.until("x\nx\nx\n"));
    gateway.kill();
    gateway.start_again();
    let reported = |session: &String| -> u64 {
        let events = gateway.json(&["events", session]);
        let reports = events.iter().filter(|event| event["type"] == "usageReported");
        reports.map(|event| event["usage"]["costMicros"].as_u64().unwrap()).sum()
    };
    let logged: u64 = sessions.iter().map(reported).sum();
    let spent = gateway.json(&["budget", "show"])[0]["spentMicros"].as_u64().unwrap();
    assert!((3..9_000).contains(&logged), "it died in the middle: {logged}");
    assert_eq!(spent, logged, "none was lost, and none was counted twice");

    gateway.ok(&["budget", "set", "--usd", "0"]);
    let refused = gateway.run(&["prompt", &sessions[0], "more"]);
    assert!(refused.code == 4 && refused.err.contains("budget"), "{refused:?}");
    gateway.ok(&["budget", "clear"]);
    assert_eq!(gateway.ok(&["prompt", &sessions[0], "more"]), "more");
}
