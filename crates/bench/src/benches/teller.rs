//! An agent that does nothing but tell, for the benches: on stdin and stdout, over the Agent Client Protocol.

use std::io::{BufRead, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// The one session that it has.
pub(super) const SESSION: &str = "told";
/// Between two stamps. Much longer than a commit takes, so that each is alone.
const PACE: Duration = Duration::from_millis(4);

pub(super) fn token(number: u64) -> String {
    format!("tok{number} ")
}

/// Answers until nobody asks any more. A prompt `N` tells so many tokens, `N paced` so many times of the clock. Each is
/// written by itself, as agents do that show what they think while they think it.
pub(crate) fn run() -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let asked: Value = serde_json::from_str(&line?)?;
        let result = match asked["method"].as_str() {
            Some("initialize") => json!({ "protocolVersion": 1, "agentCapabilities": {} }),
            Some("session/new") => json!({ "sessionId": SESSION }),
            Some("session/prompt") => {
                tell(asked["params"]["prompt"][0]["text"].as_str().unwrap_or_default(), &mut out)?;
                json!({ "stopReason": "end_turn" })
            }
            _ => json!({}),
        };
        if asked.get("id").is_some() {
            write(&mut out, &json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result }))?;
        }
    }
    Ok(())
}

fn tell(wanted: &str, out: &mut impl Write) -> anyhow::Result<()> {
    let (count, is_paced) = match wanted.split_once(' ') {
        Some((count, _)) => (count, true),
        None => (wanted, false),
    };
    for number in 0..count.parse::<u64>().unwrap_or(0) {
        let text = if is_paced {
            std::thread::sleep(PACE);
            format!("{} ", SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos())
        } else {
            token(number)
        };
        let update = json!({ "sessionUpdate": "agent_message_chunk", "content": { "type": "text", "text": text } });
        let params = json!({ "sessionId": SESSION, "update": update });
        write(out, &json!({ "jsonrpc": "2.0", "method": "session/update", "params": params }))?;
    }
    Ok(())
}

fn write(out: &mut impl Write, message: &Value) -> anyhow::Result<()> {
    out.write_all(format!("{message}\n").as_bytes())?;
    out.flush()?;
    Ok(())
}
