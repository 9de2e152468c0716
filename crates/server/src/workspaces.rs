//! Folders where agents work: records for those that people name, and one of its own for each other session.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use rejoin_core::header::{Header, SessionKind};
use rejoin_core::id::{SessionId, TenantId, WorkspaceId};
use rejoin_core::refusal::Refusal;
use rejoin_core::who::{Identity, Kind, Verb};
use rejoin_machine::Root;
use rejoin_ports::agent::FileError;
use rejoin_ports::clock::Clock;
use rejoin_ports::gateway::{Caller, Failure, FilesFailure, Workspace};
use rejoin_ports::store::{Claim, CommitError, FeedEntry, FeedItem, ListFilter, Owner, Store, StoreError, Work};

use crate::files::blocking::Blocking;
use crate::shelf::{Kept, Shelf, put};
use crate::sign_in::hex;

const KIND: &str = "workspace";
/// Who a workspace's name belongs to. File versions are numbered by that name, so no two tenants may share one.
const SPACE: &str = "workspace";
/// Workspaces that a tenant may have. All of them are in one list.
pub const MOST_WORKSPACES: usize = 2_000;
/// The longest name of a workspace, in bytes.
const LONGEST_NAME: usize = 200;
/// The folder of workspaces that we make, in the data folder.
pub const FOLDER: &str = "workspaces";
/// The host of every workspace, as long as a gateway is one process on one machine.
const HOST: &str = "local";

/// The workspaces of all tenants.
pub struct WorkspaceBook {
    shelf: Shelf,
    clock: Arc<dyn Clock>,
    blocking: Blocking,
    /// Canonical. No workspace of a person is in it.
    data: PathBuf,
    /// Canonical folders under which workspaces may be; empty: anywhere.
    roots: Vec<PathBuf>,
}

/// A workspace that was found, and its folder.
#[derive(Clone)]
pub(crate) struct Place {
    pub workspace: WorkspaceId,
    pub tenant: TenantId,
    pub root: Root,
    /// The data folder, relative to a workspace that contains it: nobody looks into it from there.
    pub hidden: Option<PathBuf>,
}

impl Place {
    /// Whether a path in the workspace is ours alone.
    pub(crate) fn hides(&self, relative: impl AsRef<Path>) -> bool {
        self.hidden.as_ref().is_some_and(|hidden| relative.as_ref().starts_with(hidden))
    }
}

impl WorkspaceBook {
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        blocking: Blocking,
        data: PathBuf,
        roots: Vec<PathBuf>,
    ) -> WorkspaceBook {
        WorkspaceBook { shelf: Shelf::new(store), clock, blocking, data, roots }
    }

    /// Finds a session's workspace, and makes its folder if it is one of ours.
    pub(crate) async fn place(&self, header: &Header) -> Result<Place, FileError> {
        let own = header.id.as_str();
        let workspace = match &header.workspace {
            Some(workspace) => workspace.clone(),
            None => WorkspaceId::new(own).expect("ids of all kinds have the same letters"),
        };
        let (folder, ours) = match self.kept(&header.tenant, &workspace).await?.value {
            Some(kept) => (PathBuf::from(kept.path), kept.managed),
            None => {
                self.claim(header, &workspace).await?;
                (self.data.join(FOLDER).join(folder_name(workspace.as_str())), true)
            }
        };
        let root = self.blocking.run(move || {
            if ours {
                std::fs::create_dir_all(&folder).map_err(|error| FileError::Io(error.to_string()))?;
            }
            Root::open(&folder).map_err(crate::files::error)
        });
        let root = root.await?;
        let hidden = self.data.strip_prefix(root.path()).ok().map(Path::to_path_buf);
        Ok(Place { workspace, tenant: header.tenant.clone(), root, hidden })
    }

    /// Removes the folder that was made for a session which is deleted, unless others work there too. Its name stays the
    /// tenant's, and so do the versions of its files.
    pub(crate) async fn abandon(&self, header: &Header) -> Result<(), FileError> {
        let own = header.id.as_str();
        let workspace = WorkspaceId::new(own).expect("ids of all kinds have the same letters");
        if header.workspace.as_ref().is_some_and(|given| *given != workspace) {
            return Ok(());
        }
        let store = self.shelf.store();
        let is_ours = store.claimed(SPACE, own).await?.is_some_and(|holder| holder == holder_name(&header.tenant));
        if !is_ours || self.kept(&header.tenant, &workspace).await?.value.is_some() {
            return Ok(());
        }
        let others = ListFilter {
            tenant: header.tenant.clone(),
            user: header.owner.clone().unwrap_or_else(|| header.created_by.clone()),
            kind: SessionKind::Hosted,
            status: None,
            archived: None,
            parent: None,
            roots_only: false,
            workspace: Some(workspace),
            label: None,
            limit: 1,
            after: None,
        };
        if !store.list(others).await?.is_empty() {
            return Ok(());
        }
        let folder = self.data.join(FOLDER).join(folder_name(own));
        let remove = move || match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(FileError::Io(error.to_string())),
            _ => Ok(()),
        };
        self.blocking.run(remove).await
    }

    /// Makes sure that a workspace without a record is the tenant's, for good: the folder and the versions stay when the
    /// session is deleted, and names are the client's choice, so whoever has the name later must not come into them.
    async fn claim(&self, header: &Header, workspace: &WorkspaceId) -> Result<(), FileError> {
        let store = self.shelf.store();
        let holder = holder_name(&header.tenant);
        match store.claimed(SPACE, workspace.as_str()).await? {
            Some(found) if found == holder => return Ok(()),
            Some(_) => return Err(FileError::NotFound),
            None if self.may_claim(header, workspace).await? => {}
            None => return Err(FileError::NotFound),
        }
        let claim = Claim { space: SPACE, key: workspace.to_string(), holder };
        match store.commit(Work { claims: vec![claim], ..Work::default() }).await {
            Ok(_) => Ok(()),
            Err(CommitError::Claimed { .. }) => Err(FileError::NotFound), // somebody was faster
            Err(CommitError::Store(error)) => Err(error.into()),
            Err(other) => Err(FileError::Io(other.to_string())),
        }
    }

    /// Whether a name that nobody holds can be this session's: it is the session's own, or that of another session of the
    /// tenant, from which it was forked or which started it. A name that was made up could be somebody's later.
    async fn may_claim(&self, header: &Header, workspace: &WorkspaceId) -> Result<bool, StoreError> {
        let name = workspace.as_str();
        if name == header.id.as_str() {
            return Ok(true);
        }
        let namesake = SessionId::new(name).expect("ids of all kinds have the same letters");
        Ok(match self.shelf.store().stored(&namesake).await? {
            Some(namesake) => namesake.row.header.tenant == header.tenant,
            // It was deleted meanwhile. That it was the tenant's, the engine noted in the header.
            None => {
                let relatives = [header.origin.as_ref().map(|origin| &origin.session), header.parent.as_ref()];
                relatives.into_iter().chain([header.root.as_ref()]).flatten().any(|id| *id == namesake)
            }
        })
    }

    async fn kept(&self, tenant: &TenantId, id: &WorkspaceId) -> Result<Kept<Workspace>, StoreError> {
        self.shelf.get(&Owner::Tenant(tenant.clone()), KIND, id.as_str()).await
    }

    async fn found(&self, identity: &Identity, id: &WorkspaceId) -> Result<(Workspace, u64), Failure> {
        let kept = self.kept(&identity.tenant, id).await?;
        let version = kept.version;
        kept.value.map(|workspace| (workspace, version)).ok_or(Failure::NotFound("workspace"))
    }

    /// One change of a record, with its line in the tenant's feed.
    async fn write(
        &self,
        tenant: &TenantId,
        id: &WorkspaceId,
        before: &Kept<Workspace>,
        after: Option<&Workspace>,
        claims: Vec<Claim>,
    ) -> Result<(), CommitError> {
        let (owner, at) = (Owner::Tenant(tenant.clone()), self.clock.now());
        // The version is known once it is written; 0 means the newest.
        let what = FeedItem::Record { kind: KIND.to_owned(), key: id.to_string(), version: 0 };
        let work = Work {
            records: vec![put(&owner, KIND, id.as_str(), before.unchanged(), after, at)],
            claims,
            feed: vec![FeedEntry { owner, what, at }],
            ..Work::default()
        };
        self.shelf.store().commit(work).await.map(|_| ())
    }

    /// The canonical path of a folder that somebody gave, if it can be a workspace.
    async fn check(&self, path: String) -> Result<PathBuf, FileError> {
        let (data, roots) = (self.data.clone(), self.roots.clone());
        let check = move || {
            let given = Path::new(&path);
            if !given.is_absolute() || path.contains('\0') {
                return Err(FileError::Invalid("a workspace's path is absolute".to_owned()));
            }
            let root = Root::open(given).map_err(crate::files::error)?;
            let path = root.path().to_path_buf();
            if path.starts_with(&data) {
                return Err(FileError::Invalid("the gateway's own folder is no workspace".to_owned()));
            }
            if !roots.is_empty() && !roots.iter().any(|root| path.starts_with(root)) {
                return Err(FileError::Invalid("workspaces may not be there".to_owned()));
            }
            if path.to_str().is_none() {
                return Err(FileError::Invalid("the path is not UTF-8".to_owned()));
            }
            Ok(path)
        };
        self.blocking.run(check).await
    }
}

#[async_trait]
impl rejoin_ports::gateway::Workspaces for WorkspaceBook {
    async fn create(
        &self,
        caller: &Caller,
        id: Option<WorkspaceId>,
        name: Option<String>,
        path: Option<String>,
    ) -> Result<Workspace, FilesFailure> {
        let who = &caller.identity;
        if !who.role.may(Verb::Create, Kind::Workspace) {
            return Err(Failure::from(Refusal::Forbidden).into());
        }
        let given = match path {
            Some(path) => Some(self.check(path).await?),
            None => None,
        };
        let minted = uuid::Uuid::now_v7();
        let id = id.unwrap_or_else(|| minted.into());
        let before = self.kept(&who.tenant, &id).await.map_err(Failure::from)?;
        if let Some(there) = before.value {
            let same = match &given {
                Some(path) => Path::new(&there.path) == path,
                None => there.managed,
            };
            return if same { Ok(there) } else { Err(Failure::Conflict { version: before.version }.into()) };
        }
        let all = self.shelf.all::<Workspace>(&Owner::Tenant(who.tenant.clone()), KIND, MOST_WORKSPACES).await;
        if all.map_err(Failure::from)?.len() >= MOST_WORKSPACES {
            let why = format!("there are {MOST_WORKSPACES} workspaces already");
            return Err(Failure::Invalid { field: "id", why }.into());
        }
        // A session of another tenant may have that name, and then a folder and versions of it.
        let namesake = SessionId::new(id.as_str()).expect("ids of all kinds have the same letters");
        let namesake = self.shelf.store().stored(&namesake).await.map_err(Failure::from)?;
        if namesake.is_some_and(|session| session.row.header.tenant != who.tenant) {
            return Err(Failure::Conflict { version: 0 }.into());
        }
        let managed = given.is_none();
        // The folder's name is ours, not the client's: nobody can ask for a folder that is there already.
        let path = given.unwrap_or_else(|| self.data.join(FOLDER).join(minted.to_string()));
        let folder = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.or_else(|| folder.filter(|_| !managed)).unwrap_or_else(|| "workspace".to_owned());
        check_name(&name)?;
        let now = self.clock.now();
        let workspace = Workspace {
            id: id.clone(),
            name,
            path: path.to_string_lossy().into_owned(),
            host: HOST.to_owned(),
            managed,
            created_at: now,
            updated_at: now,
        };
        if managed {
            let make = move || std::fs::create_dir_all(&path).map_err(|error| FileError::Io(error.to_string()));
            self.blocking.run(make).await?;
        }
        let claim = Claim { space: SPACE, key: id.to_string(), holder: holder_name(&who.tenant) };
        let before = Kept { value: None, version: before.version };
        let kept = self.write(&who.tenant, &id, &before, Some(&workspace), vec![claim]).await;
        kept.map_err(Failure::from)?;
        Ok(workspace)
    }

    async fn list(&self, identity: &Identity) -> Result<Vec<Workspace>, Failure> {
        if !identity.role.may(Verb::Read, Kind::Workspace) {
            return Err(Refusal::Forbidden.into());
        }
        let all = self.shelf.all(&Owner::Tenant(identity.tenant.clone()), KIND, MOST_WORKSPACES).await?;
        Ok(all.into_iter().map(|(_, workspace)| workspace).collect())
    }

    async fn get(&self, identity: &Identity, id: &WorkspaceId) -> Result<Workspace, Failure> {
        if !identity.role.may(Verb::Read, Kind::Workspace) {
            return Err(Refusal::Forbidden.into());
        }
        self.found(identity, id).await.map(|(workspace, _)| workspace)
    }

    async fn rename(&self, caller: &Caller, id: &WorkspaceId, name: String) -> Result<Workspace, Failure> {
        let who = &caller.identity;
        if !who.role.may(Verb::Write, Kind::Workspace) {
            return Err(Refusal::Forbidden.into());
        }
        check_name(&name)?;
        let (workspace, version) = self.found(who, id).await?;
        let renamed = Workspace { name, updated_at: self.clock.now(), ..workspace.clone() };
        let before = Kept { value: Some(workspace), version };
        self.write(&who.tenant, id, &before, Some(&renamed), Vec::new()).await?;
        Ok(renamed)
    }

    async fn delete(&self, caller: &Caller, id: &WorkspaceId) -> Result<(), Failure> {
        let who = &caller.identity;
        if !who.role.may(Verb::Delete, Kind::Workspace) {
            return Err(Refusal::Forbidden.into());
        }
        let (workspace, version) = self.found(who, id).await?;
        let before = Kept { value: Some(workspace), version };
        // The name stays the tenant's: its sessions and file versions still have it.
        self.write(&who.tenant, id, &before, None, Vec::new()).await?;
        Ok(())
    }
}

fn check_name(name: &str) -> Result<(), Failure> {
    let invalid = |why: &str| Err(Failure::Invalid { field: "name", why: why.to_owned() });
    match name {
        _ if name.trim().is_empty() => invalid("it is blank"),
        _ if name.len() > LONGEST_NAME => invalid("it is too long"),
        _ if name.chars().any(char::is_control) => invalid("it has control characters"),
        _ => Ok(()),
    }
}

/// With a blank, so that it is no session's id: whatever a session holds goes when it is deleted.
fn holder_name(tenant: &TenantId) -> String {
    format!("tenant {tenant}")
}

/// The name of a workspace's folder: the id, if that is a plain name. Others begin with a dot, which no plain one does.
fn folder_name(id: &str) -> String {
    let plain = !id.starts_with('.') && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    match plain {
        true => id.to_owned(),
        false => format!(".{}", hex(digest(&SHA256, id.as_bytes()).as_ref())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_has_a_folder_of_its_own_and_none_leads_elsewhere() {
        let plain = "0195c0de-0000-7000-8000-000000000000";
        assert_eq!(folder_name(plain), plain);
        let odd = ["..", ".", "../../etc", "a/b", "a\\b", ".hidden", "*", &folder_name("..")];
        let names: std::collections::BTreeSet<_> = odd.into_iter().map(folder_name).collect();
        assert_eq!(names.len(), odd.len());
        for name in names {
            assert!(name.len() == 65 && name[1..].bytes().all(|b| b.is_ascii_hexdigit()), "{name}");
        }
    }
}
