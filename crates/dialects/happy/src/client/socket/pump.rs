//! The task behind a socket: connects, carries packets both ways, and connects again.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::super::backoff::Backoff;
use super::super::{Error, dial};
use super::{Heard, Outgoing, Shared, State, Status, carry, shake};

/// How long parting may take.
const PARTING: Duration = Duration::from_secs(1);

pub(super) struct Pump {
    pub(super) shared: Arc<Shared>,
    pub(super) auth: Value,
    pub(super) outgoing: mpsc::Receiver<Outgoing>,
    pub(super) heard: mpsc::Sender<Heard>,
}

/// Why a connection is over, or was none.
pub(super) enum Over {
    /// Somebody here wanted it.
    Stopped,
    Lost(Error),
    /// The server lets nobody in, and says why.
    Refused(String),
}

impl Pump {
    pub(super) fn new(
        shared: Arc<Shared>,
        auth: Value,
        outgoing: mpsc::Receiver<Outgoing>,
        heard: mpsc::Sender<Heard>,
    ) -> Pump {
        Pump { shared, auth, outgoing, heard }
    }

    pub(super) async fn run(mut self) {
        let options = &self.shared.options;
        let mut backoff = Backoff::new(options.reconnect_delay, options.longest_delay);
        let stop = self.shared.stop.clone();
        let last = loop {
            match self.one_connection(&mut backoff).await {
                Over::Stopped => break Status::Closed,
                Over::Refused(why) => {
                    tracing::warn!(why, "happy: the server refuses the connection");
                    break Status::Refused(why);
                }
                Over::Lost(error) => tracing::debug!(%error, "happy: there is no connection"),
            }
            let wait = backoff.next_wait();
            tokio::select! {
                () = stop.cancelled() => break Status::Closed,
                () = sleep(wait) => {}
            }
        };
        self.outgoing.close();
        self.shared.state.send_modify(|state| state.status = last.clone());
        self.shared.calls.clear();
        if matches!(last, Status::Refused(_)) {
            let _ = self.heard.send(Heard::Refused).await; // nobody may listen any more
        }
    }

    async fn one_connection(&mut self, backoff: &mut Backoff) -> Over {
        let stop = self.shared.stop.clone();
        let opened = tokio::select! {
            biased;
            () = stop.cancelled() => return Over::Stopped,
            opened = timeout(self.shared.options.connect_timeout, self.open()) => opened,
        };
        let (mut line, open) = match opened {
            Ok(Ok(opened)) => opened,
            Ok(Err(over)) => return over,
            Err(_) => return Over::Lost(Error::Timeout("connecting")),
        };
        backoff.worked();
        let epoch = self.begin(&open);
        let over = match self.heard.send(Heard::Connected).await {
            Ok(()) => carry::carry(self, &mut line, epoch, &open).await,
            Err(_) => Over::Stopped,
        };
        if matches!(over, Over::Stopped) {
            // Who does not listen is left without a word.
            let _ = timeout(PARTING, self.part(&mut line, epoch)).await;
        }
        self.lost().await;
        over
    }

    async fn open(&self) -> Result<(shake::Line, shake::Opened), Over> {
        let options = &self.shared.options;
        let mut line = dial::open(options).await.map_err(Over::Lost)?;
        let opened = shake::shake(&mut line, options.server.namespace(), &self.auth).await?;
        Ok((line, opened))
    }

    fn begin(&self, open: &shake::Opened) -> u64 {
        let mut begun = 0;
        self.shared.state.send_modify(|state| {
            begun = state.epoch + 1;
            let (max_payload, confirms) = (open.max_payload, open.confirms);
            *state = State { status: Status::Connected, epoch: begun, max_payload, confirms };
        });
        begun
    }

    async fn lost(&mut self) {
        self.shared.state.send_modify(|state| {
            state.status = Status::Connecting;
            state.epoch += 1;
        });
        self.shared.calls.clear();
        // What was meant for this connection goes with it.
        while self.outgoing.try_recv().is_ok() {}
        let _ = self.heard.send(Heard::Lost).await; // nobody may listen any more
    }

    /// Sends what was said before the end, and goodbye.
    async fn part(&mut self, line: &mut shake::Line, epoch: u64) {
        while let Ok(outgoing) = self.outgoing.try_recv() {
            if outgoing.epoch == epoch && carry::write(line, outgoing.packet).await.is_err() {
                return;
            }
        }
        carry::goodbye(line, self.shared.options.server.namespace()).await;
    }
}
