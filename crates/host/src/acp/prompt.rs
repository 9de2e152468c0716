//! What a person said, in the blocks that the agent takes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rejoin_core::part::Attachment;
use rejoin_core::turn::Prompt;
use serde_json::Value;

use super::wire::content::Block;
use super::wire::setup::Abilities;

pub(super) fn blocks(prompt: &Prompt, can: Abilities) -> Vec<Value> {
    let text = Block::Text(prompt.text.clone());
    let attached = prompt.attachments.iter().map(|attachment| attached(attachment, can));
    std::iter::once(text).chain(attached).map(|block| block.write()).collect()
}

fn attached(attachment: &Attachment, can: Abilities) -> Block {
    let (mime, name) = (attachment.mime.as_str(), attachment.name.as_deref().unwrap_or("attachment"));
    let Some(rest) = attachment.url.strip_prefix("data:") else {
        // Every agent takes links. What lies in our own store has no address that it could open.
        return if attachment.url.starts_with("blob:") {
            left_out(name, mime)
        } else {
            let (name, mime) = (Some(name.to_owned()), Some(mime.to_owned()));
            Block::Link { uri: attachment.url.clone(), name, mime }
        };
    };
    let Some((_, data)) = rest.split_once(";base64,") else { return left_out(name, mime) };
    if mime.starts_with("image/") && can.image {
        return Block::Image { mime: mime.to_owned(), data: data.to_owned(), uri: None };
    }
    let text = STANDARD.decode(data).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match text {
        Some(text) if can.embedded => {
            let name: String = name.chars().map(|letter| if letter.is_control() { '_' } else { letter }).collect();
            Block::Resource { uri: format!("attachment:///{name}"), mime: Some(mime.to_owned()), text }
        }
        Some(text) => Block::Text(format!("{name}:\n\n{text}")),
        None => left_out(name, mime),
    }
}

/// The agent is told what it does not see.
fn left_out(name: &str, mime: &str) -> Block {
    Block::Text(format!("[{name} ({mime}) was attached, and cannot be handed over to this agent]"))
}

#[cfg(test)]
mod tests {
    use rejoin_core::id::MessageId;
    use serde_json::json;

    use super::*;

    fn blocks_of(url: &str, mime: &str, can: Abilities) -> Vec<Value> {
        let attachment = Attachment { id: "a".into(), mime: mime.into(), name: Some("notes".into()), url: url.into() };
        let prompt =
            Prompt { message: MessageId::new("m").unwrap(), text: "look".into(), attachments: vec![attachment] };
        blocks(&prompt, can)
    }

    #[test]
    fn an_attachment_goes_over_in_the_best_form_that_the_agent_takes() {
        let all = Abilities { image: true, embedded: true, ..Abilities::default() };
        let none = Abilities::default();
        let (picture, text) = ("data:image/png;base64,AAAA", "data:text/plain;base64,aGVsbG8=");
        let seen = |url, mime, can| blocks_of(url, mime, can)[1].clone();
        assert_eq!(seen(picture, "image/png", all), json!({"type": "image", "mimeType": "image/png", "data": "AAAA"}));
        assert_eq!(seen(text, "text/plain", all)["resource"]["text"], "hello");
        assert_eq!(seen(text, "text/plain", none), json!({"type": "text", "text": "notes:\n\nhello"}));
        assert_eq!(seen("https://x/y", "text/html", none)["type"], "resource_link");
        for (url, mime) in [("data:image/png;base64,/w==", "image/png"), ("blob:00", "image/png"), ("data:x", "x")] {
            assert!(seen(url, mime, none)["text"].as_str().unwrap().contains("cannot be handed over"), "{url}");
        }
    }
}
