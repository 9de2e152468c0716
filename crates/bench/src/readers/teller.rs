//! One reader who tells when turns end.

use std::time::Duration;

use anyhow::Context;

use super::count::{Count, End};
use super::crowd::{Crowd, Join, Wire};
use crate::gateway::Door;

pub(crate) struct Teller(Crowd);

impl Teller {
    pub(crate) fn join(door: &Door, session: &str) -> anyhow::Result<Teller> {
        let heard = Count { looks_for_ends: true, ..Count::default() };
        let join = Join { session: session.to_owned(), heard, receive_buffer: None };
        Ok(Teller(Crowd::join(door, Wire::Socket, vec![join])?))
    }

    /// Waits for the first end of a turn behind number `behind` that is not known yet, or gives the newest.
    pub(crate) async fn ended(&self, behind: u64, patience: Duration) -> anyhow::Result<End> {
        self.0.ended(0, behind, patience).await
    }
}

impl Crowd {
    /// Waits until reader `place`, one who looks for them, has heard the end of a turn behind number `behind`.
    pub(crate) async fn ended(&self, place: usize, behind: u64, patience: Duration) -> anyhow::Result<End> {
        let mut ends = self.seats[place].end.subscribe();
        let ended = ends.wait_for(|end| end.is_some_and(|end| end.seq > behind));
        let end = tokio::time::timeout(patience, ended).await;
        let end = end.with_context(|| format!("no turn ended in {} s", patience.as_secs()))?;
        let end = *end.context("the reader has gone")?;
        end.context("it was waited for")
    }
}
