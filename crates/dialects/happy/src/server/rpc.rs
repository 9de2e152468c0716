//! Calls from one socket of an account to another: who answers which method, and waiting for the answer.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};

use rejoin_core::position::Millis;
use rejoin_ports::clock::Clock;
use serde_json::value::RawValue;
use tokio::sync::{Notify, mpsc, oneshot};

/// Calls that wait for a socket to take them.
pub(crate) const WAITING: usize = 64;
/// The longest name of a method, and how many methods an account's sockets have together.
const LONGEST_NAME: usize = 1_024;
const MOST: usize = 10_000;

/// A call on its way to whoever answers it.
pub(crate) struct Call {
    pub(crate) method: Arc<str>,
    pub(crate) params: Box<RawValue>,
    /// Dropped without a word when the socket is gone.
    pub(crate) reply: oneshot::Sender<Box<RawValue>>,
}

/// Who answers which calls in one account. The last to register a method gets its calls; when that one is gone, the one before.
pub(crate) struct Methods {
    clock: Arc<dyn Clock>,
    holders: Mutex<Holders>,
    /// Wakes calls that wait for a registration, in the order in which they came.
    registered: Notify,
}

#[derive(Default)]
struct Holders {
    methods: HashMap<Arc<str>, Vec<Holder>>,
    count: usize,
}

#[derive(Clone)]
struct Holder {
    socket: Arc<str>,
    calls: mpsc::Sender<Call>,
}

/// Why a call has no answer, in the words that clients know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error("Cannot call RPC on the same socket")]
    Oneself,
    #[error("RPC method not available")]
    Nobody,
    #[error("operation has timed out")]
    TimedOut,
    #[error("RPC target disconnected")]
    Gone,
}

impl Methods {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Methods {
        Methods { clock, holders: Mutex::default(), registered: Notify::new() }
    }

    /// From now on the socket gets the method's calls. `false`: the name is no good, or there are too many.
    pub(crate) fn register(&self, method: &str, socket: &Arc<str>, calls: mpsc::Sender<Call>) -> bool {
        if method.is_empty() || method.len() > LONGEST_NAME {
            return false;
        }
        {
            let mut holders = self.holders.lock().expect("no holder of this lock panics");
            holders.remove(method, socket);
            if holders.count >= MOST {
                return false;
            }
            holders.count += 1;
            holders.methods.entry(method.into()).or_default().push(Holder { socket: socket.clone(), calls });
        }
        self.registered.notify_waiters();
        true
    }

    pub(crate) fn unregister(&self, method: &str, socket: &Arc<str>) {
        self.holders.lock().expect("no holder of this lock panics").remove(method, socket);
    }

    /// The socket is gone, with all its methods.
    pub(crate) fn gone(&self, socket: &Arc<str>) {
        let mut holders = self.holders.lock().expect("no holder of this lock panics");
        let Holders { methods, count } = &mut *holders;
        methods.retain(|_, holders| {
            let before = holders.len();
            holders.retain(|holder| holder.socket != *socket);
            *count -= before - holders.len();
            !holders.is_empty()
        });
    }

    /// Calls a method, and waits `grace` for somebody to register it, and `most` for everything.
    pub(crate) async fn call(
        &self,
        caller: &Arc<str>,
        method: &str,
        params: Box<RawValue>,
        grace: Millis,
        most: Millis,
    ) -> Result<Box<RawValue>, NoAnswer> {
        let began = self.clock.now();
        let holder = tokio::select! {
            holder = self.holder(method) => holder,
            () = self.clock.until(began + grace) => return Err(NoAnswer::Nobody),
        };
        if holder.socket == *caller {
            return Err(NoAnswer::Oneself);
        }
        let answered = async {
            let (reply, answer) = oneshot::channel();
            let call = Call { method: method.into(), params, reply };
            holder.calls.send(call).await.map_err(|_| NoAnswer::Gone)?;
            answer.await.map_err(|_| NoAnswer::Gone)
        };
        tokio::select! {
            answered = answered => answered,
            () = self.clock.until(began + most) => Err(NoAnswer::TimedOut),
        }
    }

    /// Waits for somebody who answers the method.
    async fn holder(&self, method: &str) -> Holder {
        loop {
            let mut registered = pin!(self.registered.notified());
            registered.as_mut().enable(); // one that comes while we look is heard too
            if let Some(holder) = self.find(method) {
                return holder;
            }
            registered.await;
        }
    }

    fn find(&self, method: &str) -> Option<Holder> {
        let holders = self.holders.lock().expect("no holder of this lock panics");
        let mut known = holders.methods.get(method)?.iter().rev();
        known.find(|holder| !holder.calls.is_closed()).cloned()
    }
}

impl Holders {
    fn remove(&mut self, method: &str, socket: &Arc<str>) {
        let Some(holders) = self.methods.get_mut(method) else { return };
        let before = holders.len();
        holders.retain(|holder| holder.socket != *socket);
        self.count -= before - holders.len();
        if holders.is_empty() {
            self.methods.remove(method);
        }
    }
}

#[cfg(test)]
mod tests {
    use rejoin_ports::clock::HandClock;

    use super::*;

    fn params() -> Box<RawValue> {
        RawValue::from_string("\"p\"".into()).unwrap()
    }

    fn socket(name: &str) -> Arc<str> {
        name.into()
    }

    #[tokio::test]
    async fn the_last_to_register_is_called_and_the_one_before_when_it_is_gone() {
        let methods = Methods::new(Arc::new(HandClock::at(0)));
        let (first, mut calls_first) = mpsc::channel(1);
        let (last, mut calls_last) = mpsc::channel(1);
        assert!(methods.register("s:bash", &socket("first"), first));
        assert!(methods.register("s:bash", &socket("last"), last));
        let caller = socket("caller");
        let answer = |call: Option<Call>| call.unwrap().reply.send(params()).unwrap();
        let (answered, ()) = tokio::join!(methods.call(&caller, "s:bash", params(), 10, 10), async {
            answer(calls_last.recv().await);
        });
        assert_eq!(answered.unwrap().get(), "\"p\"");
        methods.gone(&socket("last"));
        let (answered, ()) = tokio::join!(methods.call(&caller, "s:bash", params(), 10, 10), async {
            answer(calls_first.recv().await);
        });
        assert!(answered.is_ok());
        methods.unregister("s:bash", &socket("first"));
        assert_eq!(methods.holders.lock().unwrap().count, 0);
        assert!(methods.holders.lock().unwrap().methods.is_empty());
    }

    #[tokio::test]
    async fn a_call_without_an_answer_says_why() {
        let clock = HandClock::at(0);
        let methods = Methods::new(Arc::new(clock.clone()));
        let (calls, mut taken) = mpsc::channel(1);
        assert!(!methods.register("", &socket("a"), calls.clone()));
        assert!(!methods.register(&"x".repeat(LONGEST_NAME + 1), &socket("a"), calls.clone()));
        assert!(methods.register("m", &socket("a"), calls));
        let call = |caller: &'static str, method: &'static str| {
            let methods = &methods;
            async move { methods.call(&socket(caller), method, params(), 15_000, 30_000).await.err() }
        };
        assert_eq!(call("a", "m").await, Some(NoAnswer::Oneself));
        let (none, ()) = tokio::join!(call("b", "other"), async { clock.advance(15_000) });
        assert_eq!(none, Some(NoAnswer::Nobody));
        let (late, _kept) = tokio::join!(call("b", "m"), async {
            let call = taken.recv().await;
            clock.advance(30_000);
            call
        });
        assert_eq!(late, Some(NoAnswer::TimedOut));
        let (gone, ()) = tokio::join!(call("b", "m"), async { drop(taken.recv().await) });
        assert_eq!(gone, Some(NoAnswer::Gone));
    }

    #[tokio::test]
    async fn a_method_that_is_registered_in_time_is_called() {
        let methods = Methods::new(Arc::new(HandClock::at(0)));
        let (calls, mut taken) = mpsc::channel(1);
        let caller = socket("b");
        let (answered, ()) = tokio::join!(methods.call(&caller, "m", params(), 15_000, 30_000), async {
            tokio::task::yield_now().await;
            assert!(methods.register("m", &socket("a"), calls));
            taken.recv().await.unwrap().reply.send(params()).unwrap();
        });
        assert!(answered.is_ok());
    }
}
