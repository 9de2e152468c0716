//! Handlers: what the application wants to be called for.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::Event;
use crate::names::canonical;

/// The name under which a handler hears every event.
pub const EVERY: &str = "*";

/// Which events of its name a handler wants.
pub(super) type Wants = fn(&Event) -> bool;
pub(super) type Call = Box<dyn FnMut(&Event) + Send>;

/// All handlers. Those of one name are called in the order in which they came, and those of every event behind them.
#[derive(Default)]
pub(super) struct Handlers {
    /// Lists are replaced, never changed: whoever is calling them goes on with the list that there was.
    by_name: Mutex<HashMap<String, Arc<[Arc<Handler>]>>>,
}

struct Handler {
    alive: AtomicBool,
    once: bool,
    wants: Wants,
    call: Mutex<Call>,
}

/// A handler that can be taken away. Dropping this changes nothing.
#[derive(Debug, Clone)]
pub struct Subscription {
    handlers: Weak<Handlers>,
    name: String,
    handler: Weak<Handler>,
}

impl Handlers {
    pub(super) fn add(self: &Arc<Handlers>, name: &str, once: bool, wants: Wants, call: Call) -> Subscription {
        let name = canonical(name).into_owned();
        let handler = Arc::new(Handler { alive: AtomicBool::new(true), once, wants, call: Mutex::new(call) });
        let subscription =
            Subscription { handlers: Arc::downgrade(self), name: name.clone(), handler: Arc::downgrade(&handler) };
        let mut lists = self.by_name.lock().expect("no holder of this lock panics");
        let before = lists.remove(&name).unwrap_or_default();
        lists.insert(name, before.iter().cloned().chain([handler]).collect());
        subscription
    }

    pub(super) fn off(&self, name: &str) {
        let list = self.by_name.lock().expect("no holder of this lock panics").remove(&*canonical(name));
        for handler in list.iter().flat_map(|list| list.iter()) {
            handler.alive.store(false, Ordering::Release);
        }
    }

    fn remove(&self, name: &str, one: &Arc<Handler>) {
        one.alive.store(false, Ordering::Release);
        let mut lists = self.by_name.lock().expect("no holder of this lock panics");
        let Some(list) = lists.remove(name) else { return };
        let rest: Arc<[_]> = list.iter().filter(|handler| !Arc::ptr_eq(handler, one)).cloned().collect();
        if !rest.is_empty() {
            lists.insert(name.to_owned(), rest);
        }
        // The last owner of a handler may be the list that goes here, and its closure may own a client.
        drop(lists);
        drop(list);
    }

    /// Calls whoever wants to hear this. They may add and remove handlers meanwhile, themselves included.
    pub(super) fn tell(&self, event: &Event) {
        let name = event.name();
        let (own, every) = {
            let lists = self.by_name.lock().expect("no holder of this lock panics");
            (lists.get(name).cloned(), lists.get(EVERY).cloned())
        };
        for (list, name) in [(own, name), (every, EVERY)] {
            for handler in list.iter().flat_map(|list| list.iter()) {
                if handler.tell(event) && handler.once {
                    self.remove(name, handler);
                }
            }
        }
    }
}

impl Handler {
    /// Whether it was called.
    fn tell(&self, event: &Event) -> bool {
        if !(self.wants)(event) {
            return false;
        }
        let alive = match self.once {
            true => self.alive.swap(false, Ordering::AcqRel),
            false => self.alive.load(Ordering::Acquire),
        };
        if !alive {
            return false;
        }
        let mut call = self.call.lock().unwrap_or_else(PoisonError::into_inner);
        // A handler that panics has said so on its own; the connection and the other handlers are not to blame.
        if catch_unwind(AssertUnwindSafe(|| call(event))).is_err() {
            tracing::error!(event = event.name(), "diminuendo: a handler panicked");
        }
        true
    }
}

impl Subscription {
    /// Takes this handler away, and no other.
    pub fn unsubscribe(&self) {
        if let (Some(handlers), Some(handler)) = (self.handlers.upgrade(), self.handler.upgrade()) {
            handlers.remove(&self.name, &handler);
        }
    }
}
