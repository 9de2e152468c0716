//! A whole gateway, its own Happy door, and a phone: a hosted session appears in the apps, and is led from there.

use std::path::Path;
use std::time::Duration;

use rejoin_happy::client::seal::{AccountSecret, Link};
use rejoin_happy::client::{
    Account, Followed, Opened, OpenedSession, Options as HappyOptions, SessionMessages, UserClient, UserNews,
};
use rejoin_happy::payload::{
    AgentContent, AgentState, Ev, Message, PermissionAnswer, RequestStatus, SessionEvent, TurnStatus, UserMessage,
};
use rejoin_native::client::types::command::Command;
use rejoin_native::client::types::event::Event;
use rejoin_native::client::types::id::SessionId;
use rejoin_native::client::types::{LinkStanding, NewLink, ShareStanding};
use rejoin_native::client::{Client, Error, Happened, Item, JoinFrom, NewSession};
use rejoin_server::{Config, Options, Overrides, Running, Server};
use serde_json::json;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes, so that a hang fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(120);
const HAPPY: &str = "happy";
const SECRET: &str = "a secret of thirty-two bytes or more";

/// A gateway, and its owner.
struct Gateway {
    running: Running,
    owner: Client,
}

impl Gateway {
    async fn start(data: &Path) -> Gateway {
        let mut options = Options {
            data: Some(data.to_path_buf()),
            listen: Some("127.0.0.1:0".parse().unwrap()),
            ..Options::default()
        };
        options.jwt.secret = Some(SECRET.to_owned());
        let config = Config::from(options, &|_| None).unwrap();
        let running = Server::start(config, Overrides::default()).await.unwrap();
        let key = std::fs::read_to_string(data.join("owner.key")).unwrap();
        let owner = Client::new(running.url(), key.trim()).unwrap();
        Gateway { running, owner }
    }

    fn happy(&self) -> HappyOptions {
        HappyOptions::new(&format!("{}/happy", self.running.url())).unwrap()
    }

    async fn session(&self) -> SessionId {
        self.owner.create(NewSession::with_agent("script").titled("Fix login")).await.unwrap().header.id
    }

    async fn says(&self, session: &SessionId, text: &str) {
        let prompt = Command::Prompt {
            text: text.to_owned(),
            attachments: Vec::new(),
            if_busy: Default::default(),
            reference: None,
        };
        self.owner.run(session, prompt).await.unwrap();
    }

    /// The log, until an event is what one waits for.
    async fn until(&self, session: &SessionId, wanted: impl Fn(&Event) -> bool) -> Vec<Happened> {
        let mut attached = self.owner.attach(session, JoinFrom::Start);
        let wait = async {
            let mut events = Vec::new();
            while let Some(item) = attached.next().await {
                if let Item::Event(happened) = item.unwrap() {
                    let found = wanted(&happened.logged.event);
                    events.push(*happened);
                    if found {
                        return events;
                    }
                }
            }
            panic!("the log ended");
        };
        timeout(PATIENCE, wait).await.expect("the event comes in time")
    }

    async fn link(&self, phone: &Phone) {
        let link = self.owner.link_integration(HAPPY, &NewLink::default()).await.unwrap();
        assert_eq!(link.standing, LinkStanding::Waiting);
        let show: Link = link.show.unwrap().parse().unwrap();
        // The gateway has to have asked before anybody can agree.
        let Link::Terminal(key) = &show else { panic!("no terminal") };
        soon("the gateway asks", async || {
            let (status, _) = phone.account.terminal_status(key).await.unwrap();
            (status == rejoin_happy::client::AskStatus::Pending).then_some(())
        })
        .await;
        phone.account.let_in(&show).await.unwrap();
        soon("the gateway is linked", async || {
            let link = self.owner.integration(HAPPY).await.unwrap();
            (link.standing == LinkStanding::Linked).then_some(())
        })
        .await;
    }

    async fn share(&self, session: &SessionId) {
        self.owner.share(HAPPY, session).await.unwrap();
        self.until_live(session).await;
    }

    async fn until_live(&self, session: &SessionId) {
        let seen = std::cell::RefCell::new(None);
        let live = soon("the share is live", async || {
            let shares = self.owner.shares(HAPPY).await.unwrap();
            let share = shares.into_iter().find(|share| share.session == *session)?;
            let is_live = share.standing == ShareStanding::Live;
            seen.replace(Some(share));
            is_live.then_some(())
        });
        // How it stands tells more than that it took too long.
        tokio::select! {
            () = live => {}
            () = tokio::time::sleep(PATIENCE / 2) => panic!("{:?}", seen.borrow()),
        }
    }

    async fn stop(self) {
        let hurry = CancellationToken::new();
        hurry.cancel();
        self.running.stop(hurry).await.unwrap();
    }
}

/// Looks again until there is an answer.
async fn soon<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let mut every = tokio::time::interval(Duration::from_millis(50));
    let wait = async {
        loop {
            every.tick().await;
            if let Some(found) = look().await {
                return found;
            }
        }
    };
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what}: not in time"))
}

/// Somebody with the Happy app.
struct Phone {
    account: Account,
    user: UserClient,
}

impl Phone {
    async fn new(gateway: &Gateway) -> Phone {
        Phone::of(gateway, &AccountSecret::random()).await
    }

    async fn of(gateway: &Gateway, secret: &AccountSecret) -> Phone {
        let account = Account::sign_in(&gateway.happy(), secret).await.unwrap();
        let user = account.user_client(true);
        user.connected(PATIENCE).await.unwrap();
        Phone { account, user }
    }

    async fn sees(&self) -> OpenedSession {
        soon("a session in the app", async || self.account.sessions().await.unwrap().pop()).await
    }

    fn follows(&self, session: &OpenedSession) -> Chat {
        Chat { messages: self.user.follow(session, 0), heard: Vec::new() }
    }

    /// The agent state, as soon as it is what one waits for.
    async fn state(&self, session: &OpenedSession, wanted: impl Fn(&AgentState) -> bool) -> AgentState {
        soon("the agent state", async || {
            let now = self.account.session(session.id()).await.unwrap().unwrap();
            now.agent_state().filter(|state| wanted(state))
        })
        .await
    }

    async fn says(&self, session: &OpenedSession, text: &str) {
        self.user.send_user_message(session, UserMessage::new(text)).await.unwrap();
    }
}

/// What a phone shows of a session.
struct Chat {
    messages: SessionMessages,
    heard: Vec<Followed>,
}

impl Chat {
    /// Everything up to a message that is what one waits for, in short.
    async fn until(&mut self, wanted: &str) -> Vec<String> {
        let mut lines = Vec::new();
        let wait = async {
            while let Some(message) = self.messages.next().await {
                let line = short(message.message.as_ref().expect("the phone can open it"));
                self.heard.push(message);
                lines.push(line.clone());
                if line == wanted {
                    return;
                }
            }
            panic!("the chat ended");
        };
        let in_time = timeout(PATIENCE, wait).await;
        assert!(in_time.is_ok(), "no {wanted:?} in {lines:?}");
        lines
    }
}

fn short(message: &Message) -> String {
    match message {
        Message::User(message) => format!("user: {}", message.text()),
        Message::Agent(message) => match &message.content {
            AgentContent::Event { data: SessionEvent::Ready, .. } => "ready".to_owned(),
            AgentContent::Event { data: SessionEvent::Message { message }, .. } => format!("note: {message}"),
            other => format!("{other:?}"),
        },
        Message::Session(message) => match &message.content.ev {
            Ev::Text { text, thinking: None } => format!("text: {}", text.trim()),
            Ev::Text { text, .. } => format!("thinking: {}", text.trim()),
            Ev::ToolCallStart { name, .. } => format!("{name} begins"),
            Ev::ToolCallEnd { .. } => "it ends".to_owned(),
            Ev::TurnStart => "turn".to_owned(),
            Ev::TurnEnd { status: TurnStatus::Completed } => "completed".to_owned(),
            Ev::TurnEnd { status: TurnStatus::Cancelled } => "cancelled".to_owned(),
            other => format!("{other:?}"),
        },
        Message::Other(other) => format!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hosted_session_is_seen_and_led_from_a_phone() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(folder.path()).await;
    let phone = Phone::new(&gateway).await;
    let session = gateway.session().await;
    gateway.says(&session, "!think hm\n!tool grep {\"pattern\": \"x\"} => found\nhello").await;
    gateway.link(&phone).await;
    gateway.share(&session).await;

    // What was before.
    let seen = phone.sees().await;
    let metadata = seen.metadata().unwrap();
    assert_eq!((metadata.name.as_deref(), metadata.flavor.as_deref()), (Some("Fix login"), Some("script")));
    let mut chat = phone.follows(&seen);
    let told = chat.until("ready").await;
    let prompt = "user: !think hm\n!tool grep {\"pattern\": \"x\"} => found\nhello";
    assert_eq!(told, [prompt, "turn", "thinking: hm", "grep begins", "it ends", "text: hello", "completed", "ready"]);

    // A permission, given on the phone.
    gateway.says(&session, "!guarded deploy {\"to\": \"production\"} => deployed").await;
    let waits = |state: &AgentState| state.requests.as_ref().is_some_and(|requests| !requests.is_empty());
    let state = phone.state(&seen, waits).await;
    let (id, request) = state.requests.unwrap().pop_first().unwrap();
    assert_eq!((request.tool.as_str(), &request.arguments), ("deploy", &json!({ "to": "production" })));
    phone.user.answer_permission(&seen, &PermissionAnswer::approve(&id)).await.unwrap();
    let told = chat.until("ready").await;
    assert_eq!(told[1..], ["turn", "deploy begins", "it ends", "completed", "ready"]);
    let state = phone.state(&seen, |state| !waits(state)).await;
    assert_eq!(state.completed_requests.unwrap()[&id].status, RequestStatus::Approved);
    let log = gateway.until(&session, |event| matches!(event, Event::AskAnswered { .. })).await;
    assert_eq!(log.last().unwrap().logged.author.door, HAPPY);

    // A prompt from the phone comes back as a turn, and not as a prompt.
    phone.says(&seen, "hi from the phone").await;
    assert_eq!(
        chat.until("ready").await,
        ["user: hi from the phone", "turn", "text: hi from the phone", "completed", "ready"]
    );
    let ended = std::cell::Cell::new(0);
    let log = gateway
        .until(&session, |event| {
            ended.set(ended.get() + usize::from(matches!(event, Event::TurnEnded { .. })));
            ended.get() == 3
        })
        .await;
    let prompts = log.iter().filter(|happened| matches!(&happened.logged.event, Event::TurnStarted { .. })).count();
    assert_eq!(prompts, 3);

    // Stop, from the phone.
    phone.says(&seen, "!sleep 600000").await;
    chat.until("turn").await;
    phone.user.abort(&seen, None).await.unwrap();
    chat.until("cancelled").await;

    // It is put away from the phone, and the apps see that it is over.
    phone.user.kill_session(&seen).await.unwrap();
    gateway.until(&session, |event| matches!(event, Event::SessionClosed {})).await;
    soon("the session is archived", async || {
        let now = phone.account.session(seen.id()).await.unwrap().unwrap();
        (now.metadata()?.lifecycle_state.as_deref() == Some("archived") && !now.record.active).then_some(())
    })
    .await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_the_middle_loses_nothing_and_repeats_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(folder.path()).await;
    let secret = AccountSecret::random();
    let phone = Phone::of(&gateway, &secret).await;
    let session = gateway.session().await;
    gateway.link(&phone).await;
    gateway.share(&session).await;
    gateway.says(&session, "one").await;
    let seen = phone.sees().await;
    phone.follows(&seen).until("text: one").await;
    gateway.says(&session, "!guarded deploy {} => deployed").await;
    let waits = |state: &AgentState| state.requests.as_ref().is_some_and(|requests| !requests.is_empty());
    phone.state(&seen, waits).await;
    gateway.stop().await;

    let gateway = Gateway::start(folder.path()).await;
    let phone = Phone::of(&gateway, &secret).await;
    gateway.until_live(&session).await;
    let state = phone.state(&seen, waits).await;
    let (id, _) = state.requests.unwrap().pop_first().unwrap();
    phone.user.answer_permission(&seen, &PermissionAnswer::approve(&id)).await.unwrap();
    phone.says(&seen, "two").await;
    let mut chat = phone.follows(&seen);
    let told = chat.until("text: two").await;
    let expected = [
        "user: one",
        "turn",
        "text: one",
        "completed",
        "ready",
        "user: !guarded deploy {} => deployed",
        "turn",
        "deploy begins",
    ];
    assert_eq!(told[..expected.len()], expected);
    for line in ["it ends", "turn", "text: two", "user: two"] {
        let count = told.iter().filter(|told| *told == line).count();
        assert_eq!(count, if line == "turn" { 3 } else { 1 }, "{line} in {told:?}");
    }
    let mut names: Vec<_> = chat.heard.iter().filter_map(|message| message.local_id.clone()).collect();
    names.sort();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all, "each message has a name of its own");
    assert_eq!(phone.account.sessions().await.unwrap().len(), 1);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenant_shares_and_sees_nothing_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(folder.path()).await;
    let phone = Phone::new(&gateway).await;
    let session = gateway.session().await;
    gateway.link(&phone).await;
    gateway.share(&session).await;
    phone.sees().await;

    let claims = json!({ "sub": "eve", "tenant_id": "elsewhere", "exp": 4_000_000_000_u64 });
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
    let eve = Client::new(gateway.running.url(), token).unwrap();
    assert_eq!(eve.integration(HAPPY).await.unwrap().standing, LinkStanding::None);
    assert!(eve.shares(HAPPY).await.unwrap().is_empty());
    let refused = eve.share(HAPPY, &session).await;
    assert!(matches!(&refused, Err(Error::Problem(problem)) if problem.code == "not_found"), "{refused:?}");
    let other = Phone::new(&gateway).await;
    assert!(other.account.sessions().await.unwrap().is_empty());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_sessions_are_shared_when_that_is_wanted_and_unlinking_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(folder.path()).await;
    let phone = Phone::new(&gateway).await;
    gateway.link(&phone).await;
    let mut news = phone.user.news();
    assert!(gateway.owner.share_new_sessions(HAPPY, true).await.unwrap().share_new);
    let session = gateway.session().await;
    let told = async {
        loop {
            match news.next().await.expect("the phone listens") {
                UserNews::Update(update) if matches!(update.opened, Opened::Session(_)) => return,
                _ => {}
            }
        }
    };
    timeout(PATIENCE, told).await.expect("the phone hears of it");
    gateway.until_live(&session).await;

    gateway.owner.unlink_integration(HAPPY).await.unwrap();
    assert_eq!(gateway.owner.integration(HAPPY).await.unwrap().standing, LinkStanding::None);
    assert!(gateway.owner.shares(HAPPY).await.unwrap().is_empty());
    let seen = phone.sees().await;
    soon("the session is over in the app", async || {
        let now = phone.account.session(seen.id()).await.unwrap().unwrap();
        (!now.record.active).then_some(())
    })
    .await;
    gateway.stop().await;
}
