//! Events on their way to the streams, each as soon as all streams have room for it.

use std::collections::VecDeque;

use crate::client::Event;
use crate::client::stream::{End, Streams};

/// What the streams have not taken yet. While there is something here nothing is read, so this is what one frame brought,
/// or a handshake.
#[derive(Default)]
pub(super) struct Delivery(VecDeque<Parcel>);

struct Parcel {
    event: Event,
    size: usize,
    to: Vec<End>,
}

impl Delivery {
    pub(super) fn push(&mut self, event: Event, size: usize, streams: &Streams) {
        let to = streams.ends();
        if !to.is_empty() {
            self.0.push_back(Parcel { event, size, to });
        }
    }

    pub(super) fn is_clear(&self) -> bool {
        self.0.is_empty()
    }

    /// Waits until one stream has room for the first event, and gives it. Nothing is lost when the future is dropped.
    pub(super) async fn step(&mut self) {
        let Some(parcel) = self.0.front_mut() else { return };
        let Some(end) = parcel.to.last() else {
            self.0.pop_front();
            return;
        };
        if let Ok(room) = end.room(parcel.size).await {
            end.give(parcel.event.clone(), Some(room));
        }
        parcel.to.pop();
        if parcel.to.is_empty() {
            self.0.pop_front();
        }
    }

    /// The streams end behind this: gives what is left, whether there is room for it or not.
    pub(super) fn finish(&mut self) {
        for parcel in self.0.drain(..) {
            for end in &parcel.to {
                end.give(parcel.event.clone(), None);
            }
        }
    }
}
