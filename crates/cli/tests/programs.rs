//! An agent of one's own, from its first line in the configuration to its first answer.

mod shared;

use std::path::{Path, PathBuf};

use shared::{Gateway, Said, program, said};

/// The whole protocol, as far as it takes to say hello.
const TINY: &str = r#"
answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$1" "$2"; }
while read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9][0-9]*\).*/\1/p')
  case "$line" in
    *'"initialize"'*) answer "$id" '{"protocolVersion":1,"agentInfo":{"name":"tiny","version":"0.1"}}' ;;
    *'"session/new"'*) answer "$id" '{"sessionId":"one"}' ;;
    *'"session/prompt"'*)
      echo '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"one","update":{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"hello from a shell"}}}}'
      answer "$id" '{"stopReason":"end_turn"}' ;;
  esac
done
"#;

/// A configuration with two agents, of which one is not there.
fn configuration(folder: &Path) -> PathBuf {
    let script = folder.join("tiny.sh");
    std::fs::write(&script, TINY).unwrap();
    let config = folder.join("rejoin.toml");
    let tables = format!(
        "[agents.tiny]\ncommand = \"/bin/sh\"\nargs = [{:?}]\n[agents.gone]\ncommand = \"no-such-program\"\n",
        script.to_str().unwrap()
    );
    std::fs::write(&config, tables).unwrap();
    config
}

fn check(name: &str, config: &Path) -> Said {
    said(program(&["agent", "check", name, "--config", config.to_str().unwrap()]).output().unwrap())
}

#[test]
fn an_agent_is_tried_before_there_is_a_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let config = configuration(folder.path());
    let works = check("tiny", &config);
    assert_eq!(works.code, 0, "{works:?}");
    assert!(works.out.starts_with("tiny 0.1, /bin/sh\nIt starts and opens a session.\n"), "{works:?}");
    assert!(works.out.contains("cannot go back to its session"), "{works:?}");
    let gone = check("acp:gone", &config);
    assert_eq!(gone.code, 1);
    assert!(gone.out.contains("no-such-program is not installed"), "{gone:?}");
    assert_eq!(check("nobody", &config).code, 3);
}

#[test]
fn an_agent_of_ones_own_is_listed_shown_and_answers_the_first_prompt() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::configured(&configuration(folder.path()));
    let listed = gateway.ok(&["agent", "list"]);
    assert!(listed.contains("acp:tiny") && listed.contains("acp:gone"), "{listed}");
    assert!(gateway.ok(&["agent", "show", "acp:tiny"]).starts_with("acp:tiny: tiny\n"));
    assert_eq!(gateway.run(&["agent", "show", "acp:nobody"]).code, 3);
    let told = gateway.ok(&["new", "--agent", "acp:tiny", "say", "hello"]);
    let (session, answer) = told.split_once('\n').unwrap();
    assert_eq!(answer, "hello from a shell");
    assert_eq!(gateway.ok(&["prompt", session, "again"]), "hello from a shell");

    let failed = gateway.run(&["new", "--agent", "acp:gone", "hello"]);
    assert_eq!(failed.code, 7);
    assert!(failed.err.contains("agent_missing"), "{failed:?}");
}
