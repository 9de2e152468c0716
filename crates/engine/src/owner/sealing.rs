//! What an owner does with sealed messages: each local name once, and all of a request in one append.

use std::collections::HashMap;
use std::sync::Arc;

use rejoin_core::decide::Facts;
use rejoin_core::event::Event;
use rejoin_core::id::CommandId;
use rejoin_core::position::Seq;
use rejoin_core::sealed::Sealing;
use rejoin_ports::gateway::{Caller, Failure};
use rejoin_ports::store::{Receipt, StoreError};

use super::decide::refuse;
use super::{Done, Owner, Reply};
use crate::sealed::{Fresh, KEEPER, Put, Sealings};

/// What the receipt of a local name is compared by: nothing, for what is sent again is not looked into.
const NO_BODY: [u8; 16] = [0; 16];

/// A local name whose message is decided and not kept yet.
pub(super) struct NewLocal {
    pub(super) name: [u8; 16],
    pub(super) receipt: Receipt,
}

/// Where one message of a request will be.
enum Place {
    /// It is there already.
    At(u64),
    /// It is this one of those that are new,
    New(usize),
    /// or has the same name as that one.
    Same(usize),
}

impl Owner {
    /// Adds what was not there before. `command` is kept as done with it.
    pub(super) async fn seal(
        &mut self,
        caller: Caller,
        wanted: Arc<Sealings>,
        command: Option<(CommandId, [u8; 16])>,
        reply: Reply,
    ) {
        let known = match self.sealed_as(&wanted.names).await {
            Ok(known) => known,
            Err(error) => return refuse(reply, Failure::Store(error)),
        };
        let mut new: Vec<&Sealing> = Vec::with_capacity(wanted.messages.len());
        let mut names: Vec<Option<[u8; 16]>> = Vec::with_capacity(wanted.messages.len());
        let mut own: HashMap<[u8; 16], usize> = HashMap::new();
        let mut places = Vec::with_capacity(wanted.messages.len());
        for ((message, name), known) in wanted.messages.iter().zip(&wanted.names).zip(known) {
            places.push(match (known, name.and_then(|name| own.get(&name))) {
                (Some(seq), _) => Place::At(seq),
                (None, Some(same)) => Place::Same(*same),
                (None, None) => {
                    own.extend(name.map(|name| (name, new.len())));
                    new.push(message);
                    names.push(*name);
                    Place::New(new.len() - 1)
                }
            });
        }
        let facts = Facts { role: Some(caller.identity.role), ..self.facts() };
        let fresh = new.into_iter().cloned().collect();
        let first = self.pending.len();
        if let Err(refusal) = self.decide(caller.author, facts, |decider| decider.seal(fresh)) {
            self.inner.counts.refused.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            return refuse(reply, refusal.into());
        }
        self.inner.counts.commands.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut added = Vec::with_capacity(names.len());
        for (logged, name) in self.pending[first..].iter().zip(names) {
            let Event::SealedAdded { id, number, local, .. } = &logged.event else { continue };
            let seq = logged.seq.get();
            added.push((seq, Fresh { id: id.clone(), number: *number, at: logged.at }));
            if let (Some(name), Some(local)) = (name, local) {
                let command = CommandId::of_local(local);
                let receipt = Receipt { user: KEEPER.clone(), command, body: NO_BODY, seq };
                self.unkept_locals.insert(name, seq);
                self.new_locals.push(NewLocal { name, receipt });
            }
        }
        if let ([(first, _), ..], Some(last)) = (added.as_slice(), self.session.tip) {
            self.whole.extend(Seq::new(*first).map(|first| (first, last)));
        }
        let put = |place: &Place| match place {
            Place::At(seq) => Put { seq: *seq, fresh: None, existed: true },
            Place::New(at) => Put { seq: added[*at].0, fresh: Some(added[*at].1.clone()), existed: false },
            Place::Same(at) => Put { seq: added[*at].0, fresh: Some(added[*at].1.clone()), existed: true },
        };
        let sealed: Vec<Put> = places.iter().map(put).collect();
        let tip = self.session.tip.map_or(0, Seq::get);
        let seq = sealed.iter().map(|put| put.seq).max().unwrap_or(tip);
        if let Some((command, body)) = command {
            self.new_receipts.push(Receipt { user: caller.identity.user, command, body, seq });
        }
        self.answer_with(Done { sealed, ..Done::at(seq) }, reply);
    }

    /// Where messages with these names are already, kept or decided.
    async fn sealed_as(&mut self, names: &[Option<[u8; 16]>]) -> Result<Vec<Option<u64>>, StoreError> {
        let mut known: Vec<Option<u64>> = vec![None; names.len()];
        let (mut doubtful, mut at) = (Vec::new(), Vec::new());
        for (index, name) in names.iter().enumerate() {
            let Some(name) = name else { continue };
            match self.unkept_locals.get(name) {
                Some(seq) => known[index] = Some(*seq),
                None if self.receipts.may_have(name) => {
                    doubtful.push(*name);
                    at.push(index);
                }
                None => {}
            }
        }
        if !doubtful.is_empty() {
            let found = self.inner.store.receipts_named(&self.id, &doubtful).await?;
            at.into_iter().zip(found).for_each(|(index, seq)| known[index] = seq);
        }
        Ok(known)
    }

    /// How many of the first `count` pending events an append takes, so that what belongs together stays together.
    pub(super) fn cut_between(&self, count: usize) -> usize {
        let Some(next) = self.pending.get(count) else { return count };
        let apart = self.whole.iter().find(|(first, last)| *first < next.seq && next.seq <= *last);
        let Some((first, last)) = apart else { return count };
        match self.pending.partition_point(|logged| logged.seq < *first) {
            0 => self.pending.partition_point(|logged| logged.seq <= *last),
            before => before,
        }
    }
}
