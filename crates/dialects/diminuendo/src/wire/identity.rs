//! Who somebody is.

use serde::{Deserialize, Serialize};

/// The signed-in person, with exactly these three keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    pub user_id: String,
    pub email: String,
    pub tenant_id: String,
}
