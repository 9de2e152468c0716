//! Follows a session until it is deleted, and says when the connection comes and goes.
//!
//! ```text
//! cargo run -p rejoin-sdk --example attach -- SESSION
//! ```

use rejoin_sdk::types::id::SessionId;
use rejoin_sdk::{Client, Item, JoinFrom};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("REJOIN_URL").unwrap_or("http://127.0.0.1:7717".to_owned());
    let key = std::env::var("REJOIN_KEY").unwrap_or_default();
    let client = Client::new(url, key)?;
    let session = std::env::args().nth(1).ok_or("which session?")?;

    let mut attached = client.attach(&SessionId::new(session)?, JoinFrom::Now);
    while let Some(item) = attached.next().await {
        match item? {
            Item::Joined(view) => {
                println!("{} messages, and from here on:", view.recent.len());
            }
            Item::Event(happened) => {
                println!("{} {}", happened.position(), happened.logged.event.kind());
            }
            Item::Gap(view) => println!("the log began anew, now at {}", view.position),
            Item::CaughtUp(at) => println!("up to date at {at}"),
            Item::Connected => println!("connected"),
            Item::Reconnecting { wait, why, .. } => println!("lost ({why}); again in {wait:?}"),
            Item::Deleted => println!("deleted"),
        }
    }
    Ok(())
}
