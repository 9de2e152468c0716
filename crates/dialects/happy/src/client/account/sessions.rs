//! Sessions, opened.

use rejoin_seal::{Content, DataKey};
use uuid::Uuid;

use super::super::api::NewSessionRecord;
use super::super::key::{Key, Keys};
use super::super::{Error, SessionClient, SessionOptions};
use super::Account;
use crate::payload::{AgentState, Message, Metadata};
use crate::wire::Session;

/// A session to create, or to load again by its tag.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The same tag is the same session.
    pub tag: String,
    pub metadata: Metadata,
    /// What it is sealed with. None: a fresh key of its own, or the account's secret if [`NewSession::legacy`].
    ///
    /// A terminal that knows no secret cannot open what it has not made itself: to load a session again by its tag it must
    /// keep its key ([`OpenedSession::key`]) and give it here.
    pub key: Option<DataKey>,
    /// Sealed with the account's secret, as older command lines do and can read.
    pub legacy: bool,
}

impl NewSession {
    /// One with a fresh tag.
    pub fn new(metadata: Metadata) -> NewSession {
        NewSession::tagged(Uuid::now_v7().to_string(), metadata)
    }

    pub fn tagged(tag: impl Into<String>, metadata: Metadata) -> NewSession {
        NewSession { tag: tag.into(), metadata, key: None, legacy: false }
    }
}

/// A session and the key to it.
#[derive(Debug, Clone)]
pub struct OpenedSession {
    /// As the server shows it.
    pub record: Session,
    pub key: Key,
}

impl OpenedSession {
    pub fn id(&self) -> &str {
        &self.record.id
    }

    /// None: it cannot be read.
    pub fn metadata(&self) -> Option<Metadata> {
        self.key.open_as(&self.record.metadata)
    }

    /// None: there is none, or it cannot be read.
    pub fn agent_state(&self) -> Option<AgentState> {
        self.key.open_as(self.record.agent_state.as_deref()?)
    }

    /// What one of its messages says.
    pub fn open(&self, message: &crate::wire::Message) -> Result<Message, Error> {
        self.key.open_message(&message.content.c).map_err(|why| Error::io("opening a message", why))
    }

    pub fn seal(&self, message: &Message) -> Result<String, Error> {
        self.key.seal(message)
    }
}

impl Account {
    /// Creates a session, or loads the one that has this tag.
    pub async fn create_session(&self, new: &NewSession) -> Result<OpenedSession, Error> {
        const DOING: &str = "creating a session";
        let (key, wrapped) = match (self.keys(), new.legacy, &new.key) {
            (Keys::Secret { secret, .. }, true, _) => (Key::new(Content::Legacy(secret.clone())), None),
            (_, true, _) => return Err(Error::Sealed("a session under the account's secret")),
            (keys, false, given) => {
                let (key, wrapped) = keys.wrap(given.clone().unwrap_or_else(DataKey::random));
                (key, Some(wrapped))
            }
        };
        let record = NewSessionRecord {
            tag: new.tag.clone(),
            metadata: key.seal(&new.metadata)?,
            agent_state: None,
            data_encryption_key: wrapped.clone(),
        };
        let record = self.api().create_or_load_session(&record).await?;
        if record.data_encryption_key == wrapped {
            return Ok(OpenedSession { record, key });
        }
        // It is one from before, under the key that it got then.
        let opened = match self.keys().of_record(DOING, record.data_encryption_key.as_deref()) {
            Ok(key) => OpenedSession { record, key },
            Err(_) if new.key.is_some() => OpenedSession { record, key },
            Err(error) => return Err(error),
        };
        match opened.key.open(&opened.record.metadata) {
            Ok(_) => Ok(opened),
            Err(why) => Err(Error::io(DOING, why)),
        }
    }

    /// The newest sessions, 150 at most. Those that cannot be opened are left out.
    pub async fn sessions(&self) -> Result<Vec<OpenedSession>, Error> {
        Ok(self.open_all(self.api().sessions().await?))
    }

    /// Sessions that were there within the last quarter of an hour.
    pub async fn active_sessions(&self, limit: Option<u32>) -> Result<Vec<OpenedSession>, Error> {
        Ok(self.open_all(self.api().active_sessions(limit).await?))
    }

    /// Looks for a session, from the newest on. Older servers show no more than 150.
    pub async fn session(&self, id: &str) -> Result<Option<OpenedSession>, Error> {
        let newest = self.api().sessions().await?;
        if let Some(found) = newest.into_iter().find(|session| session.id == id) {
            return self.open_session(found).map(Some);
        }
        let mut cursor = None;
        // More pages than anybody has sessions.
        for _ in 0..10_000 {
            let page = match self.api().sessions_page(cursor.as_deref(), Some(200), None).await {
                Err(error) if error.is_unknown_route() => return Ok(None),
                page => page?,
            };
            if let Some(found) = page.sessions.into_iter().find(|session| session.id == id) {
                return self.open_session(found).map(Some);
            }
            match page.next_cursor.filter(|_| page.has_next) {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        Ok(None)
    }

    /// Finds the key to a session.
    pub fn open_session(&self, record: Session) -> Result<OpenedSession, Error> {
        let key = self.keys().of_record("opening a session", record.data_encryption_key.as_deref())?;
        Ok(OpenedSession { record, key })
    }

    /// A session with a key that was kept.
    pub fn session_with_key(&self, record: Session, key: DataKey) -> OpenedSession {
        OpenedSession { record, key: Key::new(Content::DataKey(key)) }
    }

    /// Runs a session: sends what its agent does, and hears what people want of it.
    ///
    /// Must be called within a Tokio runtime.
    pub fn session_client(&self, session: &OpenedSession, options: SessionOptions) -> Result<SessionClient, Error> {
        SessionClient::open(self, session, options)
    }

    fn open_all(&self, records: Vec<Session>) -> Vec<OpenedSession> {
        records.into_iter().filter_map(|record| self.open_session(record).ok()).collect()
    }
}
