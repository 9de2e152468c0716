//! The outbox on disk: a line for each message that waits, and one for each that no longer does.

use std::collections::{HashSet, VecDeque};
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::Error;
use super::super::api::NewMessage;

/// When nothing waits, a file beyond this size is emptied.
const LARGE: u64 = 1 << 20;

pub(super) struct File {
    file: fs::File,
    path: PathBuf,
    session: String,
    size: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Line {
    /// The first line: whose outbox it is.
    Session(String),
    #[serde(rename_all = "camelCase")]
    Put {
        local_id: String,
        content: String,
    },
    Done(String),
}

impl File {
    /// Opens it, and returns what waits in it.
    pub(super) fn open(path: &Path, session: &str) -> Result<(File, Vec<NewMessage>), Error> {
        let failed = |why| Error::io("opening the outbox", why);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(failed)?;
        // Two processes would send each other's messages.
        file.try_lock().map_err(|why| Error::io("locking the outbox", std::io::Error::from(why)))?;
        let left = read(&mut file, session)?;
        let mut file = File { file, path: path.to_owned(), session: session.to_owned(), size: 0 };
        // A line that was cut off by the end of a process must not be continued.
        file.rewrite(&mut left.iter()).map_err(failed)?;
        Ok((file, left))
    }

    pub(super) fn put(&mut self, message: &NewMessage) -> Result<(), Error> {
        let before = self.size;
        self.write(&Line::put(message)).map_err(|why| {
            // Half a line would spoil the next one.
            let _ = self.file.set_len(before).and_then(|()| self.file.seek(SeekFrom::End(0)));
            self.size = before;
            Error::io("writing to the outbox", why)
        })
    }

    pub(super) fn done(&mut self, messages: &[Arc<NewMessage>], is_empty: bool) {
        let outcome = match is_empty && self.size > LARGE {
            true => self.rewrite(&mut std::iter::empty()),
            false => messages.iter().try_for_each(|message| self.write(&Line::Done(message.local_id.clone()))),
        };
        if let Err(error) = outcome {
            // They are sent again after a restart, under the same ids: the server stores them once.
            tracing::warn!(%error, path = %self.path.display(), "happy: the outbox could not be written");
        }
    }

    fn write(&mut self, line: &Line) -> std::io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.file.write_all(&text)?;
        self.size += text.len() as u64;
        Ok(())
    }

    fn rewrite(&mut self, left: &mut dyn Iterator<Item = &NewMessage>) -> std::io::Result<()> {
        let mut text = serde_json::to_vec(&Line::Session(self.session.clone()))?;
        text.push(b'\n');
        for message in left {
            serde_json::to_writer(&mut text, &Line::put(message))?;
            text.push(b'\n');
        }
        // In place, so that the lock stays ours; what waits is first, so that a cut costs only what is done.
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&text)?;
        self.file.set_len(text.len() as u64)?;
        self.size = text.len() as u64;
        Ok(())
    }
}

impl Line {
    fn put(message: &NewMessage) -> Line {
        Line::Put { local_id: message.local_id.clone(), content: message.content.clone() }
    }
}

fn read(file: &mut fs::File, session: &str) -> Result<Vec<NewMessage>, Error> {
    let mut left: VecDeque<NewMessage> = VecDeque::new();
    let mut known = HashSet::new();
    for line in BufReader::new(file).split(b'\n') {
        let line = line.map_err(|why| Error::io("reading the outbox", why))?;
        match serde_json::from_slice(&line) {
            Ok(Line::Session(of)) if of != session => return Err(Error::Unreadable("an outbox of another session")),
            Ok(Line::Session(_)) => {}
            // One that is written anew may be followed by its older self.
            Ok(Line::Put { local_id, content }) if known.insert(local_id.clone()) => {
                left.push_back(NewMessage { content, local_id });
            }
            Ok(Line::Put { .. }) => {}
            Ok(Line::Done(local_id)) => {
                // Nearly always the oldest.
                if let Some(at) = left.iter().position(|message| message.local_id == local_id) {
                    left.remove(at);
                }
            }
            Err(_) => {} // cut off
        }
    }
    Ok(left.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(local_id: &str) -> NewMessage {
        NewMessage { content: format!("sealed {local_id}"), local_id: local_id.to_owned() }
    }

    fn path(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("rejoin-outbox-{name}-{}", uuid::Uuid::now_v7()));
        fs::create_dir(&folder).expect("a folder can be made");
        folder.join("outbox")
    }

    #[test]
    fn what_is_not_done_is_there_again() {
        let path = path("again");
        let (mut file, left) = File::open(&path, "s").unwrap();
        assert!(left.is_empty());
        for id in ["a", "b", "c"] {
            file.put(&message(id)).unwrap();
        }
        file.done(&[Arc::new(message("a"))], false);
        drop(file);
        let (_file, left) = File::open(&path, "s").unwrap();
        assert_eq!(left, [message("b"), message("c")]);
    }

    #[test]
    fn a_line_that_was_cut_off_costs_nothing_else() {
        let path = path("cut");
        let (mut file, _) = File::open(&path, "s").unwrap();
        file.put(&message("a")).unwrap();
        file.file.write_all(b"{\"put\":{\"localId\":\"b\",\"con").unwrap();
        drop(file);
        let (mut file, left) = File::open(&path, "s").unwrap();
        assert_eq!(left, [message("a")]);
        file.put(&message("c")).unwrap();
        drop(file);
        assert_eq!(File::open(&path, "s").unwrap().1, [message("a"), message("c")]);
    }

    #[test]
    fn an_outbox_belongs_to_one_session_and_one_process() {
        let path = path("one");
        let (file, _) = File::open(&path, "s").unwrap();
        assert!(File::open(&path, "s").is_err(), "it is locked");
        drop(file);
        assert!(File::open(&path, "other").is_err());
    }

    #[test]
    fn a_large_file_is_emptied_when_nothing_waits() {
        let path = path("large");
        let (mut file, _) = File::open(&path, "s").unwrap();
        let large = NewMessage { content: "x".repeat(2 << 20), local_id: "l".into() };
        file.put(&large).unwrap();
        file.done(&[Arc::new(large)], true);
        assert!(fs::metadata(&path).unwrap().len() < 100);
    }
}
