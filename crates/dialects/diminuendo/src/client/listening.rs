//! Hearing events: handlers by payload type or by name, and the stream of all of them.

use super::handlers::{EVERY, Wants};
use super::{Client, Event, Events, Payload, Subscription};

impl Client {
    /// Calls the handler for every event that has this payload: `client.on(|event: &TextDelta| print!("{}", event.text))`.
    ///
    /// Handlers run where the socket is read, one after the other: while one runs nothing else is heard. They may call
    /// whatever of the client does not wait.
    pub fn on<P: Payload + 'static>(&self, mut handler: impl FnMut(&P) + Send + 'static) -> Subscription {
        let call = move |event: &Event| P::of(event).into_iter().for_each(&mut handler);
        self.0.0.handlers.add(P::NAME, false, has::<P>, Box::new(call))
    }

    /// The same for the next such event only.
    pub fn once<P: Payload + 'static>(&self, handler: impl FnOnce(&P) + Send + 'static) -> Subscription {
        let mut handler = Some(handler);
        let call = move |event: &Event| {
            if let (Some(payload), Some(handler)) = (P::of(event), handler.take()) {
                handler(payload);
            }
        };
        self.0.0.handlers.add(P::NAME, true, has::<P>, Box::new(call))
    }

    /// Takes away all handlers of the name that this payload has.
    pub fn off<P: Payload>(&self) {
        self.off_event(P::NAME);
    }

    /// Calls the handler for every event of a name, however the gateway spells it; with [`EVERY`] for all.
    ///
    /// `connected` is the moment at which the socket opens, `disconnected` that at which it is lost.
    pub fn on_event(&self, name: &str, handler: impl FnMut(&Event) + Send + 'static) -> Subscription {
        self.0.0.handlers.add(name, false, wanted(name), Box::new(handler))
    }

    /// The same for the next such event only.
    pub fn once_event(&self, name: &str, handler: impl FnOnce(&Event) + Send + 'static) -> Subscription {
        let mut handler = Some(handler);
        let call = move |event: &Event| handler.take().into_iter().for_each(|handler| handler(event));
        self.0.0.handlers.add(name, true, wanted(name), Box::new(call))
    }

    /// Takes away all handlers of a name.
    pub fn off_event(&self, name: &str) {
        self.0.0.handlers.off(name);
    }

    /// All events from now on, as a stream that loses nothing: see [`Events`].
    pub fn events(&self) -> Events {
        self.0.0.streams.add()
    }
}

fn has<P: Payload>(event: &Event) -> bool {
    P::of(event).is_some()
}

fn wanted(name: &str) -> Wants {
    match name {
        EVERY => |_| true,
        // The gateway's own `connected` is not the moment that this name means.
        _ => |event| !matches!(event, Event::Connected(_)),
    }
}
