//! A hosted session as Happy's apps list it.

use std::path::Path;

use rejoin_core::header::{Header, Status};
use rejoin_core::position::Millis;
use rejoin_happy::payload::{Metadata, Summary};

/// Where we are.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    pub(super) host: String,
    pub(super) home: String,
    pub(super) data: String,
}

impl Machine {
    pub(super) fn here(data: &Path) -> Machine {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let home = std::env::var("HOME").unwrap_or_else(|_| "/".to_owned());
        Machine { host, home, data: data.display().to_string() }
    }

    /// As it is when the session is first told of.
    pub(super) fn describe(&self, header: &Header, folder: Option<String>, now: Millis) -> Metadata {
        let mut metadata = Metadata {
            path: folder.unwrap_or_else(|| self.home.clone()),
            host: self.host.clone(),
            home_dir: Some(self.home.clone()),
            happy_home_dir: Some(self.data.clone()),
            happy_lib_dir: Some(self.data.clone()),
            happy_tools_dir: Some(self.data.clone()),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            os: Some(std::env::consts::OS.to_owned()),
            started_from_daemon: Some(true),
            started_by: Some("daemon".to_owned()),
            flavor: Some(flavor(&header.agent)),
            tools: Some(Vec::new()),
            ..Metadata::default()
        };
        keep_up(&mut metadata, header, now);
        metadata
    }
}

/// Whether nobody is to expect anything of it.
pub(super) fn is_over(header: &Header) -> bool {
    header.archived || matches!(header.status, Status::Closed | Status::Ended)
}

/// Brings them up to date. Whoever finds them so already changes nothing.
pub(super) fn keep_up(metadata: &mut Metadata, header: &Header, now: Millis) {
    metadata.name.clone_from(&header.title);
    let summary = metadata.summary.as_ref().map(|summary| summary.text.as_str());
    if header.title.as_deref() != summary {
        let summary = |text: &String| Summary { text: text.clone(), updated_at: now, extra: Default::default() };
        metadata.summary = header.title.as_ref().map(summary);
    }
    match &header.model {
        Some(model) => metadata.extra.insert("currentModelCode".to_owned(), model.model.as_str().into()),
        None => metadata.extra.remove("currentModelCode"),
    };
    let state = metadata.lifecycle_state.as_deref();
    if !is_over(header) {
        if state != Some("running") {
            metadata.lifecycle_state = Some("running".to_owned());
            metadata.lifecycle_state_since = Some(now);
            (metadata.archived_by, metadata.archive_reason) = (None, None);
        }
    } else if state != Some("archived") {
        let reason = match header.status {
            Status::Ended => header.end.as_ref().map_or("ended", |end| &end.reason),
            Status::Closed => "closed",
            _ => "archived",
        };
        metadata.archive("rejoin", reason, now);
    }
}

/// The word by which apps choose a picture and what can be picked.
fn flavor(agent: &str) -> String {
    let known = ["claude", "codex", "gemini", "opencode", "openclaw"];
    let name = agent.rsplit(':').next().unwrap_or(agent);
    known.iter().find(|known| name.contains(*known)).map_or(name, |known| known).to_owned()
}
