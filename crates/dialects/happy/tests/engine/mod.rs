//! A server whose connections the test holds itself, and clients that write raw bytes.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

pub mod http;
pub mod websocket;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rejoin_happy::server::engine::{self, Incoming, Namespace, Options, Packet, Peer};
use rejoin_ports::clock::HandClock;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub const OPEN: &str = "/v1/updates/?EIO=4&transport=";

/// How long nothing may happen before a test fails.
const SILENCE: Duration = Duration::from_secs(30);

/// Waits for what must happen.
pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(SILENCE, what).await.expect("nothing happens")
}

pub struct Gateway {
    pub address: SocketAddr,
    pub clock: HandClock,
    pub stop: CancellationToken,
    peers: mpsc::Receiver<Peer>,
}

impl Gateway {
    pub async fn start() -> Gateway {
        Gateway::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Options)) -> Gateway {
        let clock = HandClock::at(1_000_000);
        let mut options = Options { clock: Arc::new(clock.clone()), ..Options::default() };
        change(&mut options);
        let stop = options.stop.clone();
        let (hand_over, peers) = mpsc::channel(64);
        let hold = move |peer| {
            let hand_over = hand_over.clone();
            async move { drop(hand_over.send(peer).await) }
        };
        let routes = engine::routes(hold, options);
        let routes = axum::Router::new().merge(routes.clone()).nest("/happy", routes);
        Gateway { address: serve(routes).await, clock, stop, peers }
    }

    /// The next connection, as the door gets it.
    pub async fn peer(&mut self) -> Peer {
        soon(self.peers.recv()).await.expect("somebody connects")
    }
}

async fn serve(routes: axum::Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(routes.clone());
            tokio::spawn(async move {
                // A client that hangs up early is no failure of the test.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
            });
        }
    });
    address
}

/// A client in the main namespace.
pub async fn connected(gateway: &mut Gateway) -> (websocket::Ws, Peer) {
    let mut client = websocket::Ws::open(gateway.address).await;
    client.says("40{\"token\":\"t\"}").await;
    let mut peer = gateway.peer().await;
    joined(&mut peer, Namespace::Main).await;
    soon(peer.flush()).await;
    assert!(client.hears().await.starts_with("40{\"sid\":\""));
    (client, peer)
}

/// Lets a connection live beside the test until it ends, letting everybody in, and says goodbye for it.
pub fn live(mut peer: Peer) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        while let Some(incoming) = peer.next().await {
            if let Incoming::Connect { namespace, .. } = incoming {
                peer.accept(namespace);
            }
        }
        peer.part().await;
    })
}

/// The next thing said, whatever was written meanwhile.
pub async fn next(peer: &mut Peer) -> Option<Incoming> {
    loop {
        match soon(peer.next()).await {
            Some(Incoming::Written) => {}
            other => return other,
        }
    }
}

/// Lets the next client in.
pub async fn joined(peer: &mut Peer, to: Namespace) {
    match next(peer).await {
        Some(Incoming::Connect { namespace, .. }) if namespace == to => drop(peer.accept(namespace)),
        other => panic!("{other:?}"),
    }
}

/// An event's name, and its arguments as they came.
pub fn event(incoming: Option<Incoming>) -> (String, String) {
    match incoming {
        Some(Incoming::Event { name, args, .. }) => {
            (name, args.iter().map(|arg| arg.get()).collect::<Vec<_>>().join(","))
        }
        other => panic!("{other:?}"),
    }
}

pub fn packet(text: &str) -> Packet {
    Packet::new(text)
}
