//! How this door shows events: the log's own lines, with the epoch in front. Written once for all readers.

use std::fmt::Write;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use rejoin_core::position::{Epoch, Seq};
use rejoin_ports::batch::{Batch, Rendered, Rendition};
use rejoin_socket::frame;

use crate::DOOR;

const SSE: Rendition = Rendition { door: DOOR, flavour: 0 };
const FRAMES: Rendition = Rendition { door: DOOR, flavour: 1 };

/// One event as the API shows it.
pub(crate) fn event(epoch: Epoch, line: &[u8], out: &mut impl BufMut) {
    out.put_slice(b"{\"epoch\":\"");
    out.put_slice(epoch.to_string().as_bytes());
    out.put_slice(b"\",");
    // A line of a log begins with its brace; without one, nothing sensible could be shown anyway.
    out.put_slice(line.strip_prefix(b"{").unwrap_or(b"}"));
}

/// A batch as server-sent events. They are unnamed, so that `EventSource.onmessage` hears them.
pub(crate) fn sse(batch: &Batch) -> Arc<Rendered> {
    let epoch = batch.epoch;
    batch.rendered(SSE, |_, seq: Seq, line, out| {
        let mut head = String::with_capacity(48);
        write!(head, "id: {epoch}.{seq}\ndata: ").expect("a String takes every text");
        out.put_slice(head.as_bytes());
        event(epoch, line, out);
        out.put_slice(b"\n\n");
    })
}

/// A batch as whole WebSocket frames. The lines are our own JSON, so they need not be looked through again.
pub(crate) fn frames(batch: &Batch) -> Arc<Rendered> {
    let epoch = batch.epoch.to_string();
    batch.rendered(FRAMES, |_, _, line, out: &mut BytesMut| {
        let rest = line.strip_prefix(b"{").unwrap_or(b"}");
        frame::text_of(out, &[b"{\"event\":{\"epoch\":\"", epoch.as_bytes(), b"\",", rest, b"}"]);
    })
}
