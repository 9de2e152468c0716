//! Responses.

use serde_json::{Value, json};

use super::Piece;
use super::script::{Reply, Step, words};

/// The whole answer, as it stands at its end.
pub(super) fn whole(reply: &Reply, model: &str) -> Value {
    let output: Vec<Value> = reply.0.iter().enumerate().filter_map(|(at, step)| item(at, step, "completed")).collect();
    response(model, "completed", output)
}

fn response(model: &str, status: &str, output: Vec<Value>) -> Value {
    let usage = json!({
        "input_tokens": 10, "input_tokens_details": { "cached_tokens": 0 },
        "output_tokens": 5, "output_tokens_details": { "reasoning_tokens": 0 }, "total_tokens": 15,
    });
    json!({
        "id": "resp_1", "object": "response", "created_at": 1, "model": model, "status": status, "output": output,
        "error": null, "incomplete_details": null, "instructions": null, "metadata": {}, "parallel_tool_calls": true,
        "tools": [], "tool_choice": "auto", "usage": if status == "completed" { usage } else { Value::Null },
    })
}

fn item(at: usize, step: &Step, status: &str) -> Option<Value> {
    let is_done = status == "completed";
    match step {
        Step::Text(text) => {
            let content = if is_done { json!([part(text)]) } else { json!([]) };
            Some(
                json!({ "id": format!("msg_{at}"), "type": "message", "status": status, "role": "assistant", "content": content }),
            )
        }
        Step::Tool { name, input } => {
            let arguments = if is_done { input.to_string() } else { String::new() };
            Some(json!({
                "id": format!("fc_{at}"), "type": "function_call", "status": status, "call_id": format!("call_{at}"),
                "name": name, "arguments": arguments,
            }))
        }
        _ => None,
    }
}

fn part(text: &str) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": [] })
}

pub(super) fn pieces(reply: &Reply, model: &str) -> Vec<Piece> {
    let mut told = Telling { pieces: Vec::new(), number: 0 };
    told.event("response.created", json!({ "response": response(model, "in_progress", Vec::new()) }));
    for (at, step) in reply.0.iter().enumerate() {
        match step {
            Step::Text(text) => told.text(at, step, text),
            Step::Tool { input, .. } => {
                told.event(
                    "response.output_item.added",
                    json!({ "output_index": at, "item": item(at, step, "in_progress") }),
                );
                let (id, arguments) = (format!("fc_{at}"), input.to_string());
                let delta = json!({ "item_id": id, "output_index": at, "delta": arguments });
                told.event("response.function_call_arguments.delta", delta);
                let done = json!({ "item_id": id, "output_index": at, "arguments": arguments });
                told.event("response.function_call_arguments.done", done);
                told.event(
                    "response.output_item.done",
                    json!({ "output_index": at, "item": item(at, step, "completed") }),
                );
            }
            Step::Stall => told.pieces.push(Piece::Stall),
            Step::Cut => told.pieces.push(Piece::Cut),
            Step::Error { .. } => {}
        }
    }
    told.event("response.completed", json!({ "response": whole(reply, model) }));
    told.pieces
}

struct Telling {
    pieces: Vec<Piece>,
    number: u64,
}

impl Telling {
    fn event(&mut self, name: &str, mut data: Value) {
        data["type"] = name.into();
        data["sequence_number"] = self.number.into();
        self.number += 1;
        self.pieces.push(Piece::event(name, &data));
    }

    fn text(&mut self, at: usize, step: &Step, text: &str) {
        let id = format!("msg_{at}");
        let place = |mut data: Value| {
            data["item_id"] = id.as_str().into();
            data["output_index"] = at.into();
            data["content_index"] = 0.into();
            data
        };
        self.event("response.output_item.added", json!({ "output_index": at, "item": item(at, step, "in_progress") }));
        self.event("response.content_part.added", place(json!({ "part": part("") })));
        for word in words(text) {
            self.event("response.output_text.delta", place(json!({ "delta": word })));
        }
        self.event("response.output_text.done", place(json!({ "text": text })));
        self.event("response.content_part.done", place(json!({ "part": part(text) })));
        self.event("response.output_item.done", json!({ "output_index": at, "item": item(at, step, "completed") }));
    }
}
