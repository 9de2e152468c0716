//! What is not a session: files, workspaces, agents, keys, members, records.

use async_trait::async_trait;
use bytes::Bytes;
use rejoin_core::event::FileChange;
use rejoin_core::id::{Ids, SessionId, UserId, WorkspaceId};
use rejoin_core::refusal::Refusal;
use rejoin_core::who::{Identity, Kind, Role, Verb};
use rejoin_ports::agent::{AgentInfo, FileError};
use rejoin_ports::gateway::{
    Agents, Blobs, Budget, Budgets, Caller, Failure, FileContent, FileEntry, FileMatch, FilePreview, Files,
    FilesFailure, Records, Sealed, SealedMark, SealedPage, SealedSession, Sealing, Search, Workspace, Workspaces,
};
use rejoin_ports::sign_in::{Account, Accounts, KeyInfo, Keys, Member, Members, NewKey, NotSignedIn, SignedIn};
use rejoin_ports::store::{FeedEntry, FileVersion, Owner, Record, RecordWrite};

use super::{Fake, NOW};

fn sound(path: &str) -> Result<(), FileError> {
    if path.contains('\0') {
        return Err(FileError::Invalid("it has a NUL".into()));
    }
    match path.split('/').any(|step| step == "..") {
        true => Err(FileError::Outside),
        false => Ok(()),
    }
}

fn version(path: &str, version: usize, size: usize) -> FileVersion {
    FileVersion {
        workspace: WorkspaceId::new("w").unwrap(),
        path: path.to_owned(),
        version: version as u64,
        change: match version {
            1 => FileChange::Created,
            _ => FileChange::Modified,
        },
        hash: None,
        size: size as u64,
        at: NOW,
        session: None,
    }
}

#[async_trait]
impl Files for Fake {
    async fn list(
        &self,
        identity: &Identity,
        session: &SessionId,
        path: &str,
        _: usize,
        _: bool,
    ) -> Result<Vec<FileEntry>, FilesFailure> {
        self.visible(identity, session, |_| ())?;
        sound(path)?;
        let state = self.state();
        let inside = state.files.keys().filter(|name| name.starts_with(path));
        let entries = inside.map(|name| FileEntry {
            path: name.clone(),
            name: name.rsplit('/').next().unwrap().to_owned(),
            folder: false,
            size: None,
            modified_at: None,
        });
        Ok(entries.collect())
    }

    async fn read(
        &self,
        identity: &Identity,
        session: &SessionId,
        path: &str,
        version: Option<u64>,
    ) -> Result<FileContent, FilesFailure> {
        self.visible(identity, session, |_| ())?;
        sound(path)?;
        let state = self.state();
        let versions = state.files.get(path).ok_or(FileError::NotFound)?;
        let at = version.map_or(versions.len(), |version| version as usize);
        let bytes = at.checked_sub(1).and_then(|at| versions.get(at));
        let bytes = bytes.ok_or(FileError::NotFound)?;
        Ok(FileContent { path: path.to_owned(), mime: "text/html".into(), text: true, bytes: bytes.clone().into() })
    }

    async fn preview(&self, identity: &Identity, session: &SessionId, path: &str) -> Result<FilePreview, FilesFailure> {
        let content = self.read(identity, session, path, None).await?;
        Ok(FilePreview {
            path: path.to_owned(),
            kind: "text".into(),
            mime: content.mime,
            size: content.bytes.len() as u64,
            language: None,
            content: String::from_utf8(content.bytes.to_vec()).ok(),
        })
    }

    async fn search(
        &self,
        identity: &Identity,
        session: &SessionId,
        search: Search,
    ) -> Result<Vec<FileMatch>, FilesFailure> {
        self.visible(identity, session, |_| ())?;
        let state = self.state();
        let named = state.files.keys().filter(|name| {
            let wanted = search.name.as_ref().or(search.content.as_ref());
            wanted.is_some_and(|part| name.contains(part.as_str()))
        });
        let found = named.take(search.limit).map(|path| FileMatch { path: path.clone(), line: None, text: None });
        Ok(found.collect())
    }

    async fn versions(
        &self,
        identity: &Identity,
        session: &SessionId,
        path: &str,
        before: Option<u64>,
        most: usize,
    ) -> Result<Vec<FileVersion>, FilesFailure> {
        self.visible(identity, session, |_| ())?;
        let state = self.state();
        let kept = state.files.get(path).ok_or(FileError::NotFound)?;
        let numbered = kept.iter().enumerate().rev();
        let all = numbered.map(|(at, bytes)| version(path, at + 1, bytes.len()));
        let older = all.filter(|kept| before.is_none_or(|before| kept.version < before));
        Ok(older.take(most).collect())
    }

    async fn write(
        &self,
        caller: &Caller,
        session: &SessionId,
        path: &str,
        bytes: Bytes,
    ) -> Result<FileVersion, FilesFailure> {
        self.visible(&caller.identity, session, |_| ())?;
        sound(path)?;
        if !caller.identity.role.may(Verb::Write, Kind::File) {
            return Err(Failure::from(Refusal::Forbidden).into());
        }
        let mut state = self.state();
        let versions = state.files.entry(path.to_owned()).or_default();
        let size = bytes.len();
        versions.push(bytes.to_vec());
        Ok(version(path, versions.len(), size))
    }
}

#[async_trait]
impl Workspaces for Fake {
    async fn create(
        &self,
        _: &Caller,
        id: Option<WorkspaceId>,
        name: Option<String>,
        path: Option<String>,
    ) -> Result<Workspace, FilesFailure> {
        if path.as_ref().is_some_and(|path| !path.starts_with('/')) {
            return Err(FileError::Invalid("it is not absolute".into()).into());
        }
        let mut state = self.state();
        let minted = state.ids.mint();
        let workspace = Workspace {
            id: id.unwrap_or_else(|| minted.into()),
            name: name.unwrap_or_else(|| "unnamed".into()),
            managed: path.is_none(),
            path: path.unwrap_or_else(|| "/managed".into()),
            host: "here".into(),
            created_at: NOW,
            updated_at: NOW,
        };
        state.workspaces.push(workspace.clone());
        Ok(workspace)
    }
    async fn list(&self, _: &Identity) -> Result<Vec<Workspace>, Failure> {
        Ok(self.state().workspaces.clone())
    }
    async fn get(&self, _: &Identity, id: &WorkspaceId) -> Result<Workspace, Failure> {
        let state = self.state();
        let found = state.workspaces.iter().find(|known| known.id == *id);
        found.cloned().ok_or(Failure::NotFound("workspace"))
    }
    async fn rename(&self, _: &Caller, id: &WorkspaceId, name: String) -> Result<Workspace, Failure> {
        let mut state = self.state();
        let found = state.workspaces.iter_mut().find(|known| known.id == *id);
        let found = found.ok_or(Failure::NotFound("workspace"))?;
        found.name = name;
        Ok(found.clone())
    }
    async fn delete(&self, _: &Caller, id: &WorkspaceId) -> Result<(), Failure> {
        let mut state = self.state();
        let before = state.workspaces.len();
        state.workspaces.retain(|known| known.id != *id);
        match state.workspaces.len() < before {
            true => Ok(()),
            false => Err(Failure::NotFound("workspace")),
        }
    }
}

impl Agents for Fake {
    fn list(&self) -> Vec<AgentInfo> {
        vec![AgentInfo {
            name: "echo".into(),
            title: "Echo".into(),
            description: "Says what was said.".into(),
            resumable: true,
            steerable: false,
        }]
    }
}

#[async_trait]
impl Keys for Fake {
    async fn create(&self, caller: &Caller, new: NewKey) -> Result<(KeyInfo, String), Failure> {
        if !caller.identity.role.may(Verb::Create, Kind::Key) {
            return Err(Refusal::Forbidden.into());
        }
        let info = KeyInfo {
            id: "k1".into(),
            name: new.name,
            tenant: caller.identity.tenant.clone(),
            user: new.user.unwrap_or_else(|| caller.identity.user.clone()),
            role: new.role.unwrap_or(caller.identity.role),
            created_at: NOW,
            expires_at: new.expires_at,
            last_used_at: None,
        };
        Ok((info, "rjn_secret".into()))
    }
    async fn list(&self, _: &Caller) -> Result<Vec<KeyInfo>, Failure> {
        Ok(Vec::new())
    }
    async fn revoke(&self, _: &Caller, id: &str) -> Result<(), Failure> {
        match id {
            "k1" => Ok(()),
            _ => Err(Failure::NotFound("key")),
        }
    }
}

#[async_trait]
impl Members for Fake {
    async fn list(&self, caller: &Caller) -> Result<Vec<Member>, Failure> {
        let me = caller.identity.user.clone();
        Ok(vec![member(me, caller.identity.role)])
    }
    async fn set_role(&self, _: &Caller, user: &UserId, role: Role) -> Result<Member, Failure> {
        Ok(member(user.clone(), role))
    }
    async fn remove(&self, caller: &Caller, user: &UserId) -> Result<(), Failure> {
        match caller.identity.user == *user {
            true => Err(Failure::LastOwner),
            false => Ok(()),
        }
    }
}

/// Nobody brings a key of their own to this door.
#[async_trait]
impl Accounts for Fake {
    async fn of_subject(&self, _: &'static str, _: &str, _: Option<String>) -> Result<Option<Account>, Failure> {
        Ok(None)
    }
    async fn account(&self, _: &str) -> Result<Option<Account>, Failure> {
        Ok(None)
    }
    async fn enter(&self, _: &Account) -> Result<SignedIn, NotSignedIn> {
        Err(NotSignedIn::Invalid)
    }
    async fn link(&self, _: &Caller, _: &'static str, _: &str, _: &UserId, _: String) -> Result<Account, Failure> {
        Err(Failure::NotFound("member"))
    }
}

#[async_trait]
impl Budgets for Fake {
    async fn get(&self, caller: &Caller) -> Result<Option<Budget>, Failure> {
        match caller.identity.role.may(Verb::Read, Kind::Billing) {
            true => Ok(self.state().budget.clone()),
            false => Err(Refusal::Forbidden.into()),
        }
    }
    async fn set(&self, _: &Caller, limit_micros: u64) -> Result<Budget, Failure> {
        let budget = Budget { limit_micros, spent_micros: 0, since: NOW };
        self.state().budget = Some(budget.clone());
        Ok(budget)
    }
    async fn clear(&self, _: &Caller) -> Result<(), Failure> {
        self.state().budget = None;
        Ok(())
    }
}

fn member(user: UserId, role: Role) -> Member {
    Member { user, email: None, role, created_at: NOW, updated_at: NOW }
}

/// This door does not use records.
#[async_trait]
impl Records for Fake {
    async fn get(&self, _: &Owner, _: &str, _: &str) -> Result<Option<Record>, Failure> {
        Ok(None)
    }
    async fn list(&self, _: &Owner, _: &str, _: &str, _: &str, _: usize) -> Result<Vec<Record>, Failure> {
        Ok(Vec::new())
    }
    async fn write(&self, _: Vec<RecordWrite>) -> Result<Vec<u64>, Failure> {
        Ok(Vec::new())
    }
    async fn write_as(&self, _: Vec<RecordWrite>, _: Vec<FeedEntry>) -> Result<Vec<u64>, Failure> {
        Ok(Vec::new())
    }
}

/// Nor sealed messages,
#[async_trait]
impl Sealed for Fake {
    async fn seal(&self, _: &Caller, _: &SessionId, _: Vec<Sealing>) -> Result<Vec<SealedMark>, Failure> {
        Err(Failure::NotFound("session"))
    }
    async fn sealed_after(&self, _: &Identity, _: &SessionId, _: u64, _: usize) -> Result<SealedPage, Failure> {
        Err(Failure::NotFound("session"))
    }
    async fn sealed_before(&self, _: &Identity, _: &SessionId, _: u64, _: usize) -> Result<SealedPage, Failure> {
        Err(Failure::NotFound("session"))
    }
    async fn standing(&self, _: &Identity, _: &SessionId) -> Result<SealedSession, Failure> {
        Err(Failure::NotFound("session"))
    }
}

/// nor named blobs.
#[async_trait]
impl Blobs for Fake {
    async fn put(&self, _: &Caller, _: &SessionId, _: &str, _: Bytes) -> Result<(), Failure> {
        Err(Failure::NotFound("session"))
    }
    async fn get(&self, _: &Identity, _: &SessionId, _: &str) -> Result<Option<Bytes>, Failure> {
        Err(Failure::NotFound("session"))
    }
    async fn remove(&self, _: &Caller, _: &SessionId, _: &str) -> Result<bool, Failure> {
        Err(Failure::NotFound("session"))
    }
}
