//! Files of a session's workspace.

use std::io::Read;
use std::path::PathBuf;

use clap::Subcommand;
use rejoin_sdk::types::FileEntry;
use rejoin_sdk::{FileList, FileSearch};

use crate::exit::Exit;
use crate::here::Here;
use crate::out::Out;
use crate::render::clean::one_line;
use crate::render::table::table;
use crate::render::when;

/// The largest file that is sent: what a gateway takes unless it is told otherwise.
const LARGEST: u64 = 16 << 20;

#[derive(Debug, Subcommand)]
pub(crate) enum Files {
    /// List a folder
    Ls {
        session: String,
        path: Option<String>,
        /// How many levels
        #[arg(long)]
        depth: Option<usize>,
        /// Hidden files too
        #[arg(long, short = 'a')]
        all: bool,
    },
    /// Write a file's content to standard output
    Cat {
        session: String,
        path: String,
        /// As this version of it was
        #[arg(long)]
        version: Option<u64>,
    },
    /// Write a file: a new version of it
    Put {
        session: String,
        path: String,
        /// Where its content is; without it, standard input
        from: Option<PathBuf>,
    },
    /// List a file's versions, newest first
    Versions {
        session: String,
        path: String,
        #[arg(long)]
        before: Option<u64>,
        #[arg(long, short = 'n')]
        limit: Option<usize>,
    },
    /// Find files by name, or by what is in them
    Search {
        session: String,
        /// A part of the name
        name: Option<String>,
        /// Something in the file
        #[arg(long, short, required_unless_present = "name")]
        content: Option<String>,
        /// The content is a regular expression
        #[arg(long, requires = "content")]
        regex: bool,
        #[arg(long, short = 'n')]
        limit: Option<usize>,
    },
}

impl Files {
    pub(crate) async fn run(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
        let client = here.client()?;
        match self {
            Files::Ls { session, path, depth, all } => {
                let session = here.session(&client, &session).await?;
                let list = FileList { path, depth, hidden: all };
                let entries = client.list_files(&session, &list).await?;
                show(out, &entries, |entries| table(&entries.iter().map(entry).collect::<Vec<_>>()))?;
            }
            Files::Cat { session, path, version } => {
                let session = here.session(&client, &session).await?;
                let content = client.read_file(&session, &path, version).await?;
                out.bytes(&content)?;
            }
            Files::Put { session, path, from } => {
                let session = here.session(&client, &session).await?;
                let content = content(from)?;
                let version = client.write_file(&session, &path, content).await?;
                out.either(&version, |_| format!("{} version {}", one_line(&version.path, 400), version.version))?;
            }
            Files::Versions { session, path, before, limit } => {
                let session = here.session(&client, &session).await?;
                let versions = client.file_versions(&session, &path, before, limit).await?;
                show(out, &versions, |versions| {
                    let row = |version: &rejoin_sdk::FileVersion| {
                        vec![
                            version.version.to_string(),
                            when::utc(version.at),
                            version.size.to_string(),
                            one_line(version.hash.as_deref().unwrap_or("deleted"), 16),
                        ]
                    };
                    table(&versions.iter().map(row).collect::<Vec<_>>())
                })?;
            }
            Files::Search { session, name, content, regex, limit } => {
                let session = here.session(&client, &session).await?;
                let search = FileSearch { name, content, regex, limit };
                let matches = client.search_files(&session, &search).await?;
                show(out, &matches, |matches| matches.iter().map(found).collect())?;
            }
        }
        Ok(Exit::Ok)
    }
}

fn show<T: serde::Serialize>(
    out: &mut Out,
    items: &[T],
    lines: impl FnOnce(&[T]) -> Vec<String>,
) -> anyhow::Result<()> {
    if out.json {
        for item in items {
            out.object(item)?;
        }
        return Ok(());
    }
    for line in lines(items) {
        out.line(line)?;
    }
    Ok(())
}

fn entry(entry: &FileEntry) -> Vec<String> {
    let end = if entry.folder { "/" } else { "" };
    vec![
        entry.size.map_or("-".to_owned(), |size| size.to_string()),
        entry.modified_at.map_or("-".to_owned(), when::utc),
        format!("{}{end}", one_line(&entry.path, 4_096)),
    ]
}

fn found(found: &rejoin_sdk::types::FileMatch) -> String {
    let mut line = one_line(&found.path, 4_096);
    if let Some(number) = found.line {
        line.push_str(&format!(":{number}"));
    }
    if let Some(text) = &found.text {
        line.push_str(&format!(": {}", one_line(text.trim_start(), 400)));
    }
    line
}

fn content(from: Option<PathBuf>) -> anyhow::Result<Vec<u8>> {
    let mut content = Vec::new();
    let (name, read) = match from {
        Some(path) => {
            let name = path.display().to_string();
            let file = std::fs::File::open(&path).map_err(|why| anyhow::anyhow!("reading {name}: {why}"))?;
            (name, file.take(LARGEST + 1).read_to_end(&mut content))
        }
        None => {
            let read = std::io::stdin().take(LARGEST + 1).read_to_end(&mut content);
            ("standard input".to_owned(), read)
        }
    };
    read.map_err(|why| anyhow::anyhow!("reading {name}: {why}"))?;
    anyhow::ensure!(content.len() as u64 <= LARGEST, "{name}: it is larger than {LARGEST} bytes");
    Ok(content)
}
