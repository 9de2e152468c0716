//! Requests, one on each connection.

use std::net::SocketAddr;

use rejoin_happy::packet::payload;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{OPEN, soon};

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// A refusal: status, code and message.
    pub fn refusal(&self) -> (u16, u64, String) {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        (self.status, body["code"].as_u64().unwrap(), body["message"].as_str().unwrap().to_owned())
    }
}

pub async fn send(address: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    stream
}

pub async fn answer(mut stream: TcpStream) -> Answer {
    let mut text = String::new();
    soon(stream.read_to_string(&mut text)).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").expect("an answer");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

pub async fn request(address: SocketAddr, method: &str, path: &str, headers: &str) -> Answer {
    answer(send(address, method, path, headers, "").await).await
}

/// A client that polls.
#[derive(Clone)]
pub struct Poller {
    address: SocketAddr,
    pub path: String,
    pub open: Value,
}

impl Poller {
    pub async fn open(address: SocketAddr) -> Poller {
        Poller::open_at(address, "").await
    }

    pub async fn open_at(address: SocketAddr, under: &str) -> Poller {
        let answer = request(address, "GET", &format!("{under}{OPEN}polling"), "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let open: Value = serde_json::from_str(answer.body.strip_prefix('0').unwrap()).unwrap();
        let path = format!("{under}{OPEN}polling&sid={}", open["sid"].as_str().unwrap());
        Poller { address, path, open }
    }

    pub fn sid(&self) -> &str {
        self.open["sid"].as_str().unwrap()
    }

    pub async fn poll(&self) -> Answer {
        request(self.address, "GET", &self.path, "").await
    }

    /// The packets of the next poll.
    pub async fn hears(&self) -> Vec<String> {
        let answer = self.poll().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        payload::split(&answer.body).map(str::to_owned).collect()
    }

    pub async fn post(&self, body: &str) -> Answer {
        answer(self.begin_post(body).await).await
    }

    pub async fn begin_post(&self, body: &str) -> TcpStream {
        send(self.address, "POST", &self.path, "Content-Type: text/plain;charset=UTF-8\r\n", body).await
    }

    pub async fn begin_poll(&self) -> TcpStream {
        send(self.address, "GET", &self.path, "", "").await
    }

    pub async fn says(&self, body: &str) {
        let answer = self.post(body).await;
        assert_eq!((answer.status, &*answer.body), (200, "ok"));
    }
}
