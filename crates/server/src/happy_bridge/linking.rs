//! A link that waits for somebody to agree to it in an app, as a terminal waits to be let in.

use std::sync::Arc;
use std::time::Duration;

use rejoin_core::position::Millis;
use rejoin_core::who::Role;
use rejoin_happy::client::seal::Credentials;
use rejoin_happy::client::{Account, Options, SignIn};
use rejoin_ports::gateway::Failure;
use rejoin_ports::integrations::{Link, LinkStanding};
use rejoin_ports::store::StoreError;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::HappyBridge;
use super::kept::{LinkRecord, Whose};
use super::trouble::words;

/// Between two looks for an answer.
const EVERY: Duration = Duration::from_secs(1);
/// How long somebody has to find their phone.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

pub(super) struct Waiting {
    show: String,
    server: String,
    since: Millis,
    error: watch::Receiver<Option<String>>,
    stop: CancellationToken,
}

impl Waiting {
    pub(super) fn link(&self) -> Link {
        Link {
            standing: LinkStanding::Waiting,
            server: Some(self.server.clone()),
            show: Some(self.show.clone()),
            since: Some(self.since),
            error: self.error.borrow().clone(),
            ..Link::default()
        }
    }

    pub(super) fn stop(&self) {
        self.stop.cancel();
    }
}

pub(super) fn begin(
    bridge: &Arc<HappyBridge>,
    whose: Whose,
    role: Role,
    server: Option<String>,
    options: &Options,
) -> Result<Waiting, Failure> {
    let unusable = |error| {
        let why = words(&error);
        Failure::Store(StoreError::Io { doing: "preparing to link", why })
    };
    let sign_in = SignIn::terminal(options).map_err(unusable)?;
    let (world, now) = (&bridge.world, bridge.world.clock.now());
    let stop = world.stop.child_token();
    let (error, error_out) = watch::channel(None);
    let waiting = Waiting {
        show: sign_in.link().to_string(),
        server: options.server.to_string(),
        since: now,
        error: error_out,
        stop: stop.clone(),
    };
    let link = LinkRecord { whose, server, account: String::new(), since: now, role, share_new: None, refused: None };
    let (bridge, tasks) = (bridge.clone(), world.tasks.clone());
    tasks.spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = wait(bridge, link, sign_in, error) => {}
        }
    });
    Ok(waiting)
}

async fn wait(
    bridge: Arc<HappyBridge>,
    mut link: LinkRecord,
    mut sign_in: SignIn,
    trouble: watch::Sender<Option<String>>,
) {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        match sign_in.poll().await {
            Ok(None) => {
                trouble.send_replace(None);
            }
            Ok(Some(account)) => {
                link.account = name(&account);
                link.since = bridge.world.clock.now();
                match bridge.agreed(link.clone(), account.credentials()).await {
                    Ok(()) => return,
                    // The answer stays there: the next look finds it again.
                    Err(error) => trouble.send_replace(Some(words(&error))),
                };
            }
            Err(error) => {
                trouble.send_replace(Some(words(&error)));
            }
        }
        sleep(EVERY).await;
    }
    bridge.gave_up(&link.whose).await;
}

/// Which account it is, as far as a terminal can know.
fn name(account: &Account) -> String {
    match account.credentials() {
        Credentials::Legacy { secret, .. } => secret.content_pair().public().to_base64(),
        Credentials::DataKey { content_key, .. } => content_key.to_base64(),
    }
}
