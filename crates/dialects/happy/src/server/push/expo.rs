//! Expo's push service, as far as it is needed: messages in, a ticket for each out.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Event;
use crate::server::outside;

/// Messages of one request.
const AT_ONCE: usize = 100;
/// How long all of it may take.
const DEADLINE: Duration = Duration::from_secs(8);
/// The longest answer: a hundred tickets with their reasons.
const LONGEST: usize = 1 << 20;

/// What came of a sending.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) delivered: usize,
    /// Tokens of phones that do not have the app any more.
    pub(super) gone: Vec<String>,
}

#[derive(Deserialize)]
struct Tickets {
    #[serde(default)]
    data: Vec<Ticket>,
}

#[derive(Deserialize)]
struct Ticket {
    status: String,
    #[serde(default)]
    details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    error: Option<String>,
}

/// Sends an event to phones. Whatever was not taken in time was not delivered.
pub(super) async fn send(client: &reqwest::Client, url: &str, tokens: &[String], session: &str, event: &Event) -> Sent {
    let mut sent = Sent::default();
    let all = async {
        for tokens in tokens.chunks(AT_ONCE) {
            match send_some(client, url, tokens, session, event).await {
                Ok(tickets) => sent.count(tokens, &tickets),
                Err(error) => tracing::warn!(%error, "happy: phones were not told"),
            }
        }
    };
    if tokio::time::timeout(DEADLINE, all).await.is_err() {
        tracing::warn!("happy: phones were not told in time");
    }
    sent
}

async fn send_some(
    client: &reqwest::Client,
    url: &str,
    tokens: &[String],
    session: &str,
    event: &Event,
) -> Result<Vec<Ticket>, outside::Failed> {
    let mut data = event.data.clone();
    data.entry("sessionId").or_insert_with(|| session.into());
    data.insert("kind".to_owned(), event.kind.into());
    let message = |token: &String| {
        json!({
            "to": token,
            "title": event.title,
            "body": event.body,
            "data": data,
            "sound": "default",
            "channelId": "messages",
        })
    };
    let messages: Vec<Value> = tokens.iter().map(message).collect();
    let answer = outside::json::<Tickets>(client.post(url).json(&messages), LONGEST).await?;
    Ok(answer.data)
}

impl Sent {
    fn count(&mut self, tokens: &[String], tickets: &[Ticket]) {
        for (token, ticket) in tokens.iter().zip(tickets) {
            let why = ticket.details.as_ref().and_then(|details| details.error.as_deref());
            match (ticket.status.as_str(), why) {
                ("ok", _) => self.delivered += 1,
                (_, Some("DeviceNotRegistered")) => self.gone.push(token.clone()),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::extract::Json;
    use axum::routing::post;

    use super::*;

    /// Answers as Expo does, for phones whose token says what becomes of them.
    async fn expo() -> String {
        let answer = async |Json(messages): Json<Vec<Value>>| {
            let ticket = |message: &Value| match message["to"].as_str().unwrap() {
                "gone" => json!({ "status": "error", "details": { "error": "DeviceNotRegistered" } }),
                "busy" => json!({ "status": "error", "details": { "error": "MessageRateExceeded" } }),
                _ => {
                    assert_eq!(message["data"], json!({ "sessionId": "s", "more": 1, "kind": "done" }));
                    assert_eq!((&message["sound"], &message["channelId"]), (&json!("default"), &json!("messages")));
                    json!({ "status": "ok", "id": "1" })
                }
            };
            assert!(messages.len() <= 100);
            Json(json!({ "data": messages.iter().map(ticket).collect::<Vec<_>>() }))
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/send", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/send", post(answer))).await });
        url
    }

    fn event() -> Event {
        let data = json!({ "more": 1 }).as_object().unwrap().clone();
        Event { kind: "done", title: "Done".into(), body: "All of it".into(), data }
    }

    #[tokio::test]
    async fn phones_are_told_a_hundred_at_a_time_and_those_that_are_gone_are_named() {
        let url = expo().await;
        let mut tokens: Vec<String> = (0..150).map(|n| format!("phone {n}")).collect();
        tokens.extend(["gone".to_owned(), "busy".to_owned()]);
        let sent = send(&reqwest::Client::new(), &url, &tokens, "s", &event()).await;
        assert_eq!(sent, Sent { delivered: 150, gone: vec!["gone".to_owned()] });
    }

    #[tokio::test]
    async fn nothing_is_delivered_where_nobody_answers() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/send", listener.local_addr().unwrap());
        drop(listener);
        let sent = send(&reqwest::Client::new(), &url, &["phone".to_owned()], "s", &event()).await;
        assert_eq!(sent, Sent::default());
    }
}
