//! The workspace: listing, reading, and what files were before.

use serde_json::{Value, json};

use crate::frames::{keys, list, number, of, text};
use crate::gateway::Gateway;
use crate::peer::Peer;

fn read(session: &str, path: &str) -> Value {
    json!({ "type": "read_file", "sessionId": session, "path": path })
}

async fn paths(peer: &mut Peer, request: Value) -> Vec<(String, String)> {
    let told = peer.asks(request).await;
    let mut found: Vec<_> = list(&told, "files")
        .iter()
        .map(|file| {
            assert_eq!(keys(file), ["modifiedAt", "name", "path", "size", "type"], "{file}");
            let (path, name) = (text(file, "path"), text(file, "name"));
            assert_eq!(path.trim_end_matches('/').rsplit('/').next(), Some(name), "{file}");
            if text(file, "type") == "file" {
                number(file, "size");
                number(file, "modifiedAt");
            }
            (path.trim_end_matches('/').to_owned(), text(file, "type").to_owned())
        })
        .collect();
    found.sort();
    found
}

fn as_owned(found: &[(&str, &str)]) -> Vec<(String, String)> {
    found.iter().map(|(path, kind)| ((*path).to_owned(), (*kind).to_owned())).collect()
}

const TREE: &str =
    "!write readme.md top\n!write src/main.rs main\n!write src/inner/one.rs one\n!write src/inner/deep/two.rs two";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_63_a_list_shows_the_root_or_as_deep_as_it_is_asked_to() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    assert!(paths(&mut peer, json!({ "type": "list_files", "sessionId": session })).await.is_empty());
    peer.turn(&session, TREE).await;
    let root = as_owned(&[("readme.md", "file"), ("src", "directory")]);
    for path in [None, Some(""), Some("."), Some("./")] {
        let mut request = json!({ "type": "list_files", "sessionId": session });
        if let Some(path) = path {
            request["path"] = json!(path);
        }
        assert_eq!(paths(&mut peer, request).await, root, "{path:?}");
    }
    let one_level = as_owned(&[("src/inner", "directory"), ("src/main.rs", "file")]);
    let request = json!({ "type": "list_files", "sessionId": session, "path": "src" });
    assert_eq!(paths(&mut peer, request).await, one_level);
    let two_levels = as_owned(&[
        ("src/inner", "directory"),
        ("src/inner/deep", "directory"),
        ("src/inner/one.rs", "file"),
        ("src/main.rs", "file"),
    ]);
    let request = json!({ "type": "list_files", "sessionId": session, "path": "src/", "depth": 2 });
    assert_eq!(paths(&mut peer, request.clone()).await, two_levels);
    let told = peer.asks(request).await;
    assert_eq!((&told["sessionId"], text(&told, "path").trim_end_matches('/')), (&json!(session), "src"));
    let request = json!({ "type": "list_files", "sessionId": session, "depth": 10 });
    assert_eq!(paths(&mut peer, request).await.len(), 7);
    let error = peer.refused(json!({ "type": "list_files", "sessionId": session, "path": "nowhere" })).await;
    assert_eq!(error["code"], "FILE_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_64_text_is_read_as_text_and_anything_else_as_base64() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    peer.turn(&session, "!write src/a.txt é 漢字\n!shell printf '\\377\\376\\000' > b.bin; : > empty").await;
    let told = peer.asks(read(&session, "src/a.txt")).await;
    assert_eq!((&told["content"], &told["encoding"]), (&json!("é 漢字"), &json!("utf-8")));
    assert_eq!((&told["path"], &told["size"]), (&json!("src/a.txt"), &json!("é 漢字".len())));
    assert_eq!(told["sessionId"], session);
    let told = peer.asks(read(&session, "b.bin")).await;
    assert_eq!((&told["content"], &told["encoding"], &told["size"]), (&json!("//4A"), &json!("base64"), &json!(3)));
    let told = peer.asks(read(&session, "empty")).await;
    assert_eq!((&told["content"], &told["encoding"]), (&json!(""), &json!("utf-8")));
    assert_eq!(peer.refused(read(&session, "nowhere.txt")).await["code"], "FILE_NOT_FOUND");
    for no_file in ["src", "src/a.txt/b"] {
        peer.refused(read(&session, no_file)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_more_than_a_megabyte_is_not_sent() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    peer.turn(&session, "!shell head -c 1048576 /dev/zero | tr '\\0' x > most; head -c 1048577 /dev/zero > more").await;
    let told = peer.asks(read(&session, "most")).await;
    assert_eq!(text(&told, "content").len(), 1_048_576);
    assert_eq!(peer.refused(read(&session, "more")).await["code"], "FILE_TOO_LARGE");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_65_a_files_history_has_its_versions_with_rising_numbers() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    for content in ["one", "three", "three"] {
        gateway.clock.advance(1_000);
        peer.turn(&session, &format!("!write src/main.ts {content}")).await;
    }
    let told = peer.asks(json!({ "type": "file_history", "sessionId": session, "path": "src/main.ts" })).await;
    assert_eq!((&told["sessionId"], &told["path"]), (&json!(session), &json!("src/main.ts")));
    let history = list(&told, "history");
    assert!(history.len() >= 2, "{told}");
    assert!(history.is_sorted_by(|a, b| number(a, "iteration") < number(b, "iteration")), "{told}");
    assert!(history.is_sorted_by_key(|one| number(one, "timestamp")), "{told}");
    assert_eq!((number(&history[0], "size"), number(&history[1], "size")), (3, 5));
    assert_ne!(history[0]["hash"], history[1]["hash"]);
    for one in history {
        assert_eq!(keys(one), ["hash", "iteration", "size", "timestamp"]);
        assert!(!text(one, "hash").is_empty() && number(one, "iteration") >= 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_66_a_file_can_be_read_as_it_was() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    let turn = peer.turn(&session, "!write a.txt one\n!write a.txt two\n!shell printf three > a.txt").await;
    let changes = of(&turn, "file_changed");
    let kinds: Vec<_> = changes.iter().map(|change| (text(change, "path"), text(change, "change"))).collect();
    assert_eq!(kinds, [("a.txt", "created"), ("a.txt", "modified"), ("a.txt", "modified")]);
    assert!(changes.iter().all(|change| number(change, "ts") > 0 && change["sessionId"] == session));
    let told = peer.asks(json!({ "type": "file_history", "sessionId": session, "path": "a.txt" })).await;
    let history = list(&told, "history").to_vec();
    assert_eq!(history.len(), 3, "{told}");
    for (version, content) in history.iter().zip(["one", "two", "three"]) {
        let iteration = number(version, "iteration");
        let asked =
            json!({ "type": "file_at_iteration", "sessionId": session, "path": "a.txt", "iteration": iteration });
        let told = peer.asks(asked).await;
        assert_eq!((&told["content"], &told["encoding"]), (&json!(content), &json!("utf-8")));
        assert_eq!((number(&told, "iteration"), &told["path"]), (iteration, &json!("a.txt")));
    }
    assert_eq!(peer.asks(read(&session, "a.txt")).await["content"], "three");
    for iteration in [0, 99] {
        let asked =
            json!({ "type": "file_at_iteration", "sessionId": session, "path": "a.txt", "iteration": iteration });
        assert_eq!(peer.refused(asked).await["code"], "ITERATION_NOT_FOUND", "{iteration}");
    }
    // Also when the file itself is gone.
    peer.turn(&session, "!shell rm a.txt").await;
    assert_eq!(peer.refused(read(&session, "a.txt")).await["code"], "FILE_NOT_FOUND");
    let asked = json!({ "type": "file_at_iteration", "sessionId": session, "path": "a.txt", "iteration": 1 });
    assert_eq!(peer.asks(asked).await["content"], "one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_67_no_path_leads_out_of_the_workspace() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    peer.turn(&session, "!write src/a.txt x\n!shell ln -s /etc escape; ln -s /etc/hostname name").await;
    for path in ["..", "../x", "src/../../x", "src/..", "/etc/hostname", "/", "a\0b", "\0", "src/../a.txt"] {
        for request in ["list_files", "read_file", "file_history", "file_at_iteration"] {
            let asked = json!({ "type": request, "sessionId": session, "path": path, "iteration": 1 });
            assert_eq!(peer.refused(asked).await["code"], "INVALID_PATH", "{request} {path:?}");
        }
    }
    // Links that lead out are no way out either, whatever the reason is called.
    for path in ["escape/hostname", "name"] {
        peer.refused(read(&session, path)).await;
    }
    peer.refused(json!({ "type": "list_files", "sessionId": session, "path": "escape" })).await;
    for path in ["src//a.txt", "./src/./a.txt"] {
        peer.says(read(&session, path)).await; // either way is fine, so long as it stays inside
    }
    peer.settles().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_65_a_file_that_never_was_has_no_history() {
    let gateway = Gateway::dev().await;
    let mut peer = gateway.peer().await;
    let session = peer.with_script().await;
    let error = peer.refused(json!({ "type": "file_history", "sessionId": session, "path": "nowhere" })).await;
    assert_eq!(error["code"], "FILE_NOT_FOUND");
}
