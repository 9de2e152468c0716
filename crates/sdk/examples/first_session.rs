//! Creates a session, gives it something to do, and prints the answer.
//!
//! ```text
//! REJOIN_KEY=$(cat ~/.local/share/rejoin/owner.key) cargo run -p rejoin-sdk --example first_session
//! ```

use rejoin_sdk::types::event::Event;
use rejoin_sdk::types::turn::Outcome;
use rejoin_sdk::{Client, Error, Item, JoinFrom, NewSession};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = std::env::var("REJOIN_URL").unwrap_or("http://127.0.0.1:7717".to_owned());
    let key = std::env::var("REJOIN_KEY").unwrap_or_default();
    let client = Client::new(url, key)?;

    let new = NewSession::with_agent("echo").titled("My first session");
    let session = client.create(new).await?;
    println!("session {}", session.header.id);

    let prompt = "What is shown is kept.";
    client.prompt(&session.header.id, prompt).await?;

    // Whatever happened before we came is told too: nothing is missed by attaching late.
    let mut attached = client.attach(&session.header.id, JoinFrom::Start);
    while let Some(item) = attached.next().await {
        let Item::Event(happened) = item? else {
            continue;
        };
        match happened.logged.event {
            Event::PartDelta { text, .. } => print!("{text}"),
            Event::TurnEnded { outcome, .. } => {
                println!();
                if outcome != Outcome::Completed {
                    println!("{outcome:?}");
                }
                break;
            }
            _ => {}
        }
    }
    Ok(())
}
