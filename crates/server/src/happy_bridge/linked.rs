//! Somebody who is linked, as their shared sessions see them.

use std::sync::Arc;

use rejoin_core::who::{Author, Identity};
use rejoin_happy::client::Account;
use rejoin_ports::gateway::Caller;
use rejoin_ports::sign_in::{SignedIn, Standing};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::kept::Whose;
use super::outward;

pub(super) struct Linked {
    pub(super) whose: Whose,
    pub(super) account: Account,
    pub(super) signed_in: SignedIn,
    author: Arc<Author>,
    /// Why the server lets us in no more.
    refused: watch::Sender<Option<String>>,
    /// Ends everything that belongs to the link, at once.
    pub(super) stop: CancellationToken,
    /// It was unlinked: nothing begins any more, and what is shared says goodbye by itself.
    pub(super) left: CancellationToken,
}

impl Linked {
    pub(super) fn new(whose: Whose, account: Account, signed_in: SignedIn, stop: CancellationToken) -> Linked {
        let author = Arc::new(outward::author(&whose.user));
        Linked {
            whose,
            account,
            signed_in,
            author,
            refused: watch::Sender::default(),
            stop,
            left: CancellationToken::new(),
        }
    }

    /// With the role that they have now.
    pub(super) fn identity(&self) -> Identity {
        let mut identity = self.signed_in.identity.clone();
        if let Standing::Changed(role) = *self.signed_in.standing.borrow() {
            identity.role = role;
        }
        identity
    }

    /// They, acting in their apps.
    pub(super) fn caller(&self) -> Caller {
        let (identity, author) = (self.identity(), self.author.clone());
        Caller { identity, author, capabilities: Vec::new(), speaks_control: false }
    }

    pub(super) fn refuse(&self, why: String) {
        self.refused.send_replace(Some(why));
    }

    pub(super) fn refused(&self) -> Option<String> {
        self.refused.borrow().clone()
    }

    /// Returns once the server lets us in no more.
    pub(super) async fn until_refused(&self) -> String {
        let mut refused = self.refused.subscribe();
        let refused = refused.wait_for(Option::is_some).await.expect("we keep the other end");
        refused.clone().expect("waited for")
    }
}
