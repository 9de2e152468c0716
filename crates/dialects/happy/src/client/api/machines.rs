//! Machines, as the server keeps them.

use serde::Deserialize;
use serde_json::json;

use super::super::Error;
use super::super::http::{Api, Ask};
use super::segment;
use crate::wire::Machine;

#[derive(Deserialize)]
struct One {
    machine: Machine,
}

impl Api {
    /// Registers a machine, or gives back the one that has this id already. One of another account is a conflict (409).
    pub async fn register_machine(
        &self,
        id: &str,
        metadata: &str,
        daemon_state: Option<&str>,
        data_encryption_key: Option<&str>,
    ) -> Result<Machine, Error> {
        let mut body = json!({ "id": id, "metadata": metadata, "dataEncryptionKey": data_encryption_key });
        if let Some(state) = daemon_state {
            body["daemonState"] = state.into(); // its absence is not null
        }
        let one: One = self.ask(Ask::post("registering a machine", "/v1/machines").json(&body).safe()).await?;
        Ok(one.machine)
    }

    pub async fn machines(&self) -> Result<Vec<Machine>, Error> {
        self.ask(Ask::get("listing machines", "/v1/machines")).await
    }

    pub async fn machine(&self, id: &str) -> Result<Machine, Error> {
        let one: One = self.ask(Ask::get("reading a machine", format!("/v1/machines/{}", segment(id)))).await?;
        Ok(one.machine)
    }

    pub async fn delete_machine(&self, id: &str) -> Result<(), Error> {
        self.tell(Ask::delete("deleting a machine", format!("/v1/machines/{}", segment(id)))).await
    }
}
