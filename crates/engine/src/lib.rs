//! Live sessions: one owner per session decides and appends, one follower per followed session folds what was committed and
//! feeds readers, one alarm clock wakes what has a deadline.
//!
//! ```text
//! command ─► mailbox ─► owner ─► decide ─► store.commit ─► notice ─► follower's ring ─► readers
//! happening ─────────────┘ ▲                    │
//!            orders ◄──────┴────────────────────┘ only what is committed reaches the agent
//! ```

mod agent;
mod alarm;
mod blobs;
mod budgets;
mod effects;
mod engine;
mod feed;
mod follow;
mod follower;
mod fork;
mod grants;
mod outgoing;
mod owner;
mod purses;
mod reader;
mod records;
mod registry;
mod sealed;
mod sessions;
mod transcript;
mod upkeep;

pub use engine::{Engine, EngineParts, Figures};
