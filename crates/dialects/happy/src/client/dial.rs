//! Opening connections for sockets.

use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::{Error, Options};

/// The largest packet that is taken: a message that came over HTTP is told over sockets as large as it was, in base64.
const LARGEST: usize = 256 << 20;

pub(super) type WebSocket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(super) async fn open(options: &Options) -> Result<WebSocket, Error> {
    let url = options.server.socket();
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = url.port_or_known_default().unwrap_or(80);
    let failed = |why| Error::io("connecting to the server", why);
    let stream = TcpStream::connect((host, port)).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?; // a word at a time, each at once
    let config = WebSocketConfig::default().max_message_size(Some(LARGEST)).max_frame_size(Some(LARGEST));
    let opened = tokio_tungstenite::client_async_tls_with_config(url.as_str(), stream, Some(config), None).await;
    opened.map(|(socket, _)| socket).map_err(|why| Error::io("opening the WebSocket", why))
}
