//! One measured figure, as a line of JSON or of a table.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

/// What does not apply to a bench is `null`.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Figure {
    pub(crate) bench: String,
    pub(crate) readers: u64,
    pub(crate) sessions: u64,
    /// What `perSec` counts: events committed or delivered, tokens, commands, creates; the bench says which in `counts`.
    pub(crate) events: u64,
    pub(crate) bytes: u64,
    pub(crate) seconds: f64,
    pub(crate) per_sec: Option<f64>,
    pub(crate) baseline_per_sec: Option<f64>,
    pub(crate) ratio: Option<f64>,
    pub(crate) cpu_us_per_event: Option<f64>,
    pub(crate) lost: Option<u64>,
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    #[serde(flatten)]
    pub(crate) more: BTreeMap<&'static str, Value>,
}

impl Figure {
    pub(crate) fn new(bench: &str) -> Figure {
        Figure { bench: bench.to_owned(), ..Figure::default() }
    }

    /// Adds a key that only this bench has.
    pub(crate) fn with(mut self, key: &'static str, value: impl Into<Value>) -> Figure {
        self.more.insert(key, value.into());
        self
    }
    /// The same for one that was perhaps not measured.
    pub(crate) fn with_some(self, key: &'static str, value: Option<f64>) -> Figure {
        match value {
            Some(value) => self.with(key, rounded(value)),
            None => self,
        }
    }

    /// Sets how many there were, in which time, and so how many a second.
    pub(crate) fn rate(mut self, events: u64, time: Duration) -> Figure {
        self.events = events;
        self.seconds = rounded(time.as_secs_f64());
        self.per_sec = per_second(events, time);
        self
    }
    /// Sets what the machine does without us. Comes behind `rate`.
    pub(crate) fn beside(mut self, baseline_per_sec: Option<f64>) -> Figure {
        self.baseline_per_sec = baseline_per_sec.map(rounded);
        self.ratio = match (self.per_sec, baseline_per_sec) {
            (Some(ours), Some(bare)) if bare > 0.0 => Some(rounded(ours / bare)),
            _ => None,
        };
        self
    }
    pub(crate) fn cpu(mut self, used: Option<Duration>) -> Figure {
        let events = self.events.max(1) as f64;
        self.cpu_us_per_event = used.map(|used| rounded(used.as_secs_f64() * 1e6 / events));
        self
    }
    pub(crate) fn took(mut self, p50: Option<f64>, p99: Option<f64>) -> Figure {
        (self.p50_ms, self.p99_ms) = (p50.map(rounded), p99.map(rounded));
        self
    }

    pub(crate) fn heading() -> String {
        format!(
            "{:<18} {:>7} {:>8} {:>11} {:>9} {:>8} {:>11} {:>12} {:>6} {:>8} {:>5} {:>9} {:>9}",
            "bench",
            "readers",
            "sessions",
            "events",
            "MB",
            "seconds",
            "per second",
            "bare",
            "ratio",
            "CPU us",
            "lost",
            "p50 ms",
            "p99 ms"
        )
    }

    /// Its line of the table, and one below it with what only this bench has.
    pub(crate) fn row(&self) -> String {
        let mut row = format!(
            "{:<18} {:>7} {:>8} {:>11} {:>9.1} {:>8.2} {:>11} {:>12} {:>6} {:>8} {:>5} {:>9} {:>9}",
            self.bench,
            self.readers,
            self.sessions,
            self.events,
            self.bytes as f64 / 1e6,
            self.seconds,
            shown(self.per_sec, 0),
            shown(self.baseline_per_sec, 0),
            shown(self.ratio, 2),
            shown(self.cpu_us_per_event, 2),
            self.lost.map_or("-".to_owned(), |lost| lost.to_string()),
            shown(self.p50_ms, 3),
            shown(self.p99_ms, 3),
        );
        let mut separator = "\n    ";
        for (key, value) in &self.more {
            let _ = match value {
                Value::String(text) => write!(row, "{separator}{key}: {text}"),
                value => write!(row, "{separator}{key} {value}"),
            };
            separator = "; ";
        }
        row
    }
}

pub(crate) fn per_second(events: u64, time: Duration) -> Option<f64> {
    (!time.is_zero()).then(|| rounded(events as f64 / time.as_secs_f64()))
}

/// Four digits that mean something; the rest is noise.
pub(crate) fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let digits = 3 - value.abs().log10().floor() as i32;
    if digits <= 0 {
        return value.round();
    }
    let scale = 10f64.powi(digits.min(9));
    (value * scale).round() / scale
}

fn shown(value: Option<f64>, digits: usize) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.digits$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_has_every_key_also_those_that_do_not_apply() {
        let figure = Figure::new("idle").rate(10, Duration::from_secs(2)).with("kibEach", 3);
        let json = serde_json::to_value(&figure).expect("it has text keys");
        for key in [
            "bench",
            "readers",
            "sessions",
            "events",
            "bytes",
            "seconds",
            "perSec",
            "baselinePerSec",
            "ratio",
            "cpuUsPerEvent",
            "lost",
            "p50Ms",
            "p99Ms",
            "kibEach",
        ] {
            assert!(json.get(key).is_some(), "{key}");
        }
        assert_eq!(json["perSec"], 5.0);
        assert_eq!(json["lost"], Value::Null);
    }

    #[test]
    fn a_ratio_is_ours_to_the_bare_one() {
        let figure = Figure::new("append").rate(100, Duration::from_secs(1)).beside(Some(400.0));
        assert_eq!(figure.ratio, Some(0.25));
        assert_eq!(Figure::new("append").beside(Some(400.0)).ratio, None);
    }

    #[test]
    fn four_digits_are_kept() {
        assert_eq!(rounded(1_234_567.8), 1_234_568.0);
        assert_eq!(rounded(0.123_456), 0.1235);
        assert_eq!(rounded(0.0), 0.0);
    }
}
