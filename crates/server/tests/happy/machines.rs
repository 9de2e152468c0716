//! Machines: computers that an account has named, and what they say of themselves.

use serde_json::{Value, json};

use crate::account::{Account, base64, uuid};
use crate::frames::{each, list};
use crate::gateway::{Gateway, NOW};
use crate::peer::{Event, Said};
use crate::shapes::{is_machine, is_new_machine};

async fn look(account: &Account, id: &str) -> Value {
    let told = account.get(&format!("/v1/machines/{id}")).await.ok();
    is_machine(&told["machine"]);
    told["machine"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_42_a_machine_is_named_once_and_told_to_people_and_to_its_daemon() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let (id, wrapped) = (uuid(), base64([3; 105]));
    let mut daemon = account.machine(&id).await; // it may come before its machine is known
    let mut elsewhere = account.machine("another").await;
    let (mut user, mut agent) = (account.user().await, account.session("s").await);
    let request = json!({ "id": id, "metadata": "bWV0YQ==", "daemonState": "c3RhdGU=", "dataEncryptionKey": wrapped });
    let told = account.post("/v1/machines", request).await.ok();
    let machine = &told["machine"];
    is_new_machine(machine);
    let mut expected = json!({
        "id": id, "metadata": "bWV0YQ==", "metadataVersion": 1, "daemonState": "c3RhdGU=", "daemonStateVersion": 1,
        "dataEncryptionKey": wrapped, "active": false, "activeAt": machine["activeAt"],
        "createdAt": NOW, "updatedAt": NOW,
    });
    assert_eq!(*machine, expected);

    let first = user.hears_next("new-machine").await;
    let mut body = expected.clone();
    let fields = body.as_object_mut().unwrap();
    fields.remove("id");
    fields.extend([
        ("t".to_owned(), json!("new-machine")),
        ("machineId".to_owned(), json!(id)),
        ("seq".to_owned(), json!(0)),
    ]);
    assert_eq!(first["body"], body);
    let second = user.hears_next("update-machine").await;
    let told = json!({ "t": "update-machine", "machineId": id, "metadata": { "value": "bWV0YQ==", "version": 1 } });
    assert_eq!(second["body"], told);
    assert_eq!(daemon.hears_next("update-machine").await, second);

    // Named again it is as it was.
    gateway.passes(1_000, &mut [&mut user, &mut daemon]).await;
    let request =
        json!({ "id": id, "metadata": "b3RoZXI=", "daemonState": "b3RoZXI=", "dataEncryptionKey": "b3RoZXI=" });
    assert_eq!(account.post("/v1/machines", request).await.ok()["machine"], expected);
    assert!(user.settles().await.is_empty());
    assert!(agent.settles().await.is_empty() && elsewhere.settles().await.is_empty());

    expected["seq"] = json!(0);
    assert_eq!(look(&account, &id).await, expected);
    let told = account.get("/v1/machines").await.ok();
    assert_eq!(told, json!([expected]), "the list is bare");

    // Without a state there is no version of one.
    let bare = uuid();
    let told = account.post("/v1/machines", json!({ "id": bare, "metadata": "m" })).await.ok();
    let machine = &told["machine"];
    assert_eq!((&machine["metadataVersion"], &machine["daemonStateVersion"]), (&json!(1), &json!(0)));
    assert_eq!((&machine["daemonState"], &machine["dataEncryptionKey"]), (&Value::Null, &Value::Null));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_42_a_machine_of_somebody_else_is_in_the_way_and_otherwise_not_there() {
    let gateway = Gateway::start().await;
    let (owner, thief) = (gateway.account().await, gateway.account().await);
    let id = owner.registers().await;
    let (mut user, mut theirs) = (owner.user().await, thief.user().await);
    let before = look(&owner, &id).await;
    let answer = thief.post("/v1/machines", json!({ "id": id, "metadata": "mine now" })).await;
    assert_eq!(answer.status, 409, "{answer}");
    assert!(answer.body["error"].is_string(), "{answer}");
    let path = format!("/v1/machines/{id}");
    thief.get(&path).await.refused(404, "Machine not found");
    thief.delete(&path).await.refused(404, "Machine not found");
    assert_eq!(thief.get("/v1/machines").await.ok(), json!([]));
    let error = json!({ "result": "error", "message": "Machine not found" });
    for (event, field) in [("machine-update-metadata", "metadata"), ("machine-update-state", "daemonState")] {
        let write = json!({ "machineId": id, field: "eA==", "expectedVersion": 1 });
        assert_eq!(theirs.asks(event, write).await, error);
    }
    theirs.emits("machine-alive", json!({ "machineId": id, "time": NOW })).await;
    assert!(theirs.settles().await.is_empty());
    assert!(user.settles().await.is_empty());
    assert_eq!(look(&owner, &id).await, before);

    // Once it is deleted it is nobody's.
    owner.delete(&path).await.ok();
    thief.post("/v1/machines", json!({ "id": id, "metadata": "mine now" })).await.ok();
    assert_eq!(look(&thief, &id).await["metadata"], "mine now");
    owner.get(&path).await.refused(404, "Machine not found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_name_one_machine_at_once_and_it_is_one() {
    let gateway = Gateway::start().await;
    let (account, other) = (gateway.account().await, gateway.account().await);
    let id = uuid();
    let both = [&account, &other];
    let requests = (0..20).map(|number| both[number % 2].post("/v1/machines", json!({ "id": id, "metadata": "m" })));
    let answers = futures_util::future::join_all(requests).await;
    let taken: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    let (ours, theirs): (Vec<_>, Vec<_>) = taken.iter().enumerate().partition(|(number, _)| number % 2 == 0);
    let won = |side: &[(usize, &u16)]| side.iter().all(|(_, status)| **status == 200);
    let lost = |side: &[(usize, &u16)]| side.iter().all(|(_, status)| **status == 409);
    assert!((won(&ours) && lost(&theirs)) || (won(&theirs) && lost(&ours)), "{taken:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_42_registers_of_a_machine_are_written_by_who_saw_the_newest() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let id = account.registers().await;
    let (mut daemon, mut user, mut elsewhere) =
        (account.machine(&id).await, account.user().await, account.machine("another").await);
    user.hears_a("machine-activity").await; // of the other
    for (event, field, before) in
        [("machine-update-metadata", "metadata", 1), ("machine-update-state", "daemonState", 0)]
    {
        let write = |version: Value, value: Value| json!({ "machineId": id, field: value, "expectedVersion": version });
        let call = daemon.calls(event, write(json!(before), json!("bmV3"))).await;
        let update = match daemon.hears_any().await {
            Said::Event(event) => event,
            ack => panic!("{ack:?} came before the update"),
        };
        let body = json!({ "t": "update-machine", "machineId": id, field: { "value": "bmV3", "version": before + 1 } });
        let told: Value = update
            .body()
            .as_object()
            .unwrap()
            .iter()
            .filter(|(name, _)| !name.starts_with("active")) // which it may tell, too
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        assert_eq!(told, body);
        assert_eq!(daemon.ack(call).await, json!({ "result": "success", "version": before + 1, field: "bmV3" }));
        let is_it = |event: &Event| event.name == "update";
        assert_eq!(user.until("the update", is_it).await.pop().unwrap().arg, update.arg);

        let mismatch = json!({ "result": "version-mismatch", "version": before + 1, field: "bmV3" });
        assert_eq!(user.asks(event, write(json!(before), json!("eA=="))).await, mismatch);
        assert_eq!(user.asks(event, write(json!(before + 2), json!("eA=="))).await, mismatch);
        let invalid = json!({ "result": "error", "message": "Invalid parameters" });
        for wrong in [
            write(json!("1"), json!("eA==")),
            write(Value::Null, json!("eA==")),
            write(json!(before + 1), Value::Null),
            write(json!(before + 1), json!(7)),
            json!({ "machineId": id, field: "eA==" }),
            json!({ "machineId": id, "expectedVersion": 1 }),
            json!({ field: "eA==", "expectedVersion": 1 }),
            json!({ "machineId": 7, field: "eA==", "expectedVersion": 1 }),
            json!({}),
            json!(null),
        ] {
            assert_eq!(user.asks(event, wrong.clone()).await, invalid, "{wrong}");
        }
        let unknown = json!({ "machineId": "unknown", field: "eA==", "expectedVersion": 1 });
        let told = user.asks(event, unknown).await;
        assert_eq!(told, json!({ "result": "error", "message": "Machine not found" }));
    }
    let seen = look(&account, &id).await;
    assert_eq!((&seen["metadata"], &seen["metadataVersion"]), (&json!("bmV3"), &json!(2)));
    assert_eq!((&seen["daemonState"], &seen["daemonStateVersion"]), (&json!("bmV3"), &json!(1)));
    let is_update = |event: &Event| event.name == "update";
    assert!(!user.settles().await.iter().any(is_update));
    assert!(elsewhere.settles().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn machines_are_listed_by_when_they_were_alive_and_deleted_one_by_one() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let mut user = account.user().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        gateway.passes(1_000, &mut [&mut user]).await;
        let id = account.registers().await;
        let state = json!({ "machineId": id, "daemonState": "cw==", "expectedVersion": 0 });
        user.asks("machine-update-state", state).await;
        ids.push(id);
    }
    user.settles().await;
    let listed = account.get("/v1/machines").await.ok();
    let machines = listed.as_array().unwrap();
    machines.iter().for_each(is_machine);
    assert_eq!(each(machines, "id"), ids.iter().rev().map(String::as_str).collect::<Vec<_>>());

    account.post(&format!("/v1/access-keys/{session}/{}", ids[1]), json!({ "data": "d" })).await.ok();
    let path = format!("/v1/machines/{}", ids[1]);
    assert_eq!(account.delete(&path).await.ok(), json!({ "success": true }));
    let body = json!({ "t": "delete-machine", "machineId": ids[1] });
    assert_eq!(user.hears_next("delete-machine").await["body"], body);
    account.delete(&path).await.refused(404, "Machine not found");
    account.get(&path).await.refused(404, "Machine not found");
    let listed = account.get("/v1/machines").await.ok();
    assert_eq!(each(listed.as_array().unwrap(), "id"), [ids[2].as_str(), ids[0].as_str()]);
    let keys = account.get(&format!("/v1/access-keys/{session}/{}", ids[1])).await;
    keys.refused(404, "Session or machine not found");
    assert_eq!(list(&account.get("/v1/sessions").await.ok(), "sessions").len(), 1, "sessions stay");
    // Named anew it has forgotten its keys.
    account.post("/v1/machines", json!({ "id": ids[1], "metadata": "m" })).await.ok();
    let keys = account.get(&format!("/v1/access-keys/{session}/{}", ids[1])).await.ok();
    assert_eq!(keys, json!({ "accessKey": null }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_needs_an_id_and_metadata() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    for body in [
        json!({}),
        json!({ "id": "a" }),
        json!({ "metadata": "m" }),
        json!({ "id": 7, "metadata": "m" }),
        json!({ "id": "a", "metadata": null }),
        json!({ "id": "a", "metadata": "m", "daemonState": 7 }),
        json!({ "id": "a", "metadata": "m", "dataEncryptionKey": [] }),
    ] {
        account.post("/v1/machines", body).await.invalid();
    }
    account.get("/v1/machines/unknown").await.refused(404, "Machine not found");
    assert_eq!(account.get("/v1/machines").await.ok(), json!([]));
}
