//! A fence of the kernel's (Landlock) around a tool: it reads what it needs and writes to its workspace.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr,
    RulesetError, Scope, path_beneath_rules,
};
use rustix::thread::CapabilitySet;
use thiserror::Error;

/// The rights we ask for; an older kernel gives those it knows. V5 is the last that added any over files.
const RIGHTS: ABI = ABI::V5;
/// Entries of a folder that are allowed one by one because a hidden one is among them.
const SIBLINGS: usize = 4_096;

/// Where programs, libraries and their settings are. /proc as a whole, since `self` is another process each time; the
/// kernel keeps a caged process from looking into others there.
const READABLE: &[&str] = &[
    "/bin", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/nix", "/opt", "/proc", "/run", "/sbin", "/snap", "/sys",
    "/usr", "/var/lib",
];

/// What lets root look into other processes, environment and all, past the fence. Whoever is not root has none of it.
const PRYING: CapabilitySet = CapabilitySet::SYS_ADMIN.union(CapabilitySet::SYS_PTRACE).union(CapabilitySet::PERFMON);

/// Devices that hold nothing, and those that programs need to talk to a terminal or to each other.
const WRITABLE: &[&str] = &[
    "/dev/full",
    "/dev/null",
    "/dev/ptmx",
    "/dev/pts",
    "/dev/random",
    "/dev/shm",
    "/dev/tty",
    "/dev/urandom",
    "/dev/zero",
];

/// Whether a tool is fenced in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cage {
    #[default]
    Off,
    /// Reads the system and HOME; writes to the workspace, TMPDIR and devices that hold nothing.
    Workspace,
}

/// What a caged tool may touch beyond the system's own folders.
#[derive(Debug, Clone, Default)]
pub struct Fence {
    pub workspace: PathBuf,
    /// More to read, and more to write: caches of build tools, say.
    pub readable: Vec<PathBuf>,
    pub writable: Vec<PathBuf>,
    /// Never to be touched, though HOME or another of the above holds it: the gateway's own keys. New files beside a
    /// hidden folder cannot be read or written either. A workspace inside is still the tool's own.
    pub hidden: Vec<PathBuf>,
}

/// How far a cage was put up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caged {
    /// Nobody asked for one.
    Off,
    Fully,
    /// The kernel is older than the rules: some ways of writing (truncating, ioctl, signals) are open.
    Partly,
    /// This kernel has no Landlock, or it is switched off.
    Unavailable,
}

#[derive(Debug, Error)]
#[error("cage: preparing the rules")]
pub struct CageError(#[from] RulesetError);

/// What this kernel can do.
pub fn support() -> Caged {
    static SUPPORT: OnceLock<Caged> = OnceLock::new();
    *SUPPORT.get_or_init(|| {
        let can = |abi, scope: BitFlags<Scope>| {
            let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
            let ruleset = ruleset.handle_access(AccessFs::from_all(abi));
            let ruleset = ruleset.and_then(|ruleset| if scope.is_empty() { Ok(ruleset) } else { ruleset.scope(scope) });
            ruleset.and_then(Ruleset::create).is_ok()
        };
        if can(RIGHTS, Scope::Signal.into()) {
            Caged::Fully
        } else if can(ABI::V1, BitFlags::EMPTY) {
            Caged::Partly
        } else {
            Caged::Unavailable
        }
    })
}

/// The rules, ready to be put on by a child between fork and exec.
pub(crate) struct Rules(Option<RulesetCreated>);

impl Rules {
    /// Everything that allocates or opens files happens here, before the fork.
    pub(crate) fn prepare(cage: Cage, fence: &Fence) -> Result<(Rules, Caged), CageError> {
        if cage == Cage::Off {
            return Ok((Rules(None), Caged::Off));
        }
        if support() == Caged::Unavailable {
            return Ok((Rules(None), Caged::Unavailable));
        }
        let (read, all) = (AccessFs::from_read(RIGHTS), AccessFs::from_all(RIGHTS));
        let mut readable: Vec<PathBuf> = READABLE.iter().map(PathBuf::from).collect();
        readable.extend(env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute()));
        readable.extend_from_slice(&fence.readable);
        let mut writable: Vec<PathBuf> = WRITABLE.iter().map(PathBuf::from).collect();
        writable.push(env::temp_dir());
        writable.extend_from_slice(&fence.writable);
        let hidden: Vec<PathBuf> = fence.hidden.iter().filter_map(|path| fs::canonicalize(path).ok()).collect();

        let rules = Ruleset::default()
            .handle_access(all)?
            // A tool has no business with the gateway's processes, nor with other tools'.
            .scope(Scope::Signal)?
            .create()?
            .add_rules(path_beneath_rules(spare(&readable, &hidden), read))?
            .add_rules(path_beneath_rules(spare(&writable, &hidden), all))?
            .add_rules(path_beneath_rules([&fence.workspace], all))?;
        Ok((Rules(Some(rules)), support()))
    }

    /// Puts the cage on the calling thread and what it will start. For use between fork and exec: a few system calls
    /// and the closing of a descriptor, no allocation.
    pub(crate) fn put_on(&mut self) -> std::io::Result<()> {
        let Some(rules) = self.0.take() else {
            return Ok(());
        };
        let mut own = rustix::thread::capabilities(None)?;
        own.permitted -= PRYING;
        own.effective -= PRYING;
        own.inheritable -= PRYING;
        rustix::thread::set_capabilities(None, own)?;
        match rules.restrict_self() {
            Ok(_) => Ok(()),
            Err(_) => Err(rustix::io::Errno::PERM.into()),
        }
    }
}

/// The paths, each that holds a hidden one replaced by its other entries.
fn spare(paths: &[PathBuf], hidden: &[PathBuf]) -> Vec<PathBuf> {
    let mut spared = Vec::new();
    // A path that does not exist here needs no rule.
    for path in paths.iter().filter_map(|path| fs::canonicalize(path).ok()) {
        spare_one(path, hidden, &mut spared);
    }
    spared
}

fn spare_one(path: PathBuf, hidden: &[PathBuf], spared: &mut Vec<PathBuf>) {
    if hidden.iter().any(|hidden| path.starts_with(hidden)) {
        return;
    }
    if !hidden.iter().any(|hidden| hidden.starts_with(&path)) {
        spared.push(path);
        return;
    }
    for entry in fs::read_dir(&path).into_iter().flatten().flatten().take(SIBLINGS) {
        // A link is allowed by what it leads to, if that is allowed.
        if entry.file_type().is_ok_and(|kind| !kind.is_symlink()) {
            spare_one(entry.path(), hidden, spared);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_left_out_and_its_neighbours_stay() {
        let dir = tempfile::tempdir().unwrap();
        let home = fs::canonicalize(dir.path()).unwrap();
        for folder in ["a", "b/keys/deep", "b/c", "d"] {
            fs::create_dir_all(home.join(folder)).unwrap();
        }
        std::os::unix::fs::symlink("b/keys", home.join("link")).unwrap();
        let mut spared = spare(std::slice::from_ref(&home), &[home.join("b/keys")]);
        spared.sort();
        assert_eq!(spared, [home.join("a"), home.join("b/c"), home.join("d")]);
        assert_eq!(spare(&[home.join("b/keys/deep")], &[home.join("b/keys")]), [] as [PathBuf; 0]);
        assert_eq!(spare(std::slice::from_ref(&home), &[]), [home]);
    }

    #[test]
    fn without_a_cage_there_are_no_rules() {
        let (mut rules, caged) = Rules::prepare(Cage::Off, &Fence::default()).unwrap();
        assert_eq!(caged, Caged::Off);
        rules.put_on().unwrap();
    }
}
