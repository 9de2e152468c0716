//! The services that can show people's sessions, by their names.

use std::sync::Arc;

use async_trait::async_trait;
use rejoin_core::id::SessionId;
use rejoin_core::refusal::Refusal;
use rejoin_core::who::{Kind, Verb};
use rejoin_ports::gateway::{Caller, Failure};
use rejoin_ports::integrations::{Integrations, Link, NewLink, Share};

use crate::happy_bridge::HappyBridge;

const HAPPY: &str = "happy";

pub(crate) struct Services {
    pub(crate) happy: Arc<HappyBridge>,
}

impl Services {
    /// Whoever may not act in sessions hands none of them on.
    fn of(&self, caller: &Caller, kind: &str) -> Result<&Arc<HappyBridge>, Failure> {
        if kind != HAPPY {
            return Err(Failure::NotFound("integration"));
        }
        match caller.identity.role.may(Verb::Write, Kind::Session) {
            true => Ok(&self.happy),
            false => Err(Refusal::Forbidden.into()),
        }
    }
}

fn named(link: Link) -> Link {
    Link { kind: HAPPY.to_owned(), ..link }
}

#[async_trait]
impl Integrations for Services {
    fn kinds(&self) -> Vec<&'static str> {
        vec![HAPPY]
    }
    async fn link(&self, caller: &Caller, kind: &str) -> Result<Link, Failure> {
        self.of(caller, kind)?.link(caller).await.map(named)
    }
    async fn begin_link(&self, caller: &Caller, kind: &str, new: NewLink) -> Result<Link, Failure> {
        self.of(caller, kind)?.begin(caller, new).await.map(named)
    }
    async fn unlink(&self, caller: &Caller, kind: &str) -> Result<(), Failure> {
        self.of(caller, kind)?.unlink(caller).await
    }
    async fn share_new(&self, caller: &Caller, kind: &str, all: bool) -> Result<Link, Failure> {
        self.of(caller, kind)?.share_new(caller, all).await.map(named)
    }
    async fn shared(&self, caller: &Caller, kind: &str) -> Result<Vec<Share>, Failure> {
        self.of(caller, kind)?.shared(caller).await
    }
    async fn share(&self, caller: &Caller, kind: &str, session: &SessionId) -> Result<Share, Failure> {
        self.of(caller, kind)?.share(caller, session).await
    }
    async fn unshare(&self, caller: &Caller, kind: &str, session: &SessionId) -> Result<(), Failure> {
        self.of(caller, kind)?.unshare(caller, session).await
    }
}
