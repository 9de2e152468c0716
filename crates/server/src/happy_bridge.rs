//! Hosted sessions in a person's Happy apps: this gateway is one of the account's terminals, seals with keys of its own, and
//! tells the apps' server nothing else.
//!
//! Nothing is lost and nothing said twice, whoever dies: what is told carries a name made of its place in the log, the place
//! is written down when the server has confirmed it, and what people say is a command with an id made of its place there.

mod asks;
mod hands;
mod kept;
mod linked;
mod linking;
mod metadata;
mod name;
mod new_sessions;
mod outward;
mod share;
mod trouble;
mod world;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use rejoin_core::header::SessionKind;
use rejoin_core::id::SessionId;
use rejoin_core::refusal::Refusal;
use rejoin_core::who::Identity;
use rejoin_happy::client::Account;
use rejoin_happy::client::seal::Credentials;
use rejoin_ports::gateway::{Caller, Failure};
use rejoin_ports::integrations::{Link, LinkStanding, NewLink, Share};
use rejoin_ports::store::Expect;
use tokio::sync::{Mutex, MutexGuard, watch};

use kept::{LinkRecord, MOST_SHARES, ShareRecord, Whose};
use linked::Linked;
use linking::Waiting;
use share::Running;
use trouble::{Trouble, words};
pub(crate) use world::Parts;
use world::World;

/// Links that wait to be agreed to, of everybody together. Each asks its server once a second.
const MOST_WAITING: usize = 64;
/// When to come back if there are too many.
const RETRY_MS: u64 = 10_000;

/// Everybody who is linked, or about to be.
pub(crate) struct HappyBridge {
    world: Arc<World>,
    people: Mutex<HashMap<Whose, Person>>,
}

enum Person {
    Waiting(Waiting),
    Linked(Live),
    /// Their link cannot be taken up.
    Lost(String),
}

/// A link that works, and its shared sessions.
struct Live {
    linked: Arc<Linked>,
    shares: HashMap<SessionId, Running>,
    /// Since when new sessions are shared.
    share_new: watch::Sender<Option<u64>>,
}

type People<'a> = MutexGuard<'a, HashMap<Whose, Person>>;

impl HappyBridge {
    pub(crate) fn new(parts: Parts, data: &Path) -> Arc<HappyBridge> {
        Arc::new(HappyBridge { world: Arc::new(World::new(parts, data)), people: Mutex::default() })
    }

    /// Takes up what an earlier life shared, beside everything else that a start has to do.
    pub(crate) fn start(self: &Arc<HappyBridge>) {
        let bridge = self.clone();
        self.world.tasks.spawn(async move {
            let stop = bridge.world.stop.clone();
            tokio::select! {
                () = stop.cancelled() => {}
                () = bridge.take_up_all() => {}
            }
        });
    }

    async fn take_up_all(self: &Arc<HappyBridge>) {
        let links = match self.world.book.links().await {
            Ok(links) => links,
            Err(error) => return tracing::error!(error = words(&error), "happy: reading who is linked"),
        };
        for link in links.into_iter().filter(|link| link.refused.is_none()) {
            let mut people = self.people.lock().await;
            if people.contains_key(&link.whose) {
                continue; // somebody was faster
            }
            if let Err(trouble) = self.take_up(&mut people, &link).await {
                tracing::warn!(tenant = %link.whose.tenant, user = %link.whose.user, error = %trouble, "happy: a link");
                people.insert(link.whose, Person::Lost(trouble.to_string()));
            }
        }
    }

    /// Lets a link live, with all that it shares.
    async fn take_up(self: &Arc<HappyBridge>, people: &mut People<'_>, link: &LinkRecord) -> Result<(), Trouble> {
        let (world, whose) = (&self.world, &link.whose);
        let text = world.book.credentials(whose).await?;
        let lost = || Trouble::Refused("what it signs in with is lost: link again".to_owned());
        let credentials = text.and_then(|text| Credentials::parse(&text).ok()).ok_or_else(lost)?;
        let account = Account::with(&world.options(link.server.as_deref())?, credentials)?;
        let signed_in = world.gate.stand_for(&whose.tenant, &whose.user, link.role).await?;
        let linked = Arc::new(Linked::new(whose.clone(), account, signed_in, world.stop.child_token()));
        let mut shares = HashMap::new();
        for (session, record) in world.book.shares(whose).await? {
            if !record.off && record.failed.is_none() && shares.len() < MOST_SHARES {
                let running = share::start(world.clone(), linked.clone(), session.clone(), &record);
                shares.insert(session, running);
            }
        }
        let share_new = watch::Sender::new(link.share_new);
        self.begin_to_look_after(linked.clone(), share_new.subscribe());
        people.insert(whose.clone(), Person::Linked(Live { linked, shares, share_new }));
        Ok(())
    }

    /// The link of somebody, taken up if the start has not come to it yet.
    async fn live<'a>(
        self: &Arc<HappyBridge>,
        people: &'a mut People<'_>,
        whose: &Whose,
    ) -> Result<&'a mut Live, Failure> {
        if !people.contains_key(whose)
            && let Some(link) = self.world.book.link(whose).await?.value
            && link.refused.is_none()
        {
            let busy = |_| Failure::TooBusy { retry_ms: RETRY_MS };
            self.take_up(people, &link).await.map_err(busy)?;
        }
        match people.get_mut(whose) {
            Some(Person::Linked(live)) => Ok(live),
            _ => Err(Failure::NotFound("link")),
        }
    }

    fn begin_to_look_after(self: &Arc<HappyBridge>, linked: Arc<Linked>, share_new: watch::Receiver<Option<u64>>) {
        self.world.tasks.spawn(self.clone().look_after(linked, share_new));
    }

    /// Shares what is new, and ends the link when one side does not want it any more.
    async fn look_after(self: Arc<HappyBridge>, linked: Arc<Linked>, share_new: watch::Receiver<Option<u64>>) {
        let over = linked.signed_in.over(self.world.clock.clone());
        tokio::select! {
            () = linked.stop.cancelled() => {}
            () = linked.left.cancelled() => {}
            why = linked.until_refused() => {
                tracing::warn!(user = %linked.whose.user, error = why, "happy: a link is refused");
                linked.stop.cancel();
                self.keep_refused(&linked.whose, &why).await;
            }
            _ = over => {
                tracing::info!(user = %linked.whose.user, "happy: whoever was linked is no member any more");
                linked.stop.cancel();
                self.people.lock().await.remove(&linked.whose);
                if let Err(failure) = self.world.book.forget(&linked.whose, self.world.clock.now()).await {
                    tracing::error!(error = words(&failure), "happy: forgetting a link");
                }
            }
            () = new_sessions::share(&self, &linked, share_new) => {}
        }
    }

    async fn keep_refused(&self, whose: &Whose, why: &str) {
        let outcome = self.change_link(whose, |link| link.refused = Some(why.to_owned())).await;
        if let Err(failure) = outcome {
            tracing::error!(error = words(&failure), "happy: keeping that a link is refused");
        }
    }

    /// Fails where there is no link.
    async fn change_link(&self, whose: &Whose, change: impl FnOnce(&mut LinkRecord)) -> Result<LinkRecord, Failure> {
        let kept = self.world.book.link(whose).await?;
        let mut link = kept.value.ok_or(Failure::NotFound("link"))?;
        change(&mut link);
        let now = self.world.clock.now();
        self.world.book.keep_link(&link, Expect::Version(kept.version), now).await?;
        Ok(link)
    }

    pub(crate) async fn link(&self, caller: &Caller) -> Result<Link, Failure> {
        let whose = whose(&caller.identity);
        let people = self.people.lock().await;
        self.shown(&people, &whose).await
    }

    async fn shown(&self, people: &People<'_>, whose: &Whose) -> Result<Link, Failure> {
        if let Some(Person::Waiting(waiting)) = people.get(whose) {
            return Ok(waiting.link());
        }
        let Some(link) = self.world.book.link(whose).await?.value else { return Ok(Link::default()) };
        let lost = match people.get(whose) {
            Some(Person::Linked(live)) => live.linked.refused(),
            Some(Person::Lost(why)) => Some(why.clone()),
            _ => None,
        };
        let error = link.refused.or(lost);
        Ok(Link {
            standing: if error.is_some() { LinkStanding::Refused } else { LinkStanding::Linked },
            server: Some(link.server.unwrap_or_else(|| self.world.own.clone())),
            since: Some(link.since),
            share_new: link.share_new.is_some(),
            error,
            ..Link::default()
        })
    }

    pub(crate) async fn begin(self: &Arc<HappyBridge>, caller: &Caller, new: NewLink) -> Result<Link, Failure> {
        let whose = whose(&caller.identity);
        let options = self.world.options(new.server.as_deref())?;
        let is_own = options.server == self.world.options(None)?.server;
        if !is_own && !self.world.others.has(&options.server) {
            return Err(Failure::Invalid {
                field: "server",
                why: "this gateway does not link to that server".to_owned(),
            });
        }
        let mut people = self.people.lock().await;
        let now = self.shown(&people, &whose).await?;
        let same = new.server.is_none() || now.server.as_deref() == Some(&options.server.to_string());
        match now.standing {
            LinkStanding::Linked if same => return Ok(now),
            LinkStanding::Linked => return Err(Failure::Conflict { version: 1 }),
            LinkStanding::Waiting if same => return Ok(now),
            LinkStanding::Waiting | LinkStanding::Refused | LinkStanding::None => {}
        }
        let waiting = people.values().filter(|person| matches!(person, Person::Waiting(_))).count();
        if waiting >= MOST_WAITING {
            return Err(Failure::TooBusy { retry_ms: RETRY_MS });
        }
        let waiting = linking::begin(self, whose.clone(), caller.identity.role, new.server, &options)?;
        let link = waiting.link();
        if let Some(before) = people.insert(whose, Person::Waiting(waiting)) {
            before.stop();
        }
        Ok(link)
    }

    /// Somebody agreed to a link that waits.
    async fn agreed(self: &Arc<HappyBridge>, link: LinkRecord, credentials: &Credentials) -> Result<(), Trouble> {
        let (book, now) = (&self.world.book, self.world.clock.now());
        let mut people = self.people.lock().await;
        let before = book.link(&link.whose).await?.value;
        let is_same = |before: &LinkRecord| before.server == link.server && before.account == link.account;
        if !before.as_ref().is_some_and(is_same) {
            // What another account was told says nothing of what this one knows.
            book.forget_shares(&link.whose, now).await?;
        }
        book.keep_credentials(&link.whose, &credentials.to_text()).await?;
        let link = LinkRecord { share_new: before.and_then(|before| before.share_new), ..link };
        book.keep_link(&link, Expect::Anything, now).await?;
        self.take_up(&mut people, &link).await
    }

    /// Nobody agreed in time.
    async fn gave_up(&self, whose: &Whose) {
        let mut people = self.people.lock().await;
        if matches!(people.get(whose), Some(Person::Waiting(_))) {
            people.remove(whose);
        }
    }

    pub(crate) async fn unlink(&self, caller: &Caller) -> Result<(), Failure> {
        let whose = whose(&caller.identity);
        let mut people = self.people.lock().await;
        match people.remove(&whose) {
            Some(Person::Linked(live)) => {
                live.linked.left.cancel();
                live.shares.values().for_each(Running::leave);
            }
            Some(waiting) => waiting.stop(),
            None => {}
        }
        self.world.book.forget(&whose, self.world.clock.now()).await
    }

    pub(crate) async fn share_new(&self, caller: &Caller, all: bool) -> Result<Link, Failure> {
        let whose = whose(&caller.identity);
        let people = self.people.lock().await;
        let now = self.world.clock.now();
        let link = self.change_link(&whose, |link| link.share_new = all.then(|| link.share_new.unwrap_or(now))).await?;
        if let Some(Person::Linked(live)) = people.get(&whose) {
            live.share_new.send_replace(link.share_new);
        }
        self.shown(&people, &whose).await
    }

    pub(crate) async fn shared(&self, caller: &Caller) -> Result<Vec<Share>, Failure> {
        let whose = whose(&caller.identity);
        let people = self.people.lock().await;
        let live = match people.get(&whose) {
            Some(Person::Linked(live)) => Some(live),
            _ => None,
        };
        let shares = self.world.book.shares(&whose).await?.into_iter().filter(|(_, record)| !record.off);
        let now = |(session, record): (SessionId, ShareRecord)| {
            let running = live.and_then(|live| live.shares.get(&session));
            running.map_or_else(|| share::shown(&session, &record), Running::share)
        };
        Ok(shares.map(now).collect())
    }

    pub(crate) async fn share(self: &Arc<HappyBridge>, caller: &Caller, session: &SessionId) -> Result<Share, Failure> {
        self.share_for(&caller.identity, session).await
    }

    async fn share_for(self: &Arc<HappyBridge>, identity: &Identity, session: &SessionId) -> Result<Share, Failure> {
        let whose = whose(identity);
        let (header, _) = self.world.sessions.header(identity, session).await?;
        if header.kind == SessionKind::Sealed {
            return Err(Refusal::Sealed.into());
        }
        let mut people = self.people.lock().await;
        let live = self.live(&mut people, &whose).await?;
        let kept = self.world.book.share(&whose, session).await?;
        let now = self.world.clock.now();
        let record = match kept.value.clone() {
            Some(record) if !record.off && record.failed.is_none() => {
                if let Some(running) = live.shares.get(session) {
                    return Ok(running.share());
                }
                record
            }
            // It goes on where it was.
            Some(record) if record.failed.is_none() => ShareRecord { off: false, since: now, ..record },
            _ => ShareRecord::new(now),
        };
        let shared = self.world.book.shares(&whose).await?;
        let others = shared.iter().filter(|(id, record)| id != session && !record.off).count();
        if others >= MOST_SHARES {
            let why = format!("at most {MOST_SHARES} sessions are shared at once");
            return Err(Failure::Invalid { field: "id", why });
        }
        self.world.book.keep_share(&whose, session, Some(&record), kept.unchanged(), now).await?;
        let running = share::start(self.world.clone(), live.linked.clone(), session.clone(), &record);
        let share = running.share();
        live.shares.insert(session.clone(), running);
        Ok(share)
    }

    pub(crate) async fn unshare(&self, caller: &Caller, session: &SessionId) -> Result<(), Failure> {
        let whose = whose(&caller.identity);
        let mut people = self.people.lock().await;
        if let Some(Person::Linked(live)) = people.get_mut(&whose)
            && let Some(running) = live.shares.remove(session)
        {
            running.leave();
        }
        // Its task may write down how far it came just now.
        for _ in 0..MOST_TRIES {
            let kept = self.world.book.share(&whose, session).await?;
            let Some(record) = kept.value.filter(|record| !record.off) else { return Ok(()) };
            let record = ShareRecord { off: true, failed: None, ..record };
            let (expect, now) = (Expect::Version(kept.version), self.world.clock.now());
            match self.world.book.keep_share(&whose, session, Some(&record), expect, now).await {
                Err(Failure::Conflict { .. }) => continue,
                outcome => return outcome.map(drop),
            }
        }
        Err(Failure::TooBusy { retry_ms: RETRY_MS })
    }
}

/// How often a write is tried against a task that ends.
const MOST_TRIES: usize = 5;

impl Person {
    fn stop(&self) {
        match self {
            Person::Waiting(waiting) => waiting.stop(),
            Person::Linked(live) => live.linked.stop.cancel(),
            Person::Lost(_) => {}
        }
    }
}

fn whose(identity: &Identity) -> Whose {
    Whose { tenant: identity.tenant.clone(), user: identity.user.clone() }
}
