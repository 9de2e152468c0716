//! The agent's process, and the lines that go in and out of it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rejoin_machine::shell::{End, Process, Program, Shell, ShellError, Started};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::crowd::Place;
use super::failure::{CRASHED, Failure, PROTOCOL, TIMEOUT};
use super::lines::{self, Line};
use super::message::{self, Message, RpcError, Unreadable};

/// Messages that wait for us. The agent waits when they are full.
const HEARD: usize = 256;
/// Bytes of lines that wait for us, in KiB. One that is longer waits alone.
const HEARD_KIB: u32 = 32 << 10;
/// Lines that wait for the agent to read them. Answers to its own requests are most of them.
const SAID: usize = 16;
/// How long a line may wait for an agent that does not read.
const READS: Duration = Duration::from_secs(30);
/// Bytes that the agent may write to stdout besides messages: banners and warnings.
const NOISE: usize = 64 << 10;
/// Bytes of its complaints (stderr) that are kept: the last ones.
const COMPLAINTS: usize = 16 << 10;
/// Bytes of them that a failure repeats.
const REPEATED: usize = 2 << 10;
/// Bytes of a secret that is looked for. A shorter one would be found in ordinary words.
const SECRET: usize = 6;
/// How long lines may still come once the agent has exited, while others hold its pipes.
const DRAIN: Duration = Duration::from_millis(250);
/// How long an agent that was told to end by the end of its input may take before it is asked, and then before it is killed.
const GRACE: Duration = Duration::from_secs(1);

pub(super) struct Child {
    process: Option<Process>,
    heard: mpsc::Receiver<Heard>,
    said: Option<mpsc::Sender<String>>,
    complaints: Arc<Mutex<Tail>>,
    tasks: [JoinHandle<()>; 3],
    requests: u64,
    /// When the rest of what an agent has written, which has exited, must have come.
    drained: Option<Instant>,
    /// What it was given and must not be repeated, whatever it complains about.
    secrets: Vec<String>,
    _place: Place,
}

/// What came, and its room in what may wait.
pub(super) struct Heard {
    pub(super) what: What,
    _room: Option<OwnedSemaphorePermit>,
}

pub(super) enum What {
    Message(Message),
    Broken(String),
}

impl Heard {
    fn told(self) -> Result<Message, Lost> {
        match self.what {
            What::Message(message) => Ok(message),
            What::Broken(why) => Err(Lost::Broken(why)),
        }
    }
}

/// The agent is gone, or as good as gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lost {
    Exited,
    Broken(String),
    DoesNotRead,
    /// It let something go unanswered.
    Silent(String),
}

impl Child {
    pub(super) fn start(shell: &Shell, program: &Program, longest: usize, place: Place) -> Result<Child, ShellError> {
        let Started { process, stdin, stdout, stderr } = shell.start(program)?;
        let (said, to_say) = mpsc::channel(SAID);
        let (hear, heard) = mpsc::channel(HEARD);
        let complaints = Arc::new(Mutex::new(Tail::default()));
        let tasks = [
            tokio::spawn(write(stdin, to_say)),
            tokio::spawn(read(stdout, hear, longest, complaints.clone())),
            tokio::spawn(complain(stderr, complaints.clone())),
        ];
        Ok(Child {
            process: Some(process),
            heard,
            said: Some(said),
            complaints,
            tasks,
            requests: 0,
            drained: None,
            secrets: Vec::new(),
            _place: place,
        })
    }

    /// These are never repeated.
    pub(super) fn keep_secret(&mut self, secrets: impl Iterator<Item = String>) {
        self.secrets.extend(secrets.filter(|secret| secret.len() >= SECRET));
        // One may be part of another.
        self.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    }

    /// What the agent says went wrong, without what it was told in confidence.
    pub(super) fn hushed(&self, failure: Failure) -> Failure {
        Failure { message: hushed(failure.message, &self.secrets), ..failure }
    }

    /// What comes next, the end of the agent included. Safe to drop and call again.
    pub(super) async fn next(&mut self) -> Result<Message, Lost> {
        loop {
            let exited = async {
                match (self.drained, &mut self.process) {
                    (Some(until), _) => {
                        sleep_until(until).await;
                        None
                    }
                    (None, Some(process)) => {
                        process.exited().await;
                        Some(Instant::now() + DRAIN)
                    }
                    (None, None) => None,
                }
            };
            tokio::select! {
                biased;
                heard = self.heard.recv() => return heard.map_or(Err(Lost::Exited), Heard::told),
                drained = exited => match drained {
                    Some(until) => self.drained = Some(until),
                    None => return Err(Lost::Exited),
                },
            }
        }
    }

    /// What has come already, without waiting.
    pub(super) fn ready(&mut self) -> Option<Result<Message, Lost>> {
        self.heard.try_recv().ok().map(Heard::told)
    }

    /// Whether it has exited already, heard or not.
    pub(super) async fn is_gone(&mut self) -> bool {
        match &mut self.process {
            Some(process) => timeout(Duration::ZERO, process.exited()).await.is_ok(),
            None => true,
        }
    }

    async fn say(&self, line: String) -> Result<(), Lost> {
        let Some(said) = &self.said else { return Err(Lost::Exited) };
        match timeout(READS, said.send(line)).await {
            // Why nobody writes any more is told by what comes next.
            Ok(_) => Ok(()),
            Err(_) => Err(Lost::DoesNotRead),
        }
    }

    /// Asks something; the answer comes with this number.
    pub(super) async fn request(&mut self, method: &str, params: Value) -> Result<u64, Lost> {
        self.requests += 1;
        self.say(message::request(self.requests, method, params)).await?;
        Ok(self.requests)
    }

    pub(super) async fn notify(&self, method: &str, params: Value) -> Result<(), Lost> {
        self.say(message::notification(method, params)).await
    }

    pub(super) async fn respond(&self, id: &Value, outcome: Result<Value, RpcError>) -> Result<(), Lost> {
        self.say(message::response(id, outcome)).await
    }

    /// Ends it in order: no more input, then a request to end, then a kill. Everything it has started ends with it.
    pub(super) async fn end(mut self) {
        self.said = None;
        if let Some(mut process) = self.process.take() {
            let _ = timeout(GRACE, process.exited()).await;
            if let Err(error) = process.end(GRACE).await {
                tracing::warn!(%error, "an agent did not end");
            }
        }
    }

    /// Ends it at once, and says what became of it.
    pub(super) async fn bury(mut self, lost: Lost) -> Failure {
        let ended = match self.process.take() {
            Some(process) => process.end(Duration::ZERO).await.ok(),
            None => None,
        };
        // Its last complaints are in the pipe.
        let _ = timeout(DRAIN, &mut self.tasks[2]).await;
        let complaints = self.complaints.lock().expect("no holder of this lock panics").text(&self.secrets);
        let mut failure = match lost {
            Lost::Exited => {
                let how = match ended {
                    Some(End::Exited(code)) => format!("the agent ended with exit code {code}"),
                    Some(End::Signalled(9)) => "the agent was killed".to_owned(),
                    Some(End::Signalled(signal)) => format!("the agent ended by signal {signal}"),
                    None => "the agent ended".to_owned(),
                };
                Failure::new(CRASHED, how)
            }
            Lost::Broken(why) => Failure::new(PROTOCOL, format!("the agent broke the protocol: {why}")),
            Lost::DoesNotRead => Failure::new(TIMEOUT, "the agent does not read what it is told"),
            Lost::Silent(what) => Failure::new(TIMEOUT, what),
        };
        if !complaints.is_empty() {
            failure.message.push_str("; its last words: ");
            failure.message.push_str(&complaints);
        }
        failure
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Somebody whom we cannot reach may hold the pipes open.
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn write(mut stdin: ChildStdin, mut lines: mpsc::Receiver<String>) {
    while let Some(line) = lines.recv().await {
        if stdin.write_all(line.as_bytes()).await.is_err() {
            return; // its end is news of its own
        }
    }
}

async fn read(stdout: ChildStdout, heard: mpsc::Sender<Heard>, longest: usize, complaints: Arc<Mutex<Tail>>) {
    let mut from = BufReader::with_capacity(64 << 10, stdout);
    let room = Arc::new(Semaphore::new(HEARD_KIB as usize));
    let mut noise = 0;
    let mut flood = Flood::new();
    loop {
        if from.buffer().is_empty() {
            flood.pause().await;
        }
        flood.heard();
        let line = match lines::next(&mut from, longest).await {
            Ok(Line::Whole(line)) => line,
            Ok(Line::TooLong) => {
                let why = format!("a line of more than {longest} bytes");
                let _ = heard.send(Heard { what: What::Broken(why), _room: None }).await;
                return;
            }
            // A pipe that fails has no more to say than one that ends.
            Ok(Line::End) | Err(_) => return,
        };
        let what = match message::read(&line) {
            Ok(message) => What::Message(message),
            Err(Unreadable::Broken(why)) => What::Broken(why),
            Err(Unreadable::Noise) => {
                noise += line.len();
                if noise <= NOISE {
                    complaints.lock().expect("no holder of this lock panics").push(&line);
                    continue;
                }
                What::Broken(format!("more than {NOISE} bytes that are no messages"))
            }
        };
        let is_over = matches!(what, What::Broken(_));
        let kib = u32::try_from(line.len() >> 10).unwrap_or(u32::MAX).saturating_add(1).min(HEARD_KIB);
        drop(line);
        let Ok(room) = room.clone().acquire_many_owned(kib).await else { return };
        if heard.send(Heard { what, _room: Some(room) }).await.is_err() || is_over {
            return;
        }
    }
}

/// An agent that says much in many small pieces would have us wake for each. So once it does, what it says is left to gather
/// for a moment. One that says less than that is heard at once.
struct Flood {
    lines: u32,
    since: Instant,
    /// Lines that came together.
    at_once: u32,
}

/// How many lines are looked at together, and how many in a millisecond are a flood. So many at once have gathered already.
const FEW: u32 = 32;
const FLOOD: f64 = 20.0;
/// For so long they gather. A pipe has room for more than comes meanwhile.
const GATHER: Duration = Duration::from_millis(1);

impl Flood {
    fn new() -> Flood {
        Flood { lines: 0, since: Instant::now(), at_once: 0 }
    }

    fn heard(&mut self) {
        self.lines += 1;
        self.at_once += 1;
    }

    /// Everything that came is heard.
    async fn pause(&mut self) {
        let has_gathered = std::mem::take(&mut self.at_once) >= FEW;
        if self.lines < FEW || has_gathered {
            return;
        }
        if f64::from(self.lines) >= self.since.elapsed().as_secs_f64() * 1_000.0 * FLOOD {
            tokio::time::sleep(GATHER).await;
        }
        *self = Flood::new();
    }
}

async fn complain(mut stderr: ChildStderr, complaints: Arc<Mutex<Tail>>) {
    let mut block = vec![0; 4 << 10];
    while let Ok(count @ 1..) = stderr.read(&mut block).await {
        complaints.lock().expect("no holder of this lock panics").push(&block[..count]);
    }
}

fn hushed(text: String, secrets: &[String]) -> String {
    secrets.iter().fold(text, |text, secret| if text.contains(secret) { text.replace(secret, "…") } else { text })
}

/// The end of what was written.
#[derive(Default)]
struct Tail(VecDeque<u8>);

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(COMPLAINTS)..];
        let over = (self.0.len() + bytes.len()).saturating_sub(COMPLAINTS);
        self.0.drain(..over);
        self.0.extend(bytes);
    }

    /// Its last lines, as text that does no harm.
    fn text(&self, secrets: &[String]) -> String {
        let bytes: Vec<u8> = self.0.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let plain = text.chars().filter(|letter| !letter.is_control() || *letter == '\n').collect();
        // Hushed before it is cut: half a secret would not be found.
        let plain = hushed(plain, secrets);
        let from = plain.ceil_char_boundary(plain.len().saturating_sub(REPEATED));
        plain[from..].trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_are_kept_and_no_more() {
        let mut tail = Tail::default();
        for number in 0..10_000 {
            tail.push(format!("line {number}\n").as_bytes());
        }
        assert!(tail.0.len() <= COMPLAINTS);
        let text = tail.text(&[]);
        assert!(text.len() <= REPEATED && text.ends_with("line 9999"), "{text}");
        tail.push(&vec![b'x'; COMPLAINTS * 3]);
        assert_eq!(tail.0.len(), COMPLAINTS);
        let mut coloured = Tail::default();
        coloured.push(b"\x1b[31mno\x1b[0m\n");
        assert_eq!(coloured.text(&[]), "[31mno[0m");
    }

    #[test]
    fn not_even_a_part_of_a_secret_is_repeated() {
        let secrets = ["the-long-secret".to_owned(), "secret".to_owned()];
        for before in REPEATED - 20..REPEATED {
            let mut tail = Tail::default();
            tail.push(format!("the-long-secret{}", "x".repeat(before)).as_bytes());
            let text = tail.text(&secrets);
            assert!(!text.contains("long") && !text.contains("cret"), "{text}");
        }
    }
}
