//! What a process uses, as the kernel tells it in `/proc`.

use std::fs;
use std::time::Duration;

use anyhow::Context;

/// The kernel counts CPU time in these for everybody, whatever its own tick is.
const TICKS_PER_SECOND: u64 = 100;

/// A process by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process(pub(crate) u32);

/// Its memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) resident: u64,
    /// What no file backs: heap and stacks.
    pub(crate) anonymous: u64,
}

impl Process {
    pub(crate) fn own() -> Process {
        Process(std::process::id())
    }

    /// CPU time used so far by all its threads, to ten milliseconds.
    pub(crate) fn cpu(self) -> anyhow::Result<Duration> {
        let path = format!("/proc/{}/stat", self.0);
        let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        let ticks = cpu_ticks(&text).with_context(|| format!("{path} has another shape than expected"))?;
        Ok(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
    }

    pub(crate) fn memory(self) -> anyhow::Result<Memory> {
        let path = format!("/proc/{}/status", self.0);
        let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        let bytes = |name| kib(&text, name).with_context(|| format!("{path} has no {name}")).map(|kib| kib * 1024);
        Ok(Memory { resident: bytes("VmRSS:")?, anonymous: bytes("RssAnon:")? })
    }
}

/// User and system time: the 14th and 15th field. The second is a name in brackets that may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn kib(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_does_not_move_the_fields() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 1 2 3 4 250 50 0 0 20 0 4 0 100 1000 10";
        assert_eq!(cpu_ticks(stat), Some(300));
        assert_eq!(cpu_ticks("42 (x) S 1"), None);
    }

    #[test]
    fn this_process_has_memory_and_uses_time() {
        let memory = Process::own().memory().expect("proc is mounted");
        assert!(memory.resident > memory.anonymous && memory.anonymous > 0, "{memory:?}");
        assert!(Process::own().cpu().is_ok());
    }
}
