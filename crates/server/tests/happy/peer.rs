//! A raw Socket.IO peer: it sends what it is told to, and holds all that it hears against the specification.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::frames::{clipped, number, text};
use crate::http::Door;
use crate::shapes;
use crate::wire::{Heard, Wire};

/// Frames that a failure shows.
const SHOWN: usize = 40;

pub(crate) struct Peer {
    pub(crate) wire: Wire,
    namespace: &'static str,
    acks: u64,
    /// Heard while something else was waited for, in its order.
    waiting: VecDeque<Said>,
    /// The number of the newest update.
    newest: Option<u64>,
    /// The newest lines of the conversation.
    log: VecDeque<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Said {
    Event(Event),
    Ack { id: u64, answer: Value },
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) arg: Value,
    /// Under this number an answer is expected.
    pub(crate) id: Option<u64>,
}

impl Event {
    /// What kind of update or ephemeral it is, or else what its name is.
    pub(crate) fn kind(&self) -> &str {
        match self.name.as_str() {
            "update" => text(&self.arg["body"], "t"),
            "ephemeral" => text(&self.arg, "type"),
            other => other,
        }
    }
    pub(crate) fn body(&self) -> &Value {
        &self.arg["body"]
    }
}

/// The kinds of some events.
pub(crate) fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(Event::kind).collect()
}

impl Peer {
    /// Connects, or gives back why it was refused.
    pub(crate) async fn connects(door: &Door, auth: Value) -> Result<Peer, Value> {
        let mut peer = Peer::dial(door).await;
        peer.enters(auth).await.map(|()| peer)
    }

    /// An engine that was opened, in no namespace yet.
    pub(crate) async fn dial(door: &Door) -> Peer {
        let dialled = Wire::dial(&door.engine, "EIO=4&transport=websocket").await;
        let mut wire = dialled.unwrap_or_else(|refused| panic!("the upgrade was refused: {refused:?}"));
        let open = wire.packet().await;
        assert!(open.starts_with("0{"), "the first packet opens: {open}");
        Peer::over(wire, door)
    }

    pub(crate) fn over(wire: Wire, door: &Door) -> Peer {
        Peer { wire, namespace: door.namespace, acks: 0, waiting: VecDeque::new(), newest: None, log: VecDeque::new() }
    }

    /// Asks for the namespace.
    pub(crate) async fn enters(&mut self, auth: Value) -> Result<(), Value> {
        self.says(&format!("0{}{auth}", self.namespaced())).await;
        let packet = self.packet("an answer to CONNECT").await;
        let rest = packet.strip_prefix('4').unwrap_or_else(|| self.fail("CONNECT is answered by a message"));
        let (kind, rest) = rest.split_at(1);
        let Some(rest) = rest.strip_prefix(&self.namespaced()) else { self.fail("that is of another namespace") };
        let answer: Value = serde_json::from_str(rest).unwrap_or_else(|_| self.fail("that is no JSON"));
        match kind {
            "0" => {
                assert!(!text(&answer, "sid").is_empty());
                Ok(())
            }
            "4" => Err(answer),
            _ => self.fail("CONNECT is answered by CONNECT or CONNECT_ERROR"),
        }
    }

    /// An event that expects no answer.
    pub(crate) async fn emits(&mut self, event: &str, arg: Value) {
        self.says(&format!("2{}{}", self.namespaced(), json!([event, arg]))).await;
    }
    /// An event that expects one; gives back the number under which that comes.
    pub(crate) async fn calls(&mut self, event: &str, arg: Value) -> u64 {
        self.calls_with(json!([event, arg])).await
    }
    async fn calls_with(&mut self, args: Value) -> u64 {
        self.acks += 1;
        self.says(&format!("2{}{}{args}", self.namespaced(), self.acks)).await;
        self.acks
    }
    /// The answer to a call. What else comes is heard later.
    pub(crate) async fn ack(&mut self, id: u64) -> Value {
        loop {
            if let Some(answer) = self.acked(id) {
                return answer;
            }
            let said = self.read(&format!("the answer to {id}")).await;
            self.waiting.push_back(said);
        }
    }
    /// The answer to a call, if it has come.
    pub(crate) fn acked(&mut self, id: u64) -> Option<Value> {
        let is_it = |said: &Said| matches!(said, Said::Ack { id: of, .. } if *of == id);
        let place = self.waiting.iter().position(is_it)?;
        match self.waiting.remove(place) {
            Some(Said::Ack { answer, .. }) => Some(answer),
            other => panic!("{other:?} is no answer"),
        }
    }
    /// Calls and waits for the answer.
    pub(crate) async fn asks(&mut self, event: &str, arg: Value) -> Value {
        let id = self.calls(event, arg).await;
        self.ack(id).await
    }
    /// Answers something that the server asked.
    pub(crate) async fn answers(&mut self, request: &Event, answer: Value) {
        let id = request.id.unwrap_or_else(|| self.fail("nobody expects an answer"));
        self.says(&format!("3{}{id}{}", self.namespaced(), json!([answer]))).await;
    }
    /// A packet of Socket.IO's, without the digit that makes it the engine's message.
    pub(crate) async fn says(&mut self, packet: &str) {
        self.sends(&format!("4{packet}")).await;
    }
    /// Any frame.
    pub(crate) async fn sends(&mut self, frame: &str) {
        self.note("→", frame);
        self.wire.sends(frame).await;
    }

    /// The next event or answer, in the order of the wire.
    pub(crate) async fn hears_any(&mut self) -> Said {
        match self.waiting.pop_front() {
            Some(said) => said,
            None => self.read("anything").await,
        }
    }
    /// The next event of this kind; what comes before it is passed over.
    pub(crate) async fn hears_a(&mut self, kind: &str) -> Value {
        let mut events = self.until(kind, |event| event.kind() == kind).await;
        events.pop().expect("the last is the one").arg
    }
    /// The next event, which must be of this kind.
    pub(crate) async fn hears_next(&mut self, kind: &str) -> Value {
        let event = self.next(kind).await;
        if event.kind() != kind {
            self.fail(&format!("{kind} was to come, not {}", event.kind()));
        }
        event.arg
    }
    /// Everything up to the first event for which `is_it` holds, and that event.
    pub(crate) async fn until(&mut self, what: &str, is_it: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let event = self.next(what).await;
            let found = is_it(&event);
            events.push(event);
            if found {
                return events;
            }
        }
    }
    /// Everything up to the message with this content, which is left out.
    pub(crate) async fn until_message(&mut self, content: &str) -> Vec<Event> {
        let is_it = |event: &Event| event.body()["message"]["content"]["c"] == content;
        let mut events = self.until(&format!("the message {content}"), is_it).await;
        events.pop();
        events
    }

    /// Everything that was heard until the server had done all that it was sent.
    pub(crate) async fn settles(&mut self) -> Vec<Event> {
        self.reaches().await;
        let waiting = std::mem::take(&mut self.waiting);
        let (events, acks) = waiting.into_iter().partition(|said| matches!(said, Said::Event(_)));
        self.waiting = acks;
        let events: VecDeque<Said> = events;
        events.into_iter().filter_map(|said| if let Said::Event(event) = said { Some(event) } else { None }).collect()
    }
    /// Waits until the server had done all that it was sent; what comes is heard later.
    pub(crate) async fn reaches(&mut self) {
        let id = self.calls_with(json!(["ping"])).await;
        let answer = self.ack(id).await;
        if answer != json!({}) {
            self.fail("`ping` is answered by an empty object");
        }
    }

    /// Waits for the end of the connection, and gives back the events that came before it.
    pub(crate) async fn closed(&mut self) -> Vec<Event> {
        let mut events: Vec<_> = std::mem::take(&mut self.waiting)
            .into_iter()
            .filter_map(|said| if let Said::Event(event) = said { Some(event) } else { None })
            .collect();
        loop {
            match self.wire.hears().await {
                Some(Heard::Packet(packet)) => {
                    self.note("←", &packet);
                    if let Some(Said::Event(event)) = self.parse(&packet) {
                        events.push(event);
                    }
                }
                Some(Heard::Closed) => return events,
                None => self.fail("the end of the connection was waited for in vain"),
            }
        }
    }
    /// Leaves in order.
    pub(crate) async fn goes(mut self) {
        self.says(&format!("1{}", self.namespaced())).await;
        self.wire.goes().await;
    }

    async fn next(&mut self, what: &str) -> Event {
        if let Some(place) = self.waiting.iter().position(|said| matches!(said, Said::Event(_)))
            && let Some(Said::Event(event)) = self.waiting.remove(place)
        {
            return event;
        }
        loop {
            match self.read(what).await {
                Said::Event(event) => return event,
                ack @ Said::Ack { .. } => self.waiting.push_back(ack),
            }
        }
    }

    async fn read(&mut self, what: &str) -> Said {
        let packet = self.packet(what).await;
        match self.parse(&packet) {
            Some(said) => said,
            None => self.fail("the last packet is neither an event nor an answer"),
        }
    }

    async fn packet(&mut self, what: &str) -> String {
        match self.wire.hears().await {
            Some(Heard::Packet(packet)) => {
                self.note("←", &packet);
                packet
            }
            Some(Heard::Closed) => self.fail(&format!("closed while waiting for {what}")),
            None => self.fail(&format!("waited in vain for {what}")),
        }
    }

    /// Reads an event or an answer of our namespace.
    fn parse(&mut self, packet: &str) -> Option<Said> {
        let rest = packet.strip_prefix('4')?;
        let (kind, rest) = rest.split_at_checked(1)?;
        let rest = rest.strip_prefix(&self.namespaced())?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (id, rest) = rest.split_at(digits);
        let id = if id.is_empty() { None } else { Some(id.parse().ok()?) };
        let Ok(Value::Array(mut args)) = serde_json::from_str(rest) else { return None };
        match kind {
            "2" if args.len() == 2 => {
                let arg = args.pop()?;
                let event = Event { name: args.pop()?.as_str()?.to_owned(), arg, id };
                self.holds(&event);
                Some(Said::Event(event))
            }
            "3" if args.len() == 1 => Some(Said::Ack { id: id?, answer: args.pop()? }),
            _ => None,
        }
    }

    /// Holds an event against what must be true of it.
    fn holds(&mut self, event: &Event) {
        let found = match event.name.as_str() {
            "update" => shapes::update(&event.arg),
            "ephemeral" => shapes::ephemeral(&event.arg),
            "rpc-request" => shapes::request(&event.arg),
            "rpc-registered" | "rpc-unregistered" | "rpc-error" => Ok(()),
            other => Err(format!("no server says `{other}`")),
        };
        if let Err(why) = found {
            self.fail(&format!("the last event breaks a rule: {why}"));
        }
        if (event.name == "rpc-request") != event.id.is_some() {
            self.fail("only what is asked of a handler expects an answer");
        }
        if event.name == "update" {
            let seq = number(&event.arg, "seq");
            if self.newest.is_some_and(|newest| newest >= seq) {
                self.fail(&format!("update {seq} came after {:?}", self.newest));
            }
            self.newest = Some(seq);
        }
    }

    /// The namespace as packets carry it.
    fn namespaced(&self) -> String {
        if self.namespace.is_empty() { String::new() } else { format!("{},", self.namespace) }
    }

    fn note(&mut self, way: &str, line: &str) {
        if self.log.len() == SHOWN {
            self.log.pop_front();
        }
        self.log.push_back(format!("{way} {}", clipped(line)));
    }

    pub(crate) fn fail(&self, why: &str) -> ! {
        let log: Vec<_> = self.log.iter().map(|line| format!("\n  {line}")).collect();
        panic!("{why}; the conversation was:{}", log.concat());
    }
}
