//! How this door shows a batch: frames of the socket, written once for all readers.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rejoin_core::event::Logged;
use rejoin_ports::batch::{Batch, Rendered, Rendition};
use rejoin_socket::frame;

use super::DOOR;
use crate::codec::event;
use crate::codec::frames::Frames;
use crate::names::Naming;

pub(super) fn frames(batch: &Batch, naming: Naming) -> Arc<Rendered> {
    let rendition = Rendition { door: DOOR, flavour: naming as u32 };
    let mut frames = Frames::new(&batch.session, naming);
    let events = batch.events().ok();
    batch.rendered(rendition, |index, _, line, out| match events {
        Some(events) => event::socket_frames(&events[index], &batch.session, &mut frames, out),
        // A line of the batch cannot be read; the others can.
        None => {
            if let Ok(logged) = Logged::read(line) {
                event::socket_frames(&logged, &batch.session, &mut frames, out);
            }
        }
    })
}

/// The frames of single events with numbers behind `after`, and how many they are.
pub(super) fn frames_behind<'a>(
    batch: &Batch,
    events: impl Iterator<Item = &'a Logged>,
    naming: Naming,
    after: u64,
) -> (Bytes, u64) {
    let mut frames = Frames::new(&batch.session, naming);
    let (mut out, mut count) = (BytesMut::new(), 0);
    for logged in events {
        event::texts(logged, after, &mut frames, &batch.session, &mut |_, text| {
            frame::text(&mut out, &text);
            count += 1;
        });
    }
    (out.freeze(), count)
}
