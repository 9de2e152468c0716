//! What is asked over HTTP alone.

use rejoin_happy::client::api::{Change, KvMutated, KvMutation};
use rejoin_happy::client::seal::AccountSecret;
use rejoin_happy::client::{Account, Error, NewSession, Options};
use serde_json::json;

use super::standin::{Standin, metadata};

#[tokio::test]
async fn values_are_written_all_or_none() {
    let standin = Standin::start().await;
    let account = standin.account().await;
    let api = account.api();
    assert_eq!(api.kv_get("a key/with%signs").await.unwrap(), None);
    let write = |value: &[u8], version| KvMutation { key: "k ü".into(), value: Some(value.to_vec()), version };
    let written = api.kv_mutate(&[write(b"one", None)]).await.unwrap();
    assert_eq!(written, KvMutated::Done(vec![("k ü".into(), 0)]));
    let KvMutated::Stale(stale) = api.kv_mutate(&[write(b"two", None)]).await.unwrap() else {
        panic!("it was there already")
    };
    assert_eq!((stale[0].version, stale[0].value.as_deref()), (Some(0), Some(&b"one"[..])));
    assert!(matches!(api.kv_mutate(&[write(b"two", Some(0))]).await.unwrap(), KvMutated::Done(_)));
    assert_eq!(api.kv_get("k ü").await.unwrap().unwrap().value, b"two");
}

#[tokio::test]
async fn settings_are_sealed_and_changed_by_whoever_has_seen_them() {
    let standin = Standin::start().await;
    let account = standin.account().await;
    assert_eq!(account.settings().await.unwrap(), (None, 0));
    assert_eq!(account.change_settings(&json!({ "theme": "dark" }), 0).await.unwrap(), Change::Done(1));
    let stale = account.change_settings(&json!({}), 0).await.unwrap();
    assert_eq!(stale, Change::Stale((Some(json!({ "theme": "dark" })), 1)));
    assert!(!standin.world().settings.0.as_deref().unwrap().contains("theme"));
}

#[tokio::test]
async fn a_file_is_sealed_on_its_way_and_back() {
    let standin = Standin::start().await;
    let (session, _client) = standin.session().await;
    let account = standin.account().await;
    let file: Vec<u8> = (0..100_000u32).map(|at| at as u8).collect();
    let reference = account.upload(&session, "picture.png", &file).await.unwrap();
    assert_eq!(account.download(&session, &reference).await.unwrap(), file);
    let stored = standin.world().files.values().next().unwrap().clone();
    assert_eq!(stored.len(), file.len() + 40);
    let large = account.upload(&session, "large", &vec![0; 11 << 20]).await.unwrap_err();
    assert!(matches!(large, Error::TooLarge { .. }), "{large}");
}

#[tokio::test]
async fn a_refusal_has_the_words_of_the_server() {
    let standin = Standin::start().await;
    let account = standin.account().await;
    let gone = account.api().newest_messages("c-nobody").await.unwrap_err();
    assert_eq!(gone.to_string(), "reading messages: 404 Session not found");
    assert!(gone.is_not_found() && !gone.is_unknown_route());
    let unknown = account.api().profile().await.unwrap_err();
    assert!(unknown.is_unknown_route() && !unknown.is_not_found());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_and_not_a_wait() {
    let options = Options {
        reconnect_delay: std::time::Duration::from_millis(1),
        longest_delay: std::time::Duration::from_millis(1),
        ..Options::new("http://127.0.0.1:9/happy").unwrap()
    };
    let error = Account::sign_in(&options, &AccountSecret::random()).await.unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
}

#[tokio::test]
async fn a_session_under_the_accounts_secret_can_be_made_and_read() {
    let standin = Standin::start().await;
    let account = standin.account().await;
    let new = NewSession { legacy: true, ..NewSession::new(metadata()) };
    let session = account.create_session(&new).await.unwrap();
    assert_eq!(session.record.data_encryption_key, None);
    let client = account.session_client(&session, Default::default()).unwrap();
    standin.somebody_says(&session, "hello");
    assert_eq!(client.user_messages().next().await.unwrap().message.text(), "hello");
    assert_eq!(account.sessions().await.unwrap().len(), 1);
}
