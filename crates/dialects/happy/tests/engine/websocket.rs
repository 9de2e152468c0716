//! A WebSocket, byte by byte.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::{OPEN, soon};

pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

pub struct Ws {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Ws {
    pub async fn open(address: SocketAddr) -> Ws {
        let mut ws = Ws::at(address, &format!("{OPEN}websocket")).await;
        ws.hears_open().await;
        ws
    }

    /// A socket at `path` whose first packet was not read.
    pub async fn at(address: SocketAddr, path: &str) -> Ws {
        Ws::over(TcpSocket::new_v4().unwrap(), address, path).await
    }

    pub async fn over(socket: TcpSocket, address: SocketAddr, path: &str) -> Ws {
        let mut ws = Ws { stream: socket.connect(address).await.unwrap(), unread: Vec::new() };
        ws.stream.write_all(head(path).as_bytes()).await.unwrap();
        let head = ws.head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        ws
    }

    async fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                let rest = self.unread.split_off(end + 4);
                return String::from_utf8(std::mem::replace(&mut self.unread, rest)).unwrap();
            }
            assert_ne!(self.read().await, 0, "the server hung up");
        }
    }

    pub async fn hears_open(&mut self) -> Value {
        let text = self.hears().await;
        serde_json::from_str(text.strip_prefix('0').expect("an open packet")).unwrap()
    }

    pub async fn says(&mut self, text: &str) {
        self.writes(TEXT, text.as_bytes()).await;
    }

    /// Several packets in one write.
    pub async fn bursts(&mut self, texts: &[&str]) {
        let frames: Vec<u8> = texts.iter().flat_map(|text| frame(TEXT, text.as_bytes())).collect();
        self.stream.write_all(&frames).await.unwrap();
    }

    pub async fn writes(&mut self, opcode: u8, payload: &[u8]) {
        self.stream.write_all(&frame(opcode, payload)).await.unwrap();
    }

    /// The next frame, or `None` once the server hung up.
    pub async fn hears_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some(frame) = self.take() {
                return Some(frame);
            }
            if self.read().await == 0 {
                assert!(self.unread.is_empty(), "the last frame is torn");
                return None;
            }
        }
    }

    pub async fn hears(&mut self) -> String {
        let (opcode, payload) = self.hears_frame().await.expect("a packet");
        assert_eq!(opcode, TEXT, "{payload:?}");
        String::from_utf8(payload).unwrap()
    }

    pub async fn hears_close(&mut self) -> u16 {
        let (opcode, payload) = self.hears_frame().await.expect("a close");
        assert_eq!(opcode, CLOSE, "{:?}", String::from_utf8_lossy(&payload));
        u16::from_be_bytes([payload[0], payload[1]])
    }

    fn take(&mut self) -> Option<(u8, Vec<u8>)> {
        let (first, length) = (*self.unread.first()?, *self.unread.get(1)?);
        let (head, length) = match length {
            126 => (4, u64::from(u16::from_be_bytes(self.unread.get(2..4)?.try_into().unwrap()))),
            127 => (10, u64::from_be_bytes(self.unread.get(2..10)?.try_into().unwrap())),
            short => (2, u64::from(short)),
        };
        let end = head + length as usize;
        let payload = self.unread.get(head..end)?.to_vec();
        self.unread.drain(..end);
        Some((first & 0x0F, payload))
    }

    async fn read(&mut self) -> usize {
        match soon(self.stream.read_buf(&mut self.unread)).await {
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => 0,
            Err(error) => panic!("{error}"),
        }
    }
}

pub fn head(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// One masked frame.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    const KEY: [u8; 4] = [7, 77, 17, 170];
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        short @ 0..=125 => frame.push(0x80 | short as u8),
        medium @ 126..=0xFFFF => {
            frame.push(0x80 | 126);
            frame.extend((medium as u16).to_be_bytes());
        }
        long => {
            frame.push(0x80 | 127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend(KEY);
    frame.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}
