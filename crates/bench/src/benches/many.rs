//! Many sessions at once: creating them, and giving each something to do.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde_json::json;
use tokio::sync::Mutex;

use crate::gateway::{Door, seq_of};
use crate::http::Http;

/// Connections that ask at once.
const ASKING: usize = 8;
/// How long a gateway that says "too many" is left alone, and how often in a row.
const PAUSE: Duration = Duration::from_millis(20);
const PAUSES: usize = 500;

/// Creates `count` sessions of the scripted agent.
pub(crate) async fn create(door: &Door, count: u64) -> anyhow::Result<Vec<String>> {
    let body = Arc::new(json!({ "agent": "script" }).to_string());
    let asked = (0..count).map(|_| ("/api/v1/sessions".to_owned(), body.clone())).collect();
    let answers = ask_all(door, asked).await?;
    let id = |answer: serde_json::Value| answer["id"].as_str().map(str::to_owned).context("a session without an id");
    answers.into_iter().map(id).collect()
}

/// Prompts all of them with the same text. Gives the newest number of each then.
pub(crate) async fn prompt(door: &Door, sessions: &[String], text: &str) -> anyhow::Result<Vec<u64>> {
    let body = Arc::new(json!({ "type": "prompt", "text": text, "ifBusy": "refuse" }).to_string());
    let asked = sessions.iter().map(|id| (format!("/api/v1/sessions/{id}/commands"), body.clone())).collect();
    let answers = ask_all(door, asked).await?;
    answers.iter().map(seq_of).collect()
}

async fn ask_all(door: &Door, asked: Vec<(String, Arc<String>)>) -> anyhow::Result<Vec<serde_json::Value>> {
    let count = asked.len();
    let waiting = Arc::new(Mutex::new(asked.into_iter().enumerate()));
    let askers: Vec<_> = (0..ASKING)
        .map(|_| {
            let (door, waiting) = (door.clone(), waiting.clone());
            tokio::spawn(async move {
                let mut http = Http::connect(&door).await?;
                let mut answers = Vec::new();
                loop {
                    let Some((place, (path, body))) = waiting.lock().await.next() else {
                        return anyhow::Ok(answers);
                    };
                    answers.push((place, patiently(&mut http, &path, &body).await?));
                }
            })
        })
        .collect();
    let mut answers = vec![serde_json::Value::Null; count];
    for asker in askers {
        for (place, answer) in asker.await.context("an asker panicked")?? {
            answers[place] = answer;
        }
    }
    Ok(answers)
}

async fn patiently(http: &mut Http, path: &str, body: &str) -> anyhow::Result<serde_json::Value> {
    for _ in 0..PAUSES {
        match http.ask("POST", path, body).await? {
            200 | 201 => return serde_json::from_slice(&http.body).context("reading an answer"),
            429 => tokio::time::sleep(PAUSE).await,
            status => anyhow::bail!("POST {path}: {status}: {}", String::from_utf8_lossy(&http.body)),
        }
    }
    anyhow::bail!("POST {path}: too many requests, again and again")
}
