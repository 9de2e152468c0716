//! The link between an owner and its agent: opened on demand, closed when idle, never waited for.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rejoin_core::happening::FromAgent;
use rejoin_core::header::Header;
use rejoin_core::session::Session;
use rejoin_ports::agent::{ORDERS, OpenAgent, Opening, Order};
use tokio::sync::{mpsc, oneshot};

use crate::engine::Inner;

/// Happenings taken from the agent at once.
pub(crate) const GULP: usize = 256;

pub(crate) enum Link {
    Off,
    /// Orders wait until it is open.
    Opening {
        orders: Vec<Order>,
        opened: oneshot::Receiver<Result<OpenAgent, String>>,
    },
    On {
        orders: mpsc::Sender<Order>,
        happenings: mpsc::Receiver<FromAgent>,
    },
}

/// What came over the link.
pub(crate) enum News {
    Opened,
    /// The agent could not be opened, or is gone without having said so.
    Lost(String),
    /// Happenings were gathered.
    Said,
}

impl Link {
    pub(crate) fn is_off(&self) -> bool {
        matches!(self, Link::Off)
    }

    /// Begins to open the agent, if that has not begun.
    pub(crate) fn open(&mut self, inner: &Arc<Inner>, session: &Session) {
        if let Link::On { orders, .. } = self
            && orders.is_closed()
        {
            self.off(inner); // it ended by itself after its turn
        }
        if !self.is_off() {
            return;
        }
        let (done, opened) = oneshot::channel();
        let (inner, header) = (inner.clone(), session.header.clone());
        let (config, model) = (session.config.clone(), session.header.model.clone());
        inner.tasks.clone().spawn(async move {
            let outcome = open(&inner, header, config, model).await;
            let _ = done.send(outcome); // the owner may have gone; then the agent ends with its channels
        });
        *self = Link::Opening { orders: Vec::new(), opened };
    }

    /// Gives an order. An agent that lets its orders lie is hung, and is given up: `Err`.
    pub(crate) fn send(&mut self, order: Order) -> Result<(), String> {
        match self {
            Link::Off => Ok(()),
            Link::Opening { orders, .. } if orders.len() < ORDERS => {
                orders.push(order);
                Ok(())
            }
            Link::Opening { .. } => Err("the agent does not open".to_owned()),
            Link::On { orders, .. } => match orders.try_send(order) {
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()), // its end is news of its own
                Err(mpsc::error::TrySendError::Full(_)) => Err("the agent does not take orders any more".to_owned()),
            },
        }
    }

    /// Ends the agent.
    pub(crate) fn off(&mut self, inner: &Inner) {
        if let Link::On { orders, .. } = std::mem::replace(self, Link::Off) {
            let _ = orders.try_send(Order::Close); // a hung one ends with its channels
            inner.counts.agents.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Waits for news; for ever, when there is no agent. Cancel-safe.
    pub(crate) async fn news(&mut self, inner: &Inner, said: &mut Vec<FromAgent>) -> News {
        match self {
            Link::Off => std::future::pending().await,
            Link::Opening { opened, .. } => {
                let outcome = opened.await.unwrap_or_else(|_| Err("the agent's start was cut short".to_owned()));
                let Link::Opening { orders: waiting, .. } = std::mem::replace(self, Link::Off) else {
                    unreachable!("matched above")
                };
                match outcome {
                    Err(why) => News::Lost(why),
                    Ok(OpenAgent { orders, happenings }) => {
                        inner.counts.agents.fetch_add(1, Ordering::Relaxed);
                        *self = Link::On { orders, happenings };
                        let hung = waiting.into_iter().find_map(|order| self.send(order).err());
                        hung.map_or(News::Opened, News::Lost)
                    }
                }
            }
            Link::On { happenings, .. } => match happenings.recv_many(said, GULP).await {
                0 => {
                    self.off(inner);
                    News::Lost("the agent ended without a word".to_owned())
                }
                _ => News::Said,
            },
        }
    }
}

async fn open(
    inner: &Inner,
    header: Header,
    config: rejoin_core::header::Config,
    model: Option<rejoin_core::header::Model>,
) -> Result<OpenAgent, String> {
    let _turn = inner.starting.acquire().await.map_err(|_| "the gateway is stopping".to_owned())?;
    let place = inner.workplaces.workplace(&header).await.map_err(|error| format!("workspace: {error}"))?;
    let has_past = header.last_turn.is_some() || header.origin.is_some();
    let opening = Opening {
        session: header.id,
        tenant: header.tenant,
        agent: header.agent,
        folder: place.folder,
        config,
        model,
        files: place.files,
        memory: place.memory,
        has_past,
    };
    inner.host.open(opening).await.map_err(|error| error.to_string())
}
