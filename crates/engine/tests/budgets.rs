//! What a tenant may spend, all its sessions together.

use rejoin_core::command::Command;
use rejoin_core::event::Event;
use rejoin_core::id::{SessionId, TenantId};
use rejoin_core::turn::{IfBusy, Outcome};
use rejoin_core::who::Role;
use rejoin_ports::gateway::{Budget, Budgets, Caller, Sessions};
use rejoin_ports::store::StoreError;
use rejoin_testkit::{Gateway, Listener, person};

const DOLLAR: u64 = 1_000_000;

async fn budget(gateway: &Gateway) -> Option<Budget> {
    gateway.engine.get(&person("ann")).await.unwrap()
}

async fn spent(gateway: &Gateway) -> u64 {
    budget(gateway).await.expect("there is a budget").spent_micros
}

async fn allow(gateway: &Gateway, micros: u64) {
    let set = gateway.engine.set(&person("ann"), micros).await.unwrap();
    assert_eq!((set.limit_micros, set.spent_micros), (micros, 0));
}

fn prompt(text: &str) -> Command {
    Command::Prompt { text: text.to_owned(), attachments: Vec::new(), if_busy: IfBusy::Queue, reference: None }
}

async fn refused(gateway: &Gateway, who: &Caller, session: &SessionId, text: &str) -> &'static str {
    let refused = gateway.run(who, session, prompt(text)).await;
    refused.expect_err("there is no money").code()
}

/// How a turn of a fresh script session ends.
async fn turn(gateway: &Gateway, session: &SessionId, listener: &mut Listener, text: &str) -> Outcome {
    gateway.prompt(session, text).await;
    listener.turns(1).await
}

fn used_up(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed { code, message, .. } if code == "budget_exceeded" && message.contains("tenant"))
}

#[tokio::test]
async fn a_turn_that_spends_the_last_of_it_ends_and_no_other_begins() {
    let gateway = Gateway::start().await;
    let session = gateway.create("script").await;
    let mut ann = gateway.listen(&session).await;
    assert_eq!(turn(&gateway, &session, &mut ann, "!usage 10 10 7\n").await, Outcome::Completed);
    assert_eq!(budget(&gateway).await, None, "nothing bounds it");
    allow(&gateway, DOLLAR).await;
    assert_eq!(turn(&gateway, &session, &mut ann, "!usage 10 10 0.4\n").await, Outcome::Completed);
    assert_eq!(spent(&gateway).await, 400_000, "what was spent before does not count");
    let outcome = turn(&gateway, &session, &mut ann, "!usage 10 10 0.6\nnever said\n").await;
    assert!(used_up(&outcome), "{outcome:?}");
    assert!(!ann.text().contains("never said"));
    assert_eq!(spent(&gateway).await, DOLLAR);
    let tip = gateway.view(&session).await.position;
    assert_eq!(refused(&gateway, &person("ann"), &session, "more").await, "budget_exceeded");
    assert_eq!(gateway.view(&session).await.position, tip, "refused before anything happens");
    let other = gateway.create("echo").await;
    assert_eq!(refused(&gateway, &person("bob"), &other, "hello").await, "budget_exceeded");
}

#[tokio::test]
async fn a_budget_of_nothing_refuses_every_turn_until_it_is_cleared() {
    let gateway = Gateway::start().await;
    allow(&gateway, 0).await;
    let session = gateway.create("echo").await;
    assert_eq!(refused(&gateway, &person("ann"), &session, "hello").await, "budget_exceeded");
    let steered = gateway.run(&person("ann"), &session, Command::Compact).await;
    assert_eq!(steered.unwrap_err().code(), "too_little", "what is refused anyway is refused for its own reason");
    gateway.engine.clear(&person("ann")).await.unwrap();
    gateway.engine.clear(&person("ann")).await.unwrap();
    assert_eq!(budget(&gateway).await, None);
    let mut ann = gateway.listen(&session).await;
    assert_eq!(turn(&gateway, &session, &mut ann, "hello").await, Outcome::Completed);
}

#[tokio::test]
async fn what_waits_goes_on_when_there_is_money_again_also_in_sessions_that_have_left_memory() {
    let gateway = Gateway::forgetful().await;
    allow(&gateway, DOLLAR).await;
    let session = gateway.create("script").await;
    let mut ann = gateway.listen(&session).await;
    gateway.prompt(&session, "!waitsteer\n!usage 1 1 1\n").await;
    gateway.prompt(&session, "it waited\n").await;
    gateway.run(&person("ann"), &session, Command::Steer { text: "go".into() }).await.unwrap();
    assert!(used_up(&ann.turns(1).await));
    assert_eq!(gateway.view(&session).await.queue.len(), 1);
    while gateway.engine.figures().sessions > 0 {
        tokio::task::yield_now().await; // its owner leaves at once when it has nothing to do
    }
    allow(&gateway, DOLLAR).await;
    assert_eq!(ann.turns(1).await, Outcome::Completed);
    assert!(ann.text().contains("it waited"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_sessions_that_spend_at_once_spend_together() {
    let gateway = Gateway::start().await;
    let mut sessions = Vec::new();
    for _ in 0..2 {
        let session = gateway.create("script").await;
        let listener = gateway.listen(&session).await;
        sessions.push((session, listener));
    }
    // Twenty reports reach it, whoever makes them, and each of the two would make that many.
    allow(&gateway, 10 * DOLLAR).await;
    let reports = "!usage 1 1 0.5\n".repeat(20);
    for (session, _) in &sessions {
        gateway.prompt(session, &format!("!waitsteer\n{reports}")).await;
    }
    let (ann, go) = (person("ann"), || Command::Steer { text: "go".into() });
    let (one, two) = tokio::join!(gateway.run(&ann, &sessions[0].0, go()), gateway.run(&ann, &sessions[1].0, go()));
    one.and(two).unwrap();
    let mut ended = Vec::new();
    for (_, listener) in &mut sessions {
        ended.push(listener.turns(1).await);
    }
    assert!(ended.iter().all(used_up), "both together reach it: {ended:?}");
    let reports = |listener: &Listener| {
        let all = listener.notes.iter().filter(|logged| matches!(logged.event, Event::UsageReported { .. }));
        all.count() as u64
    };
    let reported: u64 = sessions.iter().map(|(_, listener)| reports(listener)).sum();
    assert_eq!(spent(&gateway).await, reported * DOLLAR / 2, "what the logs say is what was counted");
    assert_eq!(reported, 21, "one reaches it and ends its turn; the other session's next one ends that");
    for (session, _) in &sessions {
        assert_eq!(refused(&gateway, &person("ann"), session, "more").await, "budget_exceeded");
    }
}

#[tokio::test]
async fn another_tenant_does_not_notice() {
    let gateway = Gateway::start().await;
    allow(&gateway, 0).await;
    let mut stranger = person("eve");
    stranger.identity.tenant = TenantId::new("elsewhere").unwrap();
    let created = gateway.engine.create(&stranger, Gateway::new_session("script")).await.unwrap();
    let session = created.header.id;
    gateway.run(&stranger, &session, prompt("!usage 1 1 5\n")).await.unwrap();
    while gateway.engine.header(&stranger.identity, &session).await.unwrap().0.usage.cost_micros.is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(gateway.engine.get(&stranger).await.unwrap(), None);
    assert_eq!(spent(&gateway).await, 0);
}

#[tokio::test]
async fn what_was_spent_is_known_in_the_next_life_to_the_last_report_that_was_shown() {
    for crash in [false, true] {
        let gateway = Gateway::start().await;
        allow(&gateway, DOLLAR).await;
        let session = gateway.create("script").await;
        let mut ann = gateway.listen(&session).await;
        gateway.prompt(&session, "!usage 1 1 0.3\n!usage 1 1 0.3\nshown\n!sleep 600000\n").await;
        ann.until(|event| matches!(event, Event::PartDelta { .. }).then_some(())).await;
        gateway.prompt(&session, "!usage 1 1 0.4\n").await;
        let gateway = if crash { gateway.crash().await } else { gateway.restart().await };
        let mut ann = gateway.listen(&session).await;
        assert!(matches!(ann.turns(1).await, Outcome::Interrupted { .. }));
        // What waited in the queue goes on in the next life, and spends the rest.
        assert!(used_up(&ann.turns(1).await));
        assert_eq!(spent(&gateway).await, DOLLAR);
        let gateway = gateway.restart().await;
        assert_eq!(refused(&gateway, &person("ann"), &session, "more").await, "budget_exceeded");
        assert_eq!(spent(&gateway).await, DOLLAR);
    }
}

#[tokio::test]
async fn prompts_that_wait_for_money_wait_on_in_the_next_life() {
    let gateway = Gateway::start().await;
    allow(&gateway, DOLLAR).await;
    let session = gateway.create("script").await;
    let mut ann = gateway.listen(&session).await;
    gateway.prompt(&session, "!waitsteer\n!usage 1 1 1\n").await;
    gateway.prompt(&session, "it waited\n").await;
    gateway.run(&person("ann"), &session, Command::Steer { text: "go".into() }).await.unwrap();
    assert!(used_up(&ann.turns(1).await));
    let gateway = gateway.restart().await;
    let mut ann = gateway.listen(&session).await;
    assert!(used_up(&ann.turns(1).await));
    assert_eq!(gateway.view(&session).await.queue.len(), 1);
    gateway.engine.clear(&person("ann")).await.unwrap();
    assert_eq!(ann.turns(1).await, Outcome::Completed);
}

#[tokio::test]
async fn what_the_disk_did_not_take_was_not_spent() {
    let gateway = Gateway::start().await;
    allow(&gateway, DOLLAR).await;
    let session = gateway.create("script").await;
    let mut ann = gateway.listen(&session).await;
    gateway.prompt(&session, "before\n!sleep 20\n!usage 1 1 0.9\n!sleep 600000\n").await;
    ann.until(|event| matches!(event, Event::PartDelta { .. }).then_some(())).await;
    gateway.store.fail_writes(Some(StoreError::Full { doing: "committing" }));
    while gateway.engine.figures().turns > 0 {
        tokio::task::yield_now().await; // the report comes, and its owner leaves without having kept it
    }
    gateway.store.fail_writes(None);
    gateway.clock.advance(2_000); // the session is looked at again after a moment
    assert!(matches!(ann.turns(1).await, Outcome::Interrupted { .. }));
    assert!(!ann.notes.iter().any(|logged| matches!(logged.event, Event::UsageReported { .. })));
    assert_eq!(spent(&gateway).await, 0);
    assert_eq!(turn(&gateway, &session, &mut ann, "!usage 1 1 0.2\n").await, Outcome::Completed);
    assert_eq!(spent(&gateway).await, 200_000);
}

#[tokio::test]
async fn a_deleted_session_has_spent_what_it_has_spent() {
    let gateway = Gateway::start().await;
    allow(&gateway, DOLLAR).await;
    let session = gateway.create("script").await;
    let mut ann = gateway.listen(&session).await;
    turn(&gateway, &session, &mut ann, "!usage 1 1 0.25\n").await;
    gateway.engine.delete(&person("ann"), &session).await.unwrap();
    assert_eq!(spent(&gateway).await, 250_000);
}

#[tokio::test]
async fn money_is_for_those_whom_the_table_names() {
    let gateway = Gateway::start().await;
    let with = |role| {
        let mut caller = person("ann");
        caller.identity.role = role;
        caller
    };
    for (role, reads, writes) in [
        (Role::Owner, true, true),
        (Role::BillingAdmin, true, true),
        (Role::Admin, true, false),
        (Role::Member, false, false),
        (Role::Viewer, false, false),
    ] {
        let caller = with(role);
        assert_eq!(gateway.engine.get(&caller).await.is_ok(), reads, "{role:?}");
        assert_eq!(gateway.engine.set(&caller, 5).await.is_ok(), writes, "{role:?}");
        assert_eq!(gateway.engine.clear(&caller).await.is_ok(), writes, "{role:?}");
    }
    let far = gateway.engine.set(&with(Role::Owner), 1 << 53).await;
    assert_eq!(far.unwrap_err().code(), "invalid_request");
    gateway.engine.set(&with(Role::Owner), (1 << 53) - 1).await.unwrap();
}
