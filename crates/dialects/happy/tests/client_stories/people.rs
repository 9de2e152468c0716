//! Somebody who sees all of an account.

use rejoin_happy::client::seal::{AccountSecret, Credentials, Link};
use rejoin_happy::client::{AskStatus, Opened, SignIn, UserNews};
use rejoin_happy::payload::{Drive, Message, UserMessage};
use rejoin_happy::wire::{Body, Ephemeral};
use serde_json::json;

use super::standin::{PATIENCE, Standin};

#[tokio::test]
async fn a_phone_sees_what_happens_and_is_told_when_it_missed_something() {
    let standin = Standin::start().await;
    let (session, client) = standin.session().await;
    let phone = standin.account().await.user_client(true);
    let mut news = phone.news();
    assert!(matches!(news.next().await, Some(UserNews::Connected)));
    let said = standin.hears("session-alive");
    client.keep_alive(true, Drive::Remote);
    said.await;
    let typed = json!({ "type": "user", "message": { "role": "user", "content": "typed" } });
    client.send_claude_session_message(typed).unwrap().await.unwrap();
    let Some(UserNews::Update(update)) = news.next().await else { panic!("it is an update") };
    assert!(matches!(&update.body, Body::NewMessage { sid, .. } if sid == session.id()));
    let Opened::Message(message) = &update.opened else { panic!("the key is found: {update:?}") };
    assert!(matches!(&**message, Message::User(message) if message.text() == "typed"));

    let changed = client.update_metadata(|mut metadata| {
        metadata.name = Some("new".into());
        metadata
    });
    changed.await.unwrap();
    let Some(UserNews::Update(update)) = news.next().await else { panic!("it is an update") };
    let Opened::SessionChange { metadata, .. } = update.opened else { panic!("it is opened") };
    assert_eq!(metadata.unwrap().name.as_deref(), Some("new"));

    let activity = json!({ "type": "activity", "id": session.id(), "active": true, "activeAt": 1, "thinking": false });
    standin.change(|world| world.lines.values().for_each(|line| line.event("ephemeral", &activity)));
    assert!(matches!(news.next().await, Some(UserNews::Ephemeral(Ephemeral::Activity { .. }))));
    standin.cut();
    assert!(matches!(news.next().await, Some(UserNews::Disconnected)));
    assert!(matches!(news.next().await, Some(UserNews::Connected)));
    phone.close();
    while news.next().await.is_some() {}
}

#[tokio::test]
async fn a_phone_follows_a_session_without_a_gap_and_speaks_in_it() {
    let standin = Standin::start().await;
    let (session, client) = standin.session().await;
    standin.somebody_says(&session, "0");
    let phone = standin.account().await.user_client(true);
    let mut followed = phone.follow(&session, 0);
    for number in 1..150 {
        standin.somebody_says(&session, &number.to_string());
        if number == 70 {
            standin.cut();
        }
    }
    for number in 0..150 {
        let next = followed.next().await.unwrap();
        let Some(Message::User(message)) = next.message else { panic!("a person said it") };
        assert_eq!((next.seq, message.text()), (number + 1, &*number.to_string()));
    }
    let posted = phone.send_user_message(&session, UserMessage::new("run the tests")).await.unwrap();
    assert_eq!(posted.seq, 151);
    assert_eq!(followed.next().await.unwrap().local_id, posted.local_id);
    let mut heard = client.user_messages();
    loop {
        let said = heard.next().await.unwrap();
        if said.seq == 151 {
            assert_eq!(said.message.text(), "run the tests");
            break;
        }
    }
}

#[tokio::test]
async fn a_message_that_is_posted_again_is_stored_once() {
    let standin = Standin::start().await;
    let (session, _client) = standin.session().await;
    let phone = standin.account().await.user_client(false);
    let message = UserMessage::new("once").into();
    let first = phone.post(&session, &message, "my-id").await.unwrap();
    standin.change(|world| world.posts = [super::standin::Fault::DoneThenCut].into());
    let again = phone.post(&session, &message, "my-id").await.unwrap();
    assert_eq!(first.seq, again.seq);
    assert_eq!(standin.said(&session).len(), 1);
}

#[tokio::test]
async fn a_phone_lets_terminals_and_devices_in() {
    let standin = Standin::start().await;
    let account = standin.account().await;
    let options = standin.options();

    let mut terminal = SignIn::terminal(&options).unwrap();
    assert!(terminal.poll().await.unwrap().is_none());
    let link: Link = terminal.link().to_string().parse().unwrap();
    assert_eq!(account.terminal_status(link.key()).await.unwrap(), (AskStatus::Pending, true));
    account.let_in(&link).await.unwrap();
    account.let_in(&link).await.unwrap();
    let in_there = terminal.wait(PATIENCE).await.unwrap();
    assert!(matches!(in_there.credentials(), Credentials::DataKey { .. }));

    // It can make sessions that the phone reads, and reads its own only.
    let new = rejoin_happy::client::NewSession::new(super::standin::metadata());
    let made = in_there.create_session(&new).await.unwrap();
    let seen = account.session(made.id()).await.unwrap().unwrap();
    assert_eq!(seen.metadata().unwrap().host, "laptop");
    assert!(in_there.session(made.id()).await.is_err());
    let again = in_there.create_session(&new).await;
    assert!(again.is_err(), "it does not have the key from then");

    let mut old = SignIn::legacy_terminal(&options).unwrap();
    assert!(old.poll().await.unwrap().is_none());
    account.let_in(&old.link()).await.unwrap();
    let in_there = old.wait(PATIENCE).await.unwrap();
    let Credentials::Legacy { secret, .. } = in_there.credentials() else { panic!("it gets the secret") };
    assert_eq!(*secret, AccountSecret::from_bytes([7; 32]));

    let nobody = SignIn::terminal(&options).unwrap();
    assert!(account.let_in(&nobody.link()).await.is_err());
}
