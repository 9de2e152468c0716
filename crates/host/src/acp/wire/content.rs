//! Blocks of content, in messages and in results of tools.

use serde_json::{Value, json};

use super::{members, take_text};

#[derive(Debug, Clone, PartialEq)]
pub(in crate::acp) enum Block {
    Text(String),
    Image {
        mime: String,
        data: String,
        uri: Option<String>,
    },
    /// Something that lies elsewhere.
    Link {
        uri: String,
        name: Option<String>,
        mime: Option<String>,
    },
    /// Something whose text came along.
    Resource {
        uri: String,
        mime: Option<String>,
        text: String,
    },
    Other(Value),
}

impl Block {
    pub(in crate::acp) fn read(value: Value) -> Block {
        let kind = super::text(&value, "type").unwrap_or_default().to_owned();
        if !is_whole(&kind, &value) {
            return Block::Other(value);
        }
        let mut block = members(value);
        match kind.as_str() {
            "text" => Block::Text(take_text(&mut block, "text").unwrap_or_default()),
            "image" => Block::Image {
                mime: take_text(&mut block, "mimeType").unwrap_or_else(|| "image/png".to_owned()),
                data: take_text(&mut block, "data").unwrap_or_default(),
                uri: take_text(&mut block, "uri"),
            },
            "resource_link" => Block::Link {
                uri: take_text(&mut block, "uri").unwrap_or_default(),
                name: take_text(&mut block, "name"),
                mime: take_text(&mut block, "mimeType"),
            },
            _ => {
                let mut resource = members(block.remove("resource").unwrap_or_default());
                Block::Resource {
                    uri: take_text(&mut resource, "uri").unwrap_or_default(),
                    mime: take_text(&mut resource, "mimeType"),
                    text: take_text(&mut resource, "text").unwrap_or_default(),
                }
            }
        }
    }

    /// As it goes on a wire.
    pub(in crate::acp) fn write(&self) -> Value {
        match self {
            Block::Text(text) => json!({"type": "text", "text": text}),
            Block::Image { mime, data, uri: None } => json!({"type": "image", "mimeType": mime, "data": data}),
            Block::Image { mime, data, uri: Some(uri) } => {
                json!({"type": "image", "mimeType": mime, "data": data, "uri": uri})
            }
            Block::Link { uri, name, mime } => {
                let name = name.as_deref().unwrap_or(uri);
                let mut link = json!({"type": "resource_link", "uri": uri, "name": name});
                if let Some(mime) = mime {
                    link["mimeType"] = mime.as_str().into();
                }
                link
            }
            Block::Resource { uri, mime, text } => {
                let mut resource = json!({"uri": uri, "text": text});
                if let Some(mime) = mime {
                    resource["mimeType"] = mime.as_str().into();
                }
                json!({"type": "resource", "resource": resource})
            }
            Block::Other(value) => value.clone(),
        }
    }
}

/// Whether a block has what its kind needs.
fn is_whole(kind: &str, value: &Value) -> bool {
    match kind {
        "text" => super::text(value, "text").is_some(),
        "image" => super::text(value, "data").is_some(),
        "resource_link" => super::text(value, "uri").is_some(),
        "resource" => value.get("resource").is_some_and(|resource| super::text(resource, "text").is_some()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_that_has_a_word_here_is_written_as_it_was_read() {
        for block in [
            json!({"type": "text", "text": "hello"}),
            json!({"type": "image", "mimeType": "image/png", "data": "AA=="}),
            json!({"type": "image", "mimeType": "image/png", "data": "AA==", "uri": "file:///a.png"}),
            json!({"type": "resource_link", "uri": "file:///a", "name": "a"}),
            json!({"type": "resource_link", "uri": "file:///a", "name": "a", "mimeType": "text/plain"}),
            json!({"type": "resource", "resource": {"uri": "file:///a", "text": "x", "mimeType": "text/plain"}}),
            json!({"type": "audio", "mimeType": "audio/wav", "data": "AA=="}),
            json!({"type": "text"}),
            json!("nothing of the kind"),
        ] {
            assert_eq!(Block::read(block.clone()).write(), block);
        }
    }
}
