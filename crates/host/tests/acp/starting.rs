//! How an agent is started, and why it may not start.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rejoin_core::header::Model;
use rejoin_core::id::TenantId;
use rejoin_host::Workbench;
use rejoin_host::acp::{Keyring, NoKeys, check};
use rejoin_machine::cage::Cage;
use rejoin_machine::shell::Shell;
use serde_json::{Value, json};

use crate::rig::{Setup, setup};

struct Keys;

#[async_trait]
impl Keyring for Keys {
    async fn secret(&self, tenant: &TenantId, name: &str) -> Result<Option<String>, String> {
        Ok((tenant.as_str() == "t" && name == "A_KEY").then(|| "hush-hush".to_owned()))
    }
}

/// The first prompt fails like this, and so does the next.
async fn refuses(setup: Setup) -> (String, String) {
    let mut rig = setup.begin().await;
    let first = rig.fails("say hello").await;
    assert_eq!(rig.fails("say hello").await, first);
    first
}

#[tokio::test]
async fn an_agent_gets_the_environment_that_is_named_and_no_more() {
    let mut setup = setup(&[]);
    setup.recipe.env = [("ONE".into(), "1".into()), ("TWO".into(), "2".into())].into();
    setup.config.environment = [("TWO".into(), "two".into())].into();
    setup.recipe.credentials = vec!["A_KEY".into(), "ANOTHER".into()];
    setup.keys = Arc::new(Keys);
    let mut rig = setup.open().await;
    let told =
        rig.says("env ONE\nsay  \nenv TWO\nsay  \nenv A_KEY\nsay  \nenv ANOTHER\nsay  \nenv CARGO_MANIFEST_DIR").await;
    assert_eq!(told, "1 two hush-hush unset unset");
    let folder = rig.folder.path().canonicalize().unwrap();
    assert_eq!(rig.says("cwd").await, folder.to_str().unwrap());
}

#[tokio::test]
async fn last_words_repeat_no_secret() {
    let mut setup = setup(&[]);
    setup.recipe.credentials = vec!["A_KEY".into()];
    setup.keys = Arc::new(Keys);
    let mut rig = setup.open().await;
    let (_, message) = rig.fails("complain my key is hush-hush, as you know\nsleep 50\ncrash 1").await;
    assert!(message.contains("my key is …, as you know"), "{message}");
    let (_, message) = rig.fails("error the key hush-hush is no good").await;
    assert!(message.contains("the key … is no good"), "{message}");
}

#[tokio::test]
async fn an_agent_that_is_not_there_is_named_with_the_way_to_get_it() {
    let mut setup = setup(&[]);
    setup.recipe.command = "no-such-agent".into();
    setup.recipe.install = Some("install it".into());
    let (code, message) = refuses(setup).await;
    assert_eq!(code, "agent_missing");
    assert!(message.contains("no-such-agent") && message.ends_with("install it"), "{message}");
}

#[tokio::test]
async fn one_agent_too_many_is_refused_until_another_has_ended() {
    let mut one = setup(&[]);
    one.most = 0;
    let (code, message) = refuses(one).await;
    assert_eq!(code, "agent_crowded");
    assert!(message.contains("0 agents run already"), "{message}");

    let mut alone = setup(&[]);
    alone.most = 1;
    let mut rig = alone.open().await;
    rig.says("say one").await;
    rig.fails("crash 1").await;
    assert!(rig.says("say two").await.ends_with("two"), "its place was given back");
}

#[tokio::test]
async fn an_agent_that_does_not_answer_is_given_up() {
    let mut setup = setup(&["--silent"]);
    setup.recipe.limits.start = Duration::from_millis(300);
    let (code, message) = refuses(setup).await;
    assert_eq!(code, "agent_timeout");
    assert!(message.contains("initialize"), "{message}");
}

#[tokio::test]
async fn another_version_of_the_protocol_is_refused() {
    let (code, message) = refuses(setup(&["--version", "2"])).await;
    assert_eq!(code, "agent_protocol");
    assert!(message.contains("version 2"), "{message}");
}

#[tokio::test]
async fn an_agent_that_ends_at_once_says_why() {
    let mut setup = setup(&[]);
    setup.recipe.command = "/bin/sh".into();
    setup.recipe.args = vec!["-c".into(), "echo no model >&2; exit 3".into()];
    let (code, message) = refuses(setup).await;
    assert_eq!(code, "agent_crashed");
    assert!(message.contains("exit code 3") && message.contains("no model"), "{message}");
}

#[tokio::test]
async fn an_agent_is_signed_in_with_what_there_is() {
    let (code, message) = refuses(setup(&["--auth", "a-key"])).await;
    assert_eq!(code, "agent_unauthenticated");
    assert!(message.contains("a-key"), "{message}");

    let mut with_key = setup(&["--auth", "a-key"]);
    with_key.recipe.credentials = vec!["A_KEY".into()];
    with_key.keys = Arc::new(Keys);
    assert_eq!(with_key.open().await.says("say in").await, "in");

    let mut told = setup(&["--auth", "by-browser"]);
    told.recipe.auth = Some("by-browser".into());
    assert_eq!(told.open().await.says("say in").await, "in");
}

#[tokio::test]
async fn the_session_begins_in_its_mode_and_with_its_model() {
    let mut asked = setup(&["--modes", "--models"]);
    asked.recipe.mode = Some("ask".into());
    asked.config.extra.insert("acp".into(), json!({"mode": "code"}));
    asked.model = Some(Model { model: "large".into(), provider: None, variant: None });
    assert_eq!(asked.open().await.says("mode\nsay  \nmodel").await, "code large");

    let mut hinted = setup(&["--modes"]);
    hinted.config.permission_mode = Some("bypassPermissions".into());
    assert_eq!(hinted.open().await.says("mode").await, "ask");

    let mut unknown = setup(&["--models"]);
    unknown.model = Some(Model { model: "huge".into(), provider: None, variant: None });
    let (code, message) = refuses(unknown).await;
    assert_eq!(code, "agent_config");
    assert!(message.contains("huge") && message.contains("small, large"), "{message}");
}

#[tokio::test]
async fn the_mcp_servers_of_the_session_are_passed_on() {
    let mut with = setup(&[]);
    let servers = json!({"files": {"command": "mcp-files", "env": {"A": "b"}}});
    with.config.extra.insert("mcpServers".into(), servers);
    let told: Value = serde_json::from_str(&with.open().await.says("opened").await).unwrap();
    let server = json!({"name": "files", "command": "mcp-files", "args": [], "env": [{"name": "A", "value": "b"}]});
    assert_eq!(told["mcpServers"], json!([server]));

    let mut without = setup(&[]);
    without.config.extra.insert("mcpServers".into(), json!({"web": {"url": "http://w"}}));
    let (code, message) = refuses(without).await;
    assert_eq!(code, "agent_config");
    assert!(message.contains("web"), "{message}");
}

#[tokio::test]
async fn an_agent_can_be_tried_without_a_session() {
    let tried = async |setup: Setup| {
        let bench = Workbench { shell: Shell::unwatched(), cage: Cage::Off, hidden: Vec::new() };
        let folder = tempfile::tempdir().unwrap();
        check(setup.recipe, bench, Arc::new(NoKeys), TenantId::new("t").unwrap(), folder.path()).await
    };
    let report = tried(setup(&["--load", "--modes", "--models"])).await.unwrap();
    assert_eq!((report.name.as_deref(), report.version.as_deref()), (Some("scripted"), Some("1.0")));
    assert_eq!(report.modes, ["ask", "code"]);
    assert_eq!(report.models, ["small", "large"]);
    assert!(report.can.iter().any(|can| can.contains("goes back")), "{report:?}");
    assert_eq!(report.problem, None);

    let report = tried(setup(&["--auth", "a-key"])).await.unwrap();
    assert_eq!(report.problem.unwrap().code, "agent_unauthenticated");
    assert!(report.cannot.iter().any(|cannot| cannot.contains("cannot go back")));

    let mut missing = setup(&[]);
    missing.recipe.command = "no-such-agent".into();
    assert_eq!(tried(missing).await.unwrap_err().code, "agent_missing");
}
