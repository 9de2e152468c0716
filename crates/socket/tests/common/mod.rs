//! A server like ours, and a client that writes raw bytes.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::io::Cursor;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::any;
use bytes::Bytes;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rejoin_socket::{Accept, Incoming, Limits, Socket, Upgrade, frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

pub const LIMITS: (usize, usize) = (100_000, 200_000);

pub fn accept() -> Accept {
    Accept::new(Limits::new(LIMITS.0, LIMITS.1))
}

/// What hyper is given to speak HTTP over.
#[derive(Clone, Copy)]
pub enum Io {
    Plain,
    Wrapped,
}

/// Serves one path with one door until the test ends.
pub async fn serve<F, Fut>(io: Io, how: Accept, door: F) -> SocketAddr
where
    F: Fn(Socket) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let route = any(move |upgrade: Upgrade| async move { upgrade.accept(how, door) });
    let router = Router::new().route("/", route);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(router.clone());
            tokio::spawn(async move {
                let http = http1::Builder::new();
                // A client that hangs up early is no failure of the test.
                let _ = match io {
                    Io::Plain => http.serve_connection(TokioIo::new(stream), service).with_upgrades().await,
                    Io::Wrapped => {
                        let io = TokioIo::new(BufReader::new(stream));
                        http.serve_connection(io, service).with_upgrades().await
                    }
                };
            });
        }
    });
    address
}

/// No answer takes this long; a test that waits in vain should say so.
const SILENCE: Duration = Duration::from_secs(120);

/// Says everything back, and behaves as a door should otherwise.
pub async fn echo(mut socket: Socket) {
    let (code, reason) = loop {
        let answer = match socket.reading.next().await {
            Some(Ok(Incoming::Text(text))) => frame::chunk(|out| frame::text(out, &text)),
            Some(Ok(Incoming::Binary(bytes))) => frame::chunk(|out| frame::binary(out, &bytes)),
            Some(Ok(Incoming::Ping(payload))) => {
                socket.writing.pong(&payload);
                Bytes::new()
            }
            Some(Ok(Incoming::Pong(_))) => continue,
            Some(Ok(Incoming::Close(Some(reason)))) => break (reason.code, reason.text),
            Some(Ok(Incoming::Close(None))) => break (1005, String::new()),
            Some(Err(violation)) if violation.is_fatal() => {
                break (violation.close_code(), violation.to_string());
            }
            Some(Err(violation)) => frame::chunk(|out| frame::text(out, &violation.to_string())),
            None => return,
        };
        if socket.writing.write(&[answer]).await.is_err() {
            return;
        }
    };
    socket.part(code, &reason).await;
}

pub const TEXT: OpCode = OpCode::Data(Data::Text);
pub const BINARY: OpCode = OpCode::Data(Data::Binary);
pub const MORE: OpCode = OpCode::Data(Data::Continue);
pub const PING: OpCode = OpCode::Control(Control::Ping);
pub const PONG: OpCode = OpCode::Control(Control::Pong);
pub const CLOSE: OpCode = OpCode::Control(Control::Close);

/// One frame as a client writes it, built from the specification and not by our code.
pub fn masked(opcode: OpCode, is_final: bool, payload: &[u8]) -> Vec<u8> {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let header = FrameHeader { is_final, opcode, mask: Some(key), ..FrameHeader::default() };
    let mut out = Vec::new();
    header.format(payload.len() as u64, &mut out).unwrap();
    out.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]));
    out
}

pub const REQUEST: &str = "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\n\
    Upgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

pub struct RawClient {
    pub stream: TcpStream,
    unread: Vec<u8>,
}

impl RawClient {
    /// Opens a socket with `more` in the same packet as the request.
    pub async fn join(address: SocketAddr, more: &[u8]) -> RawClient {
        Self::join_with(TcpSocket::new_v4().unwrap(), address, more).await
    }

    pub async fn join_with(socket: TcpSocket, address: SocketAddr, more: &[u8]) -> RawClient {
        let mut client = RawClient { stream: socket.connect(address).await.unwrap(), unread: Vec::new() };
        client.says(&[REQUEST.as_bytes(), more].concat()).await;
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        client
    }

    pub async fn says(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The head of an HTTP answer.
    pub async fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                let rest = self.unread.split_off(end + 4);
                return String::from_utf8(std::mem::replace(&mut self.unread, rest)).unwrap();
            }
            assert_ne!(self.read().await, 0, "the server hung up");
        }
    }

    /// The next frame of the server, or `None` once it hung up.
    pub async fn hears(&mut self) -> Option<(OpCode, Vec<u8>)> {
        loop {
            let mut cursor = Cursor::new(&self.unread);
            if let Some((header, length)) = FrameHeader::parse(&mut cursor).unwrap() {
                assert!(header.is_final && header.mask.is_none() && !header.rsv1);
                let (start, end) = (cursor.position() as usize, cursor.position() as usize + length as usize);
                if self.unread.len() >= end {
                    let rest = self.unread.split_off(end);
                    let frame = std::mem::replace(&mut self.unread, rest);
                    return Some((header.opcode, frame[start..].to_vec()));
                }
            }
            if self.read().await == 0 {
                assert!(self.unread.is_empty(), "the last frame is torn");
                return None;
            }
        }
    }

    pub async fn hears_text(&mut self) -> String {
        let (opcode, payload) = self.hears().await.expect("a text frame");
        assert_eq!(opcode, TEXT, "{payload:?}");
        String::from_utf8(payload).unwrap()
    }

    /// The code and the reason of the server's close, and that nothing comes behind it.
    pub async fn hears_close(&mut self) -> (u16, String) {
        let (opcode, payload) = self.hears().await.expect("a close frame");
        assert_eq!(opcode, CLOSE, "{payload:?}");
        assert_eq!(self.hears().await, None);
        let code = u16::from_be_bytes([payload[0], payload[1]]);
        (code, String::from_utf8(payload[2..].to_vec()).unwrap())
    }

    async fn read(&mut self) -> usize {
        let read = self.stream.read_buf(&mut self.unread);
        tokio::time::timeout(SILENCE, read).await.expect("the server says nothing").unwrap()
    }
}
