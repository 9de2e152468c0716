//! What /proc says about processes, and ending those that are ours.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal};

use super::Marker;

/// Bytes of an environment that are looked at. The kernel allows a few MiB; ours is set near its end at worst.
const ENVIRONMENT: u64 = 8 * 1024 * 1024;
/// How often to look whether those asked to end have ended.
const LOOK: Duration = Duration::from_millis(10);
/// Rounds of killing: who forks faster than we read /proc is met again, but not for ever.
const ROUNDS: usize = 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    pid: Pid,
    group: u32,
    session: u32,
    started: u64,
    dead: bool,
}

/// When `pid` was started, in ticks since the machine was; with it a pid names one process for good.
pub(crate) fn start_time(pid: u32) -> Option<u64> {
    read_process(pid).map(|process| process.started)
}

/// Whom to end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Targets {
    /// Groups, and sessions, each with its leader's start time.
    pub(crate) groups: HashMap<u32, u64>,
    /// All that carry it.
    pub(crate) marker: Option<Marker>,
    /// But not in this group: somebody else sees to it, and two requests to end mean "at once" to many programs.
    pub(crate) spared: Option<u32>,
}

/// Ends them: asks, waits `grace`, kills. Returns whether there was anyone.
pub(crate) fn sweep(targets: &Targets, grace: Duration) -> bool {
    let found = targets.find();
    if found.is_empty() {
        return false;
    }
    for process in &found {
        signal(process, Signal::TERM);
    }
    let until = Instant::now() + grace;
    while Instant::now() < until && !targets.find().is_empty() {
        std::thread::sleep(LOOK);
    }
    for _ in 0..ROUNDS {
        let found = targets.find();
        if found.is_empty() {
            break;
        }
        for process in &found {
            signal(process, Signal::KILL);
        }
        std::thread::sleep(LOOK);
    }
    true
}

impl Targets {
    fn find(&self) -> Vec<Process> {
        let all = processes();
        let started: HashMap<u32, u64> = all.iter().map(|process| (raw(process.pid), process.started)).collect();
        let is_ours = |group: u32| {
            self.groups.get(&group).is_some_and(|noted| {
                // A leader that has gone leaves its number to the group as long as one member lives. Another start
                // time is another process: the number was free, so of our group nobody is left.
                started.get(&group).is_none_or(|now| now == noted)
            })
        };
        let is_marked = |pid| self.marker.as_ref().is_some_and(|marker| carries(pid, marker));
        let me = std::process::id();
        all.into_iter()
            .filter(|process| raw(process.pid) != me && raw(process.pid) > 1 && !process.dead)
            .filter(|process| self.spared != Some(process.group))
            // A shell with job control gives each job a group of its own, in the session that it leads.
            .filter(|process| is_ours(process.group) || is_ours(process.session) || is_marked(process.pid))
            .collect()
    }
}

/// Signals exactly the process that was looked at, not one that has its number since.
fn signal(process: &Process, signal: Signal) {
    // Each may have ended by itself meanwhile, which is what we want.
    match rustix::process::pidfd_open(process.pid, PidfdFlags::empty()) {
        Ok(handle) if start_time(raw(process.pid)) == Some(process.started) => {
            let _ = rustix::process::pidfd_send_signal(handle, signal);
        }
        Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => {
            let _ = rustix::process::kill_process(process.pid, signal);
        }
        _ => {}
    }
}

fn processes() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries.flatten().filter_map(|entry| read_process(entry.file_name().to_str()?.parse().ok()?)).collect()
}

fn read_process(pid: u32) -> Option<Process> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse_stat(pid, &stat)
}

/// `pid (name) state ppid group session ...`; the name may hold blanks and brackets, so counting begins behind the last one.
fn parse_stat(pid: u32, stat: &[u8]) -> Option<Process> {
    let behind = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let fields: Vec<&str> = std::str::from_utf8(&stat[behind..]).ok()?.split_ascii_whitespace().collect();
    Some(Process {
        pid: Pid::from_raw(i32::try_from(pid).ok()?)?,
        group: fields.get(2)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
        dead: matches!(*fields.first()?, "Z" | "X" | "x"),
    })
}

fn carries(pid: Pid, marker: &Marker) -> bool {
    let mut environment = Vec::new();
    File::open(format!("/proc/{}/environ", raw(pid)))
        .and_then(|file| file.take(ENVIRONMENT).read_to_end(&mut environment))
        .is_ok_and(|_| marker.is_in(&environment))
}

fn raw(pid: Pid) -> u32 {
    pid.as_raw_nonzero().get().unsigned_abs()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::{Child, Command, Stdio};

    use super::*;

    const GRACE: Duration = Duration::from_millis(50);

    /// A shell that leads its own group, runs `script`, and has said so.
    fn group(script: &str, marker: Option<&Marker>) -> Child {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("{script}\necho up; sleep 600 & wait")]);
        command.process_group(0).stdout(Stdio::piped());
        command.envs(marker.map(|marker| marker.variable()));
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "up\n");
        child
    }

    fn registered(child: &Child) -> Targets {
        let groups = HashMap::from([(child.id(), start_time(child.id()).unwrap())]);
        Targets { groups, ..Targets::default() }
    }

    fn marked(marker: &Marker) -> Targets {
        Targets { marker: Some(marker.clone()), ..Targets::default() }
    }

    #[test]
    fn a_strange_name_does_not_shift_the_fields() {
        let stat = b"7 (a) b (c)) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 777 1 1";
        let process = parse_stat(7, stat).unwrap();
        assert_eq!((process.group, process.session, process.started, process.dead), (42, 42, 777, false));
        assert_eq!(parse_stat(7, b"7 (a"), None);
        assert_eq!(parse_stat(7, b"7 (a) S 1"), None);
    }

    #[test]
    fn a_group_is_ended_and_only_that() {
        let (mut ours, mut other) = (group("", None), group("", None));
        assert!(sweep(&registered(&ours), GRACE));
        assert_eq!(ours.wait().unwrap().signal(), Some(15));
        assert!(other.try_wait().unwrap().is_none());
        assert!(sweep(&registered(&other), GRACE));
        other.wait().unwrap();
    }

    #[test]
    fn who_does_not_listen_is_killed() {
        let mut deaf = group("trap '' TERM", None);
        sweep(&registered(&deaf), GRACE);
        assert_eq!(deaf.wait().unwrap().signal(), Some(9));
    }

    #[test]
    fn a_number_that_belongs_to_another_by_now_is_left_alone() {
        let mut child = group("", None);
        let groups = HashMap::from([(child.id(), start_time(child.id()).unwrap() - 1)]);
        let stale = Targets { groups, ..Targets::default() };
        assert!(!sweep(&stale, GRACE));
        assert!(child.try_wait().unwrap().is_none());
        sweep(&registered(&child), GRACE);
        child.wait().unwrap();
    }

    #[test]
    fn a_group_outlives_its_leader_but_not_the_sweep() {
        let mut leader = Command::new("/bin/sh")
            .args(["-c", "sleep 600 & echo $!"])
            .process_group(0)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let noted = registered(&leader);
        let mut line = String::new();
        BufReader::new(leader.stdout.take().unwrap()).read_line(&mut line).unwrap();
        leader.wait().unwrap();
        let member: u32 = line.trim().parse().unwrap();
        let is_alive = || read_process(member).is_some_and(|process| !process.dead);
        assert!(is_alive() && start_time(leader.id()).is_none());
        assert!(sweep(&noted, GRACE));
        assert!(!is_alive());
    }

    #[test]
    fn a_marked_process_is_found_in_whatever_session_it_hides() {
        let (life, other) = (Marker::fresh(), Marker::fresh());
        let mut hidden = Command::new("setsid")
            .args(["-w", "sh", "-c", "echo up; exec sleep 600"])
            .envs([life.narrow().variable()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(hidden.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(!sweep(&marked(&other), GRACE));
        assert!(hidden.try_wait().unwrap().is_none());
        assert!(sweep(&marked(&life), GRACE));
        hidden.wait().unwrap();
    }

    #[test]
    fn a_spared_group_is_left_to_others() {
        let life = Marker::fresh();
        let (mut spared, mut other) = (group("", Some(&life)), group("", Some(&life)));
        let targets = Targets { spared: Some(spared.id()), ..marked(&life) };
        assert!(sweep(&targets, GRACE));
        other.wait().unwrap();
        assert!(spared.try_wait().unwrap().is_none());
        assert!(sweep(&marked(&life), GRACE));
        spared.wait().unwrap();
    }
}
