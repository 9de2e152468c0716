//! Terminals in sessions' workspaces: who may open, see and use which, and that none outlives its session.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use rejoin_core::header::{Header, SessionKind};
use rejoin_core::id::{SessionId, TerminalId};
use rejoin_core::position::Millis;
use rejoin_core::refusal::Refusal;
use rejoin_core::who::{Author, Identity, Kind, Role, Verb};
use rejoin_host::Workbench;
use rejoin_machine::cage::Fence;
use rejoin_machine::shell::End;
use rejoin_machine::terminal::{self, From, InputError, Piece, Run, Size, Spec, Terminal, TerminalError, Viewer};
use rejoin_ports::agent::{FileError, Workplace, Workplaces};
use rejoin_ports::clock::Clock;
use rejoin_ports::gateway::{Caller, Failure, Sessions};
use rejoin_ports::terminals::{
    LONGEST_COMMAND, LONGEST_INPUT, MOST_COLS, MOST_ROWS, NewTerminal, TerminalExit, TerminalFailure, TerminalFrom,
    TerminalInfo, TerminalPiece, TerminalSize, TerminalSnapshot, TerminalViewer, Terminals,
};

use crate::workspaces::WorkspaceBook;

/// Terminals of one session, the ended ones that can still be read included: as many as somebody has tabs for.
pub const MOST_IN_SESSION: usize = 16;
/// Terminals of all sessions. Each may hold a MiB of output, its screens, and as many processes as somebody starts in it.
pub const MOST_TERMINALS: usize = 128;
/// How long somebody who was let type may type on without being looked at again. Control that changes hands is heard of after
/// this long, and a session that nobody follows need not be read for every key.
const CONTROL: Duration = Duration::from_millis(250);
/// How long the end of terminals is waited for. They are asked, and killed after two seconds.
const ENDING: Duration = Duration::from_secs(6);

const _: () = assert!(MOST_COLS == terminal::MOST_COLS && MOST_ROWS == terminal::MOST_ROWS);
const _: () = assert!(LONGEST_INPUT == terminal::LONGEST_INPUT);

/// All open terminals. Clones are the same ones.
#[derive(Clone, Default)]
pub struct OpenTerminals {
    kept: Arc<Mutex<Kept>>,
    /// Held while one is opened, so that the count stands.
    opening: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Kept {
    /// Oldest first.
    all: Vec<Arc<Entry>>,
    stopping: bool,
}

struct Entry {
    id: TerminalId,
    /// As it was when the terminal was opened; who may see a session does not change.
    header: Header,
    command: Option<String>,
    folder: String,
    created_at: Millis,
    author: Arc<Author>,
    terminal: Terminal,
    /// Who was let act in it last, and when.
    acted: Mutex<Option<(Arc<Author>, Instant)>>,
}

impl Entry {
    fn acted(&self) -> MutexGuard<'_, Option<(Arc<Author>, Instant)>> {
        self.acted.lock().expect("no holder of this lock panics")
    }

    fn is_of(&self, identity: &Identity, session: &SessionId) -> bool {
        let Header { id, tenant, owner, .. } = &self.header;
        id == session && *tenant == identity.tenant && owner.as_ref().is_none_or(|owner| *owner == identity.user)
    }

    fn info(&self) -> TerminalInfo {
        TerminalInfo {
            id: self.id.clone(),
            session: self.header.id.clone(),
            command: self.command.clone(),
            program: self.terminal.program().to_owned(),
            pid: self.terminal.pid(),
            folder: self.folder.clone(),
            size: self.terminal.size().map(told_size),
            title: self.terminal.title(),
            alternate: self.terminal.is_alternate(),
            viewers: self.terminal.viewers(),
            created_at: self.created_at,
            created_by: self.author.user.clone(),
            exit: self.terminal.end().map(told_exit),
        }
    }
}

impl OpenTerminals {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("no holder of this lock panics")
    }

    /// Ends the terminals of a session.
    pub async fn end_session(&self, session: &SessionId) {
        let ours = |entry: &mut Arc<Entry>| entry.header.id == *session;
        let gone: Vec<_> = self.kept().all.extract_if(.., ours).collect();
        end(gone).await;
    }

    /// Ends all of them, and lets no more be opened.
    pub async fn end_all(&self) {
        let gone = {
            let mut kept = self.kept();
            kept.stopping = true;
            std::mem::take(&mut kept.all)
        };
        end(gone).await;
    }
}

async fn end(gone: Vec<Arc<Entry>>) {
    gone.iter().for_each(|entry| entry.terminal.kill());
    let all = join_all(gone.iter().map(|entry| entry.terminal.wait()));
    if tokio::time::timeout(ENDING, all).await.is_err() {
        tracing::warn!(terminals = gone.len(), "what runs in terminals did not end in time");
    }
}

impl Kept {
    /// Makes room for one more of a session: the oldest that has ended goes, if one must.
    fn make_room(&mut self, session: &SessionId) -> Result<(), TerminalFailure> {
        let count = self.all.iter().filter(|entry| entry.header.id == *session).count();
        if count >= MOST_IN_SESSION && !self.forget_ended(|entry| entry.header.id == *session) {
            return Err(TerminalFailure::TooMany { most: MOST_IN_SESSION });
        }
        if self.all.len() >= MOST_TERMINALS && !self.forget_ended(|_| true) {
            return Err(TerminalFailure::TooMany { most: MOST_TERMINALS });
        }
        Ok(())
    }

    fn forget_ended(&mut self, matching: impl Fn(&Entry) -> bool) -> bool {
        let found = self.all.iter().position(|entry| matching(entry) && entry.terminal.end().is_some());
        found.map(|place| self.all.remove(place)).is_some()
    }
}

/// Terminals through doors: with the rights of the one who asks.
pub struct TerminalsDoor {
    open: OpenTerminals,
    sessions: Arc<dyn Sessions>,
    workspaces: Arc<WorkspaceBook>,
    workbench: Workbench,
    clock: Arc<dyn Clock>,
}

impl TerminalsDoor {
    pub fn new(
        open: OpenTerminals,
        sessions: Arc<dyn Sessions>,
        workspaces: Arc<WorkspaceBook>,
        workbench: Workbench,
        clock: Arc<dyn Clock>,
    ) -> TerminalsDoor {
        TerminalsDoor { open, sessions, workspaces, workbench, clock }
    }

    /// The session, if terminals can be had in it.
    async fn session(&self, identity: &Identity, session: &SessionId) -> Result<Header, TerminalFailure> {
        let (header, _) = self.sessions.header(identity, session).await?;
        if header.kind == SessionKind::Sealed {
            return Err(refused(Refusal::Sealed));
        }
        Ok(header)
    }

    /// A terminal that this identity may see. It is asked for with every key that is pressed, so nothing is read for it.
    fn entry(
        &self,
        identity: &Identity,
        session: &SessionId,
        id: &TerminalId,
        verb: Verb,
    ) -> Result<Arc<Entry>, TerminalFailure> {
        let kept = self.open.kept();
        let found = kept.all.iter().find(|entry| entry.id == *id && entry.is_of(identity, session)).cloned();
        drop(kept);
        let found = found.ok_or(Failure::NotFound("terminal"))?;
        may(identity.role, verb)?;
        Ok(found)
    }

    /// Whether control lets this caller do something here. A yes holds for a moment, for whoever types on.
    async fn may_act(&self, caller: &Caller, entry: &Entry) -> Result<(), TerminalFailure> {
        let known = |(who, at): &(Arc<Author>, Instant)| *who == caller.author && at.elapsed() < CONTROL;
        if entry.acted().as_ref().is_some_and(known) {
            return Ok(());
        }
        self.sessions.may_act(caller, &entry.header.id).await?;
        *entry.acted() = Some((caller.author.clone(), Instant::now()));
        Ok(())
    }

    async fn spec(&self, caller: &Caller, header: &Header, new: &NewTerminal) -> Result<Spec, TerminalFailure> {
        let place = self.workspaces.place(header).await?;
        let view = self.sessions.view(&caller.identity, &header.id).await?;
        let folder = place.root.path().to_path_buf();
        let run = match &new.command {
            None => Run::LoginShell,
            Some(command) => Run::Script(command.clone()),
        };
        let size = new.size.map(checked).transpose()?;
        Ok(Spec {
            size,
            env: view.config.environment.into_iter().collect(),
            cage: self.workbench.cage,
            fence: Fence { workspace: folder.clone(), hidden: self.workbench.hidden.clone(), ..Fence::default() },
            ..Spec::new(run, folder)
        })
    }
}

#[async_trait]
impl Terminals for TerminalsDoor {
    async fn open(
        &self,
        caller: &Caller,
        session: &SessionId,
        new: NewTerminal,
    ) -> Result<TerminalInfo, TerminalFailure> {
        let header = self.session(&caller.identity, session).await?;
        may(caller.identity.role, Verb::Write)?;
        self.sessions.may_act(caller, session).await?;
        check_open(&header)?;
        if new.command.as_ref().is_some_and(|command| command.len() > LONGEST_COMMAND) {
            let why = format!("at most {LONGEST_COMMAND} bytes");
            return Err(Failure::Invalid { field: "command", why }.into());
        }
        let spec = self.spec(caller, &header, &new).await?;
        let entry = {
            let _opening = self.open.opening.lock().await;
            {
                let mut kept = self.open.kept();
                if kept.stopping {
                    return Err(Failure::Closing.into());
                }
                kept.make_room(session)?;
            }
            let entry = Arc::new(Entry {
                id: uuid::Uuid::now_v7().into(),
                header,
                command: new.command,
                folder: spec.folder.display().to_string(),
                created_at: self.clock.now(),
                author: caller.author.clone(),
                terminal: Terminal::open(&spec, &self.workbench.shell).map_err(not_started)?,
                acted: Mutex::default(),
            });
            let mut kept = self.open.kept();
            if kept.stopping {
                return Err(Failure::Closing.into()); // dropped with the entry, and so killed
            }
            kept.all.push(entry.clone());
            entry
        };
        // It may have been deleted or archived while the terminal was on its way; then nobody else ends it.
        let still = self.session(&caller.identity, session).await;
        if let Err(failure) = still.and_then(|header| check_open(&header)) {
            self.open.end_session(session).await;
            return Err(failure);
        }
        tracing::info!(session.id = %session, terminal = %entry.id, user = %entry.author.user, "a terminal was opened");
        Ok(entry.info())
    }

    async fn list(&self, identity: &Identity, session: &SessionId) -> Result<Vec<TerminalInfo>, TerminalFailure> {
        self.session(identity, session).await?;
        let kept = self.open.kept();
        let ours = kept.all.iter().filter(|entry| entry.is_of(identity, session));
        Ok(ours.map(|entry| entry.info()).collect())
    }

    async fn get(
        &self,
        identity: &Identity,
        session: &SessionId,
        id: &TerminalId,
    ) -> Result<TerminalInfo, TerminalFailure> {
        self.session(identity, session).await?;
        Ok(self.entry(identity, session, id, Verb::Read)?.info())
    }

    async fn view(
        &self,
        identity: &Identity,
        session: &SessionId,
        id: &TerminalId,
        from: TerminalFrom,
    ) -> Result<Box<dyn TerminalViewer>, TerminalFailure> {
        self.session(identity, session).await?;
        let entry = self.entry(identity, session, id, Verb::Read)?;
        let from = match from {
            TerminalFrom::Screen => From::Screen,
            TerminalFrom::Scrollback => From::Scrollback,
            TerminalFrom::Cursor(cursor) => From::Cursor(cursor),
        };
        Ok(Box::new(Looking(entry.terminal.view(from))))
    }

    async fn input(
        &self,
        caller: &Caller,
        session: &SessionId,
        id: &TerminalId,
        bytes: Bytes,
    ) -> Result<(), TerminalFailure> {
        let entry = self.entry(&caller.identity, session, id, Verb::Write)?;
        self.may_act(caller, &entry).await?;
        entry.terminal.write(bytes).await.map_err(not_typed)
    }

    async fn end_input(&self, caller: &Caller, session: &SessionId, id: &TerminalId) -> Result<(), TerminalFailure> {
        let entry = self.entry(&caller.identity, session, id, Verb::Write)?;
        self.may_act(caller, &entry).await?;
        entry.terminal.end_input().await.map_err(not_typed)
    }

    async fn resize(
        &self,
        caller: &Caller,
        session: &SessionId,
        id: &TerminalId,
        size: TerminalSize,
    ) -> Result<(), TerminalFailure> {
        let entry = self.entry(&caller.identity, session, id, Verb::Write)?;
        self.may_act(caller, &entry).await?;
        let size = checked(size)?;
        if entry.terminal.size().is_none() {
            return Err(TerminalFailure::NoScreen);
        }
        if entry.terminal.end().is_some() {
            return Err(TerminalFailure::Ended);
        }
        entry.terminal.resize(size);
        Ok(())
    }

    async fn close(&self, caller: &Caller, session: &SessionId, id: &TerminalId) -> Result<(), TerminalFailure> {
        let entry = self.entry(&caller.identity, session, id, Verb::Write)?;
        self.may_act(caller, &entry).await?;
        self.open.kept().all.retain(|kept| !Arc::ptr_eq(kept, &entry));
        tracing::info!(session.id = %session, terminal = %id, user = %caller.author.user, "a terminal was closed");
        end(vec![entry]).await;
        Ok(())
    }
}

fn check_open(header: &Header) -> Result<(), TerminalFailure> {
    if header.archived {
        return Err(refused(Refusal::Archived));
    }
    if header.end.is_some() {
        return Err(refused(Refusal::Ended));
    }
    Ok(())
}

fn may(role: Role, verb: Verb) -> Result<(), TerminalFailure> {
    if role.may(verb, Kind::Session) { Ok(()) } else { Err(refused(Refusal::Forbidden)) }
}

fn refused(refusal: Refusal) -> TerminalFailure {
    Failure::from(refusal).into()
}

fn checked(size: TerminalSize) -> Result<Size, TerminalFailure> {
    Size::new(size.cols, size.rows).ok_or_else(|| {
        let why = format!("1 to {MOST_COLS} columns and 1 to {MOST_ROWS} rows");
        Failure::Invalid { field: "size", why }.into()
    })
}

fn not_started(error: TerminalError) -> TerminalFailure {
    tracing::warn!(error = &error as &dyn std::error::Error, "a terminal was not started");
    match &error {
        TerminalError::Invalid { why } => TerminalFailure::NotStarted((*why).to_owned()),
        TerminalError::Open { source } | TerminalError::Start { source, .. } => {
            TerminalFailure::NotStarted(source.to_string())
        }
        TerminalError::Cage(_) | TerminalError::Reaper(_) => TerminalFailure::NotStarted(error.to_string()),
    }
}

fn not_typed(error: InputError) -> TerminalFailure {
    match error {
        InputError::Over | InputError::NoInput => TerminalFailure::Ended,
        InputError::Busy => TerminalFailure::Busy,
        InputError::TooLong => Failure::Invalid { field: "input", why: error.to_string() }.into(),
    }
}

fn told_size(size: Size) -> TerminalSize {
    TerminalSize { cols: size.cols(), rows: size.rows() }
}

fn told_exit(end: End) -> TerminalExit {
    match end {
        End::Exited(code) => TerminalExit::Code(code),
        End::Signalled(signal) => TerminalExit::Signal(signal),
    }
}

struct Looking(Viewer);

#[async_trait]
impl TerminalViewer for Looking {
    async fn next(&mut self) -> Option<TerminalPiece> {
        Some(match self.0.next().await? {
            Piece::Snapshot(snapshot) => TerminalPiece::Snapshot(TerminalSnapshot {
                cursor: snapshot.cursor,
                size: snapshot.size.map(told_size),
                screen: snapshot.screen,
                missed: snapshot.missed,
            }),
            Piece::Output { at, bytes } => TerminalPiece::Output { at, bytes },
            Piece::Resized(size) => TerminalPiece::Resized(told_size(size)),
            Piece::Exited(end) => TerminalPiece::Exited(told_exit(end)),
        })
    }
}

/// Workplaces whose terminals end before they go.
pub struct Vacated<W> {
    pub places: W,
    pub terminals: OpenTerminals,
}

#[async_trait]
impl<W: Workplaces> Workplaces for Vacated<W> {
    async fn workplace(&self, header: &Header) -> Result<Workplace, FileError> {
        self.places.workplace(header).await
    }

    async fn vacate(&self, header: &Header) {
        self.terminals.end_session(&header.id).await;
        self.places.vacate(header).await;
    }

    async fn abandon(&self, header: &Header) -> Result<(), FileError> {
        self.terminals.end_session(&header.id).await;
        self.places.abandon(header).await
    }
}
