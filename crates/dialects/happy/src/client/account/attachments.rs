//! Files of a session: sealed here, stored there.

use rejoin_seal::BlobKey;

use super::super::Error;
use super::super::api::LARGEST_ATTACHMENT;
use super::{Account, OpenedSession};

impl Account {
    /// Seals a file and stores it, and gives back its reference: what an envelope of kind `file` names.
    pub async fn upload(&self, session: &OpenedSession, name: &str, file: &[u8]) -> Result<String, Error> {
        let size = file.len() + BlobKey::OVERHEAD;
        if size > LARGEST_ATTACHMENT {
            return Err(Error::TooLarge { what: "attachment", size, limit: LARGEST_ATTACHMENT });
        }
        let sealed = session.key.content().blob_key().seal(file);
        self.api().upload_sealed(session.id(), name, sealed).await
    }

    /// Fetches a file and opens it.
    pub async fn download(&self, session: &OpenedSession, reference: &str) -> Result<Vec<u8>, Error> {
        let sealed = self.api().download_sealed(session.id(), reference).await?;
        let opened = session.key.content().blob_key().open(&sealed);
        opened.map_err(|why| Error::io("opening an attachment", why))
    }
}
