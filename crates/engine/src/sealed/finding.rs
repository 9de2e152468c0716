//! Finding sealed messages by their number: numbers rise with the log's, so a few looks at the log are enough.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use rejoin_core::event::Event;
use rejoin_core::id::SessionId;
use rejoin_core::position::Millis;
use rejoin_ports::gateway::Failure;
use rejoin_ports::store::PAGE_EVENTS;

use super::{Log, read};
use crate::engine::Engine;

/// How many places are remembered: where pages ended, for whoever asks for the next one.
const REMEMBERED: usize = 4_096;
/// How many events are looked at in one place.
const LOOK: u64 = 16;

/// A session, its life and a number.
type Key = (SessionId, Millis, u64);

/// Up to which number of its log each session has messages up to certain numbers.
#[derive(Default)]
pub(crate) struct Places(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    places: HashMap<Key, u64>,
    order: VecDeque<Key>,
}

impl Places {
    /// Messages up to `number` end at `seq`, and later ones are behind it.
    pub(super) fn remember(&self, session: &SessionId, log: &Log, number: u64, seq: u64) {
        let mut known = self.0.lock().expect("never poisoned");
        let key = (session.clone(), log.created_at, number);
        if known.places.insert(key.clone(), seq).is_none() {
            known.order.push_back(key);
        }
        if known.order.len() > REMEMBERED
            && let Some(oldest) = known.order.pop_front()
        {
            known.places.remove(&oldest);
        }
    }

    fn find(&self, session: &SessionId, log: &Log, number: u64) -> Option<u64> {
        let key = (session.clone(), log.created_at, number);
        self.0.lock().expect("never poisoned").places.get(&key).copied()
    }

    /// Forgets a deleted session.
    pub(crate) fn forget(&self, session: &SessionId) {
        let mut known = self.0.lock().expect("never poisoned");
        known.places.retain(|(of, ..), _| of != session);
        known.order.retain(|(of, ..)| of != session);
    }
}

/// What is known of a place in the log: a number of the log, and about which message is there.
#[derive(Debug, Clone, Copy)]
struct Bound {
    seq: u64,
    number: u64,
}

impl Engine {
    /// Up to which number of the log there are only messages numbered up to `number`, and behind which only later ones.
    pub(super) async fn behind_number(&self, session: &SessionId, log: &Log, number: u64) -> Result<u64, Failure> {
        if number == 0 {
            return Ok(0);
        }
        if number >= log.sealed {
            return Ok(log.tip);
        }
        if let Some(seq) = self.inner.places.find(session, log, number) {
            return Ok(seq);
        }
        let mut low = Bound { seq: 0, number: 0 };
        let mut high = Bound { seq: log.tip, number: log.sealed };
        // Messages up to `number` end somewhere from `low.seq` to `high.seq`.
        let mut looks = 0_u32;
        while low.seq < high.seq {
            looks += 1;
            // Every third look halves what is left, wherever the others led.
            let guess = if looks.is_multiple_of(3) { middle(low, high) } else { between(low, high, number) };
            match self.look_behind(session, guess, high.seq, number).await? {
                Seen::Here(seq) => return Ok(seq),
                Seen::Earlier(found) => low = found,
                Seen::Later(found) => high = Bound { seq: guess, number: found },
                Seen::Nothing => high.seq = guess,
            }
        }
        Ok(low.seq)
    }

    /// Looks at the first messages behind a place and before `end`.
    async fn look_behind(&self, session: &SessionId, guess: u64, end: u64, number: u64) -> Result<Seen, Failure> {
        let mut after = guess;
        let mut seen = Seen::Nothing;
        let mut most = LOOK as usize;
        while after < end {
            let page = self.inner.store.read(session, after, most).await?;
            most = PAGE_EVENTS; // where there is much else between messages
            for (_, line) in page.batch.iter() {
                let logged = read(line)?;
                let seq = logged.seq.get();
                let Event::SealedAdded { number: here, .. } = logged.event else { continue };
                if here <= number {
                    seen = Seen::Earlier(Bound { seq, number: here });
                } else if let Seen::Earlier(before) = seen {
                    return Ok(Seen::Here(before.seq));
                } else {
                    return Ok(Seen::Later(here));
                }
            }
            match (seen, page.batch.last()) {
                (Seen::Nothing, Some(last)) if page.more => after = last.get(),
                _ => break,
            }
        }
        Ok(seen)
    }
}

#[derive(Debug, Clone, Copy)]
enum Seen {
    /// The last one that is not later, with a later one next.
    Here(u64),
    /// The last that was looked at is not later.
    Earlier(Bound),
    /// The first is later, and has this number.
    Later(u64),
    Nothing,
}

fn middle(low: Bound, high: Bound) -> u64 {
    low.seq + (high.seq - low.seq) / 2
}

/// Where it would be if messages were spread evenly; a little before that, so that it is in what is looked at.
fn between(low: Bound, high: Bound, number: u64) -> u64 {
    let (numbers, seqs) = (high.number.saturating_sub(low.number), high.seq - low.seq);
    if numbers == 0 {
        return middle(low, high);
    }
    let wanted = number.saturating_sub(low.number).min(numbers);
    let offset = (u128::from(seqs) * u128::from(wanted) / u128::from(numbers)) as u64;
    (low.seq + offset).saturating_sub(LOOK / 2).clamp(low.seq, high.seq - 1)
}
