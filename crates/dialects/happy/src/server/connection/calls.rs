//! Calls of one connection: those that its client makes, and those that others make to it.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::Waiting;
use crate::packet;
use crate::server::Hall;
use crate::server::engine::{Namespace, Packet};
use crate::server::hub::Room;
use crate::server::rpc::{self, Call};

/// Calls that a client may have under way, and that may be under way to it.
const MOST: usize = 256;

pub(super) struct Calls {
    socket: Arc<str>,
    namespace: Namespace,
    sender: mpsc::Sender<Call>,
    receiver: mpsc::Receiver<Call>,
    /// Of calls to our client: who waits for the answer.
    waiting: HashMap<u64, oneshot::Sender<Box<RawValue>>>,
    next_id: u64,
    /// Calls of our client to others.
    under_way: FuturesUnordered<Waiting<Option<Packet>>>,
}

pub(super) enum News {
    /// Somebody calls our client.
    Call(Call),
    /// A call of our client is over.
    Over(Option<Packet>),
}

impl Calls {
    pub(super) fn new(socket: Arc<str>, namespace: Namespace) -> Calls {
        let (sender, receiver) = mpsc::channel(rpc::WAITING);
        let waiting = HashMap::new();
        Calls { socket, namespace, sender, receiver, waiting, next_id: 0, under_way: FuturesUnordered::new() }
    }

    /// Whether the client may make another call.
    pub(super) fn has_room(&self) -> bool {
        self.under_way.len() < MOST
    }

    pub(super) async fn next(&mut self) -> News {
        let Calls { receiver, waiting, under_way, .. } = self;
        if waiting.len() >= MOST {
            // Those whose callers have given up make room.
            waiting.retain(|_, reply| !reply.is_closed());
        }
        tokio::select! {
            Some(over) = under_way.next() => News::Over(over),
            Some(call) = receiver.recv(), if waiting.len() < MOST => News::Call(call),
            else => std::future::pending().await,
        }
    }

    /// What is to be written.
    pub(super) fn take(&mut self, news: News) -> Option<Packet> {
        match news {
            News::Over(answer) => answer,
            News::Call(call) => {
                if call.reply.is_closed() {
                    return None;
                }
                let id = self.next_id;
                self.next_id += 1;
                self.waiting.insert(id, call.reply);
                let request = json!({ "method": &*call.method, "params": call.params });
                let text = packet::event(self.namespace.as_str(), Some(id), "rpc-request", &request);
                Some(Packet::new(&text.expect("what came as JSON is JSON")))
            }
        }
    }

    /// Our client has answered a call.
    pub(super) fn answered(&mut self, id: u64, args: Vec<Box<RawValue>>) {
        if let Some(reply) = self.waiting.remove(&id) {
            let answer = args.into_iter().next().unwrap_or_else(null);
            let _ = reply.send(answer); // whoever called may have given up
        }
    }

    /// Our client answers a method from now on, or no more. The result is told to it.
    pub(super) fn registered(&self, room: &Room, begins: bool, argument: &Value) -> Packet {
        let method = argument.get("method").and_then(|method| method.as_str());
        let done = match method {
            Some(method) if begins => room.methods.register(method, &self.socket, self.sender.clone()),
            Some(method) if !method.is_empty() => {
                room.methods.unregister(method, &self.socket);
                true
            }
            _ => false,
        };
        let namespace = self.namespace.as_str();
        let text = match (done, begins) {
            (true, true) => packet::event(namespace, None, "rpc-registered", &json!({ "method": method })),
            (true, false) => packet::event(namespace, None, "rpc-unregistered", &json!({ "method": method })),
            (false, _) => {
                let kind = if begins { "register" } else { "unregister" };
                let told = json!({ "type": kind, "error": "Invalid method name" });
                packet::event(namespace, None, "rpc-error", &told)
            }
        };
        Packet::new(&text.expect("texts are JSON"))
    }

    /// Our client calls somebody.
    pub(super) fn begin(&self, hall: &Hall, room: &Arc<Room>, argument: &Value, ack: Option<u64>) {
        let (room, socket, namespace) = (room.clone(), self.socket.clone(), self.namespace);
        let (grace, most) = (hall.options.rpc_grace_ms, hall.options.rpc_ms);
        let method = argument.get("method").and_then(|method| method.as_str()).map(str::to_owned);
        let params = argument.get("params").map_or_else(null, |params| {
            serde_json::value::to_raw_value(params).expect("what was read as JSON is JSON")
        });
        self.under_way.push(Box::pin(async move {
            let outcome = match method.filter(|method| !method.is_empty()) {
                Some(method) => {
                    room.methods.call(&socket, &method, params, grace, most).await.map_err(|why| why.to_string())
                }
                None => Err("Invalid parameters: method is required".to_owned()),
            };
            let answer = match outcome {
                Ok(result) => json!({ "ok": true, "result": result }),
                Err(error) => json!({ "ok": false, "error": error }),
            };
            let text = packet::ack(namespace.as_str(), ack?, &answer).expect("what came as JSON is JSON");
            Some(Packet::new(&text))
        }));
    }

    /// The connection is over: nobody waits for our client any more.
    pub(super) fn close(&mut self) {
        self.receiver.close();
        while self.receiver.try_recv().is_ok() {}
        self.waiting.clear();
        self.under_way.clear();
    }
}

fn null() -> Box<RawValue> {
    RawValue::from_string("null".to_owned()).expect("null is JSON")
}
