//! The real program and a phone: sessions appear in the Happy app, also when the gateway is killed again and again.

mod shared;

use std::collections::BTreeSet;
use std::time::Duration;

use rejoin_sdk::happy::payload::{AgentContent, AgentMessage, Ev, Message, Metadata};
use rejoin_sdk::happy::seal::{AccountSecret, Link};
use rejoin_sdk::happy::{
    Account, AskStatus, Followed, NewSession, OpenedSession, Options, SessionClient, SessionMessages, SessionNews,
    SessionOptions, UserClient,
};
use serde_json::{Value, json};
use shared::{Gateway, lines};
use tokio::time::{interval, timeout};

/// Longer than anything here takes, so that a hang fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(120);

struct Phone {
    account: Account,
    user: UserClient,
}

impl Phone {
    async fn new(gateway: &Gateway) -> Phone {
        let options = Options::new(&format!("{}/happy", gateway.url)).unwrap();
        let account = Account::sign_in(&options, &AccountSecret::random()).await.unwrap();
        let user = account.user_client(true);
        Phone { account, user }
    }

    /// Agrees to a link, as soon as the gateway asks for it.
    async fn lets_in(&self, show: &str) {
        let link: Link = show.parse().unwrap();
        let Link::Terminal(key) = &link else { panic!("{show}") };
        soon(async || {
            let (status, _) = self.account.terminal_status(key).await.unwrap();
            (status == AskStatus::Pending).then_some(())
        })
        .await;
        self.account.let_in(&link).await.unwrap();
    }

    async fn sees(&self) -> OpenedSession {
        soon(async || self.account.sessions().await.ok()?.pop()).await
    }
}

/// Looks again until there is an answer.
async fn soon<T>(look: impl AsyncFn() -> Option<T>) -> T {
    let mut every = interval(Duration::from_millis(50));
    let wait = async {
        loop {
            every.tick().await;
            if let Some(found) = look().await {
                return found;
            }
        }
    };
    timeout(PATIENCE, wait).await.expect("it comes in time")
}

/// What a phone has heard, up to a message that is what one waits for.
async fn hears(messages: &mut SessionMessages, heard: &mut Vec<Followed>, wanted: impl Fn(&[Followed]) -> bool) {
    let wait = async {
        while !wanted(heard) {
            heard.push(messages.next().await.expect("the phone listens"));
        }
    };
    timeout(PATIENCE, wait).await.expect("the phone hears it in time");
}

fn count(heard: &[Followed], wanted: impl Fn(&Ev) -> bool) -> usize {
    let said = |followed: &&Followed| match followed.message.as_ref().expect("the phone can open it") {
        Message::Session(message) => wanted(&message.content.ev),
        _ => false,
    };
    heard.iter().filter(said).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn linking_shows_a_code_and_ends_when_somebody_agreed() {
    let gateway = Gateway::start();
    assert_eq!(gateway.ok(&["happy", "status"]), "not linked; `rejoin happy link` does it");
    let session = gateway.ok(&["new", "--agent", "echo"]);
    let early = gateway.run(&["happy", "share", &session]);
    assert_eq!(early.code, 3, "{early:?}");
    assert!(early.err.contains("rejoin happy link"), "{early:?}");

    let phone = Phone::new(&gateway).await;
    let mut linking = gateway.going(&["happy", "link"]);
    linking.until("Scan this");
    let shown = linking.shown();
    assert!(shown.contains('█'), "{shown}");
    let show = shown.lines().find(|line| line.starts_with("happy://terminal?")).expect("the link as text");
    phone.lets_in(show).await;
    let said = linking.end();
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.trim_end().ends_with(&format!("linked with {}/happy", gateway.url)), "{said:?}");

    gateway.ok(&["happy", "share", &session]);
    assert!(gateway.ok(&["happy", "share", "--all-new"]).ends_with("new sessions are shared"));
    let status = gateway.json(&["happy", "status"]);
    assert_eq!((&status[0]["standing"], &status[0]["shareNew"]), (&Value::from("linked"), &Value::from(true)));
    assert_eq!(status[1]["session"], session.as_str());
    gateway.ok(&["happy", "unshare", &session]);
    assert_eq!(gateway.json(&["happy", "status"]).len(), 1);
    assert_eq!(gateway.run(&["happy", "link", "--server", "http://elsewhere.example"]).code, 4);
    gateway.ok(&["happy", "unlink"]);
    assert_eq!(gateway.json(&["happy", "status"])[0]["standing"], "none");
    for wrong in [&["happy", "share"][..], &["happy", "unshare"], &["happy", "link", "--server", "ftp://x"]] {
        assert!(matches!(gateway.run(wrong).code, 2 | 4), "{wrong:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_hears_each_thing_once_however_often_the_gateway_is_killed() {
    const ROUNDS: usize = 3;
    const STEPS: usize = 60;
    let mut gateway = Gateway::start();
    let phone = Phone::new(&gateway).await;
    let show = gateway.json(&["happy", "link", "--no-wait"])[0]["show"].as_str().unwrap().to_owned();
    phone.lets_in(&show).await;
    soon(async || (gateway.json(&["happy", "status"])[0]["standing"] == "linked").then_some(())).await;
    let session = gateway.ok(&["new", "--agent", "script"]);
    gateway.ok(&["happy", "share", &session]);
    let seen = phone.sees().await;
    let (mut chat, mut heard) = (phone.user.follow(&seen, 0), Vec::new());

    let steps = "!tool step {} after 5 => ok\n".repeat(STEPS);
    for round in 1..=ROUNDS {
        gateway.ok(&["prompt", "--no-wait", &session, &steps]);
        let begun = |heard: &[Followed]| count(heard, |ev| matches!(ev, Ev::TurnStart));
        hears(&mut chat, &mut heard, |heard| begun(heard) == round).await;
        let before = count(&heard, |ev| matches!(ev, Ev::ToolCallEnd { .. }));
        let some = |heard: &[Followed]| count(heard, |ev| matches!(ev, Ev::ToolCallEnd { .. })) > before + 5 * round;
        hears(&mut chat, &mut heard, some).await;
        gateway.kill();
        gateway.start_again();
    }
    gateway.ok(&["prompt", &session, "the end"]);
    let last = |heard: &[Followed]| count(heard, |ev| matches!(ev, Ev::TurnEnd { .. })) == ROUNDS + 1;
    hears(&mut chat, &mut heard, last).await;

    let log = lines(&gateway.ok(&["events", &session, "--json"]));
    let calls = |kind: &str, over: bool| -> BTreeSet<String> {
        let tools = log.iter().filter(|event| event["type"] == kind && event["part"]["kind"] == "tool");
        let tools = tools.filter(|event| !over || event["part"]["state"]["status"] != "pending");
        tools.map(|event| event["part"]["call"].as_str().unwrap().to_owned()).collect()
    };
    let begun = &calls("partStarted", false) | &calls("partCompleted", false);
    assert!(begun.len() > ROUNDS * 5, "{begun:?}");
    assert_eq!(count(&heard, |ev| matches!(ev, Ev::ToolCallStart { .. })), begun.len());
    assert_eq!(count(&heard, |ev| matches!(ev, Ev::ToolCallEnd { .. })), begun.len());
    assert_eq!(count(&heard, |ev| matches!(ev, Ev::TurnStart)), ROUNDS + 1);
    assert_eq!(count(&heard, |ev| matches!(ev, Ev::Text { text, .. } if text.trim() == "the end")), 1);
    let prompts = heard.iter().filter(|followed| matches!(followed.message, Some(Message::User(_)))).count();
    assert_eq!(prompts, ROUNDS + 1);

    // In the order of the log, each under a name of its own.
    let place = |followed: &Followed| -> (u64, u64) {
        let name = followed.local_id.as_deref().expect("all of it is the bridge's");
        let mut numbers = name.rsplit_once(':').unwrap().1.split('.').skip(1).map(|number| number.parse().unwrap());
        (numbers.next().unwrap(), numbers.next().unwrap_or(0))
    };
    let places: Vec<_> = heard.iter().map(place).collect();
    assert!(places.is_sorted_by(|one, next| one < next), "{places:?}");
}

/// The numbers that one writer's messages carry, in the order in which they were heard.
fn numbers_of(heard: &[Message], writer: &str) -> Vec<u64> {
    let number = |message: &Message| {
        let Message::Agent(AgentMessage { content: AgentContent::Codex { data }, .. }) = message else { return None };
        (data["writer"] == writer).then(|| data["number"].as_u64())?
    };
    heard.iter().filter_map(number).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_writers_say_in_a_burst_arrives_once_and_in_order_however_often_the_gateway_is_killed() {
    const EACH: u64 = 2_000;
    /// This one does not fit through a socket.
    const LARGE: u64 = 700;
    let mut gateway = Gateway::start();
    let phone = Phone::new(&gateway).await;
    let session = phone.account.create_session(&NewSession::new(Metadata::default())).await.unwrap();
    let writer = || phone.account.session_client(&session, SessionOptions::default()).unwrap();
    let (ann, bob) = (writer(), writer());
    let mut bob_hears = bob.news();
    let says = async |client: SessionClient, name: &'static str| {
        for number in 0..EACH {
            client.outbox_room().await;
            let padding = if number == LARGE { "x".repeat(1_200_000) } else { String::new() };
            client.send_codex_message(json!({ "writer": name, "number": number, "padding": padding })).unwrap();
        }
        client.flush_within(PATIENCE).await.unwrap();
    };
    let speaking = [tokio::spawn(says(ann.clone(), "ann")), tokio::spawn(says(bob.clone(), "bob"))];
    let (mut chat, mut heard) = (phone.user.follow(&session, 0), Vec::new());
    for round in 1..=3 {
        hears(&mut chat, &mut heard, |heard| heard.len() >= round * 600).await;
        gateway.kill();
        gateway.start_again();
    }
    for writer in speaking {
        writer.await.unwrap();
    }
    hears(&mut chat, &mut heard, |heard| heard.len() as u64 == EACH * 2).await;
    let seqs: Vec<u64> = heard.iter().map(|followed| followed.seq).collect();
    assert_eq!(seqs, (1..=EACH * 2).collect::<Vec<_>>());
    let heard: Vec<Message> = heard.into_iter().map(|followed| followed.message.expect("it can be opened")).collect();
    let all: Vec<u64> = (0..EACH).collect();
    assert_eq!(numbers_of(&heard, "ann"), all);
    assert_eq!(numbers_of(&heard, "bob"), all);

    // Each of the two hears the other, and not itself.
    let mut others = Vec::new();
    let wait = async {
        while others.len() as u64 != EACH {
            if let Some(SessionNews::Message { message, .. }) = bob_hears.next().await {
                others.push(*message);
            }
        }
    };
    timeout(PATIENCE, wait).await.expect("bob hears all of it");
    assert_eq!(numbers_of(&others, "ann"), all);
    soon(async || (bob.cursor() == EACH * 2).then_some(())).await;
}
