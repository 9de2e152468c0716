//! Real agents, as people install them, behind the real program, with a model that says what a script tells it to.
//!
//! `make test` installs them into the folder that `REJOIN_TEST_AGENTS` names. Where one is missing, its story is skipped, and says so.

mod shared;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rejoin_testkit::model::{Model, Reply, Script, Step, Wire};
use serde_json::json;
use shared::{Gateway, processes_of};

/// Agents are slow to start, on a busy machine most of all.
const PATIENCE: Duration = Duration::from_secs(120);

/// The program of an agent, if it is installed.
fn installed(name: &str) -> Option<PathBuf> {
    installed_at(&format!(".bin/{name}"), "make agents")
}

fn installed_at(path: &str, with: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("REJOIN_TEST_AGENTS").map(PathBuf::from);
    let found = folder.map(|folder| folder.join("node_modules").join(path)).filter(|program| program.exists());
    if found.is_none() {
        eprintln!("SKIPPED: {path} is not installed, so it was not tried (`{with}` installs it)");
    }
    found
}

/// What the model says: words, and a command whose output it then comments on.
fn scripts(shell: &str, input: serde_json::Value) -> Vec<Script> {
    vec![
        Script::new("PARROT", vec![Reply::text("polly wants a cracker today")]),
        Script::new("SHELLWORK", vec![Reply::tool(shell, input), Reply::text("the command has run")]),
        Script::new("WAITING", vec![Reply(vec![Step::Text("begun ".to_owned()), Step::Stall])]),
    ]
}

struct Rig {
    gateway: Gateway,
    model: Model,
    _runtime: tokio::runtime::Runtime,
    home_folder: tempfile::TempDir,
}

impl Rig {
    /// A gateway with one agent in its configuration. `table` is what stands below `[agents.NAME]`, for this model and home.
    fn start(name: &str, scripts: Vec<Script>, table: impl Fn(&str, &Path) -> String) -> Rig {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let model = runtime.block_on(Model::start(scripts)).unwrap();
        let home = tempfile::tempdir().unwrap();
        let config = home.path().join("rejoin.toml");
        std::fs::write(&config, format!("[agents.{name}]\n{}", table(&model.url(), home.path()))).unwrap();
        let gateway = Gateway::configured(&config);
        Rig { gateway, model, _runtime: runtime, home_folder: home }
    }

    /// A turn with words, one that is interrupted, and one after it; then the same session after the gateway was killed.
    fn tells_its_story(mut self, agent: &str, wire: Wire) {
        let gateway = &mut self.gateway;
        let session = gateway.ok(&["new", "--agent", agent]);
        let said = gateway.ok(&["prompt", &session, "PARROT please"]);
        assert!(said.contains("polly wants a cracker today"), "{said}");
        let asked = self.model.asked();
        assert!(asked.iter().any(|(over, body)| *over == wire && body.to_string().contains("PARROT")));

        let mut waiting = gateway.going(&["prompt", &session, "WAITING for it"]);
        waiting.until("begun");
        gateway.ok(&["interrupt", &session]);
        assert_eq!(waiting.end().code, 8, "it was interrupted");
        self.model.release();
        let said = gateway.ok(&["prompt", &session, "PARROT again"]);
        assert!(said.contains("polly"), "{said}");

        assert!(!processes_of(self.home_folder.path().to_str().unwrap()).is_empty(), "the agent is kept warm");
        gateway.kill();
        // Nothing of the agent outlives the gateway: its wrappers' children carry its home in their environment.
        let home = self.home_folder.path().to_str().unwrap();
        let begun = Instant::now();
        while !processes_of(home).is_empty() {
            assert!(begun.elapsed() < PATIENCE, "{:?} are left of the agent", processes_of(home));
        }
        gateway.start_again();
        let shown = gateway.ok(&["messages", &session]);
        assert_eq!(shown.matches("polly wants a cracker today").count(), 2, "{shown}");
        let said = gateway.ok(&["prompt", &session, "PARROT once more"]);
        assert!(said.contains("polly"), "{said}");
    }

    /// A command that the agent runs, with whatever it asks before, and the file that the command makes.
    fn runs_a_command(&self, agent: &str) {
        let session = self.gateway.ok(&["new", "--agent", agent]);
        let mut turn = self.gateway.going(&["attach", &session, "--input", "--until-idle"]);
        turn.types("SHELLWORK now");
        // It asks, and is answered by somebody else than who gave the prompt.
        let (begun, mut was_asked) = (Instant::now(), false);
        while begun.elapsed() < PATIENCE {
            let asks = self.gateway.json(&["answer", &session]);
            if let Some((ask, kind)) = asks.first().and_then(|ask| Some((ask["id"].as_str()?, ask["kind"].as_str()?))) {
                // Where its options say more than yes and no, the first of them.
                let answer = if kind == "permission" { "yes" } else { "1" };
                self.gateway.ok(&["answer", &session, ask, answer]);
                was_asked = true;
            }
            if turn.has("the command has run") {
                let file = self.gateway.ok(&["files", "cat", &session, "made-by-agent.txt"]);
                assert_eq!(file, "hello");
                let versions = self.gateway.json(&["files", "versions", &session, "made-by-agent.txt"]);
                assert!(was_asked, "commands are asked for: {}", turn.shown());
                assert_eq!(versions.len(), 1, "what an agent does by itself has versions too: {versions:?}");
                return;
            }
        }
        panic!("the command did not run: {}", turn.shown());
    }
}

impl Rig {
    /// Its wrapper is killed in the middle of a turn, or what the wrapper has started: either way the turn fails and says
    /// why, nothing is left over, and the session goes on with a fresh process.
    fn is_killed_and_replaced(&self, agent: &str) {
        let home = self.home_folder.path().to_str().unwrap();
        let session = self.gateway.ok(&["new", "--agent", agent]);
        for native in [false, true] {
            let others = processes_of(home);
            let mut waiting = self.gateway.going(&["prompt", &session, "WAITING for it"]);
            waiting.until("begun");
            let mut all = processes_of(home);
            all.retain(|pid| !others.contains(pid));
            // The second time it was warm already.
            let ours = if all.is_empty() { others } else { all };
            let victim = if native { ours.last() } else { ours.first() };
            let victim = victim.expect("it runs").to_string();
            assert!(Command::new("kill").args(["-9", &victim]).status().unwrap().success());
            let ended = waiting.end();
            assert_eq!(ended.code, 7, "{ended:?}");
            assert!(format!("{ended:?}").contains("agent_crashed"), "{ended:?}");
            let said = self.gateway.ok(&["prompt", &session, "PARROT again"]);
            assert!(said.contains("polly wants a cracker today"), "{said}");
            let left: Vec<u32> = processes_of(home).into_iter().filter(|pid| ours.contains(pid)).collect();
            assert!(left.is_empty(), "{left:?} are left of the one that was killed");
        }
        self.gateway.ok(&["rm", &session]);
    }

    /// Each has a process of its own, and none waits for another.
    fn talks_to_ten_at_once(&self, agent: &str) {
        let sessions: Vec<String> = (0..10).map(|_| self.gateway.ok(&["new", "--agent", agent])).collect();
        let turns: Vec<_> =
            sessions.iter().map(|session| self.gateway.going(&["prompt", session, "PARROT all"])).collect();
        for mut turn in turns {
            turn.until("polly wants a cracker today");
            assert_eq!(turn.end().code, 0);
        }
    }
}

#[test]
fn codex_talks_is_interrupted_and_goes_on_after_a_kill() {
    let Some(program) = installed("codex-acp") else { return };
    let input = json!({ "cmd": "echo hello > made-by-agent.txt" });
    let rig = Rig::start("codex", scripts("exec_command", input), |model, home| {
        // It asks for all that it does not know, and nothing holds it back then.
        let asks = "approval_policy = \"untrusted\"\nsandbox_mode = \"danger-full-access\"\n";
        codex_in(home, model, &program, asks)
    });
    rig.is_killed_and_replaced("acp:codex");
    rig.talks_to_ten_at_once("acp:codex");
    rig.runs_a_command("acp:codex");
    rig.tells_its_story("acp:codex", Wire::Responses);
}

#[test]
fn claude_talks_is_interrupted_and_goes_on_after_a_kill() {
    let Some(program) = installed("claude-agent-acp") else { return };
    let input = json!({ "command": "echo hello > made-by-agent.txt", "description": "makes a file" });
    let rig = Rig::start("claude", scripts("Bash", input), |model, home| {
        format!(
            "command = {program:?}\n[agents.claude.env]\nHOME = {home:?}\nANTHROPIC_API_KEY = \"x\"\n\
             ANTHROPIC_BASE_URL = \"{model}\"\nCLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC = \"1\"\nDISABLE_TELEMETRY = \"1\"\n"
        )
    });
    rig.runs_a_command("acp:claude");
    rig.tells_its_story("acp:claude", Wire::Messages);
}

/// The programs themselves, not their wrappers: those need scripts that were not run when they were installed.
#[test]
fn opencode_asks_runs_a_command_and_is_answered() {
    let Some(program) = installed_at("opencode-linux-x64/bin/opencode", "make agents-more") else { return };
    let input = json!({ "command": "echo hello > made-by-agent.txt", "description": "makes a file" });
    let rig = Rig::start("opencode", scripts("bash", input), |model, home| {
        let folder = home.join(".config/opencode");
        std::fs::create_dir_all(&folder).unwrap();
        let config = json!({
            "model": "scripted/scripted", "small_model": "scripted/scripted", "autoupdate": false, "share": "disabled",
            "provider": { "scripted": {
                "npm": "@ai-sdk/openai-compatible", "options": { "baseURL": format!("{model}/v1"), "apiKey": "x" },
                "models": { "scripted": { "name": "scripted" } },
            } },
            "permission": { "bash": "ask" },
        });
        std::fs::write(folder.join("opencode.json"), config.to_string()).unwrap();
        format!(
            "command = {program:?}\nargs = [\"acp\"]\nenv = {{ HOME = {home:?}, XDG_CONFIG_HOME = {:?} }}\n",
            home.join(".config")
        )
    });
    rig.runs_a_command("acp:opencode");
}

#[test]
fn qwen_asks_runs_a_command_and_is_answered() {
    let Some(program) = installed_at(".bin/qwen", "make agents-more") else { return };
    let input =
        json!({ "command": "echo hello > made-by-agent.txt", "is_background": false, "description": "makes a file" });
    let rig = Rig::start("qwen", scripts("run_shell_command", input), |model, home| {
        format!(
            "command = {program:?}\nargs = [\"--acp\"]\n[agents.qwen.env]\nHOME = {home:?}\nOPENAI_API_KEY = \"x\"\n\
             OPENAI_BASE_URL = \"{model}/v1\"\nOPENAI_MODEL = \"scripted\"\n"
        )
    });
    rig.runs_a_command("acp:qwen");
}

/// The official client of editors, with our own program as the agent; and behind that the modes of a real one.
#[test]
fn the_official_client_of_editors_finds_all_that_it_needs() {
    let library = installed_at("@agentclientprotocol/sdk/dist/v1/stable/acp.js", "make agents");
    let (Some(library), Some(codex)) = (library, installed("codex-acp")) else { return };
    let rig = Rig::start("codex", Vec::new(), |model, home| codex_in(home, model, &codex, ""));
    let folder = rig.home_folder.path().join("project");
    std::fs::create_dir(&folder).unwrap();
    let story = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/editor.mjs");
    let program = env!("CARGO_BIN_EXE_rejoin");
    let mut node = Command::new("node");
    node.arg(story).arg(library).arg(program).arg("acp:codex").arg(folder.canonicalize().unwrap());
    node.env("REJOIN_URL", &rig.gateway.url).env("REJOIN_DATA", rig.gateway.data()).env_remove("REJOIN_KEY");
    let said = shared::said(node.output().unwrap());
    let held = ["new", "prompt", "permission", "cancel", "failure", "list", "load", "modes"];
    let expected: String = held.iter().map(|what| format!("held: {what}\n")).collect();
    assert_eq!((said.out.as_str(), said.code), (expected.as_str(), 0), "{}", said.err);
}

/// Codex with a model of ours, and the table that starts it.
fn codex_in(home: &Path, model: &str, program: &Path, more: &str) -> String {
    std::fs::create_dir(home.join(".codex")).unwrap();
    let config = format!(
        "model = \"scripted\"\nmodel_provider = \"scripted\"\n{more}[model_providers.scripted]\nname = \"scripted\"\n\
         base_url = \"{model}/v1\"\nwire_api = \"responses\"\nrequires_openai_auth = false\n"
    );
    std::fs::write(home.join(".codex/config.toml"), config).unwrap();
    format!("command = {program:?}\nenv = {{ HOME = {home:?} }}\n")
}
