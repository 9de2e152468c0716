//! Listens to the socket of a session and passes on what it says, hardly ever waiting for anybody.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use tokio::sync::mpsc;

use super::super::Error;
use super::super::socket::{Heard, Status};
use super::{SessionNews, Shared};
use crate::wire::{Body, Ephemeral, Update};

#[derive(Deserialize)]
struct Call {
    method: String,
    #[serde(default)]
    params: String,
}

pub(super) async fn listen(shared: Arc<Shared>, mut heard: mpsc::Receiver<Heard>) {
    let stop = shared.stop.clone();
    loop {
        let heard = tokio::select! {
            () = stop.cancelled() => return,
            heard = heard.recv() => heard,
        };
        match heard {
            Some(Heard::Connected) => {
                shared.rpc.connected();
                // What was said meanwhile did not come this way.
                shared.inlet.catch_up();
            }
            Some(Heard::Lost) => {}
            Some(Heard::Refused) => {
                if let Status::Refused(why) = shared.socket.status() {
                    shared.end(Error::Refused(why));
                }
                return;
            }
            Some(Heard::Event { name, data, reply }) => match (&*name, reply) {
                ("update", _) => update(&shared, &data).await,
                ("ephemeral", _) => {
                    if let Ok(ephemeral) = serde_json::from_str::<Ephemeral>(&data) {
                        tell(&shared, SessionNews::Ephemeral(ephemeral));
                    }
                }
                ("rpc-request", Some(reply)) => {
                    // What has another form has no name that anybody answers to.
                    let call =
                        serde_json::from_str(&data).unwrap_or(Call { method: String::new(), params: String::new() });
                    shared.rpc.called(&shared.socket, &call.method, &call.params, reply);
                }
                ("rpc-registered", _) => shared.rpc.heard_confirmation(&data),
                ("rpc-unregistered", _) => {}
                _ => tracing::debug!(session.id = shared.id, event = name, data, "happy: an event"),
            },
            None => return,
        }
    }
}

async fn update(shared: &Shared, data: &str) {
    match Update::read(data).map(|update| update.body) {
        Ok(Body::NewMessage { sid, message }) => {
            if sid == shared.id {
                shared.inlet.message(message).await;
            }
        }
        Ok(Body::UpdateSession { id, metadata, agent_state }) => {
            if id == shared.id {
                metadata.iter().for_each(|told| shared.metadata.adopt(told));
                agent_state.iter().for_each(|told| shared.agent_state.adopt(told));
            }
        }
        // Sessions have no use for it.
        Ok(Body::UpdateMachine { .. }) => {}
        // Of another kind, or of none that we know.
        Ok(_) | Err(_) => {
            let mut update: Value = serde_json::from_str(data).unwrap_or_default();
            if update["body"].is_object() {
                tell(shared, SessionNews::Update(update["body"].take()));
            }
        }
    }
}

fn tell(shared: &Shared, news: SessionNews) {
    if !shared.inlet.other(news) {
        // It concerns no message of this session, so nothing of it is lost.
        tracing::debug!(session.id = shared.id, "happy: nobody takes the news; some are dropped");
    }
}
