//! Taking one entry away.

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::beneath;
use crate::confine::Root;
use crate::path_error::PathError;

/// Deletes a file, a link (never what it leads to) or an empty folder.
pub fn delete(root: &Root, path: &str) -> Result<(), PathError> {
    let entry = root.resolve_entry(path)?;
    let (Some(parent), Some(name)) = (entry.parent(), entry.relative().file_name()) else {
        return Err(PathError::invalid(path, "the workspace itself is not deleted"));
    };
    let failed = |error| match error {
        Errno::NOTEMPTY | Errno::EXIST => PathError::invalid(path, "the folder is not empty"),
        error => PathError::io(path, "deleting it", error),
    };
    let handle = OFlags::PATH | OFlags::DIRECTORY;
    let folder = beneath::open(root.folder(), parent.relative(), handle, Mode::empty()).map_err(failed)?;
    let stat = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
    let flags = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => AtFlags::REMOVEDIR,
        _ => AtFlags::empty(),
    };
    rustix::fs::unlinkat(&folder, name, flags).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_goes_and_what_it_leads_to_stays() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("ws/full")).unwrap();
        fs::create_dir(dir.path().join("ws/empty")).unwrap();
        fs::write(dir.path().join("ws/full/f"), "").unwrap();
        fs::write(dir.path().join("out"), "").unwrap();
        symlink("../out", dir.path().join("ws/link")).unwrap();
        symlink("..", dir.path().join("ws/up")).unwrap();
        let root = Root::open(&dir.path().join("ws")).unwrap();

        delete(&root, "link").unwrap();
        assert!(matches!(delete(&root, "up/out"), Err(PathError::Outside { .. })));
        assert!(dir.path().join("out").exists());
        assert!(matches!(delete(&root, "full"), Err(PathError::Invalid { .. })));
        delete(&root, "full/f").unwrap();
        delete(&root, "full").unwrap();
        delete(&root, "empty").unwrap();
        assert!(matches!(delete(&root, "empty"), Err(PathError::NotFound { .. })));
        assert!(matches!(delete(&root, ""), Err(PathError::Invalid { .. })));
        assert!(matches!(delete(&root, "../out"), Err(PathError::Outside { .. })));
    }
}
