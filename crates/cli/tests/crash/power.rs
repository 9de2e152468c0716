//! A disk that forgets what was not synced: `undo.c`, preloaded into the gateway.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use crate::process::Disk;

/// Builds the preload. `None` where there is no compiler.
pub(crate) fn forgetful() -> Option<Disk> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let library = folder.path().join("undo.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crash/undo.c");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O2", "-o"])
        .arg(&library)
        .arg(source)
        .args(["-ldl", "-lpthread"])
        .status()
        .ok()?;
    assert!(built.success(), "undo.c compiles where there is a compiler");
    fs::create_dir(folder.path().join("undo")).expect("a fresh folder");
    Some(Disk::Forgetful(Arc::new(folder)))
}

/// Puts back what was overwritten and not synced, the newest first.
pub(crate) fn forget(undo: &Path) {
    let mut forgotten = 0;
    for entry in fs::read_dir(undo).expect("the undo folder is there").flatten() {
        let bytes = fs::read(entry.path()).expect("it can be read");
        let records = records(&bytes);
        for record in records.into_iter().rev() {
            // A file that has been removed since has nothing to forget.
            if let Ok(file) = fs::OpenOptions::new().write(true).open(&record.path) {
                file.write_all_at(record.old, record.offset).expect("old bytes are put back");
                file.set_len(record.size).expect("the old size is put back");
                forgotten += 1;
            }
        }
        fs::remove_file(entry.path()).expect("it is done with");
    }
    eprintln!("power cut: {forgotten} unsynced writes forgotten");
}

struct Record<'a> {
    size: u64,
    offset: u64,
    path: PathBuf,
    old: &'a [u8],
}

fn records(mut bytes: &[u8]) -> Vec<Record<'_>> {
    let mut all = Vec::new();
    // The last record may have been cut short by the kill: its write had not begun.
    while bytes.len() >= 32 {
        let number = |at: usize| u64::from_ne_bytes(bytes[at * 8..at * 8 + 8].try_into().expect("eight bytes"));
        let (size, offset, old, path) = (number(0), number(1), number(2) as usize, number(3) as usize);
        if bytes.len() < 32 + path + old {
            break;
        }
        let name = std::str::from_utf8(&bytes[32..32 + path]).expect("a plain path");
        all.push(Record { size, offset, path: name.into(), old: &bytes[32 + path..32 + path + old] });
        bytes = &bytes[32 + path + old..];
    }
    all
}
