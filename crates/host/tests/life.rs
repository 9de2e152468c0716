//! The life of an agent: interrupts, prompts, backpressure, endings.

mod common;

use std::sync::Arc;

use common::{Rig, SOON, host, lives, opening, text};
use rejoin_core::happening::Happening;
use rejoin_core::header::AgentStatus;
use rejoin_core::id::TurnId;
use rejoin_ports::agent::{AgentError, AgentHost, HAPPENINGS, Order};

#[tokio::test]
async fn whatever_a_turn_waits_for_an_interrupt_ends_it_and_the_next_begins() {
    let waits = [
        "!sleep 86400000",
        "!stream 10000000 86400000",
        "!tool t {} after 86400000 => x",
        "!ask confirm ok?",
        r#"!ask client browser {"a": 1}"#,
        "!guarded t {} => x",
        "!waitsteer",
        "!task name text",
        "!write file text", // for its start to be kept
        "!stream 10000000", // for room
        "!flood 10000000 100000",
    ];
    let mut rig = Rig::open("script").await;
    for wait in waits {
        let turn = rig.prompt(&format!("begun\n{wait}\nnever")).await;
        assert_eq!(rig.agent.happenings.recv().await.unwrap().happening, Happening::Text("begun\n".into()), "{wait}");
        // As far as it goes by itself.
        for _ in 0..HAPPENINGS {
            tokio::task::yield_now().await;
        }
        rig.interrupt(&turn).await;
        let next = rig.prompt("again").await;
        let mut said = Vec::new();
        while said.last() != Some(&Happening::Done) {
            let heard = tokio::time::timeout(SOON, rig.agent.happenings.recv()).await;
            let heard = heard.unwrap_or_else(|_| panic!("{wait} is not interrupted")).unwrap();
            match heard.turn {
                Some(whose) if whose == next => said.push(heard.happening),
                Some(whose) => assert!(whose == turn && said.is_empty(), "{wait}: said too late"),
                None => {}
            }
        }
        assert_eq!(text(&said), "again", "{wait}");
    }
}

#[tokio::test]
async fn an_interrupt_of_a_turn_that_is_over_harms_nobody() {
    let mut rig = Rig::open("script").await;
    let old = rig.prompt("old").await;
    rig.rest().await;
    let turn = rig.prompt("!waitsteer").await;
    rig.interrupt(&old).await;
    rig.steer(&old, "late").await;
    rig.steer(&turn, "yes").await;
    assert_eq!(text(&rig.rest().await), "yes\n");
}

#[tokio::test]
async fn a_steer_of_a_turn_that_is_yet_to_come_waits_for_it() {
    let mut rig = Rig::open("script").await;
    rig.steer(&TurnId::new("turn1").unwrap(), "early").await;
    assert_eq!(text(&rig.run("!waitsteer").await), "early\n");
}

#[tokio::test(start_paused = true)]
async fn more_steers_than_can_wait_are_dropped_and_the_turn_goes_on() {
    let mut rig = Rig::open("script").await;
    let waits = "!waitsteer\n".repeat(2);
    let turn = rig.prompt(&format!("!sleep 1000\n{waits}")).await;
    for number in 0..1000 {
        rig.steer(&turn, &number.to_string()).await;
    }
    assert_eq!(text(&rig.rest().await), "0\n1\n");
}

#[tokio::test]
async fn what_a_turn_says_waits_for_room_and_arrives_in_order() {
    let mut rig = Rig::open("script").await;
    rig.prompt(&format!("!stream {}", 3 * HAPPENINGS)).await;
    for _ in 0..4 * HAPPENINGS {
        tokio::task::yield_now().await;
    }
    assert_eq!(rig.agent.happenings.len(), HAPPENINGS);
    let all: String = (0..3 * HAPPENINGS).map(|token| format!("tok{token} ")).collect();
    assert_eq!(text(&rig.rest().await), all);
}

#[tokio::test]
async fn large_happenings_never_wait_in_numbers() {
    let mut rig = Rig::open("script").await;
    rig.prompt("small\n!flood 50 1000000\n!big 1000000\nend").await;
    let mut count = 0;
    loop {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        // At most a large one, and the two small ones behind the last of them.
        assert!(rig.agent.happenings.len() <= 3);
        count += 1;
        if rig.next().await.happening == Happening::Done {
            break;
        }
    }
    assert_eq!(count, 1 + 50 + 1 + 1 + 1);
}

#[tokio::test]
async fn an_agent_sums_up_what_it_heard() {
    let mut rig = Rig::open("script").await;
    let mut summaries = Vec::new();
    for _ in 0..3 {
        rig.order(Order::Compact).await;
        let said = rig.next().await;
        assert_eq!(said.turn, None);
        let Happening::Compacted { summary } = said.happening else { panic!("{:?}", said.happening) };
        summaries.push(summary);
        rig.run("a first line\n!think about it").await;
    }
    assert_eq!(
        summaries,
        [
            "Nothing was asked since the agent was opened.",
            "One prompt so far. It began: a first line",
            "2 prompts so far. The last began: a first line",
        ]
    );
}

#[tokio::test]
async fn nothing_is_summed_up_while_a_turn_runs() {
    let mut rig = Rig::open("script").await;
    rig.prompt("!waitsteer").await;
    rig.order(Order::Compact).await;
    assert!(matches!(rig.next().await.happening, Happening::CompactionFailed { .. }));
}

#[tokio::test]
async fn an_agent_that_is_closed_says_so_last() {
    for agent in ["echo", "script"] {
        let mut rig = Rig::open(agent).await;
        rig.order(Order::Close).await;
        assert_eq!(rig.next().await, lives(AgentStatus::Stopping));
        assert_eq!(rig.next().await, lives(AgentStatus::Stopped));
        assert_eq!(rig.hear().await, None);
    }
}

#[tokio::test]
async fn an_agent_that_nobody_orders_or_hears_any_more_ends() {
    let host = host();
    let folder = tempfile::tempdir().unwrap();
    let deaf = host.open(opening("script", folder.path())).await.unwrap();
    let prompt = common::prompt_of("!stream 10000000");
    let turn = TurnId::new("t").unwrap();
    deaf.orders.send(Order::Prompt { turn, prompt }).await.unwrap();
    drop(deaf.happenings);
    tokio::time::timeout(SOON, deaf.orders.closed()).await.expect("nobody hears it");

    let mut idle = host.open(opening("echo", folder.path())).await.unwrap();
    drop(idle.orders);
    let ends = async { while idle.happenings.recv().await.is_some() {} };
    tokio::time::timeout(SOON, ends).await.expect("nobody orders it");
}

#[tokio::test]
async fn a_host_opens_what_it_has() {
    let host = Arc::new(host());
    let names: Vec<_> = host.agents().into_iter().map(|agent| agent.name).collect();
    assert_eq!(names, ["echo", "script"]);
    assert!(host.find("script").is_some_and(|agent| agent.resumable && agent.steerable));
    assert_eq!(host.find("poet"), None);
    let folder = tempfile::tempdir().unwrap();
    let refused = host.open(opening("poet", folder.path())).await.err();
    assert!(matches!(refused, Some(AgentError::Unknown(name)) if name == "poet"));
    host.end().await;
    let refused = host.open(opening("echo", folder.path())).await.err();
    assert!(matches!(refused, Some(AgentError::CannotOpen { .. })));
}
