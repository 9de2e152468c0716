//! `echo`: says what it was told, a word at a time.

use async_trait::async_trait;
use rejoin_ports::agent::{AgentError, AgentInfo, OpenAgent, Opening};

use crate::agent::{Agent, Tasks};
use crate::life::{self, Mind};
use crate::turn::{End, Turn};
use crate::words::words;

/// One delta per word with the blanks behind it; together they equal the prompt.
pub struct Echo;

#[async_trait]
impl Agent for Echo {
    fn info(&self) -> AgentInfo {
        AgentInfo {
            name: "echo".into(),
            title: "Echo".into(),
            description: "Says the prompt back, a word at a time.".into(),
            resumable: false,
            steerable: false,
        }
    }

    async fn open(&self, _: Opening, tasks: &Tasks) -> Result<OpenAgent, AgentError> {
        Ok(life::begin(Echo, tasks))
    }
}

#[async_trait]
impl Mind for Echo {
    async fn think(&self, turn: &Turn) -> End {
        for word in words(&turn.prompt.text) {
            turn.say_text(word).await;
        }
        End::Done
    }
}
