//! Machines, opened.

use rejoin_seal::Content;
use uuid::Uuid;

use super::super::key::{Key, Keys};
use super::super::{Error, MachineClient, MachineOptions};
use super::Account;
use crate::payload::{DaemonState, MachineMetadata};
use crate::wire::Machine;

/// A machine to register.
#[derive(Debug, Clone)]
pub struct NewMachine {
    /// A UUID that this computer keeps.
    pub id: String,
    pub metadata: MachineMetadata,
    pub daemon_state: Option<DaemonState>,
}

impl NewMachine {
    /// One with a fresh id.
    pub fn new(metadata: MachineMetadata) -> NewMachine {
        NewMachine { id: Uuid::now_v7().to_string(), metadata, daemon_state: None }
    }
}

/// A machine and the key to it.
#[derive(Debug, Clone)]
pub struct OpenedMachine {
    /// As the server shows it.
    pub record: Machine,
    pub key: Key,
}

impl OpenedMachine {
    pub fn id(&self) -> &str {
        &self.record.id
    }

    /// None: it cannot be read.
    pub fn metadata(&self) -> Option<MachineMetadata> {
        self.key.open_as(&self.record.metadata)
    }

    /// None: there is none, or it cannot be read.
    pub fn daemon_state(&self) -> Option<DaemonState> {
        self.key.open_as(self.record.daemon_state.as_deref()?)
    }
}

impl Account {
    /// Registers a machine, or loads the one that has this id.
    pub async fn register_machine(&self, new: &NewMachine) -> Result<OpenedMachine, Error> {
        let (key, wrapped) = match self.keys() {
            Keys::Secret { secret, .. } => (Key::new(Content::Legacy(secret.clone())), None),
            keys @ Keys::Terminal { machine_key, .. } => {
                let (key, wrapped) = keys.wrap(machine_key.clone());
                (key, Some(wrapped))
            }
        };
        let metadata = key.seal(&new.metadata)?;
        let state = new.daemon_state.as_ref().map(|state| key.seal(state)).transpose()?;
        let record = self.api().register_machine(&new.id, &metadata, state.as_deref(), wrapped.as_deref()).await?;
        // One from before has the key that it got then. A terminal's is always the same one, wrapped anew.
        let key = self.keys().of_record("registering a machine", record.data_encryption_key.as_deref()).unwrap_or(key);
        Ok(OpenedMachine { record, key })
    }

    /// All machines that can be opened.
    pub async fn machines(&self) -> Result<Vec<OpenedMachine>, Error> {
        let records = self.api().machines().await?;
        Ok(records.into_iter().filter_map(|record| self.open_machine(record).ok()).collect())
    }

    /// Finds the key to a machine.
    pub fn open_machine(&self, record: Machine) -> Result<OpenedMachine, Error> {
        let key = match self.keys().of_record("opening a machine", record.data_encryption_key.as_deref()) {
            Ok(key) => key,
            Err(error) => {
                // A terminal has one key for all that its own machine is called.
                let Keys::Terminal { machine_key, .. } = self.keys() else { return Err(error) };
                let key = Key::new(Content::DataKey(machine_key.clone()));
                key.open(&record.metadata).map_err(|_| error)?;
                key
            }
        };
        Ok(OpenedMachine { record, key })
    }

    /// Stands for a machine: says that it is there, and answers calls to it.
    ///
    /// Must be called within a Tokio runtime.
    pub fn machine_client(&self, machine: &OpenedMachine, options: MachineOptions) -> MachineClient {
        MachineClient::open(self, machine, options)
    }
}
