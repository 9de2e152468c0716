//! What the process itself costs, read from /proc when somebody looks.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use rustix::process::{Resource, getrlimit};

/// Ticks of the times in /proc, per second: the same on every Linux that programs see.
const TICKS: f64 = 100.0;

pub(super) fn registry() -> Registry {
    let mut registry = Registry::with_prefix("process");
    registry.register_collector(Box::new(Process));
    registry
}

#[derive(Debug)]
struct Process;

/// What /proc says.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Figures {
    cpu_seconds: f64,
    threads: u64,
    resident_bytes: u64,
    anonymous_bytes: u64,
    fds: u64,
}

impl Figures {
    fn now() -> Figures {
        let text = |file| fs::read_to_string(file).unwrap_or_default();
        let (cpu_seconds, threads) = stat(&text("/proc/self/stat")).unwrap_or_default();
        let status = text("/proc/self/status");
        Figures {
            cpu_seconds,
            threads,
            resident_bytes: kib(&status, "VmRSS:"),
            anonymous_bytes: kib(&status, "RssAnon:"),
            // One of them is the folder that is being counted.
            fds: fs::read_dir("/proc/self/fd").map_or(0, |all| all.count().saturating_sub(1) as u64),
        }
    }
}

/// Seconds of processor time, and threads. The second field is the program's name, which may contain anything.
fn stat(text: &str) -> Option<(f64, u64)> {
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    // Counted from the third field of the whole line.
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(((field(14)? + field(15)?) as f64 / TICKS, field(20)?))
}

/// A line like `VmRSS:   1234 kB`, in bytes.
fn kib(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    number.unwrap_or(0) * 1024
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let figures = Figures::now();
        let most_fds = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let cpu = ConstCounter::new(figures.cpu_seconds);
        cpu.encode(encoder.encode_descriptor("cpu_seconds", "Processor time used", None, cpu.metric_type())?)?;
        for (name, help, value) in [
            ("resident_memory_bytes", "Memory in use, files of the program included", figures.resident_bytes),
            ("anonymous_memory_bytes", "Memory in use that no file stands behind", figures.anonymous_bytes),
            ("open_fds", "Open file descriptors", figures.fds),
            ("max_fds", "File descriptors that may be open", most_fds),
            ("threads", "Threads", figures.threads),
        ] {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_with_an_odd_name_is_read_all_the_same() {
        let line = "12 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 17 0 999 0 0";
        assert_eq!(stat(line), Some((3.0, 17)));
        for bad in ["", "12 (a", "12 (a) S 1 2"] {
            assert_eq!(stat(bad), None);
        }
        assert_eq!(kib("Name: x\nVmRSS:\t   20 kB\n", "VmRSS:"), 20_480);
        assert_eq!(kib("", "VmRSS:"), 0);
    }

    #[test]
    fn this_process_uses_something() {
        let figures = Figures::now();
        assert!(figures.resident_bytes > 1 << 20 && figures.fds > 2 && figures.threads > 0, "{figures:?}");
        assert!(figures.anonymous_bytes < figures.resident_bytes);
    }
}
