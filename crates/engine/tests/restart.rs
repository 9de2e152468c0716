//! What another life of the process finds, and what trouble with the disk does.

use std::time::Duration;

use rejoin_core::command::Command;
use rejoin_core::event::Event;
use rejoin_core::header::Status;
use rejoin_core::part::{PartBody, ToolState};
use rejoin_core::turn::Outcome;
use rejoin_ports::gateway::{Failure, ListQuery, Sessions};
use rejoin_ports::store::StoreError;
use rejoin_testkit::{Gateway, Heard, person};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn a_turn_that_ran_when_the_gateway_died_is_interrupted_and_the_queue_goes_on() {
    let gateway = Gateway::start().await;
    let session = gateway.create("script").await;
    let mut ann = gateway.listen(&session).await;
    gateway.prompt(&session, "kept\n!sleep 600000\n").await;
    ann.until(|event| matches!(event, Event::PartDelta { .. }).then_some(())).await;
    for text in ["one ", "two ", "three "] {
        gateway.prompt(&session, text).await;
    }
    let gateway = gateway.crash().await;
    let mut ann = gateway.listen(&session).await;
    assert_eq!(ann.turns(1).await, Outcome::Interrupted { reason: "restart".into() });
    assert_eq!(ann.turns(3).await, Outcome::Completed);
    assert_eq!(ann.text(), "kept\none two three ");
    ann.check_numbers();
}

#[tokio::test]
async fn a_tool_that_ran_when_the_gateway_died_is_unknown_and_never_run_again() {
    let gateway = Gateway::start().await;
    let session = gateway.create("script").await;
    let mut ann = gateway.listen(&session).await;
    gateway.prompt(&session, "!shell echo x >> ran; sleep 600\n").await;
    ann.until(|event| match event {
        Event::PartUpdated { part } => {
            matches!(&part.body, PartBody::Tool(call) if matches!(call.state, ToolState::Running { .. })).then_some(())
        }
        _ => None,
    })
    .await;
    let gateway = gateway.crash().await;
    let mut ann = gateway.listen(&session).await;
    ann.turns(1).await;
    let unknown = ann.notes.iter().any(|logged| match &logged.event {
        Event::PartCompleted { part, .. } => {
            matches!(&part.body, PartBody::Tool(call) if matches!(call.state, ToolState::Unknown { .. }))
        }
        _ => false,
    });
    assert!(unknown, "{:#?}", ann.kinds());
}

#[tokio::test]
async fn a_list_never_shows_as_running_what_died() {
    let gateway = Gateway::start().await;
    let session = gateway.create("script").await;
    let mut ann = gateway.listen(&session).await;
    gateway.prompt(&session, "kept\n!sleep 600000\n").await;
    ann.until(|event| matches!(event, Event::PartDelta { .. }).then_some(())).await;
    let gateway = gateway.crash().await;
    let list =
        gateway.engine.list(&person("ann").identity, ListQuery { limit: 10, ..ListQuery::default() }).await.unwrap();
    assert_eq!(list.items[0].status, Status::Idle);
}

#[tokio::test]
async fn a_stop_in_order_interrupts_what_runs_and_leaves_what_waits_for_people() {
    let gateway = Gateway::start().await;
    let running = gateway.create("script").await;
    let waiting = gateway.create("script").await;
    let mut ann = gateway.listen(&running).await;
    gateway.prompt(&running, "begun\n!sleep 600000\n").await;
    ann.until(|event| matches!(event, Event::PartDelta { .. }).then_some(())).await;
    let mut bob = gateway.listen(&waiting).await;
    gateway.prompt(&waiting, "!ask confirm go on?\n").await;
    bob.ask().await;
    gateway.engine.stop(Duration::ZERO, CancellationToken::new()).await;
    assert_eq!(ann.turns(1).await, Outcome::Interrupted { reason: "restart".into() });
    loop {
        match bob.next().await {
            Heard::Stopping => break,
            Heard::Event(logged) => assert!(!matches!(logged.event, Event::TurnEnded { .. }), "it was only waiting"),
            _ => {}
        }
    }
    let refused = gateway.run(&person("ann"), &running, Command::Close).await;
    assert!(refused.is_err(), "{refused:?}");
}

#[tokio::test]
async fn what_the_disk_did_not_take_was_never_shown_and_service_goes_on_when_it_does_again() {
    let gateway = Gateway::start().await;
    let session = gateway.create("script").await;
    let mut ann = gateway.listen(&session).await;
    gateway.prompt(&session, "before\n!sleep 20\n!stream 100 1\n").await;
    ann.until(|event| matches!(event, Event::PartDelta { .. }).then_some(())).await;
    let shown = ann.notes.len();
    gateway.store.fail_writes(Some(StoreError::Full { doing: "committing" }));
    let refused = gateway.run(&person("ann"), &session, Command::Rename { title: Some("x".into()) }).await;
    assert!(matches!(refused, Err(Failure::Store(StoreError::Full { .. }))), "{refused:?}");
    gateway.store.fail_writes(None);
    gateway.clock.advance(2_000); // the session is looked at again after a moment
    let outcome = ann.turns(1).await;
    assert!(matches!(outcome, Outcome::Interrupted { .. }), "{outcome:?}");
    assert!(ann.notes.len() > shown);
    ann.check_numbers();
    gateway.prompt(&session, "works again").await;
    assert_eq!(ann.turns(1).await, Outcome::Completed);
    let replayed = rejoin_core::session::Session::replay(&gateway_log(&gateway, &session).await).unwrap();
    assert!(replayed.turn.is_none());
}

async fn gateway_log(gateway: &Gateway, session: &rejoin_core::id::SessionId) -> Vec<rejoin_core::event::Logged> {
    let mut all = gateway.listen(session).await;
    all.turns(2).await;
    all.notes
}
