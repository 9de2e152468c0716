//! An agent that comes back to its session in another life.

use rejoin_core::happening::Happening;
use rejoin_ports::agent::{AgentHost, Order};

use crate::rig::{Rig, setup};

async fn reopened(args: &[&str]) -> (String, Vec<Happening>, Rig) {
    let mut rig = setup(args).open().await;
    let before = rig.says("session").await;
    let mut rig = rig.reopen().await;
    rig.is_ready().await;
    let all = rig.run("session").await;
    (before, all, rig)
}

#[tokio::test]
async fn an_agent_that_can_goes_back_to_its_session_and_says_nothing_twice() {
    for args in [&["--load"][..], &["--resume"], &["--load", "--resume"]] {
        let (before, after, _rig) = reopened(args).await;
        assert_eq!(after, [Happening::Text(before), Happening::Done], "{args:?}");
    }
}

#[tokio::test]
async fn an_agent_that_cannot_go_back_says_that_it_has_forgotten() {
    let (before, after, _rig) = reopened(&[]).await;
    let [Happening::Text(loss), Happening::Pause, Happening::Text(session), Happening::Done] = &after[..] else {
        panic!("{after:?}")
    };
    assert!(loss.contains("remembers nothing"), "{loss}");
    assert_ne!(*session, before);
}

#[tokio::test]
async fn a_session_that_the_agent_has_lost_is_a_loss_too_and_told_once() {
    let mut rig = setup(&["--load"]).open().await;
    let session = rig.says("session").await;
    std::fs::remove_file(rig.state.path().join(&session)).unwrap();
    let mut rig = rig.reopen().await;
    let told = rig.says("say on").await;
    assert!(told.contains("no such session") && told.ends_with("on"), "{told}");
    assert_eq!(rig.says("say on").await, "on");
}

#[tokio::test]
async fn where_nothing_was_said_nothing_is_lost() {
    let mut rig = setup(&[]).open().await.reopen().await;
    assert_eq!(rig.says("say hello").await, "hello");
}

#[tokio::test]
async fn the_mode_that_was_last_chosen_holds_in_another_life() {
    let mut rig = setup(&["--load", "--modes"]).open().await;
    assert_eq!(rig.says("mode").await, "ask");
    rig.says(r#"update {"sessionUpdate": "current_mode_update", "currentModeId": "code"}"#).await;
    let mut rig = rig.reopen().await;
    assert_eq!(rig.says("mode").await, "code");
}

#[tokio::test]
async fn what_a_session_is_configured_for_while_its_agent_runs_is_set_at_once_and_holds() {
    let mut rig = setup(&["--load", "--modes", "--models"]).open().await;
    assert_eq!(rig.says("mode\nsay  \nmodel").await, "ask small");
    let acp = serde_json::json!({"mode": "code", "options": {"the-model": "large"}});
    rig.opening.config.extra.insert("acp".into(), acp);
    let config = Box::new(rig.opening.config.clone());
    rig.order(Order::Configured { config, model: None }).await;
    assert_eq!(rig.says("mode\nsay  \nmodel").await, "code large");
    // The agent chooses another by itself; that holds until it is configured anew.
    rig.says(r#"update {"sessionUpdate": "current_mode_update", "currentModeId": "ask"}"#).await;
    let mut rig = rig.reopen().await;
    assert_eq!(rig.says("mode").await, "ask");
    rig.opening.config.extra.clear();
    let mut rig = rig.reopen().await;
    rig.opening.config.extra.insert("acp".into(), serde_json::json!({"mode": "code"}));
    assert_eq!(rig.says("mode").await, "ask");
    let mut rig = rig.reopen().await;
    assert_eq!(rig.says("mode").await, "code");
}

#[tokio::test]
async fn what_an_agent_can_be_set_to_is_known_once_it_has_opened_a_session() {
    let rig = setup(&["--modes", "--models"]).open().await;
    let settings = rig.host.settings(rig.opening.clone()).await.unwrap();
    let modes: Vec<_> = settings.modes.iter().map(|mode| (mode.id.as_str(), mode.name.as_str())).collect();
    assert_eq!(modes, [("ask", "Ask"), ("code", "Code")]);
    assert_eq!((settings.mode.as_deref(), settings.options[0].values.len()), (Some("ask"), 2));
    let heard = std::fs::read_to_string(rig.state.path().join("heard")).unwrap();
    assert_eq!(heard.matches("session/new").count(), 1, "nothing was started to find out");
}

#[tokio::test]
async fn an_agent_that_was_not_there_before_says_so() {
    let mut setup = setup(&[]);
    setup.has_past = true;
    let mut rig = setup.open().await;
    let told = rig.says("say on").await;
    assert!(told.contains("remembers nothing") && told.ends_with("on"), "{told}");
    assert_eq!(rig.says("say on").await, "on");
}
