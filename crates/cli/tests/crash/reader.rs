//! A reader that notes every line it is shown, and comes back where it was.

use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use serde_json::Value;
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message;

/// Where the gateway is at the moment, if it is.
pub(crate) type Where = watch::Receiver<Option<(String, String)>>;

/// What was shown: number and event, in the order of arrival. `position` is the last id.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) events: Vec<(u64, Value)>,
    pub(crate) position: Option<String>,
    pub(crate) complaints: Vec<String>,
    pub(crate) resumed: usize,
}

#[derive(Clone)]
pub(crate) struct Reader {
    pub(crate) session: String,
    pub(crate) notes: Arc<Mutex<Notes>>,
    pub(crate) news: watch::Sender<u64>,
}

impl Reader {
    pub(crate) fn follow(session: &str, gateway: Where) -> Reader {
        let reader = Reader { session: session.to_owned(), notes: Arc::default(), news: watch::Sender::new(0) };
        tokio::spawn(reader.clone().run(gateway));
        reader
    }

    async fn run(self, mut gateway: Where) {
        loop {
            let here = gateway.borrow_and_update().clone();
            if let Some((url, key)) = &here {
                let _ = self.read(url, key).await; // it breaks off when the gateway dies
            }
            let same = here.is_some() && *gateway.borrow() == here;
            tokio::select! {
                changed = gateway.changed() => if changed.is_err() { return },
                // Refused, or cut off before we hear of the death: once more, but not in a frenzy.
                () = tokio::time::sleep(std::time::Duration::from_millis(5)), if same => {}
            }
        }
    }

    async fn read(&self, url: &str, key: &str) -> anyhow::Result<()> {
        let after = self.notes.lock().unwrap().position.clone().unwrap_or_else(|| "0".to_owned());
        let url = format!(
            "{}/api/v1/sessions/{}/socket?after={after}&key={key}",
            url.replacen("http", "ws", 1),
            self.session
        );
        let (mut socket, _) = tokio_tungstenite::connect_async(&url).await?;
        self.notes.lock().unwrap().resumed += 1;
        while let Some(frame) = socket.next().await {
            if let Message::Text(text) = frame? {
                self.note(serde_json::from_str(&text)?);
            }
        }
        Ok(())
    }

    fn note(&self, frame: Value) {
        let mut notes = self.notes.lock().unwrap();
        if let Some(event) = frame.get("event") {
            let seq = event["seq"].as_u64().expect("events have numbers");
            let last = notes.events.last().map_or(0, |(seq, _)| *seq);
            if seq != last + 1 {
                notes.complaints.push(format!("{seq} came behind {last}"));
            }
            notes.position = Some(format!("{}.{seq}", event["epoch"].as_str().expect("events have an epoch")));
            let mut event = event.clone();
            event.as_object_mut().expect("an object").remove("epoch");
            notes.events.push((seq, event));
            drop(notes);
            self.news.send_modify(|count| *count += 1);
        } else if frame.get("gap").is_some() {
            notes.complaints.push("a gap, although nothing was restored".to_owned());
        }
    }

    pub(crate) fn last(&self) -> u64 {
        self.notes.lock().unwrap().events.last().map_or(0, |(seq, _)| *seq)
    }
}
