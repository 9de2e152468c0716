//! Lists of sessions and of files.

use rejoin_core::id::{SessionId, WorkspaceId};
use rejoin_core::position::Millis;

use super::State;
use crate::store::{FileVersion, ListFilter, Row, Stored};

impl State {
    pub(super) fn list(&self, filter: &ListFilter, life: u64) -> Vec<Stored> {
        let mut found: Vec<_> = self.sessions.values().filter(|log| filter.shows(&log.row)).collect();
        found.sort_by(|a, b| place(&b.row).cmp(&place(&a.row)));
        let page = found.into_iter().take(filter.limit);
        page.map(|log| log.stored(life)).collect()
    }

    pub(super) fn due(&self, now: Millis, most: usize) -> (Vec<SessionId>, Option<Millis>) {
        let mut waking: Vec<_> = self.sessions.iter().filter_map(|(id, log)| Some((log.row.wake_at?, id))).collect();
        waking.sort();
        let count = waking.iter().take(most).take_while(|(at, _)| *at <= now).count();
        let next = waking.get(count).map(|(at, _)| *at);
        let due = waking[..count].iter().map(|(_, id)| (*id).clone());
        (due.collect(), next)
    }

    pub(super) fn file_versions(
        &self,
        workspace: &WorkspaceId,
        path: &str,
        before: Option<u64>,
        most: usize,
    ) -> Vec<FileVersion> {
        if let Some(before) = before {
            let place = (workspace.clone(), path.to_owned());
            let versions = self.files.get(&place).into_iter().flatten().rev();
            return versions.map(|(_, file)| file).filter(|file| file.version < before).take(most).cloned().collect();
        }
        let below = format!("{path}/");
        let is_under = |at: &str| path.is_empty() || at == path || at.starts_with(&below);
        let newest = self
            .files
            .iter()
            .filter(|((of, at), _)| of == workspace && is_under(at))
            .filter_map(|(_, versions)| versions.last());
        newest.map(|(_, file)| file.clone()).take(most).collect()
    }
}

fn place(row: &Row) -> (Millis, &SessionId) {
    (row.header.created_at, &row.header.id)
}

impl ListFilter {
    /// Whether a list that was asked for in this way has a place for `row` behind the page before.
    pub fn shows(&self, row: &Row) -> bool {
        let header = &row.header;
        let wanted = |(name, value): &(String, String)| header.labels.get(name) == Some(value);
        header.tenant == self.tenant
            && header.owner.as_ref().is_none_or(|owner| *owner == self.user)
            && header.kind == self.kind
            && self.status.is_none_or(|status| header.status == status)
            && self.archived.is_none_or(|archived| header.archived == archived)
            && (self.parent.is_none() || header.parent == self.parent)
            && !(self.roots_only && header.parent.is_some())
            && (self.workspace.is_none() || header.workspace == self.workspace)
            && self.label.as_ref().is_none_or(wanted)
            && self.after.as_ref().is_none_or(|after| place(row) < (after.created_at, &after.id))
    }
}
