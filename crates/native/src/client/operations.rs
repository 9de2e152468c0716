//! What those who run a gateway ask it.

use reqwest::Method;

use super::{Client, Error};

impl Client {
    /// Copies everything the gateway keeps into a folder on its machine that does not exist yet, while it goes on serving.
    /// Only for an owner, and only from that machine.
    pub async fn backup(&self, folder: &str) -> Result<(), Error> {
        let call = self.call_beside(Method::POST, ["admin", "backup"]).json(&serde_json::json!({ "path": folder }))?;
        // Asked a second time, the folder would be there already.
        self.tell(call.once().patient()).await
    }
}
