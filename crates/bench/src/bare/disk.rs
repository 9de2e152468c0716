//! The disk alone: bytes written to a file that has its room already, and synced, as a write-ahead log does it.
//!
//! A file that grows takes longer to sync, since its length has to be kept as well; so this is the faster way.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use rejoin_ports::store::Durability;

use crate::times::Times;

/// A write larger than this is several, as anybody would do it.
const MOST_AT_ONCE: usize = 4 << 20;
/// The file is written from its beginning again when it has been filled: about what a write-ahead log holds.
const ROOM: u64 = 32 << 20;

pub(crate) struct Disk {
    file: File,
    fill: Vec<u8>,
    at: u64,
    pub(crate) syncs: Times,
    pub(crate) spent: Duration,
    pub(crate) bytes: u64,
}

impl Disk {
    /// A file in the folder where the gateway keeps its own.
    pub(crate) fn in_folder(folder: &Path) -> anyhow::Result<Disk> {
        let path = folder.join("bare.log");
        let file = File::create(&path).with_context(|| format!("making {}", path.display()))?;
        let fill = vec![b'x'; MOST_AT_ONCE];
        for piece in 0..ROOM / MOST_AT_ONCE as u64 {
            file.write_all_at(&fill, piece * MOST_AT_ONCE as u64).context("making room for the bare log")?;
        }
        file.sync_all().context("making room for the bare log")?;
        Ok(Disk { file, fill, at: 0, syncs: Times::default(), spent: Duration::ZERO, bytes: 0 })
    }

    /// Writes so many bytes and waits until they are on the disk.
    pub(crate) fn append(&mut self, bytes: usize) -> anyhow::Result<Duration> {
        self.write(bytes, true)
    }

    fn write(&mut self, bytes: usize, synced: bool) -> anyhow::Result<Duration> {
        let start = Instant::now();
        let mut left = bytes;
        while left > 0 {
            let now = left.min(MOST_AT_ONCE);
            if self.at + now as u64 > ROOM {
                self.at = 0;
            }
            self.file.write_all_at(&self.fill[..now], self.at).context("writing the bare log")?;
            self.at += now as u64;
            left -= now;
        }
        if synced {
            self.file.sync_data().context("syncing the bare log")?;
        }
        let took = start.elapsed();
        self.syncs.push(took);
        self.spent += took;
        self.bytes += bytes as u64;
        Ok(took)
    }

    /// Writes `bytes` in `commits` equal pieces, each synced if that is how we do it.
    pub(crate) fn append_in(&mut self, bytes: u64, commits: u64, durability: Durability) -> anyhow::Result<()> {
        let commits = commits.max(1);
        for _ in 0..commits {
            self.write((bytes / commits) as usize, durability == Durability::Full)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_written_and_the_file_does_not_grow() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut disk = Disk::in_folder(folder.path()).expect("the folder can be written");
        disk.append_in(1_000, 4, Durability::Full).expect("the disk has room");
        for _ in 0..9 {
            disk.append(MOST_AT_ONCE + 1).expect("the disk has room");
        }
        let len = std::fs::metadata(folder.path().join("bare.log")).expect("it is there").len();
        assert_eq!(len, ROOM);
        assert_eq!((disk.bytes, disk.syncs.len()), (1_000 + 9 * (MOST_AT_ONCE as u64 + 1), 13));
    }
}
