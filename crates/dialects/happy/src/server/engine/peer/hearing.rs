//! What a client's packets mean, and which of them it may send now.

use std::fmt::Display;

use rejoin_socket::frame;
use serde_json::value::RawValue;

use super::farewell::Ending;
use super::{Incoming, Namespace, Packet, Peer, Posted};
use crate::packet::{self, Body, Engine, Message};
use crate::server::engine::heartbeat::Heartbeat;

impl Peer {
    /// Hears the next packet of a post, and lets the next post come when it was the last.
    pub(super) fn hear_posted(&mut self, mut posted: Posted) -> Option<Incoming> {
        let incoming = posted.next().and_then(|text| self.hear(text));
        if posted.is_over() {
            self.line.heard();
        } else {
            self.posted = Some(posted);
        }
        incoming
    }

    pub(super) fn hear(&mut self, text: &str) -> Option<Incoming> {
        match Engine::decode(text) {
            Ok(Engine::Message(text)) => match Message::decode(text) {
                Ok(message) => return self.hear_message(message),
                Err(error) => self.violated(&error),
            },
            Ok(Engine::Pong(_)) => self.heartbeat = Heartbeat::answered(self.now()),
            Ok(Engine::Close) => self.end(Ending::Left),
            Ok(Engine::Ping(_)) => self.violated(&"only servers ping"),
            Ok(Engine::Open(_) | Engine::Upgrade | Engine::Noop) => {}
            Err(error) => self.violated(&error),
        }
        None
    }

    fn hear_message(&mut self, message: Message<'_>) -> Option<Incoming> {
        let Some(namespace) = Namespace::named(message.namespace) else {
            if let Body::Connect(_) = message.body {
                self.say(Packet::new(&packet::connect_error(message.namespace, "Invalid namespace")));
            }
            return None;
        };
        let joined = self.joined[namespace as usize];
        match message.body {
            Body::Connect(_) if joined => self.violated(&"a namespace was joined twice"),
            Body::Connect(auth) => {
                self.undecided = Some(namespace);
                return Some(Incoming::Connect { namespace, auth: auth.map(ToOwned::to_owned) });
            }
            Body::ConnectError(_) => self.violated(&"only servers reject"),
            // It was sent out, or never let in, and what it says was under way.
            _ if !joined => {}
            Body::Disconnect => {
                self.joined[namespace as usize] = false;
                return Some(Incoming::Disconnect { namespace });
            }
            Body::Event { ack, name, args } => {
                return Some(Incoming::Event { namespace, name: name.into_owned(), args: owned(args), ack });
            }
            Body::Ack { id, args } => return Some(Incoming::Ack { namespace, id, args: owned(args) }),
        }
        None
    }

    fn violated(&mut self, why: &dyn Display) {
        tracing::debug!(%why, "happy: a client broke the protocol");
        self.end(Ending::Violated(frame::code::PROTOCOL));
    }
}

fn owned(args: Vec<&RawValue>) -> Vec<Box<RawValue>> {
    args.into_iter().map(ToOwned::to_owned).collect()
}
