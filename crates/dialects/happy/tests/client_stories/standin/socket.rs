//! Socket.IO, frame by frame.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use super::Served;
use super::world::{Fault, Line, World};

pub(super) async fn serve(served: Served, stream: TcpStream) {
    if served.change(|world| world.is_away) {
        return;
    }
    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
    let max = served.change(|world| world.max_payload);
    let open = json!({ "sid": "e", "upgrades": [], "pingInterval": 15000, "pingTimeout": 45000, "maxPayload": max });
    let _ = socket.send(Message::text(format!("0{open}"))).await;
    let Some(Ok(Message::Text(connect))) = socket.next().await else { return };
    let namespace = if served.prefix.is_empty() { "" } else { "/happy," };
    let auth = connect.strip_prefix("40").and_then(|rest| rest.strip_prefix(namespace));
    let auth: Value = serde_json::from_str(auth.expect("it connects to the namespace")).expect("it says who it is");

    let (refuses, is_old) = served.change(|world| (world.refuses, world.is_old));
    if let Some(why) = refuses {
        // An older server lets it in, and sends it away again.
        let frames = match is_old {
            false => vec![format!("44{namespace}{}", json!({ "message": why }))],
            true => vec![
                format!("40{namespace}{}", json!({ "sid": "s" })),
                format!("42{namespace}{}", json!(["error", { "message": why }])),
                format!("41{namespace}").trim_end_matches(',').to_owned(),
            ],
        };
        for frame in frames {
            let _ = socket.send(Message::text(frame)).await;
        }
        let _ = socket.next().await;
        return;
    }
    let (out, mut frames) = mpsc::unbounded_channel();
    let number = served.change(|world| {
        let number = world.number();
        world.lines.insert(number, Line { scope: auth, namespace, out });
        number
    });
    let _ = socket.send(Message::text(format!("40{namespace}{}", json!({ "sid": "s" })))).await;
    let (mut sink, mut heard) = socket.split();
    loop {
        tokio::select! {
            frame = frames.recv() => match frame {
                // The line was cut.
                None => return,
                Some(frame) => if sink.send(Message::text(frame)).await.is_err() { break },
            },
            frame = heard.next() => match frame {
                Some(Ok(Message::Text(text))) => {
                    if text.len() > max {
                        break;
                    }
                    served.change(|world| take(world, number, namespace, &text));
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                Some(Ok(_)) => {}
            },
        }
    }
    served.change(|world| {
        world.lines.remove(&number);
        world.methods.retain(|_, line| *line != number);
    });
}

fn take(world: &mut World, from: u64, namespace: &str, text: &str) {
    if let Some(rest) = text.strip_prefix("42").and_then(|rest| rest.strip_prefix(namespace)) {
        let digits = rest.find('[').expect("an event is a list");
        let (ack, list) = rest.split_at(digits);
        let list: Value = serde_json::from_str(list).expect("an event is JSON");
        let name = list[0].as_str().expect("it has a name").to_owned();
        world.events.push_back((name.clone(), list[1].clone()));
        let reply = |world: &World, value: Value| {
            let line = world.lines.get(&from);
            if let Some(line) = line.filter(|_| !ack.is_empty()) {
                let _ = line.out.send(format!("43{namespace}{ack}{}", json!([value]))); // it may be gone
            }
        };
        event(world, from, ack, &name, &list[1], reply);
    } else if let Some(rest) = text.strip_prefix("43").and_then(|rest| rest.strip_prefix(namespace)) {
        let digits = rest.find('[').expect("an ack is a list");
        let number: u64 = rest[..digits].parse().expect("an ack has a number");
        let list: Value = serde_json::from_str(&rest[digits..]).expect("an ack is JSON");
        if let Some((caller, ack)) = world.calls.remove(&number)
            && let Some(line) = world.lines.get(&caller)
        {
            let answer = json!([{ "ok": true, "result": list[0] }]);
            let _ = line.out.send(format!("43{namespace}{ack}{answer}")); // it may be gone
        }
    }
}

fn event(world: &mut World, from: u64, ack: &str, name: &str, data: &Value, reply: impl Fn(&World, Value)) {
    match name {
        "message" => {
            let (sid, content) =
                (data["sid"].as_str().unwrap_or_default(), data["message"].as_str().unwrap_or_default());
            if world.session(sid).is_some() {
                world.store(sid, content, data["localId"].as_str(), Some(from));
            }
        }
        "ping" => reply(world, json!({})),
        "usage-report" => reply(world, json!({ "success": true, "reportId": "r", "createdAt": 1, "updatedAt": 1 })),
        "update-metadata" => change(world, data, "metadata", reply),
        "update-state" => change(world, data, "agentState", reply),
        "machine-update-state" | "machine-update-metadata" => {
            let field = if name == "machine-update-state" { "daemonState" } else { "metadata" };
            let version = data["expectedVersion"].as_u64().unwrap_or_default() + 1;
            reply(world, json!({ "result": "success", "version": version, field: data[field] }));
        }
        "rpc-register" => {
            if world.deaf_to_names > 0 {
                world.deaf_to_names -= 1;
                return;
            }
            world.methods.insert(data["method"].as_str().unwrap_or_default().to_owned(), from);
            if let Some(line) = world.lines.get(&from) {
                line.event("rpc-registered", data);
            }
        }
        "rpc-unregister" => {
            world.methods.remove(data["method"].as_str().unwrap_or_default());
        }
        "rpc-call" => {
            let callee = world.methods.get(data["method"].as_str().unwrap_or_default()).copied();
            match callee.filter(|callee| world.lines.contains_key(callee)) {
                None => reply(world, json!({ "ok": false, "error": "RPC method not available" })),
                Some(callee) => {
                    let number = world.number();
                    world.calls.insert(number, (from, ack.to_owned()));
                    let line = &world.lines[&callee];
                    let request = json!(["rpc-request", { "method": data["method"], "params": data["params"] }]);
                    let _ = line.out.send(format!("42{}{number}{request}", line.namespace)); // it may be gone
                }
            }
        }
        _ => {}
    }
}

fn change(world: &mut World, data: &Value, field: &str, reply: impl Fn(&World, Value)) {
    let sid = data["sid"].as_str().unwrap_or_default().to_owned();
    let fault = world.changes.pop_front();
    if let Some(Fault::Cut) = fault {
        return world.cut();
    }
    let Some(session) = world.session(&sid) else { return reply(world, json!({ "result": "error" })) };
    let mut value = match field {
        "metadata" => (Some(session.metadata.0.clone()), session.metadata.1),
        _ => session.agent_state.clone(),
    };
    if let Some(Fault::Overtaken(other)) = &fault {
        value = (Some(other.clone()), value.1 + 1);
    }
    let is_stale = data["expectedVersion"].as_u64() != Some(value.1);
    if !is_stale {
        value = (data[field].as_str().map(str::to_owned), value.1 + 1);
    }
    match field {
        "metadata" => session.metadata = (value.0.clone().unwrap_or_default(), value.1),
        _ => session.agent_state = value.clone(),
    }
    let result = if is_stale { "version-mismatch" } else { "success" };
    match fault {
        Some(Fault::DoneThenCut) => return world.cut(),
        Some(Fault::Silence) => return,
        _ => {}
    }
    if !is_stale {
        let told = json!({ "t": "update-session", "id": sid, field: { "value": value.0, "version": value.1 } });
        world.tell(&sid, &told, None);
    }
    if let Some(Fault::ToldThenCut) = fault {
        return world.cut();
    }
    reply(world, json!({ "result": result, "version": value.1, field: value.0 }));
}
