//! Sessions that begin with polling and go on over a WebSocket.
#![cfg(feature = "server")]

mod engine;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use engine::http::{Poller, answer};
use engine::websocket::{self, Ws};
use engine::{Gateway, event, joined, live, next, packet, soon};
use rejoin_happy::packet as build;
use rejoin_happy::server::engine::{Incoming, Namespace, Peer};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const EVENTS: usize = 10_000;

fn numbered(number: usize) -> String {
    build::event("/", None, "n", &number).unwrap()
}

async fn opened(gateway: &Gateway, client: &Poller) -> Ws {
    Ws::at(gateway.address, &client.path.replace("transport=polling", "transport=websocket")).await
}

async fn probed(gateway: &Gateway, client: &Poller) -> Ws {
    let mut socket = opened(gateway, client).await;
    socket.says("2probe").await;
    assert_eq!(socket.hears().await, "3probe");
    socket
}

async fn joins(gateway: &mut Gateway) -> (Poller, Peer) {
    let client = Poller::open(gateway.address).await;
    client.says("40").await;
    let mut peer = gateway.peer().await;
    joined(&mut peer, Namespace::Main).await;
    assert_eq!(client.hears().await.len(), 1);
    (client, peer)
}

/// A door that says all its numbers and hears all of the client's.
async fn counts(mut peer: Peer) -> Peer {
    let (mut said, mut heard) = (0, 0);
    while said < EVENTS || heard < EVENTS || peer.waiting() > 0 {
        while said < EVENTS && peer.waiting() < 2_000 {
            peer.push(packet(&numbered(said))).unwrap();
            said += 1;
        }
        match soon(peer.next()).await {
            Some(Incoming::Written) => {}
            other => {
                assert_eq!(event(other).1, heard.to_string());
                heard += 1;
            }
        }
    }
    peer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_19_nothing_is_lost_or_out_of_order_when_a_websocket_takes_over_under_load() {
    let mut gateway = Gateway::start().await;
    let (client, peer) = joins(&mut gateway).await;
    let door = tokio::spawn(counts(peer));
    let paused = Arc::new(AtomicBool::new(false));
    let polls = Arc::new(AtomicUsize::new(0));

    let polling = tokio::spawn({
        let (client, paused, polls) = (client.clone(), paused.clone(), polls.clone());
        async move {
            let mut heard = Vec::new();
            while !paused.load(Ordering::SeqCst) {
                heard.extend(client.hears().await.into_iter().filter(|packet| packet != "6"));
                polls.fetch_add(1, Ordering::SeqCst);
            }
            heard
        }
    });
    let posting = tokio::spawn({
        let (client, paused) = (client.clone(), paused.clone());
        async move {
            let mut said = 0;
            while !paused.load(Ordering::SeqCst) && said < EVENTS {
                let some: Vec<String> = (said..EVENTS.min(said + 20)).map(numbered).collect();
                said += some.len();
                client.says(&some.join("\u{1e}")).await;
            }
            said
        }
    });
    soon(async {
        while polls.load(Ordering::SeqCst) < 30 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let mut socket = probed(&gateway, &client).await;
    paused.store(true, Ordering::SeqCst);
    let (mut heard, said) = (soon(polling).await.unwrap(), soon(posting).await.unwrap());
    assert!(heard.len() < EVENTS && said < EVENTS, "the socket came under way: {} heard, {said} said", heard.len());
    let rest: Vec<String> = std::iter::once("5".to_owned()).chain((said..EVENTS).map(numbered)).collect();
    socket.bursts(&rest.iter().map(|packet| &**packet).collect::<Vec<_>>()).await;
    while heard.len() < EVENTS {
        heard.push(socket.hears().await);
    }
    for (number, heard) in heard.iter().enumerate() {
        assert_eq!(*heard, numbered(number));
    }
    let mut peer = soon(door).await.unwrap();
    socket.says("42[\"and\",\"on\"]").await;
    assert_eq!(event(next(&mut peer).await).1, "\"on\"");
}

#[tokio::test]
async fn a_waiting_poll_ends_with_a_noop_and_what_no_poll_took_comes_first() {
    let mut gateway = Gateway::start().await;
    let (client, mut peer) = joins(&mut gateway).await;
    let poll = tokio::spawn({
        let client = client.clone();
        async move { client.hears().await }
    });
    let mut socket = probed(&gateway, &client).await;
    assert_eq!(soon(poll).await.unwrap(), ["6"]);
    assert_eq!(client.hears().await, ["6"], "so does one that comes now");
    client.says("42[\"posted\"]").await;
    peer.push(packet("42[\"pushed before\"]")).unwrap();
    socket.bursts(&["5", "42[\"sent\"]"]).await;
    assert_eq!(event(next(&mut peer).await).0, "posted");
    peer.push(packet("42[\"pushed behind\"]")).unwrap();
    assert_eq!(event(next(&mut peer).await).0, "sent");
    soon(peer.flush()).await;
    assert_eq!(socket.hears().await, "42[\"pushed before\"]");
    assert_eq!(socket.hears().await, "42[\"pushed behind\"]");

    // From here on the session does not poll, and has its one socket.
    assert_eq!(client.poll().await.refusal(), (400, 3, "Bad request".to_owned()));
    assert_eq!(client.post("42[\"lost\"]").await.refusal(), (400, 3, "Bad request".to_owned()));
    let ended = live(peer);
    gateway.clock.advance(15_000);
    assert_eq!(socket.hears().await, "2");
    socket.bursts(&["3", "1"]).await;
    assert_eq!(socket.hears_close().await, 1000);
    drop(socket);
    soon(ended).await.unwrap();
    assert_eq!(client.poll().await.refusal().1, 1);
}

#[tokio::test]
async fn a_websocket_that_proves_nothing_leaves_the_session_polling() {
    let mut gateway = Gateway::start().await;
    let (client, mut peer) = joins(&mut gateway).await;
    for said in [&["5"][..], &["2"], &["42[\"lost\"]"], &["2probe", "2probe"], &["2probe", "42[\"lost\"]"]] {
        let mut socket = opened(&gateway, &client).await;
        socket.bursts(said).await;
        if said[0] == "2probe" {
            assert_eq!(socket.hears().await, "3probe");
        }
        assert_eq!(socket.hears_close().await, 1000, "{said:?}");
    }
    // One that only waits is waited for ten seconds.
    let mut socket = probed(&gateway, &client).await;
    let path = client.path.replace("transport=polling", "transport=websocket");
    let mut second = TcpStream::connect(gateway.address).await.unwrap();
    second.write_all(websocket::head(&path).as_bytes()).await.unwrap();
    second.shutdown().await.unwrap();
    let second = answer(second).await;
    assert_eq!(second.refusal().1, 3, "one socket at a time");
    gateway.clock.advance(10_000);
    assert_eq!(socket.hears_close().await, 1000);
    drop(socket);

    peer.push(packet("42[\"still\"]")).unwrap();
    assert_eq!(client.hears().await, ["42[\"still\"]"]);
    client.says("42[\"here\"]").await;
    assert_eq!(event(next(&mut peer).await).0, "here");
}
