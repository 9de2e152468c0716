//! Transcripts read forwards: what became whole behind a number.

use rejoin_core::command::Command;
use rejoin_core::event::Event;
use rejoin_core::id::SessionId;
use rejoin_core::part::{MessageStatus, WholeMessage};
use rejoin_core::position::Seq;
use rejoin_ports::gateway::Sessions;
use rejoin_testkit::{Gateway, person};

/// Pages behind `after` until there is nothing more. Each call must get on.
async fn behind(gateway: &Gateway, session: &SessionId, mut after: u64, limit: usize) -> Vec<(Seq, WholeMessage)> {
    let mut all: Vec<(Seq, WholeMessage)> = Vec::new();
    loop {
        let page = gateway.engine.messages_after(&person("ann").identity, session, after, limit).await.unwrap();
        assert!(page.items.len() <= limit);
        assert!(page.items.iter().all(|(seq, _)| seq.get() > after && seq.get() <= page.next), "{after} {page:?}");
        all.extend(page.items);
        if !page.more {
            break;
        }
        assert!(page.next > after, "a page that gets nowhere: {after}");
        after = page.next;
    }
    assert!(all.is_sorted_by(|one, next| one.0 < next.0));
    all
}

/// The whole transcript, read as people scroll: newest page first.
async fn backwards(gateway: &Gateway, session: &SessionId, limit: usize) -> Vec<WholeMessage> {
    let mut all = Vec::new();
    let mut before: Option<String> = None;
    loop {
        let ann = person("ann").identity;
        let page = gateway.engine.messages(&ann, session, before.as_deref(), limit).await.unwrap();
        all.extend(page.items.into_iter().rev());
        match page.next_cursor {
            Some(next) => before = Some(next),
            None => break,
        }
    }
    all.reverse();
    all
}

fn messages(all: &[(Seq, WholeMessage)]) -> Vec<WholeMessage> {
    all.iter().map(|(_, message)| message.clone()).collect()
}

async fn with_turns(agent: &str, prompts: &[&str]) -> (Gateway, SessionId) {
    let gateway = Gateway::start().await;
    let session = gateway.create(agent).await;
    let mut ann = gateway.listen(&session).await;
    for text in prompts {
        gateway.prompt(&session, text).await;
        ann.turns(1).await;
    }
    (gateway, session)
}

#[tokio::test]
async fn pages_forwards_are_pages_backwards_the_other_way_round_whatever_their_size() {
    let prompts = ["one\n", "!think so\ntwo\n!tool look {} => seen\nthree\n", "!fail broken no\n", "four\n"];
    let (gateway, session) = with_turns("script", &prompts).await;
    let wanted = backwards(&gateway, &session, 3).await;
    assert_eq!(wanted.len(), 7, "a turn that failed at once has said nothing");
    for limit in [1, 2, 3, 7, 200] {
        assert_eq!(messages(&behind(&gateway, &session, 0, limit).await), wanted, "{limit} at once");
    }
}

#[tokio::test]
async fn every_number_of_the_log_is_a_place_to_go_on_from() {
    let (gateway, session) = with_turns("script", &["one\ntwo\n!tool look {} => seen\n", "three\n"]).await;
    let all = behind(&gateway, &session, 0, 10).await;
    let tip = gateway.view(&session).await.position.seq;
    for after in 0..=tip + 1 {
        let wanted: Vec<_> = all.iter().filter(|(seq, _)| seq.get() > after).cloned().collect();
        // Also from within a message: it became whole behind that number, and is shown whole.
        assert_eq!(behind(&gateway, &session, after, 10).await, wanted, "behind {after}");
    }
}

#[tokio::test]
async fn the_number_of_a_message_is_that_of_the_event_that_completed_it() {
    let (gateway, session) = with_turns("script", &["one\n", "two\n"]).await;
    let mut log = gateway.listen(&session).await;
    log.turns(2).await;
    let wanted = log.notes.iter().filter_map(|logged| match &logged.event {
        Event::MessageAdded { message, .. } | Event::MessageCompleted { message } => {
            Some((logged.seq, message.id.clone()))
        }
        _ => None,
    });
    let found = behind(&gateway, &session, 0, 2).await.into_iter().map(|(seq, whole)| (seq, whole.message.id));
    assert_eq!(found.collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
}

#[tokio::test]
async fn what_was_reverted_is_left_out() {
    let (gateway, session) = with_turns("echo", &["one", "two", "three"]).await;
    let message = gateway.view(&session).await.recent[1].message.id.clone();
    gateway.run(&person("ann"), &session, Command::Revert { message, inclusive: false }).await.unwrap();
    let mut ann = gateway.listen(&session).await;
    gateway.prompt(&session, "other").await;
    ann.turns(4).await;
    let wanted = backwards(&gateway, &session, 10).await;
    assert_eq!(wanted.len(), 4);
    let tip = gateway.view(&session).await.position.seq;
    for limit in [1, 3, 10] {
        assert_eq!(messages(&behind(&gateway, &session, 0, limit).await), wanted, "{limit} at once");
    }
    for after in 0..tip {
        let found = messages(&behind(&gateway, &session, after, 10).await);
        assert!(wanted.ends_with(&found), "behind {after}: {found:#?}");
    }
}

#[tokio::test]
async fn an_answer_is_left_out_until_its_turn_ends_and_then_found_from_where_the_pages_stopped() {
    let gateway = Gateway::start().await;
    let session = gateway.create("script").await;
    let mut ann = gateway.listen(&session).await;
    gateway.prompt(&session, "begun\n!waitsteer\n").await;
    ann.until(|event| matches!(event, Event::PartDelta { .. }).then_some(())).await;
    let ann_herself = person("ann").identity;
    let page = gateway.engine.messages_after(&ann_herself, &session, 0, 10).await.unwrap();
    assert_eq!((page.items.len(), page.more), (1, false), "only the prompt is whole");
    gateway.run(&person("ann"), &session, Command::Steer { text: "ended".into() }).await.unwrap();
    ann.turns(1).await;
    let rest = gateway.engine.messages_after(&ann_herself, &session, page.next, 10).await.unwrap();
    let [(_, answer)] = &rest.items[..] else { panic!("{rest:#?}") };
    assert_eq!(answer.message.status, MessageStatus::Completed);
    assert!(!answer.truncated);
    let text: String = answer.parts.iter().filter_map(|part| part.body.text()).collect();
    assert!(text.starts_with("begun\n") && text.contains("ended"), "{text:?}");
}

#[tokio::test]
async fn a_turn_of_a_hundred_thousand_results_does_not_keep_the_next_message_away() {
    let (gateway, session) = with_turns("script", &["!flood 100000 100\n", "behind it\n"]).await;
    let all = behind(&gateway, &session, 0, 50).await;
    assert_eq!(all.len(), 4, "each of them once");
    let huge = &all[1].1;
    assert!(huge.truncated && !huge.parts.is_empty(), "a bounded piece of it, and said so");
    let ann = person("ann").identity;
    assert_eq!(gateway.engine.message(&ann, &session, &huge.message.id).await.unwrap(), *huge);
    let first = gateway.engine.messages_after(&ann, &session, 0, 50).await.unwrap();
    assert_eq!((first.items.len(), first.more), (1, true), "one call looks at a bounded stretch of the log");
    assert_eq!(messages(&behind(&gateway, &session, 0, 1).await), messages(&all));
}

#[tokio::test]
async fn another_tenant_finds_no_such_session() {
    let (gateway, session) = with_turns("echo", &["one"]).await;
    let mut stranger = person("eve").identity;
    stranger.tenant = rejoin_core::id::TenantId::new("elsewhere").unwrap();
    let found = gateway.engine.messages_after(&stranger, &session, 0, 10).await;
    assert_eq!(found.unwrap_err().code(), "not_found");
}
