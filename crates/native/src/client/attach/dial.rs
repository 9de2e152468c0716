//! Opens sockets.

use std::sync::Arc;

use rejoin_core::id::SessionId;
use rejoin_core::position::Heard;
use reqwest::Url;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, http};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::client::{Client, Error, Problem};

pub(in crate::client) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The largest frame: a gap carries a snapshot with its newest messages.
const LARGEST_FRAME: usize = 256 << 20;

/// Why there is no connection.
#[derive(Debug, Clone)]
pub(in crate::client) enum Lost {
    /// Another attempt may work.
    Passing(Arc<str>),
    /// No other attempt will.
    ForGood(Error),
}

impl Lost {
    pub(super) fn passing(why: impl std::fmt::Display) -> Lost {
        Lost::Passing(why.to_string().into())
    }

    /// What a failing socket means.
    pub(super) fn from_socket(why: tungstenite::Error) -> Lost {
        match why {
            tungstenite::Error::Http(response) => {
                let body = response.body().as_deref().unwrap_or_default();
                Lost::from_answer(Problem::from_body(response.status().as_u16(), body))
            }
            // It would be as large the next time.
            tungstenite::Error::Capacity(why @ CapacityError::MessageTooLong { .. }) => {
                Lost::ForGood(Error::transport("following the session", why))
            }
            why => Lost::passing(why),
        }
    }

    /// An answer instead of a socket: busy and stopping gateways are asked again, others meant it.
    pub(super) fn from_answer(problem: Problem) -> Lost {
        if problem.is_passing() || problem.status >= 500 {
            Lost::passing(problem)
        } else {
            Lost::ForGood(problem.into())
        }
    }
}

impl Client {
    /// Connects, and begins behind what was heard.
    pub(super) async fn dial(&self, session: &SessionId, heard: Heard) -> Result<Socket, Lost> {
        let mut url = self.address(["sessions", session.as_str(), "socket"]);
        url.query_pairs_mut().append_pair("after", &crate::client::events::after(heard));
        self.connect(url).await
    }

    /// Opens the socket that is at an address of the API.
    pub(in crate::client) async fn connect(&self, mut url: Url) -> Result<Socket, Lost> {
        let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
        url.set_scheme(scheme).expect("both are schemes of the web, so one may stand for the other");
        let mut request: http::Request<()> = url
            .as_str()
            .into_client_request()
            .map_err(|why| Lost::ForGood(Error::transport("client: the address", why)))?;
        let headers = request.headers_mut();
        for (name, value) in &self.0.headers {
            headers.insert(name.clone(), value.clone());
        }
        let config =
            WebSocketConfig::default().max_message_size(Some(LARGEST_FRAME)).max_frame_size(Some(LARGEST_FRAME));
        let connecting = tokio_tungstenite::connect_async_with_config(request, Some(config), true);
        // Sockets take as long as they take; this one wait is about them, not about the gateway's time.
        match tokio::time::timeout(self.0.connect_timeout, connecting).await {
            Ok(Ok((socket, _))) => Ok(socket),
            Ok(Err(why)) => Err(Lost::from_socket(why)),
            Err(_) => Err(Lost::passing("the gateway did not answer in time")),
        }
    }
}
