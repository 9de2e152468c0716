//! Fork, revert, compact, children: what people and agents do with whole sessions.

use rejoin_core::ask::Answer;
use rejoin_core::command::Command;
use rejoin_core::event::Event;
use rejoin_core::id::CommandId;
use rejoin_core::part::MessageRole;
use rejoin_core::turn::Outcome;
use rejoin_ports::gateway::Sessions;
use rejoin_testkit::{Gateway, person};

fn texts(view: &rejoin_ports::gateway::View) -> Vec<String> {
    let messages = view.recent.iter();
    messages.map(|message| message.parts.iter().filter_map(|part| part.body.text()).collect()).collect()
}

#[tokio::test]
async fn a_fork_copies_what_is_visible_up_to_a_message_and_twice_is_once() {
    let gateway = Gateway::start().await;
    let session = gateway.create("echo").await;
    let mut ann = gateway.listen(&session).await;
    for text in ["one", "two", "three"] {
        gateway.prompt(&session, text).await;
        ann.turns(1).await;
    }
    let view = gateway.view(&session).await;
    let message = view.recent[3].message.id.clone(); // the answer "two"
    let fork = Command::Fork { message: Some(message), title: None, into: None };
    let id = CommandId::new("fork-1").unwrap();
    let done = gateway.engine.run(&person("ann"), &session, id.clone(), fork.clone()).await.unwrap();
    let again = gateway.engine.run(&person("ann"), &session, id, fork).await.unwrap();
    assert_eq!(done, again);
    let forked = gateway.view(&done.forked.unwrap()).await;
    assert_eq!(texts(&forked), ["one", "one", "two", "two"]);
    assert!(
        forked.recent.iter().all(|copy| { view.recent.iter().all(|message| message.message.id != copy.message.id) })
    );
    assert_eq!(forked.session.origin.as_ref().unwrap().session, session);
}

#[tokio::test]
async fn a_revert_hides_what_follows_and_the_log_keeps_it() {
    let gateway = Gateway::start().await;
    let session = gateway.create("echo").await;
    let mut ann = gateway.listen(&session).await;
    for text in ["one", "two"] {
        gateway.prompt(&session, text).await;
        ann.turns(1).await;
    }
    let message = gateway.view(&session).await.recent[1].message.id.clone();
    gateway.run(&person("ann"), &session, Command::Revert { message, inclusive: false }).await.unwrap();
    gateway.prompt(&session, "other").await;
    ann.turns(1).await;
    assert_eq!(texts(&gateway.view(&session).await), ["one", "one", "other", "other"]);
    let page = gateway.engine.messages(&person("ann").identity, &session, None, 2).await.unwrap();
    assert_eq!(page.items.len(), 2);
    let older =
        gateway.engine.messages(&person("ann").identity, &session, page.next_cursor.as_deref(), 2).await.unwrap();
    assert_eq!(older.items[0].message.role, MessageRole::User);
    assert!(older.next_cursor.is_none());
}

#[tokio::test]
async fn a_compaction_adds_a_summary_and_deletes_nothing() {
    let gateway = Gateway::start().await;
    let session = gateway.create("script").await;
    let mut ann = gateway.listen(&session).await;
    gateway.prompt(&session, "something long").await;
    ann.turns(1).await;
    gateway.run(&person("ann"), &session, Command::Compact).await.unwrap();
    let error = ann
        .until(|event| match event {
            Event::CompactionEnded { summary, error } => Some((summary.clone(), error.clone())),
            _ => None,
        })
        .await;
    assert_eq!(error.1, None);
    assert_eq!(gateway.view(&session).await.recent.len(), 4);
}

#[tokio::test]
async fn a_childs_ask_is_shown_at_the_root_and_its_answer_goes_down() {
    let gateway = Gateway::start().await;
    let session = gateway.create("script").await;
    let mut ann = gateway.listen(&session).await;
    gateway.prompt(&session, "!task helper !ask confirm deep?\nback\n").await;
    let ask = ann.ask().await;
    let child = ask.origin.clone().expect("it is the child's");
    gateway.answer("ann", &session, &ask.id, Answer::Confirm { confirmed: true }).await.unwrap();
    assert_eq!(ann.turns(1).await, Outcome::Completed);
    assert!(ann.text().contains("yes"), "{}", ann.text());
    let child = gateway.view(&child).await;
    assert_eq!(child.session.parent.as_ref(), Some(&session));
    assert!(gateway.view(&session).await.asks.is_empty());
}

#[tokio::test]
async fn an_interrupt_cascades_to_children() {
    let gateway = Gateway::start().await;
    let session = gateway.create("script").await;
    let mut ann = gateway.listen(&session).await;
    gateway.prompt(&session, "!task sleeper !sleep 600000\n").await;
    let child = ann
        .until(|event| match event {
            Event::ChildStarted { session, .. } => Some(session.clone()),
            _ => None,
        })
        .await;
    // The child exists a moment after it is announced.
    while gateway.engine.header(&person("ann").identity, &child).await.is_err() {
        tokio::task::yield_now().await;
    }
    let mut watching = gateway.listen(&child).await;
    watching.until(|event| matches!(event, Event::TurnStarted { .. }).then_some(())).await;
    gateway.run(&person("ann"), &session, Command::Interrupt { reason: None, clear_queue: false }).await.unwrap();
    assert!(matches!(watching.turns(1).await, Outcome::Interrupted { .. }));
}
