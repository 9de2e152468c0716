//! What a host wants from an agent, and where agents run.

use async_trait::async_trait;
use rejoin_ports::agent::{AgentError, AgentInfo, AgentSettings, OpenAgent, Opening};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// One kind of agent. It can be open in many sessions at once.
#[async_trait]
pub trait Agent: Send + Sync + 'static {
    fn info(&self) -> AgentInfo;
    /// Whether it is listed. One that is not can be opened all the same, if only to say what it lacks.
    fn is_offered(&self) -> bool {
        true
    }
    /// What it can be set to.
    async fn settings(&self, _: Opening) -> Result<AgentSettings, AgentError> {
        Ok(AgentSettings::default())
    }
    /// Opens it in a session. All it starts belongs to `tasks`.
    async fn open(&self, opening: Opening, tasks: &Tasks) -> Result<OpenAgent, AgentError>;
}

/// Where the tasks of open agents run: all of them are waited for, and hear when the gateway wants them to end.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    pub fn spawn<F>(&self, task: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tracker.spawn(task)
    }
    /// Cancelled when every task should end.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }
    /// Asks all tasks to end, and waits until they have.
    pub async fn end(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}
