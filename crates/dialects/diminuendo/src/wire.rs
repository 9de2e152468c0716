//! What travels: the things that messages are made of. Both sides use them.

mod code;
mod file;
mod history;
mod identity;
mod member;
mod session;

pub use code::{Code, same_code};
pub use file::{FileContent, FileEntry, FileKind, Iteration};
pub use history::{HistoryItem, HistoryRole};
pub use identity::Identity;
pub use member::{Member, Role};
pub use session::{SessionMeta, SessionStatus};
