//! Sessions: listing, creating, changing, joining.

use serde_json::json;

use super::call::Call;
use super::event::StateSnapshot;
use super::pump::given::Tell;
use super::{Client, Error, Event};
use crate::names::{said, told};
use crate::wire::SessionMeta;

impl Client {
    /// All sessions of the tenant; archived ones only if they are wanted.
    pub async fn list_sessions(&self, include_archived: bool) -> Result<Vec<SessionMeta>, Error> {
        let fields = json!({ "includeArchived": include_archived.then_some(true) });
        match self.ask(Call::new(said::LIST_SESSIONS, &[told::SESSION_LIST], fields)).await?.event {
            Event::SessionList(list) => Ok(list.sessions),
            _ => Err(Error::Unreadable(said::LIST_SESSIONS)),
        }
    }

    pub async fn create_session(&self, agent_type: &str, name: Option<&str>) -> Result<SessionMeta, Error> {
        let fields = json!({ "agentType": agent_type, "name": name });
        self.changed(Call::new(said::CREATE_SESSION, &[told::SESSION_CREATED], fields)).await
    }

    pub async fn rename_session(&self, session: &str, name: &str) -> Result<SessionMeta, Error> {
        let fields = json!({ "sessionId": session, "name": name });
        self.changed(Call::new(said::RENAME_SESSION, &[told::SESSION_UPDATED], fields)).await
    }

    pub async fn archive_session(&self, session: &str) -> Result<SessionMeta, Error> {
        let expects = &[told::SESSION_ARCHIVED, told::SESSION_UPDATED];
        self.changed(Call::new(said::ARCHIVE_SESSION, expects, json!({ "sessionId": session }))).await
    }

    pub async fn unarchive_session(&self, session: &str) -> Result<SessionMeta, Error> {
        let expects = &[told::SESSION_UNARCHIVED, told::SESSION_UPDATED];
        self.changed(Call::new(said::UNARCHIVE_SESSION, expects, json!({ "sessionId": session }))).await
    }

    pub async fn delete_session(&self, session: &str) -> Result<(), Error> {
        let call = Call::new(said::DELETE_SESSION, &[told::SESSION_DELETED], json!({ "sessionId": session }));
        self.ask(call).await.map(drop)
    }

    /// Follows a session from now on, and returns it as it is. With `after_seq` everything behind that number is told
    /// again first.
    ///
    /// After a lost connection it is joined again by itself, from what was heard last.
    pub async fn join_session(&self, session: &str, after_seq: Option<u64>) -> Result<StateSnapshot, Error> {
        let fields = json!({ "sessionId": session, "afterSeq": after_seq });
        match self.ask(Call::new(said::JOIN_SESSION, &[told::STATE_SNAPSHOT], fields)).await?.event {
            Event::StateSnapshot(snapshot) => Ok(snapshot),
            _ => Err(Error::Unreadable(said::JOIN_SESSION)),
        }
    }

    /// Follows a session no longer. Returns at once.
    pub fn leave_session(&self, session: &str) -> Result<(), Error> {
        self.tell(said::LEAVE_SESSION, Tell::Leave, json!({ "sessionId": session }))
    }

    /// A request that is answered with the session as it is then.
    async fn changed(&self, call: Call) -> Result<SessionMeta, Error> {
        let kind = call.kind;
        match self.ask(call).await?.event {
            Event::SessionCreated(told) => Ok(told.session),
            Event::SessionUpdated(told) => Ok(told.session),
            Event::SessionArchived(told) => Ok(told.session),
            Event::SessionUnarchived(told) => Ok(told.session),
            _ => Err(Error::Unreadable(kind)),
        }
    }
}
