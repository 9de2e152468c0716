//! Nothing that is said to a session is lost, doubled or out of order.

use rejoin_happy::client::{NewSession, SessionNews, SessionOptions, Start, Status};
use rejoin_happy::payload::{Message, SessionEvent};
use serde_json::json;

use super::standin::{PATIENCE, Standin, metadata};

async fn next(stream: &mut rejoin_happy::client::UserMessages) -> String {
    stream.next().await.expect("the client is open").message.text().to_owned()
}

#[tokio::test]
async fn what_is_said_while_nobody_listens_is_heard_later_and_in_order() {
    let standin = Standin::start().await;
    let (session, client) = standin.session().await;
    let mut stream = client.user_messages();
    standin.somebody_says(&session, "before");
    assert_eq!(next(&mut stream).await, "before");
    standin.change(|world| {
        world.is_away = true;
        world.cut();
    });
    client.status_changed(&Status::Connected).await;
    for number in 0..250 {
        standin.somebody_says(&session, &number.to_string());
    }
    standin.change(|world| world.is_away = false);
    client.connected(PATIENCE).await.unwrap();
    standin.somebody_says(&session, "after");
    for number in 0..250 {
        assert_eq!(next(&mut stream).await, number.to_string());
    }
    assert_eq!(next(&mut stream).await, "after");
    assert_eq!(client.cursor(), 252);
}

#[tokio::test]
async fn a_message_that_was_not_told_is_read_when_the_next_one_is() {
    let standin = Standin::start().await;
    let (session, client) = standin.session().await;
    let mut stream = client.user_messages();
    standin.change(|world| world.is_telling = false);
    standin.somebody_says(&session, "unheard");
    standin.change(|world| world.is_telling = true);
    standin.somebody_says(&session, "heard");
    assert_eq!(next(&mut stream).await, "unheard");
    assert_eq!(next(&mut stream).await, "heard");
}

#[tokio::test]
async fn numbers_that_were_never_given_are_no_reason_to_wait() {
    let standin = Standin::start().await;
    let (session, client) = standin.session().await;
    let mut stream = client.user_messages();
    standin.somebody_says(&session, "first");
    standin.change(|world| world.session(session.id()).unwrap().seq += 3);
    standin.somebody_says(&session, "fifth");
    assert_eq!(next(&mut stream).await, "first");
    assert_eq!(next(&mut stream).await, "fifth");
}

#[tokio::test]
async fn two_thousand_messages_are_heard_in_order_by_whoever_takes_their_time() {
    let standin = Standin::start().await;
    let (session, client) = standin.session().await;
    for number in 0..2_000 {
        standin.somebody_says(&session, &number.to_string());
        if number % 500 == 100 {
            standin.cut();
        }
    }
    let mut stream = client.user_messages();
    for number in 0..2_000 {
        assert_eq!(next(&mut stream).await, number.to_string());
    }
}

#[tokio::test]
async fn what_a_session_says_itself_is_not_said_to_it() {
    let standin = Standin::start().await;
    let (session, client) = standin.session().await;
    let mut stream = client.user_messages();
    let typed = json!({ "type": "user", "message": { "role": "user", "content": "typed here" } });
    client.send_claude_session_message(typed).unwrap().await.unwrap();
    // Also not when it is read again after a break.
    standin.cut();
    standin.somebody_says(&session, "typed there");
    assert_eq!(next(&mut stream).await, "typed there");
}

#[tokio::test]
async fn another_life_goes_on_where_the_last_one_stood() {
    let standin = Standin::start().await;
    let account = standin.account().await;
    let new = NewSession::tagged("the-tag", metadata());
    let session = account.create_session(&new).await.unwrap();
    let client = account.session_client(&session, SessionOptions::default()).unwrap();
    standin.somebody_says(&session, "first");
    let mut stream = client.user_messages();
    assert_eq!(next(&mut stream).await, "first");
    let cursor = client.cursor();
    client.close();

    standin.somebody_says(&session, "meanwhile");
    let session = account.create_session(&new).await.unwrap();
    assert_eq!(session.metadata().unwrap().host, "laptop", "the key from then is found");
    let options = SessionOptions { start: Start::After(cursor), ..SessionOptions::default() };
    let client = account.session_client(&session, options).unwrap();
    assert_eq!(next(&mut client.user_messages()).await, "meanwhile");
}

#[tokio::test]
async fn other_messages_are_news_and_so_is_what_cannot_be_opened() {
    let standin = Standin::start().await;
    let (session, client) = standin.session().await;
    let mut news = client.news();
    let event = Message::Agent(rejoin_happy::payload::AgentMessage::event("e", SessionEvent::Ready));
    let sealed = session.seal(&event).unwrap();
    standin.change(|world| world.store(session.id(), &sealed, None, None));
    standin.change(|world| world.store(session.id(), "bm90IG91cnM=", None, None));
    let unknown = json!({ "t": "something-new", "x": 1 });
    standin.change(|world| world.tell(session.id(), &unknown, None));
    let plain = json!({
        "t": "new-message", "sid": session.id(),
        "message": { "id": "m", "seq": 3, "content": { "t": "plain", "c": "x" }, "createdAt": 1, "updatedAt": 1 },
    });
    standin.change(|world| world.tell(session.id(), &plain, None));
    assert_eq!(news.next().await, Some(SessionNews::Message { seq: 1, message: Box::new(event) }));
    assert!(matches!(news.next().await, Some(SessionNews::Unreadable { seq: 2, .. })));
    assert_eq!(news.next().await, Some(SessionNews::Update(unknown)));
    let Some(SessionNews::Update(update)) = news.next().await else { panic!("it is an update") };
    assert_eq!(update["message"]["content"]["t"], "plain");
}

#[tokio::test]
async fn an_older_server_is_read_as_far_as_it_lets_us() {
    let standin = Standin::start_with("/happy", |world| world.is_old = true).await;
    let (session, client) = standin.session().await;
    let mut stream = client.user_messages();
    standin.change(|world| {
        world.is_away = true;
        world.cut();
    });
    client.status_changed(&Status::Connected).await;
    standin.somebody_says(&session, "meanwhile");
    standin.change(|world| world.is_away = false);
    assert_eq!(next(&mut stream).await, "meanwhile");
    client.connected(PATIENCE).await.unwrap();
    standin.change(|world| world.session(session.id()).unwrap().seq += 1);
    standin.somebody_says(&session, "live");
    assert_eq!(next(&mut stream).await, "live");
}
