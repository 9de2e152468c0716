//! How a file may be shown to a person.

use std::path::Path;

use super::{mime, read::read_all};
use crate::confine::Root;
use crate::path_error::PathError;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// Relative to the workspace, links resolved.
    pub path: String,
    pub name: String,
    /// Lower case, without the dot.
    pub extension: Option<String>,
    pub size: u64,
    pub modified_ms: i64,
    pub mime: &'static str,
    pub shown: Shown,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    Text(String),
    Markdown(String),
    Code { language: &'static str, text: String },
    Binary,
    TooLarge { limit: u64 },
}

/// Extensions that are never shown as text, whatever their bytes look like.
#[rustfmt::skip]
const BINARY: &[&str] = &[
    "7z", "a", "avif", "bin", "bmp", "bz2", "class", "dat", "db", "dll", "doc", "docx", "dylib", "eot", "exe", "flac", "gif", "gz",
    "heic", "ico", "jar", "jpeg", "jpg", "mkv", "mov", "mp3", "mp4", "o", "obj", "ogg", "otf", "pdf", "png", "ppt", "pptx", "pyc",
    "rar", "so", "sqlite", "svg", "tar", "tgz", "tiff", "ttf", "wasm", "wav", "webm", "webp", "woff", "woff2", "xls", "xlsx",
    "xz", "zip", "zst",
];

const MARKDOWN: &[&str] = &["md", "markdown", "mdx", "mkd"];

/// Extension to the language's name as highlighters know it.
#[rustfmt::skip]
const LANGUAGES: &[(&str, &str)] = &[
    ("astro", "astro"), ("bash", "bash"), ("bat", "bat"), ("c", "c"), ("cc", "cpp"), ("cjs", "javascript"), ("clj", "clojure"),
    ("cpp", "cpp"), ("cs", "csharp"), ("css", "css"), ("cts", "typescript"), ("cxx", "cpp"), ("dart", "dart"), ("diff", "diff"),
    ("elm", "elm"), ("erl", "erlang"), ("ex", "elixir"), ("exs", "elixir"), ("fish", "fish"), ("fs", "fsharp"), ("go", "go"),
    ("gql", "graphql"), ("graphql", "graphql"), ("groovy", "groovy"), ("h", "c"), ("hcl", "hcl"), ("hpp", "cpp"), ("hs", "haskell"),
    ("htm", "html"), ("html", "html"), ("ini", "ini"), ("java", "java"), ("jl", "julia"), ("js", "javascript"), ("json", "json"),
    ("json5", "json5"), ("jsonc", "jsonc"), ("jsx", "jsx"), ("kt", "kotlin"), ("kts", "kotlin"), ("less", "less"), ("lua", "lua"),
    ("m", "objective-c"), ("mjs", "javascript"), ("ml", "ocaml"), ("mts", "typescript"), ("nix", "nix"), ("patch", "diff"),
    ("php", "php"), ("pl", "perl"), ("proto", "proto"), ("ps1", "powershell"), ("py", "python"), ("pyi", "python"), ("r", "r"),
    ("rb", "ruby"), ("rs", "rust"), ("sass", "sass"), ("scala", "scala"), ("scss", "scss"), ("sh", "bash"), ("sol", "solidity"),
    ("sql", "sql"), ("svelte", "svelte"), ("swift", "swift"), ("tf", "terraform"), ("toml", "toml"), ("ts", "typescript"),
    ("tsx", "tsx"), ("vim", "vim"), ("vue", "vue"), ("xml", "xml"), ("yaml", "yaml"), ("yml", "yaml"), ("zig", "zig"), ("zsh", "bash"),
];

/// Files known by their whole name.
const NAMED: &[(&str, &str)] = &[
    ("cmakelists.txt", "cmake"),
    ("dockerfile", "dockerfile"),
    ("gemfile", "ruby"),
    ("gnumakefile", "makefile"),
    ("jenkinsfile", "groovy"),
    ("justfile", "makefile"),
    ("makefile", "makefile"),
    ("rakefile", "ruby"),
];

/// Looks at the file `path`; one above `limit` bytes, or not text, is described without its content.
pub fn preview(root: &Root, path: &str, limit: u64) -> Result<Preview, PathError> {
    let found = root.resolve(path)?;
    let file = found.open_file()?;
    let stat = rustix::fs::fstat(&file).map_err(|e| PathError::io(path, "looking at the file", e))?;
    let name = found.relative().file_name().unwrap_or_default().to_string_lossy().into_owned();
    let extension = Path::new(&name).extension().map(|ext| ext.to_string_lossy().to_lowercase());
    let ending = extension.as_deref().unwrap_or("");

    let shown = if super::size(&stat) > limit {
        Shown::TooLarge { limit }
    } else if BINARY.contains(&ending) {
        Shown::Binary
    } else {
        match read_all(&found, file, super::size(&stat), limit) {
            Ok(bytes) if mime::looks_like_text(&bytes) => show(&name, ending, bytes),
            Ok(_) => Shown::Binary,
            Err(PathError::TooLarge { .. }) => Shown::TooLarge { limit },
            Err(error) => return Err(error),
        }
    };
    let mime = match shown {
        Shown::Text(_) | Shown::Markdown(_) | Shown::Code { .. } => mime::of_text(&name),
        Shown::Binary | Shown::TooLarge { .. } => mime::of_binary(&name),
    };
    Ok(Preview {
        path: found.shown(),
        name,
        extension,
        size: super::size(&stat),
        modified_ms: super::modified_ms(&stat),
        mime,
        shown,
    })
}

fn show(name: &str, ending: &str, bytes: Vec<u8>) -> Shown {
    // Past its beginning a text may still hold a stray byte; a person would rather see the rest.
    let text = String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    if MARKDOWN.contains(&ending) {
        return Shown::Markdown(text);
    }
    match language(name, ending) {
        Some(language) => Shown::Code { language, text },
        None => Shown::Text(text),
    }
}

fn language(name: &str, ending: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    let look_up = |table: &[(&str, &'static str)], key: &str| {
        table.iter().find(|(known, _)| *known == key).map(|(_, language)| *language)
    };
    look_up(NAMED, &name).or_else(|| look_up(LANGUAGES, ending))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn each_kind_of_file_is_shown_as_what_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        let see = |name: &str, content: &[u8]| {
            fs::write(dir.path().join(name), content).unwrap();
            preview(&root, name, 20).unwrap().shown
        };
        assert_eq!(see("notes", b"hi"), Shown::Text("hi".into()));
        assert_eq!(see("README.MD", b"# hi"), Shown::Markdown("# hi".into()));
        assert_eq!(see("m.rs", b"fn"), Shown::Code { language: "rust", text: "fn".into() });
        assert_eq!(see("Makefile", b"all:"), Shown::Code { language: "makefile", text: "all:".into() });
        assert_eq!(see("p.png", b"looks like text"), Shown::Binary);
        assert_eq!(see("core", b"\x7fELF\0"), Shown::Binary);
        assert_eq!(see("p.rs", b"123456789012345678901"), Shown::TooLarge { limit: 20 });
        assert_eq!(see("empty.txt", b""), Shown::Text(String::new()));
    }

    #[test]
    fn a_preview_knows_the_file_beside_its_content() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        fs::create_dir(dir.path().join("src")).unwrap();
        fs::write(dir.path().join("src/a.TS"), "let x").unwrap();
        let it = preview(&root, "src/a.TS", 100).unwrap();
        assert_eq!((it.path.as_str(), it.name.as_str(), it.extension.as_deref()), ("src/a.TS", "a.TS", Some("ts")));
        assert_eq!((it.size, it.mime), (5, "text/plain"));
        assert!(matches!(preview(&root, "src", 100), Err(PathError::NotAFile { .. })));
    }
}
