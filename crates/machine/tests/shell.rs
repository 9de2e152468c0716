//! Real commands, the well-behaved and the others.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rejoin_machine::cage::Caged;
use rejoin_machine::shell::{Chunk, Command, End, Outcome, Shell, ShellError, Stream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Far longer than anything here should take, far shorter than `sleep 600`.
const SOON: Duration = Duration::from_secs(120);

async fn run(command: &Command) -> Outcome {
    let began = Instant::now();
    let outcome = Shell::unwatched().run(command, None, &CancellationToken::new()).await.unwrap();
    assert!(began.elapsed() < SOON, "{outcome:?}");
    outcome
}

fn here(script: &str) -> Command {
    Command::new(script, std::env::temp_dir())
}

/// Until the process that wrote its number into `file` has ended.
async fn ends(file: &Path) {
    let pid: u32 = fs::read_to_string(file).unwrap().trim().parse().unwrap();
    let is_alive = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    };
    tokio::time::timeout(SOON, async {
        while is_alive() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("process {pid} still lives"));
}

async fn exists(file: &Path) {
    tokio::time::timeout(SOON, async {
        while !fs::read_to_string(file).is_ok_and(|text| text.ends_with('\n')) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("{} never came", file.display()));
}

#[tokio::test]
async fn a_command_tells_its_end_and_its_output() {
    let outcome = run(&here("echo out; echo err >&2; exit 3")).await;
    assert_eq!(outcome.end, End::Exited(3));
    let mut lines: Vec<_> = outcome.output.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["err", "out"]);
    assert!(!outcome.is_success() && !outcome.is_truncated() && !outcome.timed_out && !outcome.cancelled);
    assert_eq!(outcome.caged, Caged::Off);
    assert_eq!(run(&here("kill -KILL $$")).await.end, End::Signalled(9));
    assert!(run(&here("true")).await.is_success());
}

#[tokio::test]
async fn a_command_runs_in_its_folder_with_nothing_to_read_and_no_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let command =
        Command::new("pwd -P; cat; (: < /dev/tty) 2>/dev/null || echo none; ps -o sid= -p $$; echo $$", dir.path());
    let outcome = run(&command).await;
    let lines: Vec<_> = outcome.output.lines().map(str::trim).collect();
    assert_eq!(lines[0], fs::canonicalize(dir.path()).unwrap().to_str().unwrap());
    assert_eq!(lines[1], "none");
    assert_eq!(lines[2], lines[3], "it leads its own session");
}

#[tokio::test]
async fn a_command_knows_of_our_environment_only_what_it_may() {
    let mut command = here("env");
    command.env = vec![("MINE".into(), "yes".into()), ("TERM".into(), "dumb".into())];
    let outcome = run(&command).await;
    // The shell adds some of its own.
    let known = [
        "PATH",
        "HOME",
        "USER",
        "SHELL",
        "LANG",
        "TERM",
        "TMPDIR",
        "MINE",
        "REJOIN_TOOL",
        "PWD",
        "OLDPWD",
        "SHLVL",
        "_",
    ];
    for line in outcome.output.lines() {
        let (name, value) = line.split_once('=').unwrap();
        assert!(known.contains(&name) || name.starts_with("LC_"), "{line}");
        assert!(name != "TERM" || value == "dumb");
    }
    for expected in ["MINE=yes\n", "PATH=", "REJOIN_TOOL="] {
        assert!(outcome.output.contains(expected), "{expected}");
    }
}

#[tokio::test]
async fn another_shell_may_be_named() {
    let mut command = here("echo ${BASH_VERSION:+bash}");
    command.shell = Some("/bin/bash".into());
    assert_eq!(run(&command).await.output, "bash\n");
    command.shell = Some("/no/such/shell".into());
    let refused = Shell::unwatched().run(&command, None, &CancellationToken::new()).await;
    assert!(matches!(refused, Err(ShellError::Start { .. })), "{refused:?}");
}

#[tokio::test]
async fn what_cannot_be_run_is_refused_before_it_is_tried() {
    let mut bad = vec![here("a\0b"), here(&"x".repeat(200_000)), Command::new("true", "/no/such/folder")];
    for (name, value) in [("", "x"), ("A=B", "x"), ("A\0", "x"), ("A", "\0")] {
        let mut command = here("true");
        command.env.push((name.into(), value.into()));
        bad.push(command);
    }
    for command in bad {
        let refused = Shell::unwatched().run(&command, None, &CancellationToken::new()).await;
        assert!(matches!(refused, Err(ShellError::Invalid { .. })), "{refused:?}");
    }
    let longest = format!(": {}", "x".repeat(128 * 1024 - 3));
    assert!(run(&here(&longest)).await.is_success());
}

#[tokio::test]
async fn a_flood_is_kept_from_both_ends() {
    let mut command = here("echo first; head -c 30000000 /dev/zero | tr '\\0' x; echo; echo last");
    command.output = 1_000;
    let outcome = run(&command).await;
    assert!(outcome.is_success() && outcome.is_truncated());
    assert!(outcome.output.starts_with("first\nxxx") && outcome.output.ends_with("xxx\nlast\n"));
    assert_eq!(outcome.omitted, 30_000_000 + 12 - 1_000);
    assert!(outcome.output.len() < 1_100);
}

#[tokio::test]
async fn an_endless_flood_ends_with_its_time() {
    let mut command = here("yes");
    command.time = Duration::from_millis(200);
    let outcome = run(&command).await;
    assert!(outcome.timed_out && outcome.is_truncated());
    assert_eq!(outcome.end, End::Signalled(15));
}

#[tokio::test]
async fn output_streams_as_it_comes_and_letters_stay_whole() {
    let dir = tempfile::tempdir().unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, dir.path().join("go"), rustix::fs::Mode::RWXU).unwrap();
    // Half a letter, then a wait for us, then the other half.
    let command = Command::new("printf 'a\\303'; echo e >&2; read x < go; printf '\\251\\377\\n'", dir.path());
    let (sender, mut chunks) = mpsc::channel(1);
    let (shell, stop) = (Shell::unwatched(), CancellationToken::new());
    let running = shell.run(&command, Some(sender), &stop);
    let listening = async {
        let mut heard = [chunks.recv().await.unwrap(), chunks.recv().await.unwrap()];
        heard.sort_by_key(|chunk| chunk.text.clone());
        assert_eq!(heard[0], Chunk { stream: Stream::Out, text: "a".into() });
        assert_eq!(heard[1], Chunk { stream: Stream::Err, text: "e\n".into() });
        fs::write(dir.path().join("go"), "go\n").unwrap();
        let mut rest = String::new();
        while let Some(chunk) = chunks.recv().await {
            rest += &chunk.text;
        }
        assert_eq!(rest, "é\u{fffd}\n");
    };
    let (outcome, ()) = tokio::join!(running, listening);
    assert!(outcome.unwrap().is_success());
}

#[tokio::test]
async fn no_more_is_streamed_than_is_kept() {
    let mut command = here("head -c 1000000 /dev/zero | tr '\\0' x");
    command.output = 50_000;
    let (sender, mut chunks) = mpsc::channel(4);
    let (shell, stop) = (Shell::unwatched(), CancellationToken::new());
    let running = shell.run(&command, Some(sender), &stop);
    let listening = async {
        let mut heard = 0;
        while let Some(chunk) = chunks.recv().await {
            heard += chunk.text.len();
        }
        heard
    };
    let (outcome, heard) = tokio::join!(running, listening);
    assert!(heard > 0 && heard <= 50_000, "{heard}");
    assert_eq!(outcome.unwrap().omitted, 950_000);
}

#[tokio::test]
async fn a_listener_who_has_gone_does_not_stop_the_command() {
    let (sender, chunks) = mpsc::channel(1);
    drop(chunks);
    let outcome =
        Shell::unwatched().run(&here("echo a; echo b"), Some(sender), &CancellationToken::new()).await.unwrap();
    assert_eq!(outcome.output, "a\nb\n");
}

#[tokio::test]
async fn a_listener_who_hangs_does_not_stop_the_clock() {
    let mut command = here("yes");
    command.time = Duration::from_millis(200);
    let (sender, _chunks) = mpsc::channel(1);
    let outcome = Shell::unwatched().run(&command, Some(sender), &CancellationToken::new()).await.unwrap();
    assert!(outcome.timed_out && outcome.duration < SOON);
}

#[tokio::test]
async fn time_ends_the_whole_group_and_kills_the_deaf() {
    let dir = tempfile::tempdir().unwrap();
    let script =
        "(trap '' TERM; sh -c 'echo $$ > deaf; exec sleep 600' & wait; sleep 600) & trap '' TERM; echo up; sleep 600";
    let mut command = Command::new(script, dir.path());
    command.time = Duration::from_millis(300);
    command.grace = Duration::from_millis(100);
    let outcome = run(&command).await;
    assert!(outcome.timed_out && !outcome.cancelled);
    assert_eq!((outcome.end, outcome.output.as_str()), (End::Signalled(9), "up\n"));
    ends(&dir.path().join("deaf")).await;
}

#[tokio::test]
async fn a_polite_command_may_tidy_up_when_its_time_is_over() {
    let mut command = here("trap 'echo tidy; exit 7' TERM; sleep 600 & wait");
    command.time = Duration::from_millis(300);
    let outcome = run(&command).await;
    assert!(outcome.timed_out);
    assert_eq!((outcome.end, outcome.output.as_str()), (End::Exited(7), "tidy\n"));
}

#[tokio::test]
async fn a_stopped_command_still_ends() {
    let mut command = here("kill -STOP $$; echo no");
    command.time = Duration::from_millis(300);
    let outcome = run(&command).await;
    assert_eq!(outcome.end, End::Signalled(15));
}

#[tokio::test]
async fn cancelling_ends_even_those_who_left_the_group() {
    let dir = tempfile::tempdir().unwrap();
    let script = "setsid sh -c 'echo $$ > stray; exec sleep 600' & sh -c 'echo $$ > near; exec sleep 600' & wait";
    let command = Command::new(script, dir.path());
    let (shell, stop) = (Shell::unwatched(), CancellationToken::new());
    let (stray, near) = (dir.path().join("stray"), dir.path().join("near"));
    let cancelling = async {
        exists(&stray).await;
        exists(&near).await;
        stop.cancel();
    };
    let (outcome, ()) = tokio::join!(shell.run(&command, None, &stop), cancelling);
    let outcome = outcome.unwrap();
    assert!(outcome.cancelled && !outcome.timed_out && outcome.duration < SOON);
    ends(&stray).await;
    ends(&near).await;
}

#[tokio::test]
async fn a_child_that_holds_the_pipe_neither_hangs_us_nor_survives() {
    let dir = tempfile::tempdir().unwrap();
    let outcome = run(&Command::new("sleep 600 & echo $! > child; echo done", dir.path())).await;
    assert_eq!((outcome.end, outcome.output.as_str()), (End::Exited(0), "done\n"));
    assert!(!outcome.timed_out);
    ends(&dir.path().join("child")).await;
}

#[tokio::test]
async fn a_silent_child_ends_with_its_command_too() {
    let dir = tempfile::tempdir().unwrap();
    let outcome = run(&Command::new("sleep 600 >/dev/null 2>&1 & echo $! > child", dir.path())).await;
    assert!(outcome.is_success());
    ends(&dir.path().join("child")).await;
}

#[tokio::test]
async fn a_stray_that_holds_the_pipe_out_of_reach_does_not_hang_us() {
    let dir = tempfile::tempdir().unwrap();
    let script = "setsid sh -c 'echo $$ > stray; exec sleep 30' & until [ -s stray ]; do sleep 0.01; done; echo done";
    let outcome = run(&Command::new(script, dir.path())).await;
    assert_eq!((outcome.end, outcome.output.as_str()), (End::Exited(0), "done\n"));
    let stray: i32 = fs::read_to_string(dir.path().join("stray")).unwrap().trim().parse().unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(stray).unwrap(), rustix::process::Signal::KILL)
        .unwrap();
}

#[tokio::test]
async fn a_future_that_is_dropped_leaves_nothing_running() {
    let dir = tempfile::tempdir().unwrap();
    let command = Command::new("sh -c 'echo $$ > child; exec sleep 600' & wait", dir.path());
    let (shell, stop) = (Shell::unwatched(), CancellationToken::new());
    let child = dir.path().join("child");
    tokio::select! {
        _ = shell.run(&command, None, &stop) => panic!("it sleeps"),
        () = exists(&child) => {}
    }
    ends(&child).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_commands_at_once_each_hear_of_their_own_end() {
    let mut running = tokio::task::JoinSet::new();
    for code in 0..50 {
        running.spawn(async move { (code, run(&here(&format!("echo {code}; exit {code}"))).await) });
    }
    while let Some(done) = running.join_next().await {
        let (code, outcome) = done.unwrap();
        assert_eq!((outcome.end, outcome.output), (End::Exited(code), format!("{code}\n")));
    }
}
