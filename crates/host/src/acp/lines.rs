//! Lines from a pipe, none longer than we allow.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Whole(Vec<u8>),
    /// It goes on beyond the limit; what follows of it is not read.
    TooLong,
    /// The pipe is closed. What came before without a line end was a line too.
    End,
}

/// Reads the next line without its end.
pub(super) async fn next(from: &mut (impl AsyncBufRead + Unpin), limit: usize) -> io::Result<Line> {
    let mut line = Vec::new();
    loop {
        let block = from.fill_buf().await?;
        if block.is_empty() {
            return Ok(if line.is_empty() { Line::End } else { Line::Whole(line) });
        }
        let end = memchr::memchr(b'\n', block);
        let piece = &block[..end.unwrap_or(block.len())];
        if line.len() + piece.len() > limit {
            return Ok(Line::TooLong);
        }
        line.extend_from_slice(piece);
        let used = end.map_or(block.len(), |end| end + 1);
        from.consume(used);
        if end.is_some() {
            return Ok(Line::Whole(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::BufReader;

    use super::*;

    async fn all(text: &[u8], limit: usize) -> Vec<Line> {
        let mut from = BufReader::with_capacity(4, text);
        let mut lines = Vec::new();
        loop {
            let line = next(&mut from, limit).await.unwrap();
            let over = line == Line::TooLong || line == Line::End;
            lines.push(line);
            if over {
                return lines;
            }
        }
    }

    fn whole(text: &str) -> Line {
        Line::Whole(text.as_bytes().to_vec())
    }

    #[tokio::test]
    async fn lines_come_whole_however_they_were_cut() {
        assert_eq!(
            all(b"a\n\nlonger than a block\nno end", 30).await,
            [whole("a"), whole(""), whole("longer than a block"), whole("no end"), Line::End]
        );
        assert_eq!(all(b"", 3).await, [Line::End]);
    }

    #[tokio::test]
    async fn a_line_may_have_as_many_bytes_as_are_allowed_and_no_more() {
        assert_eq!(all(b"1234567\n", 7).await, [whole("1234567"), Line::End]);
        assert_eq!(all(b"12345678\n", 7).await, [Line::TooLong]);
    }
}
