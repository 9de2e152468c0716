//! Where truth is kept: session logs, records, feeds and blobs.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use rejoin_core::event::FileChange;
use rejoin_core::header::{Header, SessionKind, Status};
use rejoin_core::id::{CommandId, MessageId, SessionId, TenantId, UserId, WorkspaceId};
use rejoin_core::position::{Epoch, Millis, Seq, Tip};

use crate::batch::Batch;

/// The largest page of a log, in bytes of lines. A single event may be larger, and then is a page of its own.
pub const PAGE_BYTES: usize = 64 << 10;
/// The most events in one page.
pub const PAGE_EVENTS: usize = 1_000;
/// How many of its newest entries a feed keeps at least; a reader that is further behind lists again.
pub const FEED_KEPT: usize = 10_000;
/// How many named blobs a session has at most.
pub const MOST_NAMED: usize = 1_024;
/// How long a blob may stay without anything that names it: it is put before the event that does.
pub const BLOB_GRACE_MS: Millis = 60 * 60 * 1_000;

/// Who a record or a feed belongs to: a whole tenant, or one user of it where things are private.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    Tenant(TenantId),
    User(TenantId, UserId),
    /// The gateway itself: API keys, carriers, and what no tenant owns.
    Gateway,
}

impl std::fmt::Display for Owner {
    /// One text per owner: ids have no blanks, so no two owners share one.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Owner::Tenant(tenant) => write!(out, "t {tenant}"),
            Owner::User(tenant, user) => write!(out, "u {tenant} {user}"),
            Owner::Gateway => out.write_str("g"),
        }
    }
}

/// Everything that one decision changes. All of it is kept, or none of it.
#[derive(Debug, Clone, Default)]
pub struct Work {
    pub stream: Option<Append>,
    pub records: Vec<RecordWrite>,
    pub tallies: Vec<Tally>,
    pub claims: Vec<Claim>,
    pub blobs: Vec<Naming>,
    pub feed: Vec<FeedEntry>,
}

/// Events for one log, and what is kept beside them.
#[derive(Debug, Clone)]
pub struct Append {
    pub session: SessionId,
    /// The newest number the writer knows. `None` creates the session, and is refused if it exists.
    pub after: Tip,
    /// The term in which the writer took the session over; a newer one turns it away. Creation begins term 1.
    pub term: u64,
    /// Its first number is right behind `after`. May be empty, when only a receipt is kept; not when it creates.
    pub batch: Arc<Batch>,
    pub receipts: Vec<Receipt>,
    pub row: Arc<Row>,
    /// Where messages begin and end, for those that ended in this batch.
    pub places: Vec<(MessageId, Seq, Seq)>,
    pub files: Vec<FileVersion>,
}

/// A session as lists know it. `header` is the fold's own.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub header: Header,
    pub tip: Tip,
    /// When something must be decided if nobody acts.
    pub wake_at: Option<Millis>,
    /// Whether another life of the process would find something to put in order: a turn, an agent, control.
    pub unsettled: bool,
}

/// Proof that a command was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    pub user: UserId,
    pub command: CommandId,
    /// Tells the same command from another that reuses its id.
    pub body: [u8; 16],
    /// The newest number when it was done.
    pub seq: u64,
}

/// The digest by which a repeated command is told from another that reuses its id.
pub fn body_digest(body: &[u8]) -> [u8; 16] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body);
    digest.as_ref()[..16].try_into().expect("SHA-256 has 32 bytes")
}

/// What a receipt is found by: short, and the same for ever.
pub fn receipt_name(user: &UserId, command: &CommandId) -> [u8; 16] {
    body_digest(format!("{user} {command}").as_bytes()) // ids have no blanks
}

/// One version of a file in a workspace. Its bytes are a blob, synced before this is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileVersion {
    pub workspace: WorkspaceId,
    pub path: String,
    /// From 1, higher for each later version of this path, each number once. Holes stay where a number was given and never
    /// committed, and numbers may be committed out of order.
    pub version: u64,
    pub change: FileChange,
    pub hash: Option<String>,
    pub size: u64,
    pub at: Millis,
    pub session: Option<SessionId>,
}

/// A name that only one may hold: a session's tag, a carrier's user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub space: &'static str,
    pub key: String,
    pub holder: String,
}

/// Gives a name to bytes of a session, or takes it away. The bytes are a blob, put before this is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naming {
    pub session: SessionId,
    pub name: String,
    /// The blob's hash; `None` takes the name away.
    pub hash: Option<String>,
}

/// A row with a version, changed by compare-and-set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub kind: String,
    pub key: String,
    pub version: u64,
    /// `None`: deleted; the version stays, so that it is never given again.
    pub value: Option<Bytes>,
    pub updated_at: Millis,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordWrite {
    pub owner: Owner,
    pub kind: String,
    pub key: String,
    pub expect: Expect,
    pub value: Option<Bytes>,
    pub at: Millis,
}

/// Adds to a number that many count together, without knowing how far it is: it cannot be turned away by another's write.
///
/// The number is a record, written in digits; where there is none, or something else, it begins at 0. It stays at its end
/// rather than begin anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    pub owner: Owner,
    pub kind: String,
    pub key: String,
    pub by: u64,
    pub at: Millis,
}

/// The number that a tally's record has.
pub fn tallied(value: Option<&[u8]>) -> u64 {
    value.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok()).unwrap_or(0)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    Anything,
    /// Not there, or deleted.
    Absent,
    Version(u64),
}

/// What an owner's feed says happened: never content, only where to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedEntry {
    pub owner: Owner,
    pub what: FeedItem,
    pub at: Millis,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedItem {
    Session { session: SessionId, seq: u64, change: String },
    Record { kind: String, key: String, version: u64 },
}

/// A feed entry with its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fed {
    pub seq: u64,
    pub at: Millis,
    pub what: FeedItem,
}

/// What a commit brought.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Committed {
    /// The new versions of the records, in the order of the writes.
    pub versions: Vec<u64>,
    /// How far the tallies are now, in their order.
    pub tallies: Vec<u64>,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// Reload and retry: somebody else wrote, or took the session over.
    #[error("commit: the session has moved on to {tip:?} in term {term}")]
    Conflict { tip: Tip, term: u64 },
    #[error("commit: the session exists already")]
    Exists,
    #[error("commit: there is no such session")]
    Gone,
    #[error("commit: the session has {MOST_NAMED} named blobs already")]
    TooManyNamed,
    #[error("commit: the name is held by {holder}")]
    Claimed { space: &'static str, key: String, holder: String },
    /// The command was done before: its receipt is there.
    #[error("commit: command {command} was done before")]
    Repeated { user: UserId, command: CommandId },
    #[error("commit: record {kind} {key} is at version {version}")]
    Record { kind: String, key: String, version: u64, value: Option<Bytes> },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The disk or the database is in trouble. Nothing was shown that is not kept; service goes on when the cause is gone.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    #[error("store: {doing}: the disk is full")]
    Full { doing: &'static str },
    #[error("store: {doing}: locked by another process")]
    Locked { doing: &'static str },
    #[error("store: {doing}: the folder or file is read-only")]
    ReadOnly { doing: &'static str },
    #[error("store: {doing}: the file is damaged: {why}")]
    Corrupt { doing: &'static str, why: String },
    #[error("store: {doing}: {why}")]
    Io { doing: &'static str, why: String },
    #[error("store: it is closed")]
    Closed,
}

impl StoreError {
    pub fn code(&self) -> &'static str {
        match self {
            StoreError::Full { .. } => "disk_full",
            StoreError::Locked { .. } => "store_locked",
            StoreError::ReadOnly { .. } => "store_read_only",
            StoreError::Corrupt { .. } => "store_corrupt",
            StoreError::Io { .. } => "store_failed",
            StoreError::Closed => "stopping",
        }
    }
}

/// What a store knows of a session besides its events.
///
/// After a restore `row.tip` is the number before `lifted` until something is appended, although the newest event in the
/// log has a smaller one: the next append comes `after` it like any other, and its first number is `lifted`. Whoever folds
/// the log sets its tip to `row.tip` when it has read to the end.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    pub row: Row,
    pub term: u64,
    /// The first number given in this life of the store, if the session is from another.
    pub lifted: Tip,
    /// Set when another life of the process left it unsettled: it is not running, whatever its row says.
    pub stale: bool,
    /// How far versions given before the restore must be lifted, by a `SessionRestored` that begins the next append; 0 when
    /// that has been done or is not needed. The first append in the store's new life is taken for it.
    pub lift: u64,
}

/// A stretch of a log.
#[derive(Debug, Clone)]
pub struct LogPage {
    pub batch: Arc<Batch>,
    /// Whether the log goes on behind it.
    pub more: bool,
}

/// Which sessions a list shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListFilter {
    pub tenant: TenantId,
    /// Those that belong to nobody in particular, and this user's own.
    pub user: UserId,
    pub kind: SessionKind,
    pub status: Option<Status>,
    pub archived: Option<bool>,
    pub parent: Option<SessionId>,
    /// Only sessions without a parent.
    pub roots_only: bool,
    pub workspace: Option<WorkspaceId>,
    /// Label and value that must be there.
    pub label: Option<(String, String)>,
    pub limit: usize,
    /// Where the page before ended.
    pub after: Option<ListCursor>,
}

/// Lists are newest first by creation: a place in them stays valid while sessions come and go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListCursor {
    pub created_at: Millis,
    pub id: SessionId,
}

/// Hears of commits, on the store's own thread and before the committer does. Must be quick and must not wait.
pub trait Watcher: Send + Sync + 'static {
    fn committed(&self, append: &Append);
    /// A feed has grown up to this number.
    fn fed(&self, owner: &Owner, seq: u64);
}

/// How writes reach the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// An fsync per group commit: what was shown survives a power cut.
    #[default]
    Full,
    /// What was shown survives the process, not the machine.
    Normal,
}

/// The one door to what is kept. Every adapter obeys `laws::store`.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    fn epoch(&self) -> Epoch;

    /// Who hears of commits from now on. One at a time.
    fn watch(&self, watcher: Arc<dyn Watcher>);

    /// Keeps all of `work`, or none of it. Works of many callers share one transaction; one that fails its check is left
    /// out without harming its neighbours.
    async fn commit(&self, work: Work) -> Result<Committed, CommitError>;

    /// Raises the term, so that whoever owned the session before is turned away at its next append.
    async fn take(&self, session: &SessionId) -> Result<Option<Stored>, StoreError>;
    async fn stored(&self, session: &SessionId) -> Result<Option<Stored>, StoreError>;

    /// The events behind `after`, at most a page of them. Of a faded delta the rest that a reader at `after` lacks.
    async fn read(&self, session: &SessionId, after: u64, most: usize) -> Result<LogPage, StoreError>;
    /// The newest stretch of events up to and with `upto` that is not only deltas, oldest first; for transcripts.
    /// `more` says whether there are older ones.
    async fn read_back(&self, session: &SessionId, upto: u64) -> Result<LogPage, StoreError>;

    async fn receipt(
        &self,
        session: &SessionId,
        user: &UserId,
        command: &CommandId,
    ) -> Result<Option<Receipt>, StoreError>;
    /// The names of at most `most` receipts of a session; fewer than `most` are all there are. Whoever knows them all knows
    /// a new command without asking.
    async fn receipts(&self, session: &SessionId, most: usize) -> Result<Vec<[u8; 16]>, StoreError>;
    /// The numbers of receipts with these names, in their order.
    async fn receipts_named(&self, session: &SessionId, names: &[[u8; 16]]) -> Result<Vec<Option<u64>>, StoreError>;
    async fn place(&self, session: &SessionId, message: &MessageId) -> Result<Option<(Seq, Seq)>, StoreError>;

    async fn list(&self, filter: ListFilter) -> Result<Vec<Stored>, StoreError>;
    /// Removes a session and everything that belongs to it, the claims that it holds included. File versions belong to their
    /// workspace, and stay.
    async fn delete(&self, session: &SessionId, feed: Vec<FeedEntry>) -> Result<bool, StoreError>;

    /// Sessions whose `wake_at` has come, at most `most`, and when the next one is.
    async fn due(&self, now: Millis, most: usize) -> Result<(Vec<SessionId>, Option<Millis>), StoreError>;
    /// Sessions that another life of the process left unsettled, behind `after` in the order of ids.
    async fn unsettled(&self, after: Option<&SessionId>, most: usize) -> Result<Vec<SessionId>, StoreError>;

    async fn record(&self, owner: &Owner, kind: &str, key: &str) -> Result<Option<Record>, StoreError>;
    /// Records whose key begins with `prefix`, behind `after` in the order of keys; deleted ones are left out.
    async fn records(
        &self,
        owner: &Owner,
        kind: &str,
        prefix: &str,
        after: &str,
        most: usize,
    ) -> Result<Vec<Record>, StoreError>;
    async fn claimed(&self, space: &'static str, key: &str) -> Result<Option<String>, StoreError>;

    /// A feed's entries behind `after`, and the numbers of its oldest and newest entry. There is a gap if
    /// `after + 1 < oldest`; an empty feed has `oldest == newest + 1`.
    async fn feed(&self, owner: &Owner, after: u64, most: usize) -> Result<FeedPage, StoreError>;

    /// Without `before`: the newest version of each file of a workspace at or under `path` (empty: all of it), in the order of
    /// paths. With it: the versions of the one file `path` below `before`, newest first.
    async fn file_versions(
        &self,
        workspace: &WorkspaceId,
        path: &str,
        before: Option<u64>,
        most: usize,
    ) -> Result<Vec<FileVersion>, StoreError>;

    /// Keeps bytes under their SHA-256; synced when it returns.
    async fn put_blob(&self, tenant: &TenantId, bytes: Bytes) -> Result<String, StoreError>;
    async fn blob(&self, tenant: &TenantId, hash: &str) -> Result<Option<Bytes>, StoreError>;
    /// The hash of the blob that a session has under a name.
    async fn named(&self, session: &SessionId, name: &str) -> Result<Option<String>, StoreError>;

    /// A cached fold, if there is one of this version: only a cache, and never needed.
    async fn snapshot(&self, session: &SessionId, fold: u32) -> Result<Option<(Seq, Bytes)>, StoreError>;
    async fn keep_snapshot(&self, session: &SessionId, fold: u32, at: Seq, state: Bytes) -> Result<(), StoreError>;

    /// One small step of upkeep: fade deltas of `session` up to `upto`. Says whether there is more to do.
    async fn trim(&self, session: &SessionId, upto: Seq) -> Result<bool, StoreError>;
    /// Upkeep that belongs to no session: old feed entries, unreferenced blobs. Says whether there is more to do.
    async fn tidy(&self, now: Millis) -> Result<bool, StoreError>;
    /// A copy of everything as it is at one moment, while service goes on.
    async fn backup(&self, into: &std::path::Path) -> Result<(), StoreError>;
    /// Writes what is left, checkpoints and leaves a mark that all is in order.
    async fn close(&self) -> Result<(), StoreError>;
    fn figures(&self) -> StoreFigures;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedPage {
    pub items: Vec<Fed>,
    pub oldest: u64,
    pub newest: u64,
}

/// What a store counts, for the metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StoreFigures {
    pub commits: u64,
    pub works: u64,
    pub events: u64,
    pub bytes: u64,
    pub commit_micros: u64,
    pub waiting: u64,
    pub wal_bytes: u64,
    pub database_bytes: u64,
    pub sessions: u64,
}
