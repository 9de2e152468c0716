//! How an agent is heard: the engine's channel, bounded in number and in bytes.

use rejoin_core::happening::{FromAgent, Happening};
use rejoin_core::id::TurnId;
use tokio::sync::mpsc;

use crate::happening_size::size;

/// Happenings larger than this wait until nothing else does. So a full channel holds at most
/// [`HAPPENINGS`](rejoin_ports::agent::HAPPENINGS) times this, and one large one.
const LIGHT: usize = 16 << 10;

/// Whoever listened is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

#[derive(Debug, Clone)]
pub(crate) struct Voice(mpsc::Sender<FromAgent>);

impl Voice {
    pub(crate) fn new(channel: mpsc::Sender<FromAgent>) -> Voice {
        Voice(channel)
    }

    /// Waits for room. Safe to drop: then it was not said.
    pub(crate) async fn say(&self, turn: Option<TurnId>, happening: Happening) -> Result<(), Gone> {
        let room = self.room(&happening).await?;
        room.say(FromAgent { turn, happening });
        Ok(())
    }

    /// Waits for room for this.
    pub(crate) async fn room(&self, happening: &Happening) -> Result<Room<'_>, Gone> {
        let places = if size(happening) > LIGHT { self.0.max_capacity() } else { 1 };
        self.0.reserve_many(places).await.map(Room).map_err(|_| Gone)
    }

    /// Until nobody listens any more.
    pub(crate) async fn lost(&self) {
        self.0.closed().await;
    }
}

/// Room to say something.
pub(crate) struct Room<'a>(mpsc::PermitIterator<'a, FromAgent>);

impl Room<'_> {
    pub(crate) fn say(mut self, said: FromAgent) {
        if let Some(place) = self.0.next() {
            place.send(said);
        }
    }
}
