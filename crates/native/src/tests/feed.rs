//! The owner's feed.

use serde_json::json;

use super::door::{Door, is};

#[tokio::test]
async fn a_feed_is_read_like_a_log() {
    let door = Door::open().await;
    door.create("s1").await;
    door.fake.feeds("s1", "created");
    door.fake.feeds("s1", "renamed");
    let page = door.get("/feed?after=e1.1").await.json();
    assert_eq!((&page["next"], &page["tip"]), (&json!("e1.2"), &json!("e1.2")));
    assert_eq!(page["items"][0]["change"], "renamed");
    let gone = door.get("/feed?after=99").await;
    assert_eq!(gone.problem(), is(410, "position_gone"));
    assert_eq!(gone.json()["tip"], "e1.2");
    assert_eq!(door.get("/feed?of=tenant").await.json()["tip"], "e1.2");
    let own = door.get("/feed?of=me").await.json();
    assert_eq!((&own["items"], &own["tip"]), (&json!([]), &json!("e1.0")), "nothing of it is private");
    assert_eq!(door.get("/feed?of=everybody").await.problem(), is(400, "malformed"));

    let mut stream = door.listen("/feed").await;
    for (seq, change) in [(1, "created"), (2, "renamed")] {
        let line = stream.next().await.unwrap();
        assert_eq!((line.name, line.id), (None, Some(format!("e1.{seq}"))));
        assert_eq!(line.data["change"], change);
    }
    assert_eq!(stream.next().await.unwrap().name.as_deref(), Some("caught-up"));
    door.fake.feeds("s1", "archived");
    assert_eq!(stream.next().await.unwrap().data["change"], "archived");
    door.stop.cancel();
    assert_eq!(stream.next().await.unwrap().name.as_deref(), Some("stopping"));
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn a_feed_that_forgot_says_so_and_goes_on() {
    let door = Door::open().await;
    door.fake.feeds("s1", "created");
    let mut stream = door.listen("/feed?after=2b.7").await;
    let gap = stream.next().await.unwrap();
    assert_eq!((gap.name.as_deref(), &gap.data), (Some("gap"), &json!({ "position": "e1.1" })));
    assert_eq!(stream.next().await.unwrap().name.as_deref(), Some("caught-up"));
    door.fake.feeds("s1", "renamed");
    assert_eq!(stream.next().await.unwrap().id.as_deref(), Some("e1.2"));
}

#[tokio::test]
async fn a_feed_whose_lines_are_all_forgotten_is_waited_for_and_not_asked_again_and_again() {
    let door = Door::open().await;
    door.fake.feeds("s1", "created");
    door.fake.state().feed.clear();
    let none = door.get("/feed").await.json();
    assert_eq!(none, json!({ "items": [], "next": "e1.1", "tip": "e1.1" }));
    let mut stream = door.listen("/feed").await;
    assert_eq!(stream.next().await.unwrap().name.as_deref(), Some("caught-up"));
    door.fake.feeds("s1", "renamed");
    assert_eq!(stream.next().await.unwrap().id.as_deref(), Some("e1.2"));
    // The page, what was there, the wait, and what came.
    assert!(door.fake.state().feed_reads <= 5, "{}", door.fake.state().feed_reads);
}
