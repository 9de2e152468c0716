//! What one commit checks and changes.

use std::collections::HashMap;

use rejoin_core::event::Event;
use rejoin_core::id::SessionId;
use rejoin_core::position::{Millis, Seq};

use super::State;
use super::log::{Line, Log};
use crate::store::{
    Append, CommitError, Committed, Expect, Fed, FeedEntry, MOST_NAMED, Naming, Record, RecordWrite, Tally, Work,
    tallied,
};

impl State {
    /// Whether all of `work` may be kept. Changes nothing.
    pub(super) fn check(&self, work: &Work) -> Result<(), CommitError> {
        if let Some(append) = &work.stream {
            self.check_append(append)?;
        }
        let mut own = HashMap::new();
        for claim in &work.claims {
            let before = own.insert((claim.space, &claim.key), &claim.holder);
            let holder = before.filter(|holder| **holder != claim.holder).or(self.held_by_another(claim));
            if let Some(holder) = holder {
                return Err(CommitError::Claimed {
                    space: claim.space,
                    key: claim.key.clone(),
                    holder: holder.clone(),
                });
            }
        }
        self.check_blobs(work)?;
        self.check_records(&work.records)
    }

    fn check_blobs(&self, work: &Work) -> Result<(), CommitError> {
        let mut own: HashMap<(&SessionId, &String), bool> = HashMap::new();
        for Naming { session, name, hash } in &work.blobs {
            let begun = work.stream.as_ref().is_some_and(|append| append.session == *session);
            let named = match self.sessions.get(session) {
                Some(log) => &log.named,
                None if begun => &HashMap::new(),
                None => return Err(CommitError::Gone),
            };
            own.insert((session, name), hash.is_some());
            let kept = named.keys().filter(|kept| !own.contains_key(&(session, *kept))).count();
            let added = own.iter().filter(|((of, _), is_there)| *of == session && **is_there).count();
            if hash.is_some() && kept + added > MOST_NAMED {
                return Err(CommitError::TooManyNamed);
            }
        }
        Ok(())
    }

    fn check_append(&self, append: &Append) -> Result<(), CommitError> {
        let known = self.sessions.get(&append.session);
        let conflict = |log: Option<&Log>| CommitError::Conflict {
            tip: log.and_then(Log::tip),
            term: log.map_or(0, |log| log.term),
        };
        match (append.after, known) {
            (None, Some(_)) => return Err(CommitError::Exists),
            (Some(_), None) => return Err(CommitError::Gone),
            (None, None) if append.batch.is_empty() => return Err(conflict(None)),
            (None, None) => {}
            (after, Some(log)) if after == log.tip() && append.term == log.term => {}
            (_, log) => return Err(conflict(log)),
        }
        if !append.is_gapless() {
            return Err(conflict(known));
        }
        let mut own = std::collections::HashSet::new();
        for receipt in &append.receipts {
            let name = (receipt.user.clone(), receipt.command.clone());
            let done = known.is_some_and(|log| log.receipts.contains_key(&name));
            if done || !own.insert(name) {
                return Err(CommitError::Repeated { user: receipt.user.clone(), command: receipt.command.clone() });
            }
        }
        for (at, file) in append.files.iter().enumerate() {
            let place = (file.workspace.clone(), file.path.clone());
            let kept = self.files.get(&place).into_iter().flatten().map(|(_, file)| file);
            let own = append.files[..at].iter().filter(|own| own.workspace == file.workspace && own.path == file.path);
            let taken = kept.chain(own).map(|other| other.version);
            if file.version == 0 || taken.clone().any(|taken| taken == file.version) {
                return Err(append.file_conflict(file, taken.max().unwrap_or(0)));
            }
        }
        Ok(())
    }

    fn check_records(&self, writes: &[RecordWrite]) -> Result<(), CommitError> {
        // A Work may write one record twice; the second write sees what the first one left.
        let mut own = HashMap::new();
        for write in writes {
            let place = (write.owner.clone(), write.kind.clone(), write.key.clone());
            let (version, value) = own.get(&place).cloned().unwrap_or_else(|| {
                self.records.get(&place).map_or((0, None), |record| (record.version, record.value.clone()))
            });
            let fits = match write.expect {
                Expect::Anything => true,
                Expect::Absent => value.is_none(),
                Expect::Version(expected) => version == expected,
            };
            if !fits {
                return Err(CommitError::Record { kind: write.kind.clone(), key: write.key.clone(), version, value });
            }
            own.insert(place, (version + 1, write.value.clone()));
        }
        Ok(())
    }

    /// Keeps a Work that was checked; gives what it brought, and the feed entries' numbers.
    pub(super) fn keep(&mut self, work: &Work, life: u64) -> (Committed, Vec<u64>) {
        if let Some(append) = &work.stream {
            self.keep_append(append, life);
        }
        for claim in &work.claims {
            self.claims.insert((claim.space, claim.key.clone()), claim.holder.clone());
        }
        for Naming { session, name, hash } in &work.blobs {
            let Some(log) = self.sessions.get_mut(session) else { continue };
            match hash {
                Some(hash) => drop(log.named.insert(name.clone(), hash.clone())),
                None => drop(log.named.remove(name)),
            }
        }
        let versions = work.records.iter().map(|write| self.write(write)).collect();
        let tallies = work.tallies.iter().map(|tally| self.tally(tally)).collect();
        (Committed { versions, tallies }, self.feed(&work.feed))
    }

    fn keep_append(&mut self, append: &Append, life: u64) {
        let log = self.sessions.entry(append.session.clone()).or_insert_with(|| Log::begin(&append.row));
        let events = append.batch.events().unwrap_or_default();
        for (index, (seq, line)) in append.batch.iter().enumerate() {
            log.lines.push(Line {
                seq,
                bytes: append.batch.lines().slice_ref(line),
                solid: events.get(index).is_none_or(|logged| is_solid(&logged.event)),
            });
        }
        log.row = (*append.row).clone();
        log.row.tip = log.tip();
        log.life = life;
        for receipt in &append.receipts {
            let name = (receipt.user.clone(), receipt.command.clone());
            log.receipts.insert(name, receipt.clone());
        }
        for (message, from, to) in &append.places {
            log.places.insert(message.clone(), (*from, *to));
        }
        let tenant = append.row.header.tenant.clone();
        for file in &append.files {
            let versions = self.files.entry((file.workspace.clone(), file.path.clone())).or_default();
            // They may come out of order, and are listed in it.
            let at = versions.partition_point(|(_, other)| other.version < file.version);
            versions.insert(at, (tenant.clone(), file.clone()));
        }
    }

    fn write(&mut self, write: &RecordWrite) -> u64 {
        let place = (write.owner.clone(), write.kind.clone(), write.key.clone());
        let record = self.records.entry(place).or_insert_with(|| Record {
            kind: write.kind.clone(),
            key: write.key.clone(),
            version: 0,
            value: None,
            updated_at: write.at,
        });
        record.version += 1;
        record.value.clone_from(&write.value);
        record.updated_at = write.at;
        record.version
    }

    fn tally(&mut self, tally: &Tally) -> u64 {
        let Tally { owner, kind, key, by, at } = tally.clone();
        let before = self.records.get(&(owner.clone(), kind.clone(), key.clone()));
        let number = tallied(before.and_then(|record| record.value.as_deref())).saturating_add(by);
        let value = Some(number.to_string().into());
        self.write(&RecordWrite { owner, kind, key, expect: Expect::Anything, value, at });
        number
    }

    pub(super) fn feed(&mut self, entries: &[FeedEntry]) -> Vec<u64> {
        let number = |entry: &FeedEntry| {
            let feed = self.feeds.entry(entry.owner.clone()).or_default();
            feed.newest += 1;
            feed.items.push_back(Fed { seq: feed.newest, at: entry.at, what: entry.what.clone() });
            feed.newest
        };
        entries.iter().map(number).collect()
    }

    /// Removes a session and what belongs to it. File versions belong to their workspace, and stay.
    pub(super) fn forget(&mut self, session: &SessionId) -> bool {
        if self.sessions.remove(session).is_none() {
            return false;
        }
        self.claims.retain(|_, holder| holder != session.as_str());
        self.snapshots.retain(|(of, _), _| of != session);
        true
    }

    /// Removes blobs put before `before` that nothing names.
    pub(super) fn sweep(&mut self, before: Millis) {
        let State { sessions, files, blobs, .. } = self;
        blobs.retain(|(tenant, hash), (_, put_at)| {
            let url = format!("blob:{hash}");
            let named_in_log = || {
                let mut own = sessions.values().filter(|log| log.row.header.tenant == *tenant);
                own.any(|log| log.named.values().any(|named| named == hash) || log.mentions(url.as_bytes()))
            };
            let is_version = || {
                files.values().flatten().any(|(of, file)| of == tenant && file.hash.as_deref() == Some(hash.as_str()))
            };
            *put_at >= before || is_version() || named_in_log()
        });
    }
}

/// Whether an event stands in transcripts. What only grows does not: its end has it all.
pub fn is_solid(event: &Event) -> bool {
    !matches!(event, Event::PartDelta { .. } | Event::ToolOutput { .. })
}

impl Append {
    /// Whether the batch follows `after` without a hole, and has none itself.
    pub fn is_gapless(&self) -> bool {
        let (Some(first), Some(last)) = (self.batch.first(), self.batch.last()) else {
            return true;
        };
        first == Seq::after(self.after) && last.get() - first.get() + 1 == self.batch.len() as u64
    }

    /// What a writer hears whose number of a file's version is taken.
    pub fn file_conflict(&self, file: &crate::store::FileVersion, newest: u64) -> CommitError {
        CommitError::Record { kind: "file".to_owned(), key: file.path.clone(), version: newest, value: None }
    }
}
