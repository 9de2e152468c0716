//! How a message is meant: where it comes from, and with which settings its turn is to run.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    /// `cli`, `web`, `ios`, `android`, `mac`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission_mode: Option<PermissionMode>,
    #[serde(skip_serializing_if = "Setting::is_unchanged")]
    pub model: Setting<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_provider_id: Option<String>,
    #[serde(skip_serializing_if = "Setting::is_unchanged")]
    pub fallback_model: Setting<String>,
    #[serde(skip_serializing_if = "Setting::is_unchanged")]
    pub custom_system_prompt: Setting<String>,
    #[serde(skip_serializing_if = "Setting::is_unchanged")]
    pub append_system_prompt: Setting<String>,
    #[serde(skip_serializing_if = "Setting::is_unchanged")]
    pub allowed_tools: Setting<Vec<String>>,
    #[serde(skip_serializing_if = "Setting::is_unchanged")]
    pub disallowed_tools: Setting<Vec<String>>,
    #[serde(skip_serializing_if = "Setting::is_unchanged")]
    pub effort: Setting<String>,
    /// What is shown instead of the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_text: Option<String>,
}

impl Meta {
    pub fn sent_from(place: impl Into<String>) -> Meta {
        Meta { sent_from: Some(place.into()), ..Meta::default() }
    }
}

/// A field that may be absent, `null`, or a value: each means something else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Setting<T> {
    #[default]
    Unchanged,
    /// Back to what it is by default.
    Reset,
    To(T),
}

impl<T> Setting<T> {
    pub fn is_unchanged(&self) -> bool {
        matches!(self, Setting::Unchanged)
    }
}

impl<T: Serialize> Serialize for Setting<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Setting::To(value) => value.serialize(serializer),
            Setting::Reset | Setting::Unchanged => serializer.serialize_none(),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Setting<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Setting<T>, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Setting::Reset, Setting::To))
    }
}

/// What an agent may do without asking.
///
/// Older command lines know seven modes and take a message with any other for none of theirs: send them only those.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PermissionMode {
    #[serde(rename = "default")]
    Default,
    #[serde(rename = "acceptEdits")]
    AcceptEdits,
    #[serde(rename = "bypassPermissions")]
    BypassPermissions,
    #[serde(rename = "plan")]
    Plan,
    #[serde(rename = "read-only")]
    ReadOnly,
    #[serde(rename = "safe-yolo")]
    SafeYolo,
    #[serde(rename = "yolo")]
    Yolo,
    #[serde(untagged)]
    Other(String),
}
