//! Blobs: files named by what is in them, apart for each tenant.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::SystemTime;

use aws_lc_rs::digest;
use rejoin_core::id::TenantId;

use crate::BLOBS;

pub(crate) struct Blobs {
    folder: PathBuf,
    /// Names for files that are not complete yet.
    unfinished: AtomicU64,
    /// Held while a blob is found to be there or to be superfluous: so that none is removed just when somebody wants it.
    deciding: Mutex<()>,
}

impl Blobs {
    pub(crate) fn new(data: &Path) -> Blobs {
        Blobs { folder: data.join(BLOBS), unfinished: AtomicU64::new(0), deciding: Mutex::default() }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes it, unless it is there. Afterwards it survives a power cut.
    pub(crate) fn put(&self, tenant: &TenantId, bytes: &[u8]) -> io::Result<String> {
        let hash = hex(digest::digest(&digest::SHA256, bytes).as_ref());
        let path = self.path(tenant, &hash);
        {
            let _deciding = self.deciding.lock().expect("no holder of this lock panics");
            match File::options().write(true).open(&path) {
                // As if it had just been put: whoever sweeps leaves it until something names it.
                Ok(file) if file.metadata()?.len() == bytes.len() as u64 => {
                    file.set_modified(SystemTime::now())?;
                    path.parent().map_or(Ok(()), sync_folder)?; // whoever put it may still be about to
                    return Ok(hash);
                }
                Ok(_) => {} // cut off by a disk that did not keep its word
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let shelf = path.parent().expect("a blob lies on a shelf");
        make_folders(shelf, &self.folder)?;
        let name = format!("unfinished-{}", self.unfinished.fetch_add(1, Relaxed));
        let unfinished = shelf.join(name);
        let written = File::create(&unfinished).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)?;
            sync_folder(shelf)
        });
        if written.is_err() {
            let _ = fs::remove_file(&unfinished); // the first error is the one to tell
        }
        written.map(|()| hash)
    }

    pub(crate) fn get(&self, tenant: &TenantId, hash: &str) -> io::Result<Option<Vec<u8>>> {
        if !is_hash(hash) {
            return Ok(None);
        }
        match fs::read(self.path(tenant, hash)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes a blob that was put before `before`, if `is_named` says that nothing names it.
    pub(crate) fn sweep<E: From<io::Error>>(
        &self,
        path: &Path,
        before: SystemTime,
        is_named: impl FnOnce() -> Result<bool, E>,
    ) -> Result<(), E> {
        let _deciding = self.deciding.lock().expect("no holder of this lock panics");
        if fs::metadata(path)?.modified()? < before && !is_named()? {
            fs::remove_file(path)?;
        }
        Ok(())
    }

    fn path(&self, tenant: &TenantId, hash: &str) -> PathBuf {
        let (shelf, name) = hash.split_at(2);
        self.folder.join(tenant_folder(tenant.as_str())).join(shelf).join(name)
    }
}

/// A tenant's name may have any letter and any length; a folder's may not.
pub(crate) fn tenant_folder(tenant: &str) -> String {
    let digest = digest::digest(&digest::SHA256, tenant.as_bytes());
    hex(&digest.as_ref()[..16])
}

pub(crate) fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Makes what is missing of `folder` below and with `top`; each new name is synced into its parent.
fn make_folders(folder: &Path, top: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent().filter(|_| folder != top) {
        make_folders(parent, top)?;
    }
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    folder.parent().map_or(Ok(()), sync_folder)
}

pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Every blob below `from` also below `to`: linked where the file system can, else copied and synced.
pub(crate) fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_all(&source, &target)?;
        } else if !target.exists() && !is_unfinished(&source) {
            // A blob never changes, so two names for one file are as good as two files.
            match fs::hard_link(&source, &target) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(_) => {
                    fs::copy(&source, &target)?;
                    File::open(&target)?.sync_all()?;
                }
            }
        }
    }
    sync_folder(to)
}

pub(crate) fn is_unfinished(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("unfinished-"))
}
