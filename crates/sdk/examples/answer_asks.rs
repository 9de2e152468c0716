//! Allows, once, whatever the agent of a session asks for: a careless person, as a program.
//!
//! ```text
//! cargo run -p rejoin-sdk --example answer_asks -- SESSION
//! ```

use rejoin_sdk::types::ask::{Answer, Ask, AskBody};
use rejoin_sdk::types::command::Command;
use rejoin_sdk::types::event::Event;
use rejoin_sdk::types::grant::Scope;
use rejoin_sdk::types::id::SessionId;
use rejoin_sdk::{Attached, Client, CommandError, Item, JoinFrom};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("REJOIN_URL").unwrap_or("http://127.0.0.1:7717".to_owned());
    let key = std::env::var("REJOIN_KEY").unwrap_or_default();
    let client = Client::new(url, key)?;
    let session = SessionId::new(std::env::args().nth(1).ok_or("which session?")?)?;

    let mut attached = client.attach(&session, JoinFrom::Now);
    while let Some(item) = attached.next().await {
        match item? {
            // An ask waits until somebody answers, so those from before we came are still there.
            Item::Joined(view) | Item::Gap(view) => {
                view.asks.iter().for_each(|ask| answer(&attached, ask));
            }
            Item::Event(happened) => {
                if let Event::AskOpened { ask } = &happened.logged.event {
                    answer(&attached, ask);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn answer(attached: &Attached, ask: &Ask) {
    let AskBody::Permission { tool, .. } = &ask.body else {
        return println!("not for me: {}", ask.question);
    };
    println!("allowing {tool}: {}", ask.question);
    let sent = attached.send(Command::Answer {
        ask: ask.id.clone(),
        answer: Answer::Allow { scope: Scope::Once, pattern: None, input: None, duration_ms: None },
    });
    tokio::spawn(async move {
        match sent.await {
            Ok(_) => println!("allowed"),
            Err(CommandError::Refused(why)) => println!("somebody else was faster: {why}"),
            Err(error) => println!("not answered: {error}"),
        }
    });
}
