//! What a connection and a decoder cost, counted by the allocator.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{BINARY, Io, LIMITS, TEXT, accept, echo, masked, serve};
use rejoin_socket::{Decoder, Limits};

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

#[expect(unsafe_code, reason = "an allocator can only be counted as an allocator")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::SeqCst);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::SeqCst);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The count is one for the whole process, so one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn live() -> usize {
    LIVE.load(Ordering::SeqCst)
}

/// Joins, says something, and hears all of it back, so that the server is waiting again.
fn idle_client(address: std::net::SocketAddr, payload: &[u8]) -> TcpStream {
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(common::REQUEST.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    client.write_all(&masked(BINARY, true, payload)).unwrap();
    let header = if payload.len() > 0xFFFF { 10 } else { 4 };
    client.read_exact(&mut vec![0; header + payload.len()]).unwrap();
    client.write_all(&masked(TEXT, true, b"")).unwrap();
    client.read_exact(&mut [0; 2]).unwrap();
    client
}

#[test]
fn an_idle_connection_costs_less_than_8_kib_also_after_a_big_message() {
    const CLIENTS: usize = 100;
    let _alone = ALONE.lock().unwrap_or_else(|broken| broken.into_inner());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let address = runtime.block_on(serve(Io::Plain, accept(), echo));
    for payload in [200, LIMITS.0] {
        let payload = vec![7; payload];
        let warm: Vec<_> = (0..10).map(|_| idle_client(address, &payload)).collect();
        let before = live();
        let clients: Vec<_> = (0..CLIENTS).map(|_| idle_client(address, &payload)).collect();
        // The last answer can be here a moment before the server waits again: one buffer's worth.
        let each = live().saturating_sub(before + LIMITS.0) / CLIENTS;
        println!("an idle connection costs {each} bytes after a message of {}", payload.len());
        assert!((500..8 * 1024).contains(&each), "{each} bytes for each idle connection");
        drop((warm, clients));
    }
}

#[test]
fn a_header_reserves_nothing_for_what_it_announces() {
    let _alone = ALONE.lock().unwrap_or_else(|broken| broken.into_inner());
    let mut decoder = Decoder::new(Limits::new(1 << 40, 1 << 40));
    let before = live();
    decoder.feed(&[0x82, 0xFF, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4]);
    assert_eq!(decoder.next(), Ok(None));
    assert!(live().saturating_sub(before) < 1024, "{} bytes for a header", live().saturating_sub(before));

    for arrived in 1..=1000 {
        decoder.feed(&[0; 1000]);
        assert_eq!(decoder.next(), Ok(None));
        let held = live().saturating_sub(before);
        assert!(held <= 2 * arrived * 1000 + 1024, "{held} bytes after {arrived} thousand");
    }
}

#[test]
fn a_message_over_the_limit_is_not_kept() {
    let _alone = ALONE.lock().unwrap_or_else(|broken| broken.into_inner());
    let mut decoder = Decoder::new(Limits::new(1_000, 1 << 30));
    let frame = masked(BINARY, true, &vec![0; 1 << 20]);
    let before = live();
    for piece in frame[..1 << 20].chunks(1 << 14) {
        decoder.feed(piece);
        assert_eq!(decoder.next(), Ok(None));
        assert!(live().saturating_sub(before) < 1024, "{} bytes are kept", live().saturating_sub(before));
    }
}
