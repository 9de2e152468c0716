//! What the kernel allows, and what it keeps for sockets.

use std::fs;

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Memory that all TCP sockets of the machine hold, in bytes: what is on its way, unsent, or unread.
///
/// `mem` of `/proc/net/sockstat` counts pages by what buffers really take (their overhead included), for both ends of a
/// connection on loopback. It runs behind by up to a megabyte for each CPU.
pub(crate) fn tcp_memory() -> anyhow::Result<u64> {
    let path = "/proc/net/sockstat";
    let text = fs::read_to_string(path).with_context(|| format!("reading {path}"))?;
    let pages = tcp_pages(&text).with_context(|| format!("{path} has another shape than expected"))?;
    Ok(pages * rustix::param::page_size() as u64)
}

fn tcp_pages(sockstat: &str) -> Option<u64> {
    let line = sockstat.lines().find_map(|line| line.strip_prefix("TCP: "))?;
    let mut words = line.split_ascii_whitespace();
    words.find(|word| *word == "mem")?;
    words.next()?.parse().ok()
}

/// Memory of the kernel's own objects, sockets among them, for the whole machine. In bytes.
pub(crate) fn slab() -> anyhow::Result<u64> {
    let path = "/proc/meminfo";
    let text = fs::read_to_string(path).with_context(|| format!("reading {path}"))?;
    let line =
        text.lines().find_map(|line| line.strip_prefix("Slab:")).with_context(|| format!("{path} has no Slab"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().with_context(|| format!("reading {path}"))?;
    Ok(kib * 1024)
}

/// Raises the soft limit of open files to the hard one, and gives it.
pub(crate) fn raise_open_files() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        // Refused, the limit stays what it was, and is given as that.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_tcp_are_found() {
        let sockstat = "sockets: used 31\nTCP: inuse 4 orphan 0 tw 0 alloc 4 mem 173\nUDP: inuse 0 mem 9\n";
        assert_eq!(tcp_pages(sockstat), Some(173));
        assert_eq!(tcp_pages("UDP: inuse 0 mem 9\n"), None);
    }

    #[test]
    fn the_limit_of_open_files_only_grows() {
        let before = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        assert!(raise_open_files() >= before);
    }
}
