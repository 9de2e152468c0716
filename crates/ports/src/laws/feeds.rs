//! Feeds: numbered per owner, bounded, and honest about what is gone.

use super::Home;
use super::making::*;
use crate::store::{FEED_KEPT, FeedEntry, FeedItem, Owner, Store, Work};

async fn tell(store: &dyn Store, feed: Vec<FeedEntry>) {
    let work = Work { feed, ..Work::default() };
    store.commit(work).await.unwrap();
}

pub(super) async fn a_feed_is_numbered_without_a_hole(home: &dyn Home) {
    let store = home.open().await;
    let (ours, mine) = (Owner::Tenant(tenant()), Owner::User(tenant(), user("ann")));
    let id = session("s");
    let tellers = (0..20).map(|number| {
        let feed =
            vec![news(ours.clone(), &id, number), news(mine.clone(), &id, number), news(ours.clone(), &id, number)];
        tell(&*store, feed)
    });
    futures_util::future::join_all(tellers).await;
    store.close().await.unwrap();
    drop(store);
    let store = home.open().await;
    tell(&*store, vec![news(ours.clone(), &id, 99)]).await;
    for (owner, count) in [(&ours, 41), (&mine, 20)] {
        let page = store.feed(owner, 0, 1000).await.unwrap();
        let numbers: Vec<_> = page.items.iter().map(|fed| fed.seq).collect();
        assert_eq!(numbers, (1..=count).collect::<Vec<_>>());
        assert_eq!((page.oldest, page.newest), (1, count));
    }
}

pub(super) async fn a_feed_is_read_by_pages(home: &dyn Home) {
    let store = home.open().await;
    let owner = Owner::Gateway;
    let empty = store.feed(&owner, 0, 10).await.unwrap();
    assert_eq!((empty.items.len(), empty.oldest, empty.newest), (0, 1, 0));
    let id = session("s");
    let changed = FeedEntry {
        owner: owner.clone(),
        what: FeedItem::Record { kind: "note".to_owned(), key: "k".to_owned(), version: 3 },
        at: 8,
    };
    tell(&*store, vec![news(owner.clone(), &id, 7), changed.clone()]).await;
    let page = store.feed(&owner, 0, 1).await.unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!(page.items[0].what, news(owner.clone(), &id, 7).what);
    let page = store.feed(&owner, 1, 10).await.unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!((&page.items[0].what, page.items[0].at), (&changed.what, 8));
    assert_eq!(store.feed(&owner, 2, 10).await.unwrap().items, []);
}

pub(super) async fn a_long_feed_loses_its_oldest_entries_and_says_so(home: &dyn Home) {
    const SURPLUS: u64 = 1500;
    let store = home.open().await;
    let owner = Owner::Tenant(tenant());
    let short = Owner::User(tenant(), user("ann"));
    let id = session("s");
    let all = FEED_KEPT as u64 + SURPLUS;
    let numbers: Vec<u64> = (0..all).collect();
    for some in numbers.chunks(500) {
        let feed = some.iter().map(|number| news(owner.clone(), &id, *number));
        tell(&*store, feed.collect()).await;
    }
    tell(&*store, vec![news(short.clone(), &id, 1)]).await;
    tidy(&*store, 0).await;
    let page = store.feed(&owner, 0, 1).await.unwrap();
    assert_eq!((page.oldest, page.newest), (SURPLUS + 1, all));
    assert_eq!(page.items[0].seq, page.oldest);
    assert_eq!(store.feed(&short, 0, 10).await.unwrap().items.len(), 1);
    tell(&*store, vec![news(owner.clone(), &id, 1)]).await;
    assert_eq!(store.feed(&owner, 0, 1).await.unwrap().newest, all + 1);
}
