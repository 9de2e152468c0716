//! Metadata and agent state against others who change them, and through lines that break.

use rejoin_happy::client::Error;
use rejoin_happy::payload::AgentState;
use serde_json::json;

use super::standin::{Fault, Standin, metadata};

#[tokio::test]
async fn a_change_is_made_again_from_what_another_wrote() {
    let standin = Standin::start().await;
    let (session, client) = standin.session().await;
    let theirs = json!({ "path": "/tmp", "host": "laptop", "name": "theirs", "laterField": { "x": [1] } });
    let theirs = session.key.seal(&theirs).unwrap();
    standin.change(|world| world.changes = [Fault::Overtaken(theirs)].into());
    let changed = client.update_metadata(|mut metadata| {
        metadata.os = Some("linux".into());
        metadata
    });
    let changed = changed.await.unwrap();
    assert_eq!((changed.name.as_deref(), changed.os.as_deref()), (Some("theirs"), Some("linux")));
    let (stored, version) = standin.world().session(session.id()).unwrap().metadata.clone();
    let stored = session.key.open(&stored).unwrap().unwrap();
    assert_eq!(stored["laterField"], json!({ "x": [1] }), "what is not known is kept");
    assert_eq!((version, client.metadata_version()), (2, 2));
}

#[tokio::test]
async fn a_change_whose_answer_was_lost_is_not_made_twice() {
    let standin = Standin::start().await;
    let (session, client) = standin.session().await;
    standin.change(|world| world.changes = [Fault::DoneThenCut, Fault::Cut, Fault::Cut].into());
    let changed = client.update_agent_state(|mut state| {
        let count = state.extra.get("count").and_then(|count| count.as_u64()).unwrap_or(0);
        state.extra.insert("count".into(), (count + 1).into());
        state
    });
    assert_eq!(changed.await.unwrap().unwrap().extra["count"], 1);
    let (stored, version) = standin.world().session(session.id()).unwrap().agent_state.clone();
    assert_eq!(session.key.open(&stored.unwrap()).unwrap().unwrap()["count"], 1);
    assert_eq!(version, 1);
}

#[tokio::test]
async fn a_change_that_was_told_and_not_answered_is_not_made_twice() {
    let standin = Standin::start().await;
    let (session, client) = standin.session().await;
    standin.change(|world| world.changes = [Fault::ToldThenCut].into());
    let changed = client.update_agent_state(|mut state| {
        let count = state.extra.get("count").and_then(|count| count.as_u64()).unwrap_or(0);
        state.extra.insert("count".into(), (count + 1).into());
        state
    });
    assert_eq!(changed.await.unwrap().unwrap().extra["count"], 1);
    assert_eq!(standin.world().session(session.id()).unwrap().agent_state.1, 1);
}

#[tokio::test]
async fn somebody_else_with_the_same_wish_is_as_good() {
    let standin = Standin::start().await;
    let (session, client) = standin.session().await;
    let mut wanted = metadata();
    wanted.name = Some("the name".into());
    let theirs = session.key.seal(&wanted).unwrap();
    standin.change(|world| world.changes = [Fault::Overtaken(theirs)].into());
    let changed = client.update_metadata(|mut metadata| {
        metadata.name = Some("the name".into());
        metadata
    });
    assert_eq!(changed.await.unwrap(), wanted);
    assert_eq!(client.metadata_version(), 1);
}

#[tokio::test]
async fn two_clients_that_change_the_same_lose_none_of_it() {
    let standin = Standin::start().await;
    let (session, first) = standin.session().await;
    let second = standin.account().await.session_client(&session, Default::default()).unwrap();
    let count = |client: rejoin_happy::client::SessionClient| async move {
        for _ in 0..20 {
            let counted = client.update_agent_state(|mut state: AgentState| {
                let count = state.extra.get("count").and_then(|count| count.as_u64()).unwrap_or(0);
                state.extra.insert("count".into(), (count + 1).into());
                state
            });
            counted.await.unwrap();
        }
    };
    tokio::join!(count(first.clone()), count(second));
    let (stored, version) = standin.world().session(session.id()).unwrap().agent_state.clone();
    assert_eq!(session.key.open(&stored.unwrap()).unwrap().unwrap()["count"], 40);
    assert_eq!(version, 40);
}

#[tokio::test]
async fn a_state_can_be_taken_away() {
    let standin = Standin::start().await;
    let (session, client) = standin.session().await;
    let driven = client.update_agent_state(|state| AgentState { controlled_by_user: Some(true), ..state });
    driven.await.unwrap();
    assert_eq!(client.agent_state().unwrap().controlled_by_user, Some(true));
    assert_eq!(client.update_agent_state(|_| None).await.unwrap(), None);
    assert_eq!(standin.world().session(session.id()).unwrap().agent_state, (None, 2));
    assert_eq!(client.agent_state(), None);
}

#[tokio::test]
async fn what_another_client_changes_is_known_here() {
    let standin = Standin::start().await;
    let (session, client) = standin.session().await;
    let other = standin.account().await.session_client(&session, Default::default()).unwrap();
    let mut changes = client.metadata_changes();
    let renamed = other.update_metadata(|mut metadata| {
        metadata.lifecycle_state = Some("archiveRequested".into());
        metadata
    });
    renamed.await.unwrap();
    changes.wait_for(|count| *count > 0).await.unwrap();
    assert!(client.metadata().unwrap().is_ending());
}

#[tokio::test]
async fn a_change_to_a_session_that_is_gone_is_an_error() {
    let standin = Standin::start().await;
    let (_, client) = standin.session().await;
    standin.change(|world| world.sessions.clear());
    let error = client.update_metadata(|metadata| metadata).await.unwrap_err();
    assert!(matches!(error, Error::Rejected { .. }), "{error}");
}

#[tokio::test]
async fn what_cannot_be_read_is_not_overwritten() {
    let standin = Standin::start().await;
    let account = standin.account().await;
    let (session, _) = standin.session().await;
    let mut damaged = session.clone();
    damaged.record.metadata = "bm90IG91cnM=".into();
    let client = account.session_client(&damaged, Default::default()).unwrap();
    let error = client.update_metadata(|metadata| metadata).await.unwrap_err();
    assert!(matches!(error, Error::Sealed(_)), "{error}");
    assert!(client.rpc().names().is_empty(), "without a path there is no place for commands");
}

#[tokio::test]
async fn an_answer_that_never_comes_is_not_waited_for() {
    let standin = Standin::start().await;
    let account = standin.account().await;
    let (session, _) = standin.session().await;
    let options =
        rejoin_happy::client::Options { ack_timeout: std::time::Duration::from_millis(50), ..standin.options() };
    let account = rejoin_happy::client::Account::with(&options, account.credentials().clone()).unwrap();
    let client = account.session_client(&session, Default::default()).unwrap();
    standin.change(|world| world.changes = [Fault::Silence].into());
    let changed = client.update_metadata(|mut metadata| {
        metadata.name = Some("silent".into());
        metadata
    });
    assert_eq!(changed.await.unwrap().name.as_deref(), Some("silent"));
    assert_eq!(client.metadata_version(), 1, "it was done the first time");
}
