//! What follows from events once they are committed: orders for the agent, records, file versions, places of messages.

use rejoin_core::ask::{Answer, Settled};
use rejoin_core::event::{Event, FileChange, Logged};
use rejoin_core::grant::Scope;
use rejoin_core::id::{CallId, MessageId, SessionId};
use rejoin_core::part::{PartBody, ToolState};
use rejoin_core::position::Seq;
use rejoin_core::session::Session;
use rejoin_core::turn::{Outcome, Unheard};
use rejoin_ports::agent::Order;
use rejoin_ports::store::FileVersion;

/// What the engine does when an event is kept.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "most effects are orders")]
pub(crate) enum Effect {
    Order(Order),
    /// A child session begins with this prompt.
    Child {
        session: SessionId,
        name: String,
        call: Option<CallId>,
    },
    /// The root shows, or stops showing, an ask of this session.
    Mirror {
        root: SessionId,
        event: Box<Event>,
    },
    /// The parent hears that our turn is over.
    TellParent {
        parent: SessionId,
        outcome: Outcome,
        text: String,
    },
    /// What people have running in its workspace ends.
    Vacate,
    /// Running children are interrupted.
    Cascade {
        children: Vec<SessionId>,
    },
}

/// The effects of one event, seen with the state just behind it.
pub(crate) fn effects(session: &Session, logged: &Logged, out: &mut Vec<(Seq, Effect)>) {
    let mut push = |effect| out.push((logged.seq, effect));
    let unheard = |ask: &rejoin_core::id::AskId| {
        let turn = session.turn.as_ref()?;
        let found = turn.unheard.iter().rev().find(|heard| heard.ask.id == *ask)?;
        Some((turn.id.clone(), found.clone()))
    };
    match &logged.event {
        Event::MessageAdded { message, .. } => {
            if let Some(turn) = session.turn.as_ref().filter(|turn| turn.prompt.message == message.id) {
                push(Effect::Order(Order::Prompt { turn: turn.id.clone(), prompt: turn.prompt.clone() }));
            }
        }
        Event::Steered { turn, text } => push(Effect::Order(Order::Steer { turn: turn.clone(), text: text.clone() })),
        Event::PartUpdated { part } => {
            if let (PartBody::Tool(call), Some(turn)) = (&part.body, &session.turn)
                && matches!(call.state, ToolState::Running { .. })
            {
                push(Effect::Order(Order::Started { turn: turn.id.clone(), call: call.call.clone() }));
            }
        }
        Event::AskOpened { ask } if ask.origin.is_none() => {
            if let Some(root) = &session.header.root {
                let mut copy = ask.clone();
                copy.origin = Some(session.header.id.clone());
                push(Effect::Mirror { root: root.clone(), event: Box::new(Event::AskOpened { ask: copy }) });
            }
        }
        Event::AskAnswered { ask, .. } | Event::AskClosed { ask, .. } => {
            if let Some((turn, Unheard { ask, settled })) = unheard(ask) {
                push(Effect::Order(Order::Settled { turn, ask, settled }));
            }
            if let Some(root) = &session.header.root {
                push(Effect::Mirror { root: root.clone(), event: Box::new(logged.event.clone()) });
            }
        }
        Event::AskRemembered { ask, allowed, .. } => {
            let answer = if *allowed {
                Answer::Allow { scope: Scope::Session, pattern: None, input: None, duration_ms: None }
            } else {
                Answer::Deny { message: Some("a remembered denial".into()), scope: Scope::Session, pattern: None }
            };
            push(Effect::Order(Order::Settled {
                turn: ask.turn.clone(),
                ask: ask.clone(),
                settled: Settled::Answered(answer),
            }));
        }
        Event::ChildStarted { session: child, name, call } => {
            push(Effect::Child { session: child.clone(), name: name.clone(), call: call.clone() })
        }
        Event::CompactionStarted { .. } => push(Effect::Order(Order::Compact)),
        Event::SessionArchived {} | Event::SessionEnded { .. } => push(Effect::Vacate),
        Event::ConfigSet { .. } | Event::ModelSet { .. } => {
            let (config, model) = (Box::new(session.config.clone()), session.header.model.clone());
            push(Effect::Order(Order::Configured { config, model }));
        }
        Event::TurnEnded { turn, outcome, text, cascaded, .. } => {
            if *outcome != Outcome::Completed {
                let reason = match outcome {
                    Outcome::Interrupted { reason } => reason.clone(),
                    Outcome::Failed { code, .. } => code.clone(),
                    Outcome::Completed => String::new(),
                };
                push(Effect::Order(Order::Interrupt { turn: turn.clone(), reason }));
            }
            if !cascaded.is_empty() {
                push(Effect::Cascade { children: cascaded.clone() });
            }
            if let Some(parent) = &session.header.parent {
                push(Effect::TellParent { parent: parent.clone(), outcome: outcome.clone(), text: text.clone() });
            }
        }
        _ => {}
    }
}

/// Where messages that ended in these events begin and end. `open` remembers those that have only begun.
pub(crate) fn places(events: &[Logged], open: &mut Option<(MessageId, Seq)>) -> Vec<(MessageId, Seq, Seq)> {
    let mut places = Vec::new();
    for logged in events {
        match &logged.event {
            Event::MessageAdded { message, .. } => places.push((message.id.clone(), logged.seq, logged.seq)),
            Event::MessageStarted { message } => *open = Some((message.id.clone(), logged.seq)),
            Event::MessageCompleted { message } => {
                let begun = open.take().filter(|(id, _)| *id == message.id).map_or(logged.seq, |(_, first)| first);
                places.push((message.id.clone(), begun, logged.seq));
            }
            _ => {}
        }
    }
    places
}

/// The file versions that these events name.
pub(crate) fn files(session: &Session, events: &[Logged]) -> Vec<FileVersion> {
    let Some(workspace) = &session.header.workspace else {
        return Vec::new();
    };
    let named = events.iter().filter_map(|logged| {
        let Event::FileChanged { path, change, version, hash, size } = &logged.event else {
            return None;
        };
        Some(FileVersion {
            workspace: workspace.clone(),
            path: path.clone(),
            version: (*version)?,
            change: *change,
            hash: hash.clone().filter(|_| *change != FileChange::Deleted),
            size: size.unwrap_or(0),
            at: logged.at,
            session: Some(session.header.id.clone()),
        })
    });
    named.collect()
}
