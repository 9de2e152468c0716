//! Attachments in an object store: clients put and fetch them there with leave of the gateway, and nothing is left behind.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use aws_lc_rs::{digest, hmac};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Method as Verb, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rejoin_happy::client::seal::AccountSecret;
use rejoin_happy::client::{Account as Client, NewSession, Options};
use rejoin_happy::payload::Metadata;
use reqwest::Method;
use serde_json::{Value, json};

use crate::frames::text;
use crate::gateway::{Gateway, Plan};

const ACCESS: &str = "AKIDEXAMPLE";
const SECRET: &str = "a/secret+key";

/// A store of one bucket, `happy`, which looks at signatures as Amazon describes them.
#[derive(Clone, Default)]
struct Store(Arc<Mutex<Inside>>);

#[derive(Default)]
struct Inside {
    objects: BTreeMap<String, Vec<u8>>,
    is_away: bool,
    bearers: usize,
}

impl Store {
    async fn start() -> (Store, String) {
        let store = Store::default();
        let routes = Router::new().route("/happy", post(put).get(list)).route("/happy/{*key}", any(object));
        let routes = routes.layer(axum::extract::DefaultBodyLimit::max(32 << 20)).with_state(store.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (store, url)
    }
    fn names(&self) -> Vec<String> {
        self.0.lock().unwrap().objects.keys().cloned().collect()
    }
    fn is_away(&self, away: bool) {
        self.0.lock().unwrap().is_away = away;
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn signature(stamp: &str, text: &str) -> String {
    let mut key = format!("AWS4{SECRET}").into_bytes();
    for part in [&stamp[..8], "eu-west-1", "s3", "aws4_request", text] {
        key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), part.as_bytes()).as_ref().to_vec();
    }
    hex(&key)
}

/// Whether the address of a request was signed for it.
fn is_signed(verb: &Verb, uri: &Uri, headers: &HeaderMap) -> bool {
    let query = uri.query().unwrap_or_default();
    let Some((signed, given)) = query.rsplit_once("&X-Amz-Signature=") else { return false };
    let fields: HashMap<&str, &str> = signed.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let stamp = fields["X-Amz-Date"];
    let scope = format!("{}/eu-west-1/s3/aws4_request", &stamp[..8]);
    let host = headers["host"].to_str().unwrap();
    let canonical = format!("{verb}\n{}\n{signed}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD", uri.path());
    let hashed = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
    fields["X-Amz-Credential"] == format!("{ACCESS}/{scope}").replace('/', "%2F")
        && given == signature(stamp, &format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashed}"))
}

async fn object(
    State(store): State<Store>,
    Path(key): Path<String>,
    verb: Verb,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let mut inside = store.0.lock().unwrap();
    inside.bearers += usize::from(headers.contains_key("authorization"));
    if inside.is_away {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if !is_signed(&verb, &uri, &headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    match verb {
        Verb::GET => {
            inside.objects.get(&key).cloned().map_or(StatusCode::NOT_FOUND.into_response(), IntoResponse::into_response)
        }
        Verb::DELETE => {
            inside.objects.remove(&key);
            StatusCode::NO_CONTENT.into_response()
        }
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

async fn list(State(store): State<Store>, RawQuery(query): RawQuery, uri: Uri, headers: HeaderMap) -> Response {
    let inside = store.0.lock().unwrap();
    if inside.is_away {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if !is_signed(&Verb::GET, &uri, &headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let query = query.unwrap_or_default();
    let prefix = query.split('&').find_map(|pair| pair.strip_prefix("prefix=")).unwrap().replace("%2F", "/");
    // As a store with many: not all at once.
    let keys = inside.objects.keys().filter(|key| key.starts_with(&prefix)).take(2);
    let items: String = keys.map(|key| format!("<Contents><Key>{key}</Key></Contents>")).collect();
    format!("<ListBucketResult>{items}</ListBucketResult>").into_response()
}

async fn put(State(store): State<Store>, headers: HeaderMap, body: Bytes) -> Response {
    let mut inside = store.0.lock().unwrap();
    inside.bearers += usize::from(headers.contains_key("authorization"));
    let kind = headers["content-type"].to_str().unwrap();
    let border = format!("--{}", kind.split_once("boundary=").expect("it is a form").1);
    let (mut fields, mut file) = (HashMap::new(), None);
    for part in split(&body, border.as_bytes()) {
        let Some(at) = part.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let (head, value) = (String::from_utf8_lossy(&part[..at]).into_owned(), &part[at + 4..part.len() - 2]);
        let name = head.split("name=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        match &*name {
            "file" => file = Some(value.to_vec()),
            _ => drop(fields.insert(name, String::from_utf8(value.to_vec()).unwrap())),
        }
    }
    let Some(file) = file else { return StatusCode::BAD_REQUEST.into_response() };
    if signature(&fields["x-amz-date"], &fields["policy"]) != fields["x-amz-signature"] {
        return StatusCode::FORBIDDEN.into_response();
    }
    let policy: Value = serde_json::from_slice(&STANDARD.decode(&fields["policy"]).unwrap()).unwrap();
    for condition in policy["conditions"].as_array().unwrap() {
        let holds = match condition {
            Value::Object(wanted) => wanted.iter().all(|(name, value)| match &**name {
                "bucket" => value == "happy",
                name => fields.get(name).is_some_and(|given| value == given),
            }),
            range => {
                assert_eq!(range[0], "content-length-range");
                (range[1].as_u64().unwrap()..=range[2].as_u64().unwrap()).contains(&(file.len() as u64))
            }
        };
        if !holds {
            return (StatusCode::FORBIDDEN, format!("{condition}")).into_response();
        }
    }
    inside.objects.insert(fields["key"].clone(), file);
    StatusCode::NO_CONTENT.into_response()
}

fn split<'a>(bytes: &'a [u8], border: &[u8]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> =
        bytes.windows(border.len()).enumerate().filter(|(_, at)| *at == border).map(|(at, _)| at).collect();
    places.push(bytes.len());
    places.windows(2).map(|two| &bytes[two[0] + border.len()..two[1]]).collect()
}

async fn gateway(url: &str) -> Gateway {
    let lines = format!(
        "[happy.s3]\nurl = \"{url}\"\nregion = \"eu-west-1\"\nbucket = \"happy\"\naccess-key = \"{ACCESS}\"\nsecret-key = \"{SECRET}\""
    );
    Plan::default().says(&lines).start().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_47_what_our_client_puts_into_a_bucket_it_fetches_from_there_and_its_token_stays_here() {
    let (store, url) = Store::start().await;
    let gateway = gateway(&url).await;
    let options = Options::new(&gateway.door().url).unwrap();
    let account = Client::sign_in(&options, &AccountSecret::random()).await.unwrap();
    let session = account.create_session(&NewSession::new(Metadata::default())).await.unwrap();
    let sealed = vec![7; 100_000];
    let reference = account.api().upload_sealed(&session.record.id, "picture.png", sealed.clone()).await.unwrap();
    assert_eq!(store.names(), std::slice::from_ref(&reference));
    let fetched = account.api().download_sealed(&session.record.id, &reference).await.unwrap();
    assert!(fetched == sealed);
    assert_eq!(store.0.lock().unwrap().bearers, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn happy_47_leave_is_for_one_object_of_ones_own_session_and_ten_mebibytes() {
    let (store, url) = Store::start().await;
    let gateway = gateway(&url).await;
    let (account, thief) = (gateway.account().await, gateway.account().await);
    let session = account.creates().await;
    let ask = format!("/v1/sessions/{session}/attachments/request-upload");
    thief.post(&ask, json!({ "filename": "f", "size": 1 })).await.refused(404, "Session not found");
    let granted = account.post(&ask, json!({ "filename": "f", "size": 1 })).await.ok();
    assert_eq!((&granted["method"], text(&granted, "uploadUrl")), (&json!("POST"), &*format!("{url}/happy")));
    assert_eq!(granted["formFields"]["key"], granted["ref"]);
    let posts = async |key: &str, size: usize| {
        let mut form = String::new();
        for (name, value) in granted["formFields"].as_object().unwrap() {
            let value = if name == "key" { key } else { value.as_str().unwrap() };
            form += &format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        }
        form +=
            &format!("--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n{}\r\n--b--\r\n", "x".repeat(size));
        let request = account.door.request(Method::POST, text(&granted, "uploadUrl"));
        let request = request.header("content-type", "multipart/form-data; boundary=b").body(form);
        request.send().await.unwrap().status().as_u16()
    };
    let key = text(&granted, "ref").to_owned();
    assert_eq!(posts(&format!("{key}x"), 1).await, 403);
    assert_eq!(posts(&key, (10 << 20) + 1).await, 403);
    assert_eq!(posts(&key, 10 << 20).await, 204);
    assert_eq!(store.names(), std::slice::from_ref(&key));

    // Whoever asks for it here is sent there, if it is theirs.
    let asks = async |token: &str| {
        account.door.request(Method::GET, &format!("/v1/{key}")).bearer_auth(token).send().await.unwrap()
    };
    let sent = asks(&account.token).await;
    assert_eq!(sent.status(), 302);
    let place = sent.headers()["location"].to_str().unwrap().to_owned();
    let fetched = account.door.request(Method::GET, &place).send().await.unwrap();
    assert_eq!((fetched.status().as_u16(), fetched.bytes().await.unwrap().len()), (200, 10 << 20));
    let changed = account.door.request(Method::GET, &place.replace("attachments", "Attachments")).send().await.unwrap();
    assert_eq!(changed.status(), 403);
    assert_eq!(asks(&thief.token).await.status(), 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_deleted_leaves_no_object_also_if_the_store_was_away_and_the_gateway_stopped() {
    let (store, url) = Store::start().await;
    let gateway = gateway(&url).await;
    let account = gateway.account().await;
    let (gone, stays) = (account.creates().await, account.creates().await);
    for (session, name) in [(&gone, "a"), (&gone, "b"), (&gone, "c"), (&stays, "d")] {
        let key = format!("sessions/{session}/attachments/{name}.enc");
        store.0.lock().unwrap().objects.insert(key, vec![1]);
    }
    store.is_away(true);
    account.delete(&format!("/v1/sessions/{gone}")).await.ok();
    let gateway = gateway.restart().await;
    assert_eq!(store.names().len(), 4);
    store.is_away(false);
    gateway.clock.advance(120_000);
    let begun = std::time::Instant::now();
    while store.names().len() != 1 {
        assert!(begun.elapsed() < crate::gateway::PATIENCE, "{:?}", store.names());
        gateway.clock.advance(1_000);
        tokio::task::yield_now().await;
    }
    assert!(store.names()[0].contains(&stays));
}
