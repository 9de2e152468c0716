//! What an editor asks of an agent, and our answers.

use std::collections::HashMap;
use std::time::Duration;

use rejoin_sdk::types::AgentSettings;
use rejoin_sdk::types::command::Command;
use rejoin_sdk::types::header::Config;
use rejoin_sdk::types::id::{SessionId, WorkspaceId};
use rejoin_sdk::{Client, Error, ListSessions, NewSession, NewWorkspace, View};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::Settings;
use super::session::{Open, Prompted, Wish, tell};
use super::wire::{Editor, Failed, Said, code};
use super::{prompt, settings, update};

/// The version of the protocol that we speak.
const VERSION: u64 = 1;
/// Messages of an old session that are read at once, and in all.
const PAGE: usize = 200;
const MOST_REPLAYED: usize = 20_000;
/// How long an agent may take to say what it can be set to: it may have to be started for that.
const SETTINGS: Duration = Duration::from_secs(60);

pub(super) struct Desk {
    client: Client,
    settings: Settings,
    editor: Editor,
    open: HashMap<SessionId, Open>,
}

impl Desk {
    pub(super) fn new(client: Client, settings: Settings, editor: Editor) -> Desk {
        Desk { client, settings, editor, open: HashMap::new() }
    }

    pub(super) async fn take(&mut self, said: Said) {
        match said {
            Said::Request { id, method, params } if method == "session/prompt" => self.prompt(id, &params).await,
            Said::Request { id, method, params } => {
                let outcome = self.ask(&method, &params).await;
                self.editor.answer(id, outcome).await;
            }
            Said::Notification { method, params } if method == "session/cancel" => self.cancel(&params).await,
            Said::Notification { .. } => {} // what we do not know asks nothing of us
        }
    }

    async fn ask(&mut self, method: &str, params: &Value) -> Result<Value, Failed> {
        match method {
            "initialize" => {
                self.editor.introduced(&params["clientCapabilities"]);
                Ok(initialized())
            }
            "authenticate" => Ok(json!({})),
            "session/new" => self.create(params).await,
            "session/load" => self.load(params, true).await,
            "session/resume" => self.load(params, false).await,
            "session/fork" => self.fork(params).await,
            "session/set_mode" => self.set_mode(params).await,
            "session/set_config_option" => self.set_option(params).await,
            "session/list" => self.list(params).await,
            "session/close" => {
                self.open.remove(&session_of(params)?);
                Ok(json!({}))
            }
            _ => Err(Failed::new(code::NO_METHOD, format!("there is no method `{method}`"))),
        }
    }

    async fn create(&mut self, params: &Value) -> Result<Value, Failed> {
        let cwd = params.get("cwd").and_then(Value::as_str).filter(|cwd| cwd.starts_with('/'));
        let cwd = cwd.ok_or_else(|| Failed::new(code::INVALID_PARAMS, "`cwd` is an absolute path"))?;
        let workspace = self.workspace(cwd).await?;
        let mut config = Config::default();
        if let Some(servers) =
            params.get("mcpServers").filter(|servers| servers.as_array().is_some_and(|list| !list.is_empty()))
        {
            config.extra.insert("mcpServers".to_owned(), servers.clone());
        }
        let new =
            NewSession { config: Some(config), ..NewSession::with_agent(&self.settings.agent).in_workspace(workspace) };
        let created = self.client.create(new).await.map_err(failed)?;
        let view = self.client.session(&created.header.id).await.map_err(failed)?;
        self.begin(&view);
        let mut told = json!({ "sessionId": created.header.id });
        self.tell_settings(&view, &mut told).await;
        Ok(told)
    }

    /// A session of its own that knows what was said so far.
    async fn fork(&mut self, params: &Value) -> Result<Value, Failed> {
        let session = session_of(params)?;
        let fork = Command::Fork { message: None, title: None, into: None };
        let done = self.client.run(&session, fork).await.map_err(failed)?;
        let forked = done.session.ok_or_else(|| Failed::new(code::INTERNAL, "the fork has no name"))?;
        let view = self.client.session(&forked).await.map_err(failed)?;
        self.begin(&view);
        let mut told = json!({ "sessionId": forked });
        self.tell_settings(&view, &mut told).await;
        Ok(told)
    }

    /// What the agent can be set to goes with whatever opens a session. One that cannot be started says why when it is
    /// given a prompt.
    async fn tell_settings(&self, view: &View, told: &mut Value) {
        if let Ok(settings) = self.agent_settings(view).await {
            settings::tell(&settings, view, told);
        }
    }

    async fn agent_settings(&self, view: &View) -> Result<AgentSettings, Failed> {
        let asked = tokio::time::timeout(SETTINGS, self.client.agent_settings(&view.session.id)).await;
        asked.map_err(|_| Failed::new(code::INTERNAL, "the agent does not say what it can be set to"))?.map_err(failed)
    }

    async fn set_mode(&self, params: &Value) -> Result<Value, Failed> {
        let session = session_of(params)?;
        let view = self.client.session(&session).await.map_err(failed)?;
        let known = self.agent_settings(&view).await?;
        let mode = params.get("modeId").and_then(Value::as_str).unwrap_or_default();
        let set = settings::set_mode(&known, &view.config, mode);
        let set = set.map_err(|why| Failed::new(code::INVALID_PARAMS, why))?;
        self.client.run(&session, set).await.map_err(failed)?;
        Ok(json!({}))
    }

    async fn set_option(&self, params: &Value) -> Result<Value, Failed> {
        let session = session_of(params)?;
        let view = self.client.session(&session).await.map_err(failed)?;
        let known = self.agent_settings(&view).await?;
        let id = params.get("configId").and_then(Value::as_str).unwrap_or_default();
        let set = settings::set_option(&known, &view.config, id, &params["value"]);
        let set = set.map_err(|why| Failed::new(code::INVALID_PARAMS, why))?;
        self.client.run(&session, set).await.map_err(failed)?;
        let mut told = json!({});
        settings::tell(&known, &self.client.session(&session).await.map_err(failed)?, &mut told);
        Ok(json!({ "configOptions": told["configOptions"] }))
    }

    /// The workspace of a folder: the one there is, or a new one.
    async fn workspace(&self, cwd: &str) -> Result<WorkspaceId, Failed> {
        let known = self.client.workspaces().await.map_err(failed)?;
        if let Some(found) = known.iter().find(|workspace| workspace.path == cwd) {
            return Ok(found.id.clone());
        }
        let name = cwd.rsplit('/').find(|step| !step.is_empty()).map(str::to_owned);
        let new = NewWorkspace { id: None, name, path: Some(cwd.to_owned()) };
        self.client.create_workspace(&new).await.map(|made| made.id).map_err(failed)
    }

    /// Opens a session of before; with `replay`, all that was said is told first.
    async fn load(&mut self, params: &Value, replay: bool) -> Result<Value, Failed> {
        let session = session_of(params)?;
        let view = self.client.session(&session).await.map_err(failed)?;
        if replay {
            self.replay(&view).await?;
        }
        self.begin(&view);
        let mut told = json!({});
        self.tell_settings(&view, &mut told).await;
        Ok(told)
    }

    async fn replay(&self, view: &View) -> Result<(), Failed> {
        let session = &view.session.id;
        let mut pages = vec![(view.recent.clone(), view.more)];
        let mut read = view.recent.len();
        while let Some((page, true)) = pages.last()
            && let Some(oldest) = page.first()
            && read < MOST_REPLAYED
        {
            let page =
                self.client.messages(session, Some(oldest.message.id.as_str()), Some(PAGE)).await.map_err(failed)?;
            read += page.items.len();
            let more = page.next_cursor.is_some() && !page.items.is_empty();
            pages.push((page.items, more));
        }
        if pages.last().is_some_and(|(_, more)| *more) {
            let text = format!("(Only the newest {read} messages are shown.)\n\n");
            let content = json!({ "type": "text", "text": text });
            tell(&self.editor, session, json!({ "sessionUpdate": "agent_message_chunk", "content": content })).await;
        }
        for whole in pages.into_iter().rev().flat_map(|(page, _)| page) {
            for told in update::of_message(&whole.message, &whole.parts) {
                tell(&self.editor, session, told).await;
            }
        }
        for part in view.open_turn.iter().flat_map(|turn| &turn.parts) {
            for told in update::of_part(part, "agent_message_chunk") {
                tell(&self.editor, session, told).await;
            }
        }
        Ok(())
    }

    fn begin(&mut self, view: &View) {
        let open = Open::begin(&self.client, self.editor.clone(), self.settings.name.clone(), view);
        self.open.insert(view.session.id.clone(), open);
    }

    async fn list(&self, params: &Value) -> Result<Value, Failed> {
        let cwd = params.get("cwd").and_then(Value::as_str);
        let workspaces = self.client.workspaces().await.map_err(failed)?;
        let within = cwd.and_then(|cwd| workspaces.iter().find(|workspace| workspace.path == cwd));
        if cwd.is_some() && within.is_none() {
            return Ok(json!({ "sessions": [] }));
        }
        let list = ListSessions {
            archived: Some(false),
            roots: true,
            workspace: within.map(|workspace| workspace.id.clone()),
            cursor: params.get("cursor").and_then(Value::as_str).map(str::to_owned),
            ..ListSessions::default()
        };
        let page = self.client.list_sessions(&list).await.map_err(failed)?;
        let path_of = |workspace: Option<&WorkspaceId>| {
            let known = workspace.and_then(|id| workspaces.iter().find(|known| known.id == *id));
            known.map_or("/", |known| known.path.as_str()).to_owned()
        };
        let sessions: Vec<Value> = page
            .items
            .iter()
            .map(|header| {
                let changed = header.last_activity_at.unwrap_or(header.updated_at);
                json!({
                    "sessionId": header.id,
                    "cwd": path_of(header.workspace.as_ref()),
                    "title": header.title,
                    "updatedAt": crate::render::when::utc(changed).replace(' ', "T") + "Z",
                })
            })
            .collect();
        let mut told = json!({ "sessions": sessions });
        if let Some(cursor) = page.next_cursor {
            told["nextCursor"] = cursor.into();
        }
        Ok(told)
    }

    /// Answered when the turn is over; meanwhile other requests are taken.
    async fn prompt(&mut self, id: Value, params: &Value) {
        let begun = self.begin_prompt(params).await;
        let editor = self.editor.clone();
        match begun {
            Err(failed) => editor.answer(id, Err(failed)).await,
            Ok(ended) => drop(tokio::spawn(async move {
                let gone = || Err(Failed::new(code::INTERNAL, "the session was closed"));
                let outcome = ended.await.unwrap_or_else(|_| gone());
                editor.answer(id, outcome).await;
            })),
        }
    }

    async fn begin_prompt(&self, params: &Value) -> Result<oneshot::Receiver<Result<Value, Failed>>, Failed> {
        let open = self.opened(params)?;
        let (text, attachments) = prompt::read(params.get("prompt").unwrap_or(&Value::Null))?;
        let (ended, ends) = oneshot::channel();
        let wish = Wish::Prompt(Prompted { text, attachments, ended });
        let gone = |_| Failed::new(code::NOT_FOUND, "the session is gone");
        open.wishes.send(wish).await.map_err(gone)?;
        Ok(ends)
    }

    async fn cancel(&self, params: &Value) {
        if let Ok(open) = self.opened(params) {
            let _ = open.wishes.send(Wish::Cancel).await; // a session that is gone has nothing to cancel
        }
    }

    fn opened(&self, params: &Value) -> Result<&Open, Failed> {
        let session = session_of(params)?;
        let unknown =
            || Failed::new(code::NOT_FOUND, format!("session {session} is not open; create or load it first"));
        self.open.get(&session).ok_or_else(unknown)
    }
}

fn initialized() -> Value {
    json!({
        "protocolVersion": VERSION,
        "agentCapabilities": {
            "loadSession": true,
            "promptCapabilities": { "image": true, "audio": false, "embeddedContext": true },
            "mcpCapabilities": { "http": true, "sse": true },
            "sessionCapabilities": { "list": {}, "resume": {}, "close": {}, "fork": {} },
        },
        "agentInfo": { "name": "rejoin", "title": "Rejoin", "version": env!("CARGO_PKG_VERSION") },
        "authMethods": [],
    })
}

fn session_of(params: &Value) -> Result<SessionId, Failed> {
    let named = params.get("sessionId").and_then(Value::as_str).and_then(|id| SessionId::new(id).ok());
    named.ok_or_else(|| Failed::new(code::INVALID_PARAMS, "`sessionId` is missing"))
}

fn failed(error: Error) -> Failed {
    let code = match error.problem() {
        Some(problem) if problem.is_sign_in() => code::AUTH_REQUIRED,
        Some(problem) if problem.is_not_found() => code::NOT_FOUND,
        Some(problem) if problem.status < 500 => code::INVALID_PARAMS,
        _ => code::INTERNAL,
    };
    Failed::new(code, error.to_string())
}
