//! The state machine of seven states, and how a session walks through it.

use rejoin_core::header::Standing;

use crate::wire::SessionStatus;

/// From a state to those that may follow it.
const NEXT: &[(&str, &[&str])] = &[
    ("inactive", &["activating"]),
    ("activating", &["ready", "error", "inactive"]),
    ("ready", &["running", "deactivating", "inactive", "error"]),
    ("running", &["ready", "waiting", "error", "deactivating"]),
    ("waiting", &["running", "ready", "error", "deactivating"]),
    ("deactivating", &["inactive", "error"]),
    ("error", &["activating", "inactive", "deactivating"]),
];

pub(crate) fn state(standing: Standing) -> &'static str {
    match standing {
        Standing::Dormant | Standing::Closed | Standing::Ended => "inactive",
        Standing::Starting => "activating",
        Standing::Ready => "ready",
        Standing::Running => "running",
        Standing::Waiting => "waiting",
        Standing::Stopping => "deactivating",
        Standing::Failed => "error",
    }
}

pub(crate) fn status(standing: Standing) -> SessionStatus {
    state(standing).to_owned().into()
}

/// The states on the shortest way, the first and the last included. Our sessions move in one step where theirs take several.
pub(crate) fn way(from: Standing, to: Standing) -> Vec<&'static str> {
    let (from, to) = (state(from), state(to));
    let mut ways = vec![vec![from]];
    let mut seen = vec![from];
    while let Some(way) = ways.first().cloned() {
        let last = way[way.len() - 1];
        if last == to {
            return way;
        }
        ways.remove(0);
        let next = NEXT.iter().find(|(state, _)| *state == last).map_or(&[][..], |(_, next)| next);
        for state in next {
            if !seen.contains(state) {
                seen.push(state);
                ways.push([way.as_slice(), &[*state]].concat());
            }
        }
    }
    vec![from, to]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_move_goes_through_states_that_may_follow_each_other() {
        use Standing::{Dormant, Failed, Ready, Running, Waiting};
        assert_eq!(way(Dormant, Running), ["inactive", "activating", "ready", "running"]);
        assert_eq!(way(Failed, Running), ["error", "activating", "ready", "running"]);
        assert_eq!(way(Running, Ready), ["running", "ready"]);
        assert_eq!(way(Waiting, Dormant), ["waiting", "ready", "inactive"]);
        assert_eq!(way(Ready, Ready), ["ready"]);
    }
}
