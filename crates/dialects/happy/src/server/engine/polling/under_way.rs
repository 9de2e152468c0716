//! Requests of which a session has one at a time.

use super::{Carrier, Session, State};
use crate::server::engine::refused::Refused;

/// A request of a kind of which there is only one. A client that has two is confused, and one that hangs up is gone: either
/// ends the session.
pub(super) struct UnderWay<'a> {
    session: &'a Session,
    which: fn(&mut State) -> &mut bool,
    pub(super) done: bool,
}

impl<'a> UnderWay<'a> {
    pub(super) fn begin(session: &'a Session, which: fn(&mut State) -> &mut bool) -> Result<UnderWay<'a>, Refused> {
        let mut state = session.lock();
        if matches!(state.carrier, Carrier::Socket(_)) {
            return Err(Refused::Request);
        }
        if std::mem::replace(which(&mut state), true) {
            drop(state);
            session.end();
            return Err(Refused::Request);
        }
        Ok(UnderWay { session, which, done: false })
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        *(self.which)(&mut self.session.lock()) = false;
        if !self.done {
            self.session.end();
        }
    }
}
