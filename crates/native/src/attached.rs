//! Which clients that speak of control are attached to which session, so that the last connection's end is told.

use std::collections::HashMap;
use std::sync::Mutex;

use rejoin_core::control::Holder;
use rejoin_core::id::{SessionId, TenantId};

/// A client of a user, in one session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) tenant: TenantId,
    pub(crate) session: SessionId,
    pub(crate) holder: Holder,
}

/// How many sockets each has. As large as there are sockets of such clients, and no larger.
#[derive(Debug, Default)]
pub(crate) struct Attached(Mutex<HashMap<Place, usize>>);

impl Attached {
    pub(crate) fn add(&self, place: Place) {
        *self.places().entry(place).or_default() += 1;
    }

    /// Takes one socket off, and says whether it was the last.
    pub(crate) fn remove(&self, place: &Place) -> bool {
        let mut places = self.places();
        let Some(count) = places.get_mut(place) else {
            return false;
        };
        *count -= 1;
        let last = *count == 0;
        if last {
            places.remove(place);
        }
        last
    }

    fn places(&self) -> std::sync::MutexGuard<'_, HashMap<Place, usize>> {
        self.0.lock().expect("no holder of this lock panics")
    }
}
