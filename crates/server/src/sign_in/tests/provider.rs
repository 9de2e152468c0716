//! An identity provider on loopback: it signs tokens and publishes keys.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::Router;
use axum::routing::get;
use http::StatusCode;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What stands before the key itself in the wrapping of a 2048-bit RSA key.
const RSA_WRAPPING: usize = 26;

pub(super) struct Signer {
    id: String,
    algorithm: Algorithm,
    key: EncodingKey,
}

impl Signer {
    pub(super) fn rsa(id: &str) -> Signer {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let wrapped = pair.as_der().unwrap();
        let key = EncodingKey::from_rsa_der(&wrapped.as_ref()[RSA_WRAPPING..]);
        Signer { id: id.to_owned(), algorithm: Algorithm::RS256, key }
    }

    pub(super) fn elliptic(id: &str) -> Signer {
        let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let key = EncodingKey::from_ec_der(pair.as_ref());
        Signer { id: id.to_owned(), algorithm: Algorithm::ES256, key }
    }

    pub(super) fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.id.clone());
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }

    pub(super) fn public(&self) -> String {
        let mut jwk = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        jwk.common.key_id = Some(self.id.clone());
        serde_json::to_string(&jwk).unwrap()
    }
}

pub(super) struct Provider {
    url: String,
    shared: Arc<Shared>,
}

struct Shared {
    asked: AtomicUsize,
    answer: Mutex<(StatusCode, String)>,
}

impl Provider {
    pub(super) async fn start(signers: &[&Signer]) -> Provider {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let shared =
            Arc::new(Shared { asked: AtomicUsize::new(0), answer: Mutex::new((StatusCode::OK, String::new())) });
        let answers = shared.clone();
        let keys = get(move || async move {
            answers.asked.fetch_add(1, Ordering::SeqCst);
            answers.answer.lock().unwrap().clone()
        });
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/keys", keys)).await });
        let provider = Provider { url, shared };
        provider.publish(signers);
        provider
    }

    pub(super) fn url(&self) -> String {
        self.url.clone()
    }
    pub(super) fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }

    pub(super) fn publish(&self, signers: &[&Signer]) {
        let keys = signers.iter().map(|signer| serde_json::from_str::<Value>(&signer.public()).unwrap());
        // Providers publish keys that we know nothing of, beside those that we do.
        let mut keys: Vec<_> = keys.collect();
        keys.push(json!({ "kty": "future", "kid": "f", "use": ["odd"] }));
        self.answer_with(json!({ "keys": keys }).to_string());
    }
    pub(super) fn answer_with(&self, body: String) {
        *self.shared.answer.lock().unwrap() = (StatusCode::OK, body);
    }
    pub(super) fn break_down(&self) {
        *self.shared.answer.lock().unwrap() = (StatusCode::SERVICE_UNAVAILABLE, String::new());
    }
}
