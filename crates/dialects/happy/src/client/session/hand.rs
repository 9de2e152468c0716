//! Opens messages and hands them to whoever wants them.

use async_trait::async_trait;

use super::super::inbox::Hand;
use super::super::key::Key;
use super::super::outbox::Outbox;
use super::super::stream::Streams;
use super::SessionNews;
use super::users::{UserText, Users};
use crate::payload;
use crate::wire::{Body, Content, Message};

pub(super) struct SessionHand {
    pub(super) session: String,
    pub(super) key: Key,
    pub(super) outbox: Outbox,
    pub(super) users: Users,
    pub(super) news: Streams<SessionNews>,
}

#[async_trait]
impl Hand<SessionNews> for SessionHand {
    async fn message(&self, message: Message) {
        if message.local_id.as_deref().is_some_and(|local_id| self.outbox.is_own(local_id)) {
            return;
        }
        if message.content.t != Content::ENCRYPTED {
            let body = Body::NewMessage { sid: self.session.clone(), message };
            let body = serde_json::to_value(body).unwrap_or_default();
            return self.news.tell(SessionNews::Update(body)).await;
        }
        let Message { seq, id, content, .. } = message;
        match self.key.open_message(&content.c) {
            Ok(payload::Message::User(message)) => self.users.give(UserText { seq, message }).await,
            Ok(message) => self.news.tell(SessionNews::Message { seq, message: Box::new(message) }).await,
            Err(error) => {
                tracing::debug!(message = id, %error, "happy: a message cannot be opened");
                self.news.tell(SessionNews::Unreadable { seq, id }).await;
            }
        }
    }

    async fn other(&self, news: SessionNews) {
        self.news.tell(news).await;
    }
}
