//! An echo for real Socket.IO clients: `cargo run -p rejoin-happy --features server --example echo_socketio -- 127.0.0.1:7700`.
//!
//! It lets in whoever shows a token. An event with an ack is answered with its argument; `ask` makes it ask back, and tell what
//! was answered; `count` makes it count to the number given; any other event comes back as it is.

use std::net::SocketAddr;

use rejoin_happy::packet;
use rejoin_happy::server::engine::{self, Incoming, Options, Packet, Peer};
use serde_json::value::RawValue;
use tokio::net::TcpListener;

/// Counting waits while this much is unread.
const ROOM: usize = 64 << 10;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:7700".to_owned());
    let address: SocketAddr = address.parse().map_err(std::io::Error::other)?;
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    let options = Options::default();
    let (stop, tasks) = (options.stop.clone(), options.tasks.clone());
    let routes = engine::routes(echo, options);
    let routes = axum::Router::new().merge(routes.clone()).nest("/happy", routes);
    tokio::select! {
        served = axum::serve(listener, routes) => served?,
        signal = tokio::signal::ctrl_c() => signal?,
    }
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    Ok(())
}

async fn echo(mut peer: Peer) {
    let mut counting = None;
    loop {
        while let Some((namespace, next, last)) = counting
            && peer.waiting() < ROOM
        {
            say(&mut peer, &packet::event(namespace, None, "number", &next).unwrap_or_default());
            counting = (next < last).then_some((namespace, next + 1, last));
        }
        match peer.next().await {
            None => break,
            Some(Incoming::Written) => {}
            Some(incoming) => hear(&mut peer, incoming, &mut counting),
        }
    }
    peer.part().await;
}

fn hear(peer: &mut Peer, incoming: Incoming, counting: &mut Option<(&'static str, u64, u64)>) {
    match incoming {
        Incoming::Connect { namespace, auth } => match auth.is_some_and(|auth| auth.get().contains("token")) {
            true => drop(peer.accept(namespace)),
            false => peer.reject(namespace, "Missing authentication token"),
        },
        Incoming::Event { namespace, name, args, ack } => {
            let arg: &RawValue = args.first().map_or(RawValue::NULL, |arg| arg);
            let to = namespace.as_str();
            let told = match (ack, &*name) {
                (Some(id), _) => packet::ack(to, id, arg),
                (None, "ask") => packet::event(to, Some(1), "asked", arg),
                (None, "count") => {
                    *counting = arg.get().parse().ok().map(|last| (to, 1, last));
                    return;
                }
                (None, name) => packet::event(to, None, name, arg),
            };
            say(peer, &told.unwrap_or_default());
        }
        Incoming::Ack { namespace, args, .. } => {
            let told = packet::event(namespace.as_str(), None, "answered", &args);
            say(peer, &told.unwrap_or_default());
        }
        Incoming::Disconnect { namespace } => println!("left {namespace}"),
        Incoming::Written => {}
    }
}

fn say(peer: &mut Peer, text: &str) {
    if let Err(full) = peer.push(Packet::new(text)) {
        println!("not sent: {full}");
    }
}
