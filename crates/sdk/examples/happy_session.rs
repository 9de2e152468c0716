//! Runs a Happy session whose agent repeats what people say: signs in, tells its state, asks before it does something, and
//! ends when people want it to.
//!
//! ```text
//! HAPPY_SERVER_URL=http://127.0.0.1:7717/happy cargo run -p rejoin-sdk --example happy_session
//! ```
//!
//! Whoever has signed in before (`access.key` in `HAPPY_HOME_DIR`) stays who they are; otherwise a link is shown, which the
//! app on a phone answers.

use std::time::Duration;

use rejoin_sdk::happy::payload::{
    AcpMessage, AcpProvider, Drive, Meta, Metadata, PermissionMode, SessionEvent, Setting, Usage,
};
use rejoin_sdk::happy::{
    Account, Error, Home, NewSession, Options, OutboxOptions, Permission, SessionClient, SessionOptions, SignIn,
};
use serde_json::json;
use tokio::sync::mpsc;

/// How long the link is shown.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often the session says that it is there.
const ALIVE: Duration = Duration::from_secs(2);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let home = Home::from_env()?;
    let account = match Account::from_home(&home)? {
        Some(account) => account,
        None => sign_in(&home).await?,
    };
    run(&account, None).await
}

async fn sign_in(home: &Home) -> Result<Account, Error> {
    let mut asking = SignIn::terminal(&Options::for_server(home.server()?))?;
    println!("Open this on your phone: {}", asking.link());
    let account = asking.wait(PATIENCE).await?;
    home.save_credentials(account.credentials())?;
    Ok(account)
}

/// `outbox`: a file that keeps what is not sent yet beyond the end of this process.
pub(crate) async fn run(account: &Account, outbox: Option<std::path::PathBuf>) -> Result<(), Error> {
    // Create the session.
    let folder = std::env::current_dir().map(|folder| folder.to_string_lossy().into_owned()).unwrap_or("/".into());
    let metadata = Metadata {
        path: folder,
        host: "rejoin".into(),
        flavor: Some("acp".into()),
        lifecycle_state: Some("running".into()),
        ..Metadata::default()
    };
    let session = account.create_session(&NewSession::new(metadata)).await?;
    println!("Session {}", session.id());

    // Run it.
    let outbox = OutboxOptions { file: outbox, ..OutboxOptions::default() };
    let client = account.session_client(&session, SessionOptions { outbox, ..SessionOptions::default() })?;
    client
        .update_agent_state(|mut state| {
            state.controlled_by_user = Some(false);
            state
        })
        .await?;

    // What people may want of it, besides saying something. They also run commands and look at files: that is built in.
    let (ended, mut end) = mpsc::channel(1);
    client.answer_permissions();
    client.on_kill_session(move || {
        let _ = ended.try_send(()); // once is enough
        async { Ok::<_, String>(()) }
    });
    let aborted = client.clone();
    client.on_abort(move |reason| {
        let aborted = aborted.clone();
        async move { aborted.withdraw_permissions(reason.as_deref().unwrap_or("aborted")).await }
    });

    // Say that it is there, listen, and answer.
    let mut people = client.user_messages();
    let mut alive = tokio::time::interval(ALIVE);
    loop {
        tokio::select! {
            _ = alive.tick() => client.keep_alive(false, Drive::Remote),
            _ = end.recv() => break,
            said = people.next() => match said {
                Some(said) => answer(&client, said.message.text(), said.message.meta.as_ref()).await?,
                None => break,
            },
        }
    }

    // Say goodbye, and wait until the server has heard it.
    client
        .update_metadata(|mut metadata| {
            metadata.archive("cli", "User terminated", 0);
            metadata
        })
        .await?;
    client.send_session_death();
    client.flush().await?;
    client.close();
    Ok(())
}

async fn answer(client: &SessionClient, text: &str, meta: Option<&Meta>) -> Result<(), Error> {
    println!("> {text}");
    let id = format!("task-{}", client.cursor());
    client.keep_alive(true, Drive::Remote);
    client.send_agent_message(AcpProvider::Claude, AcpMessage::TaskStarted { id: id.clone() })?;
    if let Some(Setting::To(model)) = meta.map(|meta| &meta.model) {
        println!("(with {model})");
    }

    // Ask first, unless people said that there is no need.
    let mode = meta.and_then(|meta| meta.permission_mode.as_ref());
    let may = match mode {
        Some(PermissionMode::BypassPermissions | PermissionMode::Yolo) => true,
        _ => {
            let asked = client.ask_permission(&id, "Repeat", json!({ "text": text })).await?;
            matches!(asked, Permission::Answered(answer) if answer.approved)
        }
    };
    let message = if may { format!("You said: {text}") } else { "Then I say nothing.".to_owned() };
    client.send_agent_message(AcpProvider::Claude, AcpMessage::Message { message })?;
    let tokens = text.split_whitespace().count() as u64;
    client.send_usage_data(&Usage { input_tokens: tokens, output_tokens: tokens, ..Usage::default() });
    client.send_agent_message(AcpProvider::Claude, AcpMessage::TaskComplete { id })?;
    client.send_session_event(SessionEvent::Ready, None)?;
    client.keep_alive(false, Drive::Remote);
    Ok(())
}
