//! A service called `paper`, which links at once and shows what it is handed.

use async_trait::async_trait;
use rejoin_core::id::SessionId;
use rejoin_core::refusal::Refusal;
use rejoin_core::who::{Kind, Verb};
use rejoin_ports::gateway::{Caller, Failure};
use rejoin_ports::integrations::{Integrations, Link, LinkStanding, NewLink, Share, ShareStanding};

use super::{Fake, NOW};

const PAPER: &str = "paper";

impl Fake {
    fn paper(&self, caller: &Caller, kind: &str) -> Result<Link, Failure> {
        if kind != PAPER {
            return Err(Failure::NotFound("integration"));
        }
        if !caller.identity.role.may(Verb::Write, Kind::Session) {
            return Err(Refusal::Forbidden.into());
        }
        Ok(Link { kind: PAPER.to_owned(), ..self.state().link.clone() })
    }

    fn linked(&self, caller: &Caller, kind: &str) -> Result<(), Failure> {
        match self.paper(caller, kind)?.standing {
            LinkStanding::Linked => Ok(()),
            _ => Err(Failure::NotFound("link")),
        }
    }
}

#[async_trait]
impl Integrations for Fake {
    fn kinds(&self) -> Vec<&'static str> {
        vec![PAPER]
    }
    async fn link(&self, caller: &Caller, kind: &str) -> Result<Link, Failure> {
        self.paper(caller, kind)
    }
    async fn begin_link(&self, caller: &Caller, kind: &str, new: NewLink) -> Result<Link, Failure> {
        self.paper(caller, kind)?;
        let standing = LinkStanding::Linked;
        self.state().link = Link { standing, server: new.server, since: Some(NOW), ..Link::default() };
        self.paper(caller, kind)
    }
    async fn unlink(&self, caller: &Caller, kind: &str) -> Result<(), Failure> {
        self.paper(caller, kind)?;
        let mut state = self.state();
        (state.link, state.shares) = (Link::default(), Vec::new());
        Ok(())
    }
    async fn share_new(&self, caller: &Caller, kind: &str, all: bool) -> Result<Link, Failure> {
        self.linked(caller, kind)?;
        self.state().link.share_new = all;
        self.paper(caller, kind)
    }
    async fn shared(&self, caller: &Caller, kind: &str) -> Result<Vec<Share>, Failure> {
        self.paper(caller, kind)?;
        Ok(self.state().shares.clone())
    }
    async fn share(&self, caller: &Caller, kind: &str, session: &SessionId) -> Result<Share, Failure> {
        self.linked(caller, kind)?;
        let mut state = self.state();
        let known = state.sessions.get(session).is_some_and(|kept| kept.fold.header.tenant == caller.identity.tenant);
        if !known {
            return Err(Failure::NotFound("session"));
        }
        let standing = ShareStanding::Live;
        let share =
            Share { session: session.clone(), standing, since: NOW, known_as: None, position: None, error: None };
        state.shares.push(share.clone());
        Ok(share)
    }
    async fn unshare(&self, caller: &Caller, kind: &str, session: &SessionId) -> Result<(), Failure> {
        self.paper(caller, kind)?;
        self.state().shares.retain(|share| share.session != *session);
        Ok(())
    }
}
