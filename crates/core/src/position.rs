//! Where something stands in a log, and in which life of the log.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Unix time in milliseconds.
pub type Millis = u64;

/// The number of one event: 1 up to 2^53 − 1, so that even JavaScript reads it exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u64", into = "u64")] // plainly derived, a zero would slip past `new`
#[schemars(with = "u64")]
pub struct Seq(u64);

/// The newest number in a log, if it has one.
pub type Tip = Option<Seq>;

impl Seq {
    pub const FIRST: Seq = Seq(1);
    const LAST: u64 = (1 << 53) - 1;

    /// Zero is refused: "nothing heard yet" is `None`, not a number.
    pub fn new(raw: u64) -> Option<Seq> {
        (1..=Self::LAST).contains(&raw).then_some(Seq(raw))
    }
    pub fn get(self) -> u64 {
        self.0
    }
    pub fn next(self) -> Seq {
        Seq::new(self.0 + 1).expect("no session has 2^53 events")
    }
    /// The number behind `tip`.
    pub fn after(tip: Tip) -> Seq {
        tip.map_or(Seq::FIRST, Seq::next)
    }
}

impl TryFrom<u64> for Seq {
    type Error = &'static str;
    fn try_from(raw: u64) -> Result<Seq, &'static str> {
        Seq::new(raw).ok_or("a sequence number is from 1 to 2^53 - 1")
    }
}

impl From<Seq> for u64 {
    fn from(seq: Seq) -> u64 {
        seq.0
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// One life of a store. It changes when a backup is restored, so that positions of another life are recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:x}", self.0)
    }
}

impl FromStr for Epoch {
    type Err = BadPosition;
    fn from_str(text: &str) -> Result<Epoch, BadPosition> {
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit());
        if !plain {
            return Err(BadPosition);
        }
        u64::from_str_radix(text, 16).map(Epoch).map_err(|_| BadPosition)
    }
}

/// How far somebody is: everything up to `seq` (0: nothing yet) in the life `epoch`. Written `epoch.seq`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    pub epoch: Epoch,
    pub seq: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.epoch, self.seq)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a position is `epoch.seq` or a bare number")]
pub struct BadPosition;

/// What a reader says it has heard: a full position, or only a number where its protocol has no epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    pub epoch: Option<Epoch>,
    pub seq: u64,
}

impl Heard {
    pub const NOTHING: Heard = Heard { epoch: None, seq: 0 };
}

impl From<Position> for Heard {
    fn from(at: Position) -> Heard {
        Heard { epoch: Some(at.epoch), seq: at.seq }
    }
}

impl FromStr for Heard {
    type Err = BadPosition;
    fn from_str(text: &str) -> Result<Heard, BadPosition> {
        let (epoch, seq) = match text.split_once('.') {
            Some((epoch, seq)) => (Some(epoch.parse()?), seq),
            None => (None, text),
        };
        let plain = !seq.is_empty() && seq.bytes().all(|b| b.is_ascii_digit());
        let seq = seq.parse().ok().filter(|seq| plain && *seq <= Seq::LAST).ok_or(BadPosition)?;
        Ok(Heard { epoch, seq })
    }
}

impl FromStr for Position {
    type Err = BadPosition;
    fn from_str(text: &str) -> Result<Position, BadPosition> {
        let Heard { epoch, seq } = text.parse()?;
        Ok(Position { epoch: epoch.ok_or(BadPosition)?, seq })
    }
}

impl Serialize for Position {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Position, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Position {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Position".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "pattern": "^[0-9a-f]+\\.[0-9]+$",
            "description": "How far a reader is: `epoch.seq`."
        })
    }
}

/// How a returning reader becomes current again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatchUp {
    Current,
    From(Seq),
    /// It knows another life of this log: a restored backup, say. It is told so, and handed a snapshot.
    Snapshot,
}

/// What a log has, seen by a reader who comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub epoch: Epoch,
    pub newest: Tip,
    /// The first number given in this life of the store; earlier ones were given in another.
    pub lifted: Tip,
}

impl Head {
    pub fn catch_up(&self, reader: Heard) -> CatchUp {
        let newest = self.newest.map_or(0, Seq::get);
        let other_life = match reader.epoch {
            Some(epoch) => epoch != self.epoch,
            // Without an epoch, a number from before the restore cannot be told from one given after the backup.
            None => self.lifted.is_some_and(|first| (1..first.get()).contains(&reader.seq)),
        };
        if other_life || newest < reader.seq {
            return CatchUp::Snapshot;
        }
        if newest == reader.seq {
            return CatchUp::Current;
        }
        CatchUp::From(Seq::new(reader.seq + 1).expect("below the newest, which is a number"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_its_own_text() {
        let at = Position { epoch: Epoch(0xab12), seq: 7 };
        assert_eq!(at.to_string(), "ab12.7");
        assert_eq!("ab12.7".parse::<Position>(), Ok(at));
        assert_eq!("7".parse::<Heard>(), Ok(Heard { epoch: None, seq: 7 }));
        for bad in ["", ".", "x.1", "1.", "1.-1", "+1", "9007199254740993", "1.2.3", " 1"] {
            assert_eq!(bad.parse::<Heard>(), Err(BadPosition), "{bad:?}");
        }
    }

    #[test]
    fn a_reader_from_another_life_is_handed_a_snapshot() {
        let head = Head { epoch: Epoch(2), newest: Seq::new(9), lifted: None };
        let heard = |epoch, seq| head.catch_up(Heard { epoch, seq });
        assert_eq!(heard(Some(Epoch(2)), 9), CatchUp::Current);
        assert_eq!(heard(None, 0), CatchUp::From(Seq::FIRST));
        assert_eq!(heard(Some(Epoch(1)), 3), CatchUp::Snapshot);
        assert_eq!(heard(None, 10), CatchUp::Snapshot);
    }
}
