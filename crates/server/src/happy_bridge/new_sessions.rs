//! Sessions that a linked person creates, shared without asking.

use std::sync::Arc;
use std::time::Duration;

use rejoin_core::header::{Header, SessionKind};
use rejoin_core::id::SessionId;
use rejoin_core::position::{Heard, Millis};
use rejoin_ports::gateway::{Failure, ListQuery, Scope};
use tokio::sync::watch;
use tokio::time::sleep;

use super::HappyBridge;
use super::linked::Linked;
use super::trouble::words;

/// Lines of a feed that are read at once.
const PAGE: usize = 200;
/// Sessions of one page of a list.
const LIST: usize = 100;
/// The wait after something went wrong.
const WAIT: Duration = Duration::from_secs(10);

/// Shares what is new, while that is wanted.
pub(super) async fn share(
    bridge: &Arc<HappyBridge>,
    linked: &Arc<Linked>,
    mut wanted: watch::Receiver<Option<Millis>>,
) {
    loop {
        let since = *wanted.borrow_and_update();
        let changed = wanted.changed();
        let goes_on = tokio::select! {
            changed = changed => changed.is_ok(),
            () = share_since(bridge, linked, since) => true,
        };
        if !goes_on {
            std::future::pending::<()>().await; // whoever would want something else is gone
        }
    }
}

async fn share_since(bridge: &Arc<HappyBridge>, linked: &Arc<Linked>, since: Option<Millis>) {
    let Some(since) = since else { return std::future::pending().await };
    loop {
        if let Err(failure) = follow(bridge, linked, since).await {
            tracing::debug!(error = words(&failure), "happy: looking for new sessions");
        }
        sleep(WAIT).await;
    }
}

/// Returns when a feed cannot be followed from where we are: then the list is read again.
async fn follow(bridge: &Arc<HappyBridge>, linked: &Arc<Linked>, since: Millis) -> Result<(), Failure> {
    let (world, identity) = (&bridge.world, linked.identity());
    let mut heard = Vec::new();
    for scope in [Scope::Tenant, Scope::Own] {
        // Beyond its end there is nothing, and it says where its end is.
        let beyond = Heard { epoch: None, seq: (1 << 53) - 1 };
        let (_, end) = world.follow.feed(&identity, scope, beyond, 1).await?;
        heard.push((scope, Heard::from(end)));
    }
    share_listed(bridge, linked, since).await?;
    loop {
        for (scope, heard) in &mut heard {
            loop {
                let (lines, _) = world.follow.feed(&identity, *scope, *heard, PAGE).await?;
                let Some(lines) = lines else { return Ok(()) };
                let Some(last) = lines.last() else { break };
                heard.seq = last.seq;
                for session in
                    lines.iter().filter(|line| line.change == "created").filter_map(|line| line.session.as_ref())
                {
                    consider(bridge, linked, session, since).await?;
                }
            }
        }
        let [(tenant, of_tenant), (own, of_own)] = heard[..] else { unreachable!("two were pushed") };
        tokio::select! {
            fed = world.follow.fed(&identity, tenant, of_tenant.seq) => fed?,
            fed = world.follow.fed(&identity, own, of_own.seq) => fed?,
        }
    }
}

/// What was created since it is wanted, newest first.
async fn share_listed(bridge: &Arc<HappyBridge>, linked: &Arc<Linked>, since: Millis) -> Result<(), Failure> {
    let mut query = ListQuery { roots_only: true, archived: Some(false), limit: LIST, ..ListQuery::default() };
    loop {
        let page = bridge.world.sessions.list(&linked.identity(), query.clone()).await?;
        for header in &page.items {
            if header.created_at < since {
                return Ok(());
            }
            take(bridge, linked, header, since).await?;
        }
        match page.next_cursor {
            Some(next) => query.cursor = Some(next),
            None => return Ok(()),
        }
    }
}

async fn consider(
    bridge: &Arc<HappyBridge>,
    linked: &Arc<Linked>,
    session: &SessionId,
    since: Millis,
) -> Result<(), Failure> {
    match bridge.world.sessions.header(&linked.identity(), session).await {
        Ok((header, _)) => take(bridge, linked, &header, since).await,
        Err(Failure::NotFound(_)) => Ok(()),
        Err(failure) => Err(failure),
    }
}

async fn take(bridge: &Arc<HappyBridge>, linked: &Arc<Linked>, header: &Header, since: Millis) -> Result<(), Failure> {
    let theirs = header.created_by == linked.whose.user && header.created_at >= since;
    if !theirs || header.kind != SessionKind::Hosted || header.parent.is_some() {
        return Ok(());
    }
    // One that was taken back is not shared again by itself.
    if bridge.world.book.share(&linked.whose, &header.id).await?.value.is_some() {
        return Ok(());
    }
    match bridge.share_for(&linked.identity(), &header.id).await {
        Ok(_) => Ok(()),
        Err(failure @ Failure::Store(_)) => Err(failure),
        Err(failure) => {
            tracing::info!(session.id = %header.id, error = words(&failure), "happy: a new session is not shared");
            Ok(())
        }
    }
}
