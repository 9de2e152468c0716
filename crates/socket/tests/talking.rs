//! What goes wrong on open sockets, over a real listener.

mod common;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use common::{BINARY, CLOSE, Io, LIMITS, MORE, PING, PONG, RawClient, TEXT, accept, echo, masked, serve};
use rejoin_socket::{Incoming, Socket, WriteError, frame};
use tokio::net::TcpSocket;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Long enough for a kernel on a busy machine to move what it can.
const STALLED: Duration = Duration::from_millis(300);

async fn joined() -> RawClient {
    RawClient::join(serve(Io::Plain, accept(), echo).await, &[]).await
}

#[tokio::test]
async fn a_message_in_pieces_is_one_message_with_pings_between() {
    let mut client = joined().await;
    client.says(&masked(TEXT, false, "gr\u{fc}".as_bytes())).await;
    client.says(&masked(PING, true, b"1")).await;
    assert_eq!(client.hears().await, Some((PONG, b"1".to_vec())));
    client.says(&masked(MORE, false, b"")).await;
    client.says(&masked(PING, true, b"2")).await;
    assert_eq!(client.hears().await, Some((PONG, b"2".to_vec())));
    client.says(&masked(MORE, true, "\u{df}e".as_bytes())).await;
    assert_eq!(client.hears_text().await, "gr\u{fc}\u{df}e");
}

#[tokio::test]
async fn a_message_over_the_limit_is_named_and_the_talk_goes_on() {
    let mut client = joined().await;
    client.says(&masked(TEXT, true, &vec![b'x'; LIMITS.0])).await;
    assert_eq!(client.hears_text().await.len(), LIMITS.0);

    client.says(&masked(TEXT, true, &vec![b'x'; LIMITS.0 + 1])).await;
    assert_eq!(client.hears_text().await, "a message of 100001 bytes is over the limit of 100000");

    client.says(&masked(BINARY, false, &vec![b'x'; LIMITS.0])).await;
    client.says(&masked(MORE, true, &vec![b'x'; LIMITS.0])).await;
    assert_eq!(client.hears_text().await, "a message of 200000 bytes is over the limit of 100000");

    client.says(&masked(TEXT, true, b"small again")).await;
    assert_eq!(client.hears_text().await, "small again");
}

#[tokio::test]
async fn what_breaks_the_protocol_is_closed_with_its_code() {
    let far_too_big = masked(BINARY, true, &vec![0; LIMITS.1 + 1]);
    let mut sum_too_big = masked(BINARY, false, &vec![0; LIMITS.1]);
    sum_too_big.extend(masked(MORE, false, b"x"));
    let mut reserved = masked(TEXT, true, b"x");
    reserved[0] |= 0x40;
    let mut unknown = masked(TEXT, true, b"x");
    unknown[0] = 0x83;
    let mut unmasked = BytesMut::new();
    frame::text(&mut unmasked, "x");
    let mut interrupted = masked(TEXT, false, b"x");
    interrupted.extend(masked(TEXT, true, b"x"));

    let cases: [(&str, Vec<u8>, u16); 15] = [
        ("not masked", unmasked.to_vec(), 1002),
        ("not UTF-8", masked(TEXT, true, b"\xC3\x28"), 1007),
        ("half a character", masked(TEXT, true, b"gr\xC3"), 1007),
        ("far too big", far_too_big, 1009),
        ("too big in sum", sum_too_big, 1009),
        ("a gibibyte announced", vec![0x82, 0xFF, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4], 1009),
        ("all there is announced", [&[0x82, 0xFF][..], &[0xFF; 12]].concat(), 1009),
        ("a reserved bit", reserved, 1002),
        ("an unknown opcode", unknown, 1002),
        ("a long ping", masked(PING, true, &[0; 126]), 1002),
        ("a ping in pieces", masked(PING, false, b"x"), 1002),
        ("nothing to continue", masked(MORE, true, b"x"), 1002),
        ("two at once", interrupted, 1002),
        ("a close of one byte", masked(CLOSE, true, &[3]), 1002),
        ("a close that says 1005", masked(CLOSE, true, &1005_u16.to_be_bytes()), 1002),
    ];
    for (name, bytes, code) in cases {
        let mut client = joined().await;
        client.says(&bytes).await;
        assert_eq!(client.hears_close().await.0, code, "{name}");
    }
}

/// Bytes that nobody reads make the kernel reset the connection. The client's next write then fails,
/// and many clients (and whole kernels) forget what they could still have read.
#[tokio::test]
async fn a_client_that_goes_on_sending_still_sees_why_it_was_closed() {
    let mut client = joined().await;
    client.says(&masked(TEXT, true, b"\xFF")).await;
    client.stream.peek(&mut [0]).await.unwrap(); // it was closed, and does not know yet
    for _ in 0..8 {
        client.says(&masked(BINARY, true, &vec![0; 90_000])).await;
    }
    assert_eq!(client.hears_close().await, (1007, "a text message is not UTF-8".to_owned()));
}

#[tokio::test]
async fn a_close_is_answered_and_is_the_end() {
    let mut client = joined().await;
    let mut bytes = masked(CLOSE, true, &[&4001_u16.to_be_bytes()[..], b"bye"].concat());
    bytes.extend(masked(TEXT, true, b"not heard"));
    client.says(&bytes).await;
    assert_eq!(client.hears_close().await, (4001, "bye".to_owned()));

    let mut client = joined().await;
    client.says(&masked(CLOSE, true, b"")).await;
    assert_eq!(client.hears().await, Some((CLOSE, vec![])));
    assert_eq!(client.hears().await, None);
}

#[tokio::test]
async fn both_halves_work_from_two_tasks() {
    for io in [Io::Plain, Io::Wrapped] {
        let address = serve(io, accept(), |socket: Socket| async {
            let (mut reading, mut writing) = socket.split();
            let (answers, mut questions) = mpsc::channel(4);
            let speaks = tokio::spawn(async move {
                while let Some(text) = questions.recv().await {
                    let text: String = text;
                    writing.write(&[frame::chunk(|out| frame::text(out, &text))]).await.unwrap();
                }
                writing.close(frame::code::NORMAL, "").await.unwrap();
            });
            while let Some(Ok(Incoming::Text(text))) = reading.next().await {
                answers.send(text).await.unwrap();
            }
            drop(answers);
            speaks.await.unwrap();
        })
        .await;
        let mut client = RawClient::join(address, &[]).await;
        for round in 0..100 {
            client.says(&masked(TEXT, true, format!("{round}").as_bytes())).await;
        }
        for round in 0..100 {
            assert_eq!(client.hears_text().await, format!("{round}"));
        }
        client.says(&masked(CLOSE, true, b"")).await;
        assert_eq!(client.hears_close().await.0, 1000);
    }
}

/// A server socket and a client that reads nothing by itself, both with small kernel buffers.
async fn stalled() -> (Socket, RawClient) {
    let (sender, mut sockets) = mpsc::channel(1);
    let how = accept().send_buffer(16 * 1024);
    let address = serve(Io::Plain, how, move |socket| {
        let sender = sender.clone();
        async move { sender.send(socket).await.unwrap_or_else(|_| panic!("the test ended")) }
    })
    .await;
    let tcp = TcpSocket::new_v4().unwrap();
    tcp.set_recv_buffer_size(16 * 1024).unwrap();
    let client = RawClient::join_with(tcp, address, &[]).await;
    (sockets.recv().await.unwrap(), client)
}

/// A chunk of numbered frames.
fn chunk(from: usize, frames: usize) -> Bytes {
    let mut out = BytesMut::new();
    for number in from..from + frames {
        frame::text(&mut out, &format!("{number:0300}"));
    }
    out.freeze()
}

#[tokio::test]
async fn a_stalled_client_costs_little_and_gets_every_frame_whole_in_the_end() {
    let (socket, mut client) = stalled().await;
    let (mut reading, mut writing) = socket.split();
    let chunks: Vec<Bytes> = (0..40).map(|number| chunk(number * 100, 100)).collect();
    let total: usize = chunks.iter().map(Bytes::len).sum();

    let before = writing.progress();
    assert!(timeout(STALLED, writing.write(&chunks)).await.is_err(), "the kernel took 1.2 MB");
    let stuck = writing.progress();
    assert!(stuck > before && stuck < 256 * 1024, "the kernel holds {stuck} bytes");
    assert!(timeout(STALLED, writing.flush()).await.is_err());
    assert_eq!(writing.progress(), stuck, "progress without a reader");
    assert_eq!(writing.waiting() + stuck as usize, total);

    // More than it may hold is refused and not queued.
    assert!(matches!(writing.write(&[chunk(0, 1)]).await, Err(WriteError::Full(_))));
    assert_eq!(writing.waiting() + stuck as usize, total);

    // It pings a thousand times, and is not owed a thousand pongs.
    for number in 0..1000_u32 {
        client.says(&masked(PING, true, &number.to_be_bytes())).await;
        let Some(Ok(Incoming::Ping(payload))) = reading.next().await else { panic!("no ping") };
        writing.pong(&payload);
    }
    assert!(writing.waiting() + (stuck as usize) < total + 16);

    // Then it reads, while each flush is cancelled again and again.
    let writes = tokio::spawn(async move {
        let mut turns = 0;
        while writing.waiting() > 0 {
            tokio::select! {
                biased;
                done = writing.flush() => done.unwrap(),
                () = tokio::task::yield_now() => turns += 1,
            }
        }
        (writing, turns)
    });
    let mut pongs = Vec::new();
    for number in 0..4000 {
        let (mut opcode, mut payload) = client.hears().await.unwrap();
        if opcode == PONG {
            pongs.push(payload);
            (opcode, payload) = client.hears().await.unwrap();
        }
        assert_eq!((opcode, payload), (TEXT, format!("{number:0300}").into_bytes()));
    }
    let (writing, turns) = writes.await.unwrap();
    assert!(turns > 0, "no flush was ever cancelled");
    assert_eq!(pongs, [999_u32.to_be_bytes()]);
    assert_eq!(writing.progress() as usize, total + 6);
}

#[tokio::test]
async fn closing_on_a_stalled_client_gives_up() {
    let (mut socket, _client) = stalled().await;
    let chunks: Vec<Bytes> = (0..40).map(|_| chunk(0, 100)).collect();
    assert!(timeout(STALLED, socket.writing.write(&chunks)).await.is_err());

    tokio::time::pause(); // from here on, time passes as soon as everybody waits
    let closed = socket.writing.close(frame::code::POLICY, "too slow").await;
    assert!(matches!(closed, Err(WriteError::Broken(_))), "{closed:?}");
    assert_eq!(socket.writing.waiting(), 0);
    assert!(matches!(socket.writing.flush().await, Err(WriteError::Closed)));
    assert!(matches!(socket.writing.push(chunk(0, 1)), Err(WriteError::Closed)));
}

#[tokio::test]
async fn writing_to_a_client_that_is_gone_ends() {
    let (mut socket, client) = stalled().await;
    drop(client);
    let chunk = chunk(0, 100);
    let broken = timeout(Duration::from_secs(30), async {
        loop {
            if let Err(error) = socket.writing.write(std::slice::from_ref(&chunk)).await {
                return error;
            }
        }
    });
    assert!(matches!(broken.await.unwrap(), WriteError::Broken(_)));
    assert!(socket.reading.next().await.is_none());
}
