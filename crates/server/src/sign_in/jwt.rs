//! Tokens of an identity provider: who signed them, for whom, and who they say somebody is.

use std::fs;
use std::path::PathBuf;
use std::sync::Once;

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use rejoin_core::id::{TenantId, UserId};
use rejoin_core::position::Millis;
use rejoin_core::who::Role;
use rejoin_ports::sign_in::NotSignedIn;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::jwks::{Jwks, NoKey};
use crate::options::Bad;

/// The longest token that is looked at. Those of large providers have some 2 KiB.
pub const LONGEST_TOKEN: usize = 8 << 10;
/// The shortest secret for HS256, in bytes: as long as its hash, or it can be guessed from one token.
pub const SHORTEST_SECRET: usize = 32;
/// The longest e-mail address that mail can have.
const LONGEST_EMAIL: usize = 254;

/// The file's table `[jwt]`.
#[derive(Clone, Default, Deserialize, clap::Args)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct JwtOptions {
    /// The shared secret of HS256. No flag: other processes can read those. In the environment it is `REJOIN_JWT_SECRET`.
    #[arg(skip)]
    pub secret: Option<String>,
    /// File that holds the shared secret of HS256
    #[arg(id = "jwt-secret-file", long = "jwt-secret-file", env = "REJOIN_JWT_SECRET_FILE", value_name = "FILE")]
    pub secret_file: Option<PathBuf>,
    /// Where the provider publishes its public keys (https, or http on loopback)
    #[arg(id = "jwt-jwks-url", long = "jwt-jwks-url", env = "REJOIN_JWT_JWKS_URL", value_name = "URL")]
    pub jwks_url: Option<String>,
    /// The only issuer whose tokens count; needed with a JWKS
    #[arg(id = "jwt-issuer", long = "jwt-issuer", env = "REJOIN_JWT_ISSUER", value_name = "ISS")]
    pub issuer: Option<String>,
    /// The audience that tokens must name; needed with a JWKS
    #[arg(id = "jwt-audience", long = "jwt-audience", env = "REJOIN_JWT_AUDIENCE", value_name = "AUD")]
    pub audience: Option<String>,
    /// Which of a JWKS's algorithms count: RS256, ES256 [default: both]
    #[arg(
        id = "jwt-algorithms",
        long = "jwt-algorithms",
        env = "REJOIN_JWT_ALGORITHMS",
        value_delimiter = ',',
        value_name = "ALG"
    )]
    pub algorithms: Vec<KeyAlgorithm>,
    /// The claim that names the user [default: sub]
    #[arg(id = "jwt-user-claim", long = "jwt-user-claim", env = "REJOIN_JWT_USER_CLAIM", value_name = "CLAIM")]
    pub user_claim: Option<String>,
    /// The claim that names the tenant [default: tenant_id]
    #[arg(id = "jwt-tenant-claim", long = "jwt-tenant-claim", env = "REJOIN_JWT_TENANT_CLAIM", value_name = "CLAIM")]
    pub tenant_claim: Option<String>,
    /// The tenant of tokens that name none; without it they are refused
    #[arg(id = "jwt-tenant", long = "jwt-tenant", env = "REJOIN_JWT_TENANT", value_name = "TENANT")]
    pub tenant: Option<String>,
    /// The claim that gives the role; it then wins over the role among the members
    #[arg(id = "jwt-role-claim", long = "jwt-role-claim", env = "REJOIN_JWT_ROLE_CLAIM", value_name = "CLAIM")]
    pub role_claim: Option<String>,
    /// The role of a newcomer who is not the first of the tenant [default: member]
    #[arg(id = "jwt-default-role", long = "jwt-default-role", env = "REJOIN_JWT_DEFAULT_ROLE", value_name = "ROLE")]
    pub default_role: Option<RoleName>,
    /// Seconds by which clocks may differ [default: 30]
    #[arg(id = "jwt-leeway-s", long = "jwt-leeway-s", env = "REJOIN_JWT_LEEWAY_S", value_name = "S")]
    pub leeway_s: Option<u64>,
}

impl std::fmt::Debug for JwtOptions {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("JwtOptions")
            .field("secret", &self.secret.as_ref().map(|_| "…"))
            .field("secret_file", &self.secret_file)
            .field("jwks_url", &self.jwks_url)
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}

/// Algorithms whose keys a JWKS may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
pub enum KeyAlgorithm {
    #[value(name = "RS256")]
    #[serde(rename = "RS256")]
    Rs256,
    #[value(name = "ES256")]
    #[serde(rename = "ES256")]
    Es256,
}

/// A role, as configuration spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum RoleName {
    Viewer,
    Member,
    #[value(name = "billing_admin")]
    BillingAdmin,
    Admin,
    Owner,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Role {
        match name {
            RoleName::Viewer => Role::Viewer,
            RoleName::Member => Role::Member,
            RoleName::BillingAdmin => Role::BillingAdmin,
            RoleName::Admin => Role::Admin,
            RoleName::Owner => Role::Owner,
        }
    }
}

/// How tokens are checked, and what their claims mean.
#[derive(Clone)]
pub struct JwtConfig {
    pub secret: Option<String>,
    pub jwks_url: Option<String>,
    pub issuer: Option<String>,
    pub audience: Option<String>,
    pub algorithms: Vec<KeyAlgorithm>,
    pub user_claim: String,
    pub tenant_claim: String,
    pub tenant: Option<TenantId>,
    pub role_claim: Option<String>,
    pub default_role: Role,
    pub leeway_ms: Millis,
}

impl std::fmt::Debug for JwtConfig {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("JwtConfig")
            .field("secret", &self.secret.as_ref().map(|_| "…"))
            .field("jwks_url", &self.jwks_url)
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}

impl JwtOptions {
    pub(crate) fn or(self, file: JwtOptions) -> JwtOptions {
        // A secret given here in either form replaces the file's in either form.
        let here = self.secret.is_some() || self.secret_file.is_some();
        let (secret, secret_file) =
            if here { (self.secret, self.secret_file) } else { (file.secret, file.secret_file) };
        JwtOptions {
            secret,
            secret_file,
            jwks_url: self.jwks_url.or(file.jwks_url),
            issuer: self.issuer.or(file.issuer),
            audience: self.audience.or(file.audience),
            algorithms: if self.algorithms.is_empty() { file.algorithms } else { self.algorithms },
            user_claim: self.user_claim.or(file.user_claim),
            tenant_claim: self.tenant_claim.or(file.tenant_claim),
            tenant: self.tenant.or(file.tenant),
            role_claim: self.role_claim.or(file.role_claim),
            default_role: self.default_role.or(file.default_role),
            leeway_s: self.leeway_s.or(file.leeway_s),
        }
    }

    /// `None`: no tokens are taken.
    pub(crate) fn resolve(self) -> Result<Option<JwtConfig>, Bad> {
        let bad = |option, why: &str| Bad { option, why: why.to_owned() };
        let secret = match (self.secret, &self.secret_file) {
            (Some(_), Some(_)) => return Err(bad("jwt.secret", "give it, or its file, not both")),
            (None, Some(file)) => {
                let text = fs::read_to_string(file);
                let text = text.map_err(|error| bad("jwt.secret-file", &format!("{}: {error}", file.display())))?;
                Some(text.trim_end_matches(['\r', '\n']).to_owned())
            }
            (secret, None) => secret,
        };
        if secret.is_none() && self.jwks_url.is_none() {
            return Ok(None);
        }
        if secret.as_ref().is_some_and(|secret| secret.len() < SHORTEST_SECRET) {
            return Err(bad("jwt.secret", &format!("it must have at least {SHORTEST_SECRET} bytes")));
        }
        if let Some(url) = &self.jwks_url {
            check_url(url).map_err(|why| bad("jwt.jwks-url", why))?;
            // Public keys say who signed; without these two, anything that provider ever signs would be let in.
            if self.issuer.is_none() {
                return Err(bad("jwt.issuer", "it is needed with a JWKS"));
            }
            if self.audience.is_none() {
                return Err(bad("jwt.audience", "it is needed with a JWKS"));
            }
        }
        let tenant = self.tenant.map(TenantId::new).transpose();
        Ok(Some(JwtConfig {
            secret,
            jwks_url: self.jwks_url,
            issuer: self.issuer,
            audience: self.audience,
            algorithms: if self.algorithms.is_empty() {
                vec![KeyAlgorithm::Rs256, KeyAlgorithm::Es256]
            } else {
                self.algorithms
            },
            user_claim: self.user_claim.unwrap_or_else(|| "sub".to_owned()),
            tenant_claim: self.tenant_claim.unwrap_or_else(|| "tenant_id".to_owned()),
            tenant: tenant.map_err(|error| bad("jwt.tenant", &error.to_string()))?,
            role_claim: self.role_claim,
            default_role: self.default_role.map_or(Role::Member, Role::from),
            leeway_ms: self.leeway_s.unwrap_or(30).saturating_mul(1000),
        }))
    }
}

fn check_url(text: &str) -> Result<(), &'static str> {
    let url: reqwest::Url = text.parse().map_err(|_| "that is no URL")?;
    let local = match url.host_str() {
        Some("localhost") => true,
        Some(host) => host.trim_matches(['[', ']']).parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback()),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(()),
        "http" if local => Ok(()),
        _ => Err("it must begin with https://, or be on loopback"),
    }
}

/// What a token that holds says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claims {
    pub tenant: TenantId,
    pub user: UserId,
    pub email: Option<String>,
    pub role: Option<Role>,
    /// When it ends, the leeway included.
    pub expires_at: Millis,
}

/// Checks tokens.
pub(crate) struct Jwt {
    config: JwtConfig,
    secret: Option<DecodingKey>,
    jwks: Option<Jwks>,
}

impl Jwt {
    pub(crate) fn new(config: JwtConfig) -> Jwt {
        install_provider();
        Jwt {
            secret: config.secret.as_ref().map(|secret| DecodingKey::from_secret(secret.as_bytes())),
            jwks: config.jwks_url.clone().map(Jwks::new),
            config,
        }
    }

    pub(crate) fn default_role(&self) -> Role {
        self.config.default_role
    }

    pub(crate) async fn verify(&self, token: &str, now: Millis) -> Result<Claims, NotSignedIn> {
        let header = jsonwebtoken::decode_header(token).map_err(|error| invalid(&error))?;
        // The header chooses among what is configured, and nothing else: a public key is never taken for a secret.
        let algorithm = header.alg;
        let key = match (algorithm, &self.secret, &self.jwks) {
            (Algorithm::HS256, Some(secret), _) => secret.clone(),
            (Algorithm::RS256 | Algorithm::ES256, _, Some(jwks)) if self.allows(algorithm) => {
                let found = jwks.find(header.kid.as_deref(), algorithm, now).await;
                found.map_err(|why| match why {
                    NoKey::Unknown => NotSignedIn::Invalid,
                    NoKey::Unavailable => NotSignedIn::Unavailable,
                })?
            }
            _ => {
                tracing::debug!(?algorithm, "token: signed in a way that is not configured");
                return Err(NotSignedIn::Invalid);
            }
        };
        let mut validation = Validation::new(algorithm);
        let mut required = vec!["exp"];
        if let Some(issuer) = &self.config.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        match &self.config.audience {
            Some(audience) => {
                validation.set_audience(&[audience]);
                required.push("aud");
            }
            None => validation.validate_aud = false,
        }
        validation.set_required_spec_claims(&required);
        validation.validate_exp = false; // below, by our clock
        let claims = jsonwebtoken::decode::<Map<String, Value>>(token, &key, &validation)
            .map_err(|error| invalid(&error))?
            .claims;
        self.read(&claims, now)
    }

    fn allows(&self, algorithm: Algorithm) -> bool {
        self.config.algorithms.iter().any(|allowed| match allowed {
            KeyAlgorithm::Rs256 => algorithm == Algorithm::RS256,
            KeyAlgorithm::Es256 => algorithm == Algorithm::ES256,
        })
    }

    fn read(&self, claims: &Map<String, Value>, now: Millis) -> Result<Claims, NotSignedIn> {
        // A time that is no number, or before 1970, was long ago; one beyond all years is for ever.
        let time = |name: &str| claims.get(name).map(|at| (at.as_f64().unwrap_or(0.0) * 1000.0) as Millis);
        let leeway = self.config.leeway_ms;
        let expires_at = time("exp").ok_or(NotSignedIn::Invalid)?.saturating_add(leeway);
        if expires_at <= now {
            return Err(NotSignedIn::Expired);
        }
        if time("nbf").is_some_and(|from| from > now.saturating_add(leeway)) {
            return Err(NotSignedIn::Invalid);
        }
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let user = text(&self.config.user_claim).and_then(|id| UserId::new(id).ok());
        let tenant = match claims.get(&self.config.tenant_claim) {
            None | Some(Value::Null) => self.config.tenant.clone(),
            Some(claim) => claim.as_str().and_then(|id| TenantId::new(id).ok()),
        };
        let (Some(user), Some(tenant)) = (user, tenant) else {
            tracing::debug!("token: its claims name no user, or no tenant");
            return Err(NotSignedIn::Invalid);
        };
        // A role that we do not know must not turn into the default one.
        let role = match self.config.role_claim.as_ref().and_then(|name| claims.get(name)) {
            None | Some(Value::Null) => None,
            Some(claim) => Some(Role::deserialize(claim).map_err(|_| {
                tracing::debug!("token: its role is none of ours");
                NotSignedIn::Invalid
            })?),
        };
        let email = text("email").filter(|email| email.len() <= LONGEST_EMAIL).map(str::to_owned);
        Ok(Claims { tenant, user, email, role, expires_at })
    }
}

fn invalid(error: &jsonwebtoken::errors::Error) -> NotSignedIn {
    tracing::debug!(%error, "token: not valid");
    NotSignedIn::Invalid
}

/// Whether a text can be a token at all.
pub(crate) fn looks_like_one(text: &str) -> bool {
    text.len() <= LONGEST_TOKEN && text.bytes().filter(|b| *b == b'.').count() == 2
}

/// Says once per process who does the cryptography: with another crate's features the choice would not be clear, and the
/// first token would panic.
fn install_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Somebody else in the process may have been first; their choice verifies as well.
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    });
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header};
    use serde_json::json;

    use super::*;

    const SECRET: &str = "a secret that is long enough for HS256";
    const NOW: Millis = 1_000_000_000;

    fn jwt(change: impl FnOnce(&mut JwtOptions)) -> Jwt {
        let mut options = JwtOptions { secret: Some(SECRET.to_owned()), ..JwtOptions::default() };
        change(&mut options);
        Jwt::new(options.resolve().unwrap().unwrap())
    }

    fn token(algorithm: Algorithm, secret: &str, claims: Value) -> String {
        install_provider();
        let key = EncodingKey::from_secret(secret.as_bytes());
        jsonwebtoken::encode(&Header::new(algorithm), &claims, &key).unwrap()
    }

    fn plain(claims: Value) -> String {
        token(Algorithm::HS256, SECRET, claims)
    }

    #[test]
    fn the_cryptography_is_chosen_once_and_works() {
        install_provider();
        install_provider();
        // A second choice is refused, so ours stands.
        assert!(jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default().is_err());
        assert_eq!(plain(json!({})).split('.').count(), 3);
    }

    #[tokio::test]
    async fn a_token_of_the_secret_names_user_and_tenant() {
        let jwt = jwt(|_| ());
        let claims = json!({ "sub": "u1", "tenant_id": "t1", "email": "u@x", "exp": NOW / 1000 + 60, "role": "owner" });
        let read = jwt.verify(&plain(claims), NOW).await.unwrap();
        assert_eq!((read.user.as_str(), read.tenant.as_str()), ("u1", "t1"));
        assert_eq!(read.email.as_deref(), Some("u@x"));
        assert_eq!(read.role, None, "no claim gives a role unless that is configured");
        assert_eq!(read.expires_at, NOW + 90_000);
    }

    #[tokio::test]
    async fn another_secret_another_algorithm_or_none_is_refused() {
        let jwt = jwt(|_| ());
        let claims = json!({ "sub": "u1", "tenant_id": "t1", "exp": NOW / 1000 + 60 });
        let good = plain(claims.clone());
        let (_, rest) = good.split_once('.').unwrap();
        let (body, _) = rest.split_once('.').unwrap();
        let none = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{body}."); // {"alg":"none","typ":"JWT"}
        let mut flipped = good.clone();
        flipped.replace_range(
            good.len() - 5..good.len() - 4,
            if &good[good.len() - 5..good.len() - 4] == "A" { "B" } else { "A" },
        );
        let other = token(Algorithm::HS256, &SECRET.replace('a', "b"), claims.clone());
        let hs512 = token(Algorithm::HS512, SECRET, claims);
        for bad in [none, flipped, other, hs512, "a.b.c".to_owned(), "..".to_owned()] {
            assert_eq!(jwt.verify(&bad, NOW).await, Err(NotSignedIn::Invalid), "{bad}");
        }
        assert!(jwt.verify(&good, NOW).await.is_ok());
    }

    #[tokio::test]
    async fn time_is_told_by_the_gateways_clock_with_some_leeway() {
        let jwt = jwt(|_| ());
        let at = |exp: Value, nbf: Value| plain(json!({ "sub": "u", "tenant_id": "t", "exp": exp, "nbf": nbf }));
        let now = NOW / 1000;
        for (exp, nbf, expected) in [
            (json!(now - 29), Value::Null, Ok(())),
            (json!(now - 30), Value::Null, Err(NotSignedIn::Expired)),
            (json!(now as f64 + 0.5), json!(now + 30), Ok(())),
            (json!(now + 60), json!(now + 31), Err(NotSignedIn::Invalid)),
            (json!("soon"), Value::Null, Err(NotSignedIn::Invalid)),
            (json!(-5), Value::Null, Err(NotSignedIn::Expired)),
        ] {
            let outcome = jwt.verify(&at(exp.clone(), nbf.clone()), NOW).await.map(|_| ());
            if expected.is_err() {
                assert!(outcome.is_err(), "{exp} {nbf}");
            } else {
                assert_eq!(outcome, expected, "{exp} {nbf}");
            }
        }
        let never = plain(json!({ "sub": "u", "tenant_id": "t" }));
        assert_eq!(jwt.verify(&never, NOW).await, Err(NotSignedIn::Invalid));
    }

    #[tokio::test]
    async fn issuer_and_audience_must_match_once_they_are_configured() {
        let jwt = jwt(|options| {
            options.issuer = Some("https://id".to_owned());
            options.audience = Some("rejoin".to_owned());
        });
        for (iss, aud, good) in [
            (json!("https://id"), json!("rejoin"), true),
            (json!("https://id"), json!(["other", "rejoin"]), true),
            (json!("https://other"), json!("rejoin"), false),
            (json!("https://id"), json!("other"), false),
            (Value::Null, json!("rejoin"), false),
            (json!("https://id"), Value::Null, false),
        ] {
            let mut claims = json!({ "sub": "u", "tenant_id": "t", "exp": NOW / 1000 + 60, "iss": iss, "aud": aud });
            claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            assert_eq!(jwt.verify(&plain(claims.clone()), NOW).await.is_ok(), good, "{claims}");
        }
    }

    #[tokio::test]
    async fn who_names_no_tenant_gets_the_configured_one_and_no_odd_one() {
        let claims = |tenant: Value| plain(json!({ "sub": "u", "exp": NOW / 1000 + 60, "tenant_id": tenant }));
        let strict = jwt(|_| ());
        assert!(strict.verify(&claims(Value::Null), NOW).await.is_err());
        let lenient = jwt(|options| options.tenant = Some("home".to_owned()));
        assert_eq!(lenient.verify(&claims(Value::Null), NOW).await.unwrap().tenant.as_str(), "home");
        for odd in [json!(""), json!("a b"), json!(7), json!(["t"])] {
            assert!(lenient.verify(&claims(odd.clone()), NOW).await.is_err(), "{odd}");
        }
    }

    #[tokio::test]
    async fn a_claimed_role_counts_if_it_is_one() {
        let jwt = jwt(|options| options.role_claim = Some("https://x/role".to_owned()));
        let claims = |role: Value| {
            plain(json!({ "sub": "u", "tenant_id": "t", "exp": NOW / 1000 + 60, "https://x/role": role }))
        };
        assert_eq!(jwt.verify(&claims(json!("billing_admin")), NOW).await.unwrap().role, Some(Role::BillingAdmin));
        assert_eq!(jwt.verify(&claims(Value::Null), NOW).await.unwrap().role, None);
        assert!(jwt.verify(&claims(json!("root")), NOW).await.is_err());
    }

    #[test]
    fn half_a_configuration_is_refused() {
        let resolve = |change: fn(&mut JwtOptions)| {
            let mut options = JwtOptions::default();
            change(&mut options);
            options.resolve().map_err(|bad| bad.option)
        };
        assert!(resolve(|_| ()).unwrap().is_none());
        assert_eq!(resolve(|o| o.secret = Some("short".into())).unwrap_err(), "jwt.secret");
        assert_eq!(resolve(|o| o.jwks_url = Some("http://example.com/keys".into())).unwrap_err(), "jwt.jwks-url");
        assert_eq!(resolve(|o| o.jwks_url = Some("https://example.com/keys".into())).unwrap_err(), "jwt.issuer");
        let shown = format!("{:?}", jwt(|_| ()).config);
        assert!(!shown.contains("long enough"), "{shown}");
    }
}
