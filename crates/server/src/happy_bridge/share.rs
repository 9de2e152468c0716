//! One shared session: kept connected for as long as it is shared, whatever the server does.

mod files;
mod live;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use rejoin_core::header::Header;
use rejoin_core::id::SessionId;
use rejoin_happy::client::{NewSession, OpenedSession, OutboxOptions, SessionClient, SessionOptions, Start, Status};
use rejoin_happy::payload::Metadata;
use rejoin_ports::gateway::Failure;
use rejoin_ports::integrations::{Share, ShareStanding};
use rejoin_ports::store::Expect;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::kept::ShareRecord;
use super::linked::Linked;
use super::trouble::{Trouble, words};
use super::world::World;
use live::Live;

/// The wait before a second attempt; it doubles.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// How long saying goodbye to the apps may take.
const FAREWELL: Duration = Duration::from_secs(10);
/// Messages of ours that wait for the server, and sealed bytes. We wait for them anyway before going on.
const WAITING: usize = 256;
const WAITING_BYTES: usize = 16 << 20;
/// Under which name the server counts what the session cost. Each report is the sum of all turns.
const USAGE: &str = "rejoin";

/// A shared session's task.
pub(super) struct Running {
    told: watch::Receiver<Share>,
    /// Ends it with a goodbye.
    leave: CancellationToken,
}

impl Running {
    pub(super) fn share(&self) -> Share {
        self.told.borrow().clone()
    }

    pub(super) fn leave(&self) {
        self.leave.cancel();
    }
}

struct Sharing {
    world: Arc<World>,
    linked: Arc<Linked>,
    session: SessionId,
    told: watch::Sender<Share>,
    leave: CancellationToken,
}

/// A share as it is kept, before anything is known of how it goes.
pub(super) fn shown(session: &SessionId, record: &ShareRecord) -> Share {
    Share {
        session: session.clone(),
        standing: if record.failed.is_some() { ShareStanding::Failed } else { ShareStanding::Waiting },
        since: record.since,
        known_as: record.known_as.clone(),
        position: record.position,
        error: record.failed.clone(),
    }
}

pub(super) fn start(world: Arc<World>, linked: Arc<Linked>, session: SessionId, record: &ShareRecord) -> Running {
    let (told, told_out) = watch::channel(shown(&session, record));
    let leave = CancellationToken::new();
    let tasks = world.tasks.clone();
    let sharing = Sharing { world, linked, session, told, leave: leave.clone() };
    tasks.spawn(async move {
        let stop = sharing.linked.stop.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            () = sharing.run() => {}
        }
    });
    Running { told: told_out, leave }
}

impl Sharing {
    async fn run(&self) {
        let mut wait = FIRST_WAIT;
        loop {
            let trouble = match self.attempt().await {
                Ok(never) => match never {},
                Err(trouble) => trouble,
            };
            tracing::debug!(session.id = %self.session, error = %trouble, "happy: a shared session");
            let was_live = self.told.borrow().standing == ShareStanding::Live;
            match trouble {
                Trouble::Passing(error) => self.stands(ShareStanding::Waiting, Some(error)),
                Trouble::Refused(error) => {
                    self.stands(ShareStanding::Failed, Some(error.clone()));
                    return self.linked.refuse(error);
                }
                Trouble::Removed => return self.give_up(trouble.to_string()).await,
                Trouble::Gone => return self.forget().await,
                Trouble::Over | Trouble::Stopping => return,
            }
            if was_live {
                wait = FIRST_WAIT;
            }
            tokio::select! {
                () = self.leave.cancelled() => return,
                () = sleep(wait) => {}
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Goes on for as long as all is well.
    async fn attempt(&self) -> Result<Infallible, Trouble> {
        let opening = self.world.opening.acquire().await.map_err(|_| Trouble::Stopping)?;
        let book = &self.world.book;
        let kept = book.share(&self.linked.whose, &self.session).await?;
        let record = kept.value.filter(|record| !record.off && record.failed.is_none());
        let mut kept = Keeping { record: record.ok_or(Trouble::Over)?, version: kept.version };
        let header = match self.world.sessions.header(&self.linked.identity(), &self.session).await {
            Ok((header, _)) => header,
            Err(Failure::NotFound(_)) => {
                self.bury(&mut kept).await;
                return Err(Trouble::Gone);
            }
            Err(failure) => return Err(failure.into()),
        };
        let now = self.world.clock.now();
        let described = self.world.machine.describe(&header, self.folder(&header).await, now);
        let (opened, client) = tokio::select! {
            () = self.leave.cancelled() => return Err(Trouble::Over),
            met = self.meet(&mut kept, described) => met?,
        };
        drop(opening);

        let mut live = Live::new(self, &opened, &client, header, kept);
        tokio::select! {
            outcome = live.run() => outcome,
            () = self.watch(&client) => Err(Trouble::Passing("the connection was closed".to_owned())),
            () = self.leave.cancelled() => {
                farewell(&client, "no longer shared", now).await;
                Err(Trouble::Over)
            }
        }
    }

    /// Finds the session on the server, or makes it.
    async fn meet(&self, kept: &mut Keeping, described: Metadata) -> Result<(OpenedSession, SessionClient), Trouble> {
        let (account, record) = (&self.linked.account, &mut kept.record);
        let key = self.world.book.key(&self.linked.whose, &self.session, &record.salt).await?;
        let tag = record.tag.clone().unwrap_or_else(|| format!("rejoin:{}", self.session));
        let new = |tag: String| NewSession { key: Some(key.clone()), ..NewSession::tagged(tag, described.clone()) };
        let opened = match account.create_session(&new(tag.clone())).await {
            // It is from before we were linked this time, under a key that is forgotten.
            Err(rejoin_happy::client::Error::Io { .. } | rejoin_happy::client::Error::Sealed(_))
                if record.tag.is_none() && self.is_there().await =>
            {
                record.tag = Some(format!("{tag}:{}", record.salt));
                account.create_session(&new(record.tag.clone().expect("set just now"))).await?
            }
            opened => {
                record.tag = Some(tag);
                opened?
            }
        };
        if record.known_as.as_deref().is_some_and(|known| known != opened.id()) {
            // The one that we knew was deleted, and this is a new one, which nobody wants.
            account.api().delete_session(opened.id()).await?;
            return Err(Trouble::Removed);
        }
        if record.known_as.is_none() {
            record.known_as = Some(opened.id().to_owned());
            self.keep(kept).await?;
        }
        let outbox = OutboxOptions { items: WAITING, bytes: WAITING_BYTES, file: None };
        let options = SessionOptions {
            start: Start::After(kept.record.heard),
            outbox,
            // Our agents have tools of their own, and nobody else reaches the machine through this.
            common_handlers: false,
            usage_key: Some(USAGE.to_owned()),
        };
        let client = account.session_client(&opened, options)?;
        Ok((opened, client))
    }

    /// Whether the server can be reached: then what it gave cannot be opened, rather than not be had.
    async fn is_there(&self) -> bool {
        self.linked.account.api().sessions().await.is_ok()
    }

    /// Follows how the connection is, for whoever looks.
    async fn watch(&self, client: &SessionClient) {
        let mut status = client.status();
        let mut was_live = false;
        loop {
            match &status {
                Status::Connected => {}
                Status::Connecting => {
                    was_live |= self.told.borrow().standing == ShareStanding::Live;
                    self.stands(ShareStanding::Waiting, Some("the server cannot be reached".to_owned()));
                }
                Status::Refused(why) => return self.linked.refuse(why.clone()),
                Status::Closed => return,
            }
            status = client.status_changed(&status).await;
            if status == Status::Connected && was_live {
                self.stands(ShareStanding::Live, None);
            }
        }
    }

    async fn folder(&self, header: &Header) -> Option<String> {
        let workspace = header.workspace.as_ref()?;
        let found = self.world.workspaces.get(&self.linked.identity(), workspace).await;
        found.ok().map(|workspace| workspace.path)
    }

    fn stands(&self, standing: ShareStanding, error: Option<String>) {
        self.told.send_modify(|share| (share.standing, share.error) = (standing, error));
    }

    /// Writes down how far it is. Fails when it is not shared any more.
    async fn keep(&self, kept: &mut Keeping) -> Result<(), Trouble> {
        let now = self.world.clock.now();
        let (whose, expect) = (&self.linked.whose, Expect::Version(kept.version));
        kept.version = self.world.book.keep_share(whose, &self.session, Some(&kept.record), expect, now).await?;
        self.told.send_modify(|share| {
            share.position = kept.record.position;
            share.known_as.clone_from(&kept.record.known_as);
        });
        Ok(())
    }

    /// The session was deleted while nobody looked: the apps are told.
    async fn bury(&self, kept: &mut Keeping) {
        if kept.record.known_as.is_none() {
            return;
        }
        let here = &self.world.machine;
        let described = Metadata { path: here.home.clone(), host: here.host.clone(), ..Metadata::default() };
        if let Ok(Ok((_, client))) = timeout(FAREWELL, self.meet(kept, described)).await {
            farewell(&client, "deleted", self.world.clock.now()).await;
        }
    }

    /// It stays in sight as failed, so that it is not taken up again by itself.
    async fn give_up(&self, why: String) {
        self.stands(ShareStanding::Failed, Some(why.clone()));
        let whose = &self.linked.whose;
        let outcome = async {
            let kept = self.world.book.share(whose, &self.session).await?;
            let Some(mut record) = kept.value else { return Ok(()) };
            record.failed = Some(why);
            let (expect, now) = (Expect::Version(kept.version), self.world.clock.now());
            self.world.book.keep_share(whose, &self.session, Some(&record), expect, now).await.map(drop)
        };
        note(outcome.await);
    }

    async fn forget(&self) {
        self.stands(ShareStanding::Failed, Some(Trouble::Gone.to_string()));
        let (whose, now) = (&self.linked.whose, self.world.clock.now());
        note(self.world.book.keep_share(whose, &self.session, None, Expect::Anything, now).await.map(drop));
    }
}

/// A share's record, and which version of it we know.
struct Keeping {
    record: ShareRecord,
    version: u64,
}

/// Tells the apps that nothing more comes.
async fn farewell(client: &SessionClient, why: &str, now: rejoin_core::position::Millis) {
    let goodbye = async {
        client
            .update_metadata(|mut metadata| {
                if metadata.lifecycle_state.as_deref() != Some("archived") {
                    metadata.archive("rejoin", why, now);
                }
                metadata
            })
            .await?;
        client.send_session_death();
        client.flush().await
    };
    if let Ok(Err(error)) = timeout(FAREWELL, goodbye).await {
        tracing::debug!(error = words(&error), "happy: a goodbye was not heard");
    }
}

fn note(outcome: Result<(), Failure>) {
    if let Err(failure) = outcome {
        tracing::warn!(error = words(&failure), "happy: keeping how a share stands");
    }
}
