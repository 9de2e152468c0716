//! From nothing to a session that takes prompts: the process, its introduction, signing in, the session and its settings.

use std::ffi::OsString;
use std::time::Duration;

use rejoin_core::header::Config;
use rejoin_machine::cage::Fence;
use rejoin_machine::shell::Program;
use rejoin_ports::agent::{AgentOption, Opening};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::child::{Child, Lost};
use super::failure::{CONFIG, Failure, MISSING, START, UNAUTHENTICATED};
use super::files::Files;
use super::life::Kit;
use super::memory::Remembered;
use super::message::{AUTH_REQUIRED, INTERNAL, Message, NO_METHOD, RpcError};
use super::servers;
use super::wire::setup::{self, Introduction, Settings, SignIn, ids};
use super::wire::text;
use super::wire::update::Update;

/// Updates before the first prompt that are kept for it.
const EARLY: usize = 64;

/// Everything that it takes to start an agent.
pub(super) struct Starting {
    pub(super) kit: Kit,
    pub(super) opening: Opening,
}

/// What a process is given, secrets opened.
struct Given {
    /// Beyond the usual variables.
    variables: Vec<(String, String)>,
    /// As the configuration names them.
    servers: Option<Value>,
}

/// An agent that takes prompts.
pub(super) struct Ready {
    pub(super) child: Child,
    pub(super) introduction: Introduction,
    /// The agent's own name of the session.
    pub(super) session: String,
    pub(super) remembered: Remembered,
    /// Why it knows nothing of what was said before, if something was.
    pub(super) lost: Option<String>,
    /// What it told of itself while it started.
    pub(super) early: Vec<Update>,
    pub(super) settings: Settings,
}

impl Starting {
    pub(super) async fn start(self) -> Result<Ready, Failure> {
        let _turn = self.kit.crowd.start().await;
        let (child, given) = self.launch().await?;
        let mut steps = Steps::new(child, &self.opening);
        let opened = match self.initialize(&mut steps).await {
            Ok(introduction) => {
                let entered = self.enter(&mut steps, &introduction, &given).await;
                entered.map(|opened| (introduction, opened))
            }
            Err(stopped) => Err(stopped),
        };
        match opened {
            Ok((introduction, Opened { session, remembered, lost, settings })) => {
                let early = steps.early;
                Ok(Ready { child: steps.child, introduction, session, remembered, lost, early, settings })
            }
            Err(stopped) => Err(steps.stop(stopped).await),
        }
    }

    /// Starts it only to hear what it is and can do, and whether it opens a session.
    pub(super) async fn try_out(self) -> Result<(Introduction, Result<Settings, Failure>), Failure> {
        let (child, given) = self.launch().await?;
        let mut steps = Steps::new(child, &self.opening);
        let introduction = match self.initialize(&mut steps).await {
            Ok(introduction) => introduction,
            Err(stopped) => return Err(steps.stop(stopped).await),
        };
        match self.enter(&mut steps, &introduction, &given).await {
            Ok(opened) => {
                steps.child.end().await;
                Ok((introduction, Ok(opened.settings)))
            }
            Err(stopped) => Ok((introduction, Err(steps.stop(stopped).await))),
        }
    }

    /// The process, and what it was given.
    async fn launch(&self) -> Result<(Child, Given), Failure> {
        let recipe = &self.kit.recipe;
        let Some(program) = recipe.program() else {
            let mut message = format!("{} is not installed, or not on PATH", recipe.command);
            if let Some(install) = &recipe.install {
                message.push_str(": ");
                message.push_str(install);
            }
            return Err(Failure::new(MISSING, message));
        };
        let place = self.kit.crowd.enter()?;
        let variables = self.variables().await?;
        let (servers, secrets) = self.servers()?;
        let program = Program {
            program: program.into_os_string(),
            args: recipe.args.iter().map(OsString::from).collect(),
            folder: self.opening.folder.clone(),
            env: variables.clone(),
            cage: recipe.cage,
            fence: Fence {
                workspace: self.opening.folder.clone(),
                hidden: self.kit.bench.hidden.clone(),
                ..Fence::default()
            },
        };
        let mut child = Child::start(&self.kit.bench.shell, &program, recipe.limits.line, place).map_err(|error| {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            Failure::new(START, format!("{error}{cause}"))
        })?;
        let is_secret = |name: &String| recipe.credentials.contains(name);
        child.keep_secret(secrets.into_iter());
        child.keep_secret(variables.iter().filter(|(name, _)| is_secret(name)).map(|(_, value)| value.clone()));
        Ok((child, Given { variables, servers }))
    }

    /// The MCP servers of the session, and what of them is nobody else's business.
    fn servers(&self) -> Result<(Option<Value>, Vec<String>), Failure> {
        let mut secrets = Vec::new();
        let Some(mut servers) = self.opening.config.extra.get(servers::MEMBER).cloned() else {
            return Ok((None, secrets));
        };
        let opened = servers::each_secret(&mut servers, |purpose, value| {
            *value = self.kit.keys.open(&self.opening.tenant, purpose, value)?;
            secrets.push(value.clone());
            Ok(())
        });
        opened.map_err(|why: String| Failure::new(CONFIG, format!("{}: {why}", servers::MEMBER)))?;
        Ok((Some(servers), secrets))
    }

    /// What is named for this session wins over what is named for all.
    async fn variables(&self) -> Result<Vec<(String, String)>, Failure> {
        let mut all = Vec::new();
        for name in &self.kit.recipe.credentials {
            let secret = self.kit.keys.secret(&self.opening.tenant, name).await;
            let secret = secret.map_err(|why| Failure::new(START, format!("credential {name}: {why}")))?;
            all.extend(secret.map(|secret| (name.clone(), secret)));
        }
        all.extend(self.kit.recipe.env.clone());
        all.extend(self.opening.config.environment.clone());
        Ok(all)
    }

    async fn initialize(&self, steps: &mut Steps) -> Result<Introduction, Stopped> {
        let limit = self.kit.recipe.limits.start;
        let told = steps.call("initialize", setup::initialize(), limit).await?;
        let told = told.map_err(|error| failed(START, "the agent refuses to be introduced", &error))?;
        let introduction = Introduction::read(told);
        if introduction.version != setup::VERSION {
            let message = format!(
                "the agent speaks version {} of the protocol, and we speak version {}",
                introduction.version,
                setup::VERSION
            );
            return Err(Stopped::Failed(Failure::new(super::failure::PROTOCOL, message)));
        }
        Ok(introduction)
    }

    /// Signs in where that is needed, and opens the session as it is to be.
    async fn enter(&self, steps: &mut Steps, introduction: &Introduction, given: &Given) -> Result<Opened, Stopped> {
        let mut is_signed_in = false;
        if let Some(way) = &self.kit.recipe.auth {
            self.sign_in(steps, introduction, way).await?;
            is_signed_in = true;
        }
        let servers = servers::in_form(given.servers.as_ref(), introduction.can);
        let servers = servers.map_err(|why| Stopped::Failed(Failure::new(CONFIG, why)))?;
        let mut remembered = Remembered::recall(&self.opening.memory).await;
        loop {
            match self.session(steps, introduction, &servers, &remembered).await? {
                Ok((session, told, lost)) => {
                    if remembered.session.as_ref() != Some(&session) {
                        let (mode, wanted) = (remembered.mode.take(), remembered.wanted.take());
                        let session = Some(session.clone());
                        remembered = Remembered { session, mode, wanted, ..Remembered::default() };
                        remembered.keep(&self.opening.memory).await;
                    }
                    let settings = Settings::read(&told);
                    let wanted = wanted_mode(&self.opening.config);
                    // What was chosen since it was last configured holds.
                    let last = remembered.mode.as_deref().filter(|_| remembered.wanted == wanted);
                    self.set(steps, &session, &settings, last).await?;
                    if remembered.wanted != wanted {
                        remembered.mode = None;
                        remembered.wanted = wanted;
                        remembered.keep(&self.opening.memory).await;
                    }
                    return Ok(Opened { session, remembered, lost, settings });
                }
                Err(error) if error.code == AUTH_REQUIRED && !is_signed_in => {
                    let Some(way) = usable(&introduction.sign_ins, &given.variables) else {
                        return Err(Stopped::Failed(unauthenticated(&introduction.sign_ins, &error.words())));
                    };
                    self.sign_in(steps, introduction, &way.id).await?;
                    is_signed_in = true;
                }
                Err(error) if error.code == AUTH_REQUIRED => {
                    return Err(Stopped::Failed(unauthenticated(&introduction.sign_ins, &error.words())));
                }
                Err(error) => return Err(failed(START, "the agent opens no session", &error)),
            }
        }
    }

    async fn sign_in(&self, steps: &mut Steps, introduction: &Introduction, way: &str) -> Result<(), Stopped> {
        let told = steps.call("authenticate", json!({"methodId": way}), self.kit.recipe.limits.open).await?;
        match told {
            Ok(_) => Ok(()),
            Err(error) => Err(Stopped::Failed(unauthenticated(&introduction.sign_ins, &error.words()))),
        }
    }

    /// The session that the agent had before, if it can be had again; otherwise a new one.
    async fn session(
        &self,
        steps: &mut Steps,
        introduction: &Introduction,
        servers: &[Value],
        remembered: &Remembered,
    ) -> Result<Result<(String, Value, Option<String>), RpcError>, Stopped> {
        let limit = self.kit.recipe.limits.open;
        let folder = self.opening.folder.to_string_lossy();
        let mut lost = None;
        if remembered.session.is_none() && self.opening.has_past {
            lost = Some("it was not there".to_owned());
        }
        if let Some(session) = &remembered.session {
            let params = json!({"sessionId": session, "cwd": folder, "mcpServers": servers});
            let mut why = "it cannot go back to a session".to_owned();
            // To resume is the same without being told everything again.
            for (can, method) in [(introduction.can.resume, "session/resume"), (introduction.can.load, "session/load")]
            {
                if !can {
                    continue;
                }
                steps.is_replaying = true;
                let told = steps.call(method, params.clone(), limit).await;
                steps.is_replaying = false;
                match told? {
                    Ok(told) => return Ok(Ok((session.clone(), told, None))),
                    Err(error) if error.code == AUTH_REQUIRED => return Ok(Err(error)),
                    Err(error) => why = error.words(),
                }
            }
            lost = remembered.prompted.then_some(why);
        }
        let told = steps.call("session/new", json!({"cwd": folder, "mcpServers": servers}), limit).await?;
        Ok(told.and_then(|told| match text(&told, "sessionId") {
            Some(session) => Ok((session.to_owned(), told, lost)),
            None => Err(RpcError::new(INTERNAL, "it gave the session no id")),
        }))
    }

    /// Sets what this session is to be set to, as far as it is not so already.
    async fn set(&self, steps: &mut Steps, session: &str, now: &Settings, last: Option<&str>) -> Result<(), Stopped> {
        let config = &self.opening.config;
        let wanted = wanted_mode(config);
        // What is said for all sessions must be there; what dialects call a permission mode may be.
        let hinted = config.permission_mode.clone().filter(|mode| now.has_mode(mode));
        let last = last.map(str::to_owned).filter(|mode| now.has_mode(mode));
        if let Some(mode) = last.or(wanted).or(hinted).or_else(|| self.kit.recipe.mode.clone())
            && now.mode.as_ref() != Some(&mode)
        {
            if !now.has_mode(&mode) {
                return Err(no_such("mode", &mode, &ids(&now.modes)));
            }
            let params = json!({"sessionId": session, "modeId": mode});
            self.put(steps, "session/set_mode", params, "mode", &mode).await?;
        }
        let mut options: Vec<(String, String)> = self.kit.recipe.options.clone().into_iter().collect();
        options.extend(wanted_options(config));
        if let Some(model) = &self.opening.model {
            match model_option(&now.options) {
                Some(option) => options.push((option.id.clone(), model.model.clone())),
                None if !now.models.is_empty() => self.set_model(steps, session, now, &model.model).await?,
                None => return Err(no_such("model", &model.model, &[])),
            }
        }
        for (id, value) in options {
            let Some(option) = now.options.iter().find(|option| option.id == id) else {
                let ids: Vec<String> = now.options.iter().map(|option| option.id.clone()).collect();
                return Err(no_such("option", &id, &ids));
            };
            if option.value == value {
                continue;
            }
            let params = set_option(session, option, &value);
            let params = params.ok_or_else(|| no_such(&id, &value, &ids(&option.values)))?;
            self.put(steps, "session/set_config_option", params, &id, &value).await?;
        }
        Ok(())
    }

    async fn set_model(&self, steps: &mut Steps, session: &str, now: &Settings, model: &str) -> Result<(), Stopped> {
        if now.model.as_deref() == Some(model) {
            return Ok(());
        }
        if !now.models.iter().any(|known| known == model) {
            return Err(no_such("model", model, &now.models));
        }
        self.put(steps, "session/set_model", json!({"sessionId": session, "modelId": model}), "model", model).await
    }

    async fn put(
        &self,
        steps: &mut Steps,
        method: &str,
        params: Value,
        what: &str,
        value: &str,
    ) -> Result<(), Stopped> {
        let told = steps.call(method, params, self.kit.recipe.limits.open).await?;
        told.map(drop).map_err(|error| failed(CONFIG, &format!("the agent does not take {value} as {what}"), &error))
    }
}

/// The mode that a session is configured for.
pub(super) fn wanted_mode(config: &Config) -> Option<String> {
    Some(text(config.extra.get("acp")?, "mode")?.to_owned())
}

/// The options that a session is configured for.
pub(super) fn wanted_options(config: &Config) -> Vec<(String, String)> {
    let Some(Value::Object(members)) = config.extra.get("acp").and_then(|own| own.get("options")) else {
        return Vec::new();
    };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    members.iter().map(|(id, value)| (id.clone(), text(value))).collect()
}

/// The option by which a model is chosen.
pub(super) fn model_option(options: &[AgentOption]) -> Option<&AgentOption> {
    let of_models = options.iter().find(|option| option.category.as_deref() == Some("model"));
    of_models.or_else(|| options.iter().find(|option| option.id == "model"))
}

/// What is asked of an agent to set an option. `None`: it has no such value.
pub(super) fn set_option(session: &str, option: &AgentOption, value: &str) -> Option<Value> {
    let mut params = json!({"sessionId": session, "configId": option.id, "value": value});
    if option.values.is_empty() {
        params["type"] = "boolean".into();
        params["value"] = (value == "true").into();
    } else if !option.values.iter().any(|choice| choice.id == value) {
        return None;
    }
    Some(params)
}

struct Opened {
    session: String,
    remembered: Remembered,
    lost: Option<String>,
    settings: Settings,
}

/// Why a start goes no further.
enum Stopped {
    Failed(Failure),
    Lost(Lost),
}

impl From<Lost> for Stopped {
    fn from(lost: Lost) -> Stopped {
        Stopped::Lost(lost)
    }
}

/// One request after the other, and what the agent says and wants meanwhile.
struct Steps {
    child: Child,
    files: Files,
    early: Vec<Update>,
    /// It tells again what is in our log already.
    is_replaying: bool,
}

impl Steps {
    fn new(child: Child, opening: &Opening) -> Steps {
        let files = Files::new(&opening.folder, opening.files.clone());
        Steps { child, files, early: Vec::new(), is_replaying: false }
    }

    /// Ends it, and says why it went no further.
    async fn stop(self, stopped: Stopped) -> Failure {
        match stopped {
            Stopped::Failed(failure) => {
                let failure = self.child.hushed(failure);
                self.child.end().await;
                failure
            }
            Stopped::Lost(lost) => self.child.bury(lost).await,
        }
    }

    async fn call(&mut self, method: &str, params: Value, limit: Duration) -> Result<Result<Value, RpcError>, Stopped> {
        let until = Instant::now() + limit;
        let number = self.child.request(method, params).await?;
        loop {
            let Ok(next) = timeout_at(until, self.child.next()).await else {
                let what = format!("the agent did not answer {method} within {} ms", limit.as_millis());
                return Err(Stopped::Lost(Lost::Silent(what)));
            };
            match next? {
                Message::Response { id, outcome } if id == number => return Ok(outcome),
                Message::Response { .. } => {}
                Message::Notification { method, params } => self.told(&method, params),
                Message::Request { id, method, params } => {
                    let outcome = match method.as_str() {
                        "fs/read_text_file" => self.files.read(&params).await,
                        "session/request_permission" => Ok(super::permission::cancelled()),
                        "elicitation/create" => Ok(super::elicitation::cancelled()),
                        _ => Err(RpcError::new(NO_METHOD, format!("there is no {method} before the first prompt"))),
                    };
                    self.child.respond(&id, outcome).await?;
                }
            }
        }
    }

    fn told(&mut self, method: &str, params: Value) {
        if method != "session/update" {
            return;
        }
        let update = Update::read(super::wire::members(params).remove("update").unwrap_or_default());
        // What it can do is news at any time; what was said is not.
        let is_news = matches!(update, Update::Commands(_) | Update::Mode(_) | Update::Options(_) | Update::Title(_));
        if is_news {
            update.supersede(&mut self.early);
        } else if self.early.len() < EARLY && !self.is_replaying && !matches!(update, Update::Echo) {
            self.early.push(update);
        }
    }
}

fn failed(code: &'static str, what: &str, error: &RpcError) -> Stopped {
    Stopped::Failed(Failure::new(code, format!("{what}: {}", error.words())))
}

fn no_such(what: &str, value: &str, there: &[String]) -> Stopped {
    let message = if there.is_empty() {
        format!("the agent has no {what} to choose, and {value} was asked for")
    } else {
        format!("the agent has no {what} {value}; it has {}", there.join(", "))
    };
    Stopped::Failed(Failure::new(CONFIG, super::failure::shortened(&message, 2_000)))
}

/// A way of signing in for which everything is there: the variables that it names, or one that is named like it.
pub(super) fn usable<'a>(ways: &'a [SignIn], variables: &[(String, String)]) -> Option<&'a SignIn> {
    let has = |name: &str| variables.iter().any(|(known, value)| known == name && !value.is_empty());
    ways.iter().filter(|way| !way.by_hand).find(|way| {
        let like_it = way.id.to_ascii_uppercase().replace(['-', '.', ' '], "_");
        has(&like_it) || (!way.variables.is_empty() && way.variables.iter().all(|name| has(name)))
    })
}

fn unauthenticated(ways: &[SignIn], why: &str) -> Failure {
    let mut message = format!("the agent wants somebody to sign in first: {why}");
    if !ways.is_empty() {
        let named = ways.iter().map(|way| match &way.description {
            Some(description) => format!("{} ({}: {description})", way.id, way.name),
            None => format!("{} ({})", way.id, way.name),
        });
        message.push_str(". It offers ");
        message.push_str(&named.collect::<Vec<_>>().join("; "));
    }
    Failure::new(UNAUTHENTICATED, super::failure::shortened(&message, 4_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_of_signing_in_is_taken_only_with_what_it_needs() {
        let way = |id: &str, variables: &[&str], by_hand| SignIn {
            id: id.into(),
            name: id.into(),
            description: None,
            variables: variables.iter().map(|&name| name.into()).collect(),
            by_hand,
        };
        let ways = [way("chatgpt", &[], false), way("openai-api-key", &[], false), way("x", &["A", "B"], false)];
        let with = |names: &[&str]| {
            let variables: Vec<_> = names.iter().map(|&name| (name.to_owned(), "v".to_owned())).collect();
            usable(&ways, &variables).map(|way| way.id.clone())
        };
        assert_eq!(with(&["OPENAI_API_KEY"]).as_deref(), Some("openai-api-key"));
        assert_eq!(with(&["A", "B"]).as_deref(), Some("x"));
        assert_eq!(with(&["A"]), None);
        assert_eq!(usable(&[way("key", &[], true)], &[("KEY".into(), "v".into())]), None);
    }
}
