//! HTTP, one request for each connection.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Served, route};

pub(crate) struct Request {
    pub(crate) method: String,
    /// Below the prefix.
    pub(crate) path: String,
    /// Its parts, decoded.
    pub(crate) parts: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) bearer: Option<String>,
    pub(crate) body: Vec<u8>,
}

pub(crate) enum Answer {
    Json(u16, Value),
    Bytes(Vec<u8>),
    /// None at all: the line breaks.
    Cut,
}

pub(super) async fn serve(served: Served, mut stream: TcpStream) {
    let Some(request) = read(&mut stream, served.prefix).await else { return };
    let answer = route::answer(&served, &request);
    let (status, kind, body) = match answer {
        Answer::Json(status, body) => (status, "application/json", body.to_string().into_bytes()),
        Answer::Bytes(body) => (200, "application/octet-stream", body),
        Answer::Cut => return,
    };
    let head = format!(
        "HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).await; // it may be gone
    let _ = stream.write_all(&body).await;
    let _ = stream.shutdown().await;
}

async fn read(stream: &mut TcpStream, prefix: &str) -> Option<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let header = |name: &str| {
        head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let length: usize = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = bytes[end..].to_vec();
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    let mut words = head.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let query = query.split('&').filter_map(|pair| pair.split_once('='));
    let path = path.strip_prefix(prefix)?.to_owned();
    Some(Request {
        method,
        parts: path.split('/').skip(1).map(decoded).collect(),
        path,
        query: query.map(|(name, value)| (name.to_owned(), decoded(value))).collect(),
        bearer: header("authorization").and_then(|value| value.strip_prefix("Bearer ").map(str::to_owned)),
        body,
    })
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let code = behind.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match (first, code.and_then(|code| u8::from_str_radix(code, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            (byte, _) => {
                bytes.push(if *byte == b'+' { b' ' } else { *byte });
                rest = behind;
            }
        }
    }
    String::from_utf8(bytes).expect("paths are text")
}

impl Request {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn param(&self, name: &str) -> Option<u64> {
        self.query.iter().find(|(found, _)| found == name)?.1.parse().ok()
    }
}
