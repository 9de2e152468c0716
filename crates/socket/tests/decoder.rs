//! The decoder against anything: split anywhere, masked by somebody else, or plain noise.

mod common;

use std::io::{self, Read, Write};

use common::{BINARY, CLOSE, MORE, PING, PONG, TEXT, masked};
use proptest::prelude::*;
use rejoin_socket::{CloseReason, Decoder, Incoming, Limits, Violation};
use tungstenite::protocol::{CloseFrame, Role, WebSocket};
use tungstenite::{Message, Utf8Bytes};

type Heard = Vec<Result<Incoming, Violation>>;

const LIMIT: usize = 400;
const HARD: usize = 800;

/// What is heard when `bytes` arrive in pieces that end at `cuts`.
fn heard(bytes: &[u8], cuts: &[usize]) -> Heard {
    let mut decoder = Decoder::new(Limits::new(LIMIT, HARD));
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    let mut heard = Vec::new();
    for piece in cuts.windows(2) {
        decoder.feed(&bytes[piece[0]..piece[1]]);
        loop {
            match decoder.next() {
                Ok(Some(incoming)) => heard.push(Ok(incoming)),
                Ok(None) => break,
                Err(violation) => {
                    heard.push(Err(violation));
                    if violation.is_fatal() {
                        assert_eq!(decoder.next(), Err(violation), "it is over");
                        return heard;
                    }
                }
            }
        }
    }
    heard
}

/// One message of a client: its frames as they travel, and what is to be heard.
fn message() -> impl Strategy<Value = (Vec<u8>, Heard)> {
    let pieces = prop::collection::vec((prop::collection::vec(any::<u8>(), 0..200), 0..3_u8), 1..5);
    let binary = pieces.prop_map(|pieces| {
        let (mut bytes, mut heard) = (Vec::new(), Vec::new());
        let last = pieces.len() - 1;
        for (at, (payload, control)) in pieces.iter().enumerate() {
            if *control > 0 {
                let (opcode, payload) = ([PING, PONG][usize::from(*control) - 1], &[*control; 3]);
                bytes.extend(masked(opcode, true, payload));
                let payload = payload.to_vec().into();
                heard.push(Ok(match control {
                    1 => Incoming::Ping(payload),
                    _ => Incoming::Pong(payload),
                }));
            }
            bytes.extend(masked(if at == 0 { BINARY } else { MORE }, at == last, payload));
        }
        let whole = pieces.into_iter().flat_map(|(payload, _)| payload).collect::<Vec<u8>>();
        heard.push(match whole.len() {
            0..=LIMIT => Ok(Incoming::Binary(whole.into())),
            over => Err(Violation::Oversize { size: over as u64, limit: LIMIT }),
        });
        (bytes, heard)
    });
    let text = ".{0,60}".prop_map(|text| {
        let (left, right) = text.as_bytes().split_at(text.len() / 3); // also inside a character
        let bytes = [masked(TEXT, false, left), masked(MORE, true, right)].concat();
        (bytes, vec![Ok(Incoming::Text(text))])
    });
    prop_oneof![binary, text]
}

/// A byte sink that a client of another make writes into.
struct Wire(Vec<u8>);

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Wire {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

proptest! {
    #[test]
    fn how_the_bytes_are_split_changes_nothing(
        messages in prop::collection::vec(message(), 0..6),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        let bytes: Vec<u8> = messages.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        let mut wanted: Heard = Vec::new();
        for one in messages.into_iter().flat_map(|(_, heard)| heard) {
            wanted.push(one);
        }
        // What is over the hard limit ends it all, and comes in place of what is merely over.
        let whole = heard(&bytes, &[]);
        match whole.last() {
            Some(Err(Violation::FarTooBig { announced, limit })) => {
                prop_assert!(*announced > HARD as u64 && *limit == HARD);
                prop_assert!(wanted.starts_with(&whole[..whole.len() - 1]));
                let over = |one: &Result<_, _>| matches!(
                    one, Err(Violation::Oversize { size, .. }) if *size > HARD as u64
                );
                prop_assert!(wanted.iter().any(over));
            }
            _ => prop_assert_eq!(&whole, &wanted),
        }
        prop_assert_eq!(heard(&bytes, &cuts), whole.clone());
        let each: Vec<usize> = (0..bytes.len()).collect();
        prop_assert_eq!(heard(&bytes, &each), whole);
    }

    #[test]
    fn noise_is_heard_the_same_however_it_is_split_and_never_panics(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        cuts in prop::collection::vec(any::<usize>(), 0..8),
    ) {
        prop_assert_eq!(heard(&bytes, &cuts), heard(&bytes, &[]));
    }

    /// Noise is refused at its first byte most of the time; this gets deeper.
    #[test]
    fn a_valid_stream_with_some_bytes_changed_never_panics(
        messages in prop::collection::vec(message(), 1..4),
        changes in prop::collection::vec((any::<usize>(), any::<u8>()), 1..6),
        cuts in prop::collection::vec(any::<usize>(), 0..8),
    ) {
        let mut bytes: Vec<u8> = messages.into_iter().flat_map(|(bytes, _)| bytes).collect();
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        prop_assert_eq!(heard(&bytes, &cuts), heard(&bytes, &[]));
    }

    #[test]
    fn what_another_make_of_client_masks_is_heard_as_it_was_meant(
        texts in prop::collection::vec(".{0,90}", 0..5),
        blob in prop::collection::vec(any::<u8>(), 0..=LIMIT),
        ping in prop::collection::vec(any::<u8>(), 0..=125),
        reason in "[a-z]{0,100}",
        cuts in prop::collection::vec(any::<usize>(), 0..8),
    ) {
        let mut client = WebSocket::from_raw_socket(Wire(Vec::new()), Role::Client, None);
        for text in &texts {
            client.send(Message::text(text.clone())).unwrap();
        }
        client.send(Message::binary(blob.clone())).unwrap();
        client.send(Message::Ping(ping.clone().into())).unwrap();
        let close = CloseFrame { code: 4321.into(), reason: Utf8Bytes::from(reason.clone()) };
        client.close(Some(close)).unwrap();
        let bytes = client.into_inner().0;

        let mut wanted: Heard = texts.into_iter().map(|text| Ok(Incoming::Text(text))).collect();
        wanted.push(Ok(Incoming::Binary(blob.into())));
        wanted.push(Ok(Incoming::Ping(ping.into())));
        wanted.push(Ok(Incoming::Close(Some(CloseReason { code: 4321, text: reason }))));
        prop_assert_eq!(heard(&bytes, &cuts), wanted);
    }
}

#[test]
fn nothing_is_heard_behind_a_close() {
    let bytes = [masked(CLOSE, true, b""), masked(TEXT, true, b"late")].concat();
    for cuts in [vec![], vec![6], vec![3, 9]] {
        assert_eq!(heard(&bytes, &cuts), [Ok(Incoming::Close(None))]);
    }
}

#[test]
fn a_close_reason_that_is_not_utf8_is_refused() {
    let bytes = masked(CLOSE, true, b"\x03\xE8\xFF");
    assert_eq!(heard(&bytes, &[]), [Err(Violation::NotUtf8)]);
}

#[test]
fn an_oversize_text_need_not_be_utf8_because_nobody_reads_it() {
    let bytes = [masked(TEXT, true, &[0xFF; LIMIT + 1]), masked(TEXT, true, b"next")].concat();
    let over = Violation::Oversize { size: LIMIT as u64 + 1, limit: LIMIT };
    assert_eq!(heard(&bytes, &[]), [Err(over), Ok(Incoming::Text("next".to_owned()))]);
}
