//! What a client says, read and checked. Fields that nobody knows are ignored; a missing or a wrong one is named.

use rejoin_core::id::{AskId, SessionId};
use serde_json::{Map, Value};

use super::failure::Refused;
use crate::names::{fields, said};
use crate::wire::Code;

/// The longest `requestId` of the extension, `clientTurnId`, `agentType` and path.
const LONGEST_REQUEST_ID: usize = 64;
const LONGEST_TURN_ID: usize = 128;
const LONGEST_AGENT_TYPE: usize = 100;
const LONGEST_PATH: usize = 4096;

/// Pages of history and of events: how much is given when nothing is said, and at most.
const HISTORY: (u64, u64) = (50, 500);
const EVENTS: (u64, u64) = (200, 1_000);
/// How deep a listing of files may go.
const DEEPEST: u64 = 10;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Request {
    Authenticate {
        token: String,
        versions: Option<Vec<u64>>,
    },
    ListSessions {
        archived: bool,
    },
    CreateSession {
        agent_type: String,
        name: Option<String>,
    },
    RenameSession {
        session: SessionId,
        name: String,
    },
    ArchiveSession {
        session: SessionId,
    },
    UnarchiveSession {
        session: SessionId,
    },
    DeleteSession {
        session: SessionId,
    },
    JoinSession {
        session: SessionId,
        after: Option<u64>,
        marker: bool,
    },
    LeaveSession {
        session: SessionId,
    },
    RunTurn {
        session: SessionId,
        text: String,
        turn: Option<String>,
    },
    StopTurn {
        session: SessionId,
    },
    Steer {
        session: SessionId,
        text: String,
    },
    AnswerQuestion {
        session: SessionId,
        ask: AskId,
        answers: Map<String, Value>,
        dismissed: bool,
    },
    GetHistory {
        session: SessionId,
        after: u64,
        limit: usize,
    },
    GetEvents {
        session: SessionId,
        after: u64,
        limit: usize,
    },
    Ping {
        ts: Option<Value>,
    },
    ListFiles {
        session: SessionId,
        path: String,
        depth: usize,
    },
    ReadFile {
        session: SessionId,
        path: String,
    },
    FileHistory {
        session: SessionId,
        path: String,
    },
    FileAtIteration {
        session: SessionId,
        path: String,
        iteration: u64,
    },
    Members(Members),
    /// Nobody can ask for it: a session has changed in a way that has no event of its own.
    ShowAgain {
        session: SessionId,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Members {
    List,
    SetRole { user: String, role: String },
    Remove { user: String },
}

/// A message, and the id under which its answer is wanted.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Said {
    pub(super) id: Option<String>,
    /// How long the message was.
    pub(super) bytes: usize,
    pub(super) request: Result<Request, Refused>,
}

pub(super) fn read(text: &str) -> Said {
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(_) => {
            return Said {
                id: None,
                bytes: text.len(),
                request: Err(Refused::new(Code::InvalidJson, "The message is not JSON")),
            };
        }
    };
    let Value::Object(object) = value else {
        return Said { id: None, bytes: text.len(), request: Err(invalid("a message is an object")) };
    };
    let fields = Fields(object);
    let kind = fields.0.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    // A question has a `requestId` of its own.
    let id = if kind == said::ANSWER_QUESTION { "clientRequestId" } else { "requestId" };
    let id = fields.0.get(id).and_then(Value::as_str).filter(|id| id.len() <= LONGEST_REQUEST_ID);
    Said { id: id.map(str::to_owned), bytes: text.len(), request: request(&kind, &fields) }
}

fn request(kind: &str, fields: &Fields) -> Result<Request, Refused> {
    let session = || fields.session();
    Ok(match kind {
        said::AUTHENTICATE => {
            Request::Authenticate { token: fields.text("token")?.to_owned(), versions: fields.versions()? }
        }
        said::LIST_SESSIONS => Request::ListSessions { archived: fields.flag("includeArchived")? },
        said::CREATE_SESSION => {
            let agent_type = fields.text("agentType")?;
            let fits = (1..=LONGEST_AGENT_TYPE).contains(&agent_type.len())
                && agent_type.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte));
            if !fits {
                return Err(invalid("`agentType` is 1 to 100 letters, digits, `.`, `_`, `:` and `-`"));
            }
            let name = fields.maybe_text("name")?.map(str::trim).filter(|name| !name.is_empty());
            Request::CreateSession { agent_type: agent_type.to_owned(), name: name.map(str::to_owned) }
        }
        said::RENAME_SESSION => Request::RenameSession { session: session()?, name: fields.text("name")?.to_owned() },
        said::ARCHIVE_SESSION => Request::ArchiveSession { session: session()? },
        said::UNARCHIVE_SESSION => Request::UnarchiveSession { session: session()? },
        said::DELETE_SESSION => Request::DeleteSession { session: session()? },
        said::JOIN_SESSION => Request::JoinSession {
            session: session()?,
            after: fields.maybe_number(fields::AFTER)?,
            marker: fields.flag("wantsReplayMarker")?,
        },
        said::LEAVE_SESSION => Request::LeaveSession { session: session()? },
        said::RUN_TURN => {
            let text = fields.text("text")?;
            if text.trim().is_empty() {
                return Err(invalid("`text` is empty"));
            }
            let turn = fields.maybe_text("clientTurnId")?;
            if turn.is_some_and(|turn| turn.is_empty() || turn.len() > LONGEST_TURN_ID) {
                return Err(invalid("`clientTurnId` is 1 to 128 bytes"));
            }
            Request::RunTurn { session: session()?, text: text.to_owned(), turn: turn.map(str::to_owned) }
        }
        said::STOP_TURN => Request::StopTurn { session: session()? },
        said::STEER => {
            let text = fields.one_of(fields::STEER_TEXT)?;
            if text.trim().is_empty() {
                return Err(invalid("`content` is empty"));
            }
            Request::Steer { session: session()?, text: text.to_owned() }
        }
        said::ANSWER_QUESTION => {
            let (ask, dismissed) = (fields.text("requestId")?, fields.flag("dismissed")?);
            let answers = match fields.0.get("answers") {
                Some(Value::Object(answers)) if answers.values().all(Value::is_string) => answers.clone(),
                None | Some(Value::Null) if dismissed => Map::new(),
                _ => return Err(invalid("`answers` must be an object of texts")),
            };
            let ask =
                AskId::new(ask).map_err(|_| Refused::new(Code::QuestionNotFound, "Nobody waits for that answer"))?;
            Request::AnswerQuestion { session: session()?, ask, answers, dismissed }
        }
        said::GET_HISTORY => {
            let (after, limit) = fields.page(HISTORY)?;
            Request::GetHistory { session: session()?, after, limit }
        }
        said::GET_EVENTS => {
            let (after, limit) = fields.page(EVENTS)?;
            Request::GetEvents { session: session()?, after, limit }
        }
        said::PING => Request::Ping { ts: fields.0.get("ts").filter(|ts| ts.is_number()).cloned() },
        said::LIST_FILES => {
            let path = match fields.maybe_text("path")? {
                None => String::new(),
                Some(path) => checked_path(path)?,
            };
            let depth = fields.maybe_number(&["depth"])?.unwrap_or(1).clamp(1, DEEPEST) as usize;
            Request::ListFiles { session: session()?, path, depth }
        }
        said::READ_FILE => Request::ReadFile { session: session()?, path: fields.path()? },
        said::FILE_HISTORY => Request::FileHistory { session: session()?, path: fields.path()? },
        said::FILE_AT_ITERATION => {
            let iteration = fields.maybe_number(&["iteration"])?.ok_or_else(|| invalid("`iteration` is missing"))?;
            Request::FileAtIteration { session: session()?, path: fields.path()?, iteration }
        }
        said::MANAGE_MEMBERS => Request::Members(members(fields)?),
        "" => return Err(invalid("`type` is missing")),
        _ => return Err(invalid("there is no message of this `type`")),
    })
}

fn members(fields: &Fields) -> Result<Members, Refused> {
    let user = || fields.one_of(fields::USER).map(str::to_owned);
    match fields.text("action")? {
        "list" => Ok(Members::List),
        "set_role" => Ok(Members::SetRole { user: user()?, role: fields.text("role")?.to_owned() }),
        "remove" => Ok(Members::Remove { user: user()? }),
        _ => Err(invalid("`action` is `list`, `set_role` or `remove`")),
    }
}

/// A path inside the workspace, without a slash at its end.
fn checked_path(path: &str) -> Result<String, Refused> {
    let bad = path.len() > LONGEST_PATH
        || path.contains(['\0', '\\'])
        || path.starts_with('/')
        || path.split('/').any(|step| step == "..");
    if bad {
        return Err(Refused::new(Code::InvalidPath, "The path must be relative and stay inside the workspace"));
    }
    let path = path.trim_end_matches('/');
    Ok(if path == "." { String::new() } else { path.strip_prefix("./").unwrap_or(path).to_owned() })
}

fn invalid(why: &str) -> Refused {
    Refused::new(Code::InvalidMessage, format!("Invalid message: {why}"))
}

struct Fields(Map<String, Value>);

impl Fields {
    /// What is null is absent.
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }
    fn maybe_text(&self, name: &str) -> Result<Option<&str>, Refused> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| invalid(&format!("`{name}` must be a text")))
    }
    fn text(&self, name: &str) -> Result<&str, Refused> {
        self.maybe_text(name)?.ok_or_else(|| invalid(&format!("`{name}` is missing")))
    }
    fn one_of(&self, names: &[&str]) -> Result<&str, Refused> {
        for name in names {
            if let Some(text) = self.maybe_text(name)? {
                return Ok(text);
            }
        }
        Err(invalid(&format!("`{}` is missing", names[0])))
    }
    fn flag(&self, name: &str) -> Result<bool, Refused> {
        let Some(value) = self.get(name) else { return Ok(false) };
        value.as_bool().ok_or_else(|| invalid(&format!("`{name}` must be true or false")))
    }
    fn maybe_number(&self, names: &[&str]) -> Result<Option<u64>, Refused> {
        let Some((name, value)) = names.iter().find_map(|name| Some((name, self.get(name)?))) else { return Ok(None) };
        let number =
            value.as_u64().or_else(|| value.as_f64().filter(|n| n.fract() == 0.0 && *n >= 0.0).map(|n| n as u64));
        // As far as numbers are exact in every client.
        let exact = number.filter(|number| *number <= 1 << 53);
        exact.map(Some).ok_or_else(|| invalid(&format!("`{name}` must be a whole number that is not negative")))
    }
    fn page(&self, (usual, most): (u64, u64)) -> Result<(u64, usize), Refused> {
        let after = self.maybe_number(fields::AFTER)?.unwrap_or(0);
        let limit = self.maybe_number(&["limit"])?.unwrap_or(usual).clamp(1, most);
        Ok((after, limit as usize))
    }
    fn path(&self) -> Result<String, Refused> {
        checked_path(self.text("path")?)
    }
    fn session(&self) -> Result<SessionId, Refused> {
        SessionId::new(self.text("sessionId")?).map_err(|_| Refused::no_session())
    }
    fn versions(&self) -> Result<Option<Vec<u64>>, Refused> {
        let Some(value) = self.get("protocolVersions") else { return Ok(None) };
        let versions = value.as_array().map(|list| list.iter().filter_map(Value::as_u64).collect());
        versions.map(Some).ok_or_else(|| invalid("`protocolVersions` must be a list of numbers"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn code(text: &str) -> Option<Code> {
        read(text).request.err().map(|refused| refused.code)
    }

    #[test]
    fn what_is_no_message_is_told_apart_from_what_is_a_wrong_one() {
        assert_eq!(code("{"), Some(Code::InvalidJson));
        assert_eq!(code(&"[".repeat(100_000)), Some(Code::InvalidJson));
        for wrong in ["[]", "1", "{}", r#"{"type":7}"#, r#"{"type":"dance"}"#, r#"{"type":"run_turn","sessionId":"s"}"#]
        {
            assert_eq!(code(wrong), Some(Code::InvalidMessage), "{wrong}");
        }
        let named = read(r#"{"type":"run_turn","sessionId":"s","text":5}"#).request.unwrap_err();
        assert_eq!(named.message, "Invalid message: `text` must be a text");
    }

    #[test]
    fn spellings_of_other_clients_are_understood() {
        for field in fields::STEER_TEXT {
            let steer = json!({ "type": "steer", "sessionId": "s", *field: "left" });
            assert!(matches!(read(&steer.to_string()).request, Ok(Request::Steer { text, .. }) if text == "left"));
        }
        for field in fields::AFTER {
            let asked = json!({ "type": "get_events", "sessionId": "s", *field: 7.0, "limit": 0 });
            let asked = read(&asked.to_string()).request;
            assert!(matches!(asked, Ok(Request::GetEvents { after: 7, limit: 1, .. })), "{asked:?}");
        }
    }

    #[test]
    fn a_path_stays_in_the_workspace() {
        for path in ["../a", "a/../../b", "/etc/passwd", "a\0b", "..", "a\\b"] {
            let asked = json!({ "type": "read_file", "sessionId": "s", "path": path }).to_string();
            assert_eq!(code(&asked), Some(Code::InvalidPath), "{path:?}");
        }
        assert_eq!(checked_path("./src/").unwrap(), "src");
    }

    #[test]
    fn the_id_of_a_request_is_not_the_question_s() {
        let said =
            read(r#"{"type":"answer_question","sessionId":"s","requestId":"q","clientRequestId":"1","answers":{}}"#);
        assert_eq!(said.id.as_deref(), Some("1"));
        assert!(matches!(said.request, Ok(Request::AnswerQuestion { ask, .. }) if ask.as_str() == "q"));
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(".{0,6}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    const KINDS: &[&str] = &[
        "authenticate",
        "list_sessions",
        "create_session",
        "rename_session",
        "join_session",
        "run_turn",
        "steer",
        "answer_question",
        "get_history",
        "get_events",
        "ping",
        "list_files",
        "read_file",
        "file_at_iteration",
        "manage_members",
    ];
    const FIELDS: &[&str] = &[
        "sessionId",
        "token",
        "text",
        "content",
        "name",
        "agentType",
        "afterSeq",
        "limit",
        "path",
        "depth",
        "iteration",
        "requestId",
        "answers",
        "dismissed",
        "action",
        "userId",
        "role",
        "clientTurnId",
        "ts",
    ];

    proptest! {
        #[test]
        fn whatever_a_client_sends_is_answered(
            text in ".{0,200}",
            kind in prop::sample::select(KINDS),
            fields in prop::collection::vec((prop::sample::select(FIELDS), value()), 0..6),
        ) {
            let _ = read(&text);
            let mut message = Map::from_iter([("type".to_owned(), Value::from(kind))]);
            message.extend(fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
            if let Err(refused) = read(&Value::Object(message).to_string()).request {
                prop_assert!(!refused.message.is_empty());
            }
        }
    }
}
