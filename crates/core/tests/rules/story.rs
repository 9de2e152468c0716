//! A session with its people, its agent and a clock that is moved by hand. Whatever is done, the log that comes of it is
//! numbered without gaps, and replaying it gives the session that was lived through.

use std::collections::BTreeMap;
use std::sync::Arc;

use rejoin_core::ask::{Answer, Ask, AskBody, Authority, Choice, Intent};
use rejoin_core::command::Command;
use rejoin_core::decide::{Decider, Facts, NewSession};
use rejoin_core::event::{Event, Logged};
use rejoin_core::grant::Scope;
use rejoin_core::happening::{FromAgent, Happening, NewAsk};
use rejoin_core::header::{AgentStatus, Config, SessionKind};
use rejoin_core::id::{AskId, CallId, ClientId, CountedIds, SessionId, TenantId, TurnId, UserId, WorkspaceId};
use rejoin_core::part::PartBody;
use rejoin_core::pattern::{Matcher, Pattern};
use rejoin_core::position::{Millis, Seq};
use rejoin_core::refusal::Refusal;
use rejoin_core::session::Session;
use rejoin_core::turn::{IfBusy, Outcome};
use rejoin_core::who::{Author, Role};

/// When stories begin.
pub const START: Millis = 1_000_000;

/// What a decision brought.
pub type Decided = Result<Vec<Event>, Refusal>;

pub struct Story {
    pub session: Session,
    /// What is in the log.
    pub log: Vec<Logged>,
    /// What is decided and not in the log yet.
    pub pending: Vec<Logged>,
    pub ids: CountedIds,
    pub now: Millis,
    /// Whether decisions gather in `pending` until [`Story::keep`]; otherwise each one is kept at once.
    pub gathers: bool,
    /// Whether the log is replayed after every decision. Stories with megabytes in them check once, at their end.
    pub checks: bool,
    pub stopping: bool,
    pub broke: bool,
    agent: Arc<Author>,
    gateway: Arc<Author>,
}

/// A session to be: hosted, with the agent `script`, in a workspace.
pub fn a_new_session() -> NewSession {
    NewSession {
        id: SessionId::new("s-1").unwrap(),
        tenant: TenantId::new("t-1").unwrap(),
        owner: None,
        kind: SessionKind::Hosted,
        agent: "script".into(),
        title: None,
        workspace: Some(WorkspaceId::new("w-1").unwrap()),
        profile: None,
        model: None,
        parent: None,
        root: None,
        origin: None,
        labels: BTreeMap::new(),
        tag: None,
        config: Config::default(),
        registers: BTreeMap::new(),
    }
}

impl Story {
    pub fn begin() -> Story {
        Story::of(a_new_session())
    }
    pub fn with(config: Config) -> Story {
        Story::of(NewSession { config, ..a_new_session() })
    }
    pub fn sealed() -> Story {
        Story::of(NewSession { kind: SessionKind::Sealed, ..a_new_session() })
    }
    pub fn of(new: NewSession) -> Story {
        let (session, log) = new.begin(START, person("ann", Some("laptop")), Vec::new()).expect("it may be created");
        Story {
            session,
            log,
            pending: Vec::new(),
            ids: CountedIds(0),
            now: START,
            gathers: false,
            checks: true,
            stopping: false,
            broke: false,
            agent: Arc::new(Author::agent()),
            gateway: Arc::new(Author::gateway()),
        }
    }

    pub fn ann(&mut self) -> Person<'_> {
        self.person("ann", Some("laptop"))
    }
    pub fn bob(&mut self) -> Person<'_> {
        self.person("bob", Some("phone"))
    }
    /// Whoever, from a connection without a client id.
    pub fn nobody(&mut self) -> Person<'_> {
        self.person("cid", None)
    }
    pub fn person(&mut self, user: &str, client: Option<&str>) -> Person<'_> {
        let facts = Facts { role: Some(Role::Member), stopping: self.stopping, broke: self.broke, ..Facts::default() };
        Person { author: person(user, client), facts, story: self }
    }
    /// The agent at work on the open turn.
    pub fn agent(&mut self) -> Agent<'_> {
        let turn = self.session.turn.as_ref().map(|turn| turn.id.clone());
        Agent { facts: Facts { broke: self.broke, ..Facts::default() }, story: self, turn }
    }
    /// The agent, still at work on a turn that may be over.
    pub fn agent_at(&mut self, turn: &TurnId) -> Agent<'_> {
        Agent { facts: Facts { broke: self.broke, ..Facts::default() }, story: self, turn: Some(turn.clone()) }
    }
    /// What the gateway does by itself.
    pub fn gateway(&mut self, decide: impl FnOnce(&mut Decider<'_>)) -> Vec<Event> {
        let facts = Facts { stopping: self.stopping, broke: self.broke, ..Facts::default() };
        let author = self.gateway.clone();
        self.decide(author, facts, |decider| {
            decide(decider);
            Ok(())
        })
        .expect("the gateway is not refused")
    }
    /// Time passes, and deadlines come.
    pub fn later(&mut self, millis: Millis) -> Vec<Event> {
        self.now += millis;
        self.gateway(|decider| decider.alarm())
    }

    pub fn decide(
        &mut self,
        author: Arc<Author>,
        facts: Facts,
        decide: impl FnOnce(&mut Decider<'_>) -> Result<(), Refusal>,
    ) -> Decided {
        let before = self.session.clone();
        let joined = self.pending.last().map(|last| last.event.clone());
        let already = self.pending.len();
        let decided = decide(&mut Decider {
            session: &mut self.session,
            pending: &mut self.pending,
            now: self.now,
            author,
            ids: &mut self.ids,
            facts,
        });
        if decided.is_err() {
            assert_eq!(self.session, before, "a refusal leaves nothing behind");
            assert_eq!(self.pending.len(), already, "a refusal leaves nothing behind");
            assert_eq!(self.pending.last().map(|last| &last.event), joined.as_ref());
        }
        let news = self.pending[already..].iter().map(|logged| logged.event.clone()).collect();
        if !self.gathers {
            self.keep();
        }
        if self.checks {
            self.check();
        }
        decided.map(|()| news)
    }

    /// The log takes what was decided.
    pub fn keep(&mut self) {
        self.log.append(&mut self.pending);
    }

    pub fn whole_log(&self) -> impl Iterator<Item = &Logged> + Clone {
        self.log.iter().chain(&self.pending)
    }

    /// Replaying the log, written and read again, equals living through it; and its numbers have no gap.
    pub fn check(&self) {
        let written = self.whole_log().map(|logged| Logged::read(&logged.to_json()).expect("what we write we read"));
        let read: Vec<Logged> = written.collect();
        assert!(self.whole_log().eq(&read), "a line comes back as it was");
        assert_eq!(Session::replay(&read).expect("a log"), self.session, "replaying equals living");
        assert!(read.iter().map(|logged| logged.seq.get()).eq(1..=read.len() as u64), "numbers have no gap");
    }

    pub fn tip(&self) -> Seq {
        self.session.tip.expect("a log has a first event")
    }
    pub fn turn(&self) -> TurnId {
        self.session.turn.as_ref().expect("a turn is open").id.clone()
    }
    pub fn queued(&self) -> Vec<&str> {
        self.session.queue.iter().map(|item| item.text.as_str()).collect()
    }
    pub fn asks(&self) -> Vec<&str> {
        self.session.asks.keys().map(AskId::as_str).collect()
    }
    pub fn outcome(&self) -> &Outcome {
        &self.session.header.last_turn.as_ref().expect("a turn has ended").outcome
    }
    /// How the last turn failed.
    pub fn failure(&self) -> &str {
        match self.outcome() {
            Outcome::Failed { code, .. } => code,
            outcome => panic!("it did not fail: {outcome:?}"),
        }
    }
    /// Why the last turn was interrupted.
    pub fn interruption(&self) -> &str {
        match self.outcome() {
            Outcome::Interrupted { reason } => reason,
            outcome => panic!("it was not interrupted: {outcome:?}"),
        }
    }
}

pub fn person(user: &str, client: Option<&str>) -> Arc<Author> {
    Arc::new(Author {
        user: UserId::new(user).unwrap(),
        door: "native".into(),
        client: client.map(|client| ClientId::new(client).unwrap()),
        connection: None,
    })
}

/// Somebody at a client, about to do something.
pub struct Person<'a> {
    pub story: &'a mut Story,
    pub author: Arc<Author>,
    pub facts: Facts,
}

impl Person<'_> {
    /// From a client that speaks of control.
    pub fn speaking(mut self) -> Self {
        self.facts.speaks_control = true;
        self
    }
    pub fn in_role(mut self, role: Role) -> Self {
        self.facts.role = Some(role);
        self
    }
    pub fn able_to(mut self, capability: &str) -> Self {
        self.facts.capabilities.push(capability.to_owned());
        self
    }
    /// The message that is named stands at these numbers.
    pub fn pointing_at(mut self, first: Seq, last: Seq) -> Self {
        self.facts.place = Some((first, last));
        self
    }

    pub fn does(self, command: Command) -> Decided {
        self.story.decide(self.author, self.facts, |decider| decider.command(command))
    }
    /// Does it and is refused, with this code.
    pub fn refused(self, command: Command) -> &'static str {
        let shown = format!("{command:?}");
        self.does(command).expect_err(&shown).code()
    }
    pub fn prompts(self, text: &str) -> Decided {
        self.meets(text, IfBusy::Queue)
    }
    pub fn meets(self, text: &str, if_busy: IfBusy) -> Decided {
        self.does(prompt(text, if_busy))
    }
    pub fn enqueues(self, text: &str) -> Decided {
        self.does(Command::Enqueue { text: text.into(), attachments: Vec::new(), reference: None })
    }
    pub fn steers(self, text: &str) -> Decided {
        self.does(Command::Steer { text: text.into() })
    }
    pub fn interrupts(self) -> Decided {
        self.does(Command::Interrupt { reason: None, clear_queue: false })
    }
    pub fn answers(self, ask: &str, answer: Answer) -> Decided {
        self.does(Command::Answer { ask: AskId::new(ask).unwrap(), answer })
    }
}

pub fn prompt(text: &str, if_busy: IfBusy) -> Command {
    Command::Prompt { text: text.into(), attachments: Vec::new(), if_busy, reference: None }
}

/// An agent, about to do something for its turn.
pub struct Agent<'a> {
    pub story: &'a mut Story,
    turn: Option<TurnId>,
    pub facts: Facts,
}

impl Agent<'_> {
    pub fn does(self, happening: Happening) -> Vec<Event> {
        let Agent { story, turn, facts } = self;
        let author = story.agent.clone();
        story
            .decide(author, facts, |decider| {
                decider.happened(FromAgent { turn, happening });
                Ok(())
            })
            .expect("happenings are not refused")
    }
    pub fn text(self, text: &str) -> Vec<Event> {
        self.does(Happening::Text(text.into()))
    }
    pub fn thinks(self, text: &str) -> Vec<Event> {
        self.does(Happening::Thinking(text.into()))
    }
    pub fn calls(self, call: &str) -> Vec<Event> {
        self.does(Happening::ToolCalled { call: call_id(call), name: "shell".into(), input: "ls".into() })
    }
    pub fn starts(self, call: &str) -> Vec<Event> {
        self.does(Happening::ToolStarted { call: call_id(call), input: None })
    }
    pub fn ends(self, call: &str) -> Vec<Event> {
        self.does(Happening::ToolEnded { call: call_id(call), result: Ok("done".into()) })
    }
    pub fn asks(self, ask: NewAsk) -> Vec<Event> {
        self.does(Happening::Asked(ask))
    }
    pub fn finishes(self) -> Vec<Event> {
        self.does(Happening::Done)
    }
    pub fn is(self, status: AgentStatus) -> Vec<Event> {
        self.does(Happening::Life { status, detail: None })
    }
}

pub fn call_id(call: &str) -> CallId {
    CallId::new(call).unwrap()
}

/// An ask that can outlive its agent, and that anybody may answer.
pub fn ask(id: &str, body: AskBody) -> NewAsk {
    NewAsk {
        id: AskId::new(id).unwrap(),
        call: None,
        question: "May I?".into(),
        body,
        authority: Authority::Anyone,
        capabilities: Vec::new(),
        expires_ms: None,
        bookmark: Some("line 1".into()),
    }
}

pub fn confirm(id: &str) -> NewAsk {
    ask(id, AskBody::Confirm { default: None })
}

/// The same ask of an agent that cannot be brought back to it.
pub fn without_bookmark(ask: NewAsk) -> NewAsk {
    NewAsk { bookmark: None, ..ask }
}

pub fn yes() -> Answer {
    Answer::Confirm { confirmed: true }
}

pub fn exact(text: &str) -> Pattern {
    Pattern { matcher: Matcher::Exact, text: text.into() }
}

pub fn choices(values: &[&str]) -> Vec<Choice> {
    let choice = |value: &&str| Choice { label: value.to_uppercase(), value: (*value).into(), description: None };
    values.iter().map(choice).collect()
}

/// The wish to read these files, which may be remembered in every scope.
pub fn reading(targets: &[&str]) -> Intent {
    Intent {
        resource: "file".into(),
        action: "read".into(),
        targets: targets.iter().map(|target| exact(target)).collect(),
        scopes: vec![Scope::Once, Scope::Session, Scope::Workspace],
    }
}

/// An ask whether the tool `cat` may do all this.
pub fn permission(id: &str, intents: Vec<Intent>) -> NewAsk {
    ask(id, AskBody::Permission { tool: "cat".into(), input: "in".into(), intents, risk: None })
}

pub fn allow(scope: Scope) -> Answer {
    Answer::Allow { scope, pattern: None, input: None, duration_ms: None }
}

pub fn deny(scope: Scope) -> Answer {
    Answer::Deny { message: None, scope, pattern: None }
}

pub fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(Event::kind).collect()
}

/// The texts of the parts that were completed.
pub fn completed_texts(events: &[Event]) -> Vec<&str> {
    let text = |event: &'_ Event| match event {
        Event::PartCompleted { part, .. } => part.body.text().is_some(),
        _ => false,
    };
    let completed = events.iter().filter(|event| text(event));
    completed
        .filter_map(|event| match event {
            Event::PartCompleted { part, .. } => part.body.text(),
            _ => None,
        })
        .collect()
}

/// The parts that are open, in one word each.
pub fn open_parts(story: &Story) -> Vec<&'static str> {
    let turn = story.session.turn.as_ref().expect("a turn is open");
    let word = |body: &PartBody| match body {
        PartBody::Text { .. } => "text",
        PartBody::Reasoning { .. } => "reasoning",
        PartBody::Tool(_) => "tool",
        other => panic!("never open: {other:?}"),
    };
    turn.parts.iter().map(|part| word(&part.body)).collect()
}

/// A copy of an ask, as the root of a child's session shows it.
pub fn mirrored(new: NewAsk, child: &str, opened_at: Millis, deadline: Option<Millis>) -> Ask {
    Ask {
        id: new.id,
        turn: TurnId::new("the-child's-turn").unwrap(),
        call: new.call,
        origin: Some(SessionId::new(child).unwrap()),
        question: new.question,
        body: new.body,
        authority: new.authority,
        capabilities: new.capabilities,
        opened_at,
        deadline,
        bookmark: new.bookmark,
    }
}
