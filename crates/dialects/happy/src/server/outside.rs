//! Services elsewhere that we ask, if we were told to: with a bound on time and on what they answer.

use std::time::Duration;

use futures_util::StreamExt;
use reqwest::{Client, RequestBuilder, redirect};
use serde::de::DeserializeOwned;

use super::Hall;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    // Addresses of such services have secrets in them at times.
    #[error("asking a service: {0}")]
    Unreached(String),
    #[error("asking a service: it answered with status {0}")]
    Status(u16),
    #[error("asking a service: its answer is too long")]
    TooLong,
    #[error("asking a service: its answer is not what it should be")]
    Unreadable,
}

impl From<reqwest::Error> for Failed {
    fn from(error: reqwest::Error) -> Failed {
        Failed::Unreached(error.without_url().to_string())
    }
}

impl Hall {
    /// Made when it is first needed: most gateways ask nobody.
    pub(super) fn http(&self) -> &Client {
        self.outside.get_or_init(|| {
            let client = Client::builder().timeout(PATIENCE).redirect(redirect::Policy::none()).user_agent("rejoin");
            client.build().expect("nothing of it depends on where we are")
        })
    }
}

/// Asks for an answer of JSON that is not longer than that.
pub(super) async fn json<T: DeserializeOwned>(request: RequestBuilder, longest: usize) -> Result<T, Failed> {
    serde_json::from_slice(&bytes(request, longest).await?).map_err(|_| Failed::Unreadable)
}

/// The same for any text.
pub(super) async fn text(request: RequestBuilder, longest: usize) -> Result<String, Failed> {
    String::from_utf8(bytes(request, longest).await?).map_err(|_| Failed::Unreadable)
}

async fn bytes(request: RequestBuilder, longest: usize) -> Result<Vec<u8>, Failed> {
    let answer = request.send().await?;
    if !answer.status().is_success() {
        return Err(Failed::Status(answer.status().as_u16()));
    }
    let (mut stream, mut read) = (answer.bytes_stream(), Vec::new());
    while let Some(chunk) = stream.next().await {
        read.extend_from_slice(&chunk?);
        if read.len() > longest {
            return Err(Failed::TooLong);
        }
    }
    Ok(read)
}

/// As addresses have it, and signatures of them: everything but letters, digits and four others as bytes in hex.
pub(super) fn escaped(text: &str, is_path: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            b'/' if is_path => out.push('/'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// An address with what is asked behind it.
pub(super) fn asking(url: String, query: &[(&str, &str)]) -> String {
    let pairs = query.iter().map(|(name, value)| format!("{}={}", escaped(name, false), escaped(value, false)));
    format!("{url}?{}", pairs.collect::<Vec<_>>().join("&"))
}
