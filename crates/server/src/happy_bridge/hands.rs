//! What people do in their apps, done to the hosted session.

use std::sync::Arc;

use rejoin_core::ask::{Answer, Ask};
use rejoin_core::command::Command;
use rejoin_core::id::{CommandId, SessionId};
use rejoin_core::part::Attachment;
use rejoin_core::refusal::Refusal;
use rejoin_core::turn::IfBusy;
use rejoin_happy::client::SessionClient;
use rejoin_happy::payload::{Decision, PermissionAnswer};
use rejoin_ports::gateway::Failure;

use super::asks::{self, FormAnswer};
use super::linked::Linked;
use super::trouble::words;
use super::world::World;

/// Acts for the one who is linked, in one session.
#[derive(Clone)]
pub(super) struct Hands {
    pub(super) world: Arc<World>,
    pub(super) linked: Arc<Linked>,
    pub(super) session: SessionId,
}

impl Hands {
    /// Answers the calls that apps make.
    pub(super) fn reach_out(&self, client: &SessionClient) {
        let hands = self.clone();
        client.on_permission(move |said| {
            let hands = hands.clone();
            async move { hands.permission(said).await.map_err(|failure| words(&failure)) }
        });
        let hands = self.clone();
        client.on_abort(move |_| {
            let hands = hands.clone();
            async move { hands.interrupt().await.map_err(|failure| words(&failure)) }
        });
        let hands = self.clone();
        client.on_kill_session(move || {
            let hands = hands.clone();
            async move { hands.close().await.map_err(|failure| words(&failure)) }
        });
        // Whoever types elsewhere is not in the way: there is nothing to switch.
        client.on_switch(async |_| Ok::<_, String>(true));
        let hands = self.clone();
        client.rpc().register_typed("communication", move |said: FormAnswer| {
            let hands = hands.clone();
            async move { hands.form(said).await.map_err(|failure| words(&failure)) }
        });
    }

    /// A prompt. `name` is the same however often it comes, so it is done once.
    pub(super) async fn prompt(&self, name: &str, text: String, attachments: Vec<Attachment>) -> Result<(), Failure> {
        let id = CommandId::new(name)
            .map_err(|_| Failure::Invalid { field: "message", why: "its session's name is too long".into() })?;
        let reference = Some(name.to_owned());
        let command = Command::Prompt { text, attachments, if_busy: IfBusy::Queue, reference };
        self.run(id, command).await
    }

    pub(super) async fn archive(&self) -> Result<(), Failure> {
        self.run_now(Command::Archive).await
    }

    async fn permission(&self, said: PermissionAnswer) -> Result<(), Failure> {
        // What nobody waits for is passed over: the state tells who was faster.
        let Some(ask) = self.waiting(&said.id).await? else { return Ok(()) };
        let stops = said.decision == Some(Decision::Abort);
        self.answer(&ask, asks::permission(&ask, said)).await?;
        if stops { self.interrupt().await } else { Ok(()) }
    }

    async fn form(&self, said: FormAnswer) -> Result<(), Failure> {
        let Some(ask) = self.waiting(&said.id).await? else { return Ok(()) };
        self.answer(&ask, asks::filled(&ask, &said)).await
    }

    async fn interrupt(&self) -> Result<(), Failure> {
        self.run_now(Command::Interrupt { reason: None, clear_queue: false }).await
    }

    async fn close(&self) -> Result<(), Failure> {
        // In this order: what waits in the queue must not begin in between.
        self.run_now(Command::Close).await?;
        self.interrupt().await
    }

    async fn waiting(&self, name: &str) -> Result<Option<Ask>, Failure> {
        let view = self.world.sessions.view(&self.linked.identity(), &self.session).await?;
        Ok(asks::named(&view.asks, name).cloned())
    }

    async fn answer(&self, ask: &Ask, answer: Answer) -> Result<(), Failure> {
        self.run_now(Command::Answer { ask: ask.id.clone(), answer }).await
    }

    /// Does something that may be so already.
    async fn run_now(&self, command: Command) -> Result<(), Failure> {
        match self.run(CommandId::from(uuid::Uuid::now_v7()), command).await {
            Err(Failure::Refused(refusal)) if is_done(&refusal) => Ok(()),
            outcome => outcome,
        }
    }

    async fn run(&self, id: CommandId, command: Command) -> Result<(), Failure> {
        self.world.sessions.run(&self.linked.caller(), &self.session, id, command).await.map(drop)
    }
}

/// Whether it was so before we came.
fn is_done(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::NotWaiting(_) | Refusal::NotRunning | Refusal::Closed | Refusal::Archived | Refusal::Ended
    )
}
