//! What an editor gives with a prompt, as a prompt of ours.

use rejoin_sdk::types::part::Attachment;
use serde_json::Value;

use super::wire::{Failed, code};

/// Blocks that one prompt may have.
const MOST_BLOCKS: usize = 1_000;

/// Text and attachments of a prompt's content blocks. Resources become text: their contents where they are given, their address
/// where they are not.
pub(super) fn read(blocks: &Value) -> Result<(String, Vec<Attachment>), Failed> {
    let blocks = blocks.as_array().filter(|blocks| blocks.len() <= MOST_BLOCKS);
    let blocks = blocks.ok_or_else(|| Failed::new(code::INVALID_PARAMS, "`prompt` is a list of content blocks"))?;
    let (mut text, mut attachments) = (String::new(), Vec::new());
    for block in blocks {
        let field = |name: &str| block.get(name).and_then(Value::as_str).unwrap_or_default();
        match field("type") {
            "text" => text.push_str(field("text")),
            "resource_link" => text.push_str(&format!("[{}]({})", field("name"), field("uri"))),
            "resource" => {
                let resource = &block["resource"];
                let uri = resource["uri"].as_str().unwrap_or_default();
                match resource["text"].as_str() {
                    Some(contents) => text.push_str(&format!("\n<file uri=\"{uri}\">\n{contents}\n</file>\n")),
                    None => text.push_str(&format!("[{uri}]({uri})")),
                }
            }
            "image" => attachments.push(Attachment {
                id: format!("image-{}", attachments.len() + 1),
                mime: field("mimeType").to_owned(),
                name: None,
                url: format!("data:{};base64,{}", field("mimeType"), field("data")),
            }),
            other => {
                return Err(Failed::new(
                    code::INVALID_PARAMS,
                    format!("a content block of type `{other}` is not taken"),
                ));
            }
        }
    }
    if text.trim().is_empty() && attachments.is_empty() {
        return Err(Failed::new(code::INVALID_PARAMS, "the prompt is empty"));
    }
    Ok((text, attachments))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn blocks_become_one_text_and_images_are_attached() {
        let blocks = json!([
            { "type": "text", "text": "look at " },
            { "type": "resource_link", "name": "main.rs", "uri": "file:///w/main.rs" },
            { "type": "resource", "resource": { "uri": "file:///w/a", "text": "A" } },
            { "type": "image", "mimeType": "image/png", "data": "AAAA" },
        ]);
        let (text, attachments) = read(&blocks).unwrap();
        assert_eq!(text, "look at [main.rs](file:///w/main.rs)\n<file uri=\"file:///w/a\">\nA\n</file>\n");
        assert_eq!(attachments[0].url, "data:image/png;base64,AAAA");
        for nothing in
            [json!([]), json!("text"), json!([{ "type": "text", "text": " " }]), json!([{ "type": "audio" }])]
        {
            assert_eq!(read(&nothing).unwrap_err().code, code::INVALID_PARAMS, "{nothing}");
        }
    }
}
