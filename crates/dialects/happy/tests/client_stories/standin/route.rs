//! What is answered to which request.

use rejoin_happy::client::seal;
use serde_json::{Value, json};

use super::http::{Answer, Request};
use super::world::{Fault, NOW, Record, World, shown};
use super::{Served, error};

pub(super) fn answer(served: &Served, request: &Request) -> Answer {
    served.change(|world| {
        world.asked.push(format!("{} {}", request.method, request.path));
        if world.is_away {
            return Answer::Cut;
        }
        let parts: Vec<_> = request.parts.iter().map(String::as_str).collect();
        match (&*request.method, &*parts) {
            ("POST", ["v1", "auth"]) => auth(&request.json()),
            ("POST", ["v1", "auth", "request"]) => ask_in(world, &request.json()),
            ("GET", ["v1", "auth", "request", "status"]) => status(world, request),
            _ if request.bearer.as_deref() != Some("token.of.account") => Answer::Json(401, error("Invalid token")),
            ("POST", ["v1", "auth", "response"]) => let_in(world, &request.json()),
            ("POST", ["v1", "sessions"]) => create(world, &request.json()),
            ("GET", ["v1", "sessions"]) => {
                let sessions: Vec<_> = world.sessions.iter().rev().take(150).map(Record::shown).collect();
                Answer::Json(200, json!({ "sessions": sessions }))
            }
            ("GET", ["v1", "sessions", id, "messages"]) => newest(world, id),
            ("GET", ["v3", "sessions", id, "messages"]) if !world.is_old => page(world, id, request),
            ("POST", ["v3", "sessions", id, "messages"]) if !world.is_old => post(world, id, &request.json()),
            ("POST", ["v1", "sessions", id, "attachments", "request-upload"]) => {
                let number = world.number();
                let reference = format!("sessions/{id}/attachments/{number}.enc");
                let url = format!("{}/v1/{reference}", world.base);
                Answer::Json(200, json!({ "ref": reference, "uploadUrl": url, "method": "PUT" }))
            }
            ("PUT", ["v1", "sessions", _, "attachments", _]) => {
                world.files.insert(request.path.clone(), request.body.clone());
                Answer::Json(200, json!({ "ok": true }))
            }
            ("POST", ["v1", "sessions", _, "attachments", "request-download"]) => {
                let reference = request.json()["ref"].as_str().unwrap_or_default().to_owned();
                Answer::Json(200, json!({ "downloadUrl": format!("{}/v1/{reference}", world.base) }))
            }
            ("GET", ["v1", "sessions", _, "attachments", _]) => match world.files.get(&request.path) {
                Some(file) => Answer::Bytes(file.clone()),
                None => Answer::Json(404, error("Not found")),
            },
            ("POST", ["v1", "machines"]) => machine(world, &request.json()),
            ("GET", ["v1", "machines"]) => {
                let machines: Vec<_> = world.machines.values().cloned().collect();
                Answer::Json(200, machines.into())
            }
            ("GET", ["v1", "kv", key]) => match world.values.get(*key).filter(|value| !value["value"].is_null()) {
                Some(value) => Answer::Json(200, value.clone()),
                None => Answer::Json(404, error("Key not found")),
            },
            ("POST", ["v1", "kv"]) => mutate(world, &request.json()),
            ("GET", ["v1", "account", "settings"]) => {
                Answer::Json(200, json!({ "settings": world.settings.0, "settingsVersion": world.settings.1 }))
            }
            ("POST", ["v1", "account", "settings"]) => settings(world, &request.json()),
            _ => {
                let (path, method) = (&request.path, &request.method);
                Answer::Json(404, json!({ "error": "Not found", "path": path, "method": method }))
            }
        }
    })
}

fn auth(body: &Value) -> Answer {
    let bytes = |name: &str| seal::base64::decode(body[name].as_str().unwrap_or_default()).unwrap_or_default();
    match seal::verify(&bytes("publicKey"), &bytes("challenge"), &bytes("signature")) {
        Ok(()) => Answer::Json(200, json!({ "success": true, "token": "token.of.account" })),
        Err(_) => Answer::Json(401, error("Invalid signature")),
    }
}

fn ask_in(world: &mut World, body: &Value) -> Answer {
    let key = body["publicKey"].as_str().unwrap_or_default().to_owned();
    let asked = world.terminals.entry(key).or_insert_with(|| json!({ "supportsV2": body["supportsV2"] == true }));
    match asked["response"].as_str() {
        None => Answer::Json(200, json!({ "state": "requested" })),
        Some(response) => {
            Answer::Json(200, json!({ "state": "authorized", "token": "token.of.account", "response": response }))
        }
    }
}

fn status(world: &mut World, request: &Request) -> Answer {
    let key = request.query.iter().find(|(name, _)| name == "publicKey").map(|(_, key)| &**key).unwrap_or_default();
    let (status, second) = match world.terminals.get(key) {
        None => ("not_found", false),
        Some(asked) if asked["response"].is_string() => ("authorized", false),
        Some(asked) => ("pending", asked["supportsV2"] == true),
    };
    Answer::Json(200, json!({ "status": status, "supportsV2": second }))
}

fn let_in(world: &mut World, body: &Value) -> Answer {
    let Some(asked) = world.terminals.get_mut(body["publicKey"].as_str().unwrap_or_default()) else {
        return Answer::Json(404, error("Request not found"));
    };
    if asked["response"].is_null() {
        asked["response"] = body["response"].clone();
    }
    Answer::Json(200, json!({ "success": true }))
}

fn create(world: &mut World, body: &Value) -> Answer {
    let tag = body["tag"].as_str().unwrap_or_default().to_owned();
    let at = world.sessions.iter().position(|session| session.tag == tag);
    let at = at.unwrap_or_else(|| {
        let id = format!("csession{}", world.number());
        world.sessions.push(Record {
            id,
            tag,
            metadata: (body["metadata"].as_str().unwrap_or_default().to_owned(), 0),
            agent_state: (None, 0),
            key: body["dataEncryptionKey"].as_str().map(str::to_owned),
            seq: 0,
            messages: Vec::new(),
        });
        world.sessions.len() - 1
    });
    Answer::Json(200, json!({ "session": world.sessions[at].shown() }))
}

fn newest(world: &mut World, id: &str) -> Answer {
    let Some(session) = world.session(id) else { return Answer::Json(404, error("Session not found")) };
    let messages: Vec<_> = session.messages.iter().rev().take(150).map(shown).collect();
    Answer::Json(200, json!({ "messages": messages }))
}

fn page(world: &mut World, id: &str, request: &Request) -> Answer {
    let Some(session) = world.session(id) else { return Answer::Json(404, error("Session not found")) };
    let (after, limit) = (request.param("after_seq").unwrap_or(0), request.param("limit").unwrap_or(100) as usize);
    let behind: Vec<_> = session.messages.iter().filter(|message| message.seq > after).collect();
    let messages: Vec<_> = behind.iter().take(limit).map(|message| shown(message)).collect();
    Answer::Json(200, json!({ "messages": messages, "hasMore": behind.len() > limit }))
}

fn post(world: &mut World, id: &str, body: &Value) -> Answer {
    if world.session(id).is_none() {
        return Answer::Json(404, error("Session not found"));
    }
    let messages = body["messages"].as_array().cloned().unwrap_or_default();
    world.batches.push(messages.len());
    if messages.is_empty() || messages.len() > 100 {
        return Answer::Json(400, json!({ "error": "Error", "message": "body/messages", "statusCode": 400 }));
    }
    if let Some(poison) = &world.poison
        && messages.iter().any(|message| message["content"].as_str() == Some(poison))
    {
        return Answer::Json(400, json!({ "error": "Error", "message": "body/messages/content", "statusCode": 400 }));
    }
    let fault = world.posts.pop_front();
    match fault {
        Some(Fault::Cut) => return Answer::Cut,
        Some(Fault::Status(status)) => return Answer::Json(status, error("Internal Server Error")),
        _ => {}
    }
    let mut posted = Vec::new();
    for message in messages {
        let local_id = message["localId"].as_str();
        let (seq, _) = world.store(id, message["content"].as_str().unwrap_or_default(), local_id, None);
        posted.push(json!({
            "id": format!("c{seq}"), "seq": seq, "localId": local_id, "createdAt": NOW, "updatedAt": NOW,
        }));
    }
    posted.sort_by_key(|posted| posted["seq"].as_u64());
    match fault {
        Some(Fault::DoneThenCut) => Answer::Cut,
        _ => Answer::Json(200, json!({ "messages": posted })),
    }
}

fn machine(world: &mut World, body: &Value) -> Answer {
    let id = body["id"].as_str().unwrap_or_default().to_owned();
    let machine = world.machines.entry(id).or_insert_with(|| {
        json!({
            "id": body["id"], "metadata": body["metadata"], "metadataVersion": 1,
            "daemonState": body["daemonState"], "daemonStateVersion": u64::from(body["daemonState"].is_string()),
            "dataEncryptionKey": body["dataEncryptionKey"], "active": false, "activeAt": NOW, "createdAt": NOW,
            "updatedAt": NOW,
        })
    });
    Answer::Json(200, json!({ "machine": machine }))
}

fn mutate(world: &mut World, body: &Value) -> Answer {
    let mutations = body["mutations"].as_array().cloned().unwrap_or_default();
    let version = |world: &World, key: &Value| {
        world.values.get(key.as_str().unwrap_or_default()).map_or(-1, |value| value["version"].as_i64().unwrap_or(-1))
    };
    let stale: Vec<_> =
        mutations.iter().filter(|one| version(world, &one["key"]) != one["version"].as_i64().unwrap_or(-2)).collect();
    if !stale.is_empty() {
        let told = |one: &&Value| {
            let value = world.values.get(one["key"].as_str().unwrap_or_default()).map(|value| value["value"].clone());
            json!({ "key": one["key"], "error": "version-mismatch", "version": version(world, &one["key"]), "value": value })
        };
        let errors: Vec<_> = stale.iter().map(told).collect();
        return Answer::Json(409, json!({ "success": false, "errors": errors }));
    }
    let mut results = Vec::new();
    for one in &mutations {
        let next = version(world, &one["key"]) + 1;
        let key = one["key"].as_str().unwrap_or_default().to_owned();
        world.values.insert(key, json!({ "key": one["key"], "value": one["value"], "version": next }));
        results.push(json!({ "key": one["key"], "version": next }));
    }
    Answer::Json(200, json!({ "success": true, "results": results }))
}

fn settings(world: &mut World, body: &Value) -> Answer {
    if body["expectedVersion"].as_u64() != Some(world.settings.1) {
        let (current, version) = &world.settings;
        let told = json!({
            "success": false, "error": "version-mismatch", "currentVersion": version, "currentSettings": current,
        });
        return Answer::Json(200, told);
    }
    world.settings = (body["settings"].as_str().map(str::to_owned), world.settings.1 + 1);
    Answer::Json(200, json!({ "success": true, "version": world.settings.1 }))
}
