//! Accounts that are connected with GitHub.

use aws_lc_rs::hmac;
use reqwest::{Method, Url};
use serde_json::{Value, json};

use crate::account::Account;
use crate::frames::{each, list};
use crate::gateway::{Gateway, Plan};
use crate::standins::{StandIn, github};

async fn gateway(github: &StandIn) -> Gateway {
    let lines = format!(
        "[happy.github]\nclient-id = \"app\"\nclient-secret = \"of the app\"\nredirect-url = \"http://here/back\"\n\
         webhook-secret = \"of the hook\"\napp-url = \"http://app.example\"\nsite = \"{0}\"\napi = \"{0}\"",
        github.url
    );
    Plan::default().says(&lines).start().await
}

/// Where somebody is sent to, as pairs.
async fn asked(account: &Account) -> Vec<(String, String)> {
    let told = account.get("/v1/connect/github/params").await.ok();
    let url = Url::parse(told["url"].as_str().unwrap()).unwrap();
    assert_eq!(url.path(), "/login/oauth/authorize");
    url.query_pairs().into_owned().collect()
}

/// Where somebody ends who comes back like this.
async fn comes_back(gateway: &Gateway, query: &[(&str, &str)]) -> String {
    let pairs: Vec<(&str, &str)> = query.to_vec();
    let url = Url::parse_with_params("http://x/v1/connect/github/callback", pairs).unwrap();
    let path = format!("{}?{}", url.path(), url.query().unwrap_or_default());
    let answer = gateway.door().request(Method::GET, &path).send().await.unwrap();
    assert_eq!(answer.status(), 302);
    answer.headers()["location"].to_str().unwrap().to_owned()
}

async fn connects(gateway: &Gateway, account: &Account, code: &str) -> String {
    let pairs = asked(account).await;
    let (_, state) = pairs.iter().find(|(name, _)| name == "state").expect("a state");
    comes_back(gateway, &[("code", code), ("state", state)]).await
}

async fn profile(account: &Account) -> Value {
    account.get("/v1/account/profile").await.ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_who_comes_back_from_github_has_a_name_and_can_be_found() {
    let mut github = github().await;
    let gateway = gateway(&github).await;
    let (account, other) = (gateway.account().await, gateway.account().await);
    let mut user = account.user().await;
    let pairs = asked(&account).await;
    for (name, value) in [("client_id", "app"), ("redirect_uri", "http://here/back")] {
        assert!(pairs.contains(&(name.to_owned(), value.to_owned())), "{pairs:?}");
    }
    let scope = "read:user,user:email,read:org,codespace".to_owned();
    assert!(pairs.contains(&("scope".to_owned(), scope)), "{pairs:?}");

    assert_eq!(connects(&gateway, &account, "ann").await, "http://app.example/?github=connected&user=Ann");
    let wanted = json!({ "client_id": "app", "client_secret": "of the app", "code": "ann" });
    assert_eq!(github.heard.recv().await.unwrap(), wanted);
    let told = user.hears_next("update-account").await["body"].clone();
    assert_eq!((&told["username"], &told["github"]["id"]), (&json!("Ann"), &json!(7)), "{told}");
    assert_eq!((&told["firstName"], &told["lastName"]), (&json!("Ann"), &json!("van Dyk")));
    let shown = profile(&account).await;
    assert_eq!((&shown["username"], &shown["github"]["login"]), (&json!("Ann"), &json!("Ann")));
    assert_eq!(shown["connectedServices"], json!([]), "vendors are others");
    assert_eq!(connects(&gateway, &other, "bob").await, "http://app.example/?github=connected&user=annabob");
    let found = other.get("/v1/user/search?query=aN").await.ok();
    assert_eq!(each(list(&found, "users"), "username"), ["Ann", "annabob"]);
    assert_eq!(list(&found, "users")[0]["bio"], "Makes things");

    for _ in 0..2 {
        assert_eq!(account.delete("/v1/connect/github").await.ok(), json!({ "success": true }));
    }
    let told = user.hears_next("update-account").await["body"].clone();
    assert_eq!((&told["username"], &told["github"]), (&Value::Null, &Value::Null), "{told}");
    assert!(told.as_object().unwrap().contains_key("github"), "null says that it is gone");
    assert!(user.settles().await.is_empty(), "the second time nothing changes");
    let found = other.get("/v1/user/search?query=ann").await.ok();
    assert_eq!(each(list(&found, "users"), "username"), ["annabob"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_of_github_is_one_account_and_an_account_one_person() {
    let github = github().await;
    let gateway = gateway(&github).await;
    let (first, second) = (gateway.account().await, gateway.account().await);
    connects(&gateway, &first, "ann").await;
    connects(&gateway, &second, "ann").await;
    assert_eq!(profile(&first).await["github"], Value::Null);
    assert_eq!(profile(&second).await["username"], "Ann");
    connects(&gateway, &second, "bob").await;
    assert_eq!(profile(&second).await["username"], "annabob");
    connects(&gateway, &first, "ann").await;
    assert_eq!(profile(&first).await["username"], "Ann");
    assert_eq!(profile(&second).await["username"], "annabob", "it was not that person any more");
    let found = first.get("/v1/user/search?query=ann").await.ok();
    assert_eq!(each(list(&found, "users"), "username"), ["Ann", "annabob"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_without_a_good_code_is_told_why() {
    let github = github().await;
    let gateway = gateway(&github).await;
    let account = gateway.account().await;
    assert_eq!(connects(&gateway, &account, "x").await, "http://app.example/?error=bad_verification_code");
    assert_eq!(connects(&gateway, &account, "stale").await, "http://app.example/?error=github_user_fetch_failed");
    let state = asked(&account).await.into_iter().find(|(name, _)| name == "state").unwrap().1;
    let denied = comes_back(&gateway, &[("error", "access_denied"), ("state", &state)]).await;
    assert_eq!(denied, "http://app.example/?error=access_denied");
    let invalid = "http://app.example/?error=invalid_state";
    assert_eq!(comes_back(&gateway, &[("code", "ann")]).await, invalid);
    assert_eq!(comes_back(&gateway, &[("code", "ann"), ("state", "x")]).await, invalid);
    gateway.clock.advance(5 * 60_000 + 1);
    assert_eq!(comes_back(&gateway, &[("code", "ann"), ("state", &state)]).await, invalid);
    assert_eq!(profile(&account).await["github"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_github_says_itself_is_taken_only_with_its_signature() {
    let github = github().await;
    let gateway = gateway(&github).await;
    let says = async |signature: &str| {
        let request = gateway.door().request(Method::POST, "/v1/connect/github/webhook").body("{}");
        let request = request.header("content-type", "application/json").header("x-github-event", "ping");
        crate::http::told(request.header("x-hub-signature-256", signature), "a webhook".to_owned()).await
    };
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"of the hook"), b"{}");
    let tag: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(says(&format!("sha256={tag}")).await.ok(), json!({ "received": true }));
    assert_eq!(says(&format!("sha256={}", tag.replace(['0', '1'], "2"))).await.status, 500);
    assert_eq!(says("").await.status, 500);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_others_are_in_no_file_as_they_are() {
    let github = github().await;
    let gateway = gateway(&github).await;
    let account = gateway.account().await;
    connects(&gateway, &account, "ann").await;
    account.post("/v1/connect/openai/register", json!({ "token": "sk-of-a-vendor" })).await.ok();
    let gateway = gateway.restart().await;
    let account = Account::enters(gateway.door(), account.seed).await;
    assert_eq!(account.get("/v1/connect/openai/token").await.ok(), json!({ "token": "sk-of-a-vendor" }));
    let mut folders = vec![gateway.data()];
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => {
                    let bytes = std::fs::read(entry.path()).unwrap_or_default();
                    read += bytes.len();
                    for token in ["gho_ann", "sk-of-a-vendor"] {
                        let found = bytes.windows(token.len()).any(|window| window == token.as_bytes());
                        assert!(!found, "{token} in {}", entry.path().display());
                    }
                }
            }
        }
    }
    assert!(read > 0);
}
