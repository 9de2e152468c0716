//! Metadata and agent state: read at once, changed against whoever changes them as well.

use tokio::sync::watch;

use super::super::Error;
use super::SessionClient;
use super::users::UserMessages;
use crate::payload::{AgentState, Metadata, UserMessage};

impl SessionClient {
    /// What the session is, as it is known here. None: it cannot be read.
    pub fn metadata(&self) -> Option<Metadata> {
        self.0.0.metadata.value()
    }

    pub fn metadata_version(&self) -> u64 {
        self.0.0.metadata.version()
    }

    /// None: there is none, or it cannot be read.
    pub fn agent_state(&self) -> Option<AgentState> {
        self.0.0.agent_state.value()
    }

    pub fn agent_state_version(&self) -> u64 {
        self.0.0.agent_state.version()
    }

    /// Moves whenever other metadata were adopted: a command line watches it for [`Metadata::is_ending`].
    pub fn metadata_changes(&self) -> watch::Receiver<u64> {
        self.0.0.metadata.changes()
    }

    /// Moves whenever another agent state was adopted.
    pub fn agent_state_changes(&self) -> watch::Receiver<u64> {
        self.0.0.agent_state.changes()
    }

    /// Changes the metadata, and returns them as they are then.
    ///
    /// `change` is called again with what others wrote if they were faster, so it must not do anything else. It goes on
    /// through lost connections, for [`change_patience`](super::super::Options::change_patience) at most.
    pub async fn update_metadata(&self, change: impl FnMut(Metadata) -> Metadata) -> Result<Metadata, Error> {
        let shared = &self.0.0;
        let changing = shared.metadata.change(&shared.socket, shared.options(), change);
        Ok(self.unless_closed(changing).await?.expect("a change to something gives something"))
    }

    /// Changes the agent state, and returns it as it is then; `None` takes it away. Otherwise as
    /// [`SessionClient::update_metadata`].
    pub async fn update_agent_state<R: Into<Option<AgentState>>>(
        &self,
        change: impl FnMut(AgentState) -> R,
    ) -> Result<Option<AgentState>, Error> {
        let shared = &self.0.0;
        self.unless_closed(shared.agent_state.change(&shared.socket, shared.options(), change)).await
    }

    /// Calls this for each message of a person, in order and one at a time; what came before is handed over first, before
    /// this returns. Another handler takes the place of this one.
    ///
    /// It is called on a task of the client, so it must not block; [`SessionClient::user_messages`] is for whoever takes
    /// their time.
    pub fn on_user_message(&self, handler: impl FnMut(UserMessage) + Send + 'static) {
        self.0.0.users.on_message(Box::new(handler));
    }

    /// What people say as a stream; what came before is in it. A message goes to whoever asks first: a handler, if there is
    /// one, or else one of the streams.
    pub fn user_messages(&self) -> UserMessages {
        self.0.0.users.stream()
    }

    async fn unless_closed<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        tokio::select! {
            outcome = work => outcome,
            () = self.0.0.stop.cancelled() => Err(Error::Closed),
        }
    }
}
