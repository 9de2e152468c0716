//! One session that the editor has open: a task that follows it, tells what happens, and carries asks and prompts.

use std::collections::{HashMap, VecDeque};

use rejoin_sdk::types::ask::Ask;
use rejoin_sdk::types::command::Command;
use rejoin_sdk::types::event::Event;
use rejoin_sdk::types::id::{AskId, ClientId, QueueId, SessionId, TurnId};
use rejoin_sdk::types::part::Attachment;
use rejoin_sdk::types::turn::{IfBusy, Outcome};
use rejoin_sdk::{Attached, Client, Commands, Item, JoinFrom, View};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};

use super::wire::{Editor, Failed, code};
use super::{permission, question, settings, update};
use crate::answering;

/// Wishes that wait for the task. An editor has one at a time.
const WAITING: usize = 16;

/// What the editor wants of a session.
pub(super) enum Wish {
    Prompt(Prompted),
    /// Whatever it waits for is to stop.
    Cancel,
}

/// A prompt of the editor, and where its turn's end is awaited.
pub(super) struct Prompted {
    pub(super) text: String,
    pub(super) attachments: Vec<Attachment>,
    pub(super) ended: oneshot::Sender<Result<Value, Failed>>,
}

/// An open session. Dropping it ends its task; the session itself goes on in the gateway.
pub(super) struct Open {
    pub(super) wishes: mpsc::Sender<Wish>,
    task: AbortHandle,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Open {
    /// Follows a session from where `view` stands. Asks that wait are put to the editor.
    pub(super) fn begin(client: &Client, editor: Editor, own: ClientId, view: &View) -> Open {
        let session = view.session.id.clone();
        let attached = client.attach(&session, JoinFrom::After(view.position.into()));
        let (wishes, wished) = mpsc::channel(WAITING);
        let following = Following {
            session,
            editor,
            own,
            commands: attached.commands(),
            running: None,
            asking: JoinSet::new(),
            put: HashMap::new(),
            for_words: VecDeque::new(),
            mode: settings::mode(&view.config),
            turn: view.open_turn.as_ref().map(|open| open.id.clone()),
        };
        let asks = view.asks.clone();
        let task = tokio::spawn(following.run(attached, wished, asks)).abort_handle();
        Open { wishes, task }
    }
}

/// The editor's prompt that is under way.
struct Running {
    reference: Option<String>,
    /// Its place in the queue, while it has one.
    item: Option<QueueId>,
    turn: Option<TurnId>,
    /// The editor does not want it any more, and what becomes of it is not known yet.
    cancelled: bool,
    ended: oneshot::Sender<Result<Value, Failed>>,
}

/// What came of something that was begun beside the events.
enum Done {
    /// An answer was given, or is not needed any more.
    Well,
    /// The gateway has not taken a prompt.
    NotTaken { reference: String, failed: Failed },
    /// The gateway has not taken an answer that was given as a prompt.
    NotAnswered(Failed),
    /// The editor cannot show the ask as it was put.
    NotShown(Box<Ask>),
}

struct Following {
    session: SessionId,
    editor: Editor,
    own: ClientId,
    commands: Commands,
    running: Option<Running>,
    /// Requests that the editor has not answered, and commands that the gateway has not.
    asking: JoinSet<Done>,
    /// Asks that the editor shows; the rules allow 64 at a time.
    put: HashMap<AskId, AbortHandle>,
    /// Asks that the next prompts answer, and the turns that go on then. As many.
    for_words: VecDeque<(Ask, TurnId)>,
    mode: Option<String>,
    /// The turn that is open, whoever began it.
    turn: Option<TurnId>,
}

impl Following {
    async fn run(mut self, mut attached: Attached, mut wished: mpsc::Receiver<Wish>, asks: Vec<Ask>) {
        for ask in asks {
            self.put(ask).await;
        }
        loop {
            tokio::select! {
                item = attached.next() => match item {
                    Some(Ok(item)) => self.take(item).await,
                    Some(Err(error)) => return self.over(&error.to_string()),
                    None => return self.over("the session is gone"),
                },
                Some(wish) = wished.recv() => match wish {
                    Wish::Prompt(prompt) => self.prompt(prompt),
                    Wish::Cancel => self.cancel(),
                },
                Some(done) = self.asking.join_next() => match done {
                    Ok(Done::NotTaken { reference, failed }) => self.not_taken(&reference, failed),
                    Ok(Done::NotAnswered(failed)) => self.end(Err(failed)),
                    Ok(Done::NotShown(ask)) => self.put_in_words(*ask).await,
                    Ok(Done::Well) | Err(_) => {}
                }
            }
        }
    }

    fn prompt(&mut self, prompt: Prompted) {
        if self.running.is_some() {
            let _ = prompt.ended.send(Err(Failed::new(code::INVALID_REQUEST, "a prompt of this session is under way")));
            return;
        }
        if !self.for_words.is_empty() {
            return self.answer(prompt);
        }
        let reference = uuid::Uuid::now_v7().to_string();
        let sent = self.commands.send(Command::Prompt {
            text: prompt.text,
            attachments: prompt.attachments,
            if_busy: IfBusy::Queue,
            reference: Some(reference.clone()),
        });
        self.running = Some(Running {
            reference: Some(reference.clone()),
            item: None,
            turn: None,
            cancelled: false,
            ended: prompt.ended,
        });
        // The answer comes behind the events that lead to it, so it must not be waited for here.
        self.asking.spawn(async move {
            match sent.await {
                Ok(_) => Done::Well,
                Err(refused) => {
                    let failed = Failed::new(code::INVALID_REQUEST, refused.to_string());
                    Done::NotTaken { reference, failed }
                }
            }
        });
    }

    /// A prompt is the answer to the oldest ask that waits for words; the turn that asked goes on.
    fn answer(&mut self, prompt: Prompted) {
        let Some((ask, turn)) = self.for_words.front() else { return };
        let answer = match answering::understand(ask, &prompt.text) {
            Ok(answer) => answer,
            Err(why) => {
                let _ = prompt.ended.send(Err(Failed::new(code::INVALID_PARAMS, format!("{}: {why}", ask.question))));
                return;
            }
        };
        let sent = self.commands.send(Command::Answer { ask: ask.id.clone(), answer });
        let turn = Some(turn.clone());
        self.for_words.pop_front();
        self.running = Some(Running { reference: None, item: None, turn, cancelled: false, ended: prompt.ended });
        self.asking.spawn(async move {
            match sent.await {
                Ok(_) => Done::Well,
                Err(refused) => Done::NotAnswered(Failed::new(code::INVALID_REQUEST, refused.to_string())),
            }
        });
    }

    /// What the editor waits for stops: its turn, or its place in the queue behind the turn of somebody else.
    fn cancel(&mut self) {
        let command = match &mut self.running {
            Some(Running { turn: None, item: Some(item), .. }) => Command::Dequeue { item: item.clone() },
            Some(running @ Running { turn: None, .. }) => {
                running.cancelled = true;
                return;
            }
            Some(_) | None => Command::Interrupt { reason: None, clear_queue: false },
        };
        // Its end is told by the events; without a turn there is nothing to cancel.
        let sent = self.commands.send(command);
        self.asking.spawn(async move {
            let _ = sent.await;
            Done::Well
        });
    }

    fn not_taken(&mut self, reference: &str, failed: Failed) {
        if self.running.as_ref().is_some_and(|running| running.reference.as_deref() == Some(reference)) {
            self.end(Err(failed));
        }
    }

    async fn take(&mut self, item: Item) {
        let happened = match item {
            Item::Event(happened) => happened,
            Item::Gap(view) => return self.begin_anew(&view).await,
            Item::Deleted => return self.over("the session was deleted"),
            _ => return,
        };
        let event = &happened.logged.event;
        let is_own = happened.logged.author.client.as_ref() == Some(&self.own);
        for told in update::of_event(event, is_own) {
            self.tell(told).await;
        }
        match event {
            Event::Queued { item } => {
                if let Some(running) = &mut self.running
                    && running.reference.is_some()
                    && item.reference == running.reference
                {
                    running.item = Some(item.id.clone());
                    if std::mem::take(&mut running.cancelled) {
                        self.cancel();
                    }
                }
            }
            Event::Dequeued { item } => {
                let is_ours = |running: &Running| running.turn.is_none() && running.item.as_ref() == Some(item);
                if self.running.as_ref().is_some_and(is_ours) {
                    self.end(Ok(json!({ "stopReason": "cancelled" })));
                }
            }
            Event::TurnStarted { turn, reference, .. } => {
                self.turn = Some(turn.clone());
                if let Some(running) = &mut self.running
                    && running.reference.is_some()
                    && *reference == running.reference
                {
                    running.turn = Some(turn.clone());
                    if std::mem::take(&mut running.cancelled) {
                        self.cancel();
                    }
                }
            }
            Event::TurnEnded { turn, outcome, .. } => {
                self.turn = None;
                self.ended(turn, outcome);
            }
            Event::AskOpened { ask } => self.put(ask.clone()).await,
            Event::AskAnswered { ask, .. } | Event::AskClosed { ask, .. } => self.settled(ask),
            Event::ConfigSet { config } => {
                let mode = settings::mode(config);
                if self.mode != mode
                    && let Some(mode) = &mode
                {
                    self.tell(json!({ "sessionUpdate": "current_mode_update", "currentModeId": mode })).await;
                }
                self.mode = mode;
            }
            _ => {}
        }
    }

    /// What was shown is of another life of the log; the editor cannot take it back, and is told.
    async fn begin_anew(&mut self, view: &View) {
        let text = format!("(A backup was restored; the session goes on at {}.)", view.position);
        self.say(&text).await;
        for (_, put) in self.put.drain() {
            put.abort();
        }
        self.for_words.clear();
        self.turn = view.open_turn.as_ref().map(|open| open.id.clone());
        let goes_on = |running: &Running| match (&running.turn, &running.item) {
            (Some(turn), _) => view.open_turn.as_ref().is_some_and(|open| open.id == *turn),
            (None, Some(item)) => view.queue.iter().any(|queued| queued.id == *item),
            (None, None) => false,
        };
        if self.running.as_ref().is_some_and(|running| !goes_on(running)) {
            self.over("a backup was restored, and what became of the prompt is not known");
        }
        for ask in view.asks.clone() {
            self.put(ask).await;
        }
    }

    fn ended(&mut self, turn: &TurnId, outcome: &Outcome) {
        if self.running.as_ref().is_none_or(|running| running.turn.as_ref() != Some(turn)) {
            return;
        }
        self.end(match outcome {
            Outcome::Completed => Ok(json!({ "stopReason": "end_turn" })),
            Outcome::Interrupted { .. } => Ok(json!({ "stopReason": "cancelled" })),
            Outcome::Failed { code, message, .. } => Err(Failed::new(code::INTERNAL, format!("{code}: {message}"))),
        });
    }

    /// Puts an ask to the editor. Whoever answers first, here or elsewhere, has answered.
    async fn put(&mut self, ask: Ask) {
        let session = self.session.as_str();
        let form = self.editor.has_forms().then(|| question::form(session, &ask)).flatten();
        let (method, request) = match (permission::request(session, &ask), form) {
            (Some(request), _) => ("session/request_permission", request),
            (None, Some(form)) => ("elicitation/create", form),
            (None, None) => return self.put_in_words(ask).await,
        };
        let (editor, commands, id) = (self.editor.clone(), self.commands.clone(), ask.id.clone());
        let put = self.asking.spawn(async move {
            let Some(outcome) = editor.ask(method, request).await else { return Done::NotShown(Box::new(ask)) };
            let answer = match method {
                "elicitation/create" => Some(question::filled(&ask, &outcome)),
                _ => permission::answer(&ask, &outcome),
            };
            if let Some(answer) = answer {
                let _ = commands.send(Command::Answer { ask: ask.id, answer }).await; // somebody else may have been faster
            }
            Done::Well
        });
        self.put.insert(id, put);
    }

    /// Shows an ask as text. The editor's prompt is over for now, for its next one is the answer.
    async fn put_in_words(&mut self, ask: Ask) {
        self.say(&question::words(&ask)).await;
        // What a child asks is shown at its root, whose turn waits.
        let turn = self.turn.clone().unwrap_or_else(|| ask.turn.clone());
        self.for_words.push_back((ask, turn));
        if self.running.as_ref().is_some_and(|running| running.turn.is_some()) {
            self.end(Ok(json!({ "stopReason": "end_turn" })));
        }
    }

    /// The ask waits no longer, whoever has answered it.
    fn settled(&mut self, ask: &AskId) {
        if let Some(put) = self.put.remove(ask) {
            put.abort(); // the editor is told to take it away
        }
        self.for_words.retain(|(waiting, _)| waiting.id != *ask);
    }

    async fn say(&self, text: &str) {
        let content = json!({ "type": "text", "text": text });
        self.tell(json!({ "sessionUpdate": "agent_message_chunk", "content": content })).await;
    }

    async fn tell(&self, update: Value) {
        tell(&self.editor, &self.session, update).await;
    }

    fn end(&mut self, outcome: Result<Value, Failed>) {
        if let Some(running) = self.running.take() {
            let _ = running.ended.send(outcome); // whoever asked may have gone
        }
    }

    fn over(&mut self, why: &str) {
        self.end(Err(Failed::new(code::INTERNAL, why)));
    }
}

pub(super) async fn tell(editor: &Editor, session: &SessionId, update: Value) {
    editor.notify("session/update", json!({ "sessionId": session, "update": update })).await;
}
