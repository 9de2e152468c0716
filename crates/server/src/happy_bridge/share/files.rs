//! Files beside the messages: those of the log are stored with the server, those of the apps with us.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use rejoin_core::part::Attachment;
use rejoin_happy::client::{Error, Events, OpenedSession, SessionNews};
use rejoin_happy::payload::{AgentMessage, Envelope, Ev, Message, SessionEvent, SessionMessage, Speaker};

use super::super::linked::Linked;
use super::super::name::{cuid, uuid};
use super::super::outward::Attached;
use super::super::trouble::{Trouble, words};
use super::super::world::World;

/// The largest file that servers take, in bytes.
const LARGEST: usize = 10 << 20;
/// Files that one prompt may have. Those that come behind them are left out.
const MOST: usize = 32;

pub(super) struct Files<'a> {
    world: &'a Arc<World>,
    linked: &'a Arc<Linked>,
    opened: &'a OpenedSession,
    news: Events<SessionNews>,
    /// Files that were sent, and belong to the text that comes next.
    sent: Vec<FromApp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct FromApp {
    reference: String,
    name: String,
    mime: String,
}

impl<'a> Files<'a> {
    pub(super) fn new(
        world: &'a Arc<World>,
        linked: &'a Arc<Linked>,
        opened: &'a OpenedSession,
        news: Events<SessionNews>,
    ) -> Files<'a> {
        Files { world, linked, opened, news, sent: Vec::new() }
    }

    /// Whether no file waits for its text.
    pub(super) fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// Takes what came besides texts; of that, files are kept.
    pub(super) fn hear(&mut self) {
        while let Some(Some(news)) = self.news.next().now_or_never() {
            if let SessionNews::Message { message, .. } = news
                && let Message::Session(message) = *message
                && let Envelope { role: Speaker::User, ev: Ev::File { r#ref, name, mime_type, .. }, .. } =
                    message.content
                && self.sent.len() < MOST
            {
                let guessed = || mime_guess::from_path(&name).first_or_octet_stream().to_string();
                let mime = mime_type.unwrap_or_else(guessed);
                self.sent.push(FromApp { reference: r#ref, name, mime });
            }
        }
    }

    /// Fetches the files that belong to a text. One that cannot be had is left out.
    pub(super) async fn fetch(&mut self) -> Result<Vec<Attachment>, Trouble> {
        let mut attachments = Vec::new();
        for file in std::mem::take(&mut self.sent) {
            let bytes = match self.linked.account.download(self.opened, &file.reference).await {
                Ok(bytes) if bytes.len() <= LARGEST => bytes,
                Ok(_) => continue,
                Err(error) if is_lost(&error) => {
                    tracing::warn!(error = words(&error), "happy: a file of a prompt cannot be had");
                    continue;
                }
                Err(error) => {
                    return Err(Trouble::Passing(words(&error)));
                }
            };
            let hash = self.world.store.put_blob(&self.linked.whose.tenant, Bytes::from(bytes)).await?;
            let (id, url) = (file.reference, format!("blob:{hash}"));
            attachments.push(Attachment { id, mime: file.mime, name: Some(file.name), url });
        }
        Ok(attachments)
    }

    /// Stores a file of the log with the server, and says where it is. One that cannot be stored is named at least.
    pub(super) async fn store(&self, name: &str, file: Attached) -> Result<Message, Trouble> {
        let bytes = match file.url.strip_prefix("blob:") {
            Some(hash) => self.world.store.blob(&self.linked.whose.tenant, hash).await?,
            None => None,
        };
        let Some(bytes) = bytes.filter(|bytes| bytes.len() <= LARGEST) else { return Ok(named(name, &file)) };
        let reference = match self.linked.account.upload(self.opened, &file.name, &bytes).await {
            Ok(reference) => reference,
            Err(error) if is_lost(&error) => return Ok(named(name, &file)),
            Err(error) => return Err(Trouble::Passing(words(&error))),
        };
        let ev = Ev::File {
            r#ref: reference,
            name: file.name,
            size: bytes.len() as u64,
            mime_type: Some(file.mime),
            image: None,
        };
        Ok(envelope(name, file.turn, file.at, ev))
    }
}

/// A file that is elsewhere, or too large.
fn named(name: &str, file: &Attached) -> Message {
    let at = if file.url.starts_with("http") { format!(": {}", file.url) } else { String::new() };
    let text = format!("{} ({}){at}", file.name, file.mime);
    match &file.turn {
        Some(turn) => envelope(name, Some(turn.clone()), file.at, Ev::Service { text }),
        None => AgentMessage::event(uuid(name), SessionEvent::Message { message: text }).into(),
    }
}

fn envelope(name: &str, turn: Option<String>, at: u64, ev: Ev) -> Message {
    let envelope = match turn {
        Some(turn) => Envelope::agent(turn, at, ev),
        None => Envelope::user(at, ev),
    };
    SessionMessage::from(Envelope { id: cuid(name), ..envelope }).into()
}

/// Whether another attempt would end the same way.
fn is_lost(error: &Error) -> bool {
    match error {
        Error::Http { status, .. } => (400..500).contains(status) && !matches!(status, 401 | 408 | 425 | 429),
        Error::TooLarge { .. } | Error::Rejected { .. } | Error::Unreadable(_) => true,
        // What cannot be opened with the session's key never can.
        Error::Sealed(_) => true,
        Error::Io { doing, .. } => *doing == "opening an attachment",
        _ => false,
    }
}
