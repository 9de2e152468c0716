//! Asks: one answer wins, they survive restarts, and the agent goes on behind them.

use rejoin_core::ask::Answer;
use rejoin_core::command::Command;
use rejoin_core::event::Event;
use rejoin_core::grant::Scope;
use rejoin_core::header::Status;
use rejoin_core::refusal::Refusal;
use rejoin_core::turn::Outcome;
use rejoin_ports::gateway::{Failure, JoinFrom};
use rejoin_testkit::Gateway;

fn allow(scope: Scope) -> Answer {
    Answer::Allow { scope, pattern: None, input: None, duration_ms: None }
}

#[tokio::test]
async fn of_two_people_who_answer_one_wins_and_the_other_is_told() {
    let gateway = Gateway::start().await;
    let session = gateway.create("script").await;
    let mut ann = gateway.listen(&session).await;
    gateway.prompt(&session, "!ask confirm ship it?\n").await;
    let ask = ann.ask().await;
    let yes = Answer::Confirm { confirmed: true };
    let no = Answer::Confirm { confirmed: false };
    let (first, second) =
        tokio::join!(gateway.answer("ann", &session, &ask.id, yes), gateway.answer("bob", &session, &ask.id, no));
    let losers: Vec<_> = [first, second].into_iter().filter_map(Result::err).collect();
    assert!(matches!(&losers[..], [Failure::Refused(Refusal::NotWaiting(id))] if *id == ask.id), "{losers:?}");
    ann.turns(1).await;
    assert!(["yes\n", "no\n"].contains(&ann.text().as_str()), "{}", ann.text());
}

/// A laptop drops off, the gateway dies, and a phone answers the question the laptop never showed.
#[tokio::test]
async fn a_phone_answers_what_the_laptop_missed() {
    let gateway = Gateway::start().await;
    let session = gateway.create("script").await;
    let mut laptop = gateway.listen(&session).await;
    gateway.prompt(&session, "before\n!ask single which? | left | right\nbehind\n").await;
    laptop.until(|event| matches!(event, Event::PartDelta { .. }).then_some(())).await;
    let mut watcher = gateway.listen(&session).await;
    watcher.ask().await; // it is kept now
    let heard = laptop.position();
    drop(laptop);

    let gateway = gateway.crash().await;
    assert_eq!(gateway.view(&session).await.session.status, Status::Waiting);
    let mut phone = gateway.listen_from(&session, JoinFrom::After(heard.into())).await;
    let ask = phone.ask().await;
    gateway.answer("ann", &session, &ask.id, Answer::Choose { value: "left".into() }).await.unwrap();
    let again = gateway.answer("ann", &session, &ask.id, Answer::Choose { value: "right".into() }).await;
    assert!(matches!(again, Err(Failure::Refused(Refusal::NotWaiting(_)))), "{again:?}");
    assert_eq!(phone.turns(1).await, Outcome::Completed);
    let mut whole = gateway.listen(&session).await;
    whole.turns(1).await;
    assert_eq!(whole.text(), "before\nleft\nbehind\n");
    whole.check_numbers();
}

#[tokio::test]
async fn an_answer_that_was_kept_is_heard_by_the_agent_even_if_the_gateway_dies_before_it_was() {
    let gateway = Gateway::start().await;
    let session = gateway.create("script").await;
    let mut ann = gateway.listen(&session).await;
    gateway.prompt(&session, "!ask text name?\nbehind\n").await;
    let ask = ann.ask().await;
    let gateway = gateway.restart().await;
    gateway.answer("ann", &session, &ask.id, Answer::Write { text: "Ada".into() }).await.unwrap();
    let gateway = gateway.crash().await;
    let mut ann = gateway.listen(&session).await;
    assert_eq!(ann.turns(1).await, Outcome::Completed);
    assert_eq!(ann.text(), "Ada\nbehind\n");
}

#[tokio::test]
async fn a_permission_given_for_the_session_is_not_asked_for_again() {
    let gateway = Gateway::start().await;
    let session = gateway.create("script").await;
    let mut ann = gateway.listen(&session).await;
    gateway.prompt(&session, "!ask permission deploy prod\n").await;
    let ask = ann.ask().await;
    gateway.answer("ann", &session, &ask.id, allow(Scope::Session)).await.unwrap();
    ann.turns(1).await;
    gateway.prompt(&session, "!ask permission deploy prod\n").await;
    let remembered = ann
        .until(|event| match event {
            Event::AskRemembered { allowed, .. } => Some(*allowed),
            Event::AskOpened { .. } => panic!("it asked again"),
            _ => None,
        })
        .await;
    assert!(remembered);
    ann.turns(1).await;
    assert_eq!(ann.text(), "allowed session\nallowed session\n");
}

#[tokio::test]
async fn a_permission_for_the_workspace_holds_in_every_session_of_it() {
    let gateway = Gateway::start().await;
    let first = gateway.create("script").await;
    let mut ann = gateway.listen(&first).await;
    gateway.prompt(&first, "!ask permission deploy prod\n").await;
    let ask = ann.ask().await;
    gateway.answer("ann", &first, &ask.id, allow(Scope::Workspace)).await.unwrap();
    ann.turns(1).await;
    let workspace = gateway.view(&first).await.session.workspace;
    let gateway = gateway.crash().await;
    let mut create = Gateway::new_session("script");
    create.workspace = workspace;
    let second = rejoin_ports::gateway::Sessions::create(&gateway.engine, &rejoin_testkit::person("bob"), create)
        .await
        .unwrap()
        .header
        .id;
    let mut bob = gateway.listen(&second).await;
    gateway.prompt(&second, "!ask permission deploy prod\n").await;
    bob.turns(1).await;
    assert!(bob.text().starts_with("allowed"), "{}", bob.text());
    assert!(!bob.notes.iter().any(|logged| matches!(logged.event, Event::AskOpened { .. })));
}

#[tokio::test]
async fn an_ask_expires_at_its_deadline_also_when_the_session_has_left_memory() {
    let gateway = Gateway::forgetful().await;
    let mut create = Gateway::new_session("script");
    create.config.ask_ms = Some(60_000);
    let session = rejoin_ports::gateway::Sessions::create(&gateway.engine, &rejoin_testkit::person("ann"), create)
        .await
        .unwrap()
        .header
        .id;
    let mut ann = gateway.listen(&session).await;
    gateway.prompt(&session, "!ask confirm still there?\nbehind\n").await;
    ann.ask().await;
    while gateway.engine.figures().sessions > 0 {
        tokio::task::yield_now().await;
    }
    gateway.clock.advance(60_000);
    assert_eq!(ann.turns(1).await, Outcome::Completed);
    assert_eq!(ann.text(), "expired\nbehind\n");
}

#[tokio::test]
async fn an_interrupt_closes_what_was_asked() {
    let gateway = Gateway::start().await;
    let session = gateway.create("script").await;
    let mut ann = gateway.listen(&session).await;
    gateway.prompt(&session, "!ask confirm sure?\n").await;
    let ask = ann.ask().await;
    gateway
        .run(&rejoin_testkit::person("ann"), &session, Command::Interrupt { reason: None, clear_queue: false })
        .await
        .unwrap();
    ann.turns(1).await;
    let late = gateway.answer("ann", &session, &ask.id, Answer::Dismiss).await;
    assert!(matches!(late, Err(Failure::Refused(Refusal::NotWaiting(_)))));
}
