//! Whoever is connected, by account: what happened is read from the account's feed once, written once, and pulled by each of
//! its sockets at its own pace.

mod line;
mod reading;
mod room;
mod signal;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use rejoin_ports::gateway::Failure;

pub(crate) use line::{Line, Scope, Told};
pub(crate) use room::{Listening, Missed, Role, Room};
pub(crate) use signal::Signal;

use super::Hall;
use super::who::Who;

/// The rooms of all accounts that somebody is connected to.
#[derive(Default)]
pub(crate) struct Hub {
    rooms: Mutex<HashMap<String, Weak<Room>>>,
}

impl Hub {
    /// The room of an account, opened if nobody is there yet.
    pub(crate) async fn enter(&self, hall: &Hall, who: &Who) -> Result<Arc<Room>, Failure> {
        if let Some(room) = self.find(&who.account.id) {
            return Ok(room);
        }
        let tip = reading::tip(hall, who).await?;
        hall.presence.recall(hall, who).await?;
        let mut rooms = self.rooms.lock().expect("no holder of this lock panics");
        if let Some(room) = rooms.get(&who.account.id).and_then(Weak::upgrade) {
            return Ok(room);
        }
        let room = Room::open(hall.clone(), who.clone(), tip);
        rooms.retain(|_, room| room.strong_count() > 0);
        rooms.insert(who.account.id.clone(), Arc::downgrade(&room));
        Ok(room)
    }

    /// The room of an account, if somebody is there.
    pub(crate) fn find(&self, account: &str) -> Option<Arc<Room>> {
        self.rooms.lock().expect("no holder of this lock panics").get(account).and_then(Weak::upgrade)
    }

    /// Tells those of an account who are there, and nobody else ever.
    pub(crate) fn signal(&self, account: &str, signal: Signal) {
        if let Some(room) = self.find(account) {
            room.signal(signal);
        }
    }
}
