//! A shared session while it is connected: the log goes out, what people say comes in, and both are written down once the
//! other side has them.

use std::convert::Infallible;
use std::time::Duration;

use rejoin_core::ask::{Ask, AskBody};
use rejoin_core::header::{Header, Standing};
use rejoin_core::id::CommandId;
use rejoin_core::position::{Heard, Position};
use rejoin_core::refusal::Refusal;
use rejoin_core::usage::Usage;
use rejoin_happy::client::api::PushKind;
use rejoin_happy::client::{Error, OpenedSession, Sent, SessionClient, UserText};
use rejoin_happy::payload::{AgentMessage, Cost, Drive, Message, SessionEvent, Tokens};
use rejoin_ports::batch::Batch;
use rejoin_ports::gateway::{Delivery, Failure, JoinFrom};
use rejoin_ports::integrations::ShareStanding;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::super::hands::Hands;
use super::super::name::uuid;
use super::super::outward::{Teller, Told, What};
use super::super::trouble::{Trouble, words};
use super::super::{asks, metadata};
use super::files::Files;
use super::{Keeping, Sharing};

/// How often the apps hear that the session is there. They wait some minutes for it.
const BEAT: Duration = Duration::from_secs(5);
/// Messages on their way at once. Then we wait for the server.
const AT_ONCE: usize = 100;
/// Events after which the position is written down although nothing was told of them.
const QUIET: u64 = 1_000;
/// How long ringing a phone may hold up what follows.
const RINGING: Duration = Duration::from_secs(3);

pub(super) struct Live<'a> {
    sharing: &'a Sharing,
    client: &'a SessionClient,
    hands: Hands,
    files: Files<'a>,
    header: Header,
    kept: Keeping,
    teller: Teller,
    on_the_way: Vec<Sent>,
    /// Something was told since the position was written down.
    unkept: bool,
    kept_at: u64,
    /// The newest event that is told. It becomes the kept position when the server has all of it.
    reached: Option<Position>,
    is_thinking: bool,
    /// Everything that was there when we came has been told.
    is_current: bool,
    /// What the server was told of the cost.
    spent: Usage,
}

impl<'a> Live<'a> {
    pub(super) fn new(
        sharing: &'a Sharing,
        opened: &'a OpenedSession,
        client: &'a SessionClient,
        header: Header,
        kept: Keeping,
    ) -> Live<'a> {
        let (world, linked, session) = (sharing.world.clone(), sharing.linked.clone(), sharing.session.clone());
        let teller = Teller::new(session.clone(), linked.whose.user.clone(), kept.record.open.clone());
        let files = Files::new(&sharing.world, &sharing.linked, opened, client.news());
        Live {
            sharing,
            client,
            hands: Hands { world, linked, session },
            files,
            is_thinking: header.standing() == Standing::Running,
            header,
            teller,
            on_the_way: Vec::new(),
            unkept: false,
            kept_at: kept.record.position.map_or(0, |position| position.seq),
            reached: kept.record.position,
            kept,
            is_current: false,
            spent: Usage::default(),
        }
    }

    pub(super) async fn run(&mut self) -> Result<Infallible, Trouble> {
        if self.client.metadata().is_some_and(|metadata| wants_archive(&metadata)) && !metadata::is_over(&self.header) {
            self.archive().await?;
        }
        self.hands.reach_out(self.client);
        let mut said = self.client.user_messages();
        let mut changes = self.client.metadata_changes();
        let from = self.kept.record.position.map_or(Heard::NOTHING, Heard::from);
        let (identity, session) = (self.sharing.linked.identity(), &self.sharing.session);
        let joined = self.sharing.world.follow.join(&identity, session, JoinFrom::After(from)).await?;
        let mut reader = joined.reader;
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                delivery = reader.next() => self.delivered(delivery?).await?,
                heard = said.next() => {
                    let heard = heard.ok_or_else(|| Trouble::Passing("the connection was closed".to_owned()))?;
                    self.heard(heard).await?;
                }
                Ok(()) = changes.changed() => {
                    let metadata = self.client.metadata();
                    if metadata.is_some_and(|metadata| wants_archive(&metadata)) && !metadata::is_over(&self.header) {
                        self.archive().await?;
                    }
                }
                _ = beat.tick() => self.beat(),
            }
            self.files.hear();
        }
    }

    fn beat(&self) {
        if !metadata::is_over(&self.header) {
            self.client.keep_alive(self.is_thinking, Drive::Remote);
        }
    }

    async fn delivered(&mut self, delivery: Delivery) -> Result<(), Trouble> {
        match delivery {
            Delivery::Events { batch, first } => self.events(&batch, first).await,
            Delivery::CaughtUp(position) => {
                self.reached = Some(position);
                self.confirm().await?;
                self.keep().await?;
                self.agree().await?;
                self.changed().await?;
                self.is_current = true;
                self.sharing.stands(ShareStanding::Live, None);
                self.beat();
                Ok(())
            }
            Delivery::Gap(view) => {
                self.confirm().await?;
                let name = format!("{}:gap.{}", self.sharing.session, view.position);
                self.note(&name, "Some of what happened here is not shown.")?;
                self.header = view.session.clone();
                self.reached = Some(view.position);
                self.confirm().await?;
                self.keep().await
            }
            Delivery::Deleted => {
                super::farewell(self.client, "deleted", self.sharing.world.clock.now()).await;
                Err(Trouble::Gone)
            }
            Delivery::Stopping => Err(Trouble::Stopping),
        }
    }

    async fn events(&mut self, batch: &Batch, first: usize) -> Result<(), Trouble> {
        let events = batch.events().map_err(|error| Trouble::Passing(words(&*error)))?;
        let before = self.is_thinking;
        for logged in &events[first..] {
            let at = Position { epoch: batch.epoch, seq: logged.seq.get() };
            if let Some(moved) = logged.context.standing {
                self.is_thinking = moved.to == Standing::Running;
            }
            for told in self.teller.tell(at, logged) {
                self.unkept = true;
                self.tell(told).await?;
            }
            self.reached = Some(at);
        }
        if self.is_thinking != before && self.is_current {
            self.beat();
        }
        let reached = self.reached.map_or(0, |position| position.seq);
        if self.unkept || reached.saturating_sub(self.kept_at) >= QUIET {
            self.confirm().await?;
            self.keep().await?;
        }
        Ok(())
    }

    async fn tell(&mut self, Told { name, what }: Told) -> Result<(), Trouble> {
        match what {
            What::Say(message) => self.say(&name, &message).await,
            What::Attach(attached) => {
                let message = self.files.store(&name, attached).await?;
                self.say(&name, &message).await
            }
            What::Asked(ask) => {
                // The apps should know the call before what it asks.
                self.confirm().await?;
                self.client
                    .update_agent_state(|mut state| {
                        asks::open(&mut state, &ask);
                        state
                    })
                    .await?;
                self.ring_for(&ask).await;
                Ok(())
            }
            What::Settled { ask, how, at } => {
                self.client
                    .update_agent_state(|mut state| {
                        asks::settle(&mut state, &ask, &how, at);
                        state
                    })
                    .await?;
                Ok(())
            }
            What::Changed => self.changed().await,
            What::Ended => {
                self.report().await?;
                self.ring(PushKind::Done, "Done", &format!("{} is ready", self.header.agent)).await;
                Ok(())
            }
        }
    }

    async fn say(&mut self, name: &str, message: &Message) -> Result<(), Trouble> {
        if self.on_the_way.len() >= AT_ONCE {
            self.confirm().await?;
        }
        let sent = match self.client.send_as(message, name) {
            Err(Error::OutboxFull { .. }) => {
                self.confirm().await?;
                self.client.send_as(message, name)
            }
            sent => sent,
        };
        self.on_the_way.push(sent?);
        Ok(())
    }

    fn note(&mut self, name: &str, text: &str) -> Result<(), Trouble> {
        let event = SessionEvent::Message { message: text.to_owned() };
        let message = AgentMessage::event(uuid(name), event).into();
        self.on_the_way.push(self.client.send_as(&message, name)?);
        Ok(())
    }

    /// Waits until the server has everything that is on its way.
    async fn confirm(&mut self) -> Result<(), Trouble> {
        for sent in std::mem::take(&mut self.on_the_way) {
            match sent.await {
                Ok(_) => {}
                // It would be turned away again; what follows is worth more than it.
                Err(error) if is_hopeless(&error) => {
                    tracing::warn!(session.id = %self.sharing.session, error = words(&error), "happy: a message is not taken");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Writes down how far both directions are. Everything that was told is confirmed.
    async fn keep(&mut self) -> Result<(), Trouble> {
        let record = &mut self.kept.record;
        record.position = self.reached;
        record.open.clone_from(self.teller.open());
        // In this order: what the cursor has passed is seen by then.
        let cursor = self.client.cursor();
        self.files.hear();
        if self.files.is_empty() {
            record.heard = record.heard.max(cursor);
        }
        self.unkept = false;
        self.kept_at = self.reached.map_or(0, |position| position.seq);
        self.sharing.keep(&mut self.kept).await
    }

    /// Somebody says something in the apps.
    async fn heard(&mut self, UserText { seq, message }: UserText) -> Result<(), Trouble> {
        if !self.teller.is_ours(message.local_key.as_deref()) {
            self.files.hear();
            let attachments = self.files.fetch().await?;
            let name = format!("happy:{}.{seq}", self.client.session_id());
            let name = if CommandId::new(&name).is_ok() { name } else { format!("happy:{}", uuid(&name)) };
            match self.hands.prompt(&name, message.text().to_owned(), attachments).await {
                Ok(()) => {}
                Err(failure) if is_passing(&failure) => return Err(failure.into()),
                Err(failure) => {
                    let name = format!("{}:said.{seq}", self.sharing.session);
                    self.note(&name, &format!("Not done: {failure}"))?;
                    self.confirm().await?;
                }
            }
        }
        self.kept.record.heard = self.kept.record.heard.max(seq);
        self.sharing.keep(&mut self.kept).await
    }

    /// Makes the agent state say what is so, whatever an earlier life left in it.
    async fn agree(&mut self) -> Result<(), Trouble> {
        let (identity, session) = (self.sharing.linked.identity(), &self.sharing.session);
        let view = self.sharing.world.sessions.view(&identity, session).await?;
        self.header = view.session;
        self.is_thinking = self.header.standing() == Standing::Running;
        let now = self.sharing.world.clock.now();
        let before = self.client.agent_state().unwrap_or_default();
        let mut after = before.clone();
        asks::agree(&mut after, &view.asks, now);
        if after != before {
            self.client
                .update_agent_state(|mut state| {
                    asks::agree(&mut state, &view.asks, now);
                    state
                })
                .await?;
        }
        self.report().await
    }

    /// Title, model or place in life may be others.
    async fn changed(&mut self) -> Result<(), Trouble> {
        let (identity, session) = (self.sharing.linked.identity(), &self.sharing.session);
        (self.header, _) = self.sharing.world.sessions.header(&identity, session).await?;
        let (header, now) = (&self.header, self.sharing.world.clock.now());
        let before = self.client.metadata().unwrap_or_default();
        let mut after = before.clone();
        metadata::keep_up(&mut after, header, now);
        if after != before {
            self.client
                .update_metadata(|mut metadata| {
                    metadata::keep_up(&mut metadata, header, now);
                    metadata
                })
                .await?;
            if metadata::is_over(header) {
                self.client.send_session_death();
            }
        }
        Ok(())
    }

    /// Somebody put the session away in an app.
    async fn archive(&mut self) -> Result<(), Trouble> {
        match self.hands.archive().await {
            Err(failure) if is_passing(&failure) => Err(failure.into()),
            // A role that may not is no reason to stop telling.
            _ => Ok(()),
        }
    }

    /// Reports what the session has cost. Each report is the sum, so that none counts twice.
    async fn report(&mut self) -> Result<(), Trouble> {
        let (identity, session) = (self.sharing.linked.identity(), &self.sharing.session);
        let (header, _) = self.sharing.world.sessions.header(&identity, session).await?;
        let (now, told) = (header.usage, std::mem::replace(&mut self.spent, header.usage));
        if now == told {
            return Ok(());
        }
        let mut tokens = Tokens {
            total: 0,
            input: now.input.saturating_sub(told.input),
            output: now.output.saturating_sub(told.output),
            cache_creation: now.cache_write.saturating_sub(told.cache_write),
            cache_read: now.cache_read.saturating_sub(told.cache_read),
        };
        tokens.total = tokens.input + tokens.output + tokens.cache_creation + tokens.cache_read;
        let micros = now.cost_micros.unwrap_or(0).saturating_sub(told.cost_micros.unwrap_or(0));
        self.client.send_usage(tokens, Cost { total: micros as f64 / 1e6, ..Cost::default() });
        Ok(())
    }

    async fn ring_for(&self, ask: &Ask) {
        match &ask.body {
            AskBody::Permission { tool, .. } => {
                self.ring(PushKind::Permission, "Permission", &format!("{} wants to use {tool}", self.header.agent))
                    .await;
            }
            AskBody::Capability { .. } => {}
            _ => self.ring(PushKind::Question, "Question", &format!("{} has a question", self.header.agent)).await,
        }
    }

    /// Lets phones ring, if somebody waits for it now. The server can read this, so it says nothing of what is sealed.
    async fn ring(&self, kind: PushKind, title: &str, body: &str) {
        if !self.is_current {
            return;
        }
        let ringing = self.client.api().push_event(self.client.session_id(), kind, title, body, None);
        if let Ok(Err(error)) = timeout(RINGING, ringing).await {
            tracing::debug!(error = words(&error), "happy: no phone rings");
        }
    }
}

fn wants_archive(metadata: &rejoin_happy::payload::Metadata) -> bool {
    metadata.lifecycle_state.as_deref() == Some("archiveRequested")
}

/// Whether the server would turn the very same message away again.
fn is_hopeless(error: &Error) -> bool {
    match error {
        Error::Http { status, .. } => matches!(status, 400 | 413 | 415 | 422),
        Error::TooLarge { .. } | Error::Unconfirmed => true,
        _ => false,
    }
}

/// Whether the same prompt may be taken another time.
fn is_passing(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::Store(_)
            | Failure::TooBusy { .. }
            | Failure::Closing
            | Failure::NotFound(_)
            | Failure::Refused(Refusal::Stopping)
    )
}
