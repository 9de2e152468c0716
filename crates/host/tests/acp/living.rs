//! Agents that crash, hang, or talk nonsense; and how a turn is steered and interrupted.

use std::time::Duration;

use rejoin_core::happening::Happening;
use rejoin_core::header::AgentStatus;

use crate::rig::{Rig, SOON, failed, is_alive, said, setup};

async fn is_gone(pid: &str) {
    let until = tokio::time::Instant::now() + SOON;
    while is_alive(pid) {
        assert!(tokio::time::Instant::now() < until, "{pid} still runs");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_crash_ends_the_turn_with_the_last_words_and_the_next_prompt_has_a_fresh_agent() {
    let mut rig = Rig::open().await;
    let before = rig.says("pid").await;
    let all = rig.run("say half\ncomplain out of cheese\nsleep 50\ncrash 7").await;
    assert_eq!(said(&all), "half");
    let (code, message) = failed(&all);
    assert_eq!(code, "agent_crashed");
    assert!(message.contains("exit code 7") && message.contains("out of cheese"), "{message}");
    let told = rig.says("pid").await;
    assert!(told.contains("remembers nothing"), "{told}");
    assert!(!told.ends_with(&before));
}

#[tokio::test]
async fn a_kill_from_outside_is_a_crash() {
    let mut rig = Rig::open().await;
    let turn = rig.prompt("pid\nsay .\nhang").await;
    let mut pid = String::new();
    while !pid.ends_with('.') {
        if let Happening::Text(text) = rig.next_of(&turn).await {
            pid.push_str(&text);
        }
    }
    let pid = rustix_pid(pid.trim_end_matches('.'));
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let (code, message) = failed(&rig.rest(&turn).await);
    assert_eq!((code.as_str(), message.as_str()), ("agent_crashed", "the agent was killed"));
}

fn rustix_pid(text: &str) -> rustix::process::Pid {
    rustix::process::Pid::from_raw(text.parse().unwrap()).unwrap()
}

#[tokio::test]
async fn an_agent_that_dies_between_turns_is_replaced_without_a_word() {
    let mut rig = setup(&["--load"]).open().await;
    let pid = rig.says("pid").await;
    rustix::process::kill_process(rustix_pid(&pid), rustix::process::Signal::KILL).unwrap();
    is_gone(&pid).await;
    assert_eq!(rig.says("say well").await, "well");
}

#[tokio::test]
async fn an_agent_that_never_lives_to_hear_a_prompt_fails_the_turn() {
    let mut rig = setup(&["--fleeting"]).begin().await;
    for _ in 0..2 {
        let (code, message) = rig.fails("say never").await;
        assert_eq!(code, "agent_crashed");
        assert!(message.contains("exit code 5"), "{message}");
    }
}

#[tokio::test]
async fn nothing_outlives_an_agent_that_is_closed_while_it_starts() {
    let mut setup = setup(&[]);
    setup.recipe.command = "/bin/sh".into();
    setup.recipe.args = vec!["-c".into(), "setsid sleep 600 & echo $! > pid.new; mv pid.new pid; wait".into()];
    let mut rig = setup.begin().await;
    let file = rig.folder.path().join("pid");
    let until = tokio::time::Instant::now() + SOON;
    while !file.exists() {
        assert!(tokio::time::Instant::now() < until, "it does not start");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    rig.close().await;
    is_gone(std::fs::read_to_string(file).unwrap().trim()).await;
}

#[tokio::test]
async fn an_error_about_nothing_in_particular_is_borne() {
    let mut rig = Rig::open().await;
    let line = r#"noise {"jsonrpc": "2.0", "id": null, "error": {"code": -32700, "message": "Parse error"}}"#;
    assert_eq!(rig.says(&format!("{line}\nsay hello")).await, "hello");
}

#[tokio::test]
async fn nonsense_ends_the_turn_and_not_the_session() {
    let mut setup = setup(&[]);
    setup.recipe.limits.line = 1 << 20;
    let mut rig = setup.open().await;
    for (line, why) in [("broken", "protocol"), ("huge 2000000", "a line of more than 1048576 bytes")] {
        let (code, message) = rig.fails(&format!("{line}\nhang")).await;
        assert_eq!(code, "agent_protocol", "{line}");
        assert!(message.contains(why), "{message}");
        rig.says("say fine").await;
    }
    let noise = "x".repeat(1000);
    let lines = vec![format!("noise {noise}"); 100].join("\n");
    assert_eq!(rig.fails(&format!("{lines}\nhang")).await.0, "agent_protocol");
}

#[tokio::test]
async fn a_little_noise_is_borne() {
    let mut rig = setup(&["--banner"]).open().await;
    assert_eq!(rig.says("noise Update available!\nsay hello").await, "hello");
}

#[tokio::test]
async fn an_agent_that_falls_silent_is_given_up() {
    let mut setup = setup(&[]);
    setup.recipe.limits.silence = Duration::from_millis(300);
    let mut rig = setup.open().await;
    let (code, message) = rig.fails("say hm\nhang").await;
    assert_eq!(code, "agent_timeout");
    assert!(message.contains("said nothing for 300 ms"), "{message}");
}

#[tokio::test]
async fn an_interrupt_stops_the_agent_and_keeps_it() {
    let mut rig = Rig::open().await;
    let turn = rig.prompt("pid\nsay .\nwaitcancel").await;
    rig.until_said(&turn, ".").await;
    rig.interrupt(&turn).await;
    let told = rig.says("say next").await;
    assert_eq!(told, "next");
}

#[tokio::test]
async fn an_agent_that_does_not_stop_when_asked_is_ended_and_the_next_prompt_has_another() {
    let mut setup = setup(&["--load"]);
    setup.recipe.limits.cancel = Duration::from_millis(200);
    let mut rig = setup.open().await;
    let turn = rig.prompt("say .\nhang").await;
    rig.until_said(&turn, ".").await;
    rig.interrupt(&turn).await;
    assert_eq!(rig.says("say next").await, "next");
}

#[tokio::test]
async fn a_steer_stops_what_runs_and_goes_on_in_the_same_turn() {
    let mut rig = Rig::open().await;
    let call = r#"update {"sessionUpdate": "tool_call", "toolCallId": "c", "title": "t", "status": "in_progress"}"#;
    let turn = rig.prompt(&format!("{call}\nsay one.\nwaitcancel\nsay never")).await;
    rig.until_said(&turn, "one.").await;
    rig.steer(&turn, "say two").await;
    let rest = rig.rest(&turn).await;
    assert_eq!(said(&rest), "two");
    assert!(rest.iter().any(|happening| matches!(happening, Happening::ToolEnded { result: Err(_), .. })), "{rest:?}");
    assert_eq!(rest.last(), Some(&Happening::Done));
}

#[tokio::test]
async fn a_steer_that_comes_while_the_agent_starts_is_heard_with_the_prompt() {
    let mut rig = setup(&[]).begin().await;
    let turn = rig.prompt("say one ").await;
    rig.steer(&turn, "say two").await;
    let all = rig.rest(&turn).await;
    assert_eq!(said(&all), "one two");
}

#[tokio::test]
async fn an_interrupt_while_the_agent_starts_costs_only_the_turn() {
    let mut rig = setup(&[]).begin().await;
    let turn = rig.prompt("say one").await;
    rig.interrupt(&turn).await;
    assert_eq!(rig.says("say two").await, "two");
}

#[tokio::test]
async fn nothing_outlives_an_agent_that_is_closed() {
    let mut rig = setup(&["--deaf"]).open().await;
    let own = rig.says("pid").await;
    let child = rig.says("grandchild").await;
    let apart = rig.says("grandchild apart").await;
    let told = rig.close().await;
    assert!(matches!(told.last(), Some(Happening::Life { status: AgentStatus::Stopped, .. })), "{told:?}");
    for pid in [own, child, apart] {
        assert!(!is_alive(&pid), "{pid} still runs");
    }
}

#[tokio::test]
async fn a_session_that_can_be_closed_is_closed() {
    let mut rig = setup(&["--close"]).open().await;
    rig.says("say hello").await;
    rig.close().await;
    assert!(rig.state.path().join("closed").exists());
}

#[tokio::test]
async fn all_agents_end_with_their_host() {
    let mut rig = Rig::open().await;
    let turn = rig.prompt("pid\nsay .\nhang").await;
    let mut pid = String::new();
    while !pid.ends_with('.') {
        if let Happening::Text(text) = rig.next_of(&turn).await {
            pid.push_str(&text);
        }
    }
    rig.host.end().await;
    assert!(!is_alive(pid.trim_end_matches('.')));
}

#[tokio::test]
async fn how_a_turn_stops_is_told_by_a_code() {
    let mut rig = Rig::open().await;
    for (line, code) in [
        ("stop max_tokens", "max_tokens"),
        ("stop max_turn_requests", "max_turn_requests"),
        ("stop refusal", "refused"),
        ("stop cancelled", "agent_stopped"),
        ("error no credit", "agent_error"),
    ] {
        let (told, message) = rig.fails(line).await;
        assert_eq!(told, code);
        assert!(!message.is_empty());
    }
    assert_eq!(rig.says("stop something_new\nsay fine").await, "fine");
}
