//! One request and its answer: bounded, and sent again when it got lost on the way and may be.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Client;
use super::backoff::Backoff;
use super::problem::{Error, Problem};

/// The largest answer that is read into memory: a page of the log with long tool results in it.
const LARGEST_ANSWER: usize = 256 << 20;
/// The longest that a gateway may make us wait before we try again.
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// A request before it is sent.
pub(super) struct Call {
    method: Method,
    url: Url,
    body: Option<(Bytes, &'static str)>,
    accept: &'static str,
    /// Whether it may be sent again when nobody knows whether it arrived.
    repeatable: bool,
    /// Streams have no end to wait for.
    streams: bool,
    /// It takes as long as it takes.
    patient: bool,
}

impl Call {
    fn new(method: Method, url: Url) -> Call {
        Call { method, url, body: None, accept: "application/json", repeatable: true, streams: false, patient: false }
    }
    pub(super) fn json<T: Serialize>(mut self, body: &T) -> Result<Call, Error> {
        let body = serde_json::to_vec(body).map_err(|why| Error::Setting(why.to_string()))?;
        self.body = Some((body.into(), "application/json"));
        Ok(self)
    }
    pub(super) fn bytes(mut self, body: Bytes) -> Call {
        self.body = Some((body, "application/octet-stream"));
        self
    }
    /// Adds a parameter to the address.
    pub(super) fn ask(mut self, name: &str, value: impl ToString) -> Call {
        self.url.query_pairs_mut().append_pair(name, &value.to_string());
        self
    }
    pub(super) fn ask_maybe(self, name: &str, value: Option<impl ToString>) -> Call {
        match value {
            Some(value) => self.ask(name, value),
            None => self,
        }
    }
    /// It must not be done twice, so it is sent again only when it surely did not arrive.
    pub(super) fn once(mut self) -> Call {
        self.repeatable = false;
        self
    }
    /// The answer may take longer than any other.
    pub(super) fn patient(mut self) -> Call {
        self.patient = true;
        self
    }
    pub(super) fn event_stream(mut self) -> Call {
        self.accept = "text/event-stream";
        self.streams = true;
        self
    }
}

impl Client {
    /// The address of something under `/api/v1`. Every piece is escaped.
    pub(super) fn address<'a>(&self, pieces: impl IntoIterator<Item = &'a str>) -> Url {
        self.address_of(["api", "v1"].into_iter().chain(pieces))
    }

    fn address_of<'a>(&self, pieces: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.0.url.clone();
        url.set_query(None);
        url.set_fragment(None);
        url.path_segments_mut().expect("the builder took only addresses with a host").pop_if_empty().extend(pieces);
        url
    }

    pub(super) fn call<'a>(&self, method: Method, pieces: impl IntoIterator<Item = &'a str>) -> Call {
        Call::new(method, self.address(pieces))
    }

    /// Something beside the API.
    pub(super) fn call_beside<'a>(&self, method: Method, pieces: impl IntoIterator<Item = &'a str>) -> Call {
        Call::new(method, self.address_of(pieces))
    }

    /// Sends it and reads the answer as JSON.
    pub(super) async fn fetch<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        let body = self.read(call).await?;
        serde_json::from_slice(&body).map_err(|why| Error::Unreadable { what: "an answer", why: why.to_string() })
    }

    /// Sends it; whatever the answer says besides its status does not matter.
    pub(super) async fn tell(&self, call: Call) -> Result<(), Error> {
        self.read(call).await.map(|_| ())
    }

    /// Sends it and reads the answer's bytes.
    pub(super) async fn read(&self, call: Call) -> Result<Bytes, Error> {
        let (_, body) = self.attempts(call).await?;
        Ok(body)
    }

    /// Sends it and hands over the answer to be read piece by piece.
    pub(super) async fn open(&self, mut call: Call) -> Result<Response, Error> {
        call.streams = true;
        let (response, _) = self.attempts(call).await?;
        Ok(response)
    }

    async fn attempts(&self, call: Call) -> Result<Answer, Error> {
        let mut backoff = Backoff::fresh();
        loop {
            let last = backoff.tries() >= self.0.retries;
            let (error, wait) = match self.attempt(&call).await {
                Ok(answer) => return Ok(answer),
                Err(Failed::Said(problem, wait)) => {
                    if last || !problem.is_passing() {
                        return Err(problem.into());
                    }
                    (Error::Problem(problem), wait)
                }
                Err(Failed::Lost(why)) => {
                    let again = call.repeatable || why.is_connect();
                    let error = self.lost(why);
                    if last || !again {
                        return Err(error);
                    }
                    (error, None)
                }
            };
            let wait = wait.unwrap_or_default().min(LONGEST_RETRY).max(backoff.next_wait());
            tracing::debug!(%error, ?wait, "the request is sent again");
            let at = self.0.clock.now() + wait.as_millis() as u64;
            self.0.clock.until(at).await;
        }
    }

    async fn attempt(&self, call: &Call) -> Result<Answer, Failed> {
        let mut request = self.0.http.request(call.method.clone(), call.url.clone()).header(ACCEPT, call.accept);
        if !(call.streams || call.patient) {
            request = request.timeout(self.0.request_timeout);
        }
        if let Some((body, kind)) = &call.body {
            request = request.header(CONTENT_TYPE, *kind).body(body.clone());
        }
        let mut response = request.send().await.map_err(Failed::Lost)?;
        let status = response.status();
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            let body = match call.streams {
                true => Bytes::new(),
                false => whole(&mut response).await.map_err(Failed::Lost)?,
            };
            return Ok((response, body));
        }
        let wait = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|wait| wait.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        let body = whole(&mut response).await.unwrap_or_default();
        Err(Failed::Said(Problem::from_body(status.as_u16(), &body), wait))
    }

    fn lost(&self, why: reqwest::Error) -> Error {
        let doing = match (why.is_connect(), why.is_timeout()) {
            (_, true) => format!("waiting for the gateway at {}", self.url()),
            (true, _) => format!("connecting to the gateway at {}", self.url()),
            _ => format!("talking with the gateway at {}", self.url()),
        };
        Error::transport(doing, why.without_url())
    }
}

/// A good answer, and its body: read to the end, unless the answer is a stream.
type Answer = (Response, Bytes);

enum Failed {
    /// The gateway answered, and perhaps said when to come again.
    Said(Problem, Option<Duration>),
    Lost(reqwest::Error),
}

/// Reads a body, as far as it is bearable.
async fn whole(response: &mut Response) -> Result<Bytes, reqwest::Error> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > LARGEST_ANSWER {
            break; // what is cut here does not parse, and is told as unreadable
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
