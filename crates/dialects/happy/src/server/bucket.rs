//! Attachments in an object store instead of the data folder: clients put and fetch them there, with leave that we sign.

mod leftovers;
mod signing;

use std::collections::BTreeMap;

use rejoin_core::position::Millis;

pub(super) use leftovers::Leftovers;

/// How long a signed address or form may be used.
const LEAVE_SECONDS: u64 = 15 * 60;

/// A bucket of an S3-compatible store. It has no `Debug`: half of it is secret.
#[derive(Clone)]
pub struct S3 {
    /// Where we reach the store, without a slash at its end. The bucket is the first part of the path.
    pub url: String,
    /// Where clients reach it, if that is elsewhere.
    pub public_url: Option<String>,
    pub region: String,
    pub bucket: String,
    pub access_key: String,
    pub secret_key: String,
}

/// Leave to put one object: where, and the fields of the form.
pub(super) struct Upload {
    pub(super) url: String,
    pub(super) fields: BTreeMap<&'static str, String>,
}

impl S3 {
    fn for_clients(&self) -> &str {
        self.public_url.as_deref().unwrap_or(&self.url)
    }

    fn path(&self, key: &str) -> String {
        format!("/{}/{key}", self.bucket)
    }

    /// Leave to put an object of at most so many bytes.
    pub(super) fn upload(&self, key: &str, most: usize, now: Millis) -> Upload {
        let url = format!("{}/{}", self.for_clients(), self.bucket);
        Upload { url, fields: self.form(key, most, now, LEAVE_SECONDS) }
    }

    /// Where an object may be fetched for a while.
    pub(super) fn download(&self, key: &str, now: Millis) -> String {
        self.signed_url(self.for_clients(), "GET", &self.path(key), &[], now, LEAVE_SECONDS)
    }
}
