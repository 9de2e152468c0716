//! Listing sessions.

use clap::{Args, ValueEnum};
use rejoin_sdk::ListSessions;
use rejoin_sdk::stream::TryStreamExt;
use rejoin_sdk::types::header::{Header, Status};
use rejoin_sdk::types::id::{SessionId, WorkspaceId};

use super::session::labels;
use crate::exit::{Exit, Told};
use crate::here::Here;
use crate::out::Out;
use crate::render::clean::one_line;
use crate::render::table::table;
use crate::render::when;

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StatusWord {
    Idle,
    Running,
    Waiting,
    Closed,
    Ended,
}

#[derive(Debug, Args)]
pub(crate) struct Ls {
    #[arg(long)]
    status: Option<StatusWord>,
    /// Archived sessions only
    #[arg(long)]
    archived: bool,
    /// Archived sessions too
    #[arg(long, conflicts_with = "archived")]
    all: bool,
    #[arg(long)]
    workspace: Option<String>,
    /// Children of this session
    #[arg(long, value_name = "SESSION")]
    parent: Option<String>,
    /// Sessions with this label
    #[arg(long, value_name = "NAME=VALUE")]
    label: Option<String>,
    /// The most to show
    #[arg(long, short = 'n', default_value_t = 50)]
    limit: usize,
}

/// The longest page that a gateway gives.
const PAGE: usize = 200;

impl Ls {
    pub(crate) async fn run(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
        let client = here.client()?;
        let label = match &self.label {
            Some(label) => labels(std::slice::from_ref(label))?.0.into_iter().next(),
            None => None,
        };
        let list = ListSessions {
            status: self.status.map(Status::from),
            archived: (!self.all).then_some(self.archived),
            workspace: self
                .workspace
                .map(WorkspaceId::new)
                .transpose()
                .map_err(|bad| Told::usage(format!("--workspace: {bad}")))?,
            parent: self
                .parent
                .map(SessionId::new)
                .transpose()
                .map_err(|bad| Told::usage(format!("--parent: {bad}")))?,
            label,
            limit: Some(self.limit.clamp(1, PAGE)),
            ..ListSessions::default()
        };
        let mut sessions = std::pin::pin!(client.sessions(list));
        let mut headers = Vec::new();
        let mut count = 0;
        while count < self.limit
            && let Some(header) = sessions.try_next().await?
        {
            count += 1;
            match out.json {
                true => out.object(&header)?,
                false => headers.push(header),
            }
        }
        if !out.json && out.terminal && headers.is_empty() {
            out.line("there are no sessions; `rejoin new` makes one")?;
        }
        for line in lines(&headers, when::now()) {
            out.line(line)?;
        }
        Ok(Exit::Ok)
    }
}

impl From<StatusWord> for Status {
    fn from(word: StatusWord) -> Status {
        match word {
            StatusWord::Idle => Status::Idle,
            StatusWord::Running => Status::Running,
            StatusWord::Waiting => Status::Waiting,
            StatusWord::Closed => Status::Closed,
            StatusWord::Ended => Status::Ended,
        }
    }
}

pub(super) fn status_word(status: Status) -> &'static str {
    match status {
        Status::Idle => "idle",
        Status::Running => "running",
        Status::Waiting => "waiting",
        Status::Closed => "closed",
        Status::Ended => "ended",
    }
}

fn lines(headers: &[Header], now: u64) -> Vec<String> {
    let row = |header: &Header| {
        let status = status_word(header.status);
        let status = match header.archived {
            true => format!("{status}, archived"),
            false => status.to_owned(),
        };
        vec![
            header.id.to_string(),
            status,
            one_line(&header.agent, 40),
            when::ago(now, header.last_activity_at.unwrap_or(header.updated_at)),
            one_line(header.title.as_deref().unwrap_or("-"), 200),
        ]
    };
    table(&headers.iter().map(row).collect::<Vec<_>>())
}
