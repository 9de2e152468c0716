//! Turns: they run, wait, meet each other, and always end.

use rejoin_core::command::Command;
use rejoin_core::event::Event;
use rejoin_core::id::CommandId;
use rejoin_core::refusal::Refusal;
use rejoin_core::turn::{IfBusy, Outcome};
use rejoin_ports::gateway::{Failure, Sessions};
use rejoin_testkit::{Gateway, person, viewer};

fn prompt(text: &str, if_busy: IfBusy) -> Command {
    Command::Prompt { text: text.into(), attachments: Vec::new(), if_busy, reference: None }
}

#[tokio::test]
async fn echo_says_what_it_was_told_word_by_word() {
    let gateway = Gateway::start().await;
    let session = gateway.create("echo").await;
    let mut ann = gateway.listen(&session).await;
    gateway.prompt(&session, "to be or not to be").await;
    assert_eq!(ann.turns(1).await, Outcome::Completed);
    assert_eq!(ann.text(), "to be or not to be");
    ann.check_numbers();
    let view = gateway.view(&session).await;
    assert_eq!(view.recent.len(), 2);
    assert!(view.open_turn.is_none());
}

#[tokio::test]
async fn three_queued_prompts_run_in_their_order() {
    let gateway = Gateway::start().await;
    let session = gateway.create("script").await;
    let mut ann = gateway.listen(&session).await;
    gateway.prompt(&session, "!ask confirm wait here?\n").await;
    let ask = ann.ask().await;
    for text in ["one ", "two ", "three "] {
        gateway.prompt(&session, text).await;
    }
    assert_eq!(gateway.view(&session).await.queue.len(), 3);
    gateway.answer("ann", &session, &ask.id, rejoin_core::ask::Answer::Dismiss).await.unwrap();
    ann.turns(4).await;
    assert_eq!(ann.text(), "dismissed\none two three ");
    ann.check_numbers();
}

#[tokio::test]
async fn a_prompt_says_what_to_do_about_a_running_turn() {
    let gateway = Gateway::start().await;
    let session = gateway.create("script").await;
    let mut ann = gateway.listen(&session).await;
    gateway.prompt(&session, "begun\n!sleep 600000\n").await;
    ann.until(|event| matches!(event, Event::PartDelta { .. }).then_some(())).await;
    let refused = gateway.run(&person("ann"), &session, prompt("now", IfBusy::Refuse)).await;
    assert!(matches!(refused, Err(Failure::Refused(Refusal::Busy))), "{refused:?}");
    gateway.run(&person("ann"), &session, prompt("instead", IfBusy::Interrupt)).await.unwrap();
    assert_eq!(ann.turns(1).await, Outcome::Interrupted { reason: "user".into() });
    assert_eq!(ann.turns(1).await, Outcome::Completed);
    assert_eq!(ann.text(), "begun\ninstead");
}

#[tokio::test]
async fn an_interrupt_keeps_the_text_so_far_and_the_queue_goes_on() {
    let gateway = Gateway::start().await;
    let session = gateway.create("script").await;
    let mut ann = gateway.listen(&session).await;
    gateway.prompt(&session, "so far\n!sleep 600000\nnever").await;
    ann.until(|event| matches!(event, Event::PartDelta { .. }).then_some(())).await;
    gateway.prompt(&session, "next").await;
    gateway.run(&person("ann"), &session, Command::Interrupt { reason: None, clear_queue: false }).await.unwrap();
    let text = ann
        .until(|event| match event {
            Event::TurnEnded { text, .. } => Some(text.clone()),
            _ => None,
        })
        .await;
    assert_eq!(text, "so far\n");
    assert_eq!(ann.turns(1).await, Outcome::Completed);
    assert_eq!(gateway.view(&session).await.recent.len(), 4);
}

#[tokio::test]
async fn a_steer_reaches_the_running_turn() {
    let gateway = Gateway::start().await;
    let session = gateway.create("script").await;
    let mut ann = gateway.listen(&session).await;
    gateway.prompt(&session, "!waitsteer\n").await;
    ann.until(|event| matches!(event, Event::TurnStarted { .. }).then_some(())).await;
    gateway.run(&person("ann"), &session, Command::Steer { text: "left".into() }).await.unwrap();
    assert_eq!(ann.turns(1).await, Outcome::Completed);
    assert!(ann.text().contains("left"), "{}", ann.text());
}

#[tokio::test]
async fn the_same_command_twice_is_done_once_and_another_under_its_id_is_refused() {
    let gateway = Gateway::start().await;
    let session = gateway.create("echo").await;
    let id = CommandId::new("c-1").unwrap();
    let ann = person("ann");
    let first = gateway.engine.run(&ann, &session, id.clone(), prompt("once", IfBusy::Queue)).await.unwrap();
    let mut listener = gateway.listen(&session).await;
    listener.turns(1).await;
    let again = gateway.engine.run(&ann, &session, id.clone(), prompt("once", IfBusy::Queue)).await.unwrap();
    assert_eq!(first, again);
    let other = gateway.engine.run(&ann, &session, id.clone(), prompt("twice", IfBusy::Queue)).await;
    assert!(matches!(other, Err(Failure::IdReused)), "{other:?}");
    let gateway = gateway.crash().await;
    let after = gateway.engine.run(&ann, &session, id, prompt("once", IfBusy::Queue)).await.unwrap();
    assert_eq!(first, after);
    assert_eq!(gateway.view(&session).await.recent.len(), 2);
}

#[tokio::test]
async fn an_agent_that_dies_fails_its_turn_and_the_next_prompt_gets_a_fresh_one() {
    let gateway = Gateway::start().await;
    let session = gateway.create("script").await;
    let mut ann = gateway.listen(&session).await;
    gateway.prompt(&session, "before\n!crash\n").await;
    gateway.prompt(&session, "after").await;
    assert!(matches!(ann.turns(1).await, Outcome::Failed { .. }));
    assert_eq!(ann.turns(1).await, Outcome::Completed);
    assert_eq!(ann.text(), "before\nafter");
    ann.check_numbers();
}

#[tokio::test]
async fn a_failing_script_says_why() {
    let gateway = Gateway::start().await;
    let session = gateway.create("script").await;
    let mut ann = gateway.listen(&session).await;
    gateway.prompt(&session, "!fail overloaded retry_ms=5 come back later").await;
    let Outcome::Failed { code, message, retry_ms } = ann.turns(1).await else { panic!("it failed") };
    assert_eq!((code.as_str(), message.as_str(), retry_ms), ("overloaded", "come back later", Some(5)));
}

#[tokio::test]
async fn a_viewer_looks_and_touches_nothing() {
    let gateway = Gateway::start().await;
    let session = gateway.create("echo").await;
    let refused = gateway.run(&viewer("eve"), &session, prompt("hi", IfBusy::Queue)).await;
    assert!(matches!(refused, Err(Failure::Refused(Refusal::Forbidden))), "{refused:?}");
    assert!(gateway.engine.view(&viewer("eve").identity, &session).await.is_ok());
}

#[tokio::test]
async fn another_tenants_session_does_not_exist() {
    let gateway = Gateway::start().await;
    let session = gateway.create("echo").await;
    let mut stranger = person("mallory");
    stranger.identity.tenant = rejoin_core::id::TenantId::new("other").unwrap();
    let refused = gateway.run(&stranger, &session, prompt("hi", IfBusy::Queue)).await;
    assert!(matches!(refused, Err(Failure::NotFound(_))), "{refused:?}");
    assert!(matches!(gateway.engine.view(&stranger.identity, &session).await, Err(Failure::NotFound(_))));
}

#[tokio::test]
async fn an_idle_session_leaves_memory_and_comes_back_when_it_is_needed() {
    let gateway = Gateway::forgetful().await;
    let session = gateway.create("echo").await;
    let mut ann = gateway.listen(&session).await;
    for turn in 0..5 {
        gateway.prompt(&session, &format!("turn {turn} ")).await;
        ann.turns(1).await;
        while gateway.engine.figures().sessions > 0 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(ann.text(), "turn 0 turn 1 turn 2 turn 3 turn 4 ");
    ann.check_numbers();
}

#[tokio::test]
async fn a_session_hears_its_people_after_megabytes_of_text() {
    let gateway = Gateway::start().await;
    let session = gateway.create("script").await;
    let mut ann = gateway.listen(&session).await;
    gateway.prompt(&session, "!big 6000000\n!big 6000000\n").await;
    assert_eq!(ann.turns(1).await, Outcome::Completed);
    gateway.prompt(&session, "still there?").await;
    assert_eq!(ann.turns(1).await, Outcome::Completed);
}

#[tokio::test]
async fn an_answer_given_at_the_root_twice_is_one_answer() {
    let gateway = Gateway::start().await;
    let session = gateway.create("script").await;
    let mut ann = gateway.listen(&session).await;
    gateway.prompt(&session, "!task helper !ask confirm deep?\n").await;
    let ask = ann.ask().await;
    let answer = Command::Answer { ask: ask.id, answer: rejoin_core::ask::Answer::Confirm { confirmed: true } };
    let id = CommandId::new("answer-1").unwrap();
    let first = gateway.engine.run(&person("ann"), &session, id.clone(), answer.clone()).await.unwrap();
    ann.turns(1).await;
    let again = gateway.engine.run(&person("ann"), &session, id, answer).await.unwrap();
    assert_eq!(first, again);
}
