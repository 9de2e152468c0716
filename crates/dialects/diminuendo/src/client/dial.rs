//! Opening connections.

use std::future::Future;
use std::io;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::{ClientOptions, Error};

/// The largest message that is taken: a snapshot carries the newest messages, each as large as it was.
const LARGEST: usize = 256 << 20;

/// What a WebSocket can be spoken over.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection being opened.
pub type Dialing<'a> = Pin<Box<dyn Future<Output = io::Result<Box<dyn Io>>> + Send + 'a>>;

/// Opens connections: to go through a proxy, say, or through no network at all. TLS is put on top where the address asks
/// for it.
pub trait Dial: Send + Sync {
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> Dialing<'a>;
}

/// Plain TCP.
#[derive(Debug, Clone, Copy)]
pub struct Tcp;

impl Dial for Tcp {
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> Dialing<'a> {
        Box::pin(async move {
            let stream = TcpStream::connect((host, port)).await?;
            stream.set_nodelay(true)?; // a word at a time, each at once
            Ok(Box::new(stream) as Box<dyn Io>)
        })
    }
}

pub(super) type Socket = WebSocketStream<MaybeTlsStream<Box<dyn Io>>>;

pub(super) async fn open(options: &ClientOptions) -> Result<Socket, Error> {
    let request =
        options.url.as_str().into_client_request().map_err(|why| Error::socket("reading the address", why))?;
    let uri = request.uri();
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("wss") { 443 } else { 80 });
    let stream = options.dial.dial(&host, port).await.map_err(|why| Error::socket("connecting to the gateway", why))?;
    let config = WebSocketConfig::default().max_message_size(Some(LARGEST)).max_frame_size(Some(LARGEST));
    let opened = tokio_tungstenite::client_async_tls_with_config(request, stream, Some(config), None).await;
    opened.map(|(socket, _)| socket).map_err(|why| Error::socket("opening the WebSocket", why))
}
