//! Asking over HTTP: one request, one answer, with bounds on both.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{ClientBuilder, Method, RequestBuilder, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::sleep;

use super::backoff::Backoff;
use super::{Error, Options};

/// The largest answer that is taken: a page of messages, each as large as servers let them be.
const LARGEST_ANSWER: usize = 256 << 20;
/// What is kept of an answer that says no.
const LARGEST_REFUSAL: usize = 64 << 10;
/// Attempts at what may be asked twice.
const ATTEMPTS: u32 = 4;
/// The wait before the second attempt; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// A server over HTTP: everything that it offers there. Cheap to clone.
///
/// What may be asked twice without harm is asked again when the server cannot be reached or is about to restart; what may
/// not, only while it is certain that it did not arrive.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

struct Inner {
    http: reqwest::Client,
    /// For addresses that the server names and that are not its own. It says nothing of us.
    elsewhere: OnceLock<reqwest::Client>,
    options: Options,
    /// `Bearer …`
    bearer: Option<HeaderValue>,
}

/// One question.
pub(super) struct Ask {
    doing: &'static str,
    method: Method,
    route: String,
    query: Vec<(&'static str, String)>,
    body: Option<Bytes>,
    content_type: Cow<'static, str>,
    /// Asked twice, it does the same as asked once.
    is_safe: bool,
}

impl Api {
    /// For what needs no sign-in.
    pub fn new(options: &Options) -> Result<Api, Error> {
        Api::build(options, None)
    }

    pub fn with_token(options: &Options, token: &str) -> Result<Api, Error> {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| Error::Unreadable("token"))?;
        bearer.set_sensitive(true);
        Api::build(options, Some(bearer))
    }

    fn build(options: &Options, bearer: Option<HeaderValue>) -> Result<Api, Error> {
        let mut headers = HeaderMap::new();
        let label = HeaderValue::from_str(&options.label).map_err(|_| Error::Unreadable("label"))?;
        headers.insert("x-happy-client", label);
        let mut http = patient(options).default_headers(headers);
        if !options.server.is_secure() {
            // Reading the system's certificates costs more than a whole request to a server nearby.
            http = http.tls_certs_only([]);
        }
        let http = http.build().map_err(|why| Error::io("setting up HTTP", why))?;
        Ok(Api(Arc::new(Inner { http, elsewhere: OnceLock::new(), options: options.clone(), bearer })))
    }

    fn elsewhere(&self, doing: &'static str) -> Result<&reqwest::Client, Error> {
        if let Some(http) = self.0.elsewhere.get() {
            return Ok(http);
        }
        // The server may be nearby and without a certificate while its files are far away, so this one knows all of them.
        let http = patient(&self.0.options).build().map_err(|why| Error::io(doing, why))?;
        Ok(self.0.elsewhere.get_or_init(|| http))
    }

    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// Asks, and reads the answer.
    pub(super) async fn ask<T: DeserializeOwned>(&self, ask: Ask) -> Result<T, Error> {
        let doing = ask.doing;
        let answer = self.bytes(ask).await?;
        serde_json::from_slice(&answer).map_err(|_| Error::Unreadable(doing))
    }

    /// Asks, for an answer that says no more than that it was done.
    pub(super) async fn tell(&self, ask: Ask) -> Result<(), Error> {
        self.bytes(ask).await.map(drop)
    }

    pub(super) async fn bytes(&self, ask: Ask) -> Result<Bytes, Error> {
        let url = self.url(&ask);
        let response = self.patiently(&ask, &url).await?;
        body(ask.doing, response, LARGEST_ANSWER).await
    }

    /// Asks, and gives back the answer whatever its status, with its body.
    pub(super) async fn any_status(&self, ask: Ask) -> Result<(StatusCode, Value), Error> {
        let url = self.url(&ask);
        let response = self.send(&ask, &url).await?;
        let status = response.status();
        let answer = body(ask.doing, response, LARGEST_ANSWER).await?;
        Ok((status, serde_json::from_slice(&answer).unwrap_or_default()))
    }

    /// Fetches from an address that the server named, which may be elsewhere, and may send us on once.
    pub(super) async fn fetch(&self, doing: &'static str, url: &str) -> Result<Bytes, Error> {
        let ask = Ask::get(doing, String::new());
        let mut url = self.named(doing, url)?;
        for _ in 0..2 {
            let response = self.send_anywhere(&ask, &url).await?;
            if !response.status().is_redirection() {
                return body(doing, succeeded(doing, response).await?, LARGEST_ANSWER).await;
            }
            let location = response.headers().get("location").and_then(|location| location.to_str().ok());
            url = location.and_then(|location| url.join(location).ok()).ok_or(Error::Unreadable(doing))?;
        }
        Err(Error::Unreadable(doing))
    }

    /// Hands bytes to an address that the server named.
    pub(super) async fn hand_over(&self, url: &str, ask: Ask) -> Result<(), Error> {
        let url = self.named(ask.doing, url)?;
        let response = self.send_anywhere(&ask, &url).await?;
        succeeded(ask.doing, response).await.map(drop)
    }

    fn named(&self, doing: &'static str, url: &str) -> Result<Url, Error> {
        // Some servers name a path of theirs only.
        if url.starts_with('/') {
            return Ok(self.0.options.server.http(url));
        }
        Url::parse(url).map_err(|_| Error::Unreadable(doing))
    }

    fn url(&self, ask: &Ask) -> Url {
        let mut url = self.0.options.server.http(&ask.route);
        if !ask.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&ask.query);
        }
        url
    }

    async fn patiently(&self, ask: &Ask, url: &Url) -> Result<Response, Error> {
        let mut backoff = Backoff::new(FIRST_WAIT, self.0.options.longest_delay);
        let mut attempt = 1;
        loop {
            let outcome = match self.send(ask, url).await {
                Ok(response) => succeeded(ask.doing, response).await,
                Err(error) => Err(error),
            };
            match outcome {
                Err(error) if attempt < ATTEMPTS && again(&error, ask.is_safe) => sleep(backoff.next_wait()).await,
                outcome => return outcome,
            }
            attempt += 1;
        }
    }

    /// To an address that the server named: the token goes along only where it is the server's own.
    async fn send_anywhere(&self, ask: &Ask, url: &Url) -> Result<Response, Error> {
        match self.0.options.server.owns(url) {
            true => self.send(ask, url).await,
            false => sent(ask, self.elsewhere(ask.doing)?.request(ask.method.clone(), url.clone())).await,
        }
    }

    async fn send(&self, ask: &Ask, url: &Url) -> Result<Response, Error> {
        let mut request = self.0.http.request(ask.method.clone(), url.clone());
        if let Some(bearer) = &self.0.bearer {
            request = request.header(AUTHORIZATION, bearer);
        }
        sent(ask, request).await
    }
}

/// A client with the bounds that were asked for, which goes where it is sent and nowhere else: a server that answers with
/// another address must not have the token sent there.
fn patient(options: &Options) -> ClientBuilder {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    client.connect_timeout(options.connect_timeout).timeout(options.request_timeout)
}

async fn sent(ask: &Ask, mut request: RequestBuilder) -> Result<Response, Error> {
    if let Some(body) = &ask.body {
        request = request.header(CONTENT_TYPE, &*ask.content_type).body(body.clone());
    }
    request.send().await.map_err(|why| match why.is_timeout() && !why.is_connect() {
        true => Error::Timeout(ask.doing),
        false => Error::io(ask.doing, why.without_url()),
    })
}

impl fmt::Debug for Api {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Api").field("server", &self.0.options.server).finish_non_exhaustive()
    }
}

impl Ask {
    fn new(doing: &'static str, method: Method, route: String, is_safe: bool) -> Ask {
        Ask { doing, method, route, query: Vec::new(), body: None, content_type: "application/json".into(), is_safe }
    }

    pub(super) fn get(doing: &'static str, route: impl Into<String>) -> Ask {
        Ask::new(doing, Method::GET, route.into(), true)
    }

    pub(super) fn post(doing: &'static str, route: impl Into<String>) -> Ask {
        Ask::new(doing, Method::POST, route.into(), false)
    }

    pub(super) fn put(doing: &'static str, route: impl Into<String>) -> Ask {
        Ask::new(doing, Method::PUT, route.into(), false)
    }

    pub(super) fn delete(doing: &'static str, route: impl Into<String>) -> Ask {
        Ask::new(doing, Method::DELETE, route.into(), false)
    }

    pub(super) fn query(mut self, name: &'static str, value: Option<impl ToString>) -> Ask {
        self.query.extend(value.map(|value| (name, value.to_string())));
        self
    }

    pub(super) fn json(mut self, body: &impl Serialize) -> Ask {
        let body = serde_json::to_vec(body).expect("questions are JSON");
        self.body = Some(body.into());
        self
    }

    pub(super) fn raw(mut self, body: impl Into<Bytes>, content_type: impl Into<Cow<'static, str>>) -> Ask {
        self.body = Some(body.into());
        self.content_type = content_type.into();
        self
    }

    /// Asked twice, it does the same as asked once.
    pub(super) fn safe(mut self) -> Ask {
        self.is_safe = true;
        self
    }
}

/// Whether another attempt may help and does no harm.
fn again(error: &Error, is_safe: bool) -> bool {
    match error {
        Error::Http { status, .. } => is_safe && is_passing(*status),
        Error::Timeout(_) => is_safe,
        Error::Io { source, .. } => is_safe || never_arrived(source.as_ref()),
        _ => false,
    }
}

/// A server that is about to restart, or whose proxy does not find it.
pub(super) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}

fn never_arrived(source: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    source.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_connect)
}

async fn succeeded(doing: &'static str, response: Response) -> Result<Response, Error> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let said = body(doing, response, LARGEST_REFUSAL).await.unwrap_or_default();
    let json: Value = serde_json::from_slice(&said).unwrap_or_default();
    // Where it is malformed, `error` names a class and `message` says it.
    let text = json["message"].as_str().or(json["error"].as_str()).map(str::to_owned);
    let text = text.unwrap_or_else(|| status.canonical_reason().unwrap_or_default().to_owned());
    let unknown_route = status == StatusCode::NOT_FOUND && (json["path"].is_string() || json == Value::Null);
    Err(Error::Http { doing, status: status.as_u16(), text, unknown_route })
}

async fn body(doing: &'static str, mut response: Response, limit: usize) -> Result<Bytes, Error> {
    let mut all = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|why| Error::io(doing, why.without_url()))? {
        if all.len() + chunk.len() > limit {
            return Err(Error::TooLarge { what: doing, size: all.len() + chunk.len(), limit });
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all.into())
}
