//! Who is there: which sessions and machines say so. It is told at once and written down now and then; nothing is loaded for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use bytes::Bytes;
use rejoin_core::position::Millis;
use rejoin_ports::gateway::Failure;
use rejoin_ports::store::{Expect, Owner, RecordWrite};
use serde::{Deserialize, Serialize};

use super::hub::{Scope, Signal};
use super::who::Who;
use super::{Hall, machine, session};
use crate::wire::Ephemeral;

/// What is not heard of for so long is not there any more.
const SILENT_MS: Millis = 10 * 60_000;
/// How often we look for what went silent, and write down what was heard.
const SWEEP_MS: Millis = 60_000;
const WRITE_MS: Millis = 5_000;
/// What was written is good enough until it is off by this.
const OFF_MS: Millis = 30_000;
/// After its end a session's late heartbeats are passed over for so long.
const MUTED_MS: Millis = 60_000;
/// How long we believe that something exists, or does not, without another look.
const CHECKED_MS: Millis = 30_000;
/// What is remembered at most. Beyond it what is not active is forgotten; it is written down.
const MOST: usize = 100_000;
/// What is recalled of an account whose first client connects.
const MOST_RECALLED: usize = 1_000;
/// Records written at once.
const WRITES: usize = 100;
const KIND: &str = "happy.presence";

/// Something that can be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Thing {
    Session,
    Machine,
}

impl Thing {
    /// Sorts the records of one kind together.
    fn key(self, id: &str) -> String {
        match self {
            Thing::Session => format!("s {id}"),
            Thing::Machine => format!("m {id}"),
        }
    }
}

/// Whether it is there, and when that was last heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) active: bool,
    pub(crate) active_at: Millis,
    /// When it was last written down.
    pub(crate) written_at: Millis,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    active: bool,
    active_at: Millis,
}

struct Known {
    owner: Owner,
    active: bool,
    active_at: Millis,
    /// What the record says.
    written: Option<(bool, Millis)>,
    written_at: Millis,
    muted_until: Millis,
    checked_until: Millis,
    exists: bool,
}

/// Whether something is there, and when that was heard.
type Stands = (bool, Millis);
type Key = (Arc<str>, Thing, String);

#[derive(Default)]
pub(crate) struct Presence {
    known: Mutex<HashMap<Key, Known>>,
}

impl Presence {
    /// Looks after what was heard, for as long as the door is there.
    pub(super) fn look_after(hall: &Hall) {
        let (weak, clock) = (Arc::downgrade(&hall.0), hall.options.clock.clone());
        let stop = hall.options.stop.clone();
        hall.options.tasks.spawn(async move {
            let mut sweep_at = clock.now() + SWEEP_MS;
            loop {
                tokio::select! {
                    () = clock.until(clock.now() + WRITE_MS) => {}
                    () = stop.cancelled() => return,
                }
                let Some(shared) = Weak::upgrade(&weak) else { return };
                let hall = Hall(shared);
                if clock.now() >= sweep_at {
                    sweep_at = clock.now() + SWEEP_MS;
                    hall.presence.sweep(&hall);
                }
                hall.presence.write_down(&hall, false).await;
            }
        });
    }

    /// How something stands; `otherwise` if nothing was ever heard of it.
    pub(crate) async fn seen(
        &self,
        hall: &Hall,
        who: &Who,
        thing: Thing,
        id: &str,
        otherwise: Seen,
    ) -> Result<Seen, Failure> {
        if let Some(seen) = self.remembered(hall, &who.account.id, thing, id) {
            return Ok(seen);
        }
        let record = hall.gateway.records.get(&who.owner(), KIND, &thing.key(id)).await?;
        let read = record.and_then(|record| Some((record.value?, record.updated_at)));
        Ok(read
            .and_then(|(value, at)| read_seen(&value, at))
            .map_or(otherwise, |seen| fresh(seen, hall.options.clock.now())))
    }

    /// How all of a kind stand, as far as anything was heard.
    pub(crate) async fn all(&self, hall: &Hall, who: &Who, thing: Thing) -> Result<HashMap<String, Seen>, Failure> {
        let now = hall.options.clock.now();
        let written = self.written(hall, who, thing).await?;
        let mut found: HashMap<_, _> = written.into_iter().map(|(id, seen)| (id, fresh(seen, now))).collect();
        let known = self.known.lock().expect("no holder of this lock panics");
        let ours = known
            .iter()
            .filter(|((account, kind, _), known)| **account == *who.account.id && *kind == thing && known.exists);
        found.extend(ours.map(|((_, _, id), known)| (id.clone(), fresh(known.seen(), now))));
        Ok(found)
    }

    /// What was written down of all of a kind.
    async fn written(&self, hall: &Hall, who: &Who, thing: Thing) -> Result<Vec<(String, Seen)>, Failure> {
        const PAGE: usize = 1_000;
        let prefix = thing.key("");
        let mut found = Vec::new();
        let mut after = String::new();
        loop {
            let page = hall.gateway.records.list(&who.owner(), KIND, &prefix, &after, PAGE).await?;
            let last = page.len() < PAGE;
            for record in page {
                let seen = record.value.as_ref().and_then(|value| read_seen(value, record.updated_at));
                if let (Some(id), Some(seen)) = (record.key.strip_prefix(&prefix), seen) {
                    found.push((id.to_owned(), seen));
                }
                after = record.key;
            }
            if last {
                return Ok(found);
            }
        }
    }

    fn remembered(&self, hall: &Hall, account: &str, thing: Thing, id: &str) -> Option<Seen> {
        let known = self.known.lock().expect("no holder of this lock panics");
        let known = known.get(&(account.into(), thing, id.to_owned())).filter(|known| known.exists)?;
        Some(fresh(known.seen(), hall.options.clock.now()))
    }

    /// Remembers what was there when somebody last heard of it: if it stays silent, whoever looks now is told.
    pub(crate) async fn recall(&self, hall: &Hall, who: &Who) -> Result<(), Failure> {
        let now = hall.options.clock.now();
        for thing in [Thing::Session, Thing::Machine] {
            let written = self.written(hall, who, thing).await?;
            let active = written.into_iter().filter(|(_, seen)| seen.active);
            for (id, seen) in active.take(MOST_RECALLED) {
                let mut all = self.known.lock().expect("no holder of this lock panics");
                all.entry(key(who, thing, &id)).or_insert_with(|| Known {
                    owner: who.owner(),
                    active: true,
                    active_at: seen.active_at,
                    written: Some((true, seen.active_at)),
                    written_at: seen.written_at,
                    muted_until: 0,
                    checked_until: now + CHECKED_MS,
                    exists: true,
                });
            }
        }
        Ok(())
    }

    /// It says that it is there. Times that are too old say nothing, and those of the future mean now.
    pub(crate) async fn alive(
        &self,
        hall: &Hall,
        who: &Who,
        thing: Thing,
        id: &str,
        time: Millis,
        thinking: bool,
    ) -> Result<(), Failure> {
        let now = hall.options.clock.now();
        let time = time.min(now);
        if now - time > SILENT_MS || !self.exists(hall, who, thing, id).await? {
            return Ok(());
        }
        {
            let mut all = self.known.lock().expect("no holder of this lock panics");
            // It may have been deleted since we looked.
            let Some(known) = all.get_mut(&key(who, thing, id)).filter(|known| now >= known.muted_until) else {
                return Ok(());
            };
            known.active = true;
            known.active_at = known.active_at.max(time);
        }
        self.tell(hall, &who.account.id, thing, id, (true, time), thinking);
        Ok(())
    }

    /// It is over, or put away: not there any more, and what it still says late is passed over.
    pub(crate) async fn ended(
        &self,
        hall: &Hall,
        who: &Who,
        thing: Thing,
        id: &str,
        time: Millis,
    ) -> Result<(), Failure> {
        if !self.exists(hall, who, thing, id).await? {
            return Ok(());
        }
        let now = hall.options.clock.now();
        self.change(who, thing, id, |known| {
            (known.active, known.active_at) = (false, time);
            known.muted_until = now + MUTED_MS;
        });
        self.tell(hall, &who.account.id, thing, id, (false, time), false);
        Ok(())
    }

    /// It is there, whatever it said before: a machine that reports its state, a session that is begun again.
    pub(crate) async fn here(
        &self,
        hall: &Hall,
        who: &Who,
        thing: Thing,
        id: &str,
        active: bool,
    ) -> Result<(), Failure> {
        if self.exists(hall, who, thing, id).await? {
            let now = hall.options.clock.now();
            self.change(who, thing, id, |known| {
                known.muted_until = 0;
                if active {
                    (known.active, known.active_at) = (true, now);
                }
            });
        }
        Ok(())
    }

    /// It was deleted.
    pub(crate) async fn forget(&self, hall: &Hall, who: &Who, thing: Thing, id: &str) -> Result<(), Failure> {
        let now = hall.options.clock.now();
        self.known.lock().expect("no holder of this lock panics").remove(&key(who, thing, id));
        let (owner, key) = (who.owner(), thing.key(id));
        let write = RecordWrite { owner, kind: KIND.into(), key, expect: Expect::Anything, value: None, at: now };
        hall.gateway.records.write_as(vec![write], Vec::new()).await.map(drop)
    }

    /// A socket of a machine has come or gone: it is told, and what is kept stays as heartbeats said.
    pub(crate) fn connected(&self, hall: &Hall, who: &Who, machine: &str, here: bool) {
        let now = hall.options.clock.now();
        self.tell(hall, &who.account.id, Thing::Machine, machine, (here, now), false);
    }

    /// Whether the account has it. Known for half a minute without a look.
    async fn exists(&self, hall: &Hall, who: &Who, thing: Thing, id: &str) -> Result<bool, Failure> {
        let (now, key) = (hall.options.clock.now(), key(who, thing, id));
        {
            let all = self.known.lock().expect("no holder of this lock panics");
            if let Some(known) = all.get(&key).filter(|known| now < known.checked_until) {
                return Ok(known.exists);
            }
        }
        let born = match thing {
            Thing::Session => session::born(hall, who, id).await?,
            Thing::Machine => machine::born(hall, who, id).await?,
        };
        let seen = match born {
            Some(otherwise) => self.seen(hall, who, thing, id, otherwise).await?,
            None => Seen { active: false, active_at: 0, written_at: 0 },
        };
        let mut all = self.known.lock().expect("no holder of this lock panics");
        if all.len() >= MOST {
            all.retain(|_, known| known.active || known.is_dirty());
        }
        let known = all.entry(key).or_insert_with(|| Known {
            owner: who.owner(),
            active: seen.active,
            active_at: seen.active_at,
            written: (seen.written_at > 0).then_some((seen.active, seen.active_at)),
            written_at: seen.written_at,
            muted_until: 0,
            checked_until: 0,
            exists: false,
        });
        known.checked_until = now + CHECKED_MS;
        known.exists = born.is_some();
        Ok(known.exists)
    }

    fn change(&self, who: &Who, thing: Thing, id: &str, change: impl FnOnce(&mut Known)) {
        let mut all = self.known.lock().expect("no holder of this lock panics");
        if let Some(known) = all.get_mut(&key(who, thing, id)) {
            change(known);
        }
    }

    fn tell(&self, hall: &Hall, account: &str, thing: Thing, id: &str, (active, active_at): Stands, thinking: bool) {
        let id = id.to_owned();
        let told = match thing {
            Thing::Session => Ephemeral::Activity { id, active, active_at, thinking },
            Thing::Machine => Ephemeral::MachineActivity { id, active, active_at },
        };
        hall.hub.signal(account, Signal::new(Scope::People, &told));
    }

    /// Whoever went silent is not there any more.
    fn sweep(&self, hall: &Hall) {
        let now = hall.options.clock.now();
        let mut silent = Vec::new();
        {
            let mut all = self.known.lock().expect("no holder of this lock panics");
            for ((account, thing, id), known) in all.iter_mut() {
                if known.active && known.active_at + SILENT_MS <= now {
                    known.active = false;
                    silent.push((account.clone(), *thing, id.clone(), known.active_at));
                }
            }
            // What is written down and not there need not be remembered.
            all.retain(|_, known| known.active || known.is_dirty() || now < known.muted_until.max(known.checked_until));
        }
        for (account, thing, id, active_at) in silent {
            self.tell(hall, &account, thing, &id, (false, active_at), false);
        }
    }

    /// Writes down what is worth it; at the end, all of it.
    pub(super) async fn write_down(&self, hall: &Hall, all_of_it: bool) {
        let now = hall.options.clock.now();
        let (mut keys, mut writes) = (Vec::new(), Vec::new());
        {
            let mut all = self.known.lock().expect("no holder of this lock panics");
            for (key, known) in all.iter_mut() {
                let (_, thing, id) = key;
                let stands = (known.active, known.active_at);
                let worth = known.is_dirty() || (all_of_it && known.written != Some(stands));
                if known.exists && worth {
                    known.written = Some(stands);
                    known.written_at = now;
                    let value = Written { active: known.active, active_at: known.active_at };
                    let value = serde_json::to_vec(&value).expect("a plain record");
                    keys.push(key.clone());
                    writes.push(RecordWrite {
                        owner: known.owner.clone(),
                        kind: KIND.to_owned(),
                        key: thing.key(id),
                        expect: Expect::Anything,
                        value: Some(Bytes::from(value)),
                        at: now,
                    });
                }
            }
        }
        for (keys, chunk) in keys.chunks(WRITES).zip(writes.chunks(WRITES)) {
            if let Err(error) = hall.gateway.records.write_as(chunk.to_vec(), Vec::new()).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "happy: presence could not be written down");
                self.write_again(keys);
            }
        }
    }

    /// What could not be written down is as if it never was, and so it is tried again.
    fn write_again(&self, keys: &[Key]) {
        let mut all = self.known.lock().expect("no holder of this lock panics");
        for key in keys {
            if let Some(known) = all.get_mut(key) {
                known.written = None;
            }
        }
    }
}

impl Known {
    fn seen(&self) -> Seen {
        Seen { active: self.active, active_at: self.active_at, written_at: self.written_at }
    }

    /// Whether what is written is too far off.
    fn is_dirty(&self) -> bool {
        match self.written {
            None => self.active_at > 0,
            Some((active, at)) => active != self.active || self.active_at.abs_diff(at) > OFF_MS,
        }
    }
}

fn key(who: &Who, thing: Thing, id: &str) -> Key {
    (who.account.id.as_str().into(), thing, id.to_owned())
}

fn read_seen(value: &[u8], written_at: Millis) -> Option<Seen> {
    let Written { active, active_at } = serde_json::from_slice(value).ok()?;
    Some(Seen { active, active_at, written_at })
}

/// What went silent while nobody looked is not there.
fn fresh(seen: Seen, now: Millis) -> Seen {
    Seen { active: seen.active && seen.active_at + SILENT_MS > now, ..seen }
}
