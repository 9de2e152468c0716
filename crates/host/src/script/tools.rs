//! Tool calls that do nothing but look like some.

use std::time::Duration;

use rejoin_core::ask::{Answer, Settled};
use rejoin_core::happening::Happening;
use rejoin_core::id::CallId;
use rejoin_core::turn::Outcome;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::ask;
use super::statement::Scripted;
use crate::turn::Turn;

/// Letters of one piece of streamed arguments: about what models send.
const PIECE: usize = 8;

/// Text of that many bytes.
pub(super) fn filler(bytes: usize) -> String {
    const LINE: &str = "the quick brown fox jumps over the lazy dog 0123456789 and back\n";
    let mut text = LINE.repeat(bytes / LINE.len());
    text.push_str(&LINE[..bytes % LINE.len()]);
    text
}

pub(super) async fn flood(turn: &Turn, line: usize, count: u64, bytes: usize) {
    let output = Value::String(filler(bytes));
    for number in 0..count {
        let call = turn.call_id(format_args!("{line}.{number}"));
        turn.say(Happening::ToolDone {
            call,
            name: "flood".into(),
            input: Value::Object(Default::default()),
            output: output.clone(),
        })
        .await;
    }
}

pub(super) async fn tool(
    turn: &Turn,
    line: usize,
    name: &str,
    input: Value,
    after_ms: Option<u64>,
    result: Scripted<'_>,
) {
    let call = turn.call_id(line);
    called(turn, &call, name, input).await;
    started(turn, &call, None).await;
    if let Some(ms) = after_ms {
        sleep(Duration::from_millis(ms)).await;
    }
    ended(turn, call, scripted(result)).await;
}

pub(super) async fn argdelta(turn: &Turn, line: usize, name: &str, text: &str, input: Value) {
    let call = turn.call_id(line);
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.char_indices().nth(PIECE).map_or(rest.len(), |(at, _)| at);
        let (piece, more) = rest.split_at(end);
        rest = more;
        turn.say(Happening::ToolArguments { call: call.clone(), name: name.to_owned(), delta: piece.to_owned() }).await;
    }
    called(turn, &call, name, input).await;
    started(turn, &call, None).await;
    ended(turn, call, Ok(json!("done"))).await;
}

/// `settled`: another life of the process has asked already, and the call is known.
pub(super) async fn guarded(
    turn: &Turn,
    line: usize,
    name: &str,
    input: Value,
    result: Scripted<'_>,
    settled: Option<Settled>,
) {
    let call = turn.call_id(line);
    let settled = match settled {
        Some(settled) => settled,
        None => {
            called(turn, &call, name, input.clone()).await;
            let waiting = Some(call.clone());
            turn.ask(ask::permission(turn, line, waiting, name, "tool", input)).await
        }
    };
    let Settled::Answered(Answer::Allow { input, .. }) = settled else {
        return ended(turn, call, Err(ask::printed(&settled))).await;
    };
    started(turn, &call, input).await;
    ended(turn, call, scripted(result)).await;
}

/// A child session that works for a tool call.
pub(super) async fn task(turn: &Turn, line: usize, name: &str, text: &str) {
    let call = turn.call_id(line);
    called(turn, &call, "task", json!({"name": name, "text": text})).await;
    started(turn, &call, None).await;
    turn.say(Happening::Task { name: name.to_owned(), text: text.to_owned(), call: Some(call.clone()) }).await;
    let end = turn.child(&call).await;
    let (result, printed) = match end.outcome {
        Outcome::Completed => (Ok(Value::String(end.text.clone())), end.text),
        Outcome::Failed { code, message, .. } => {
            let why = format!("failed: {code}: {message}");
            (Err(why.clone()), why)
        }
        Outcome::Interrupted { reason } => {
            let why = format!("interrupted: {reason}");
            (Err(why.clone()), why)
        }
    };
    ended(turn, call, result).await;
    turn.say_text(printed + "\n").await;
}

pub(super) async fn called(turn: &Turn, call: &CallId, name: &str, input: Value) {
    turn.say(Happening::ToolCalled { call: call.clone(), name: name.to_owned(), input }).await;
}

pub(super) async fn started(turn: &Turn, call: &CallId, input: Option<Value>) {
    turn.say(Happening::ToolStarted { call: call.clone(), input }).await;
}

pub(super) async fn ended(turn: &Turn, call: CallId, result: Result<Value, String>) {
    turn.say(Happening::ToolEnded { call, result }).await;
}

fn scripted(result: Scripted<'_>) -> Result<Value, String> {
    match result {
        Ok(output) => Ok(Value::String(output.to_owned())),
        Err(error) => Err(error.to_owned()),
    }
}
