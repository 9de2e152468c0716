//! HTTP/1.1 over one kept connection, as little of it as the benches need: it must not be what is measured.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::gateway::Door;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest body that is taken: a snapshot has at most 256 KiB of messages, and some room around them.
const LONGEST: usize = 16 << 20;
/// The longest head of an answer.
const LONGEST_HEAD: u64 = 64 << 10;

pub(crate) struct Http {
    stream: BufReader<TcpStream>,
    /// The lines that every request has.
    common: String,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Http {
    pub(crate) async fn connect(door: &Door) -> anyhow::Result<Http> {
        let stream =
            TcpStream::connect(door.address).await.with_context(|| format!("connecting to {}", door.address))?;
        stream.set_nodelay(true).context("setting up a connection")?;
        Ok(Http {
            stream: BufReader::with_capacity(16 << 10, stream),
            common: door.headers(),
            head: String::new(),
            body: Vec::new(),
        })
    }

    /// Asks, and gives the status. The answer's body is in `body` until the next question.
    pub(crate) async fn ask(&mut self, method: &str, path: &str, body: &str) -> anyhow::Result<u16> {
        let asked = timeout(PATIENCE, self.exchange(method, path, body)).await;
        asked.with_context(|| format!("{method} {path}: no answer in {} s", PATIENCE.as_secs()))?
    }

    async fn exchange(&mut self, method: &str, path: &str, body: &str) -> anyhow::Result<u16> {
        let mut request = format!("{method} {path} HTTP/1.1\r\n{}", self.common);
        if !body.is_empty() {
            request += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        }
        request += "\r\n";
        request += body;
        self.stream.get_mut().write_all(request.as_bytes()).await.context("sending a request")?;
        let status = self.line().await?;
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).context("that is no HTTP answer")?;
        let (mut length, mut chunked) = (0, false);
        loop {
            let line = self.line().await?.to_ascii_lowercase();
            match line.split_once(':') {
                None => break,
                Some(("content-length", value)) => length = value.trim().parse().context("a length that is none")?,
                Some(("transfer-encoding", value)) => chunked = value.contains("chunked"),
                Some(_) => {}
            }
        }
        self.body.clear();
        if chunked {
            self.chunks().await?;
        } else {
            self.take(length).await?;
        }
        Ok(status)
    }

    async fn line(&mut self) -> anyhow::Result<&str> {
        self.head.clear();
        let mut bounded = (&mut self.stream).take(LONGEST_HEAD);
        let count = bounded.read_line(&mut self.head).await.context("reading an answer")?;
        ensure!(count > 0, "the gateway closed the connection");
        Ok(self.head.trim_end())
    }

    async fn chunks(&mut self) -> anyhow::Result<()> {
        loop {
            let size = self.line().await?;
            let size = usize::from_str_radix(size, 16).context("a chunk without a size")?;
            self.take(size).await?;
            self.line().await?;
            if size == 0 {
                return Ok(());
            }
        }
    }

    async fn take(&mut self, size: usize) -> anyhow::Result<()> {
        let start = self.body.len();
        ensure!(size <= LONGEST - start, "an answer of more than {LONGEST} bytes");
        self.body.resize(start + size, 0);
        self.stream.read_exact(&mut self.body[start..]).await.context("reading an answer's body")?;
        Ok(())
    }

    /// Asks, wants success, and gives the answer's JSON.
    pub(crate) async fn json(&mut self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let body = body.map_or(String::new(), Value::to_string);
        let status = self.ask(method, path, &body).await?;
        if !(200..300).contains(&status) {
            bail!("{method} {path}: {status}: {}", String::from_utf8_lossy(&self.body));
        }
        serde_json::from_slice(&self.body).with_context(|| format!("{method} {path}: reading the answer"))
    }
}
