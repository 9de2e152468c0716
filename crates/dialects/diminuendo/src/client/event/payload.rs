//! What payloads have in common.

use super::Event;

/// The payload of one kind of event: what ties the type of a handler's argument to the name of what it hears.
pub trait Payload: Sized {
    /// The name on the wire.
    const NAME: &'static str;
    /// This payload, if the event has it.
    fn of(event: &Event) -> Option<&Self>;
}

/// Payloads with the fields that every event of a turn (`turn`) or of a session (`session`) has.
macro_rules! payloads {
    ($($(#[$doc:meta])* $name:ident $family:ident { $($fields:tt)* })*) => {
        $(payloads!(@$family $(#[$doc])* $name { $($fields)* });)*
    };
    (@turn $(#[$doc:meta])* $name:ident { $($(#[$on:meta])* $field:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        pub struct $name {
            pub session_id: String,
            /// Empty outside a turn.
            pub turn_id: String,
            $($(#[$on])* pub $field: $type,)*
            /// Its number in the session.
            pub seq: Option<u64>,
            /// When it happened, in milliseconds of Unix time.
            pub ts: Option<u64>,
        }
    };
    (@session $(#[$doc:meta])* $name:ident { $($(#[$on:meta])* $field:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        pub struct $name {
            pub session_id: String,
            $($(#[$on])* pub $field: $type,)*
            /// Its number in the session.
            pub seq: Option<u64>,
            /// When it happened, in milliseconds of Unix time.
            pub ts: Option<u64>,
        }
    };
}
pub(super) use payloads;
