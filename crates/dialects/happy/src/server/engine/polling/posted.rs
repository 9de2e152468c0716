//! What a client posts.

use axum::body::Body;
use futures_util::StreamExt;

use crate::packet::LARGEST;
use crate::packet::payload::SEPARATOR;
use crate::server::engine::refused::Refused;

/// A body too large is read past up to here, so that its sender hears why it was refused.
const FAR_TOO_LARGE: usize = 2 << 20;

/// The packets of a post, one after the other.
pub(in crate::server::engine) struct Posted {
    text: String,
    at: usize,
}

impl Posted {
    /// Reads a body of at most [`LARGEST`] bytes.
    pub(super) async fn read(body: Body) -> Result<Posted, Refused> {
        let (mut bytes, mut size) = (Vec::new(), 0);
        let mut pieces = body.into_data_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|_| Refused::Request)?;
            size += piece.len();
            if size <= LARGEST {
                bytes.extend_from_slice(&piece);
            } else if size <= FAR_TOO_LARGE {
                bytes = Vec::new();
            } else {
                break;
            }
        }
        if size > LARGEST {
            return Err(Refused::TooLarge);
        }
        let text = String::from_utf8(bytes).map_err(|_| Refused::Request)?;
        Ok(Posted { text, at: 0 })
    }

    pub(in crate::server::engine) fn next(&mut self) -> Option<&str> {
        let rest = self.text.get(self.at..)?;
        let packet = rest.split(SEPARATOR).next()?;
        self.at += packet.len() + SEPARATOR.len_utf8();
        Some(packet)
    }

    pub(in crate::server::engine) fn is_over(&self) -> bool {
        self.at > self.text.len()
    }
}
