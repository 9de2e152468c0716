//! Who hears of what: the sender, the others of its session, people, daemons, and nobody else.

use serde_json::{Value, json};

use crate::account::{Account, base64};
use crate::frames::{number, text};
use crate::gateway::{Gateway, NOW};
use crate::peer::{Event, Peer, kinds};

/// An account with one of everybody.
struct Cast {
    gateway: Gateway,
    account: Account,
    session: String,
    machine: String,
    user: Peer,
    desk: Peer,
    agent: Peer,
    twin: Peer,
    /// Of another session, whose id this is.
    elsewhere: Peer,
    other: String,
    daemon: Peer,
    stranger: Peer,
}

impl Cast {
    async fn new() -> Cast {
        let gateway = Gateway::start().await;
        let account = gateway.account().await;
        let (session, other, machine) = (account.creates().await, account.creates().await, account.registers().await);
        let daemon = account.machine(&machine).await;
        let mut cast = Cast {
            user: account.user().await,
            desk: account.user().await,
            agent: account.session(&session).await,
            twin: account.session(&session).await,
            elsewhere: account.session(&other).await,
            stranger: gateway.account().await.user().await,
            gateway,
            account,
            session,
            other,
            machine,
            daemon,
        };
        cast.quiet().await;
        cast
    }

    /// Whatever anybody has heard so far is forgotten; that it was all of it is known by marks that everybody hears.
    async fn quiet(&mut self) {
        self.heard().await;
    }

    /// What everybody has heard: both people, both agents of the session, the one elsewhere, and the daemon.
    async fn heard(&mut self) -> [Vec<Event>; 6] {
        let mark = base64(crate::account::random());
        self.account.says(&self.session, &mark).await;
        let user = self.user.until_message(&mark).await;
        let desk = self.desk.until_message(&mark).await;
        let agent = self.agent.until_message(&mark).await;
        let twin = self.twin.until_message(&mark).await;
        self.account.says(&self.other, &mark).await;
        let elsewhere = self.elsewhere.until_message(&mark).await;
        self.user.until_message(&mark).await;
        self.desk.until_message(&mark).await;
        let machine = self.account.get(&format!("/v1/machines/{}", self.machine)).await.ok();
        let write = json!({
            "machineId": self.machine, "metadata": mark, "expectedVersion": machine["machine"]["metadataVersion"],
        });
        self.daemon.asks("machine-update-metadata", write).await;
        let is_mark = |event: &Event| event.body()["metadata"]["value"] == *mark;
        let mut daemon = self.daemon.until("its mark", is_mark).await;
        daemon.pop();
        self.user.until("the daemon's mark", is_mark).await;
        self.desk.until("the daemon's mark", is_mark).await;
        let theirs = self.stranger.settles().await;
        assert!(theirs.is_empty(), "nobody else hears anything: {theirs:?}");
        [user, desk, agent, twin, elsewhere, daemon]
    }

    async fn are_told(&mut self, who: &str, what: &[&str]) {
        let heard = self.heard().await;
        let all = ["user", "desk", "agent", "twin", "elsewhere", "daemon"];
        for (name, events) in all.iter().zip(&heard) {
            let expected = if who.split(' ').any(|one| one == *name) { what } else { &[] };
            assert_eq!(kinds(events), expected, "of {what:?} the {name} heard");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_25_sender_hears_no_echo() {
    let mut cast = Cast::new().await;
    let message = json!({ "sid": cast.session, "message": "aGk=" });
    cast.agent.emits("message", message).await;
    cast.agent.reaches().await;
    let heard = cast.heard().await;
    let [user, desk, agent, twin, elsewhere, daemon] = &heard;
    for events in [user, desk, twin] {
        assert_eq!(kinds(events), ["new-message"]);
        assert_eq!(events[0], user[0], "everybody is told the same");
    }
    for events in [agent, elsewhere, daemon] {
        assert!(events.is_empty(), "{events:?}");
    }
    let update = &user[0].arg;
    let message = &update["body"]["message"];
    let expected = json!({
        "t": "new-message", "sid": cast.session,
        "message": {
            "id": message["id"], "seq": message["seq"], "content": { "t": "encrypted", "c": "aGk=" }, "localId": null,
            "createdAt": NOW, "updatedAt": NOW,
        },
    });
    assert_eq!((&update["body"], &update["createdAt"]), (&expected, &json!(NOW)));
    let stored = cast.account.messages_after(&cast.session, number(message, "seq") - 1).await;
    assert_eq!(stored[0], *message, "what is told is what is stored");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_26_what_people_say_reaches_agents_and_what_is_posted_reaches_all() {
    let mut cast = Cast::new().await;
    let message = json!({ "sid": cast.session, "message": "aGk=", "localId": "mine" });
    cast.user.emits("message", message).await;
    cast.user.reaches().await;
    let [user, desk, agent, twin, elsewhere, daemon] = &cast.heard().await;
    assert!(user.is_empty() && elsewhere.is_empty() && daemon.is_empty());
    for events in [desk, agent, twin] {
        assert_eq!(kinds(events), ["new-message"]);
        assert_eq!(events[0].body()["message"]["localId"], "mine");
    }
    cast.account.posts(&cast.session, &[("YQ==", "a"), ("Yg==", "b"), ("Yw==", "c")]).await;
    let [user, desk, agent, twin, elsewhere, daemon] = &cast.heard().await;
    for events in [user, desk, agent, twin] {
        let locals: Vec<_> = events.iter().map(|event| text(&event.body()["message"], "localId")).collect();
        assert_eq!(locals, ["a", "b", "c"]);
    }
    assert!(elsewhere.is_empty() && daemon.is_empty());
    // A daemon and an agent of another session may speak here, too.
    for peer in ["daemon", "elsewhere"] {
        let message = json!({ "sid": cast.session, "message": "aGk=" });
        let sender = if peer == "daemon" { &mut cast.daemon } else { &mut cast.elsewhere };
        sender.emits("message", message).await;
        sender.reaches().await;
        cast.are_told("user desk agent twin", &["new-message"]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_27_a_name_said_twice_is_one_message_and_one_update() {
    let mut cast = Cast::new().await;
    let before = cast.account.messages(&cast.session).await.len();
    for content in ["Zmlyc3Q=", "c2Vjb25k", "dGhpcmQ="] {
        let message = json!({ "sid": cast.session, "message": content, "localId": "same" });
        cast.agent.emits("message", message).await;
    }
    cast.agent.reaches().await;
    let again = json!({ "sid": cast.session, "message": "Zm91cnRo", "localId": "same" });
    cast.user.emits("message", again).await;
    cast.user.reaches().await;
    let posted = cast.account.posts(&cast.session, &[("ZmlmdGg=", "same")]).await;
    let last = json!({ "sid": cast.session, "message": "bGFzdA==", "localId": "another" });
    cast.agent.emits("message", last).await;
    cast.agent.reaches().await;
    let [user, ..] = &cast.heard().await;
    let contents: Vec<_> = user.iter().map(|event| text(&event.body()["message"]["content"], "c")).collect();
    assert_eq!(contents, ["Zmlyc3Q=", "bGFzdA=="]);
    assert_eq!(posted[0]["id"], user[0].body()["message"]["id"]);
    let seqs: Vec<_> = user.iter().map(|event| number(&event.body()["message"], "seq")).collect();
    assert_eq!(seqs[1], seqs[0] + 1, "what was not stored takes no number");
    assert_eq!(number(&user[1].arg, "seq"), number(&user[0].arg, "seq") + 1);
    let stored = cast.account.messages(&cast.session).await;
    assert_eq!(stored.iter().filter(|message| message["localId"] == "same").count(), 1);
    assert_eq!(stored.len(), before + 3); // two, and the mark
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_goes_to_those_that_it_concerns() {
    let mut cast = Cast::new().await;
    let (session, machine) = (cast.session.clone(), cast.machine.clone());
    let write = json!({ "sid": session, "expectedVersion": 0, "metadata": "eA==" });
    cast.agent.asks("update-metadata", write).await;
    cast.are_told("user desk agent twin", &["update-session"]).await;
    let write = json!({ "sid": session, "expectedVersion": 0, "agentState": "eA==" });
    cast.user.asks("update-state", write).await;
    cast.are_told("user desk agent twin", &["update-session"]).await;

    let people = "user desk";
    let doomed = cast.account.creates().await;
    cast.are_told(people, &["new-session"]).await;
    cast.account.delete(&format!("/v1/sessions/{doomed}")).await.ok();
    cast.are_told(people, &["delete-session"]).await;
    cast.account.post("/v1/account/settings", json!({ "settings": "eA==", "expectedVersion": 0 })).await.ok();
    cast.are_told(people, &["update-account"]).await;
    let doomed = cast.account.registers().await;
    cast.are_told(people, &["new-machine", "update-machine"]).await;
    cast.account.delete(&format!("/v1/machines/{doomed}")).await.ok();
    cast.are_told(people, &["delete-machine"]).await;
    let artifact = crate::account::uuid();
    let made = json!({ "id": artifact, "header": "aA==", "body": "Yg==", "dataEncryptionKey": "aw==" });
    cast.account.post("/v1/artifacts", made).await.ok();
    cast.are_told(people, &["new-artifact"]).await;
    let write = json!({ "artifactId": artifact, "header": { "data": "eA==", "expectedVersion": 1 } });
    cast.agent.asks("artifact-update", write).await;
    cast.are_told(people, &["update-artifact"]).await;
    cast.daemon.asks("artifact-delete", json!({ "artifactId": artifact })).await;
    cast.are_told(people, &["delete-artifact"]).await;
    let mutation = json!({ "mutations": [{ "key": "k", "value": "eA==", "version": -1 }] });
    cast.account.post("/v1/kv", mutation).await.ok();
    cast.are_told(people, &["kv-batch-update"]).await;

    let now = cast.gateway.now();
    cast.agent.emits("session-alive", json!({ "sid": session, "time": now })).await;
    cast.agent.reaches().await;
    cast.are_told(people, &["activity"]).await;
    cast.daemon.emits("machine-alive", json!({ "machineId": machine, "time": now })).await;
    cast.daemon.reaches().await;
    cast.are_told(people, &["machine-activity"]).await;
    let report = json!({ "key": "k", "sessionId": session, "tokens": { "total": 1 }, "cost": { "total": 1 } });
    cast.agent.asks("usage-report", report).await;
    cast.are_told(people, &["usage"]).await;
    let event = json!({ "kind": "done", "title": "t", "body": "b" });
    cast.account.post(&format!("/v1/sessions/{session}/push-event"), event).await.ok();
    cast.are_told("user desk agent twin", &["session-event"]).await;
    let daemon_state = json!({ "machineId": machine, "daemonState": "eA==", "expectedVersion": 0 });
    cast.user.asks("machine-update-state", daemon_state).await;
    cast.are_told("user desk daemon", &["update-machine"]).await;
    cast.agent.emits("session-end", json!({ "sid": session, "time": now })).await;
    cast.agent.reaches().await;
    cast.are_told(people, &["activity"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_has_numbers_without_a_hole_and_everybody_hears_the_same() {
    let mut cast = Cast::new().await;
    let contents: Vec<_> = (0..100).map(|number| (base64([number]), number.to_string())).collect();
    let contents: Vec<_> = contents.iter().map(|(content, local)| (content.as_str(), local.as_str())).collect();
    cast.account.posts(&cast.session, &contents).await;
    let [user, desk, agent, twin, ..] = cast.heard().await;
    let seqs: Vec<_> = user.iter().map(|event| number(&event.arg, "seq")).collect();
    assert_eq!(seqs, (seqs[0]..seqs[0] + 100).collect::<Vec<_>>());
    assert!(user == desk && user == agent && user == twin, "update by update, ids included");
    let mut ids: Vec<_> = user.iter().map(|event| text(&event.arg, "id")).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 100);
    // A machine takes two numbers.
    cast.account.registers().await;
    let [user, ..] = cast.heard().await;
    assert_eq!(number(&user[1].arg, "seq"), number(&user[0].arg, "seq") + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_of_updates_go_on_over_a_restart() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let mut user = account.user().await;
    account.says(&session, "YQ==").await;
    let before = number(&user.hears_a("new-message").await, "seq");
    let gateway = gateway.restart().await;
    let account = account.at(gateway.door());
    let mut user = account.user().await;
    account.says(&session, "Yg==").await;
    let update = user.hears_next("new-message").await;
    assert!(number(&update, "seq") > before, "nothing is told again, and no number is used twice");
    assert_eq!(update["body"]["message"]["seq"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_claims_to_be_a_session_that_is_nobodys_connects_and_hears_nothing() {
    let gateway = Gateway::start().await;
    let (account, other) = (gateway.account().await, gateway.account().await);
    let theirs = other.creates().await;
    let mine = account.creates().await;
    for id in [theirs.as_str(), "unknown", "é \" \\ \u{0}", &"x".repeat(5_000)] {
        for mut peer in [account.session(id).await, account.machine(id).await] {
            other.says(&theirs, "aGk=").await;
            account.says(&mine, "aGk=").await;
            assert!(peer.settles().await.is_empty());
            peer.goes().await;
        }
    }
    account.creates().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sockets_that_come_and_go_amid_a_burst_harm_nobody() {
    let gateway = Gateway::start().await;
    let account = gateway.account().await;
    let session = account.creates().await;
    let mut user = account.user().await;
    let coming = tokio::spawn({
        let (account, session) = (account.clone(), session.clone());
        async move {
            for _ in 0..30 {
                let mut peer = account.session(&session).await;
                let now: Value = json!({ "sid": session, "message": "YWdlbnQ=" });
                peer.emits("message", now).await;
                peer.reaches().await;
            }
        }
    });
    for number in 0..100 {
        account.says(&session, &base64(number.to_string())).await;
    }
    coming.await.unwrap();
    account.says(&session, "bWFyaw==").await;
    let heard = user.until_message("bWFyaw==").await;
    let seqs: Vec<_> = heard.iter().map(|event| number(&event.body()["message"], "seq")).collect();
    assert_eq!(seqs, (1..=130).collect::<Vec<_>>());
}
