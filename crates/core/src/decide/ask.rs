//! Asks: opening, answering once, remembering, expiring.

use super::Decider;
use crate::ask::{Answer, Ask, AskBody, Authority, Intent, MOST_ASKS, Unanswered};
use crate::event::Event;
use crate::grant::{Grant, Remembered, Scope, remembered};
use crate::happening::NewAsk;
use crate::id::{AskId, GrantId};
use crate::pattern::Pattern;
use crate::position::Millis;
use crate::refusal::Refusal;
use crate::turn::Outcome;
use crate::value::shallow;

impl Decider<'_> {
    /// An agent wants to know something. What grants remember is not asked again.
    pub(super) fn asked(&mut self, mut new: NewAsk) {
        let Some(turn) = self.session.turn.as_ref().map(|turn| turn.id.clone()) else {
            return;
        };
        if self.session.asks.contains_key(&new.id) {
            return; // said twice
        }
        if self.session.asks.len() >= MOST_ASKS {
            let message = format!("more than {MOST_ASKS} asks are open");
            return self.end_turn(Outcome::Failed { code: "too_many_asks".into(), message, retry_ms: None });
        }
        if let AskBody::Permission { input, .. } | AskBody::Capability { input, .. } = &mut new.body {
            *input = shallow(input.take());
        }
        let wait = new.expires_ms.or(self.session.config.ask_ms);
        let ask = Ask {
            id: new.id,
            turn,
            call: new.call,
            origin: None,
            question: new.question,
            body: new.body,
            authority: new.authority,
            capabilities: new.capabilities,
            opened_at: self.now,
            deadline: wait.map(|wait| self.now.saturating_add(wait)),
            bookmark: new.bookmark,
        };
        let known = match &ask.body {
            AskBody::Permission { tool, intents, .. } => {
                let grants = self.session.grants.values().chain(&self.facts.workspace_grants);
                remembered(grants, tool, intents, self.now)
            }
            _ => Remembered::Unknown,
        };
        match known {
            Remembered::Allowed(grants) => self.emit(Event::AskRemembered { ask, allowed: true, grants }),
            Remembered::Denied(grant) => self.emit(Event::AskRemembered { ask, allowed: false, grants: vec![grant] }),
            Remembered::Unknown => self.emit(Event::AskOpened { ask }),
        }
    }

    /// A child asks: the root shows it, and sends the answer down.
    pub fn mirror_ask(&mut self, ask: Ask) {
        if self.session.asks.len() < MOST_ASKS && !self.session.asks.contains_key(&ask.id) {
            self.emit(Event::AskOpened { ask });
        }
    }

    /// The child's ask is settled, so its copy is too.
    pub fn mirror_settled(&mut self, event: Event) {
        let id = match &event {
            Event::AskAnswered { ask, .. } | Event::AskClosed { ask, .. } => ask,
            _ => return,
        };
        if self.session.asks.get(id).is_some_and(|ask| ask.origin.is_some()) {
            self.emit(event);
        }
    }

    /// The first fitting answer wins; whoever comes later is told that nobody waits.
    pub(super) fn answer(&mut self, id: &AskId, answer: Answer) -> Result<(), Refusal> {
        let ask = self.check_answer(id, &answer)?;
        self.emit(Event::AskAnswered { ask: ask.id.clone(), answer: answer.clone(), call: ask.call.clone() });
        // A copy's grants belong to the child that asked.
        if ask.origin.is_none() {
            self.remember(&ask, &answer);
        }
        Ok(())
    }

    /// Whether this answer would be taken; and the ask it is for.
    pub fn check_answer(&self, id: &AskId, answer: &Answer) -> Result<Ask, Refusal> {
        let ask = self.session.asks.get(id).ok_or_else(|| Refusal::NotWaiting(id.clone()))?.clone();
        self.check_authority(&ask)?;
        let length = serde_json::to_string(answer).map_or(usize::MAX, |text| text.len());
        if length > crate::ask::LONGEST_ANSWER || answer.is_too_deep() {
            return Err(Refusal::TooLong);
        }
        if ask.fits(answer) { Ok(ask) } else { Err(Refusal::WrongAnswer) }
    }

    /// Whether the author may answer this ask at all.
    fn check_authority(&self, ask: &Ask) -> Result<(), Refusal> {
        if !ask.capabilities.iter().all(|needed| self.facts.capabilities.contains(needed)) {
            return Err(Refusal::NotEligible);
        }
        let bound = ask.authority == Authority::Controller && self.facts.speaks_control;
        if bound || self.session.config.strict_control {
            self.check_holder()?;
        }
        Ok(())
    }

    fn remember(&mut self, ask: &Ask, answer: &Answer) {
        let AskBody::Permission { tool, intents, .. } = &ask.body else {
            return;
        };
        let (allowed, scope, pattern, duration) = match answer {
            Answer::Allow { scope, pattern, duration_ms, .. } => (true, *scope, pattern, *duration_ms),
            Answer::Deny { scope, pattern, .. } => (false, *scope, pattern, None),
            _ => return,
        };
        for intent in intents {
            // A scope that was not offered is not remembered; the answer itself still holds this once.
            if scope == Scope::Once || !intent.scopes.contains(&scope) {
                continue;
            }
            let patterns: Vec<Pattern> =
                pattern.clone().map_or_else(|| intent.targets.clone(), |pattern| vec![pattern]);
            for pattern in patterns {
                let grant = self.grant(ask, tool, intent, allowed, scope, pattern, duration);
                self.emit(Event::GrantAdded { grant });
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one grant has as many sides")]
    fn grant(
        &mut self,
        ask: &Ask,
        tool: &str,
        intent: &Intent,
        allowed: bool,
        scope: Scope,
        pattern: Pattern,
        duration: Option<Millis>,
    ) -> Grant {
        Grant {
            id: self.mint(),
            allowed,
            scope,
            workspace: if scope == Scope::Workspace { self.session.header.workspace.clone() } else { None },
            tool: tool.to_owned(),
            resource: intent.resource.clone(),
            action: Some(intent.action.clone()),
            pattern,
            granted_at: self.now,
            granted_by: self.author.user.clone(),
            expires_at: duration.map(|duration| self.now.saturating_add(duration)),
            ask: Some(ask.id.clone()),
            description: Some(ask.question.clone()),
        }
    }

    pub(super) fn revoke(&mut self, grant: GrantId) -> Result<(), Refusal> {
        let known =
            self.session.grants.contains_key(&grant) || self.facts.workspace_grants.iter().any(|held| held.id == grant);
        if !known {
            return Err(Refusal::NoSuchGrant(grant));
        }
        self.emit(Event::GrantRevoked { grant });
        Ok(())
    }

    /// The agent takes an ask back.
    pub(super) fn withdraw(&mut self, id: &AskId) {
        if let Some(ask) = self.session.asks.get(id).filter(|ask| ask.origin.is_none()).cloned() {
            self.emit(Event::AskClosed { ask: ask.id, reason: Unanswered::Withdrawn, call: ask.call });
        }
    }

    pub(super) fn expire_asks(&mut self) {
        let due = |ask: &&Ask| ask.origin.is_none() && ask.deadline.is_some_and(|deadline| deadline <= self.now);
        let expired: Vec<_> = self.session.asks.values().filter(due).cloned().collect();
        for ask in expired {
            self.emit(Event::AskClosed { ask: ask.id, reason: Unanswered::Expired, call: ask.call });
        }
    }

    fn check_holder(&self) -> Result<(), Refusal> {
        match self.session.control.holder() {
            None => Ok(()),
            Some(holder) if self.holder().as_ref() == Some(holder) => Ok(()),
            Some(holder) => Err(Refusal::NotController { holder: Some(holder.clone()) }),
        }
    }

    /// Control binds the clients that speak of it; the others act as their role allows, unless the session is strict.
    pub(super) fn check_control(&self) -> Result<(), Refusal> {
        if self.facts.role.is_none() {
            return Ok(());
        }
        let strict = self.session.config.strict_control;
        self.session.control.check(self.holder().as_ref(), self.facts.speaks_control, strict)
    }
}
