//! Sessions: creating them, running commands on them, listing and showing them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rejoin_core::command::Command;
use rejoin_core::decide::NewSession;
use rejoin_core::happening::Happening;
use rejoin_core::header::{AgentStatus, Header, SessionKind, Status};
use rejoin_core::id::{CommandId, Ids, MessageId, SessionId, UserId, WorkspaceId};
use rejoin_core::part::WholeMessage;
use rejoin_core::position::{Millis, Position, Seq};
use rejoin_core::refusal::Refusal;
use rejoin_core::session::Session;
use rejoin_core::who::{Author, Identity, Kind, Role, Verb};
use rejoin_ports::agent::MEMORY_KIND;
use rejoin_ports::batch::Batch;
use rejoin_ports::gateway::{
    Caller, Create, Created, Failure, LaterMessages, ListQuery, MessagePage, Notes, Ran, SessionPage, Sessions, View,
};
use rejoin_ports::store::{
    Append, Claim, CommitError, Expect, ListCursor, ListFilter, Owner, Receipt, RecordWrite, Row, Stored, Work,
    body_digest,
};
use tokio::sync::oneshot;

use crate::engine::{Engine, Inner, TimeIds};
use crate::follower::Follower;
use crate::outgoing::{self, Message};
use crate::owner::{Done, Legacy, OwnerHandle, Refused, Reply, Request};
use crate::transcript::{self, Wanted};

/// How often a command is tried again when its owner left or lost the session.
const TRIES: usize = 5;
/// How long a caller without a connection of its own waits for a place in a mailbox.
const PATIENCE: Duration = Duration::from_secs(1);
/// Messages in a snapshot, and about how many bytes of them.
const RECENT_MESSAGES: usize = 50;
const RECENT_BYTES: usize = 256 << 10;
/// The same for a page of a transcript.
const MOST_MESSAGES: usize = 200;
const PAGE_BYTES: usize = 4 << 20;
const MOST_LISTED: usize = 200;
/// States kept for owners that come back soon.
const WARM: usize = 256;
/// A session that breaks its rules this often in this time can only be read.
const MOST_CRASHES: usize = 3;
const CRASH_WINDOW_MS: Millis = 60_000;

/// What the process remembers of sessions that are not live.
#[derive(Default)]
pub(crate) struct Memory {
    warm: VecDeque<(SessionId, Legacy)>,
    crashes: HashMap<SessionId, Vec<Millis>>,
}

#[async_trait]
impl Sessions for Engine {
    async fn create(&self, caller: &Caller, create: Create) -> Result<Created, Failure> {
        if !caller.identity.role.may(Verb::Create, Kind::Session) {
            return Err(Refusal::Forbidden.into());
        }
        if self.inner.is_stopping() {
            return Err(Failure::Closing);
        }
        if create.kind == SessionKind::Hosted && self.inner.host.find(&create.agent).is_none() {
            return Err(Failure::Invalid {
                field: "agent",
                why: format!("there is no agent `{}`", short(&create.agent)),
            });
        }
        let id = create.id.unwrap_or_else(|| TimeIds.mint().into());
        let Identity { tenant, user, .. } = &caller.identity;
        // A workspace of its own has the session's name, and is made when its agent first needs it.
        let workspace = match (create.workspace, create.kind) {
            (Some(workspace), _) => Some(workspace),
            (None, SessionKind::Hosted) => WorkspaceId::new(id.as_str()).ok(),
            (None, SessionKind::Sealed) => None,
        };
        let claims = create.tag.iter().map(|tag| Claim {
            space: "tag",
            key: format!("{tenant} {user} {tag}"),
            holder: id.to_string(),
        });
        let claims: Vec<Claim> = claims.collect();
        let new = NewSession {
            id,
            tenant: tenant.clone(),
            owner: create.private.then(|| user.clone()),
            kind: create.kind,
            agent: create.agent,
            title: create.title,
            workspace,
            profile: create.profile,
            model: create.model,
            parent: None,
            root: None,
            origin: None,
            labels: create.labels,
            tag: create.tag,
            config: create.config,
            registers: create.registers,
        };
        for _ in 1..TRIES {
            let (new, claims) = (new.clone(), claims.clone());
            match self.begin(&caller.identity, caller.author.clone(), new, Vec::new(), claims).await {
                Err(Failure::NotFound(_)) => {} // whoever held the tag was deleted just now
                outcome => return outcome,
            }
        }
        self.begin(&caller.identity, caller.author.clone(), new, Vec::new(), claims).await
    }

    async fn run(&self, caller: &Caller, session: &SessionId, id: CommandId, command: Command) -> Result<Ran, Failure> {
        let body = serde_json::to_vec(&command).map(|body| body_digest(&body)).unwrap_or_default();
        let (command, forked) = self.prepare_fork(caller, session, &id, command).await?;
        let mut done = self.ask_owner(caller, session, id.clone(), command.clone(), body).await?;
        if let Some(child) = done.redirect.take() {
            // The child decides; what was seen to at the root is that this person may answer there.
            let gateway = Caller { speaks_control: false, ..caller.clone() };
            self.ask_owner(&gateway, &child, id.clone(), command, body).await?;
            // Sent again, it gets the same answer here, although the ask is gone from here by then.
            let receipt = Receipt { user: caller.identity.user.clone(), command: id, body, seq: 0 };
            let header = self.let_in(&caller.identity, session).await?;
            let keep = |reply| Request::Keep { receipt: receipt.clone(), reply };
            done = self.inner.request(session, || header, None, keep).await?;
        }
        Ok(Ran { position: self.position(done.seq), forked })
    }

    async fn list(&self, identity: &Identity, query: ListQuery) -> Result<SessionPage, Failure> {
        if !identity.role.may(Verb::Read, Kind::Session) {
            return Err(Refusal::Forbidden.into());
        }
        let limit = query.limit.clamp(1, MOST_LISTED);
        let filter = ListFilter {
            tenant: identity.tenant.clone(),
            user: identity.user.clone(),
            kind: if query.sealed { SessionKind::Sealed } else { SessionKind::Hosted },
            status: query.status,
            archived: query.archived,
            parent: query.parent,
            roots_only: query.roots_only,
            workspace: query.workspace,
            label: query.label,
            limit: limit + 1,
            after: query.cursor.as_deref().map(parse_cursor).transpose()?,
        };
        let mut rows = self.inner.store.list(filter).await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor =
            rows.last().filter(|_| more).map(|last| format!("{}.{}", last.row.header.created_at, last.row.header.id));
        Ok(SessionPage { items: rows.into_iter().map(as_shown).collect(), next_cursor })
    }

    async fn header(&self, identity: &Identity, session: &SessionId) -> Result<(Header, Position), Failure> {
        // Sealed ones are asked for with every message, and have no turns that a crash could have left open.
        if let Some(follower) = self.known(identity, session)? {
            let mut state = follower.state();
            if state.header().is_some_and(|header| header.kind == SessionKind::Sealed) {
                return Ok((state.fold().header.clone(), self.position(state.tip)));
            }
        }
        let stored = self.stored(identity, session).await?;
        let position = self.position(stored.row.tip.map_or(0, Seq::get));
        Ok((as_shown(stored), position))
    }

    async fn view(&self, identity: &Identity, session: &SessionId) -> Result<View, Failure> {
        let follower = self.follower(identity, session).await?;
        self.view_of(&follower).await
    }

    async fn may_act(&self, caller: &Caller, session: &SessionId) -> Result<(), Failure> {
        let follower = self.follower(&caller.identity, session).await?;
        let fold = follower.state().fold();
        Ok(caller.may_act(&fold.control, &fold.config)?)
    }

    async fn messages(
        &self,
        identity: &Identity,
        session: &SessionId,
        before: Option<&str>,
        limit: usize,
    ) -> Result<MessagePage, Failure> {
        let follower = self.follower(identity, session).await?;
        let (fold, tip) = {
            let mut state = follower.state();
            (state.fold(), state.tip)
        };
        let upto = match before {
            None => tip,
            Some(before) => {
                let unknown = || Failure::Invalid { field: "before", why: "it is no message of this session".into() };
                let message = MessageId::new(before).map_err(|_| unknown())?;
                let (first, _) = self.inner.store.place(session, &message).await?.ok_or_else(unknown)?;
                first.get() - 1
            }
        };
        let wanted = Wanted { upto, messages: limit.clamp(1, MOST_MESSAGES), bytes: PAGE_BYTES };
        let found = transcript::read(&*self.inner.store, &fold, session, wanted).await?;
        let next_cursor = found.messages.first().filter(|_| found.more).map(|oldest| oldest.message.id.to_string());
        Ok(MessagePage { items: found.messages, next_cursor })
    }

    async fn messages_after(
        &self,
        identity: &Identity,
        session: &SessionId,
        after: u64,
        limit: usize,
    ) -> Result<LaterMessages, Failure> {
        let follower = self.follower(identity, session).await?;
        let (fold, tip) = {
            let mut state = follower.state();
            (state.fold(), state.tip)
        };
        let wanted = Wanted { upto: tip, messages: limit.clamp(1, MOST_MESSAGES), bytes: PAGE_BYTES };
        transcript::read_later(&*self.inner.store, &fold, session, after, wanted).await
    }

    async fn message(
        &self,
        identity: &Identity,
        session: &SessionId,
        message: &MessageId,
    ) -> Result<WholeMessage, Failure> {
        let follower = self.follower(identity, session).await?;
        let fold = follower.state().fold();
        let (first, last) = self.inner.store.place(session, message).await?.ok_or(Failure::NotFound("message"))?;
        if fold.hides(first) {
            return Err(Failure::NotFound("message"));
        }
        let wanted = Wanted { upto: last.get(), messages: 1, bytes: PAGE_BYTES };
        let found = transcript::read(&*self.inner.store, &fold, session, wanted).await?;
        found.messages.into_iter().find(|found| found.message.id == *message).ok_or(Failure::NotFound("message"))
    }

    async fn delete(&self, caller: &Caller, session: &SessionId) -> Result<(), Failure> {
        let stored = self.stored(&caller.identity, session).await?;
        let header = stored.row.header;
        let role = caller.identity.role;
        // What is somebody's own and private, they may also take away.
        let own = header.owner.as_ref() == Some(&caller.identity.user) && role.may(Verb::Write, Kind::Session);
        if !own && !role.may(Verb::Delete, Kind::Session) {
            return Err(Refusal::Forbidden.into());
        }
        let author = caller.author.clone();
        self.inner
            .request(
                session,
                || Arc::new(header.clone()),
                None,
                |reply| Request::Delete { author: author.clone(), reply },
            )
            .await?;
        let feed = vec![rejoin_ports::store::FeedEntry {
            owner: crate::feed::owner(&header),
            what: rejoin_ports::store::FeedItem::Session { session: session.clone(), seq: 0, change: "deleted".into() },
            at: self.inner.clock.now(),
        }];
        self.inner.take_warm(session);
        self.forget_memory(&header).await?;
        self.inner.store.delete(session, feed).await?;
        self.inner.memory.lock().expect("never poisoned").crashes.remove(session);
        self.inner.followers.forget(session);
        self.inner.places.forget(session);
        // What stays on the disk harms nobody; the session is gone in any case.
        if let Err(error) = self.inner.workplaces.abandon(&header).await {
            tracing::warn!(%error, session.id = %session, "the files of a deleted session stay");
        }
        Ok(())
    }
}

impl Engine {
    /// What the agent remembered of a session that goes.
    async fn forget_memory(&self, header: &Header) -> Result<(), Failure> {
        let (owner, key) = (Owner::Tenant(header.tenant.clone()), header.id.as_str());
        let kept = self.inner.store.record(&owner, MEMORY_KIND, key).await?;
        if kept.is_some_and(|record| record.value.is_some()) {
            let (kind, key) = (MEMORY_KIND.to_owned(), key.to_owned());
            let at = self.inner.clock.now();
            let write = RecordWrite { owner, kind, key, expect: Expect::Anything, value: None, at };
            self.inner.store.commit(Work { records: vec![write], ..Work::default() }).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Notes for Engine {
    async fn note(&self, session: &SessionId, author: Arc<Author>, happening: Happening) -> Result<Position, Failure> {
        let stored = self.inner.store.stored(session).await?.ok_or(Failure::NotFound("session"))?;
        let header = Arc::new(stored.row.header);
        let note = |reply| Request::Note { author: author.clone(), happening: happening.clone(), reply };
        let done = self.inner.request(session, || header, None, note).await?;
        Ok(self.position(done.seq))
    }
}

impl Engine {
    pub(crate) fn position(&self, seq: u64) -> Position {
        Position { epoch: self.inner.store.epoch(), seq }
    }

    /// Begins a session: one Work, and no owner until somebody needs one. The same id or tag again gives the same session.
    pub(crate) async fn begin(
        &self,
        identity: &Identity,
        author: Arc<Author>,
        new: NewSession,
        copied: Vec<WholeMessage>,
        claims: Vec<Claim>,
    ) -> Result<Created, Failure> {
        let id = new.id.clone();
        let (session, events) = new.begin(self.inner.clock.now(), author, copied)?;
        let row =
            Row { header: session.header.clone(), tip: session.tip, wake_at: session.wake_at(), unsettled: false };
        // Of a birth one line tells, whatever it begins with.
        let feed = crate::feed::entries(&session.header, &events[..1]);
        let places = crate::effects::places(&events, &mut None);
        let append = Append {
            session: id.clone(),
            after: None,
            term: 1,
            batch: Arc::new(Batch::of(id.clone(), self.inner.store.epoch(), events)),
            receipts: Vec::new(),
            row: Arc::new(row),
            places,
            files: Vec::new(),
        };
        let work = Work { stream: Some(append), claims, feed, ..Work::default() };
        match self.inner.store.commit(work).await {
            Ok(_) => {
                let created = Created {
                    header: session.header.clone(),
                    position: self.position(session.tip.map_or(0, Seq::get)),
                    existed: false,
                };
                // Whoever was quicker than we are has taken it over already.
                if !self.inner.owners.shard(&id).contains_key(&id) {
                    self.inner.leave_warm(id, Legacy::of_new(session));
                }
                Ok(created)
            }
            Err(CommitError::Exists) => self.existing(identity, &id).await,
            Err(CommitError::Claimed { holder, .. }) => {
                let holder = SessionId::new(&holder).map_err(|_| Failure::Conflict { version: 0 })?;
                let stored = self.stored(identity, &holder).await?;
                Ok(self.as_existing(stored))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn existing(&self, identity: &Identity, id: &SessionId) -> Result<Created, Failure> {
        // Another tenant's session of that name is not told apart from a name that cannot be used.
        let taken = |_| Failure::Invalid { field: "id", why: "this id cannot be used".into() };
        let stored = self.stored(identity, id).await.map_err(taken)?;
        Ok(self.as_existing(stored))
    }

    fn as_existing(&self, stored: Stored) -> Created {
        let position = self.position(stored.row.tip.map_or(0, Seq::get));
        Created { header: as_shown(stored), position, existed: true }
    }

    /// A session that the caller may see: of its tenant, and nobody's in particular or its own.
    pub(crate) async fn stored(&self, identity: &Identity, id: &SessionId) -> Result<Stored, Failure> {
        let stored = self.inner.store.stored(id).await?.filter(|stored| visible(&stored.row.header, identity));
        let stored = stored.ok_or(Failure::NotFound("session"))?;
        if identity.role.may(Verb::Read, Kind::Session) { Ok(stored) } else { Err(Refusal::Forbidden.into()) }
    }

    /// As [`Engine::stored`], but without asking the store when the session is live.
    pub(crate) async fn let_in(&self, identity: &Identity, id: &SessionId) -> Result<Arc<Header>, Failure> {
        let live = self.inner.owners.shard(id).get(id).map(|owner| owner.header.clone());
        if let Some(header) = live.filter(|header| visible(header, identity)) {
            return Ok(header);
        }
        let stored = self.stored(identity, id).await?;
        if stored.stale {
            self.inner.wake(id).await; // its first touch puts it in order
        }
        Ok(Arc::new(stored.row.header))
    }

    async fn ask_owner(
        &self,
        caller: &Caller,
        session: &SessionId,
        id: CommandId,
        command: Command,
        body: [u8; 16],
    ) -> Result<Done, Failure> {
        let header = self.let_in(&caller.identity, session).await?;
        if self.inner.is_read_only(session) {
            return Err(Failure::ReadOnly);
        }
        let patience = patience(caller);
        let run =
            |reply| Request::Run { caller: caller.clone(), id: id.clone(), command: command.clone(), body, reply };
        self.inner.request(session, || header, patience, run).await
    }

    /// A session as it is now, with its newest messages.
    pub(crate) async fn view_of(&self, follower: &Follower) -> Result<View, Failure> {
        let (session, tip) = {
            let mut state = follower.state();
            (state.fold(), state.tip)
        };
        let wanted = Wanted { upto: tip, messages: RECENT_MESSAGES, bytes: RECENT_BYTES };
        let found = match session.header.kind {
            SessionKind::Hosted => transcript::read(&*self.inner.store, &session, &follower.id, wanted).await?,
            SessionKind::Sealed => transcript::Found::default(), // it has none that we could read
        };
        let session = Arc::unwrap_or_clone(session);
        Ok(View {
            session: session.header,
            config: session.config,
            position: self.position(tip),
            open_turn: session.turn,
            asks: session.asks.into_values().collect(),
            queue: session.queue,
            control: session.control,
            registers: session.registers,
            recent: found.messages,
            more: found.more,
        })
    }
}

impl Inner {
    /// Sends a request to a session's owner, and to its successor where it left or lost the session.
    pub(crate) async fn request(
        self: &Arc<Self>,
        session: &SessionId,
        header: impl FnOnce() -> Arc<Header>,
        patience: Option<Duration>,
        request: impl Fn(Reply) -> Request,
    ) -> Result<Done, Failure> {
        if self.stop.is_cancelled() {
            return Err(Failure::Closing);
        }
        let header = header();
        for attempt in 0..TRIES {
            let OwnerHandle { mailbox, .. } = self.owner(session, || header.clone());
            let (reply, outcome) = oneshot::channel();
            let sent = match patience {
                None => mailbox.send(request(reply)).await.map_err(|_| ()),
                Some(patience) => match mailbox.send_timeout(request(reply), patience).await {
                    Ok(()) => Ok(()),
                    Err(tokio::sync::mpsc::error::SendTimeoutError::Timeout(_)) => {
                        return Err(Failure::TooBusy { retry_ms: PATIENCE.as_millis() as u64 });
                    }
                    Err(tokio::sync::mpsc::error::SendTimeoutError::Closed(_)) => Err(()),
                },
            };
            if sent.is_ok() {
                match outcome.await {
                    Ok(Ok(done)) => return Ok(done),
                    Ok(Err(Refused::Failure(failure))) => return Err(failure),
                    Ok(Err(Refused::Retry)) | Err(_) => {}
                }
            }
            if self.stop.is_cancelled() {
                return Err(Failure::Closing);
            }
            if self.is_read_only(session) {
                return Err(Failure::ReadOnly);
            }
            // The old owner is on its way out of the registry.
            tokio::time::sleep(Duration::from_millis(1 << attempt)).await;
        }
        Err(Failure::TooBusy { retry_ms: PATIENCE.as_millis() as u64 })
    }

    /// What the gateway does by itself in another session.
    pub(crate) fn command_as_gateway(self: &Arc<Self>, session: SessionId, command: Command) {
        let engine = Engine { inner: self.clone() };
        self.tasks.spawn(async move {
            let Ok(Some(stored)) = engine.inner.store.stored(&session).await else { return };
            let caller = gateway_for(&stored.row.header);
            let id = CommandId::from(TimeIds.mint());
            if let Err(error) = engine.run(&caller, &session, id, command).await {
                tracing::debug!(session.id = %session, %error, "the gateway's own command was refused");
            }
        });
    }

    /// Starts a child session with its prompt. One that cannot start has ended.
    pub(crate) fn start_child(
        self: &Arc<Self>,
        parent: &Header,
        config: &rejoin_core::header::Config,
        id: SessionId,
        name: String,
        text: String,
    ) {
        let engine = Engine { inner: self.clone() };
        let new = NewSession {
            id: id.clone(),
            tenant: parent.tenant.clone(),
            owner: parent.owner.clone(),
            kind: parent.kind,
            agent: parent.agent.clone(),
            title: Some(name),
            workspace: parent.workspace.clone(),
            profile: parent.profile.clone(),
            model: parent.model.clone(),
            parent: Some(parent.id.clone()),
            root: Some(parent.root.clone().unwrap_or_else(|| parent.id.clone())),
            origin: None,
            labels: Default::default(),
            tag: None,
            config: rejoin_core::header::Config { one_shot: false, max_turns: None, ttl_ms: None, ..config.clone() },
            registers: Default::default(),
        };
        let (parent, caller) = (parent.id.clone(), gateway_for(parent));
        self.tasks.spawn(async move {
            let started = async {
                engine.begin(&caller.identity, caller.author.clone(), new, Vec::new(), Vec::new()).await?;
                let prompt =
                    Command::Prompt { text, attachments: Vec::new(), if_busy: Default::default(), reference: None };
                engine.run(&caller, &id, CommandId::from(TimeIds.mint()), prompt).await
            };
            if let Err(error) = started.await {
                let outcome = rejoin_core::turn::Outcome::Failed {
                    code: error.code().into(),
                    message: error.to_string(),
                    retry_ms: None,
                };
                let ended = Message::ChildEnded { child: id, outcome, text: String::new() };
                outgoing::deliver(&engine.inner, &parent, ended).await;
            }
        });
    }

    /// Keeps the state of a session whose owner left, for the next one.
    pub(crate) fn leave_warm(&self, id: SessionId, legacy: Legacy) {
        let mut memory = self.memory.lock().expect("never poisoned");
        memory.warm.retain(|(warm, _)| *warm != id);
        memory.warm.push_front((id, legacy));
        memory.warm.truncate(WARM);
    }

    /// A copy of what an owner left, if nobody has taken it over.
    pub(crate) fn warm(&self, id: &SessionId) -> Option<Session> {
        let memory = self.memory.lock().expect("never poisoned");
        memory.warm.iter().find(|(warm, _)| warm == id).map(|(_, legacy)| legacy.session.clone())
    }

    pub(crate) fn take_warm(&self, id: &SessionId) -> Option<Legacy> {
        let mut memory = self.memory.lock().expect("never poisoned");
        let at = memory.warm.iter().position(|(warm, _)| warm == id)?;
        memory.warm.remove(at).map(|(_, legacy)| legacy)
    }

    /// An owner broke a rule of its own.
    pub(crate) fn crashed(&self, id: &SessionId) {
        self.counts.restarts.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let now = self.clock.now();
        let mut memory = self.memory.lock().expect("never poisoned");
        memory
            .crashes
            .retain(|_, crashes| crashes.len() >= MOST_CRASHES || crashes.iter().any(|at| at + CRASH_WINDOW_MS > now));
        let crashes = memory.crashes.entry(id.clone()).or_default();
        if crashes.len() < MOST_CRASHES {
            crashes.retain(|at| at + CRASH_WINDOW_MS > now);
            crashes.push(now);
        }
    }

    pub(crate) fn is_read_only(&self, id: &SessionId) -> bool {
        self.memory.lock().expect("never poisoned").crashes.get(id).is_some_and(|crashes| crashes.len() >= MOST_CRASHES)
    }
}

/// How long whoever calls waits for a place in a mailbox. Over a connection it is as long as it takes: then that waits too.
pub(crate) fn patience(caller: &Caller) -> Option<Duration> {
    caller.author.connection.is_none().then_some(PATIENCE)
}

/// The gateway as a caller, in a session's own tenant.
fn gateway_for(header: &Header) -> Caller {
    let author = Arc::new(Author::gateway());
    let user: UserId = author.user.clone();
    let identity = Identity {
        tenant: header.tenant.clone(),
        user: header.owner.clone().unwrap_or(user),
        role: Role::Owner,
        email: None,
    };
    Caller { identity, author, capabilities: Vec::new(), speaks_control: false }
}

pub(crate) fn visible(header: &Header, identity: &Identity) -> bool {
    header.tenant == identity.tenant && header.owner.as_ref().is_none_or(|owner| *owner == identity.user)
}

/// A header as lists show it: what another life left running is not running.
fn as_shown(stored: Stored) -> Header {
    let mut header = stored.row.header;
    if stored.stale {
        header.agent_status = AgentStatus::Stopped;
        if header.status == Status::Running {
            header.status = Status::Idle;
        }
    }
    header
}

fn parse_cursor(text: &str) -> Result<ListCursor, Failure> {
    let bad = || Failure::Invalid { field: "cursor", why: "it is not one that a list gave".into() };
    let (created_at, id) = text.split_once('.').ok_or_else(bad)?;
    Ok(ListCursor { created_at: created_at.parse().map_err(|_| bad())?, id: SessionId::new(id).map_err(|_| bad())? })
}

/// A text from outside, short enough for an error message.
fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}
