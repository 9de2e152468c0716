//! What every adapter of a port promises, as stories that run over any of them.
//!
//! ```ignore
//! #[tokio::test(flavor = "multi_thread")]
//! async fn my_store_obeys_the_laws() {
//!     rejoin_ports::laws::store(|| Box::new(MyHome::new())).await;
//! }
//! ```

mod appending;
mod beside;
mod feeds;
mod lists;
mod lives;
mod making;
mod reading;
mod records;
mod trimming;

use std::sync::Arc;

use async_trait::async_trait;

use crate::memory::MemoryStore;
use crate::store::Store;

/// A place where a store lives on when the process ends: a folder, say.
#[async_trait]
pub trait Home: Send + Sync {
    /// Opens the store that lives here. Whoever had it open before has closed it or let go of it.
    async fn open(&self) -> Arc<dyn Store>;
}

macro_rules! obey {
    ($fresh:expr; $($law:path),* $(,)?) => {
        $(
            let home = $fresh();
            $law(&*home).await;
        )*
    };
}

/// Tries every promise of [`Store`], each in a fresh home. Panics where one is broken.
pub async fn store(fresh: impl Fn() -> Box<dyn Home>) {
    obey! { fresh;
        appending::what_was_committed_is_read_back_in_its_order,
        appending::a_work_is_kept_whole_or_not_at_all,
        appending::a_refused_work_does_not_harm_its_neighbours,
        appending::a_stale_writer_is_turned_away,
        appending::whoever_takes_a_session_over_turns_away_the_owner_before,
        appending::a_session_is_created_once,
        appending::what_is_not_there_cannot_be_appended_to,
        appending::numbers_have_no_hole,
        appending::a_command_is_done_once,
        appending::whoever_asks_is_told_all_receipts_by_name,
        appending::receipts_are_found_by_their_names,
        appending::a_receipt_needs_no_event,
        appending::a_name_is_held_by_one,
        appending::the_watcher_hears_each_commit_before_the_committer_and_in_order,
        appending::a_deleted_session_is_gone_with_all_that_was_its_own,
        records::a_record_changes_only_for_who_knows_its_version,
        records::a_version_is_never_given_again,
        records::a_work_may_write_one_record_twice,
        records::records_are_listed_by_prefix_and_page,
        records::owners_do_not_share_records,
        records::a_tally_adds_up_whoever_counts,
        records::a_tally_stays_at_its_end,
        feeds::a_feed_is_numbered_without_a_hole,
        feeds::a_feed_is_read_by_pages,
        feeds::a_long_feed_loses_its_oldest_entries_and_says_so,
        lists::a_list_stays_in_place_while_sessions_come_and_go,
        lists::a_list_shows_what_was_asked_for,
        lists::what_is_private_is_shown_to_its_owner_only,
        lists::sessions_wake_in_the_order_of_their_time,
        lives::what_another_life_left_unsettled_is_stale_until_it_is_settled,
        lives::everything_is_there_in_the_next_life,
        lives::a_closed_store_says_so,
        reading::a_page_is_bounded_by_count_and_by_bytes,
        reading::a_large_event_is_a_page_of_its_own,
        reading::transcripts_are_read_backwards_without_deltas,
        reading::messages_are_found_by_their_place,
        beside::a_snapshot_is_the_newest_of_its_version,
        beside::a_snapshot_goes_with_its_session,
        beside::a_blob_is_named_by_what_is_in_it,
        beside::tenants_do_not_see_each_others_blobs,
        beside::a_blob_stays_while_something_names_it,
        beside::a_blob_stays_while_a_session_has_a_name_for_it,
        beside::a_session_has_so_many_named_blobs_and_no_more,
        beside::file_versions_are_numbered_once_in_any_order_and_stay,
        trimming::folding_a_trimmed_log_is_folding_all_of_it,
        trimming::a_reader_inside_a_faded_stretch_hears_exactly_what_it_lacks,
        trimming::a_long_part_fades_in_pieces_that_are_heard_as_one,
    }
}

/// Memory's home is the state that its lives share.
#[derive(Default)]
pub struct MemoryHome {
    newest: std::sync::Mutex<Option<Arc<MemoryStore>>>,
}

#[async_trait]
impl Home for MemoryHome {
    async fn open(&self) -> Arc<dyn Store> {
        let mut newest = self.newest.lock().expect("no holder of this lock panics");
        let store = Arc::new(newest.as_ref().map_or_else(MemoryStore::default, |before| before.next_life()));
        *newest = Some(store.clone());
        store
    }
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn memory_obeys_the_laws() {
        super::store(|| Box::<super::MemoryHome>::default()).await;
    }
}
