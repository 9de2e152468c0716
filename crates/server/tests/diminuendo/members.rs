//! Members of a tenant, and what each role may do.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::frames::{keys, kind, list, number, of, shown, text};
use crate::gateway::{Gateway, PATIENCE};
use crate::peer::Peer;

fn members(action: &str, user: Option<&str>, role: Option<&str>) -> Value {
    let mut frame = json!({ "type": "manage_members", "action": action });
    if let Some(user) = user {
        frame["userId"] = json!(user);
    }
    if let Some(role) = role {
        frame["role"] = json!(role);
    }
    frame
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_68_an_owner_lists_changes_and_removes_members() {
    let gateway = Gateway::locked().await;
    let mut ada = gateway.member("acme", "ada").await;
    let mut bob = gateway.member("acme", "bob").await;
    let told = ada.asks(members("list", None, None)).await;
    assert_eq!(kind(&told), "member_list");
    let mut all = list(&told, "members").to_vec();
    all.sort_by_key(|member| text(member, "userId").to_owned());
    let roles: Vec<_> = all.iter().map(|member| (text(member, "userId"), text(member, "role"))).collect();
    assert_eq!(roles, [("ada", "owner"), ("bob", "member")], "the first to come owns the tenant");
    for member in &all {
        assert_eq!(keys(member), ["createdAt", "email", "role", "updatedAt", "userId"]);
        assert!(number(member, "updatedAt") >= number(member, "createdAt"));
    }
    assert_eq!(all[0]["email"], "ada@example.org");

    let told = ada.asks(members("set_role", Some("bob"), Some("viewer"))).await;
    assert_eq!(kind(&told), "member_updated");
    assert_eq!((&told["member"]["userId"], &told["member"]["role"]), (&json!("bob"), &json!("viewer")));
    // It counts for the connection that is open, and soon.
    let forbidden = async {
        loop {
            bob.says(json!({ "type": "create_session", "agentType": "echo" })).await;
            let heard = bob.settles().await;
            if let [error] = of(&heard, "error").as_slice() {
                assert_eq!(error["code"], "FORBIDDEN");
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, forbidden).await.expect("a changed role reaches an open socket");

    let told = ada.asks(members("remove", Some("bob"), None)).await;
    assert_eq!(told, json!({ "type": "member_removed", "userId": "bob" }));
    assert_eq!(bob.closed().await.1, Some(4001));
    let told = ada.asks(members("list", None, None)).await;
    assert_eq!(list(&told, "members").len(), 1, "{told}");
    let error =
        gateway.dial().await.refused(json!({ "type": "authenticate", "token": gateway.token("acme", "bob") })).await;
    assert_eq!(error["code"], "AUTH_FAILED", "who was removed stays out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_about_members_that_make_no_sense_are_refused() {
    let gateway = Gateway::locked().await;
    let mut ada = gateway.member("acme", "ada").await;
    let mut eve = gateway.member("elsewhere", "eve").await;
    gateway.member("acme", "bob").await;
    for (request, code) in [
        (members("remove", Some("nobody"), None), "MEMBER_NOT_FOUND"),
        (members("remove", Some("eve"), None), "MEMBER_NOT_FOUND"),
        (members("set_role", Some("bob"), Some("king")), "INVALID_ROLE"),
        (members("set_role", Some("bob"), Some("")), "INVALID_ROLE"),
    ] {
        assert_eq!(ada.refused(request.clone()).await["code"], code, "{request}");
    }
    // Older names of two roles, and of the field.
    let told = ada.asks(members("set_role", Some("bob"), Some("developer"))).await;
    assert_eq!(told["member"]["role"], "member");
    let other = json!({ "type": "manage_members", "action": "set_role", "targetUserId": "bob", "role": "guest" });
    assert_eq!(ada.asks(other).await["member"]["role"], "viewer");
    let told = eve.asks(members("list", None, None)).await;
    assert_eq!(list(&told, "members").len(), 1, "each tenant has its own: {told}");
}

/// What the roles may, as the specification's matrix has it.
const MATRIX: [(&str, &[&str]); 5] = [
    (
        "owner",
        &["create", "read", "write", "delete", "archive", "steer", "member:read", "member:write", "member:delete"],
    ),
    ("admin", &["create", "read", "write", "delete", "archive", "steer", "member:read", "member:write"]),
    ("billing_admin", &["create", "read", "write", "archive", "steer"]),
    ("member", &["create", "read", "write", "archive", "steer"]),
    ("viewer", &["read"]),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_69_each_role_may_exactly_what_the_matrix_says() {
    let gateway = Gateway::locked().await;
    let mut ada = gateway.member("acme", "ada").await;
    let mut others = Vec::new();
    for (role, rights) in MATRIX {
        let name = format!("one-who-is-{role}");
        gateway.member("acme", &name).await;
        ada.asks(members("set_role", Some(&name), Some(role))).await;
        let mut peer = gateway.member("acme", &name).await;
        // A session for this role, with a file and a question, and with somebody else who may be removed.
        let session = ada.with_script().await;
        let doomed = ada.creates("script").await;
        ada.turn(&session, "!write a.txt x").await;
        ada.runs(&session, "!ask text Name?").await;
        let asked = ada.hears_a("question_requested").await["requestId"].clone();
        let other = format!("next-to-{role}");
        gateway.member("acme", &other).await;
        let on = |request: &str| json!({ "type": request, "sessionId": session });
        let answer = |request: Value| {
            let answers = json!({ "answer": "x" });
            json!({ "type": "answer_question", "sessionId": session, "requestId": request, "answers": answers })
        };
        let on_file = |request: &str| json!({ "type": request, "sessionId": session, "path": "a.txt", "iteration": 1 });
        for (right, request) in [
            ("read", json!({ "type": "list_sessions" })),
            ("create", json!({ "type": "create_session", "agentType": "echo" })),
            ("write", json!({ "type": "rename_session", "sessionId": session, "name": "New" })),
            ("archive", on("archive_session")),
            ("archive", on("unarchive_session")),
            ("read", on("join_session")),
            ("steer", json!({ "type": "steer", "sessionId": session, "content": "left" })),
            ("write", answer(json!("nobody-asked"))),
            ("write", answer(asked)),
            ("write", on("stop_turn")),
            ("read", on("get_history")),
            ("read", on("get_events")),
            ("read", json!({ "type": "list_files", "sessionId": session })),
            ("read", on_file("read_file")),
            ("read", on_file("file_history")),
            ("read", on_file("file_at_iteration")),
            ("read", on("leave_session")),
            ("write", json!({ "type": "run_turn", "sessionId": session, "text": "words" })),
            ("delete", json!({ "type": "delete_session", "sessionId": doomed })),
            ("member:read", members("list", None, None)),
            ("member:write", members("set_role", Some(&other), Some("viewer"))),
            ("member:delete", members("remove", Some(&other), None)),
        ] {
            peer.says(request.clone()).await;
            let heard = peer.settles().await;
            let errors = of(&heard, "error");
            let forbidden = errors.iter().any(|error| error["code"] == "FORBIDDEN");
            if forbidden == rights.contains(&right) {
                others.push(format!("{role} ({right}): {request}: {}", shown(&heard)));
            }
            assert!(errors.len() <= 1, "{role}: {request}: {}", shown(&heard));
        }
    }
    assert!(others.is_empty(), "{}", others.concat());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gives_a_role_above_their_own() {
    let gateway = Gateway::locked().await;
    let mut ada = gateway.member("acme", "ada").await;
    gateway.member("acme", "bob").await;
    gateway.member("acme", "cyd").await;
    ada.asks(members("set_role", Some("bob"), Some("admin"))).await;
    let mut bob = gateway.member("acme", "bob").await;
    for request in [
        members("set_role", Some("cyd"), Some("owner")),
        members("set_role", Some("bob"), Some("owner")),
        members("set_role", Some("ada"), Some("member")),
    ] {
        assert_eq!(bob.refused(request.clone()).await["code"], "FORBIDDEN", "{request}");
    }
    bob.asks(members("set_role", Some("cyd"), Some("admin"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diminuendo_70_the_last_owner_stays_one() {
    let gateway = Gateway::locked().await;
    let mut ada = gateway.member("acme", "ada").await;
    gateway.member("acme", "bob").await;
    for request in [
        members("remove", Some("ada"), None),
        members("set_role", Some("ada"), Some("admin")),
        members("set_role", Some("ada"), Some("viewer")),
    ] {
        assert_eq!(ada.refused(request.clone()).await["code"], "LAST_OWNER", "{request}");
    }
    ada.asks(members("set_role", Some("bob"), Some("owner"))).await;
    let mut bob = gateway.member("acme", "bob").await;
    bob.asks(members("set_role", Some("ada"), Some("member"))).await;
    assert_eq!(bob.refused(members("remove", Some("bob"), None)).await["code"], "LAST_OWNER");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_a_viewer_looks_and_does_nothing() {
    let gateway = Gateway::locked().await;
    let mut owner = gateway.enter(gateway.owner_key()).await;
    let session = owner.with_script().await;
    let body = json!({ "name": "wall", "user": "wall", "role": "viewer" });
    let (status, made) = gateway.native(Method::POST, "/keys", Some(body)).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let mut wall: Peer = gateway.enter(text(&made, "key")).await;
    wall.joins(&session).await;
    let error = wall.refused(json!({ "type": "run_turn", "sessionId": session, "text": "x" })).await;
    assert_eq!(error["code"], "FORBIDDEN");
    owner.runs(&session, "words").await;
    wall.until_rest(&session).await;
}
