//! A machine where sessions are started from afar.

use std::time::Duration;

use rejoin_happy::client::{Account, MachineOptions, NewMachine, Options};
use rejoin_happy::payload::{DaemonState, MachineMetadata, SpawnSession, Spawned};
use serde_json::json;

use super::standin::{PATIENCE, Standin};

#[tokio::test]
async fn a_machine_is_there_and_starts_sessions() {
    let standin = Standin::start().await;
    let options = Options { heartbeat: Duration::from_millis(10), ..standin.options() };
    let account = Account::with(&options, standin.account().await.credentials().clone()).unwrap();
    let metadata = MachineMetadata { host: "laptop".into(), platform: "linux".into(), ..MachineMetadata::default() };
    let machine = account.register_machine(&NewMachine::new(metadata)).await.unwrap();
    let client = account.machine_client(&machine, MachineOptions { common_handlers: Some("/".into()) });
    client.connected(PATIENCE).await.unwrap();
    let state = client.update_daemon_state(|_| DaemonState::running(7)).await.unwrap();
    assert_eq!((state.status.as_str(), client.daemon_state()), ("running", Some(state.clone())));
    for _ in 0..3 {
        assert_eq!(standin.hears("machine-alive").await["machineId"], machine.id());
    }

    client.on_spawn_session(|wanted| async move {
        match wanted.directory.as_str() {
            "/there" => Ok(Spawned::Success { session_id: "s".into() }),
            "/new" => Ok(Spawned::RequestToApproveDirectoryCreation { directory: wanted.directory }),
            other => Err(format!("cannot start in {other}")),
        }
    });
    client.on_stop_session(|session| async move { session == "s" });
    standin.sees("the names", |world| (world.methods.len() == 9).then_some(())).await;
    let user = account.user_client(true);
    user.connected(PATIENCE).await.unwrap();
    let machine = account.machines().await.unwrap().remove(0);
    let spawned = user.spawn_session(&machine, &SpawnSession::in_directory("/there")).await.unwrap();
    assert_eq!(spawned, Spawned::Success { session_id: "s".into() });
    let asked = user.spawn_session(&machine, &SpawnSession::in_directory("/new")).await.unwrap();
    assert_eq!(asked, Spawned::RequestToApproveDirectoryCreation { directory: "/new".into() });
    let error = user.spawn_session(&machine, &SpawnSession::in_directory("/x")).await.unwrap_err();
    assert!(error.to_string().contains("cannot start in /x"));
    let stopped = user.call_machine(&machine, "stop-session", &json!({ "sessionId": "t" })).await.unwrap();
    assert_eq!(stopped, Some(json!({ "error": "Session not found or failed to stop" })));
    client.close();
}
