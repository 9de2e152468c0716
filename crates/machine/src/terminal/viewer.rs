//! Somebody who looks at a terminal.

use std::sync::Arc;

use bytes::Bytes;

use super::Size;
use super::shared::{Shared, State};
use crate::shell::End;

/// Bytes in one piece. Terminals write in small ones; what has gathered meanwhile goes out together.
pub(super) const PIECE: usize = 16 * 1024;

/// Where somebody begins to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum From {
    /// With the screen as it is; of pipes, with what is kept.
    #[default]
    Screen,
    /// With all of the output that is kept, as it came.
    Scrollback,
    /// Behind a cursor, if what follows it is still kept; otherwise as with [`From::Screen`].
    Cursor(u64),
}

/// What a viewer sees next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Comes first; and again when output went by that this viewer was too slow for.
    Snapshot(Snapshot),
    /// Output, and where it begins.
    Output { at: u64, bytes: Bytes },
    /// What follows is made for a screen of this size.
    Resized(Size),
    /// It has ended; nothing follows.
    Exited(End),
}

/// What a viewer has to show before it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// What follows begins here.
    pub cursor: u64,
    /// `None`: it is no terminal.
    pub size: Option<Size>,
    /// Bytes for a terminal of that size, whatever is on it. `None`: leave everything as it is and go on.
    pub screen: Option<String>,
    /// Bytes of output that this viewer will not get, since its last piece or since its cursor.
    pub missed: u64,
}

/// Pulls, so that it costs the same however slow it is.
pub struct Viewer {
    shared: Arc<Shared>,
    number: u64,
    from: Option<From>,
    at: u64,
    /// The first change of size that it has not been told of.
    mark: u64,
    is_over: bool,
}

impl Viewer {
    pub(super) fn new(shared: Arc<Shared>, from: From) -> Viewer {
        let number = shared.lock().add_viewer();
        Viewer { shared, number, from: Some(from), at: 0, mark: 0, is_over: false }
    }

    /// What comes next; waits for it. `None` behind [`Piece::Exited`]. Safe to drop and call again.
    pub async fn next(&mut self) -> Option<Piece> {
        if self.is_over {
            return None;
        }
        let shared = self.shared.clone();
        loop {
            let changed = shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(piece) = self.look() {
                return Some(piece);
            }
            changed.await;
        }
    }

    /// What is there already.
    fn look(&mut self) -> Option<Piece> {
        let shared = self.shared.clone();
        let mut state = shared.lock();
        let piece = self.piece(&state);
        if piece.is_some() {
            state.move_viewer(self.number, self.at);
            shared.moved.notify_one();
        }
        piece
    }

    fn piece(&mut self, state: &State) -> Option<Piece> {
        let ring = &state.ring;
        if let Some(from) = self.from.take() {
            let (cursor, missed) = match from {
                From::Screen => return Some(self.begin_anew(state, 0)),
                From::Scrollback => (ring.start(), 0),
                From::Cursor(cursor) if cursor < ring.start() => {
                    return Some(self.begin_anew(state, ring.start() - cursor));
                }
                // It was told of another terminal, or of another life of this one.
                From::Cursor(cursor) if cursor > ring.end() => return Some(self.begin_anew(state, 0)),
                From::Cursor(cursor) => (cursor, 0),
            };
            let (size, mark) = ring.size_at(cursor);
            (self.at, self.mark) = (cursor, mark);
            return Some(Piece::Snapshot(Snapshot { cursor, size, screen: None, missed }));
        }
        if self.at < ring.start() {
            return Some(self.begin_anew(state, ring.start() - self.at));
        }
        let mark = ring.mark_from(self.mark);
        if let Some(mark) = mark
            && mark.at <= self.at
        {
            self.mark = mark.number + 1;
            return Some(Piece::Resized(mark.size));
        }
        if self.at < ring.end() {
            let upto = mark.map_or(u64::MAX, |mark| mark.at - self.at);
            let bytes = ring.from(self.at, PIECE.min(usize::try_from(upto).unwrap_or(PIECE)));
            let at = self.at;
            self.at += bytes.len() as u64;
            return Some(Piece::Output { at, bytes });
        }
        self.is_over = state.over.is_some();
        state.over.map(Piece::Exited)
    }

    fn begin_anew(&mut self, state: &State, missed: u64) -> Piece {
        let mut snapshot = state.snapshot(0);
        self.at = snapshot.cursor;
        self.mark = state.ring.next_mark();
        if missed > 0 {
            // What lies between is in the screen, or gone: either way it will not come as output.
            snapshot.missed = missed + (snapshot.cursor - state.ring.start());
        }
        Piece::Snapshot(snapshot)
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.shared.lock().remove_viewer(self.number);
        self.shared.moved.notify_one();
    }
}
