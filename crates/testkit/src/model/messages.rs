//! Messages.

use serde_json::{Value, json};

use super::Piece;
use super::script::{Reply, Step, words};

fn message(model: &str, content: Value, stop: Value) -> Value {
    json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": content, "stop_reason": stop,
        "stop_sequence": null, "usage": { "input_tokens": 10, "output_tokens": 5 },
    })
}

fn stop(reply: &Reply) -> &'static str {
    if reply.calls_tools() { "tool_use" } else { "end_turn" }
}

pub(super) fn whole(reply: &Reply, model: &str) -> Value {
    let blocks: Vec<Value> = reply
        .0
        .iter()
        .enumerate()
        .filter_map(|(at, step)| match step {
            Step::Text(text) => Some(json!({ "type": "text", "text": text })),
            Step::Tool { name, input } => {
                Some(json!({ "type": "tool_use", "id": format!("toolu_{at}"), "name": name, "input": input }))
            }
            _ => None,
        })
        .collect();
    message(model, blocks.into(), stop(reply).into())
}

pub(super) fn pieces(reply: &Reply, model: &str) -> Vec<Piece> {
    let event = |name: &str, mut data: Value| {
        data["type"] = name.into();
        Piece::event(name, &data)
    };
    let mut pieces = vec![event("message_start", json!({ "message": message(model, json!([]), Value::Null) }))];
    let mut index = 0;
    for (at, step) in reply.0.iter().enumerate() {
        let (block, deltas): (Value, Vec<Value>) = match step {
            Step::Text(text) => {
                let deltas = words(text).map(|word| json!({ "type": "text_delta", "text": word }));
                (json!({ "type": "text", "text": "" }), deltas.collect())
            }
            Step::Tool { name, input } => {
                let block = json!({ "type": "tool_use", "id": format!("toolu_{at}"), "name": name, "input": {} });
                (block, vec![json!({ "type": "input_json_delta", "partial_json": input.to_string() })])
            }
            Step::Stall => {
                pieces.push(Piece::Stall);
                continue;
            }
            Step::Cut => {
                pieces.push(Piece::Cut);
                continue;
            }
            Step::Error { .. } => continue,
        };
        pieces.push(event("content_block_start", json!({ "index": index, "content_block": block })));
        for delta in deltas {
            pieces.push(event("content_block_delta", json!({ "index": index, "delta": delta })));
        }
        pieces.push(event("content_block_stop", json!({ "index": index })));
        index += 1;
    }
    let end =
        json!({ "delta": { "stop_reason": stop(reply), "stop_sequence": null }, "usage": { "output_tokens": 5 } });
    pieces.push(event("message_delta", end));
    pieces.push(event("message_stop", json!({})));
    pieces
}
