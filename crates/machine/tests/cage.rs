//! Caged commands: what the kernel lets them do.

use std::fs;

use rejoin_machine::cage::{self, Cage, Caged};
use rejoin_machine::shell::{Command, Outcome, Shell};
use tokio_util::sync::CancellationToken;

async fn run(command: &Command) -> Outcome {
    Shell::unwatched().run(command, None, &CancellationToken::new()).await.unwrap()
}

/// A folder outside TMPDIR, which a cage leaves open, wherever this was built.
fn outside() -> tempfile::TempDir {
    let open = std::env::temp_dir().canonicalize().unwrap();
    let beside = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let home = std::env::home_dir().unwrap_or_else(|| "/".into());
    let closed = [beside, "/var/tmp".into(), home].into_iter().filter(|folder| !folder.starts_with(&open));
    let mut made = closed.filter_map(|folder| tempfile::tempdir_in(folder).ok());
    made.next().expect("some folder outside TMPDIR can be written")
}

#[tokio::test]
async fn a_caged_command_writes_to_its_workspace_and_nowhere_else() {
    let (workspace, other) = (outside(), outside());
    fs::write(other.path().join("old"), "old").unwrap();
    let script = format!(
        "echo in > mine && cat mine; echo > /dev/null && echo null; t=$(mktemp) && rm $t && echo tmp; ls / /usr > /dev/null; \
         for f in old new; do echo x 2>/dev/null > {0}/$f || echo refused $f; done; rm -f {0}/old 2>/dev/null || echo kept; \
         kill -0 {1} 2>/dev/null || echo alone",
        other.path().display(),
        std::process::id(),
    );
    let mut command = Command::new(script, workspace.path());
    command.shell = Some("/bin/bash".into());
    command.cage = Cage::Workspace;
    let outcome = run(&command).await;
    assert_eq!(outcome.caged, cage::support());
    if outcome.caged == Caged::Unavailable {
        return; // nothing can be enforced here, and it said so
    }
    for expected in ["in\n", "null\n", "tmp\n", "refused old\n", "refused new\n", "kept\n"] {
        assert!(outcome.output.contains(expected), "{expected}: {}", outcome.output);
    }
    if outcome.caged == Caged::Fully {
        assert!(outcome.output.contains("alone\n"), "{}", outcome.output);
    }
    assert_eq!(fs::read_to_string(other.path().join("old")).unwrap(), "old");
    assert!(!other.path().join("new").exists());
}

#[tokio::test]
async fn a_fence_can_be_widened_and_hides_what_must_stay_secret() {
    let (workspace, cache, data) = (outside(), outside(), outside());
    fs::create_dir(data.path().join("keys")).unwrap();
    fs::write(data.path().join("keys/owner"), "secret").unwrap();
    fs::create_dir(data.path().join("public")).unwrap();
    fs::write(data.path().join("public/f"), "open").unwrap();
    let script = format!(
        "echo x > {}/f && echo cached; cat {1}/public/f; cat {1}/keys/owner 2>&1; echo; cat /proc/{2}/environ > /dev/null 2>&1 || echo blind",
        cache.path().display(),
        data.path().display(),
        std::process::id(),
    );
    let mut command = Command::new(script, workspace.path());
    command.cage = Cage::Workspace;
    command.fence.writable.push(cache.path().to_owned());
    command.fence.readable.push(data.path().to_owned());
    command.fence.hidden.push(data.path().join("keys"));
    let outcome = run(&command).await;
    if outcome.caged == Caged::Unavailable {
        return;
    }
    assert!(outcome.output.contains("cached\nopen"), "{}", outcome.output);
    assert!(outcome.output.contains("blind\n"), "{}", outcome.output);
    assert!(!outcome.output.contains("secret"), "{}", outcome.output);
}
