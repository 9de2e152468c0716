//! Doing what a client asks for. Requests of one connection are done one after the other, each answered before the next is
//! begun: clients match answers by their order.

pub(super) mod files;
pub(super) mod joining;
pub(super) mod members;
pub(super) mod reading;
pub(super) mod sessions;
pub(super) mod signing_in;
pub(super) mod turns;

use std::net::IpAddr;
use std::sync::Arc;

use rejoin_core::id::SessionId;
use serde_json::{Value, json};

use super::Hall;
use super::failure::Refused;
use super::followed::Followed;
use super::request::{Request, Said};
use super::tenant::Listening;
use super::who::Who;
use crate::names::{Naming, told};
use crate::wire::Code;

/// Sessions that one connection may have joined.
pub(super) const MOST_JOINED: usize = 100;

/// What is known of a connection when it asks.
#[derive(Clone)]
pub(super) struct Asking {
    pub(super) who: Option<Who>,
    pub(super) peer: Option<IpAddr>,
    pub(super) connection: Arc<str>,
    pub(super) naming: Naming,
    /// How many sessions it has joined.
    pub(super) joined: usize,
    /// The number that the next joining gets.
    pub(super) next_joining: u64,
}

/// What a request led to.
#[derive(Default)]
pub(super) struct Done {
    pub(super) frames: Vec<Value>,
    pub(super) effect: Effect,
    /// Changes of the tenant's list that the answer has told of already: of this session, up to this event.
    pub(super) own: Option<(SessionId, u64)>,
}

/// What changes for the connection, behind the answer.
#[derive(Default)]
pub(super) enum Effect {
    #[default]
    None,
    SignedIn(Who, Option<Listening>),
    Joined(Box<Followed>),
    Left(SessionId),
    /// It cannot go on.
    Over(u16, &'static str),
}

impl Done {
    pub(super) fn told(frame: Value) -> Done {
        Done { frames: vec![frame], ..Done::default() }
    }
}

type Outcome = Result<Done, Refused>;

/// Does one request and writes its answer.
pub(super) async fn work(door: Hall, asking: Asking, said: Said) -> Done {
    let outcome = match said.request {
        Ok(request) => dispatch(&door, asking, request).await,
        // Somebody who has not signed in learns nothing but that.
        Err(refused) if asking.who.is_none() && !is_of_transport(refused.code) => Err(unauthenticated()),
        Err(refused) => Err(refused),
    };
    let mut done = outcome.unwrap_or_else(|refused| Done::told(refused.to_frame(door.options.error_code_style)));
    if let Some(id) = said.id {
        done.frames.iter_mut().for_each(|frame| frame["requestId"] = id.as_str().into());
    }
    done
}

fn is_of_transport(code: Code) -> bool {
    matches!(code, Code::InvalidJson | Code::InvalidMessage | Code::MessageTooLarge | Code::RateLimited)
}

fn unauthenticated() -> Refused {
    Refused::new(Code::Unauthenticated, "Authenticate first")
}

async fn dispatch(door: &Hall, asking: Asking, request: Request) -> Outcome {
    match request {
        Request::Ping { ts } => return Ok(Done::told(pong(door, ts))),
        Request::Authenticate { token, versions } => {
            return signing_in::authenticate(door, &asking, token, versions).await;
        }
        _ => {}
    }
    let who = asking.who.clone().ok_or_else(unauthenticated)?;
    let who = &who;
    match request {
        Request::Ping { .. } | Request::Authenticate { .. } => unreachable!("answered above"),
        Request::ListSessions { archived } => sessions::list(door, who, archived).await,
        Request::CreateSession { agent_type, name } => sessions::create(door, who, agent_type, name).await,
        Request::RenameSession { session, name } => sessions::rename(door, who, session, name).await,
        Request::ArchiveSession { session } => sessions::archive(door, who, session, true).await,
        Request::UnarchiveSession { session } => sessions::archive(door, who, session, false).await,
        Request::DeleteSession { session } => sessions::delete(door, who, session).await,
        Request::JoinSession { session, after, marker } => {
            joining::join(door, who, &asking, session, after, marker).await
        }
        Request::LeaveSession { session } => Ok(Done { effect: Effect::Left(session), ..Done::default() }),
        Request::RunTurn { session, text, turn } => turns::run(door, who, session, text, turn).await,
        Request::StopTurn { session } => turns::stop(door, who, session).await,
        Request::Steer { session, text } => turns::steer(door, who, session, text).await,
        Request::AnswerQuestion { session, ask, answers, dismissed } => {
            turns::answer(door, who, session, ask, answers, dismissed).await
        }
        Request::GetHistory { session, after, limit } => reading::history(door, who, session, after, limit).await,
        Request::GetEvents { session, after, limit } => {
            reading::events(door, who, session, after, limit, asking.naming).await
        }
        Request::ListFiles { session, path, depth } => files::list(door, who, session, path, depth).await,
        Request::ReadFile { session, path } => files::read(door, who, session, path, None).await,
        Request::FileHistory { session, path } => files::history(door, who, session, path).await,
        Request::FileAtIteration { session, path, iteration } => {
            files::read(door, who, session, path, Some(iteration)).await
        }
        Request::Members(asked) => members::manage(door, who, asked).await,
        Request::ShowAgain { session } => joining::show_again(door, who, &asking, session).await,
    }
}

fn pong(door: &Hall, client_ts: Option<Value>) -> Value {
    let mut pong = json!({ "type": told::PONG, "ts": door.options.clock.now() });
    if let Some(ts) = client_ts {
        pong["clientTs"] = ts;
    }
    pong
}
