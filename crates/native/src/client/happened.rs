//! One event as it travels: a line of the log and the life of the log it belongs to.

use rejoin_core::event::{Event, Logged};
use rejoin_core::position::{Epoch, Position};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::problem::Error;

/// An event with its number, and the epoch in which the number was given.
#[derive(Debug, Clone, PartialEq)]
pub struct Happened {
    pub epoch: Epoch,
    pub logged: Logged,
}

impl Happened {
    pub fn position(&self) -> Position {
        Position { epoch: self.epoch, seq: self.logged.seq.get() }
    }

    /// Reads one event, as JSON.
    pub fn read(line: &[u8]) -> Result<Happened, Error> {
        #[derive(Deserialize)]
        struct Life {
            epoch: String,
        }
        let unreadable = |why: String| Error::Unreadable { what: "an event", why };
        let Life { epoch } = serde_json::from_slice(line).map_err(|e| unreadable(e.to_string()))?;
        let epoch = epoch.parse().map_err(|_| unreadable(format!("`{epoch}` is no epoch")))?;
        let mut logged = Logged::read(line).map_err(|e| unreadable(e.to_string()))?;
        // A kind that we do not know keeps all fields that came, and the epoch is none of its own.
        if let Event::Unknown(serde_json::Value::Object(fields)) = &mut logged.event {
            fields.remove("epoch");
        }
        Ok(Happened { epoch, logged })
    }
}

impl<'de> Deserialize<'de> for Happened {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Happened, D::Error> {
        let line = Box::<RawValue>::deserialize(from)?;
        Happened::read(line.get().as_bytes()).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Happened {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Line<'a> {
            epoch: String,
            seq: u64,
            at: u64,
            author: &'a rejoin_core::who::Author,
            #[serde(flatten)]
            event: &'a Event,
        }
        Line {
            epoch: self.epoch.to_string(),
            seq: self.logged.seq.get(),
            at: self.logged.at,
            author: &self.logged.author,
            event: &self.logged.event,
        }
        .serialize(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_survives_its_own_text_also_when_its_kind_is_new() {
        for line in [
            r#"{"epoch":"a1","seq":7,"at":5,"author":{"user":"u","door":"native"},"type":"sessionArchived"}"#,
            r#"{"epoch":"a1","seq":8,"at":5,"author":{"user":"u","door":"native"},"type":"moonRose","phase":"full"}"#,
        ] {
            let happened = Happened::read(line.as_bytes()).unwrap();
            assert_eq!(happened.position().epoch, Epoch(0xa1));
            let again = serde_json::to_value(&happened).unwrap();
            let whole: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(again, whole);
        }
    }

    #[test]
    fn an_event_without_an_epoch_is_refused() {
        let line = br#"{"seq":7,"at":5,"author":{"user":"u","door":"native"},"type":"sessionArchived"}"#;
        assert!(Happened::read(line).is_err());
    }
}
