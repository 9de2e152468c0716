//! Terminals in memory: whatever is typed is put out again.

use async_trait::async_trait;
use bytes::Bytes;
use rejoin_core::id::{Ids, SessionId, TerminalId};
use rejoin_core::refusal::Refusal;
use rejoin_core::who::{Identity, Kind, Verb};
use rejoin_ports::gateway::{Caller, Failure};
use rejoin_ports::terminals::{
    NewTerminal, TerminalExit, TerminalFailure, TerminalFrom, TerminalInfo, TerminalPiece, TerminalSize,
    TerminalSnapshot, TerminalViewer, Terminals,
};
use tokio::sync::watch;

use super::{Fake, NOW};

/// One terminal.
pub(in super::super) struct Kept {
    info: TerminalInfo,
    now: watch::Sender<Now>,
}

#[derive(Debug, Clone, Default)]
struct Now {
    output: Vec<u8>,
    size: Option<TerminalSize>,
    exit: Option<TerminalExit>,
}

impl Fake {
    fn terminal<T>(
        &self,
        identity: &Identity,
        session: &SessionId,
        id: &TerminalId,
        verb: Verb,
        look: impl FnOnce(&Kept) -> T,
    ) -> Result<T, TerminalFailure> {
        self.visible(identity, session, |_| ())?;
        let state = self.state();
        let found = state.terminals.iter().find(|kept| kept.info.id == *id && kept.info.session == *session);
        let found = found.ok_or(Failure::NotFound("terminal"))?;
        if !identity.role.may(verb, Kind::Session) {
            return Err(Failure::from(Refusal::Forbidden).into());
        }
        Ok(look(found))
    }
}

impl Kept {
    fn info(&self) -> TerminalInfo {
        let now = self.now.borrow();
        TerminalInfo { size: now.size, exit: now.exit, ..self.info.clone() }
    }
}

struct Looking {
    now: watch::Receiver<Now>,
    at: Option<usize>,
    size: Option<TerminalSize>,
    is_over: bool,
}

#[async_trait]
impl TerminalViewer for Looking {
    async fn next(&mut self) -> Option<TerminalPiece> {
        loop {
            let now = self.now.borrow_and_update().clone();
            let Some(at) = self.at else {
                (self.at, self.size) = (Some(now.output.len()), now.size);
                let screen = Some(String::from_utf8_lossy(&now.output).into_owned());
                let cursor = now.output.len() as u64;
                return Some(TerminalPiece::Snapshot(TerminalSnapshot { cursor, size: now.size, screen, missed: 0 }));
            };
            if now.size != self.size {
                self.size = now.size;
                return now.size.map(TerminalPiece::Resized);
            }
            if at < now.output.len() {
                self.at = Some(now.output.len());
                return Some(TerminalPiece::Output { at: at as u64, bytes: Bytes::copy_from_slice(&now.output[at..]) });
            }
            if let Some(exit) = now.exit {
                let was_over = std::mem::replace(&mut self.is_over, true);
                return (!was_over).then_some(TerminalPiece::Exited(exit));
            }
            self.now.changed().await.ok()?;
        }
    }
}

#[async_trait]
impl Terminals for Fake {
    async fn open(
        &self,
        caller: &Caller,
        session: &SessionId,
        new: NewTerminal,
    ) -> Result<TerminalInfo, TerminalFailure> {
        self.visible(&caller.identity, session, |_| ())?;
        if !caller.identity.role.may(Verb::Write, Kind::Session) {
            return Err(Failure::from(Refusal::Forbidden).into());
        }
        let mut state = self.state();
        if state.terminals.len() >= 3 {
            return Err(TerminalFailure::TooMany { most: 3 });
        }
        let info = TerminalInfo {
            id: state.ids.mint().into(),
            session: session.clone(),
            command: new.command,
            program: "/bin/sh".into(),
            pid: 7,
            folder: "/work".into(),
            size: new.size,
            title: None,
            alternate: false,
            viewers: 0,
            created_at: NOW,
            created_by: caller.identity.user.clone(),
            exit: None,
        };
        let now = watch::Sender::new(Now { size: new.size, ..Now::default() });
        state.terminals.push(Kept { info: info.clone(), now });
        Ok(info)
    }

    async fn list(&self, identity: &Identity, session: &SessionId) -> Result<Vec<TerminalInfo>, TerminalFailure> {
        self.visible(identity, session, |_| ())?;
        let state = self.state();
        Ok(state.terminals.iter().filter(|kept| kept.info.session == *session).map(Kept::info).collect())
    }

    async fn get(
        &self,
        identity: &Identity,
        session: &SessionId,
        id: &TerminalId,
    ) -> Result<TerminalInfo, TerminalFailure> {
        self.terminal(identity, session, id, Verb::Read, Kept::info)
    }

    async fn view(
        &self,
        identity: &Identity,
        session: &SessionId,
        id: &TerminalId,
        _: TerminalFrom,
    ) -> Result<Box<dyn TerminalViewer>, TerminalFailure> {
        let now = self.terminal(identity, session, id, Verb::Read, |kept| kept.now.subscribe())?;
        Ok(Box::new(Looking { now, at: None, size: None, is_over: false }))
    }

    async fn input(
        &self,
        caller: &Caller,
        session: &SessionId,
        id: &TerminalId,
        bytes: Bytes,
    ) -> Result<(), TerminalFailure> {
        let typed = |kept: &Kept| kept.now.send_modify(|now| now.output.extend_from_slice(&bytes));
        self.terminal(&caller.identity, session, id, Verb::Write, typed)
    }

    async fn end_input(&self, caller: &Caller, session: &SessionId, id: &TerminalId) -> Result<(), TerminalFailure> {
        let ended = |kept: &Kept| kept.now.send_modify(|now| now.exit = Some(TerminalExit::Code(0)));
        self.terminal(&caller.identity, session, id, Verb::Write, ended)
    }

    async fn resize(
        &self,
        caller: &Caller,
        session: &SessionId,
        id: &TerminalId,
        size: TerminalSize,
    ) -> Result<(), TerminalFailure> {
        let resized = |kept: &Kept| {
            let has_screen = kept.now.borrow().size.is_some();
            has_screen.then(|| kept.now.send_modify(|now| now.size = Some(size)))
        };
        let resized = self.terminal(&caller.identity, session, id, Verb::Write, resized)?;
        resized.ok_or(TerminalFailure::NoScreen)
    }

    async fn close(&self, caller: &Caller, session: &SessionId, id: &TerminalId) -> Result<(), TerminalFailure> {
        let killed = |kept: &Kept| kept.now.send_modify(|now| now.exit = Some(TerminalExit::Signal(1)));
        self.terminal(&caller.identity, session, id, Verb::Write, killed)?;
        self.state().terminals.retain(|kept| kept.info.id != *id);
        Ok(())
    }
}
