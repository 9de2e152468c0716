//! A small client of JSON over HTTP, that knows where a server is.

use reqwest::header::AUTHORIZATION;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

use crate::frames::clipped;
use crate::gateway::PATIENCE;

/// Where a client of Happy's was told that its server is.
#[derive(Clone)]
pub(crate) struct Door {
    /// What `HAPPY_SERVER_URL` would say.
    pub(crate) url: String,
    /// Where engines meet: the path of the URL plays no part in it.
    pub(crate) engine: String,
    /// The path of the URL, which a Socket.IO client takes for a namespace.
    pub(crate) namespace: &'static str,
    pub(crate) client: Client,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    what: String,
}

impl Door {
    /// `origin` is `127.0.0.1:1234`.
    pub(crate) fn at(origin: &str, path: &'static str) -> Door {
        Door {
            url: format!("http://{origin}{path}"),
            engine: format!("{origin}/v1/updates/"),
            namespace: path,
            client: Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client"),
        }
    }

    /// The same server with its engine also below the path.
    pub(crate) fn engine_below(mut self) -> Door {
        self.engine = self.url.replace("http://", "") + "/v1/updates/";
        self
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.url) };
        self.client.request(method, url).timeout(PATIENCE)
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, bearer: Option<&str>, body: Option<&Value>) -> Answer {
        let mut request = self.request(method.clone(), path);
        if let Some(token) = bearer {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        told(request, format!("{method} {path}")).await
    }
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, None, None).await
    }
    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::POST, path, None, Some(&body)).await
    }
}

pub(crate) async fn told(request: RequestBuilder, what: String) -> Answer {
    let answer = request.send().await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Answer { status, body, what }
}

impl Answer {
    /// What was asked for, which is always 200.
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{self}");
        self.body
    }
    /// A refusal with exactly this body.
    pub(crate) fn refused(&self, status: u16, why: &str) {
        assert_eq!((self.status, &self.body), (status, &serde_json::json!({ "error": why })), "{self}");
    }
    /// Something that does not have the form it must have.
    pub(crate) fn invalid(&self) {
        self.shaped(400);
        assert_eq!(self.body["error"], "Error", "{self}");
    }
    /// A refusal of the framework: three fields.
    pub(crate) fn shaped(&self, status: u16) {
        assert_eq!(self.status, status, "{self}");
        assert_eq!(self.body["statusCode"], status, "{self}");
        assert!(self.body["error"].is_string() && self.body["message"].is_string(), "{self}");
        assert_eq!(self.body.as_object().map(serde_json::Map::len), Some(3), "{self}");
    }
    /// Some refusal that blames who asked.
    pub(crate) fn blamed(&self) {
        assert!((400..500).contains(&self.status), "{self}");
        assert!(self.body["error"].is_string(), "{self}");
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}: {} {}", self.what, self.status, clipped(&self.body.to_string()))
    }
}
