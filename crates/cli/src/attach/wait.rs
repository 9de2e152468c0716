//! Waiting for the turn that a prompt starts, and showing its text as it comes.

use std::collections::HashMap;

use rejoin_sdk::types::ask::Ask;
use rejoin_sdk::types::command::Command;
use rejoin_sdk::types::event::{Event, Logged};
use rejoin_sdk::types::id::{ClientId, PartId, QueueId, SessionId, TurnId};
use rejoin_sdk::types::part::PartBody;
use rejoin_sdk::types::turn::Outcome;
use rejoin_sdk::types::usage::Usage;
use rejoin_sdk::{Client, Item, JoinFrom, View};
use serde_json::json;

use super::of_outcome;
use crate::exit::{Exit, Told};
use crate::out::Out;
use crate::render;
use crate::render::clean::clean;
use crate::render::transcript::outcome_word;

pub(crate) struct Waiting {
    pub(crate) client: Client,
    /// The name by which what we do can be told from what others do.
    pub(crate) me: ClientId,
    pub(crate) session: SessionId,
    /// The prompt's own name: its turn bears it.
    pub(crate) reference: String,
}

/// Gives the prompt and waits until its turn has ended.
pub(crate) async fn wait(waiting: Waiting, command: Command, out: &mut Out) -> anyhow::Result<Exit> {
    let Waiting { client, me, session, reference } = waiting;
    let view = client.session(&session).await?;
    let mut attached = client.attach(&session, JoinFrom::After(view.position.into()));
    let mut sent = std::pin::pin!(attached.send(command));
    let mut given = false;
    let mut watch = Watch::new(me, reference);
    let mut line_open = false;
    loop {
        let item = tokio::select! {
            item = attached.next() => item,
            done = &mut sent, if !given => {
                done?;
                given = true;
                continue;
            }
        };
        let step = match item.transpose()? {
            Some(Item::Event(happened)) => watch.event(&happened.logged),
            Some(Item::Gap(view)) => watch.view(&view),
            Some(Item::Deleted) | None => Step::Gone("the session was deleted"),
            Some(Item::Reconnecting { attempt: 1, why, .. }) => {
                eprintln!("-- the connection is lost ({why}); trying again");
                Step::Nothing
            }
            Some(_) => Step::Nothing,
        };
        match step {
            Step::Nothing => {}
            Step::Text(text) => {
                if !out.json {
                    out.text(&clean(&text))?;
                    out.flush()?;
                    line_open = !text.ends_with('\n');
                }
            }
            Step::Ask(ask) => {
                out.flush()?;
                for line in render::ask::ask(&ask, out.style) {
                    eprintln!("{line}");
                }
                eprintln!("-- answer with: rejoin answer {session} {} …", ask.id);
            }
            Step::Gone(why) => return Err(Told::error(Exit::TurnInterrupted, why)),
            Step::Ended(end) => {
                if out.json {
                    out.object(&json!({
                        "session": session, "turn": end.turn, "outcome": end.outcome, "text": end.text,
                        "textTruncated": end.truncated, "usage": end.usage,
                    }))?;
                } else if line_open {
                    out.text("\n")?;
                }
                out.flush()?;
                if end.outcome != Outcome::Completed && !out.json {
                    eprintln!("rejoin: the turn {}", outcome_word(&end.outcome));
                }
                return Ok(of_outcome(&end.outcome));
            }
        }
    }
}

/// What an event means to somebody who waits.
#[derive(Debug, PartialEq)]
enum Step {
    Nothing,
    Text(String),
    Ask(Box<Ask>),
    Ended(Box<End>),
    /// The turn will not come.
    Gone(&'static str),
}

#[derive(Debug, PartialEq)]
struct End {
    turn: TurnId,
    outcome: Outcome,
    text: String,
    truncated: bool,
    usage: Usage,
}

/// Finds our turn among what happens, and what is said in it.
struct Watch {
    me: ClientId,
    reference: String,
    item: Option<QueueId>,
    turn: Option<TurnId>,
    /// How much of each open text was shown, in bytes.
    shown: HashMap<PartId, usize>,
}

impl Watch {
    fn new(me: ClientId, reference: String) -> Watch {
        Watch { me, reference, item: None, turn: None, shown: HashMap::new() }
    }

    fn event(&mut self, logged: &Logged) -> Step {
        let ours = |turn: &TurnId| self.turn.as_ref() == Some(turn);
        match &logged.event {
            Event::TurnStarted { turn, reference, .. } => {
                if reference.as_deref() == Some(&self.reference) {
                    self.turn = Some(turn.clone());
                }
                Step::Nothing
            }
            // A prompt that became a steer has no turn of its own: the one it went into counts.
            Event::Steered { turn, .. } if logged.author.client.as_ref() == Some(&self.me) => {
                self.turn.get_or_insert_with(|| turn.clone());
                Step::Nothing
            }
            Event::Queued { item } if item.reference.as_deref() == Some(&self.reference) => {
                self.item = Some(item.id.clone());
                Step::Nothing
            }
            Event::Dequeued { item } if self.item.as_ref() == Some(item) && self.turn.is_none() => {
                Step::Gone("the prompt was taken off the queue")
            }
            Event::SessionEnded { .. } if self.turn.is_none() => Step::Gone("the session ended"),
            Event::TurnEnded { turn, outcome, text, text_truncated, usage, .. } if ours(turn) => {
                Step::Ended(Box::new(End {
                    turn: turn.clone(),
                    outcome: outcome.clone(),
                    text: text.clone(),
                    truncated: *text_truncated,
                    usage: *usage,
                }))
            }
            Event::AskOpened { ask } if ours(&ask.turn) => Step::Ask(Box::new(ask.clone())),
            // Only one turn runs at a time, so what is said while ours does is said in it.
            _ if self.turn.is_some() => self.said(&logged.event),
            _ => Step::Nothing,
        }
    }

    fn said(&mut self, event: &Event) -> Step {
        let (part, complete) = match event {
            Event::PartDelta { part, text, .. } => {
                return match self.shown.get_mut(part) {
                    Some(shown) => {
                        *shown += text.len();
                        Step::Text(text.clone())
                    }
                    None => Step::Nothing, // no text, or one that will be shown when it is complete
                };
            }
            Event::PartStarted { part } | Event::PartUpdated { part } => (part, false),
            Event::PartCompleted { part, .. } => (part, true),
            _ => return Step::Nothing,
        };
        let PartBody::Text { text } = &part.body else {
            return Step::Nothing;
        };
        let shown = self.shown.get(&part.id).copied().unwrap_or(0);
        match complete {
            true => self.shown.remove(&part.id),
            false => self.shown.insert(part.id.clone(), text.len().max(shown)),
        };
        match text.get(shown..) {
            Some(rest) if !rest.is_empty() => Step::Text(rest.to_owned()),
            _ => Step::Nothing,
        }
    }

    /// The log began anew while we waited.
    fn view(&mut self, view: &View) -> Step {
        let mine = |reference: &Option<String>| reference.as_deref() == Some(&self.reference);
        if let Some(turn) = view.open_turn.as_ref().filter(|turn| mine(&turn.reference)) {
            self.turn = Some(turn.id.clone());
            return Step::Nothing;
        }
        if view.queue.iter().any(|item| mine(&item.reference)) {
            return Step::Nothing;
        }
        let last = view.session.last_turn.as_ref();
        match last.filter(|last| self.turn.as_ref() == Some(&last.id)) {
            Some(last) => Step::Ended(Box::new(End {
                turn: last.id.clone(),
                outcome: last.outcome.clone(),
                text: String::new(),
                truncated: true,
                usage: Usage::default(),
            })),
            None => Step::Gone("the session was restored to a time before the prompt"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn logged(client: &str, event: Value) -> Logged {
        let mut line = json!({ "seq": 1, "at": 1, "author": { "user": "u", "door": "native", "client": client } });
        line.as_object_mut().unwrap().extend(event.as_object().unwrap().clone());
        Logged::read(line.to_string().as_bytes()).unwrap()
    }

    fn watch() -> Watch {
        Watch::new(ClientId::new("me").unwrap(), "mine".to_owned())
    }

    fn text(id: &str, text: &str) -> Value {
        json!({ "id": id, "message": "m", "at": 1, "kind": "text", "text": text })
    }

    #[test]
    fn only_what_is_said_in_our_own_turn_is_shown_and_each_word_once() {
        let mut watch = watch();
        let mut said = String::new();
        let usage = json!({ "input": 0, "output": 0 });
        let ended = |turn: &str| json!({ "type": "turnEnded", "turn": turn, "outcome": { "outcome": "completed" }, "text": "", "usage": usage });
        for event in [
            json!({ "type": "turnStarted", "turn": "other", "prompt": "p", "reference": "theirs" }),
            json!({ "type": "partStarted", "part": text("1", "theirs") }),
            ended("other"),
            json!({ "type": "turnStarted", "turn": "ours", "prompt": "p", "reference": "mine" }),
            json!({ "type": "partStarted", "part": text("2", "one ") }),
            json!({ "type": "partDelta", "part": "2", "text": "two " }),
            json!({ "type": "partCompleted", "part": text("2", "one two three ") }),
            json!({ "type": "partCompleted", "part": text("3", "four") }),
        ] {
            match watch.event(&logged("them", event)) {
                Step::Text(text) => said.push_str(&text),
                step => assert_eq!(step, Step::Nothing),
            }
        }
        assert_eq!(said, "one two three four");
        assert!(matches!(watch.event(&logged("them", ended("ours"))), Step::Ended(_)));
    }

    #[test]
    fn a_prompt_that_is_taken_off_the_queue_is_not_waited_for() {
        let mut watch = watch();
        let item = json!({ "id": "q", "text": "x", "addedAt": 1, "author": { "user": "u", "door": "native" }, "reference": "mine" });
        assert_eq!(watch.event(&logged("me", json!({ "type": "queued", "item": item }))), Step::Nothing);
        let gone = watch.event(&logged("them", json!({ "type": "dequeued", "item": "q" })));
        assert!(matches!(gone, Step::Gone(_)));
    }

    #[test]
    fn a_prompt_that_became_a_steer_waits_for_the_turn_it_went_into() {
        let mut watch = watch();
        let steered = json!({ "type": "steered", "turn": "theirs", "text": "x" });
        assert_eq!(watch.event(&logged("them", steered.clone())), Step::Nothing);
        assert_eq!(watch.turn, None);
        assert_eq!(watch.event(&logged("me", steered)), Step::Nothing);
        assert_eq!(watch.turn, Some(TurnId::new("theirs").unwrap()));
    }
}
