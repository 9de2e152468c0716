//! The grammar of scripts, line by line, and what is none of it.

use proptest::prelude::*;
use rejoin_core::usage::Usage;
use rejoin_host::script::Wrong;
use rejoin_host::script::parse::{MOST_OPTIONS, parse};
use rejoin_host::script::statement::{Inquiry, Statement};
use serde_json::json;

fn one(line: &str) -> Result<Statement<'_>, Wrong> {
    let mut lines = parse(line);
    assert_eq!(lines.len(), 1, "{line:?}");
    lines.remove(0).statement
}

fn wrong(line: &str) -> String {
    one(line).expect_err(line).to_string()
}

#[test]
fn every_line_means_what_the_page_says() {
    let input = json!({"a": "=> }"});
    let (name, usage) = ("n", Usage { input: 1, output: 2, cost_micros: Some(1_500_000), ..Usage::default() });
    let question = "ok?";
    let all = [
        ("words\n", Statement::Say("words\n")),
        (" !no command", Statement::Say(" !no command")),
        ("!stream 3", Statement::Stream { count: 3, delay_ms: None }),
        ("!stream\t3  20 \r\n", Statement::Stream { count: 3, delay_ms: Some(20) }),
        ("!flood 3 20", Statement::Flood { count: 3, bytes: 20 }),
        ("!big 0", Statement::Big { bytes: 0 }),
        ("!think  a  b ", Statement::Think("a  b ")),
        (
            r#"!tool n {"a": "=> }"} => out "#,
            Statement::Tool { name, input: input.clone(), after_ms: None, result: Ok("out ") },
        ),
        (
            r#"!tool n {"a": "=> }"}after 5 =>"#,
            Statement::Tool { name, input: input.clone(), after_ms: Some(5), result: Ok("") },
        ),
        (
            r#"!tool n {"a": "=> }"} => !error  no"#,
            Statement::Tool { name, input: input.clone(), after_ms: None, result: Err("no") },
        ),
        (r#"!argdelta n {"a": "=> }"}"#, Statement::ArgDelta { name, text: r#"{"a": "=> }"}"#, input: input.clone() }),
        (r#"!guarded n {"a": "=> }"} => out"#, Statement::Guarded { name, input: input.clone(), result: Ok("out") }),
        ("!shell echo a | b", Statement::Shell("echo a | b")),
        ("!write p/q  a\\n ", Statement::Write { path: "p/q", text: "a\\n " }),
        ("!write p\n", Statement::Write { path: "p", text: "" }),
        (
            r#"!ask permission n res {"a": "=> }"}"#,
            Statement::Ask(Inquiry::Permission { tool: name, resource: "res", input: input.clone() }),
        ),
        (
            "!ask permission n res",
            Statement::Ask(Inquiry::Permission { tool: name, resource: "res", input: json!({}) }),
        ),
        ("!ask confirm ok?", Statement::Ask(Inquiry::Confirm(question))),
        ("!ask text ok?", Statement::Ask(Inquiry::Text(question))),
        ("!ask single ok?|a| b c ", Statement::Ask(Inquiry::Single { question, options: vec!["a", "b c"] })),
        ("!ask multi ok? | a", Statement::Ask(Inquiry::Multi { question, options: vec!["a"] })),
        (r#"!ask client n {"a": "=> }"}"#, Statement::Ask(Inquiry::Client { capability: name, input })),
        ("!waitsteer", Statement::WaitSteer),
        ("!task n !stream 3", Statement::Task { name, text: "!stream 3" }),
        ("!plan a | b", Statement::Plan(vec!["a", "b"])),
        ("!image ", Statement::Image),
        ("!usage 1 2 1.5", Statement::Usage(usage)),
        ("!title T t", Statement::Title("T t")),
        ("!sleep 5", Statement::Sleep { ms: 5 }),
        ("!fail n no go", Statement::Fail { code: name, retry_ms: None, text: "no go" }),
        ("!fail n retry_ms=7 no", Statement::Fail { code: name, retry_ms: Some(7), text: "no" }),
        ("!crash", Statement::Crash),
    ];
    for (line, statement) in all {
        assert_eq!(one(line), Ok(statement), "{line:?}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (line, why) in [
        ("!", "there is no !"),
        ("!Stream 3", "there is no !Stream"),
        ("!stream", "N is missing"),
        ("!stream x", "N is not a whole number"),
        ("!stream -1", "N is not a whole number"),
        ("!stream 10000001", "N is more than 10000000"),
        ("!stream 99999999999999999999999", "N is more than 10000000"),
        ("!stream 1 2 3", "there is more than the line can mean: 3"),
        ("!sleep 86400001", "MS is more than 86400000"),
        ("!tool", "NAME is missing"),
        ("!tool n", "{json} is missing"),
        ("!tool n 5 => x", "{json} is missing"),
        ("!tool n {} x", "=> is missing"),
        ("!tool n {} after => x", "MS is not a whole number"),
        ("!think  ", "TEXT is missing"),
        ("!ask", "the kind of ask is missing"),
        ("!ask why", "there is no !ask why"),
        ("!ask single ok?", "an option is missing"),
        ("!ask multi ok? | | b", "the text between two | is missing"),
        ("!ask form", "{json} is missing"),
        ("!usage 1", "OUTPUT is missing"),
        ("!usage 1 2 1.0000001", "USD is not an amount with at most six decimals"),
        ("!usage 1 2 -1", "USD is not an amount with at most six decimals"),
        ("!fail code", "TEXT is missing"),
        ("!image now", "there is more than the line can mean: now"),
        ("!waitsteer x", "there is more than the line can mean: x"),
    ] {
        assert_eq!(wrong(line), why, "{line:?}");
    }
    assert!(wrong("!tool n {\"a\" => x").starts_with("{json} is not a JSON object: "));
    assert!(wrong(&format!("!tool n {}", "{\"a\":".repeat(100_000))).starts_with("{json} is not"));
    assert!(wrong(r#"!ask form {"questions": 3}"#).starts_with("the form: "));
    let many = " | a".repeat(MOST_OPTIONS + 1);
    assert_eq!(wrong(&format!("!ask single q{many}")), "there are more than 100 between the |");
    assert_eq!(wrong(&format!("!{}", "x".repeat(100))), format!("there is no !{}", "x".repeat(40)));
}

#[test]
fn lines_are_numbered_as_an_editor_does() {
    let numbers: Vec<_> = parse("a\n\n!crash\n").iter().map(|line| line.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert!(parse("").is_empty());
}

const PAGE: &str = include_str!("../../../docs/script.md");

#[test]
fn the_page_shows_scripts_that_can_be_read_and_knows_every_word() {
    let blocks = PAGE.split("```script\n").skip(1);
    let scripts: Vec<_> = blocks.map(|block| block.split("```").next().unwrap()).collect();
    for line in scripts.iter().flat_map(|script| parse(script)) {
        assert!(line.statement.is_ok(), "{line:?}");
    }
    let shown = scripts.concat();
    for word in [
        "stream",
        "flood",
        "big",
        "think",
        "tool",
        "argdelta",
        "guarded",
        "shell",
        "write",
        "ask permission",
        "ask confirm",
        "ask text",
        "ask single",
        "ask multi",
        "ask form",
        "ask client",
        "waitsteer",
        "task",
        "plan",
        "image",
        "usage",
        "title",
        "sleep",
        "fail",
        "crash",
    ] {
        assert!(shown.lines().any(|line| line.starts_with(&format!("!{word}"))), "{word}");
    }
}

/// Lines that are nearly right.
fn nearly() -> impl Strategy<Value = String> {
    let verbs = "!(stream|flood|big|think|tool|argdelta|guarded|shell|write|ask|waitsteer|task|plan|image|usage|title|sleep|fail|crash)?";
    let words = r#"( |\t|[a-z]{1,3}|[0-9]{1,30}|\{\}|\{"a":"\}=>"\}|=>|!error|after|\||retry_ms=|[0-9]\.[0-9]{0,8}|confirm|single|form|client|permission|\PC|\r|\n){0,12}"#;
    (verbs, words).prop_map(|(verb, words)| verb + &words)
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(script in any::<String>()) {
        prop_assert_eq!(parse(&script).len(), script.split_inclusive('\n').count());
    }

    #[test]
    fn a_nearly_right_line_is_read_without_a_panic(script in nearly()) {
        for line in parse(&script) {
            if let Err(wrong) = line.statement {
                prop_assert!(!wrong.to_string().is_empty());
            }
        }
    }

    #[test]
    fn lines_that_are_no_commands_are_kept_to_the_letter(script in "([^!\n]\\PC{0,9}\n){0,5}") {
        let said = |line| match line { Ok(Statement::Say(text)) => text, _ => "" };
        let text: String = parse(&script).into_iter().map(|line| said(line.statement)).collect();
        prop_assert_eq!(text, script);
    }
}
