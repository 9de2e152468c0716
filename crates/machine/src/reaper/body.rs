//! The helper process: it waits for its gateway to die, and ends what that leaves behind.

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Marker;
use super::processes::{self, Targets};

/// Between asking a process to end and killing it. Nobody is left to wait for tidy work.
const GRACE: Duration = Duration::from_millis(200);
/// Bytes of a line: a sign, two numbers or a marker.
const LINE: u64 = 256;

/// The whole life of the helper. It must be the first thing its process does.
pub fn main() -> ExitCode {
    close_inherited();
    // Fails only where we lead a session already.
    let _ = rustix::process::setsid();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let _deaf = runtime.as_ref().ok().map(|runtime| {
        let _inside = runtime.enter();
        ignore_signals()
    });
    let targets = listen(BufReader::new(io::stdin()));
    processes::sweep(&targets, GRACE);
    ExitCode::SUCCESS
}

/// Hears what the gateway says until it is gone.
fn listen(mut from: impl BufRead) -> Targets {
    let mut targets = Targets::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        match from.by_ref().take(LINE).read_until(b'\n', &mut line) {
            // An error is as much the end as the end is.
            Ok(0) | Err(_) => return targets,
            Ok(_) => {}
        }
        // Half a line is a gateway that died while speaking, or none of ours: it names nobody.
        let Some(text) = line.strip_suffix(b"\n").and_then(|line| std::str::from_utf8(line).ok()) else {
            continue;
        };
        if let Some((group, started)) = text.strip_prefix('+').and_then(|rest| rest.split_once(' ')) {
            // Group 0 is the kernel's and 1 is init's, whoever names them.
            if let (Ok(group @ 2..), Ok(started)) = (group.parse(), started.parse()) {
                targets.groups.insert(group, started);
            }
        } else if let Some(Ok(group)) = text.strip_prefix('-').map(str::parse) {
            targets.groups.remove(&group);
        } else if let Some(value) = text.strip_prefix('=') {
            targets.marker = Marker::read(value);
        }
    }
}

/// Ctrl-C and a polite stop are meant for the gateway; we go when it has gone.
///
/// A handler that nobody listens to is the way to be deaf without unsafe code.
fn ignore_signals() -> Vec<Signal> {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup(), SignalKind::quit()];
    kinds.into_iter().filter_map(|kind| signal(kind).ok()).collect()
}

/// Closes what the gateway had open and passed on by mistake: a listening socket would keep its port taken.
fn close_inherited() {
    let Ok(entries) = fs::read_dir("/proc/self/fd") else {
        return;
    };
    let open: Vec<RawFd> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(|fd| *fd > 2).collect();
    for fd in open {
        // The listing above was one of them and is closed by now; a closed one must not be closed again.
        if fs::symlink_metadata(format!("/proc/self/fd/{fd}")).is_ok() {
            drop(take(fd));
        }
    }
}

#[expect(unsafe_code, reason = "a number becomes an owned descriptor, to be closed")]
fn take(fd: RawFd) -> OwnedFd {
    // SAFETY: it is open, and `main` comes first in its process: nothing here owns a descriptor above 2 yet.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn what_was_said_last_about_a_group_holds() {
        let marker = Marker::fresh();
        let said = format!("={}\n+10 100\n+20 200\n-10\n+30 300\n+20 201\n", marker.value());
        let heard = listen(said.as_bytes());
        assert_eq!(heard.groups, HashMap::from([(20, 201), (30, 300)]));
        assert_eq!(heard.marker, Some(marker));
    }

    #[test]
    fn half_lines_and_nonsense_name_nobody() {
        let long = "+1 ".to_owned() + &"1".repeat(5_000) + "\n";
        for said in [
            "+10 100",
            "+10\n",
            "+x y\n",
            "+-1 5\n",
            "+0 5\n",
            "+1 5\n",
            "10 100\n",
            "\n\n",
            "\u{0}\n",
            "=short\n",
            &long,
            "+99999999999 1\n",
        ] {
            let heard = listen(said.as_bytes());
            assert!(heard.groups.is_empty() && heard.marker.is_none(), "{said:?}");
        }
        assert!(listen(&b"+\xff 1\n"[..]).groups.is_empty());
    }
}
