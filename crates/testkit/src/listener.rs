//! Somebody who follows a session, and notes everything they were shown.

use std::time::Duration;

use rejoin_core::event::{Event, Logged};
use rejoin_core::position::Position;
use rejoin_ports::gateway::{Delivery, Joined, Reader, View};

/// A test that waits this long waits for something that will not come.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Listener {
    pub view: Option<std::sync::Arc<View>>,
    reader: Box<dyn Reader>,
    /// Everything heard so far, in order.
    pub notes: Vec<Logged>,
    fresh: std::collections::VecDeque<Heard>,
}

#[derive(Debug, Clone)]
pub enum Heard {
    Event(Box<Logged>),
    CaughtUp,
    Gap(std::sync::Arc<View>),
    Deleted,
    Stopping,
}

impl Listener {
    pub fn new(joined: Joined) -> Listener {
        Listener { view: joined.view, reader: joined.reader, notes: Vec::new(), fresh: Default::default() }
    }

    /// Where the last thing stands that was looked at.
    pub fn position(&self) -> Position {
        let epoch = self.reader.position().epoch;
        Position { epoch, seq: self.notes.last().map_or(0, |logged| logged.seq.get()) }
    }

    /// The next thing, whatever it is.
    pub async fn next(&mut self) -> Heard {
        loop {
            if let Some(heard) = self.fresh.pop_front() {
                if let Heard::Event(logged) = &heard {
                    self.notes.push((**logged).clone());
                }
                return heard;
            }
            let delivery = tokio::time::timeout(PATIENCE, self.reader.next()).await;
            let delivery = delivery.unwrap_or_else(|_| panic!("nothing came; heard so far: {:#?}", self.kinds()));
            match delivery.expect("the reader goes on") {
                Delivery::Events { batch, first } => {
                    let events = batch.events().expect("a log can be read");
                    self.fresh.extend(events[first..].iter().map(|logged| Heard::Event(Box::new(logged.clone()))));
                }
                Delivery::CaughtUp(_) => self.fresh.push_back(Heard::CaughtUp),
                Delivery::Gap(view) => self.fresh.push_back(Heard::Gap(view)),
                Delivery::Deleted => self.fresh.push_back(Heard::Deleted),
                Delivery::Stopping => self.fresh.push_back(Heard::Stopping),
            }
        }
    }

    /// Listens until an event is what is waited for, and gives back what `wanted` makes of it.
    pub async fn until<T>(&mut self, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
        loop {
            match self.next().await {
                Heard::Event(logged) => {
                    if let Some(found) = wanted(&logged.event) {
                        return found;
                    }
                }
                Heard::Deleted | Heard::Stopping => panic!("it ended; heard: {:#?}", self.kinds()),
                Heard::CaughtUp | Heard::Gap(_) => {}
            }
        }
    }

    /// Listens until `count` turns have ended, and gives back how the last one did.
    pub async fn turns(&mut self, count: usize) -> rejoin_core::turn::Outcome {
        let mut seen = 0;
        self.until(|event| match event {
            Event::TurnEnded { outcome, .. } => {
                seen += 1;
                (seen == count).then(|| outcome.clone())
            }
            _ => None,
        })
        .await
    }

    /// Listens until an ask is open.
    pub async fn ask(&mut self) -> rejoin_core::ask::Ask {
        self.until(|event| match event {
            Event::AskOpened { ask } => Some(ask.clone()),
            _ => None,
        })
        .await
    }

    /// All text of answers so far, as deltas gave it.
    pub fn text(&self) -> String {
        let deltas = self.notes.iter().filter_map(|logged| match &logged.event {
            Event::PartDelta { text, .. } => Some(text.as_str()),
            _ => None,
        });
        deltas.collect()
    }

    pub fn kinds(&self) -> Vec<String> {
        self.notes.iter().map(|logged| format!("{} {}", logged.seq, logged.event.kind())).collect()
    }

    /// Numbers have no hole and no repetition.
    pub fn check_numbers(&self) {
        for pair in self.notes.windows(2) {
            assert_eq!(pair[0].seq.next(), pair[1].seq, "{:#?}", self.kinds());
        }
    }
}
