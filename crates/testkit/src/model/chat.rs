//! Chat completions.

use serde_json::{Value, json};

use super::Piece;
use super::script::{Reply, Step, words};

fn chunk(model: &str, choices: Value) -> Value {
    json!({ "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": choices })
}

fn usage() -> Value {
    json!({ "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15 })
}

pub(super) fn pieces(reply: &Reply, model: &str) -> Vec<Piece> {
    let delta =
        |delta: Value| Piece::data(&chunk(model, json!([{ "index": 0, "delta": delta, "finish_reason": null }])));
    let mut pieces = vec![delta(json!({ "role": "assistant", "content": "" }))];
    let mut calls = 0;
    for step in &reply.0 {
        match step {
            Step::Text(text) => pieces.extend(words(text).map(|word| delta(json!({ "content": word })))),
            Step::Tool { name, input } => {
                let call = json!({
                    "index": calls, "id": format!("call_{calls}"), "type": "function",
                    "function": { "name": name, "arguments": input.to_string() },
                });
                pieces.push(delta(json!({ "tool_calls": [call] })));
                calls += 1;
            }
            Step::Stall => pieces.push(Piece::Stall),
            Step::Cut => pieces.push(Piece::Cut),
            Step::Error { .. } => {}
        }
    }
    let finish = json!([{ "index": 0, "delta": {}, "finish_reason": finish(reply) }]);
    pieces.push(Piece::data(&chunk(model, finish)));
    let mut last = chunk(model, json!([]));
    last["usage"] = usage();
    pieces.push(Piece::data(&last));
    pieces.push(Piece::Text("data: [DONE]\n\n".to_owned()));
    pieces
}

fn finish(reply: &Reply) -> &'static str {
    if reply.calls_tools() { "tool_calls" } else { "stop" }
}

pub(super) fn whole(reply: &Reply, model: &str) -> Value {
    let calls: Vec<Value> = reply
        .0
        .iter()
        .filter_map(|step| match step {
            Step::Tool { name, input } => Some((name, input)),
            _ => None,
        })
        .enumerate()
        .map(|(at, (name, input))| {
            json!({ "id": format!("call_{at}"), "type": "function", "function": { "name": name, "arguments": input.to_string() } })
        })
        .collect();
    let mut message = json!({ "role": "assistant", "content": reply.all_text() });
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": model,
        "choices": [{ "index": 0, "message": message, "finish_reason": finish(reply) }], "usage": usage(),
    })
}
