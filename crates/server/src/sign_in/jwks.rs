//! A provider's public keys: fetched when the first token asks for one, kept, and fetched again when they may have changed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use rejoin_core::position::Millis;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{Mutex as AsyncMutex, MutexGuard, OnceCell};

/// How long keys are used without a look at the provider: a key that it takes away is ours for no longer.
pub(crate) const FRESH_MS: Millis = 10 * 60_000;
/// The least time between two fetches, whoever asks: unknown key ids are free to make up.
pub(crate) const RETRY_MS: Millis = 10_000;
/// How long keys still count when the provider cannot be reached.
pub(crate) const KEPT_MS: Millis = 24 * 60 * 60_000;
/// How long a fetch may take; somebody waits to be let in.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest answer that is read. A key has some 2 KiB with its certificates.
const LARGEST: usize = 256 << 10;
/// Keys taken of one answer. Providers publish two or three.
const MOST_KEYS: usize = 64;

pub(crate) struct Jwks {
    url: String,
    client: OnceCell<reqwest::Client>,
    known: Mutex<Known>,
    /// Held by the one who fetches.
    fetching: AsyncMutex<()>,
}

#[derive(Clone, Default)]
struct Known {
    keys: Arc<Vec<Key>>,
    fetched_at: Option<Millis>,
    tried_at: Option<Millis>,
}

struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// Why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoKey {
    /// The provider does not have it.
    Unknown,
    /// The provider does not answer.
    Unavailable,
}

impl Jwks {
    pub(crate) fn new(url: String) -> Jwks {
        Jwks { url, client: OnceCell::new(), known: Mutex::default(), fetching: AsyncMutex::new(()) }
    }

    /// The key that a token names. One that names none gets the only key there is for its algorithm.
    pub(crate) async fn find(&self, id: Option<&str>, algorithm: Algorithm, now: Millis) -> Result<DecodingKey, NoKey> {
        let known = self.known();
        match known.find(id, algorithm) {
            Some(key) if known.age(now) < FRESH_MS => return Ok(key),
            // What we have will do while another one fetches.
            Some(key) if known.age(now) < KEPT_MS => match self.fetching.try_lock() {
                Ok(turn) => self.fetch(turn, now).await,
                Err(_) => return Ok(key),
            },
            _ => {
                let turn = self.fetching.lock().await;
                self.fetch(turn, now).await;
            }
        }
        let known = self.known();
        match known.find(id, algorithm) {
            Some(key) if known.age(now) < KEPT_MS => Ok(key),
            _ if known.age(now) < KEPT_MS => Err(NoKey::Unknown),
            _ => Err(NoKey::Unavailable),
        }
    }

    fn known(&self) -> Known {
        self.known.lock().expect("no holder of this lock panics").clone()
    }

    /// Fetches, unless somebody just did. A failure leaves what was known.
    async fn fetch(&self, _turn: MutexGuard<'_, ()>, now: Millis) {
        if self.known().tried_at.is_some_and(|at| now < at.saturating_add(RETRY_MS)) {
            return;
        }
        let fetched = self.get().await;
        let mut known = self.known.lock().expect("no holder of this lock panics");
        known.tried_at = Some(now);
        match fetched {
            Ok(keys) => {
                tracing::info!(keys = keys.len(), "keys of the identity provider are fetched");
                known.keys = Arc::new(keys);
                known.fetched_at = Some(now);
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "fetching keys of the identity provider")
            }
        }
    }

    async fn get(&self) -> Result<Vec<Key>, FetchError> {
        // Made with the first token: loading the machine's certificates takes a while.
        let client = self.client.get_or_try_init(|| async { client(&self.url) }).await?;
        let mut answer = client.get(&self.url).send().await?.error_for_status()?;
        if !answer.status().is_success() {
            return Err(FetchError::Status(answer.status().as_u16())); // redirects are not followed
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > LARGEST {
                return Err(FetchError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let set: Set = serde_json::from_slice(&body).map_err(FetchError::Json)?;
        Ok(set.keys.into_iter().take(MOST_KEYS).filter_map(Key::read).collect())
    }
}

impl Known {
    fn age(&self, now: Millis) -> Millis {
        self.fetched_at.map_or(Millis::MAX, |at| now.saturating_sub(at))
    }

    fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
        let mut fitting = self.keys.iter().filter(|key| key.algorithm == algorithm);
        match id {
            Some(_) => fitting.find(|key| key.id.as_deref() == id).map(|key| key.key.clone()),
            None => match (fitting.next(), fitting.next()) {
                (Some(only), None) => Some(only.key.clone()),
                _ => None,
            },
        }
    }
}

/// One key that we cannot read must not cost the others.
#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

impl Key {
    fn read(value: Value) -> Option<Key> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => Algorithm::RS256,
            AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => Algorithm::ES256,
            _ => return None,
        };
        let stated = match jwk.common.key_algorithm {
            None => true,
            Some(KeyAlgorithm::RS256) => algorithm == Algorithm::RS256,
            Some(KeyAlgorithm::ES256) => algorithm == Algorithm::ES256,
            Some(_) => false,
        };
        let signs = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
        if !stated || !signs {
            return None;
        }
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        Some(Key { id: jwk.common.key_id, algorithm, key })
    }
}

fn client(url: &str) -> Result<reqwest::Client, FetchError> {
    let builder = reqwest::Client::builder()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("rejoin/", env!("CARGO_PKG_VERSION")));
    // A proxy cannot reach our loopback.
    let local = url.starts_with("http://");
    let builder = if local { builder.no_proxy() } else { builder };
    Ok(builder.build()?)
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("asking for it")]
    Http(#[from] reqwest::Error),
    #[error("it answers {0}")]
    Status(u16),
    #[error("the answer has more than {LARGEST} bytes")]
    TooLarge,
    #[error("the answer is no key set")]
    Json(#[source] serde_json::Error),
}
