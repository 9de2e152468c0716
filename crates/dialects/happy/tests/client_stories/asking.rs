//! Calls, both ways.

use rejoin_happy::client::{Error, Permission, Reply};
use rejoin_happy::payload::{Bash, PermissionAnswer, RequestStatus};
use serde_json::{Value, json};

use super::standin::{PATIENCE, Standin};

async fn registered(standin: &Standin, names: usize) {
    standin.sees("the names", |world| (world.methods.len() >= names).then_some(())).await;
}

#[tokio::test]
async fn people_call_what_a_session_answers_to() {
    let standin = Standin::start().await;
    let (session, client) = standin.session().await;
    let user = standin.account().await.user_client(true);
    user.connected(PATIENCE).await.unwrap();
    client.rpc().register("echo", |params: Value| async move { Ok::<_, String>(json!({ "you said": params })) });
    client.rpc().register("nothing", |_| async { Ok::<_, String>(()) });
    client.rpc().register("fails", |_| async { Err::<Reply, _>("no luck") });
    client.rpc().register("panics", |params: Value| async move {
        Ok::<_, String>(json!(params["missing"].as_str().expect("it is missing")))
    });
    registered(&standin, 11).await;
    let echo = user.call_rpc(&session, "echo", &json!([1, "two"])).await.unwrap();
    assert_eq!(echo, Some(json!({ "you said": [1, "two"] })));
    assert_eq!(user.call_rpc(&session, "nothing", &json!({})).await.unwrap(), None);
    assert_eq!(user.call_rpc(&session, "fails", &json!({})).await.unwrap(), Some(json!({ "error": "no luck" })));
    assert!(user.call_rpc(&session, "panics", &json!({})).await.unwrap().unwrap()["error"].is_string());

    client.rpc().unregister("echo");
    standin.sees("that a name is gone", |world| (world.methods.len() == 10).then_some(())).await;
    let error = user.call_rpc(&session, "echo", &json!({})).await.unwrap_err();
    assert!(matches!(&error, Error::Rejected { text, .. } if text == "RPC method not available"), "{error}");
    // One that the server still has, and we do not.
    let method = format!("{}:gone", session.id());
    let line = standin.world().methods[&format!("{}:nothing", session.id())];
    standin.change(|world| world.methods.insert(method, line));
    let gone = user.call_rpc(&session, "gone", &json!({})).await.unwrap();
    assert_eq!(gone, Some(json!({ "error": "Method not found" })));
}

#[tokio::test]
async fn names_are_told_again_on_every_connection_and_until_the_server_has_heard_them() {
    let standin = Standin::start_with("/happy", |world| world.deaf_to_names = 1).await;
    let (session, client) = standin.session().await;
    client.rpc().register("echo", |params: Value| async move { Ok::<_, String>(params) });
    registered(&standin, 8).await;
    standin.cut();
    registered(&standin, 8).await;
    let user = standin.account().await.user_client(false);
    user.connected(PATIENCE).await.unwrap();
    assert_eq!(user.call_rpc(&session, "echo", &json!(7)).await.unwrap(), Some(json!(7)));
}

#[tokio::test]
async fn a_phone_allows_what_the_agent_wants() {
    let standin = Standin::start().await;
    let (session, client) = standin.session().await;
    client.answer_permissions();
    registered(&standin, 8).await;
    let user = standin.account().await.user_client(true);
    user.connected(PATIENCE).await.unwrap();
    let asking = client.ask_permission("ask-1", "Bash", json!({ "command": "ls" }));
    let answering = async {
        let mut changes = client.agent_state_changes();
        changes.wait_for(|_| client.agent_state().is_some_and(|state| state.requests.is_some())).await.unwrap();
        // Nobody asks this; it is passed over.
        user.answer_permission(&session, &PermissionAnswer::approve("other")).await.unwrap();
        let answer =
            PermissionAnswer { allow_tools: Some(vec!["Bash(ls)".into()]), ..PermissionAnswer::approve("ask-1") };
        user.answer_permission(&session, &answer).await.unwrap();
    };
    let (permission, ()) = tokio::join!(asking, answering);
    assert!(matches!(permission.unwrap(), Permission::Answered(answer) if answer.approved));
    let state = client.agent_state().unwrap();
    assert!(state.requests.unwrap().is_empty());
    let completed = &state.completed_requests.unwrap()["ask-1"];
    assert_eq!(completed.status, RequestStatus::Approved);
    assert_eq!(completed.allow_tools, completed.allowed_tools, "each reader finds its name");
}

#[tokio::test]
async fn an_abort_withdraws_what_waits() {
    let standin = Standin::start().await;
    let (session, client) = standin.session().await;
    client.answer_permissions();
    let (aborted_in, mut aborted) = tokio::sync::mpsc::channel(1);
    client.on_abort(move |reason| {
        let aborted_in = aborted_in.clone();
        async move { aborted_in.send(reason).await }
    });
    registered(&standin, 9).await;
    let user = standin.account().await.user_client(true);
    user.connected(PATIENCE).await.unwrap();
    let asking = client.ask_permission("ask-1", "Bash", json!({}));
    let aborting = async {
        let mut changes = client.agent_state_changes();
        changes.wait_for(|_| client.agent_state().is_some_and(|state| state.requests.is_some())).await.unwrap();
        user.abort(&session, Some("changed my mind")).await.unwrap();
        assert_eq!(aborted.recv().await.unwrap().as_deref(), Some("changed my mind"));
        client.withdraw_permissions("aborted").await.unwrap();
    };
    let (permission, ()) = tokio::join!(asking, aborting);
    assert_eq!(permission.unwrap(), Permission::Withdrawn);
    let completed = &client.agent_state().unwrap().completed_requests.unwrap()["ask-1"];
    assert_eq!((&completed.status, completed.reason.as_deref()), (&RequestStatus::Canceled, Some("aborted")));
}

#[tokio::test]
async fn people_switch_and_end_a_session() {
    let standin = Standin::start().await;
    let (session, client) = standin.session().await;
    client.on_switch(|to| async move { Ok::<_, String>(to == rejoin_happy::payload::Drive::Remote) });
    client.on_kill_session(|| async { Ok::<_, String>(()) });
    registered(&standin, 9).await;
    let user = standin.account().await.user_client(true);
    user.connected(PATIENCE).await.unwrap();
    assert_eq!(user.call_rpc(&session, "switch", &json!({ "to": "remote" })).await.unwrap(), Some(json!(true)));
    let wrong = user.call_rpc(&session, "switch", &json!({ "to": "moon" })).await.unwrap().unwrap();
    assert!(wrong["error"].as_str().unwrap().starts_with("Invalid parameters"), "{wrong}");
    user.kill_session(&session).await.unwrap();
}

#[tokio::test]
async fn a_command_runs_where_the_session_is() {
    let standin = Standin::start().await;
    let (session, _client) = standin.session().await;
    registered(&standin, 7).await;
    let user = standin.account().await.user_client(true);
    user.connected(PATIENCE).await.unwrap();
    let bash = |command: &str| Bash { command: command.to_owned(), cwd: None, timeout: None };
    let done = user.bash(&session, &bash("pwd; echo oops >&2")).await.unwrap();
    assert_eq!((done.success, done.exit_code, done.stderr.as_deref()), (true, Some(0), Some("oops\n")));
    assert!(done.stdout.unwrap().trim().ends_with("tmp"));
    let failed = user.bash(&session, &bash("exit 3")).await.unwrap();
    assert_eq!((failed.success, failed.exit_code), (false, Some(3)));
    assert!(failed.error.unwrap().starts_with("Command failed: exit 3"));
    let slow = Bash { timeout: Some(50), ..bash("sleep 60") };
    let slow = user.bash(&session, &slow).await.unwrap();
    assert_eq!((slow.success, slow.error.as_deref()), (false, Some("Command timed out")));
    let outside = Bash { cwd: Some("../etc".into()), ..bash("ls") };
    let outside = user.bash(&session, &outside).await.unwrap();
    let text = "Access denied: Path '../etc' is outside the working directory";
    assert_eq!((outside.success, outside.error.as_deref()), (false, Some(text)));
    // More than fits into a packet: what is left out is said.
    let flood = user.bash(&session, &bash("head -c 3000000 /dev/zero | tr '\\0' x")).await.unwrap();
    assert!(flood.success && flood.stdout.unwrap().len() < 600_000);
}

#[tokio::test]
async fn an_answer_that_fits_into_no_packet_is_an_error_and_no_end() {
    let standin = Standin::start().await;
    let (session, client) = standin.session().await;
    client.rpc().register("large", |_| async { Ok::<_, String>("x".repeat(2 << 20)) });
    registered(&standin, 8).await;
    let user = standin.account().await.user_client(true);
    user.connected(PATIENCE).await.unwrap();
    let answer = user.call_rpc(&session, "large", &json!({})).await.unwrap().unwrap();
    assert!(answer["error"].as_str().unwrap().contains("larger than"), "{answer}");
    client.ping().await.unwrap();
}
