//! Reads a server-sent event stream, whatever pieces it comes in.

/// The longest event: a gap carries a whole snapshot.
const LONGEST: usize = 256 << 20;

/// One event of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sse {
    pub(super) event: String,
    pub(super) data: String,
    pub(super) id: Option<String>,
}

impl Sse {
    pub(super) fn read<T: serde::de::DeserializeOwned>(&self) -> Result<T, super::Error> {
        serde_json::from_str(&self.data)
            .map_err(|why| super::Error::Unreadable { what: "an event of a stream", why: why.to_string() })
    }
}

/// Bytes in, events out.
#[derive(Debug, Default)]
pub(super) struct SseReader {
    bytes: Vec<u8>,
    /// How far `bytes` was searched for a line's end.
    searched: usize,
    open: Sse,
    filled: bool,
}

/// The stream sends more than anybody can keep.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl SseReader {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole event, if there is one.
    pub(super) fn next(&mut self) -> Result<Option<Sse>, TooLong> {
        let mut taken = 0;
        let mut found = None;
        while found.is_none() {
            let from = self.searched.max(taken);
            let Some(end) = self.bytes[from..].iter().position(|b| *b == b'\n') else {
                self.searched = self.bytes.len();
                break;
            };
            let end = from + end;
            let line = &self.bytes[taken..end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            taken = end + 1;
            self.searched = taken;
            if line.is_empty() {
                let event = std::mem::take(&mut self.open);
                if std::mem::take(&mut self.filled) {
                    found = Some(event);
                }
            } else {
                let line = String::from_utf8_lossy(line).into_owned();
                self.line(&line);
            }
        }
        self.bytes.drain(..taken);
        self.searched -= taken.min(self.searched);
        let kept = self.bytes.len() + self.open.data.len();
        if kept > LONGEST { Err(TooLong) } else { Ok(found) }
    }

    fn line(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => {
                if self.filled && !self.open.data.is_empty() {
                    self.open.data.push('\n');
                }
                self.open.data.push_str(value);
                self.filled = true;
            }
            "event" => value.clone_into(&mut self.open.event),
            "id" => self.open.id = Some(value.to_owned()),
            _ => {} // a comment (no name at all), `retry`, or something newer
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> Vec<Sse> {
        let mut reader = SseReader::default();
        let mut events = Vec::new();
        for piece in pieces {
            reader.push(piece);
            while let Some(event) = reader.next().unwrap() {
                events.push(event);
            }
        }
        events
    }

    #[test]
    fn a_stream_says_the_same_however_it_is_cut() {
        let stream =
            b": hello\n\nid: a.1\ndata: {\"x\":\ndata: 1}\n\n:\n\nevent: gap\r\ndata: \xc3\xa9\r\n\r\ndata: cut";
        let whole = read(&[stream]);
        assert_eq!(whole.len(), 2);
        assert_eq!(whole[0].data, "{\"x\":\n1}");
        assert_eq!(whole[0].id.as_deref(), Some("a.1"));
        assert_eq!((whole[1].event.as_str(), whole[1].data.as_str()), ("gap", "é"));
        for size in 1..stream.len() {
            let pieces: Vec<_> = stream.chunks(size).collect();
            assert_eq!(read(&pieces), whole, "in pieces of {size}");
        }
    }
}
