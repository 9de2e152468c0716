//! What the model says.

use serde_json::Value;

use super::Wire;

/// A part of a reply.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Text, told word by word.
    Text(String),
    /// A call of a tool that the agent offers.
    Tool { name: String, input: Value },
    /// Nothing until [`Model::release`](super::Model::release).
    Stall,
    /// The connection breaks.
    Cut,
    /// The request is refused. Only as the first and only step.
    Error { status: u16, message: String },
}

/// One answer of the model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reply(pub Vec<Step>);

/// Replies for conversations in which a word occurs: the first one, and one after each tool result.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    pub word: String,
    pub replies: Vec<Reply>,
}

impl Reply {
    pub fn text(text: &str) -> Reply {
        Reply(vec![Step::Text(text.to_owned())])
    }
    pub fn tool(name: &str, input: Value) -> Reply {
        Reply(vec![Step::Tool { name: name.to_owned(), input }])
    }

    pub(super) fn error(&self) -> Option<(u16, &str)> {
        match self.0.as_slice() {
            [Step::Error { status, message }] => Some((*status, message)),
            _ => None,
        }
    }
    /// All of its text.
    pub(super) fn all_text(&self) -> String {
        let texts = self.0.iter().filter_map(|step| match step {
            Step::Text(text) => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }
    pub(super) fn calls_tools(&self) -> bool {
        self.0.iter().any(|step| matches!(step, Step::Tool { .. }))
    }
}

impl Script {
    pub fn new(word: &str, replies: Vec<Reply>) -> Script {
        Script { word: word.to_owned(), replies }
    }
}

/// Words with the blanks behind them, as models stream them.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(' ')
}

/// The reply for a conversation.
pub(super) fn reply(scripts: &[Script], wire: Wire, asked: &Value) -> Reply {
    let conversation = conversation(wire, asked).to_string();
    // What was said last counts.
    let said = scripts.iter().filter_map(|script| Some((conversation.rfind(&script.word)?, script)));
    let Some((_, script)) = said.max_by_key(|(at, _)| *at) else {
        return Reply::text("I have nothing to say about that.");
    };
    let at = results_behind(wire, asked, &script.word);
    let reply = script.replies.get(at).cloned().unwrap_or_else(|| Reply::text("Done."));
    // Whoever asks for a title or a summary offers no tools.
    let unknown = |step: &Step| matches!(step, Step::Tool { name, .. } if !offers(asked, name));
    if reply.0.iter().any(unknown) { Reply::text("A scripted conversation") } else { reply }
}

fn conversation(wire: Wire, asked: &Value) -> &Value {
    let key = if wire == Wire::Responses { "input" } else { "messages" };
    asked.get(key).unwrap_or(&Value::Null)
}

/// How many tool results stand behind the last message with the word.
fn results_behind(wire: Wire, asked: &Value, word: &str) -> usize {
    let Some(items) = conversation(wire, asked).as_array() else { return 0 };
    let is_result =
        |item: &Value| item.get("type").is_some_and(|kind| kind == "function_call_output" || kind == "tool_result");
    let results = |item: &Value| match wire {
        Wire::Chat => usize::from(item.get("role").is_some_and(|role| role == "tool")),
        Wire::Responses => usize::from(is_result(item)),
        Wire::Messages => item
            .get("content")
            .and_then(Value::as_array)
            .map_or(0, |blocks| blocks.iter().filter(|one| is_result(one)).count()),
    };
    let of_user = |item: &Value| item.get("role").is_some_and(|role| role == "user") && results(item) == 0;
    let said = items.iter().rposition(|item| of_user(item) && item.to_string().contains(word));
    let rounds = items[said.unwrap_or(0)..].iter().filter(|item| results(item) > 0);
    rounds.count()
}

fn offers(asked: &Value, name: &str) -> bool {
    let tools = asked.get("tools").and_then(Value::as_array);
    tools.is_some_and(|tools| {
        let named = |tool: &Value| {
            let plain = tool.get("name").and_then(Value::as_str);
            plain.or_else(|| tool.pointer("/function/name").and_then(Value::as_str)) == Some(name)
        };
        tools.iter().any(named)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_reply_follows_the_results_behind_the_word() {
        let scripts = [Script::new("fix", vec![Reply::tool("shell", json!({})), Reply::text("fixed")])];
        let tools = json!([{ "type": "function", "function": { "name": "shell" } }]);
        let mut asked = json!({ "messages": [{ "role": "user", "content": "fix it" }], "tools": tools });
        assert!(reply(&scripts, Wire::Chat, &asked).calls_tools());
        asked["messages"].as_array_mut().unwrap().push(json!({ "role": "tool", "content": "ok" }));
        assert_eq!(reply(&scripts, Wire::Chat, &asked), Reply::text("fixed"));
        asked["tools"] = json!([]);
        asked["messages"].as_array_mut().unwrap().pop();
        assert!(!reply(&scripts, Wire::Chat, &asked).calls_tools(), "a title is asked for without tools");
    }
}
