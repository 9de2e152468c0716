//! A message that was given, seen by whoever gave it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::super::Error;
use crate::wire::Posted;

/// A message on its way. Wait for it to learn its number, or why it was not taken; dropping it changes nothing, the message is on its way.
#[derive(Debug)]
pub struct Sent {
    local_id: String,
    outcome: oneshot::Receiver<Result<Posted, Error>>,
}

impl Sent {
    pub(super) fn new(local_id: String, outcome: oneshot::Receiver<Result<Posted, Error>>) -> Sent {
        Sent { local_id, outcome }
    }

    /// The id that keeps the message from being stored twice.
    pub fn local_id(&self) -> &str {
        &self.local_id
    }
}

impl Future for Sent {
    type Output = Result<Posted, Error>;
    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.outcome).poll(task).map(|outcome| outcome.unwrap_or(Err(Error::Closed)))
    }
}
