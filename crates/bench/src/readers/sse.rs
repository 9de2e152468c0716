//! Server-sent events as a reader sees them: numbers are read from `id:` lines, everything else is skipped.

use super::count::Count;

/// What is kept of a line that is cut in two: enough for an id, or for the word of an event.
const LONGEST_KEPT: usize = 96;

#[derive(Debug, Default)]
pub(crate) struct Sse {
    /// Bytes of the current chunk that are still to come, its line's end included.
    chunk: usize,
    /// The beginning of a line that goes on in the next bytes.
    held: Vec<u8>,
    /// Between two chunks: a size is being read.
    size: Vec<u8>,
}

impl Sse {
    /// Counts what is in `bytes`, the body of a chunked answer. `false`: it is none, or it has ended.
    pub(crate) fn read(&mut self, mut bytes: &[u8], count: &mut Count) -> bool {
        count.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            if self.chunk == 0 {
                let Some(end) = memchr::memchr(b'\n', bytes) else {
                    self.size.extend_from_slice(bytes);
                    return self.size.len() < LONGEST_KEPT;
                };
                self.size.extend_from_slice(&bytes[..end]);
                bytes = &bytes[end + 1..];
                let size = std::str::from_utf8(&self.size).ok().map(str::trim);
                match size.and_then(|size| usize::from_str_radix(size, 16).ok()) {
                    None | Some(0) => return false,
                    Some(size) => self.chunk = size + 2,
                }
                self.size.clear();
            }
            let here = self.chunk.min(bytes.len());
            // The line's end behind a chunk is not of the stream.
            let text = here.min(self.chunk.saturating_sub(2));
            self.lines(&bytes[..text], count);
            self.chunk -= here;
            bytes = &bytes[here..];
        }
        true
    }

    fn lines(&mut self, bytes: &[u8], count: &mut Count) {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            if self.held.is_empty() {
                line(&bytes[start..end], count);
            } else {
                self.hold(&bytes[start..end]);
                line(&self.held, count);
                self.held.clear();
            }
            start = end + 1;
        }
        self.hold(&bytes[start..]);
    }

    fn hold(&mut self, rest: &[u8]) {
        let room = LONGEST_KEPT - self.held.len();
        self.held.extend_from_slice(&rest[..rest.len().min(room)]);
    }
}

fn line(line: &[u8], count: &mut Count) {
    if let Some(id) = line.strip_prefix(b"id: ") {
        let Some((epoch, seq)) = std::str::from_utf8(id).ok().and_then(|id| id.split_once('.')) else {
            count.lost += 1;
            return;
        };
        if count.epoch != epoch {
            count.epoch = epoch.to_owned();
        }
        match seq.parse() {
            Ok(seq) => count.number(seq),
            Err(_) => count.lost += 1,
        }
    } else if line == b"event: caught-up" {
        count.caught_up = true;
    } else if line == b"event: gap" {
        count.gaps += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Vec<u8> {
        let mut body = String::new();
        for seq in 1..=30 {
            let data = "y".repeat(seq * 37);
            body += &format!("id: 0a1b.{seq}\ndata: {{\"seq\":{seq},\"text\":\"{data}\"}}\n\n");
        }
        body += "event: caught-up\ndata: {}\n\n: still here\n\n";
        let mut chunked = Vec::new();
        for piece in body.as_bytes().chunks(997) {
            chunked.extend(format!("{:x}\r\n", piece.len()).into_bytes());
            chunked.extend_from_slice(piece);
            chunked.extend_from_slice(b"\r\n");
        }
        chunked
    }

    #[test]
    fn cuts_anywhere_do_not_change_the_count() {
        let bytes = answer();
        for size in [1, 2, 5, 61, 996, 997, 1_003, bytes.len()] {
            let (mut sse, mut count) = (Sse::default(), Count::default());
            for piece in bytes.chunks(size) {
                assert!(sse.read(piece, &mut count));
            }
            assert_eq!((count.seq, count.events, count.lost, count.caught_up), (30, 30, 0, true), "pieces of {size}");
        }
    }

    #[test]
    fn the_end_of_the_answer_is_seen() {
        let (mut sse, mut count) = (Sse::default(), Count::default());
        assert!(!sse.read(b"0\r\n\r\n", &mut count));
        assert!(!Sse::default().read(b"no size\r\n", &mut count));
    }
}
