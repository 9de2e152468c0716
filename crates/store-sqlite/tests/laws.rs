//! The store in a folder obeys the laws of all stores.

use std::sync::Arc;

use async_trait::async_trait;
use rejoin_core::id::SessionId;
use rejoin_ports::laws::{self, Home};
use rejoin_ports::store::{Durability, FEED_KEPT, FeedEntry, FeedItem, Owner, Store, Work};
use rejoin_store_sqlite::{Options, SqliteStore};
use tempfile::TempDir;

struct Folder {
    folder: TempDir,
    pending: usize,
}

#[async_trait]
impl Home for Folder {
    async fn open(&self) -> Arc<dyn Store> {
        // Laws hold whether or not the machine's disk is fast; that syncing works is not theirs to find out.
        let options =
            Options { durability: Durability::Normal, pending: self.pending, ..Options::new(self.folder.path()) };
        SqliteStore::open(options).expect("nobody else has the folder open")
    }
}

async fn try_laws(pending: usize) {
    laws::store(|| Box::new(Folder { folder: TempDir::new().expect("a folder for a test"), pending })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_in_a_folder_obeys_the_laws() {
    try_laws(4096).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_indexes_all_at_once_obeys_the_laws() {
    try_laws(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_indexes_by_handfuls_obeys_the_laws() {
    try_laws(7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_grows_fast_is_bounded_before_upkeep_comes_round() {
    const ALL: usize = 3 * FEED_KEPT;
    let home = Folder { folder: TempDir::new().expect("a folder for a test"), pending: 4096 };
    let store = home.open().await;
    let (fast, slow) = (Owner::Gateway, Owner::Tenant("acme".to_owned().try_into().expect("a plain name")));
    let entry = |owner: &Owner, seq: usize| FeedEntry {
        owner: owner.clone(),
        what: FeedItem::Session {
            session: SessionId::new("s").expect("a plain name"),
            seq: seq as u64,
            change: "sealed".to_owned(),
        },
        at: 1,
    };
    let numbers: Vec<usize> = (1..=ALL).collect();
    for some in numbers.chunks(700) {
        let mut feed: Vec<_> = some.iter().map(|seq| entry(&fast, *seq)).collect();
        feed.insert(300.min(feed.len()), entry(&slow, some[0]));
        store.commit(Work { feed, ..Work::default() }).await.expect("it is kept");
    }
    let page = store.feed(&fast, 0, 1).await.expect("the feed is there");
    assert_eq!(page.newest, ALL as u64);
    assert!((2 * FEED_KEPT as u64..3 * FEED_KEPT as u64 - 5_000).contains(&(page.newest + 1 - page.oldest)));
    assert_eq!(page.items[0].seq, page.oldest, "what is left has no hole");
    let page = store.feed(&slow, 0, 100).await.expect("the feed is there");
    assert_eq!((page.oldest, page.items.len() as u64), (1, page.newest), "others keep theirs");
}
