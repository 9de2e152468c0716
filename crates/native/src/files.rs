//! Files of a session's workspace.

use axum::extract::{Request, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::IntoResponse;
use rejoin_core::event::FileChange;
use rejoin_core::id::SessionId;
use rejoin_core::position::Millis;
use rejoin_ports::agent::FileError;
use rejoin_ports::gateway::{FileEntry, FileMatch, FilePreview, FilesFailure, Search};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::answer::{self, Items, Outcome};
use crate::api::Api;
use crate::body;
use crate::identity::Who;
use crate::operations::{Content, Operation};
use crate::problem::Problem;
use crate::query::{At, Params};

/// How deep a listing goes where nothing is said, and at most.
const DEPTH: usize = 1;
const DEEPEST: usize = 32;
/// How many matches or versions are shown where nothing is said, and at most.
const PAGE: usize = 100;
const LONGEST_PAGE: usize = 1_000;
/// The longest thing to search for.
const LONGEST_SEARCH: usize = 1_024;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BrowseParams {
    /// The folder to list; absent: the workspace itself.
    path: Option<String>,
    /// How many levels: 1 where nothing is said, at most 32.
    depth: Option<usize>,
    /// Show hidden files too.
    #[serde(default)]
    hidden: bool,
    /// Find files whose name has this in it, instead of listing.
    search: Option<String>,
    /// Find files that have this in them.
    content: Option<String>,
    /// Whether `content` is a regular expression.
    #[serde(default)]
    regex: bool,
    /// The most matches: 100 where nothing is said, at most 1,000.
    limit: Option<usize>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadParams {
    /// One version of the file; absent: as it is now.
    version: Option<u64>,
    /// Describe the file, as a person would look at it, instead of giving its bytes.
    #[serde(default)]
    preview: bool,
    /// For `{path}/versions`: versions older than this one.
    before: Option<u64>,
    /// For `{path}/versions`: 100 where nothing is said, at most 1,000.
    limit: Option<usize>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VersionParams {
    /// Versions older than this one.
    before: Option<u64>,
    /// 100 where nothing is said, at most 1,000.
    limit: Option<usize>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WriteParams {}

/// One version of a file.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FileVersion {
    path: String,
    version: u64,
    change: FileChange,
    /// SHA-256 of the content.
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    size: u64,
    at: Millis,
    /// The session in which it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<SessionId>,
}

impl From<rejoin_ports::store::FileVersion> for FileVersion {
    fn from(kept: rejoin_ports::store::FileVersion) -> FileVersion {
        FileVersion {
            path: kept.path,
            version: kept.version,
            change: kept.change,
            hash: kept.hash,
            size: kept.size,
            at: kept.at,
            session: kept.session,
        }
    }
}

/// What a listing, or a search, found.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Found {
    Entries(Items<FileEntry>),
    Matches(Items<FileMatch>),
}

const FILE_CODES: &[&str] = &[
    "not_found",
    "host_away",
    "invalid_request",
    "path_outside_workspace",
    "file_not_found",
    "is_a_folder",
    "not_a_folder",
    "file_too_large",
    "invalid_path",
    "file_failed",
];

pub(crate) fn operations() -> Vec<Operation> {
    let new = Operation::new;
    vec![
        new("browseFiles", Method::GET, "/sessions/{id}/files", "List a folder of the workspace, or search in it")
            .query::<BrowseParams>()
            .answers::<Found>(200, "Entries, or matches where something was searched for.")
            .fails(FILE_CODES)
            .by(browse),
        new(
            "readFile",
            Method::GET,
            "/sessions/{id}/files/{*path}",
            "Read a file, one version of it, a preview, or (`{path}/versions`) its versions",
        )
        .query::<ReadParams>()
        .answer(200, Content::Bytes, "The file's bytes.")
        .answers::<FilePreview>(200, "With `preview`: how it looks.")
        .answers::<Items<FileVersion>>(200, "With `{path}/versions`: newest first.")
        .fails(FILE_CODES)
        .by(read),
        new("writeFile", Method::PUT, "/sessions/{id}/files/{*path}", "Write a file: a new version of it")
            .query::<WriteParams>()
            .takes_bytes()
            .answers::<FileVersion>(200, "The version that was made.")
            .fails(&[
                "not_found",
                "host_away",
                "invalid_request",
                "path_outside_workspace",
                "is_a_folder",
                "not_a_folder",
                "file_too_large",
                "invalid_path",
                "file_failed",
                "body_too_large",
                "session_archived",
                "session_ended",
            ])
            .by(write),
        new(
            "listFileVersions",
            Method::GET,
            "/sessions/{id}/versions/{*path}",
            "List the versions of a file, newest first",
        )
        .query::<VersionParams>()
        .answers::<Items<FileVersion>>(200, "Those older than `before`.")
        .fails(FILE_CODES)
        .by(versions),
    ]
}

async fn browse(
    State(api): State<Api>,
    who: Who,
    At(session): At<SessionId>,
    Params(asked): Params<BrowseParams>,
) -> Outcome {
    let files = &api.gateway.files;
    if asked.search.is_none() && asked.content.is_none() {
        let path = asked.path.as_deref().unwrap_or_default();
        let depth = asked.depth.unwrap_or(DEPTH).clamp(1, DEEPEST);
        let items = files.list(who.identity(), &session, path, depth, asked.hidden).await?;
        return answer::ok(&Found::Entries(Items { items }));
    }
    for (field, text) in [("search", &asked.search), ("content", &asked.content)] {
        if text.as_ref().is_some_and(|text| text.len() > LONGEST_SEARCH) {
            let why = format!("at most {LONGEST_SEARCH} bytes can be searched for");
            return Err(Problem::malformed(field, why));
        }
    }
    let search = Search { name: asked.search, content: asked.content, regex: asked.regex, limit: page(asked.limit) };
    let items = files.search(who.identity(), &session, search).await?;
    answer::ok(&Found::Matches(Items { items }))
}

async fn read(
    State(api): State<Api>,
    who: Who,
    At((session, path)): At<(SessionId, String)>,
    Params(asked): Params<ReadParams>,
) -> Outcome {
    let files = &api.gateway.files;
    let outcome = match asked.preview {
        true => {
            let preview = files.preview(who.identity(), &session, &path).await;
            preview.map(|preview| answer::ok(&preview))
        }
        false => {
            let content = files.read(who.identity(), &session, &path, asked.version).await;
            content.map(|content| Ok(bytes(&content.mime, content.bytes)))
        }
    };
    match (outcome, path.strip_suffix("/versions")) {
        (Ok(answer), _) => answer,
        // A file that is really named so comes first; without one, the versions of what stands before are meant.
        (Err(FilesFailure::File(FileError::NotFound | FileError::NotFolder)), Some(path)) => {
            listed(&api, &who, &session, path, asked.before, asked.limit).await
        }
        (Err(failure), _) => Err(failure.into()),
    }
}

/// A file as it is. A browser must neither guess what it is nor run it under our origin.
fn bytes(mime: &str, content: bytes::Bytes) -> axum::response::Response {
    let octets = HeaderValue::from_static("application/octet-stream");
    let mime = HeaderValue::from_str(mime).unwrap_or(octets);
    let headers = [
        (CONTENT_TYPE, mime),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox")),
    ];
    (StatusCode::OK, headers, content).into_response()
}

async fn write(
    State(api): State<Api>,
    who: Who,
    At((session, path)): At<(SessionId, String)>,
    Params(WriteParams {}): Params<WriteParams>,
    request: Request,
) -> Outcome {
    let content = body::read(&api, request, api.limits.file_bytes).await?;
    let files = &api.gateway.files;
    let version = files.write(&who.caller(), &session, &path, content).await?;
    answer::ok(&FileVersion::from(version))
}

async fn versions(
    State(api): State<Api>,
    who: Who,
    At((session, path)): At<(SessionId, String)>,
    Params(asked): Params<VersionParams>,
) -> Outcome {
    listed(&api, &who, &session, &path, asked.before, asked.limit).await
}

async fn listed(
    api: &Api,
    who: &Who,
    session: &SessionId,
    path: &str,
    before: Option<u64>,
    limit: Option<usize>,
) -> Outcome {
    let files = &api.gateway.files;
    let versions = files.versions(who.identity(), session, path, before, page(limit)).await?;
    let items = versions.into_iter().map(FileVersion::from).collect();
    answer::ok(&Items { items })
}

fn page(limit: Option<usize>) -> usize {
    limit.unwrap_or(PAGE).clamp(1, LONGEST_PAGE)
}
