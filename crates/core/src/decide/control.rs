//! Control: claim, release, takeover and grace.

use super::Decider;
use crate::control::{Control, ControlReason, GRACE_MS, Holder, TAKEOVER_MS, Takeover};
use crate::event::Event;
use crate::id::ClientId;
use crate::refusal::Refusal;

impl Decider<'_> {
    pub(super) fn claim(&mut self, quietly: bool) -> Result<(), Refusal> {
        let me = self.holder().ok_or(Refusal::ClientRequired)?;
        let reason = match &self.session.control {
            Control::Free if quietly => ControlReason::AutoClaimed,
            Control::Free => ControlReason::Claimed,
            Control::Held { holder, .. } if *holder == me => return Ok(()),
            Control::Grace { holder, .. } if *holder == me => ControlReason::GraceReattached,
            _ if quietly => return Ok(()),
            _ => return Err(Refusal::AlreadyControlled),
        };
        self.give(me, reason);
        Ok(())
    }

    pub(super) fn release(&mut self) -> Result<(), Refusal> {
        let me = self.holder().ok_or(Refusal::ClientRequired)?;
        match &self.session.control {
            Control::Held { holder, takeover: None, .. } if *holder == me => {}
            Control::Held { holder, .. } if *holder == me => return Err(Refusal::TakeoverPending),
            Control::Grace { holder, .. } if *holder == me => return Err(Refusal::ControlInGrace),
            Control::Free => return Err(Refusal::Uncontrolled),
            held => {
                return Err(Refusal::NotController { holder: held.holder().cloned() });
            }
        }
        self.emit(Event::ControlChanged { control: Control::Free, reason: ControlReason::Released });
        Ok(())
    }

    pub(super) fn takeover(&mut self) -> Result<(), Refusal> {
        let me = self.holder().ok_or(Refusal::ClientRequired)?;
        let Control::Held { holder, since, takeover } = self.session.control.clone() else {
            return Err(match self.session.control {
                Control::Free => Refusal::Uncontrolled,
                _ => Refusal::ControlInGrace,
            });
        };
        if holder == me {
            return Err(Refusal::AlreadyController);
        }
        if takeover.is_some() {
            return Err(Refusal::TakeoverPending);
        }
        let takeover = Some(Takeover { by: me, asked_at: self.now });
        let control = Control::Held { holder, since, takeover };
        self.emit(Event::ControlChanged { control, reason: ControlReason::TakeoverRequested });
        Ok(())
    }

    pub(super) fn respond_takeover(&mut self, approve: bool, requester: Option<ClientId>) -> Result<(), Refusal> {
        let me = self.holder().ok_or(Refusal::ClientRequired)?;
        let (holder, since, takeover) = match self.session.control.clone() {
            Control::Held { holder, since, takeover } => (holder, since, takeover),
            Control::Grace { holder, .. } => {
                return Err(if holder == me {
                    Refusal::NoTakeover
                } else {
                    Refusal::NotController { holder: Some(holder) }
                });
            }
            Control::Free => return Err(Refusal::Uncontrolled),
        };
        if holder != me {
            return Err(Refusal::NotController { holder: Some(holder) });
        }
        let by = takeover.ok_or(Refusal::NoTakeover)?.by;
        if requester.is_some_and(|requester| requester != by.client) {
            return Err(Refusal::TakeoverMismatch);
        }
        if approve {
            self.give(by, ControlReason::TakeoverApproved);
        } else {
            let control = Control::Held { holder, since, takeover: None };
            self.emit(Event::ControlChanged { control, reason: ControlReason::TakeoverDenied });
        }
        Ok(())
    }

    /// The client's last connection is gone.
    pub(super) fn detached(&mut self, client: &ClientId) -> Result<(), Refusal> {
        let Control::Held { holder, since, takeover } = self.session.control.clone() else {
            return Ok(());
        };
        if holder.client != *client || holder.user != self.author.user {
            return Ok(());
        }
        match takeover {
            Some(takeover) => self.give(takeover.by, ControlReason::TakeoverAutoApproved),
            None => {
                let control = Control::Grace { holder, since, until: self.now + GRACE_MS };
                self.emit(Event::ControlChanged { control, reason: ControlReason::GraceEntered });
            }
        }
        Ok(())
    }

    pub(super) fn expire_control(&mut self) {
        match self.session.control.clone() {
            Control::Grace { until, .. } if until <= self.now => {
                self.emit(Event::ControlChanged { control: Control::Free, reason: ControlReason::GraceExpired });
            }
            Control::Held { holder, since, takeover: Some(takeover) }
                if takeover.asked_at.saturating_add(TAKEOVER_MS) <= self.now =>
            {
                // The holder is connected, or control would be in grace: silence keeps it.
                let control = Control::Held { holder, since, takeover: None };
                self.emit(Event::ControlChanged { control, reason: ControlReason::TakeoverDenied });
            }
            _ => {}
        }
    }

    fn give(&mut self, holder: Holder, reason: ControlReason) {
        let control = Control::Held { holder, since: self.now, takeover: None };
        self.emit(Event::ControlChanged { control, reason });
    }
}
