//! Connects to a Diminuendo gateway, creates a session, gives it something to do, and prints what happens.
//!
//! ```text
//! GATEWAY_URL=ws://127.0.0.1:7717/diminuendo/ws cargo run -p rejoin-sdk --example diminuendo_complete
//! ```

use std::io::Write;

use rejoin_sdk::diminuendo::event::{TextDelta, ToolCall, ToolResult, TurnComplete, TurnError, TurnStarted};
use rejoin_sdk::diminuendo::{Client, ClientOptions, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = std::env::var("GATEWAY_URL").unwrap_or("ws://localhost:8080/ws".to_owned());
    let token = std::env::var("GATEWAY_TOKEN").unwrap_or_default();
    run(ClientOptions { token, ..ClientOptions::new(url) }).await
}

pub(crate) async fn run(options: ClientOptions) -> Result<(), Error> {
    let client = Client::new(options);

    // Connect and authenticate.
    client.connect().await?;
    println!("Authenticated as {}", client.identity().map(|identity| identity.email).unwrap_or_default());

    // Create a session.
    let session = client.create_session("coding-agent", Some("Bug Fix Session")).await?;
    println!("Created session: {}", session.id);

    // Join and get current state.
    let snapshot = client.join_session(&session.id, None).await?;
    println!("Session status: {}", snapshot.session.status);

    // Listen for events.
    client.on(|event: &TurnStarted| println!("Turn started: {}", event.turn_id));
    client.on(|event: &TextDelta| {
        print!("{}", event.text);
        let _ = std::io::stdout().flush(); // words show as they come
    });
    client.on(|event: &ToolCall| println!("\nTool call: {}({})", event.tool_name, event.args));
    client.on(|event: &ToolResult| println!("Tool result [{}]: {}", event.status, event.output));
    let done = client.clone();
    client.on(move |_: &TurnComplete| {
        println!("\nTurn complete.");
        done.disconnect();
    });
    let failed = client.clone();
    client.on(move |event: &TurnError| {
        eprintln!("Turn error: {}", event.message);
        failed.disconnect();
    });

    // Start a turn.
    client.run_turn(&session.id, "Fix the authentication bug in src/auth.ts", None)?;
    client.closed().await;
    Ok(())
}
