//! Joining a session: a snapshot, then what the client has not heard, then what happens.

use std::sync::Arc;

use rejoin_core::id::SessionId;
use rejoin_ports::gateway::JoinFrom;

use super::sessions::visible;
use super::{Asking, Done, Effect, MOST_JOINED, Outcome};
use crate::codec::{number, snapshot};
use crate::server::Hall;
use crate::server::failure::Refused;
use crate::server::followed::{Followed, Replay};
use crate::server::who::Who;
use crate::wire::Code;

pub(in crate::server) async fn join(
    door: &Hall,
    who: &Who,
    asking: &Asking,
    session: SessionId,
    after: Option<u64>,
    marker: bool,
) -> Outcome {
    if asking.joined >= MOST_JOINED {
        let why = format!("A connection may join {MOST_JOINED} sessions; leave one first");
        return Err(Refused::new(Code::TooBusy, why));
    }
    let identity = who.identity();
    let (_, newest) = visible(door, &identity, &session).await?;
    // Beyond the newest there is nothing to tell again.
    let after = after.filter(|after| *after <= number::whole(newest.seq));
    let (view, from) = match after {
        Some(after) => {
            let view = door.gateway.sessions.view(&identity, &session).await?;
            (Some(Arc::new(view)), JoinFrom::After(number::resume(after)))
        }
        None => (None, JoinFrom::Now),
    };
    let joined = door.gateway.follow.join(&identity, &session, from).await?;
    let reader = joined.reader;
    let view = view.or(joined.view).expect("joining from now on begins with a view");
    let viewing = door.viewers.look(&session, &asking.connection);
    let told = snapshot::snapshot(&view, *viewing.count.borrow());
    let known = after.unwrap_or(0);
    let followed = Followed {
        session,
        number: asking.next_joining,
        reader,
        count: viewing.count.clone(),
        viewing: Some(viewing),
        known,
        replay: marker.then_some(Replay { from: known, count: 0 }),
    };
    Ok(Done { effect: Effect::Joined(Box::new(followed)), ..Done::told(told) })
}

/// The session as it is, for somebody who has joined it.
pub(in crate::server) async fn show_again(door: &Hall, who: &Who, asking: &Asking, session: SessionId) -> Outcome {
    // One that is gone meanwhile is told of by the tenant's list.
    let Ok(view) = door.gateway.sessions.view(&who.identity(), &session).await else { return Ok(Done::default()) };
    let viewing = door.viewers.look(&session, &asking.connection);
    let count = *viewing.count.borrow();
    Ok(Done::told(snapshot::snapshot(&view, count)))
}
