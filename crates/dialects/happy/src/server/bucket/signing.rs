//! Requests to an S3-compatible store, signed in their address (version 4, by HMAC-SHA256), and forms that it takes.

use std::collections::BTreeMap;

use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rejoin_core::position::Millis;
use serde_json::json;

use super::S3;
use crate::server::auth::hex;
use crate::server::instant::{iso, stamp};
use crate::server::outside::escaped;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "s3";

/// What a signature is good for: a day, a region, this service.
struct Scope {
    stamp: String,
    scope: String,
}

impl S3 {
    fn scope(&self, now: Millis) -> Scope {
        let stamp = stamp(now);
        let scope = format!("{}/{}/{SERVICE}/aws4_request", &stamp[..8], self.region);
        Scope { stamp, scope }
    }

    fn credential(&self, scope: &Scope) -> String {
        format!("{}/{}", self.access_key, scope.scope)
    }

    fn sign(&self, scope: &Scope, text: &str) -> String {
        let tag = |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes());
        let day = tag(format!("AWS4{}", self.secret_key).as_bytes(), &scope.stamp[..8]);
        let region = tag(day.as_ref(), &self.region);
        let service = tag(region.as_ref(), SERVICE);
        let key = tag(service.as_ref(), "aws4_request");
        hex(tag(key.as_ref(), text).as_ref())
    }

    /// An address below `base` that may be used in this way for so many seconds.
    pub(super) fn signed_url(
        &self,
        base: &str,
        method: &str,
        path: &str,
        query: &[(&str, &str)],
        now: Millis,
        seconds: u64,
    ) -> String {
        let scope = self.scope(now);
        let (credential, seconds) = (self.credential(&scope), seconds.to_string());
        let mut all: BTreeMap<String, String> = BTreeMap::new();
        let own = [
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Date", &scope.stamp),
            ("X-Amz-Expires", &seconds),
            ("X-Amz-SignedHeaders", "host"),
        ];
        for (name, value) in query.iter().chain(&own) {
            all.insert(escaped(name, false), escaped(value, false));
        }
        let query = all.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
        let path = escaped(path, true);
        let host = base.split_once("://").map_or(base, |(_, host)| host);
        let canonical = format!("{method}\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD");
        let hashed = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
        let text = format!("{ALGORITHM}\n{}\n{}\n{hashed}", scope.stamp, scope.scope);
        format!("{base}{path}?{query}&X-Amz-Signature={}", self.sign(&scope, &text))
    }

    /// The fields of a form that may put one object of that name, of so many bytes at most.
    pub(super) fn form(&self, key: &str, most: usize, now: Millis, seconds: u64) -> BTreeMap<&'static str, String> {
        let scope = self.scope(now);
        let credential = self.credential(&scope);
        let policy = json!({
            "expiration": iso(now.saturating_add(seconds * 1_000)),
            "conditions": [
                { "bucket": self.bucket },
                { "key": key },
                ["content-length-range", 0, most],
                { "x-amz-algorithm": ALGORITHM },
                { "x-amz-credential": credential },
                { "x-amz-date": scope.stamp },
            ],
        });
        let policy = STANDARD.encode(policy.to_string());
        let signature = self.sign(&scope, &policy);
        BTreeMap::from([
            ("key", key.to_owned()),
            ("policy", policy),
            ("x-amz-algorithm", ALGORITHM.to_owned()),
            ("x-amz-credential", credential),
            ("x-amz-date", scope.stamp),
            ("x-amz-signature", signature),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2013-05-24 and 2015-12-29, the days of the examples in Amazon's documentation.
    const MAY: Millis = 1_369_353_600_000;
    const DECEMBER: Millis = 1_451_347_200_000;

    fn example(bucket: &str) -> S3 {
        S3 {
            url: "https://examplebucket.s3.amazonaws.com".to_owned(),
            public_url: None,
            region: "us-east-1".to_owned(),
            bucket: bucket.to_owned(),
            access_key: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
        }
    }

    #[test]
    fn the_signed_address_of_amazons_example_is_made() {
        let s3 = example("examplebucket");
        let url = s3.signed_url(&s3.url, "GET", "/test.txt", &[], MAY, 86_400);
        let signature = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
        assert!(url.ends_with(&format!("&X-Amz-Signature={signature}")), "{url}");
        assert!(url.contains("X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"));
    }

    #[test]
    fn the_signature_of_amazons_example_of_a_form_is_made() {
        let policy = "eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7ImJ1Y2tldCI6ICJzaWd2NGV4YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwNCiAgICB7ImFjbCI6ICJwdWJsaWMtcmVhZCJ9LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0ZXhhbXBsZWJ1Y2tldC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRDb250ZW50LVR5cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRhLXV1aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNlcnZlci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0sDQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl0sDQoNCiAgICB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEyMjkvdXMtZWFzdC0xL3MzL2F3czRfcmVxdWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifSwNCiAgICB7IngtYW16LWRhdGUiOiAiMjAxNTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9";
        let s3 = example("sigv4examplebucket");
        let signature = s3.sign(&s3.scope(DECEMBER), policy);
        assert_eq!(signature, "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e");
    }

    #[test]
    fn what_stands_in_an_address_is_escaped_as_the_signature_wants_it() {
        assert_eq!(escaped("a/b c+~é", true), "a/b%20c%2B~%C3%A9");
        assert_eq!(escaped("a/b", false), "a%2Fb");
    }
}
