//! GitHub, as far as it is needed: whose code it was that came back.

use reqwest::Client;
use reqwest::header::{ACCEPT, AUTHORIZATION};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::server::options::GitHub;
use crate::server::outside::{self, Failed};

/// The longest answer: a profile has some 2 KiB.
const LONGEST: usize = 64 << 10;

/// A person of GitHub.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(super) id: String,
    pub(crate) login: String,
    name: Option<String>,
    pub(super) bio: Option<String>,
    /// All that was told of them.
    pub(super) profile: Value,
}

/// Why nobody was found.
#[derive(Debug)]
pub(crate) enum NoPerson {
    /// GitHub's own word for it.
    Refused(String),
    /// There is a token, and it shows nobody.
    Unknown(Failed),
    Failed(Failed),
}

#[derive(Deserialize)]
struct Granted {
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    error: Option<String>,
}

/// Whose code it is, and their token.
pub(crate) async fn fetch(client: &Client, github: &GitHub, code: &str) -> Result<(Person, String), NoPerson> {
    let wanted = json!({ "client_id": github.client_id, "client_secret": github.client_secret, "code": code });
    let asked = client.post(format!("{}/login/oauth/access_token", github.site)).header(ACCEPT, "application/json");
    let granted: Granted = outside::json(asked.json(&wanted), LONGEST).await.map_err(NoPerson::Failed)?;
    if let Some(error) = granted.error {
        return Err(NoPerson::Refused(error));
    }
    let token = granted.access_token.ok_or(NoPerson::Failed(Failed::Unreadable))?;
    let asked = client
        .get(format!("{}/user", github.api))
        .header(ACCEPT, "application/vnd.github+json")
        .header(AUTHORIZATION, format!("Bearer {token}"));
    let profile: Value = outside::json(asked, LONGEST).await.map_err(NoPerson::Unknown)?;
    let person = Person::read(profile).ok_or(NoPerson::Unknown(Failed::Unreadable))?;
    Ok((person, token))
}

/// The number by which GitHub knows somebody, as a text.
pub(super) fn id_of(profile: &Value) -> Option<String> {
    profile.get("id")?.as_u64().map(|id| id.to_string())
}

impl Person {
    fn read(profile: Value) -> Option<Person> {
        let text = |field: &str| profile.get(field).and_then(Value::as_str).map(str::to_owned);
        let login = text("login").filter(|login| !login.is_empty() && login.len() <= 100)?;
        Some(Person { id: id_of(&profile)?, login, name: text("name"), bio: text("bio"), profile })
    }

    /// First name, and all others.
    pub(super) fn names(&self) -> (Option<String>, Option<String>) {
        let name = self.name.as_deref().map(str::trim).filter(|name| !name.is_empty());
        let Some(name) = name else { return (None, None) };
        match name.split_once(char::is_whitespace) {
            Some((first, others)) => (Some(first.to_owned()), Some(others.trim().to_owned())),
            None => (Some(name.to_owned()), None),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::extract::Json;
    use axum::http::HeaderMap;
    use axum::routing::{get, post};

    use super::*;

    /// A GitHub of our own, which knows the codes `good` and `stale`.
    async fn github() -> GitHub {
        let grant = async |Json(wanted): Json<Value>| {
            assert_eq!(wanted["client_secret"], "secret");
            Json(match wanted["code"].as_str() {
                Some("good") => json!({ "access_token": "gho_good" }),
                Some("stale") => json!({ "access_token": "gho_stale" }),
                _ => json!({ "error": "bad_verification_code" }),
            })
        };
        let user = async |headers: HeaderMap| {
            assert!(headers.contains_key("user-agent") || headers.contains_key("authorization"));
            match headers["authorization"].to_str().unwrap() {
                "Bearer gho_good" => Json(json!({ "id": 7, "login": "Ann", "name": "Ann van Dyk", "bio": null })),
                _ => Json(json!({ "message": "Bad credentials" })),
            }
        };
        let routes = Router::new().route("/login/oauth/access_token", post(grant)).route("/user", get(user));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        GitHub { site: url.clone(), api: url, ..GitHub::new("id".into(), "secret".into(), "http://here".into()) }
    }

    #[tokio::test]
    async fn a_good_code_shows_whose_it_is() {
        let (client, github) = (Client::new(), github().await);
        let (person, token) = fetch(&client, &github, "good").await.unwrap();
        assert_eq!((person.id.as_str(), person.login.as_str(), token.as_str()), ("7", "Ann", "gho_good"));
        assert_eq!(person.names(), (Some("Ann".to_owned()), Some("van Dyk".to_owned())));
        assert!(
            matches!(fetch(&client, &github, "bad").await, Err(NoPerson::Refused(why)) if why == "bad_verification_code")
        );
        assert!(matches!(fetch(&client, &github, "stale").await, Err(NoPerson::Unknown(_))));
        let away = GitHub { site: "http://127.0.0.1:1".into(), ..github };
        assert!(matches!(fetch(&client, &away, "good").await, Err(NoPerson::Failed(_))));
    }
}
