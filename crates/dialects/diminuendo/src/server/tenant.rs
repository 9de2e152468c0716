//! What happens in a tenant's list of sessions, told to every connection of the tenant: read once, written once.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, Weak};

use bytes::Bytes;
use rejoin_core::id::{SessionId, TenantId, UserId};
use rejoin_core::position::Heard;
use rejoin_core::who::{Identity, Role};
use rejoin_ports::gateway::{Failure, FeedLine, Gateway, Scope};
use rejoin_socket::frame;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::Options;
use super::work::sessions::changed;
use crate::names::{SessionChange, told};

/// Lines that are kept for connections that are a little behind.
pub(super) const KEPT: usize = 1_024;
/// Lines read at once.
const PAGE: usize = 256;
/// The place of a deletion: behind every event of the session's log.
pub(super) const DELETED: u64 = u64::MAX;
/// How long to wait when the feed cannot be read.
const PAUSE_MS: u64 = 1_000;

pub(crate) struct Tenants {
    gateway: Gateway,
    change: SessionChange,
    clock: Arc<dyn rejoin_ports::clock::Clock>,
    stop: CancellationToken,
    all: Mutex<HashMap<TenantId, Weak<Tenant>>>,
}

pub(super) struct Tenant {
    lines: Mutex<VecDeque<Line>>,
    /// The number of the newest line.
    newest: watch::Sender<u64>,
    task: Mutex<Option<AbortHandle>>,
}

/// One line of the feed as connections are told of it.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) session: SessionId,
    /// The event of the session's log, or [`DELETED`].
    pub(super) seq: u64,
    pub(super) frame: Bytes,
}

/// A connection's place in what its tenant is told.
pub(super) struct Listening {
    tenant: Arc<Tenant>,
    newest: watch::Receiver<u64>,
    heard: u64,
}

/// What a connection has not heard of its tenant.
pub(super) enum Missed {
    Lines(Vec<Line>),
    /// It was away for so long that only the list itself can say.
    TooMuch,
}

impl Tenants {
    pub(crate) fn new(gateway: Gateway, options: &Options) -> Tenants {
        Tenants {
            gateway,
            change: options.session_change_event,
            clock: options.clock.clone(),
            stop: options.stop.clone(),
            all: Mutex::default(),
        }
    }

    /// Begins to listen behind everything that happened so far.
    pub(super) async fn listen(&self, tenant: &TenantId) -> Result<Listening, Failure> {
        let known = || self.all.lock().expect("no holder of this lock panics").get(tenant).and_then(Weak::upgrade);
        if let Some(known) = known() {
            return Ok(Listening::begin(known));
        }
        let identity = onlooker(tenant.clone());
        let (_, tip) = self.gateway.follow.feed(&identity, Scope::Tenant, Heard::NOTHING, 1).await?;
        let mut all = self.all.lock().expect("no holder of this lock panics");
        if let Some(known) = all.get(tenant).and_then(Weak::upgrade) {
            return Ok(Listening::begin(known));
        }
        let fresh = Arc::new(Tenant { lines: Mutex::default(), newest: watch::Sender::new(0), task: Mutex::new(None) });
        let reading = Reading {
            gateway: self.gateway.clone(),
            change: self.change,
            clock: self.clock.clone(),
            identity,
            tenant: Arc::downgrade(&fresh),
        };
        let stop = self.stop.clone();
        let task = tokio::spawn(async move {
            tokio::select! {
                () = reading.run(tip.seq) => {}
                () = stop.cancelled() => {}
            }
        });
        *fresh.task.lock().expect("no holder of this lock panics") = Some(task.abort_handle());
        all.retain(|_, tenant| tenant.strong_count() > 0);
        all.insert(tenant.clone(), Arc::downgrade(&fresh));
        Ok(Listening::begin(fresh))
    }
}

/// Whoever reads a feed for everybody sees what everybody sees.
fn onlooker(tenant: TenantId) -> Identity {
    let user = UserId::new("gateway").expect("a plain name");
    Identity { tenant, user, role: Role::Viewer, email: None }
}

impl Listening {
    fn begin(tenant: Arc<Tenant>) -> Listening {
        let newest = tenant.newest.subscribe();
        let heard = *newest.borrow();
        Listening { tenant, newest, heard }
    }

    /// Returns when there is something that was not heard.
    pub(super) async fn changed(&mut self) {
        let heard = self.heard;
        if self.newest.wait_for(|newest| *newest > heard).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    pub(super) fn take(&mut self) -> Missed {
        let lines = self.tenant.lines.lock().expect("no holder of this lock panics");
        let before = std::mem::replace(&mut self.heard, *self.newest.borrow_and_update());
        let oldest = lines.front().map_or(0, |line| line.number);
        if before + 1 < oldest && lines.len() == KEPT {
            return Missed::TooMuch;
        }
        let (from, to) = [before, self.heard].map(|heard| lines.partition_point(|line| line.number <= heard)).into();
        Missed::Lines(lines.range(from..to).cloned().collect())
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        if let Some(task) = self.task.lock().expect("no holder of this lock panics").take() {
            task.abort();
        }
    }
}

struct Reading {
    gateway: Gateway,
    change: SessionChange,
    clock: Arc<dyn rejoin_ports::clock::Clock>,
    identity: Identity,
    tenant: Weak<Tenant>,
}

impl Reading {
    async fn run(self, mut after: u64) {
        let mut number = 0;
        loop {
            match self.read(&mut after, &mut number).await {
                Ok(()) => {}
                Err(Failure::Closing) => return,
                Err(error) => {
                    tracing::warn!(%error, "diminuendo: a tenant's feed cannot be read");
                    self.clock.until(self.clock.now() + PAUSE_MS).await;
                }
            }
        }
    }

    async fn read(&self, after: &mut u64, number: &mut u64) -> Result<(), Failure> {
        let follow = &self.gateway.follow;
        follow.fed(&self.identity, Scope::Tenant, *after).await?;
        let (lines, tip) = follow.feed(&self.identity, Scope::Tenant, Heard { epoch: None, seq: *after }, PAGE).await?;
        // A position that is gone: what was in between shows when somebody lists again.
        let Some(lines) = lines else {
            *after = tip.seq;
            return Ok(());
        };
        for line in lines {
            *after = line.seq;
            let Some(frame) = self.frame(&line).await else { continue };
            let (Some(session), Some(seq)) = (line.session, line.session_seq) else { continue };
            let Some(tenant) = self.tenant.upgrade() else { return Err(Failure::Closing) };
            *number += 1;
            let mut lines = tenant.lines.lock().expect("no holder of this lock panics");
            if lines.len() == KEPT {
                lines.pop_front();
            }
            let seq = if line.change == "deleted" { DELETED } else { seq };
            lines.push_back(Line { number: *number, session, seq, frame });
            drop(lines);
            tenant.newest.send_replace(*number);
        }
        Ok(())
    }

    async fn frame(&self, line: &FeedLine) -> Option<Bytes> {
        let session = line.session.as_ref()?;
        let name = match line.change.as_str() {
            "created" => told::SESSION_CREATED,
            "renamed" => told::SESSION_UPDATED,
            "archived" => told::SESSION_ARCHIVED,
            "unarchived" => told::SESSION_UNARCHIVED,
            "deleted" => {
                let frame = json!({ "type": told::SESSION_DELETED, "sessionId": session });
                return Some(frame::chunk(|out| frame::text(out, &frame.to_string())));
            }
            _ => return None,
        };
        // One that is gone meanwhile, or is none for this dialect, is not told of.
        let (header, _) = self.gateway.sessions.header(&self.identity, session).await.ok()?;
        let frame = changed(name, &header, self.change)?;
        Some(frame::chunk(|out| frame::text(out, &frame.to_string())))
    }
}
