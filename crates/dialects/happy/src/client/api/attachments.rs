//! Files of a session. They are sealed before they come here.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::super::Error;
use super::super::http::{Api, Ask};
use super::segment;

/// What servers take of one file.
pub(in crate::client) const LARGEST_ATTACHMENT: usize = 10 << 20;
const UPLOADING: &str = "uploading an attachment";
const DOWNLOADING: &str = "downloading an attachment";

/// Where a file is to be sent.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadTo {
    /// What names the file from then on.
    pub r#ref: String,
    pub upload_url: String,
    /// `PUT` of the bytes, or `POST` of a form.
    pub method: String,
    #[serde(default)]
    pub form_fields: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DownloadFrom {
    download_url: String,
}

impl Api {
    /// Stores a file that is sealed already, and gives back its reference.
    pub async fn upload_sealed(&self, session: &str, name: &str, sealed: Vec<u8>) -> Result<String, Error> {
        let size = sealed.len();
        if size > LARGEST_ATTACHMENT {
            return Err(Error::TooLarge { what: "attachment", size, limit: LARGEST_ATTACHMENT });
        }
        let route = format!("/v1/sessions/{}/attachments/request-upload", segment(session));
        let ask = Ask::post(UPLOADING, route).json(&json!({ "filename": name, "size": size }));
        let to: UploadTo = self.ask(ask).await?;
        let ask = match (&*to.method, &to.form_fields) {
            ("PUT", _) => Ask::put(UPLOADING, "").raw(sealed, "application/octet-stream"),
            ("POST", fields) => form(fields.as_ref(), &sealed)?,
            _ => return Err(Error::Unreadable(UPLOADING)),
        };
        self.hand_over(&to.upload_url, ask).await?;
        Ok(to.r#ref)
    }

    /// Fetches a file as it was stored: sealed.
    pub async fn download_sealed(&self, session: &str, reference: &str) -> Result<Bytes, Error> {
        let route = format!("/v1/sessions/{}/attachments/request-download", segment(session));
        let ask = Ask::post(DOWNLOADING, route).json(&json!({ "ref": reference })).safe();
        let from: DownloadFrom = self.ask(ask).await?;
        self.fetch(DOWNLOADING, &from.download_url).await
    }
}

/// The form that object stores want: the fields that the server signed, and the file behind them.
fn form(fields: Option<&BTreeMap<String, String>>, file: &[u8]) -> Result<Ask, Error> {
    let border = Uuid::now_v7().simple().to_string();
    let mut body = Vec::with_capacity(file.len() + 4096);
    for (name, value) in fields.into_iter().flatten() {
        // They come from the server; one that would break out of its line is none.
        if name.contains(['"', '\r', '\n']) {
            return Err(Error::Unreadable(UPLOADING));
        }
        let part = format!("--{border}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    let head =
        "Content-Disposition: form-data; name=\"file\"; filename=\"file\"\r\nContent-Type: application/octet-stream";
    body.extend_from_slice(format!("--{border}\r\n{head}\r\n\r\n").as_bytes());
    body.extend_from_slice(file);
    body.extend_from_slice(format!("\r\n--{border}--\r\n").as_bytes());
    Ok(Ask::post(UPLOADING, "").raw(body, format!("multipart/form-data; boundary={border}")))
}
