//! How things look to a person. Everything here is pure: values in, text out.

pub(crate) mod ask;
pub(crate) mod clean;
pub(crate) mod part;
pub(crate) mod style;
pub(crate) mod table;
pub(crate) mod transcript;
pub(crate) mod when;
