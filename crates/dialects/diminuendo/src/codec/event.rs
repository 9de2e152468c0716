//! An event of the log as frames: none, one or several. Nothing has to be remembered from one event to the next.

use bytes::BytesMut;
use rejoin_core::event::{Event, FileChange, Growing, Logged, Moved};
use rejoin_core::header::AgentStatus;
use rejoin_core::id::SessionId;
use rejoin_core::part::{Part, PartBody, PlanItem, PlanStatus, ToolCall, ToolState};
use rejoin_core::turn::Outcome;
use rejoin_core::usage::Usage;
use serde_json::{Value, json};

use super::frames::Frames;
use super::{answer, ask, state};
use crate::names::told;

/// Writes the frames of one event.
pub(crate) fn frames(logged: &Logged, session: &SessionId, out: &mut Frames<'_>) {
    let turn = logged.turn();
    // A turn begins in a session that runs; everything else is told before what it leads to.
    let begins = matches!(logged.event, Event::TurnStarted { .. });
    if begins && let Some(moved) = logged.context.standing {
        states(moved, None, out);
    }
    match &logged.event {
        Event::TurnStarted { reference, .. } => {
            out.frame(told::TURN_STARTED, turn).maybe("clientTurnId", reference.as_ref());
        }
        Event::Steered { text, .. } => {
            out.frame(told::STEER_SENT, turn).with("content", text).with("userId", &logged.author.user);
        }
        Event::TurnEnded { outcome, text, .. } => ended(logged, outcome, text, out),
        Event::PartStarted { part } => started(logged, part, out),
        Event::PartDelta { text, of, .. } => match of {
            Growing::Text => drop(out.frame(told::TEXT_DELTA, turn).with("text", text)),
            Growing::Reasoning => drop(out.frame(told::THINKING_PROGRESS, turn).with("text", text)),
            Growing::Arguments { call } => {
                out.frame(told::TOOL_CALL_DELTA, turn).with("toolCallId", call).with("delta", text);
            }
        },
        Event::PartUpdated { part } => {
            // Its arguments are whole now; that it runs is not told.
            if let PartBody::Tool(call) = &part.body
                && call.state == ToolState::Pending
            {
                called(logged, call, out);
            }
        }
        Event::PartCompleted { part, whole } => completed(logged, part, *whole, out),
        Event::ToolOutput { call, text, error, .. } => {
            let stream = if *error { "stderr" } else { "stdout" };
            out.frame(told::TERMINAL_STREAM, turn).with("terminalId", call).with("data", text).with("stream", stream);
        }
        Event::AskOpened { ask } => ask::requested(ask, out),
        Event::AskAnswered { ask, answer, .. } => {
            let (outcome, answers) = answer::told(answer);
            out.frame(told::APPROVAL_RESOLVED, turn)
                .with("requestId", ask)
                .with("outcome", outcome)
                .maybe("answers", answers.as_ref())
                .with("resolvedBy", &logged.author.user);
        }
        Event::AskClosed { ask, reason, .. } => {
            out.frame(told::APPROVAL_RESOLVED, turn)
                .with("requestId", ask)
                .with("outcome", answer::unanswered(*reason));
        }
        Event::AgentChanged { status, .. } => instance(session, *status, out),
        Event::FileChanged { path, change, version, hash, .. } => {
            let change = match change {
                FileChange::Created => "created",
                FileChange::Modified => "modified",
                FileChange::Deleted => "deleted",
            };
            out.frame(told::FILE_CHANGED, None)
                .with("path", path)
                .with("change", change)
                .maybe("iteration", version.as_ref())
                .maybe("hash", hash.as_ref());
        }
        Event::UsageReported { usage, turn } => {
            let Usage { input, output, cache_read, cost_micros, .. } = usage;
            out.frame(told::USAGE_UPDATE, turn.as_ref())
                .with("inputTokens", input)
                .with("outputTokens", output)
                .with("cachedTokens", cache_read)
                .maybe("costMicros", cost_micros.as_ref());
        }
        // Told to the tenant rather than in the session.
        Event::SessionCreated { .. }
        | Event::SessionRenamed { .. }
        | Event::SessionArchived {}
        | Event::SessionUnarchived {}
        | Event::SessionDeleted {} => {}
        // Told by how the session stands since.
        Event::SessionClosed {} | Event::SessionReopened {} | Event::SessionEnded { .. } => {}
        // Told piece by piece, and in history.
        Event::MessageAdded { .. } | Event::MessageStarted { .. } | Event::MessageCompleted { .. } => {}
        // No matter of this dialect.
        Event::SessionLabelled { .. }
        | Event::SessionRestored { .. }
        | Event::ModelSet { .. }
        | Event::ConfigSet { .. }
        | Event::AskRemembered { .. }
        | Event::GrantAdded { .. }
        | Event::GrantRevoked { .. }
        | Event::Queued { .. }
        | Event::QueueEdited { .. }
        | Event::QueueMoved { .. }
        | Event::Dequeued { .. }
        | Event::ControlChanged { .. }
        | Event::Forked { .. }
        | Event::Reverted { .. }
        | Event::CompactionStarted { .. }
        | Event::CompactionEnded { .. }
        | Event::ChildStarted { .. }
        | Event::ChildEnded { .. }
        | Event::RegisterSet { .. }
        | Event::SealedAdded { .. }
        | Event::Unknown(_) => {}
    }
    if !begins && let Some(moved) = logged.context.standing {
        states(moved, reason(&logged.event), out);
    }
}

/// The frames of one event behind `after`, each as its own JSON text.
pub(crate) fn texts(
    logged: &Logged,
    after: u64,
    out: &mut Frames<'_>,
    session: &SessionId,
    give: &mut impl FnMut(u64, String),
) {
    out.clear();
    frames(logged, session, out);
    out.finish(logged.seq.get(), logged.at, |number, head, tail| {
        if number > after {
            let text = [head, tail].concat();
            give(number, String::from_utf8(text).expect("JSON is written as UTF-8"));
        }
    });
}

/// The frames of one event, as frames of the socket.
pub(crate) fn socket_frames(logged: &Logged, session: &SessionId, frames_of: &mut Frames<'_>, out: &mut BytesMut) {
    frames_of.clear();
    frames(logged, session, frames_of);
    frames_of.finish(logged.seq.get(), logged.at, |_, head, tail| {
        rejoin_socket::frame::text_of(out, &[head, tail]);
    });
}

fn states(Moved { from, to }: Moved, reason: Option<&str>, out: &mut Frames<'_>) {
    for pair in state::way(from, to).windows(2) {
        out.frame(told::SESSION_STATE, None)
            .with("status", pair[1])
            .with("previousStatus", pair[0])
            .maybe("reason", reason);
    }
}

fn reason(event: &Event) -> Option<&str> {
    match event {
        Event::TurnEnded { outcome: Outcome::Failed { code, .. }, .. } => Some(code),
        Event::TurnEnded { outcome: Outcome::Interrupted { reason }, .. } => Some(reason),
        Event::AgentChanged { detail, .. } => detail.as_deref(),
        _ => None,
    }
}

fn ended(logged: &Logged, outcome: &Outcome, text: &str, out: &mut Frames<'_>) {
    let turn = logged.turn();
    match outcome {
        Outcome::Completed => drop(out.frame(told::TURN_COMPLETE, turn).with("finalText", text)),
        // Somebody wanted it so.
        Outcome::Interrupted { reason } if !is_a_loss(reason) => {
            out.frame(told::TURN_COMPLETE, turn).with("finalText", text).with("stopped", &true);
        }
        Outcome::Interrupted { reason } => {
            let message = format!("The turn was interrupted: {reason}");
            out.frame(told::TURN_ERROR, turn).with("message", &message).with("code", "INTERRUPTED");
        }
        Outcome::Failed { code, message, .. } => {
            out.frame(told::TURN_ERROR, turn).with("message", message).with("code", code);
        }
    }
}

/// Whether an interruption is one that nobody asked for.
fn is_a_loss(reason: &str) -> bool {
    matches!(reason, "restart" | "agent_lost" | "shutdown" | "error" | "timeout")
}

fn started(logged: &Logged, part: &Part, out: &mut Frames<'_>) {
    match &part.body {
        PartBody::Reasoning { .. } => drop(out.frame(told::THINKING_START, logged.turn())),
        PartBody::Tool(call) => {
            let turn = logged.turn();
            out.frame(told::TOOL_CALL_START, turn).with("toolCallId", &call.call).with("toolName", &call.name);
            if call.arguments.is_none() {
                called(logged, call, out);
            }
        }
        _ => {}
    }
}

fn called(logged: &Logged, call: &ToolCall, out: &mut Frames<'_>) {
    out.frame(told::TOOL_CALL, logged.turn())
        .with("toolCallId", &call.call)
        .with("toolName", &call.name)
        .with("args", &call.input);
}

fn completed(logged: &Logged, part: &Part, whole: bool, out: &mut Frames<'_>) {
    match &part.body {
        PartBody::Text { text } if whole && !text.is_empty() => {
            out.frame(told::TEXT_DELTA, logged.turn()).with("text", text);
        }
        PartBody::Reasoning { text } if !text.is_empty() => {
            let lasted = logged.at.saturating_sub(part.at);
            out.frame(told::THINKING_COMPLETE, logged.turn()).with("text", text).with("durationMs", &lasted);
        }
        PartBody::Tool(call) => {
            if whole {
                called(logged, call, out);
            }
            result(logged, call, out);
        }
        PartBody::Plan { items } => {
            let steps: Vec<Value> = items.iter().enumerate().map(step).collect();
            out.frame(told::PLAN_CREATED, logged.turn()).with("planId", &part.id).with("steps", &steps);
        }
        _ => {}
    }
}

fn step((at, item): (usize, &PlanItem)) -> Value {
    let status = match item.status {
        PlanStatus::Pending => "pending",
        PlanStatus::InProgress => "in_progress",
        PlanStatus::Completed => "completed",
    };
    json!({ "id": (at + 1).to_string(), "title": item.text, "status": status })
}

/// Exactly one of a result and an error; before it the end of its terminal, if it had one.
fn result(logged: &Logged, call: &ToolCall, out: &mut Frames<'_>) {
    let turn = logged.turn();
    let told = |out: &mut Frames<'_>, status: &str, output: &Value| {
        out.frame(told::TOOL_RESULT, turn)
            .with("toolCallId", &call.call)
            .with("toolName", &call.name)
            .with("status", status)
            .with("output", output);
    };
    let failed = |out: &mut Frames<'_>, why: &str| {
        out.frame(told::TOOL_ERROR, turn)
            .with("toolCallId", &call.call)
            .with("toolName", &call.name)
            .with("message", why);
    };
    match &call.state {
        ToolState::Completed { started_at, ended_at, output } => {
            if let Some(exit) = output.get("exitCode") {
                out.frame(told::TERMINAL_COMPLETE, turn)
                    .with("terminalId", &call.call)
                    .maybe("command", call.input.get("command"))
                    .with("exitCode", exit)
                    .with("durationMs", &ended_at.saturating_sub(*started_at));
            }
            told(out, "success", output);
        }
        ToolState::Failed { error, .. } => told(out, "error", &Value::from(error.as_str())),
        ToolState::Interrupted { reason, .. } => failed(out, &format!("interrupted: {reason}")),
        ToolState::Unknown { .. } => failed(out, "it was running when the server stopped; what it did is not known"),
        ToolState::Pending | ToolState::Running { .. } => {}
    }
}

fn instance(session: &SessionId, status: AgentStatus, out: &mut Frames<'_>) {
    let status = match status {
        AgentStatus::Starting => "starting",
        AgentStatus::Ready => "connected",
        AgentStatus::Stopping => return,
        AgentStatus::Failed => "disconnected",
        AgentStatus::Stopped => "stopped",
    };
    out.frame(told::INSTANCE_STATUS, None).with("instanceId", session).with("status", status);
}
