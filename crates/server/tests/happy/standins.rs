//! Services that a gateway asks, as far as it asks them: on loopback, and saying what a test expects of them.

use axum::Router;
use axum::extract::{Json, State};
use axum::http::HeaderMap;
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// More than any test has said to a stand-in.
const HEARD: usize = 64;

pub(crate) struct StandIn {
    /// Without a slash at its end.
    pub(crate) url: String,
    /// What it was asked.
    pub(crate) heard: mpsc::Receiver<Value>,
}

async fn stand_in(routes: Router<mpsc::Sender<Value>>) -> StandIn {
    let (told, heard) = mpsc::channel(HEARD);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    tokio::spawn(async move { axum::serve(listener, routes.with_state(told)).await });
    StandIn { url, heard }
}

/// Expo's push service, for phones whose tokens say what becomes of a message.
pub(crate) async fn expo() -> StandIn {
    let send = async |State(told): State<mpsc::Sender<Value>>, Json(messages): Json<Value>| {
        let ticket = |message: &Value| match message["to"].as_str() {
            Some("gone") => json!({ "status": "error", "details": { "error": "DeviceNotRegistered" } }),
            Some("busy") => json!({ "status": "error", "details": { "error": "MessageRateExceeded" } }),
            _ => json!({ "status": "ok", "id": "1" }),
        };
        let tickets: Vec<Value> = messages.as_array().expect("a list of messages").iter().map(ticket).collect();
        let _ = told.try_send(messages);
        Json(json!({ "data": tickets }))
    };
    stand_in(Router::new().route("/send", post(send))).await
}

/// GitHub, where the code `ann` is Ann's, `bob` is Bob's, and `stale` gives a token that is good for nothing.
pub(crate) async fn github() -> StandIn {
    let grant = async |State(told): State<mpsc::Sender<Value>>, Json(wanted): Json<Value>| {
        let code = wanted["code"].as_str().expect("a code").to_owned();
        let _ = told.try_send(wanted);
        Json(match code.as_str() {
            "ann" | "bob" | "stale" => json!({ "access_token": format!("gho_{code}"), "token_type": "bearer" }),
            _ => json!({ "error": "bad_verification_code" }),
        })
    };
    let user = async |headers: HeaderMap| {
        Json(match headers["authorization"].to_str() {
            Ok("Bearer gho_ann") => json!({ "id": 7, "login": "Ann", "name": "Ann van Dyk", "bio": "Makes things" }),
            Ok("Bearer gho_bob") => json!({ "id": 8, "login": "annabob", "name": null }),
            _ => json!({ "message": "Bad credentials" }),
        })
    };
    stand_in(Router::new().route("/login/oauth/access_token", post(grant)).route("/user", get(user))).await
}
