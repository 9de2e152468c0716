//! What the task of a terminal, its handles and its viewers have in common.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use bytes::Bytes;
use tokio::sync::{Notify, watch};

use super::Size;
use super::ring::Ring;
use super::screen::Screen;
use super::viewer::Snapshot;
use crate::shell::End;

pub(super) struct Shared {
    state: Mutex<State>,
    /// Something is new for viewers.
    pub(super) changed: Notify,
    /// A viewer went on, or went away.
    pub(super) moved: Notify,
    /// Set when nothing follows any more.
    pub(super) over: watch::Sender<Option<End>>,
}

/// A piece of the output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Where its first byte stands in all that was ever put out, and where the next will.
    pub start: u64,
    pub end: u64,
    pub bytes: Bytes,
    /// Something that came before, and was asked for, is no longer there.
    pub truncated: bool,
    /// How it has ended, if it has; then nothing follows.
    pub over: Option<End>,
}

impl Output {
    /// As text. Letters that the beginning cuts are left out; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        let is_cut = |byte: &u8| self.truncated && (0x80..=0xBF).contains(byte);
        let cut = self.bytes.iter().take(3).take_while(|byte| is_cut(byte)).count();
        String::from_utf8_lossy(&self.bytes[cut..]).into_owned()
    }
}

pub(super) struct State {
    pub(super) ring: Ring,
    screen: Option<Screen>,
    pub(super) over: Option<End>,
    /// How far each viewer is.
    viewers: HashMap<u64, u64>,
    next_viewer: u64,
}

impl Shared {
    pub(super) fn new(size: Option<Size>, scrollback: usize) -> Shared {
        let state = State {
            ring: Ring::new(scrollback, size),
            screen: size.map(Screen::new),
            over: None,
            viewers: HashMap::new(),
            next_viewer: 0,
        };
        Shared { state: Mutex::new(state), changed: Notify::new(), moved: Notify::new(), over: watch::channel(None).0 }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }

    pub(super) fn take(&self, bytes: &[u8]) {
        let mut state = self.lock();
        state.ring.push(bytes);
        if let Some(screen) = &mut state.screen {
            screen.feed(bytes);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    pub(super) fn resize(&self, size: Size) {
        let mut state = self.lock();
        if let Some(screen) = &mut state.screen {
            screen.resize(size);
            state.ring.mark(size);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    pub(super) fn finish(&self, end: End) {
        self.lock().over = Some(end);
        self.over.send_replace(Some(end));
        self.changed.notify_waiters();
    }
}

impl State {
    pub(super) fn size(&self) -> Option<Size> {
        self.screen.as_ref().map(Screen::size)
    }
    pub(super) fn title(&self) -> Option<&str> {
        self.screen.as_ref()?.title()
    }
    pub(super) fn is_alternate(&self) -> bool {
        self.screen.as_ref().is_some_and(Screen::is_alternate)
    }
    pub(super) fn viewers(&self) -> usize {
        self.viewers.len()
    }

    pub(super) fn output_since(&self, cursor: u64) -> Output {
        let start = cursor.clamp(self.ring.start(), self.ring.end());
        let bytes = self.ring.from(start, usize::MAX);
        Output { start, end: self.ring.end(), bytes, truncated: cursor < self.ring.start(), over: self.over }
    }

    pub(super) fn snapshot(&self, missed: u64) -> Snapshot {
        match &self.screen {
            None => Snapshot { cursor: self.ring.start(), size: None, screen: None, missed },
            Some(screen) => {
                let shown = screen.show();
                // The ring is longer than what a seam reaches back, unless somebody made it tiny.
                let cursor = shown.at.max(self.ring.start());
                Snapshot { cursor, size: Some(screen.size()), screen: Some(shown.screen), missed }
            }
        }
    }

    pub(super) fn add_viewer(&mut self) -> u64 {
        let number = self.next_viewer;
        self.next_viewer += 1;
        self.viewers.insert(number, self.ring.end());
        number
    }

    pub(super) fn move_viewer(&mut self, number: u64, at: u64) {
        self.viewers.insert(number, at);
    }

    pub(super) fn remove_viewer(&mut self, number: u64) {
        self.viewers.remove(&number);
    }

    /// How much the viewer who is furthest has not taken. `None`: nobody looks.
    pub(super) fn lag(&self) -> Option<u64> {
        self.viewers.values().max().map(|at| self.ring.end().saturating_sub(*at))
    }
}
