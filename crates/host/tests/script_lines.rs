//! What each line of a script does, but for those that ask and those that touch the workspace.

mod common;

use common::{Rig, SOON, text};
use rejoin_core::happening::Happening;
use rejoin_core::header::AgentStatus;
use rejoin_core::id::{CallId, SessionId};
use rejoin_core::part::PlanStatus;
use rejoin_core::turn::Outcome;
use rejoin_core::usage::Usage;
use rejoin_ports::agent::Order;
use serde_json::{Value, json};
use tokio::time::Instant;

fn said(text: &str) -> Happening {
    Happening::Text(text.to_owned())
}

async fn run(script: &str) -> Vec<Happening> {
    Rig::open("script").await.run(script).await
}

fn script_error(happenings: &[Happening]) -> &str {
    match happenings.last() {
        Some(Happening::Failed { code, message, .. }) if code == "script_error" => message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_line_without_a_bang_is_one_delta_with_its_newline() {
    let happenings = run("first\n\nsays hello!\nlast").await;
    assert_eq!(happenings, [said("first\n"), said("\n"), said("says hello!\n"), said("last"), Happening::Done]);
    assert_eq!(run("windows\r\n").await, [said("windows\r\n"), Happening::Done]);
}

#[tokio::test]
async fn an_unknown_word_fails_the_turn_where_it_stands() {
    let happenings = run("fine\n!dance all night\nnever").await;
    assert_eq!(happenings[0], said("fine\n"));
    assert_eq!(happenings.len(), 2);
    assert_eq!(script_error(&happenings), "line 2: there is no !dance");
}

#[tokio::test]
async fn stream_counts_its_tokens() {
    let happenings = run("!stream 3").await;
    assert_eq!(happenings, [said("tok0 "), said("tok1 "), said("tok2 "), Happening::Done]);
}

#[tokio::test(start_paused = true)]
async fn stream_keeps_its_pace() {
    let began = Instant::now();
    let happenings = run("!stream 100 10").await;
    assert_eq!(happenings.len(), 101);
    assert_eq!(began.elapsed().as_millis(), 990);
}

#[tokio::test]
async fn flood_gives_finished_results_of_that_size() {
    let happenings = run("!flood 3 300\n!flood 1 0").await;
    let mut calls = Vec::new();
    for happening in &happenings[..4] {
        let Happening::ToolDone { call, name, output: Value::String(output), .. } = happening else {
            panic!("{happening:?}");
        };
        assert_eq!(name, "flood");
        assert_eq!(output.len(), if calls.len() < 3 { 300 } else { 0 });
        assert!(!calls.contains(call));
        calls.push(call.clone());
    }
    assert_eq!(happenings.len(), 5);
}

#[tokio::test]
async fn big_is_one_delta_and_has_an_end() {
    let happenings = run("!big 16777216").await;
    assert!(matches!(&happenings[0], Happening::Text(text) if text.len() == 16 << 20));
    assert_eq!(script_error(&run("!big 16777217").await), "line 1: BYTES is more than 16777216");
}

#[tokio::test]
async fn think_is_reasoning() {
    assert_eq!(run("!think so so \n").await[0], Happening::Thinking("so so ".into()));
}

#[tokio::test(start_paused = true)]
async fn a_tool_is_called_starts_and_ends() {
    let began = Instant::now();
    let happenings = run(r#"!tool grep {"pattern": "=> {", "n": [1, 2]} after 250 => two => hits"#).await;
    let call = CallId::new("turn1-call1").unwrap();
    let input = json!({"pattern": "=> {", "n": [1, 2]});
    assert_eq!(
        happenings,
        [
            Happening::ToolCalled { call: call.clone(), name: "grep".into(), input },
            Happening::ToolStarted { call: call.clone(), input: None },
            Happening::ToolEnded { call, result: Ok(json!("two => hits")) },
            Happening::Done
        ]
    );
    assert_eq!(began.elapsed().as_millis(), 250);
}

#[tokio::test]
async fn a_tool_can_fail_and_the_script_goes_on() {
    let happenings = run("!tool rm {}=>!error not here\n!tool rm {} => !errors\non").await;
    let results = happenings.iter().filter_map(|happening| match happening {
        Happening::ToolEnded { result, .. } => Some(result.clone()),
        _ => None,
    });
    let results: Vec<_> = results.collect();
    assert_eq!(results, [Err("not here".to_owned()), Ok(json!("!errors"))]);
    assert_eq!(text(&happenings), "on");
}

#[tokio::test]
async fn arguments_stream_in_as_they_were_written() {
    let written = r#"{"path": "größe.txt", "lines": 3}"#;
    let happenings = run(&format!("!argdelta read {written}")).await;
    let pieces: Vec<_> = happenings
        .iter()
        .filter_map(|happening| match happening {
            Happening::ToolArguments { delta, .. } => Some(delta.as_str()),
            _ => None,
        })
        .collect();
    assert!(pieces.len() > 1);
    assert_eq!(pieces.concat(), written);
    let rest = &happenings[pieces.len()..];
    let called = |input: &Value| *input == json!({"path": "größe.txt", "lines": 3});
    assert!(matches!(&rest[0], Happening::ToolCalled { input, .. } if called(input)));
    assert!(matches!(&rest[1], Happening::ToolStarted { .. }));
    assert!(matches!(&rest[2], Happening::ToolEnded { result: Ok(_), .. }));
}

#[tokio::test]
async fn a_steer_is_streamed_when_it_is_waited_for() {
    let mut rig = Rig::open("script").await;
    let turn = rig.prompt("!waitsteer\nand\n!waitsteer").await;
    rig.steer(&turn, "go left").await;
    assert_eq!(rig.next_of(&turn).await, said("go "));
    assert_eq!(rig.next_of(&turn).await, said("left\n"));
    assert_eq!(rig.next_of(&turn).await, said("and\n"));
    rig.steer(&turn, "right").await;
    assert_eq!(rig.rest().await, [said("right\n"), Happening::Done]);
}

#[tokio::test(start_paused = true)]
async fn a_steer_that_comes_early_waits() {
    let mut rig = Rig::open("script").await;
    let turn = rig.prompt("!sleep 1000\n!waitsteer\n!waitsteer").await;
    rig.steer(&turn, "one").await;
    rig.steer(&turn, "two").await;
    assert_eq!(rig.rest().await, [said("one\n"), said("two\n"), Happening::Done]);
}

#[tokio::test]
async fn a_task_prints_what_its_session_said() {
    let mut rig = Rig::open("script").await;
    for (outcome, result, printed) in [
        (Outcome::Completed, Ok(json!("found it")), "found it\n"),
        (Outcome::Interrupted { reason: "user".into() }, Err("interrupted: user".to_owned()), "interrupted: user\n"),
    ] {
        let turn = rig.prompt("!task scout !stream 3 \\n").await;
        let call = loop {
            match rig.next_of(&turn).await {
                Happening::Task { name, text, call } => {
                    assert_eq!((name.as_str(), text.as_str()), ("scout", "!stream 3 \\n"));
                    break call;
                }
                Happening::ToolCalled { name, .. } => assert_eq!(name, "task"),
                Happening::ToolStarted { .. } => {}
                other => panic!("{other:?}"),
            }
        };
        rig.order(Order::ChildEnded {
            turn: turn.clone(),
            session: SessionId::new("child").unwrap(),
            call: call.clone(),
            outcome,
            text: "found it".into(),
        })
        .await;
        let ended = Happening::ToolEnded { call: call.unwrap(), result };
        assert_eq!(rig.rest().await, [ended, said(printed), Happening::Done]);
    }
}

#[tokio::test]
async fn a_plan_has_its_items() {
    let happenings = run("!plan look | think|  act ").await;
    let Happening::Plan(items) = &happenings[0] else { panic!("{happenings:?}") };
    let texts: Vec<_> = items.iter().map(|item| item.text.as_str()).collect();
    assert_eq!(texts, ["look", "think", "act"]);
    assert!(items.iter().all(|item| item.status == PlanStatus::Pending));
}

#[tokio::test]
async fn an_image_is_a_png() {
    let happenings = run("!image").await;
    let Happening::Image { mime, url } = &happenings[0] else { panic!("{happenings:?}") };
    assert_eq!(mime, "image/png");
    assert!(url.starts_with("data:image/png;base64,iVBORw0KGgo"), "{url}");
}

#[tokio::test]
async fn usage_is_reported_with_its_exact_price_or_without() {
    let happenings = run("!usage 1200 34 0.000123\n!usage 1 2\n!usage 0 0 3").await;
    let usage = |input, output, cost_micros| Happening::Usage(Usage { input, output, cost_micros, ..Usage::default() });
    assert_eq!(
        happenings,
        [usage(1200, 34, Some(123)), usage(1, 2, None), usage(0, 0, Some(3_000_000)), Happening::Done]
    );
}

#[tokio::test]
async fn a_title_is_told() {
    assert_eq!(run("!title Fix the login").await[0], Happening::Title("Fix the login".into()));
}

#[tokio::test(start_paused = true)]
async fn sleep_sleeps() {
    let began = Instant::now();
    assert_eq!(run("!sleep 1500\nawake").await, [said("awake"), Happening::Done]);
    assert_eq!(began.elapsed().as_millis(), 1500);
}

#[tokio::test]
async fn fail_ends_the_turn_as_it_says() {
    let failed = |code: &str, message: &str, retry_ms| Happening::Failed {
        code: code.into(),
        message: message.into(),
        retry_ms,
    };
    assert_eq!(
        run("!fail overloaded retry_ms=500 too many\nnever").await,
        [failed("overloaded", "too many", Some(500))]
    );
    assert_eq!(run("!fail rate_limited slow down").await, [failed("rate_limited", "slow down", None)]);
}

#[tokio::test]
async fn a_crash_takes_the_agent_and_a_fresh_one_works() {
    let mut rig = Rig::open("script").await;
    rig.prompt("bye\n!crash\nnever").await;
    assert_eq!(rig.next().await.happening, said("bye\n"));
    let died = rig.next().await;
    assert_eq!(died.turn, None);
    assert!(matches!(died.happening, Happening::Life { status: AgentStatus::Failed, detail: Some(_) }));
    assert_eq!(rig.hear().await, None);
    let closed = tokio::time::timeout(SOON, rig.agent.orders.closed());
    closed.await.expect("it takes no more orders");

    let mut rig = rig.reopen("script").await;
    assert_eq!(rig.run("again").await, [said("again"), Happening::Done]);
}
