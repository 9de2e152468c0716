//! Happy's real clients, as people install them, at the real program: `happy` 1.2.5 and `happy-coder` 0.13.0.
//!
//! What they do is in `tests/clients/happy`, and what must be seen then is here; numbers are those of the protocol's
//! checklist. `make test` installs the clients below the folder that `REJOIN_TEST_AGENTS` names; where they are missing,
//! their stories are skipped, and say so.

mod shared;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Map, Value, json};
use shared::{Gateway, Going, lines, processes_of};

const TODAY: &str = "happy";
const EARLIER: &str = "happy-coder";

/// The clients are slow to start, on a busy machine most of all, and a script gives each of many steps 40 seconds.
const PATIENCE: Duration = Duration::from_secs(300);

/// The `node_modules` with both clients, if they are installed.
fn clients() -> Option<PathBuf> {
    let folder = std::env::var_os("REJOIN_TEST_AGENTS").map(|folder| Path::new(&folder).join("happy/node_modules"));
    let whole = |folder: &PathBuf| [TODAY, EARLIER, "socket.io-client"].iter().all(|name| folder.join(name).exists());
    let found = folder.filter(whole);
    if found.is_none() {
        eprintln!("SKIPPED: Happy's clients are not installed, so they were not tried (`make agents` installs them)");
    }
    found
}

/// A gateway, and a home for the clients that talk to it.
struct Rig {
    gateway: Gateway,
    clients: PathBuf,
    home: tempfile::TempDir,
}

impl Rig {
    fn start() -> Option<Rig> {
        let clients = clients()?;
        Some(Rig { gateway: Gateway::for_happy(), clients, home: tempfile::tempdir().unwrap() })
    }
    /// Where Happy stands at the root, as its original does.
    fn root(&self) -> String {
        self.gateway.happy.clone().unwrap()
    }
    /// Where it stands among the other doors.
    fn nested(&self) -> String {
        format!("{}/happy", self.gateway.url)
    }
    /// Starts a script, with nothing of our own environment.
    fn begin(&self, script: &str, url: &str, variables: &[(&str, &str)]) -> Going {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/clients/happy");
        let home = tempfile::tempdir_in(self.home.path()).unwrap().keep();
        let mut node = Command::new("node");
        node.arg(scripts.join(script)).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        node.env("HOME", &home).env("HAPPY_HOME_DIR", home.join(".happy")).env("HAPPY_DISABLE_CAFFEINATE", "1");
        node.env("CLIENTS", &self.clients).env("HAPPY_SERVER_URL", url);
        node.envs(variables.iter().copied()).current_dir(&home);
        std::fs::create_dir(home.join(".happy")).unwrap();
        Going::of(&mut node)
    }
    /// Runs a script to its end, and gives back everything that it told.
    fn play(&self, script: &str, url: &str, variables: &[(&str, &str)]) -> Value {
        told(self.begin(script, url, variables))
    }
}

impl Drop for Rig {
    /// Daemons, and what they start, outlive the script that started them.
    fn drop(&mut self) {
        for id in processes_of(self.home.path().to_str().unwrap()) {
            let _ = Command::new("kill").args(["-9", &id.to_string()]).status();
        }
    }
}

/// Everything that a script tells until its end, as one object.
fn told(script: Going) -> Value {
    let said = script.end_within(PATIENCE);
    assert_eq!(said.code, 0, "{said:?}");
    let mut all = Map::new();
    for line in lines(&said.out) {
        all.extend(line.as_object().unwrap().clone());
    }
    all.into()
}

/// 50: credentials that were put there.
#[test]
fn credentials_of_an_earlier_sign_in_are_accepted() {
    let Some(rig) = Rig::start() else { return };
    for (client, kind) in [(TODAY, "dataKey"), (EARLIER, "legacy")] {
        let told = rig.play("status.mjs", &rig.root(), &[("CLIENT", client), ("CREDENTIALS", kind)]);
        let shown = told["shown"].as_str().unwrap();
        assert_eq!(told["code"], 0, "{shown}");
        assert!(shown.contains("✓ Authenticated") && shown.contains("✓ Machine registered"), "{shown}");
    }
}

/// 5, 50: credentials that a phone gives to a terminal whose code it has read.
#[test]
fn a_phone_lets_a_terminal_in() {
    let Some(rig) = Rig::start() else { return };
    for (client, url) in [(TODAY, rig.nested()), (EARLIER, rig.root())] {
        let told = rig.play("login.mjs", &url, &[("CLIENT", client)]);
        let expected = json!({
            "pending": { "status": "pending", "supportsV2": true },
            "approved": { "success": true },
            "authorized": { "status": "authorized", "supportsV2": false },
            "ended": 0,
            "key": true,
            "account": true,
            "status": [0, true],
        });
        assert_eq!(told, expected, "{client}");
    }
}

/// 51, for the current client: its messages go over HTTP, and arrive in both ways.
#[test]
fn a_session_of_the_current_client_lives_and_dies() {
    let Some(rig) = Rig::start() else { return };
    let written = [
        "session/text session/turn-start session/text session/tool-call-start session/tool-call-end session/turn-end",
        CODEX,
        &acp_as("acp"),
        EVENTS,
        "session/turn-start session/start session/text session/service session/tool-call-start session/tool-call-end",
        "session/file session/stop session/turn-end session/text",
    ];
    for (kind, url) in [("dataKey", rig.root()), ("legacy", rig.nested())] {
        let told = rig.play("session.mjs", &url, &[("CLIENT", TODAY), ("CREDENTIALS", kind)]);
        // Messages over HTTP are told to their own author too; only what the phone's socket said is not told to it.
        lives_and_dies(&told, kind, &written.join(" "), json!([1, 2]));
    }
}

/// 51, for the earlier client: everything goes over its socket.
#[test]
fn a_session_of_an_earlier_client_lives_and_dies() {
    let Some(rig) = Rig::start() else { return };
    let written = [
        "user/text agent/output/assistant agent/output/user agent/output/system agent/output/summary",
        CODEX,
        &acp_as("gemini"),
        EVENTS,
    ];
    for (kind, url) in [("legacy", rig.root()), ("dataKey", rig.nested())] {
        let told = rig.play("session.mjs", &url, &[("CLIENT", EARLIER), ("CREDENTIALS", kind)]);
        lives_and_dies(&told, kind, &written.join(" "), json!([1, 2]));
    }
}

const CODEX: &str = "agent/codex/reasoning agent/codex/message agent/codex/tool-call agent/codex/tool-call-result \
                     agent/codex/token_count";
const EVENTS: &str = "agent/event/switch agent/event/message agent/event/permission-mode-changed agent/event/ready";

fn acp_as(provider: &str) -> String {
    let kinds = "message reasoning thinking tool-call tool-result file-edit terminal-output task_started task_complete \
                 turn_aborted permission-request token_count";
    kinds.split_whitespace().map(|kind| format!("agent/{provider}/{kind}")).collect::<Vec<_>>().join(" ")
}

fn lives_and_dies(told: &Value, kind: &str, written: &str, not_echoed: Value) {
    let created =
        json!({ "seq": 0, "metadataVersion": 0, "agentState": null, "agentStateVersion": 0, "metadata": true });
    assert_eq!(told["created"], created, "{kind}");
    let announced = json!({ "id": true, "key": true, "variant": true, "metadata": true, "active": true });
    assert_eq!(told["announced"], announced, "{kind}");

    assert_eq!(told["heard"], json!(["before anybody listened", "over the socket", "over HTTP"]));
    assert_eq!((&told["other"], &told["posted"]), (&json!(["not for the agent"]), &json!([3, 4])));
    assert_eq!(told["kinds"], json!(written.split_whitespace().collect::<Vec<_>>()));
    for fact in ["numbered", "liveIsStored", "liveInOrder"] {
        assert_eq!(told[fact], true, "{fact}: {told}");
    }
    assert_eq!(told["notEchoed"], not_echoed, "a socket does not hear what it said");

    let usage = &told["usage"];
    let tokens = json!({ "total": 20, "input": 10, "output": 5, "cache_creation": 3, "cache_read": 2 });
    assert_eq!((&usage["of"], &usage["key"]), (&json!(true), &json!("claude-session")));
    assert_eq!((&usage["tokens"], &usage["counted"]), (&tokens, &tokens));

    let metadata = json!({
        "summary": "a listing",
        "renamed": "renamed by the laptop",
        "acked": ["success", 3, true],
        "adopted": "renamed by the phone",
        "stale": ["version-mismatch", 3, true],
        "echoed": true,
    });
    assert_eq!(told["metadata"], metadata);
    let state = json!({
        "asked": { "r1": { "tool": "Bash", "arguments": {}, "createdAt": 1 } },
        "nulled": ["success", 2, null],
        "nothing": [null, true],
        "again": { "controlledByUser": true },
    });
    assert_eq!(told["state"], state);

    let rpc = &told["rpc"];
    assert_eq!(rpc["bash"]["ok"], true);
    let ran = &rpc["bash"]["result"];
    assert_eq!((&ran["success"], &ran["stdout"], &ran["exitCode"]), (&json!(false), &json!("hello"), &json!(3)));
    assert_eq!(rpc["permission"], json!({ "ok": true }), "no value is a value");
    assert_eq!(rpc["answers"], json!([{ "id": "r1", "approved": true }]));
    assert_eq!(rpc["failing"], json!({ "ok": true, "result": { "error": "on purpose" } }));
    assert_eq!(rpc["registered"], "phone:greet");
    assert_eq!(rpc["back"], json!({ "ok": true, "result": "hello to you" }));
    assert_eq!(rpc["self"], json!({ "ok": false, "error": "Cannot call RPC on the same socket" }));

    let death = json!({
        "of": true, "thinking": false, "active": false, "stillDead": true, "seq": true, "versions": [3, 3],
    });
    assert_eq!(told["death"], death);
    assert_eq!(told["reopened"], json!({ "same": true, "metadataVersion": 3 }));
}

/// 29, 51: nothing that two clients write at once is lost, and nothing is counted twice.
#[test]
fn two_clients_race_and_both_win() {
    let Some(rig) = Rig::start() else { return };
    let told = rig.play("race.mjs", &rig.nested(), &[("ROUNDS", "50")]);
    let both = json!({ "versions": 100, "inOrder": true, "by": [50, 50] });
    assert_eq!(told, json!({ "metadata": both, "state": both, "stored": [[100, 100]] }));
}

/// 52, 53: a computer that is there, what can be asked of it, and an agent on it that asks.
#[test]
fn a_daemon_is_there_and_an_agent_asks() {
    let Some(rig) = Rig::start() else { return };
    let mut told = rig.play("daemon.mjs", &rig.nested(), &[("CREDENTIALS", "dataKey")]);
    let machine =
        json!({ "id": true, "host": true, "version": "1.2.5", "state": "running", "pid": true, "active": true });
    assert_eq!(told["machine"], machine);
    let rpc = json!({
        "bash": { "ok": true, "result": { "success": true, "stdout": "hello", "stderr": "", "exitCode": 0 } },
        "asks": ["requestToApproveDirectoryCreation", true],
        "nothing": { "error": "Directory is required" },
        "spawned": ["success", true],
        "inside": [true, "daemon", true],
        "stopped": { "message": "Session stopped" },
    });
    assert_eq!(told["rpc"], rpc);
    // Today's client now and then takes a prompt twice: from its socket, and from a page that it reads at that moment. It is
    // stored once, as `kinds` shows.
    if told["acp"]["text"] == "you said list the files\nlist the files, and yes" {
        told["acp"]["text"] = "you said list the files, and yes".into();
    }
    let acp = json!({
        "request": "execute",
        "permission": { "ok": true },
        "status": "approved",
        "kinds": ["user/text", "session/turn-start", "session/tool-call-start", "session/tool-call-end",
            "session/tool-call-end", "session/text", "session/turn-end", "agent/event/ready"],
        "text": "you said list the files, and yes",
        "end": "completed",
        "kill": { "ok": true, "result": { "success": true, "message": "Killing happy-cli process" } },
        "archivedBy": "cli",
        "active": false,
        "code": 0,
    });
    assert_eq!(told["acp"], acp);
    assert_eq!(told["stopped"], json!({ "code": 0, "of": true, "state": false }));
}

/// 4, 54: SIGKILL under both clients, one of them in the middle of a burst.
#[test]
fn both_clients_come_back_after_a_kill() {
    let Some(mut rig) = Rig::start() else { return };
    let mut script = rig.begin("outage.mjs", &rig.root(), &[("HAPPY_NESTED_URL", &rig.nested())]);
    script.until("\"ready\"");
    rig.gateway.kill();
    script.types("gone");
    script.until("\"away\"");
    rig.gateway.start_again();
    script.types("back");
    let told = told(script);
    assert_eq!(told["statuses"], json!([200, 200]), "{told}");
    assert_eq!(told["answers"], json!(["back", "back"]), "{told}");
    assert_eq!(told["heard"], json!(["posted meanwhile"]), "{told}");
    for fact in ["everyWordOnce", "numbered", "shownIsKept"] {
        assert_eq!(told[fact], true, "{fact}: {told}");
    }
    assert_eq!(told["second"], json!(["before", "posted meanwhile", "while away"]), "{told}");
    let renamed = json!(["renamed while away", { "controlledByUser": true }]);
    assert_eq!(told["names"], json!([renamed, renamed]), "{told}");
}

/// 24, 49: everything of a burst is stored once, and a packet that is too large costs its sender one connection.
#[test]
fn a_burst_is_stored_and_a_large_packet_is_not() {
    let Some(rig) = Rig::start() else { return };
    let told = rig.begin("burst.mjs", &rig.root(), &[("COUNT", "2000")]).end_within(PATIENCE);
    assert_eq!(told.code, 0, "{told:?}");
    let told = lines(&told.out);
    for (told, name) in told.iter().zip([TODAY, EARLIER]) {
        let facts = ["name", "stored", "once", "live", "liveInOrder"].map(|fact| told[fact].clone());
        assert_eq!(facts, [json!(name), json!(2000), json!(2000), json!(2000), json!(true)]);
    }
    // The current client posts its newest messages first; the earlier one leaves the order to us.
    assert_eq!(told[1]["inOrder"], true);
    let large = json!({ "reason": "transport close", "others": [], "kept": 1, "posted": 1_100_000 });
    assert_eq!(told[2]["large"], large);
}

/// 11, 20, 21, 41, 43: another account's things, and what the door says to strangers.
#[test]
fn what_belongs_to_somebody_else_does_not_exist() {
    let Some(rig) = Rig::start() else { return };
    let told = rig.play("foreign.mjs", &rig.nested(), &[]);
    let not_found = json!([404, "Session not found"]);
    for request in ["read", "page", "post", "archive"] {
        assert_eq!(told[request], not_found, "{request}");
    }
    assert_eq!(told["remove"], json!([404, "Session not found or not owned by user"]));
    let statuses = ["machine", "artifact", "upload", "listed"].map(|request| told[request].clone());
    assert_eq!(statuses, [json!(409), json!(409), json!(404), json!(0)]);

    assert_eq!(told["answers"], json!([{ "result": "error" }, { "result": "error" }]));
    assert_eq!((&told["overheard"], &told["heardByStranger"]), (&json!([]), &json!(0)));
    assert_eq!((&told["metadata"], &told["active"]), (&Value::Null, &json!(true)));
    assert_eq!(told["stored"], json!(["a secret", "still mine"]));
    let refused = [
        "Missing authentication token",
        "Session ID required for session-scoped clients",
        "Machine ID required for machine-scoped clients",
        "Invalid authentication token",
        "connected",
    ];
    assert_eq!(told["refused"], json!(refused));
    assert_eq!(told["call"], json!({ "ok": false, "error": "RPC method not available" }));
    assert_eq!(told["mine"], json!({ "ok": true, "result": "called" }));
}

/// 47, 48: attachments that only their account can read, tokens, notices.
#[test]
fn an_account_has_more_than_words() {
    let Some(rig) = Rig::start() else { return };
    for (kind, url) in [("dataKey", rig.nested()), ("legacy", rig.root())] {
        let told = rig.play("belongings.mjs", &url, &[("CREDENTIALS", kind)]);
        assert_eq!(
            told["attachment"],
            json!({ "same": true, "ofSession": true, "without": 401, "files": 404 }),
            "{url}"
        );
        assert_eq!(told["vendor"], json!([{ "key": "made up" }, null]));
        assert_eq!(told["notice"], json!([true, "done"]));
        assert_eq!(told["tokens"], json!(["ExponentPushToken[made-up]"]));
    }
}

/// 19, 23, 34: polling, changing to a WebSocket, and nothing but it, at both addresses.
#[test]
fn a_phone_may_poll() {
    let Some(rig) = Rig::start() else { return };
    for url in [rig.root(), rig.nested()] {
        let told = rig.play("transports.mjs", &url, &[]);
        let greeting = "Welcome to Happy Server!";
        assert_eq!((&told["greetings"], &told["health"]), (&json!([greeting, greeting]), &json!("ok")), "{url}");
        assert_eq!(told["seen"], json!([["polling", {}, 51], ["websocket", {}, 102], ["websocket", {}, 153]]), "{url}");
        assert_eq!(told["metadata"], "opaque, as it came", "{url}");
    }
}
