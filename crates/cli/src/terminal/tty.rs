//! The terminal here.

use std::io::{IsTerminal, Read};

use rejoin_sdk::types::TerminalSize;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::sync::mpsc;

use super::fitting;

/// Pieces of typing that are read ahead. A person types slower; a pipe waits.
const AHEAD: usize = 16;
/// Bytes read at a time.
const BLOCK: usize = 16 * 1024;

/// How large the terminal here is, if there is one.
pub(crate) fn local_size() -> Option<TerminalSize> {
    let out = std::io::stdout();
    if !out.is_terminal() {
        return None;
    }
    let size = tcgetwinsize(&out).ok()?;
    fitting(size.ws_col, size.ws_row)
}

/// Every key comes at once and as it is, until this is dropped.
pub(super) struct Raw(Termios);

impl Raw {
    pub(super) fn enter() -> std::io::Result<Raw> {
        let before = tcgetattr(std::io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &raw)?;
        Ok(Raw(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that has gone needs nothing put back.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.0);
    }
}

/// What is typed. Standard input blocks whoever reads it, so a thread of its own does. It ends with the process.
pub(super) fn keys() -> mpsc::Receiver<Vec<u8>> {
    let (to, typed) = mpsc::channel(AHEAD);
    std::thread::spawn(move || {
        let mut block = vec![0; BLOCK];
        while let Ok(count @ 1..) = std::io::stdin().lock().read(&mut block) {
            if to.blocking_send(block[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    typed
}
