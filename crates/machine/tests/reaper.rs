//! A gateway dies, and its tools with it. This program plays all the parts, so that the helper is "the same binary".

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rejoin_machine::reaper::{self, Reaper};
use rejoin_machine::shell::{self, Shell};
use rejoin_machine::terminal::{Run, Spec, Terminal};
use rustix::process::{Pid, Signal};
use tokio_util::sync::CancellationToken;

/// Far longer than anything here should take, far shorter than `sleep 600`.
const SOON: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("reaper") => return reaper::main(),
        Some("gateway") => gateway(Path::new(&args[2]), args.get(3).is_some_and(|arg| arg == "replace")),
        _ => {
            let tests: &[(&str, fn())] = &[
                ("a_killed_gateway_takes_all_its_tools_along", a_killed_gateway_takes_all_its_tools_along),
                (
                    "a_gateway_that_leaves_in_peace_takes_them_along_too",
                    a_gateway_that_leaves_in_peace_takes_them_along_too,
                ),
                ("a_reaper_that_was_killed_is_replaced", a_reaper_that_was_killed_is_replaced),
                (
                    "a_reaper_does_not_listen_to_signals_nor_hold_files",
                    a_reaper_does_not_listen_to_signals_nor_hold_files,
                ),
                ("a_tool_that_has_ended_is_no_longer_watched", a_tool_that_has_ended_is_no_longer_watched),
                ("a_helper_that_cannot_be_started_is_told", a_helper_that_cannot_be_started_is_told),
            ];
            for (name, test) in tests {
                test();
                println!("test {name} ... ok");
            }
        }
    }
    ExitCode::SUCCESS
}

// The tools of the gateway: each file gets the number of one process.

const TOOLS: &[(&str, &[&str])] = &[
    // What npm does: a shell, that starts a shell, that starts the program.
    (
        "sh -c 'sh -c \"echo \\$\\$ > program; exec sleep 600\" & echo $$ > wrapper; wait' & wait",
        &["program", "wrapper"],
    ),
    ("trap '' TERM HUP; sh -c 'echo $$ > deaf; exec sleep 600'", &["deaf"]),
    ("setsid sh -c 'echo $$ > stray; exec sleep 600' & wait", &["stray"]),
    // It has cast off its marker: only its group tells whose it is.
    ("env -i /bin/sh -c 'echo $$ > bare; exec sleep 600' & wait", &["bare"]),
    // Its command ends, it stays: a daemon.
    (
        "setsid sh -c 'echo $$ > daemon; exec sleep 600' >/dev/null 2>&1 & until [ -s daemon ]; do sleep 0.01; done",
        &["daemon"],
    ),
];

/// In a terminal each job has a group of its own; this one cares neither for its terminal nor for its marker.
const TERMINAL: (&str, &[&str]) = (
    "set -m; env -i /bin/sh -c 'trap \"\" HUP; echo $$ > job; exec sleep 600' & echo $$ > shown; wait",
    &["job", "shown"],
);

fn gateway(folder: &Path, replace: bool) {
    // Passed on to every child by mistake.
    let leak = rustix::io::dup(fs::File::open(folder).unwrap()).unwrap();
    let reaper = Reaper::start(std::env::current_exe().unwrap(), vec!["reaper".into()]).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let start = |script: &'static str| {
            let (shell, command) = (Shell::new(reaper.clone()), shell::Command::new(script, folder));
            tokio::spawn(async move { shell.run(&command, None, &CancellationToken::new()).await.unwrap() })
        };
        let (last, first) = TOOLS.split_last().unwrap();
        let _running: Vec<_> = first.iter().map(|(script, _)| start(script)).collect();
        if replace {
            wait_for_files(folder, first);
            let old = reaper.pid();
            kill(old, Signal::KILL);
            wait_for_end(old);
        }
        start(last.0).await.unwrap();
        let spec = Spec::new(Run::Script(TERMINAL.0.to_owned()), folder);
        let _terminal = Terminal::open(&spec, &Shell::new(reaper.clone())).unwrap();
        wait_for_files(folder, TOOLS);
        wait_for_files(folder, &[TERMINAL]);
        println!("{} {}", reaper.pid(), leak.as_raw_fd());
        // Until it is killed, or its input ends.
        tokio::task::spawn_blocking(|| std::io::stdin().lines().count()).await.unwrap();
        std::process::exit(0);
    });
}

// What the tests see of it.

struct Gateway {
    process: Child,
    _output: BufReader<ChildStdout>,
    reaper: u32,
    leak: u32,
    folder: tempfile::TempDir,
}

impl Gateway {
    fn start(args: &[&str]) -> Gateway {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Command::new(std::env::current_exe().unwrap())
            .arg("gateway")
            .arg(folder.path())
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let (reaper, leak) = line.trim().split_once(' ').unwrap();
        let (reaper, leak) = (reaper.parse().unwrap(), leak.parse().unwrap());
        Gateway { process, _output: output, reaper, leak, folder }
    }

    fn tools(&self) -> Vec<u32> {
        let files = TOOLS.iter().chain([&TERMINAL]).flat_map(|(_, files)| *files);
        let tools: Vec<u32> = files.map(|file| read_pid(&self.folder.path().join(file)).unwrap()).collect();
        assert!(tools.iter().all(|tool| is_alive(*tool)), "all of them run");
        tools
    }

    fn dies(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn bystander() -> Child {
    Command::new("sleep").arg("600").spawn().unwrap()
}

fn a_killed_gateway_takes_all_its_tools_along() {
    let mut other = bystander();
    let gateway = Gateway::start(&[]);
    let (tools, reaper) = (gateway.tools(), gateway.reaper);
    gateway.dies();
    tools.into_iter().chain([reaper]).for_each(wait_for_end);
    assert!(other.try_wait().unwrap().is_none(), "nobody else is touched");
    other.kill().unwrap();
    other.wait().unwrap();
}

fn a_gateway_that_leaves_in_peace_takes_them_along_too() {
    let mut gateway = Gateway::start(&[]);
    let (tools, reaper) = (gateway.tools(), gateway.reaper);
    drop(gateway.process.stdin.take());
    gateway.process.wait().unwrap();
    tools.into_iter().chain([reaper]).for_each(wait_for_end);
}

fn a_reaper_that_was_killed_is_replaced() {
    let gateway = Gateway::start(&["replace"]);
    let (tools, reaper) = (gateway.tools(), gateway.reaper);
    assert!(is_alive(reaper));
    gateway.dies();
    tools.into_iter().chain([reaper]).for_each(wait_for_end);
}

fn a_reaper_does_not_listen_to_signals_nor_hold_files() {
    let gateway = Gateway::start(&[]);
    let (tools, reaper) = (gateway.tools(), gateway.reaper);
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        kill(reaper, signal);
    }
    let own = Pid::from_raw(i32::try_from(reaper).unwrap());
    assert_eq!(rustix::process::getsid(own).unwrap(), own.unwrap());
    // The tools do hold it, or the test would show nothing.
    let holds = |pid: u32| {
        fs::read_link(format!("/proc/{pid}/fd/{}", gateway.leak)).is_ok_and(|to| to == gateway.folder.path())
    };
    assert!(holds(tools[0]) && !holds(reaper));
    gateway.dies();
    tools.into_iter().chain([reaper]).for_each(wait_for_end);
}

fn a_tool_that_has_ended_is_no_longer_watched() {
    let reaper = Reaper::start(std::env::current_exe().unwrap(), vec!["reaper".into()]).unwrap();
    let helper = reaper.pid();
    let mut tool = bystander(); // it leads no group, and carries no marker
    let registered = reaper.register(tool.id()).unwrap();
    drop(registered);
    assert_eq!(Arc::strong_count(&reaper), 1);
    drop(reaper);
    wait_for_end(helper);
    assert!(tool.try_wait().unwrap().is_none());
    tool.kill().unwrap();
    tool.wait().unwrap();
}

fn a_helper_that_cannot_be_started_is_told() {
    let refused = Reaper::start(PathBuf::from("/no/such/program"), Vec::new()).unwrap_err();
    assert_eq!(refused.to_string(), "reaper: starting /no/such/program");
    let reaper = Reaper::start(std::env::current_exe().unwrap(), vec!["reaper".into()]).unwrap();
    let mut ended = Command::new("true").spawn().unwrap();
    ended.wait().unwrap();
    assert!(reaper.register(ended.id()).is_err());
}

fn wait_for_files(folder: &Path, tools: &[(&str, &[&str])]) {
    let files: Vec<PathBuf> = tools.iter().flat_map(|(_, files)| *files).map(|file| folder.join(file)).collect();
    wait("the tools to start", || files.iter().all(|file| read_pid(file).is_some()));
}

fn wait_for_end(pid: u32) {
    wait(&format!("process {pid} to end"), || !is_alive(pid));
}

fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < until, "waited for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn read_pid(file: &Path) -> Option<u32> {
    fs::read_to_string(file).ok()?.strip_suffix('\n')?.parse().ok()
}

fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn kill(pid: u32, signal: Signal) {
    rustix::process::kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}
