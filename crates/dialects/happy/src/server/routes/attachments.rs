//! Attachments of a session.

use axum::extract::{OriginalUri, Path, Request, State};
use axum::http::header::{CONTENT_TYPE, HOST, LOCATION};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use rejoin_ports::gateway::Failure;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::server::Hall;
use crate::server::attachment::{self, BadReference, LARGEST};
use crate::server::body::{self, Json as Body};
use crate::server::bucket::Upload;
use crate::server::failure::Refused;
use crate::server::who::Signed;

const BYTES: &str = "application/octet-stream";
const TOO_LARGE: Refused = Refused::Told(StatusCode::PAYLOAD_TOO_LARGE, "File too large (max 10MB)");
const NOT_FOUND: &str = "Attachment not found";

pub(super) fn routes() -> Router<Hall> {
    Router::new()
        .route("/v1/sessions/{session}/attachments/request-upload", post(request_upload))
        .route("/v1/sessions/{session}/attachments/request-download", post(request_download))
        .route("/v1/sessions/{session}/attachments/{file}", get(download).put(upload))
}

#[derive(Deserialize)]
struct New {
    /// It is not kept: what it says is for those who can open the bytes.
    #[serde(rename = "filename")]
    _filename: String,
    size: u64,
}

async fn request_upload(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Path(session): Path<String>,
    place: Place,
    Body(new): Body<New>,
) -> Result<Json<Value>, Refused> {
    if new.size > LARGEST as u64 {
        return Err(Refused::body("size", "must be <= 10485760"));
    }
    attachment::ours(&hall, &who, &session).await?;
    if !hall.uploads.allow(&who.account.id, hall.now()) {
        let error = "Too many upload requests. Try again in a minute.";
        return Err(Refused::Told(StatusCode::TOO_MANY_REQUESTS, error));
    }
    let file = attachment::fresh();
    let reference = attachment::reference(&session, &file);
    if let Some(s3) = &hall.options.s3 {
        let Upload { url, fields } = s3.upload(&reference, LARGEST, hall.now());
        return Ok(Json(json!({ "ref": reference, "uploadUrl": url, "method": "POST", "formFields": fields })));
    }
    let url = place.url(&hall, &session, &file);
    Ok(Json(json!({ "ref": reference, "uploadUrl": url, "method": "PUT" })))
}

#[derive(Deserialize)]
struct Which {
    #[serde(rename = "ref")]
    reference: String,
}

async fn request_download(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Path(session): Path<String>,
    place: Place,
    Body(which): Body<Which>,
) -> Result<Json<Value>, Refused> {
    attachment::ours(&hall, &who, &session).await?;
    let file = attachment::referred(&session, &which.reference).map_err(|bad| {
        let error = match bad {
            BadReference::Elsewhere => "Ref does not belong to this session",
            BadReference::Invalid => "Invalid attachment ref",
        };
        Refused::Told(StatusCode::BAD_REQUEST, error)
    })?;
    let url = match &hall.options.s3 {
        // What was put before there was a bucket is where it was.
        Some(s3) if !attachment::is_here(&hall, &who, &session, file).await? => {
            s3.download(&which.reference, hall.now())
        }
        _ => place.url(&hall, &session, file),
    };
    Ok(Json(json!({ "downloadUrl": url })))
}

async fn upload(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Path((session, file)): Path<(String, String)>,
    request: Request,
) -> Result<Json<Value>, Refused> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or(BYTES);
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(BYTES) {
        return Err(Refused::Framework(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported Media Type"));
    }
    attachment::ours(&hall, &who, &session).await?;
    if !attachment::is_file(&file) {
        return Err(Refused::NOT_FOUND(NOT_FOUND));
    }
    let bytes = body::bytes(request.into_body(), LARGEST).await.map_err(|refused| match refused {
        Refused::Framework(StatusCode::PAYLOAD_TOO_LARGE, _) => TOO_LARGE,
        refused => refused,
    })?;
    attachment::put(&hall, &who, &session, &file, bytes).await?;
    Ok(Json(json!({ "ok": true })))
}

async fn download(
    State(hall): State<Hall>,
    Signed(who): Signed,
    Path((session, file)): Path<(String, String)>,
) -> Result<Response, Refused> {
    let bytes = match (attachment::get(&hall, &who, &session, &file).await, &hall.options.s3) {
        (Ok(bytes), _) => bytes,
        (Err(Failure::NotFound("attachment")), Some(s3)) if attachment::is_file(&file) => {
            let url = s3.download(&attachment::reference(&session, &file), hall.now());
            return Ok((StatusCode::FOUND, [(LOCATION, url)]).into_response());
        }
        (Err(Failure::NotFound("attachment")), _) => return Err(Refused::NOT_FOUND(NOT_FOUND)),
        (Err(failure), _) => return Err(failure.into()),
    };
    Ok(([(CONTENT_TYPE, BYTES)], bytes).into_response())
}

/// Where a client found us: it sends its token only to addresses that begin as that one.
struct Place {
    /// What stands before our routes.
    below: String,
    scheme: String,
    host: String,
}

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Place {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        _: &S,
    ) -> Result<Place, std::convert::Infallible> {
        let original = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |OriginalUri(uri)| uri);
        Ok(Place::of(original, &parts.uri, &parts.headers))
    }
}

impl Place {
    fn of(original: &Uri, own: &Uri, headers: &HeaderMap) -> Place {
        let header = |name: &str| {
            let value = headers.get(name)?.to_str().ok()?.split(',').next()?.trim();
            (!value.is_empty() && !value.contains(['/', '?', '#', '@', '\\'])).then(|| value.to_owned())
        };
        let host = header("x-forwarded-host").or_else(|| header(HOST.as_str()));
        Place {
            below: original.path().strip_suffix(own.path()).unwrap_or_default().to_owned(),
            scheme: header("x-forwarded-proto").unwrap_or_else(|| "http".to_owned()),
            host: host.unwrap_or_else(|| "localhost".to_owned()),
        }
    }

    fn url(&self, hall: &Hall, session: &str, file: &str) -> String {
        let Place { below, scheme, host } = self;
        let base = match &hall.options.public_url {
            Some(url) => format!("{url}{below}"),
            None => format!("{scheme}://{host}{below}"),
        };
        format!("{base}/v1/sessions/{session}/attachments/{file}")
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn place(original: &'static str, own: &'static str, headers: &[(&'static str, &'static str)]) -> (String, String) {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        let place = Place::of(&Uri::from_static(original), &Uri::from_static(own), &headers.collect());
        (format!("{}://{}", place.scheme, place.host), place.below)
    }

    #[test]
    fn addresses_begin_as_the_client_wrote_them() {
        let told = |base: &str, below: &str| (base.to_owned(), below.to_owned());
        let (nested, own) = ("/happy/v1/sessions/s/x", "/v1/sessions/s/x");
        assert_eq!(place(nested, own, &[("host", "here:7717")]), told("http://here:7717", "/happy"));
        assert_eq!(place(own, own, &[("host", "here:7717")]), told("http://here:7717", ""));
        let proxied = [("host", "inside"), ("x-forwarded-host", "out.example, b"), ("x-forwarded-proto", "https")];
        assert_eq!(place(own, own, &proxied), told("https://out.example", ""));
        assert_eq!(place(own, own, &[("host", "a/b")]), told("http://localhost", ""));
    }
}
