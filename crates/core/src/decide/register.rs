//! Registers and sealed messages: what end-to-end encrypted clients keep with us, unread.

use super::Decider;
use crate::event::Event;
use crate::header::SessionKind;
use crate::refusal::Refusal;
use crate::register::{self, MOST_REGISTERS};
use crate::sealed::Sealing;
use crate::who::{Kind, Verb};

impl Decider<'_> {
    pub(super) fn set_register(&mut self, name: String, expected: u64, value: Option<String>) -> Result<(), Refusal> {
        let held = self.session.registers.get(&name);
        let version = held.map_or(0, |register| register.version);
        if version != expected {
            return Err(Refusal::VersionMismatch { version, value: held.and_then(|register| register.value.clone()) });
        }
        register::check(&name, value.as_deref())?;
        if held.is_none() && self.session.registers.len() >= MOST_REGISTERS {
            return Err(Refusal::TooLong);
        }
        self.emit(Event::RegisterSet { name, version: version + 1, value });
        Ok(())
    }

    /// Adds sealed messages as one decision: all of them, in their order and numbered without a hole, or none.
    pub fn seal(&mut self, messages: Vec<Sealing>) -> Result<(), Refusal> {
        if self.facts.role.is_some_and(|role| !role.may(Verb::Write, Kind::Session)) {
            return Err(Refusal::Forbidden);
        }
        if self.session.header.kind != SessionKind::Sealed {
            return Err(Refusal::NotSealed);
        }
        messages.iter().try_for_each(Sealing::check)?;
        for Sealing { content, local } in messages {
            let id = self.mint();
            let number = self.session.sealed + 1;
            self.emit(Event::SealedAdded { id, number, local, content });
        }
        Ok(())
    }
}
