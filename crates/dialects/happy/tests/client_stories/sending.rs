//! Nothing that a session says is lost, doubled or out of order.

use rejoin_happy::client::{Error, OutboxOptions, SessionClient, SessionOptions, Status};
use rejoin_happy::payload::{AcpMessage, AcpProvider, SessionEvent};
use serde_json::Value;

use super::standin::{Fault, PATIENCE, Standin};

fn say(client: &SessionClient, text: &str) -> rejoin_happy::client::Sent {
    let message = AcpMessage::Message { message: text.to_owned() };
    client.send_agent_message(AcpProvider::Claude, message).expect("there is room")
}

fn texts(said: &[Value]) -> Vec<String> {
    said.iter().map(|message| message["content"]["data"]["message"].as_str().unwrap_or_default().to_owned()).collect()
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

#[tokio::test]
async fn two_thousand_messages_arrive_in_order() {
    let standin = Standin::start().await;
    let (session, client) = standin.session().await;
    for text in numbers(2_000) {
        say(&client, &text);
    }
    client.flush().await.unwrap();
    assert_eq!(texts(&standin.said(&session)), numbers(2_000));
    assert!(standin.world().batches.iter().all(|size| *size <= 100));
    assert_eq!(client.unconfirmed(), (0, 0));
}

#[tokio::test]
async fn a_burst_survives_a_line_that_breaks_again_and_again() {
    let standin = Standin::start().await;
    let (session, client) = standin.session().await;
    standin.change(|world| {
        world.posts =
            [Fault::DoneThenCut, Fault::Cut, Fault::Status(503), Fault::DoneThenCut, Fault::Status(500)].into();
    });
    for (at, text) in numbers(500).iter().enumerate() {
        say(&client, text);
        if at == 250 {
            standin.cut();
        }
    }
    client.flush().await.unwrap();
    assert_eq!(texts(&standin.said(&session)), numbers(500));
}

#[tokio::test]
async fn what_is_said_without_a_connection_arrives_when_there_is_one() {
    let standin = Standin::start().await;
    let (session, client) = standin.session().await;
    standin.change(|world| {
        world.is_away = true;
        world.cut();
    });
    client.status_changed(&Status::Connected).await;
    let first = say(&client, "0");
    let second = say(&client, "1");
    standin.change(|world| world.is_away = false);
    assert_eq!((first.await.unwrap().seq, second.await.unwrap().seq), (1, 2));
    assert_eq!(texts(&standin.said(&session)), numbers(2));
}

#[tokio::test]
async fn a_message_that_the_server_does_not_take_is_reported_and_holds_up_nothing() {
    let standin = Standin::start().await;
    let (session, client) = standin.session().await;
    // While nothing goes out, they gather into one batch, with the bad one in its middle.
    standin.change(|world| world.posts = std::iter::repeat_n(Fault::Status(503), 3).collect());
    say(&client, "a");
    let poison = client.key().seal(&"poison").unwrap();
    standin.change(|world| world.poison = Some(poison.clone()));
    let bad = client.send_sealed(poison).unwrap();
    let (later, last) = (say(&client, "b"), say(&client, "c"));
    let error = bad.await.unwrap_err();
    assert_eq!(error.status(), Some(400));
    assert!(error.to_string().contains("body/messages/content"), "{error}");
    assert!(later.await.is_ok() && last.await.is_ok());
    assert_eq!(texts(&standin.said(&session)), ["a", "b", "c"]);
}

#[tokio::test]
async fn flushing_tells_that_a_message_was_not_taken() {
    let standin = Standin::start().await;
    let (_, client) = standin.session().await;
    let poison = client.key().seal(&"poison").unwrap();
    standin.change(|world| world.poison = Some(poison.clone()));
    client.send_sealed(poison).unwrap();
    // It may be settled before we ask, and then it is no longer news.
    let _ = client.flush().await;
    say(&client, "fine");
    assert!(client.flush().await.is_ok());
}

#[tokio::test]
async fn what_waited_when_the_process_ended_is_sent_by_the_next_one() {
    let standin = Standin::start().await;
    let folder = std::env::temp_dir().join(format!("rejoin-stories-{}", uuid::Uuid::now_v7()));
    std::fs::create_dir(&folder).unwrap();
    let outbox = OutboxOptions { file: Some(folder.join("outbox")), ..OutboxOptions::default() };
    let options = SessionOptions { outbox, ..SessionOptions::default() };
    let (session, client) = standin.session_with(options.clone()).await;
    say(&client, "0").await.unwrap();
    standin.change(|world| world.is_away = true);
    let lost = say(&client, "1");
    say(&client, "2");
    client.close();
    assert!(matches!(lost.await, Err(Error::Closed)));
    drop(client);

    standin.change(|world| world.is_away = false);
    let account = standin.account().await;
    let client = account.session_client(&session, options.clone()).unwrap();
    say(&client, "3");
    client.flush().await.unwrap();
    assert_eq!(texts(&standin.said(&session)), numbers(4));

    // Nothing is left, so the one after it sends nothing again.
    client.close();
    let client = account.session_client(&session, options).unwrap();
    client.flush().await.unwrap();
    assert_eq!(standin.said(&session).len(), 4);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_message_larger_than_a_packet_goes_over_http() {
    let standin = Standin::start().await;
    let (session, client) = standin.session().await;
    let large = "x".repeat(3 << 20);
    say(&client, &large).await.unwrap();
    assert_eq!(texts(&standin.said(&session)), [large]);
    assert_eq!(client.status(), Status::Connected);
}

#[tokio::test]
async fn an_outbox_that_is_full_says_so_until_there_is_room() {
    let standin = Standin::start().await;
    let outbox = OutboxOptions { items: 4, ..OutboxOptions::default() };
    let (session, client) = standin.session_with(SessionOptions { outbox, ..SessionOptions::default() }).await;
    standin.change(|world| world.is_away = true);
    for text in numbers(4) {
        say(&client, &text);
    }
    let full = client.send_session_event(SessionEvent::Ready, None).unwrap_err();
    assert!(matches!(full, Error::OutboxFull { items: 4, .. }), "{full}");
    standin.change(|world| world.is_away = false);
    client.outbox_room().await;
    say(&client, "4");
    client.flush().await.unwrap();
    assert_eq!(texts(&standin.said(&session)), numbers(5));
}

#[tokio::test]
async fn an_older_server_gets_messages_over_its_socket_and_each_once() {
    let standin = Standin::start_with("/happy", |world| world.is_old = true).await;
    let (session, client) = standin.session().await;
    for (at, text) in numbers(120).iter().enumerate() {
        say(&client, text);
        if at == 60 {
            standin.cut();
        }
    }
    client.flush().await.unwrap();
    assert_eq!(texts(&standin.said(&session)), numbers(120));
    let tried = standin.world().asked.iter().filter(|asked| asked.starts_with("POST /v3/")).count();
    assert_eq!(tried, 1, "it asks once whether the server is new");
}

#[tokio::test]
async fn an_older_server_cannot_take_what_fits_into_no_packet() {
    let standin = Standin::start_with("/happy", |world| world.is_old = true).await;
    let (session, client) = standin.session().await;
    let large = say(&client, &"x".repeat(2 << 20));
    let small = say(&client, "small");
    assert!(matches!(large.await, Err(Error::TooLarge { .. })));
    assert!(small.await.is_ok());
    assert_eq!(texts(&standin.said(&session)), ["small"]);
}

#[tokio::test]
async fn a_session_that_is_gone_is_an_error_for_every_message() {
    let standin = Standin::start().await;
    let (_, client) = standin.session().await;
    standin.change(|world| world.sessions.clear());
    let (first, second) = (say(&client, "0"), say(&client, "1"));
    for outcome in [first.await, second.await] {
        let error = outcome.unwrap_err();
        assert!(error.is_not_found(), "{error}");
    }
}

#[tokio::test]
async fn a_token_that_is_not_valid_any_more_is_said_out_loud() {
    for is_old in [false, true] {
        let standin = Standin::start_with("/happy", |world| world.is_old = is_old).await;
        let (_, client) = standin.session().await;
        standin.change(|world| {
            world.refuses = Some("Invalid authentication token");
            world.cut();
        });
        let mut status = client.status_changed(&Status::Connected).await;
        while !matches!(status, Status::Refused(_)) {
            status = client.status_changed(&status).await;
        }
        assert_eq!(status, Status::Refused("Invalid authentication token".into()));
        assert!(matches!(client.connected(PATIENCE).await, Err(Error::Refused(_))));
        let refused = client.update_metadata(|metadata| metadata).await.unwrap_err();
        assert!(matches!(refused, Error::Refused(_) | Error::Closed), "{refused}");
    }
}

#[tokio::test]
async fn any_other_refusal_is_tried_again() {
    let standin = Standin::start_with("/happy", |_| {}).await;
    let (_, client) = standin.session().await;
    standin.change(|world| {
        world.refuses = Some("The server is about to stop");
        world.cut();
    });
    client.status_changed(&Status::Connected).await;
    standin.change(|world| world.refuses = None);
    client.connected(PATIENCE).await.unwrap();
}
