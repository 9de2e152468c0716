//! What people say, kept until somebody wants to hear it.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use futures_util::Stream;
use tokio::sync::Notify;

use crate::payload::UserMessage;

/// Messages that wait for somebody to hear them. When they are full no more are read; the server keeps them.
const WAITING: usize = 1_024;

/// Tasks that wait for a message. Beyond them all look again, and those that still want one come back.
const READERS: usize = 64;

type Callback = Box<dyn FnMut(UserMessage) + Send>;

/// What a person says, and its place in the session.
#[derive(Debug, Clone, PartialEq)]
pub struct UserText {
    pub seq: u64,
    pub message: UserMessage,
}

#[derive(Clone, Default)]
pub(super) struct Users(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    room: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<UserText>,
    callback: Option<Callback>,
    /// Counts callbacks, so that one that was replaced while it ran is not put back.
    callbacks: u64,
    /// Somebody hands messages to the callback just now.
    is_busy: bool,
    /// Whoever reads a stream.
    readers: Vec<Waker>,
    is_over: bool,
}

/// What people say, in order: a [`Stream`]. What was said before it was asked for comes first.
pub struct UserMessages(Users);

impl Users {
    /// Hands a message on; waits while there is no room for it.
    pub(super) async fn give(&self, said: UserText) {
        loop {
            {
                let mut state = self.state();
                if state.is_over {
                    return;
                }
                if state.waiting.len() < WAITING {
                    state.waiting.push_back(said);
                    state.wake();
                    break;
                }
            }
            self.0.room.notified().await;
        }
        self.call();
    }

    /// What waits is handed over at once, before anything else.
    pub(super) fn on_message(&self, callback: Callback) {
        let mut state = self.state();
        let before = state.callback.replace(callback);
        state.callbacks += 1;
        drop(state);
        drop(before); // it may own a client, whose end this may be
        self.call();
    }

    pub(super) fn stream(&self) -> UserMessages {
        UserMessages(self.clone())
    }

    /// The number of the oldest message that nobody has taken.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.state().waiting.front().map(|said| said.seq)
    }

    pub(super) fn end(&self) {
        let mut state = self.state();
        state.is_over = true;
        let callback = state.callback.take();
        state.wake();
        drop(state);
        drop(callback); // it may own a client, whose end this may be
    }

    /// Hands what waits to the callback, one by one. It may replace itself meanwhile.
    fn call(&self) {
        let mut state = self.state();
        if state.is_busy {
            return; // whoever is at it goes on until nothing waits
        }
        while !state.waiting.is_empty()
            && let Some(mut callback) = state.callback.take()
        {
            let said = state.waiting.pop_front().expect("something waits");
            let number = state.callbacks;
            state.is_busy = true;
            drop(state);
            self.0.room.notify_one();
            // One that panics has said so on its own; the session and the messages behind it are not to blame.
            if catch_unwind(AssertUnwindSafe(|| callback(said.message))).is_err() {
                tracing::error!("happy: a handler panicked");
            }
            state = self.state();
            state.is_busy = false;
            if state.callbacks == number && !state.is_over {
                state.callback = Some(callback);
            } else {
                drop(state);
                drop(callback); // it may own a client, whose end this may be
                state = self.state();
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().expect("no holder of this lock panics")
    }
}

impl State {
    fn wake(&mut self) {
        self.readers.drain(..).for_each(Waker::wake);
    }

    fn wait(&mut self, reader: &Waker) {
        if self.readers.len() >= READERS {
            self.wake();
        }
        if !self.readers.iter().any(|waiting| waiting.will_wake(reader)) {
            self.readers.push(reader.clone());
        }
    }
}

impl UserMessages {
    /// The next one; `None` once the client is closed.
    pub async fn next(&mut self) -> Option<UserText> {
        std::future::poll_fn(|task| self.poll(task)).await
    }

    fn poll(&mut self, task: &mut Context<'_>) -> Poll<Option<UserText>> {
        let mut state = self.0.state();
        if let Some(said) = state.waiting.pop_front() {
            drop(state);
            self.0.0.room.notify_one();
            return Poll::Ready(Some(said));
        }
        if state.is_over {
            return Poll::Ready(None);
        }
        state.wait(task.waker());
        Poll::Pending
    }
}

impl Stream for UserMessages {
    type Item = UserText;
    fn poll_next(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<UserText>> {
        self.get_mut().poll(task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(seq: u64) -> UserText {
        UserText { seq, message: UserMessage::new(seq.to_string()) }
    }

    #[tokio::test]
    async fn what_was_said_before_anybody_listened_comes_first_and_in_order() {
        let users = Users::default();
        users.give(said(1)).await;
        users.give(said(2)).await;
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hearing = heard.clone();
        users.on_message(Box::new(move |message| hearing.lock().unwrap().push(message.text().to_owned())));
        assert_eq!(*heard.lock().unwrap(), ["1", "2"]);
        users.give(said(3)).await;
        assert_eq!(*heard.lock().unwrap(), ["1", "2", "3"]);
    }

    #[tokio::test]
    async fn a_handler_that_panics_hears_the_next_message() {
        let users = Users::default();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hearing = heard.clone();
        users.on_message(Box::new(move |message| {
            assert_ne!(message.text(), "1", "it does not like this one");
            hearing.lock().unwrap().push(message.text().to_owned());
        }));
        users.give(said(1)).await;
        users.give(said(2)).await;
        assert_eq!(*heard.lock().unwrap(), ["2"]);
    }

    #[tokio::test]
    async fn a_handler_may_put_another_in_its_place() {
        let users = Users::default();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (inner, hearing) = (users.clone(), heard.clone());
        users.on_message(Box::new(move |_| {
            let hearing = hearing.clone();
            inner.on_message(Box::new(move |message| hearing.lock().unwrap().push(message.text().to_owned())));
        }));
        users.give(said(1)).await;
        users.give(said(2)).await;
        assert_eq!(*heard.lock().unwrap(), ["2"]);
    }

    #[tokio::test]
    async fn a_full_room_makes_the_giver_wait_and_loses_nothing() {
        let users = Users::default();
        let giver = users.clone();
        let giving = tokio::spawn(async move {
            for seq in 1..=2 * WAITING as u64 {
                giver.give(said(seq)).await;
            }
            giver.end();
        });
        let mut stream = users.stream();
        let mut heard = 0;
        while let Some(said) = stream.next().await {
            heard += 1;
            assert_eq!(said.seq, heard);
        }
        giving.await.unwrap();
        assert_eq!(heard, 2 * WAITING as u64);
    }
}
