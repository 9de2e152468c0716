//! How many deliveries a second this writer makes: frames of 300 bytes to loopback readers in the
//! same process, which only drain and count.
//!
//! `cargo run --release --example fanout -- [readers] [frames in a chunk] [seconds]`

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use bytes::{Bytes, BytesMut};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rejoin_socket::{Accept, Limits, Socket, Upgrade, frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

const PAYLOAD: usize = 300;
const FRAME: usize = 4 + PAYLOAD;

/// Chunks that the slowest reader may be behind; then the source waits, since this counts what is
/// delivered.
const RING: usize = 32;

/// Chunks for one write.
const BATCH: usize = 16;

const SEND_BUFFER: usize = 128 * 1024;

/// The newest chunks, encoded once for everybody, and how many were dropped before them.
struct Ring {
    chunks: Mutex<(u64, VecDeque<Bytes>)>,
    tip: watch::Sender<u64>,
    seen: Mutex<Vec<Arc<AtomicU64>>>,
    moved: Notify,
}

impl Ring {
    async fn push(&self, chunk: Bytes) {
        let next = *self.tip.borrow() + 1;
        while self.slowest() + (RING as u64) < next {
            self.moved.notified().await;
        }
        {
            let (dropped, chunks) = &mut *self.chunks.lock().unwrap();
            if chunks.len() == RING {
                chunks.pop_front();
                *dropped += 1;
            }
            chunks.push_back(chunk);
        }
        self.tip.send_replace(next);
    }

    fn slowest(&self) -> u64 {
        let seen = self.seen.lock().unwrap();
        seen.iter().map(|one| one.load(Ordering::Acquire)).min().unwrap_or(0)
    }

    fn behind(&self, cursor: u64, tip: u64, into: &mut Vec<Bytes>) {
        let (dropped, chunks) = &*self.chunks.lock().unwrap();
        let from = (cursor - dropped) as usize; // the source waits for the slowest
        into.extend(chunks.iter().skip(from).take(BATCH.min((tip - cursor) as usize)).cloned());
    }
}

async fn door(mut socket: Socket, ring: Arc<Ring>) {
    let seen = Arc::new(AtomicU64::new(0));
    ring.seen.lock().unwrap().push(seen.clone());
    let mut tips = ring.tip.subscribe();
    let mut cursor = 0;
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let tip = *tips.borrow_and_update();
        if tip == cursor {
            if tips.changed().await.is_err() {
                return;
            }
            continue;
        }
        ring.behind(cursor, tip, &mut batch);
        if socket.writing.write(&batch).await.is_err() {
            return;
        }
        cursor += batch.len() as u64;
        batch.clear();
        seen.store(cursor, Ordering::Release);
        ring.moved.notify_one();
    }
}

async fn reader(address: SocketAddr, bytes: Arc<AtomicU64>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        bytes.fetch_add(count as u64, Ordering::Relaxed);
    }
}

fn main() {
    let mut numbers = std::env::args().skip(1).map(|arg| arg.parse::<u64>().expect("a number"));
    let mut number = |otherwise| numbers.next().unwrap_or(otherwise);
    let (readers, frames, seconds) = (number(100), number(64), number(5));

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async move {
        let ring = Arc::new(Ring {
            chunks: Mutex::default(),
            tip: watch::Sender::new(0),
            seen: Mutex::default(),
            moved: Notify::new(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shown = ring.clone();
        let route = get(move |upgrade: Upgrade| async move {
            let how = Accept::new(Limits::new(1 << 20, 1 << 20)).send_buffer(SEND_BUFFER);
            upgrade.accept(how, |socket| door(socket, shown))
        });
        let router = Router::new().route("/", route);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = TowerToHyperService::new(router.clone());
                let http = http1::Builder::new();
                let connection = http.serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection.with_upgrades());
            }
        });

        let bytes = Arc::new(AtomicU64::new(0));
        for _ in 0..readers {
            tokio::spawn(reader(address, bytes.clone()));
        }
        while ring.seen.lock().unwrap().len() < readers as usize {
            tokio::task::yield_now().await;
        }

        let source = ring.clone();
        tokio::spawn(async move {
            let payload = "x".repeat(PAYLOAD);
            let mut out = BytesMut::new();
            loop {
                for _ in 0..frames {
                    frame::text(&mut out, &payload);
                }
                source.push(out.split().freeze()).await;
            }
        });

        let warm_up = Duration::from_secs(1);
        tokio::time::sleep(warm_up).await;
        let (start, before) = (Instant::now(), bytes.load(Ordering::Relaxed));
        let made_before = *ring.tip.borrow();
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let counted = (bytes.load(Ordering::Relaxed) - before) / FRAME as u64;
        let made = (*ring.tip.borrow() - made_before) * frames;
        let rate = counted as f64 / start.elapsed().as_secs_f64();
        println!(
            "{readers} readers, {frames} frames in a chunk: {:.2} million deliveries/s, {:.0} MB/s; \
             {made} frames made, {:.1} readers reached by each",
            rate / 1e6,
            rate * FRAME as f64 / 1e6,
            counted as f64 / made as f64
        );
    });
    // Readers and writers go on until the process ends.
    std::process::exit(0);
}
