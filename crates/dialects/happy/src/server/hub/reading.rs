//! From lines of the feed to what sockets are told: each line is looked up in the log or the records that it points to.

use std::collections::HashMap;
use std::sync::Arc;

use rejoin_core::event::{Event, Logged};
use rejoin_core::id::SessionId;
use rejoin_core::position::Heard;
use rejoin_ports::gateway::{Failure, FeedLine, Scope as Feed};

use super::{Line, Scope, Told};
use crate::server::who::Who;
use crate::server::{Hall, id, message, record, session};
use crate::wire::{Body, Update};

/// Lines of the feed that are read at once.
const PAGE: usize = 256;
/// What lines may weigh that are told at once; a single one may be heavier.
const PAGE_BYTES: usize = 4 << 20;
/// Events of a session that are read at once.
const EVENTS: usize = 512;

/// The number of the feed's newest line.
pub(super) async fn tip(hall: &Hall, who: &Who) -> Result<u64, Failure> {
    hall.gateway.follow.fed_to(&who.identity(), Feed::Own).await
}

/// Waits for lines behind `after`, and says how far it has read. `None`: they are gone.
pub(super) async fn next(hall: &Hall, who: &Who, after: u64) -> Result<Option<(Vec<Line>, u64)>, Failure> {
    let (identity, follow) = (who.identity(), &hall.gateway.follow);
    follow.fed(&identity, Feed::Own, after).await?;
    let heard = Heard { epoch: None, seq: after };
    let (Some(page), tip) = follow.feed(&identity, Feed::Own, heard, PAGE).await? else { return Ok(None) };
    let mut read_to = page.last().map_or(tip.seq, |line| line.seq);
    let mut reading = Reading { hall, who, events: HashMap::new(), wanted: wanted(&page) };
    let (mut lines, mut bytes) = (Vec::with_capacity(page.len()), 0);
    for line in &page {
        let told = reading.line(line).await?;
        bytes += told.as_ref().map_or(0, |line| line.told.weight());
        lines.extend(told);
        if bytes >= PAGE_BYTES {
            read_to = line.seq;
            break;
        }
    }
    Ok(Some((lines, read_to)))
}

/// Up to which number the events of each session are wanted.
fn wanted(page: &[FeedLine]) -> HashMap<SessionId, u64> {
    let mut wanted = HashMap::new();
    for line in page {
        if let (Some(session), Some(seq)) = (&line.session, line.session_seq) {
            wanted.insert(session.clone(), seq);
        }
    }
    wanted
}

struct Reading<'a> {
    hall: &'a Hall,
    who: &'a Who,
    /// Events that were read ahead, of each session the stretch that its lines point to.
    events: HashMap<SessionId, Vec<Logged>>,
    wanted: HashMap<SessionId, u64>,
}

impl Reading<'_> {
    /// What a line tells. What is gone meanwhile, or nobody of this dialect cares about, tells nothing.
    async fn line(&mut self, line: &FeedLine) -> Result<Option<Line>, Failure> {
        let Some(session) = &line.session else { return self.record(line).await };
        let name: Arc<str> = session.as_str().into();
        let told = match line.change.as_str() {
            "created" => {
                let found = session::card(self.hall, self.who, session).await;
                match found {
                    Ok(card) => Some((Scope::People, None, card.into_new())),
                    Err(Failure::NotFound(_)) => None,
                    Err(error) => return Err(error),
                }
            }
            "deleted" => Some((Scope::People, None, Body::DeleteSession { sid: session.to_string() })),
            "sealed" | "register" => {
                let Some(logged) = self.event(session, line.session_seq.unwrap_or(0)).await? else { return Ok(None) };
                let body = match &logged.event {
                    Event::SealedAdded { .. } => message::told(session, &logged),
                    Event::RegisterSet { name, version, value } => session::told(session, name, *version, value),
                    _ => None,
                };
                let except = match &logged.event {
                    Event::SealedAdded { .. } => logged.author.connection.as_deref().map(Arc::from),
                    _ => None,
                };
                body.map(|body| (Scope::Session(name), except, body))
            }
            _ => None,
        };
        Ok(told.map(|(scope, except, body)| self.told(line, scope, except, body)))
    }

    async fn record(&mut self, line: &FeedLine) -> Result<Option<Line>, Failure> {
        let told = record::told(self.hall, self.who, line).await?;
        Ok(told.map(|(scope, body)| self.told(line, scope, None, body)))
    }

    fn told(&self, line: &FeedLine, scope: Scope, except: Option<Arc<str>>, body: Body) -> Line {
        let update =
            Update { id: id::update(&self.who.account.id, line.seq), seq: line.seq, body, created_at: line.at };
        Line { number: line.seq, scope, except, told: Arc::new(Told::new("update", &update)) }
    }

    /// The event of a session's log that a line points to.
    async fn event(&mut self, session: &SessionId, seq: u64) -> Result<Option<Logged>, Failure> {
        let known = |events: &Vec<Logged>| {
            let at = events.binary_search_by_key(&seq, |logged| logged.seq.get()).ok()?;
            Some(events[at].clone())
        };
        if let Some(found) = self.events.get(session).and_then(known) {
            return Ok(Some(found));
        }
        let most = usize::try_from(self.wanted.get(session).map_or(1, |upto| upto.saturating_sub(seq) + 1));
        let after = Heard { epoch: None, seq: seq.saturating_sub(1) };
        let most = most.unwrap_or(EVENTS).clamp(1, EVENTS);
        let read = self.hall.gateway.follow.page(&self.who.identity(), session, after, most).await;
        let batch = match read {
            Ok((Some(batch), _)) => batch,
            Ok((None, _)) | Err(Failure::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let Ok(events) = batch.events() else { return Ok(None) };
        let events = events.to_vec();
        let found = known(&events);
        self.events.insert(session.clone(), events);
        Ok(found)
    }
}
