//! The shape of the house: which crate may name whose types, and which words stay in whose rooms.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Who may name types of whom. An arrow that is not here does not exist.
const ARROWS: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("ports", &["core"]),
    ("engine", &["core", "ports"]),
    ("store-sqlite", &["core", "ports"]),
    ("machine", &[]),
    ("socket", &[]),
    ("seal", &[]),
    ("host", &["core", "ports", "machine"]),
    ("native", &["core", "ports", "socket"]),
    ("diminuendo", &["core", "ports", "socket"]),
    ("happy", &["core", "ports", "socket", "seal", "machine"]),
    ("sdk", &["native", "diminuendo", "happy"]),
    (
        "server",
        &[
            "core",
            "ports",
            "engine",
            "store-sqlite",
            "machine",
            "host",
            "socket",
            "seal",
            "native",
            "diminuendo",
            "happy",
        ],
    ),
    ("bench", &["core", "ports", "engine", "store-sqlite", "host", "sdk", "server", "machine"]),
    ("cli", &["sdk", "server", "bench", "machine"]),
    ("testkit", &["core", "ports", "engine", "store-sqlite", "host", "machine"]),
];

/// What the rules may be built with: nothing that waits, reads a clock or touches the outside.
const CORE_MAY_USE: &[&str] = &["serde", "serde_json", "schemars", "uuid", "thiserror", "brush-parser", "globset"];

/// Words of the dialects. They stay in the dialects' own folders, and where everything is put together.
const DIALECTS: &[&str] = &["diminuendo", "jean2", "limacharlie", "happy"];
const NEUTRAL: &[&str] = &["core", "ports", "engine", "store-sqlite", "machine", "host", "socket", "native"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace is two folders up")
}

/// Crate name to its folder: those of the dialects stand one level lower.
fn crates() -> BTreeMap<String, PathBuf> {
    let list = |folder: PathBuf| std::fs::read_dir(folder).expect("the folder is there");
    let entries = list(root().join("crates")).chain(list(root().join("crates/dialects")));
    let folders = entries.map(|entry| entry.expect("it can be listed").path());
    let named = |folder: PathBuf| {
        let name = folder.file_name().and_then(|name| name.to_str()).expect("crates have plain names").to_owned();
        (name, folder)
    };
    folders.filter(|folder| !folder.ends_with("dialects")).map(named).collect()
}

/// Crate name to the names of what it is built with, tests apart.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let mut all = BTreeMap::new();
    for (name, folder) in crates() {
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).expect("every crate has a manifest");
        let mut in_dependencies = false;
        let mut used = BTreeSet::new();
        for line in manifest.lines().map(str::trim) {
            if line.starts_with('[') {
                in_dependencies =
                    line == "[dependencies]" || line == "[build-dependencies]" || line.contains(".dependencies]");
            } else if in_dependencies && !line.is_empty() && !line.starts_with('#') {
                let end = line.find(['.', ' ', '=']).unwrap_or(line.len());
                used.insert(line[..end].to_owned());
            }
        }
        all.insert(name, used);
    }
    all
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn crates_name_only_whom_they_may() {
    let known: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    for (name, used) in dependencies() {
        let may = known.get(name.as_str()).unwrap_or_else(|| panic!("crate {name} has no place in the house yet"));
        let ours = used.iter().filter_map(|used| used.strip_prefix("rejoin-"));
        let wrong: Vec<_> = ours.filter(|used| !may.contains(used)).collect();
        assert!(wrong.is_empty(), "{name} must not name types of {wrong:?}");
    }
}

#[test]
fn the_rules_are_pure() {
    let used = &dependencies()["core"];
    let wrong: Vec<_> = used.iter().filter(|used| !CORE_MAY_USE.contains(&used.as_str())).collect();
    assert!(wrong.is_empty(), "core must not use {wrong:?}");
    let mut files = Vec::new();
    sources(&root().join("crates/core/src"), &mut files);
    for file in files {
        let text = std::fs::read_to_string(&file).expect("it can be read");
        for word in ["std::fs", "std::net", "std::time::SystemTime", "Instant::now", "async fn", "tokio"] {
            assert!(!text.contains(word), "{} uses {word}", file.display());
        }
    }
}

#[test]
fn a_dialects_word_stays_in_its_folder() {
    for name in NEUTRAL {
        let mut files = Vec::new();
        sources(&root().join("crates").join(name).join("src"), &mut files);
        assert!(!files.is_empty(), "{name} has sources");
        for file in files {
            let text = std::fs::read_to_string(&file).expect("it can be read").to_lowercase();
            for word in DIALECTS {
                assert!(!text.contains(word), "{} speaks of {word}", file.display());
            }
        }
    }
}

#[test]
fn every_crate_says_what_it_is_for_and_is_on_the_map() {
    let map = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("there is a map");
    for (name, folder) in crates() {
        let source = folder.join("src");
        let main = ["lib.rs", "main.rs"].map(|file| source.join(file)).into_iter().find(|file| file.exists());
        let text = std::fs::read_to_string(main.expect("a crate has a root")).expect("it can be read");
        assert!(text.starts_with("//! "), "{name} does not say what it is for");
        assert!(map.contains(&format!("`{name}`")), "{name} is not on the map");
    }
}
