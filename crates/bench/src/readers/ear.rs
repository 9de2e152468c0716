//! One reader who understands what it hears: for benches that look into events.

use std::time::{Duration, SystemTime};

use anyhow::{Context, bail, ensure};
use bytes::{Buf, Bytes, BytesMut};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::crowd::{Join, Wire, connect};
use super::frames::{PING, PONG, TEXT, header, mask};
use crate::gateway::Door;

/// How long nothing may come.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Ear {
    stream: TcpStream,
    bytes: BytesMut,
    /// When the bytes that were read last had come, by the machine's clock.
    pub(crate) read_at: SystemTime,
    pub(crate) count_of_bytes: u64,
}

impl Ear {
    pub(crate) async fn join(door: &Door, session: &str) -> anyhow::Result<Ear> {
        let join = Join { session: session.to_owned(), ..Join::default() };
        let (stream, early) = connect(door, Wire::Socket, &join).await?;
        Ok(Ear { stream, bytes: early[..].into(), read_at: SystemTime::now(), count_of_bytes: early.len() as u64 })
    }

    /// The next event, whatever else comes before it.
    pub(crate) async fn event(&mut self) -> anyhow::Result<Value> {
        loop {
            let mut message: Value = serde_json::from_slice(&self.message().await?).context("reading a message")?;
            match message.get_mut("event") {
                Some(event) => return Ok(event.take()),
                None => ensure!(message.get("gap").is_none(), "the reader was told of a gap"),
            }
        }
    }

    async fn message(&mut self) -> anyhow::Result<Bytes> {
        loop {
            if let Some((opcode, start, len)) = header(&self.bytes)
                && self.bytes.len() >= start + len
            {
                self.bytes.advance(start);
                let body = self.bytes.split_to(len).freeze();
                match opcode {
                    TEXT => return Ok(body),
                    PING => self.stream.write_all(&mask(PONG, &body)).await.context("answering a ping")?,
                    PONG => {}
                    other => bail!("the gateway sent a frame of kind {other}"),
                }
                continue;
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.bytes)).await;
            let read = read.with_context(|| format!("nothing came in {} s", PATIENCE.as_secs()))?;
            let read = read.context("reading")?;
            ensure!(read > 0, "the connection ended");
            self.read_at = SystemTime::now();
            self.count_of_bytes += read as u64;
        }
    }
}
