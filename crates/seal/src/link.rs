//! The text in a QR code: who asks to be let in.

use std::fmt;
use std::str::FromStr;

use crate::{BadKey, PublicKey, base64};

const TERMINAL: &str = "happy://terminal?";
const ACCOUNT: &str = "happy:///account?";
const WEB: &str = "/terminal/connect#key=";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// A terminal: `happy://terminal?…`, or a page of the web app.
    Terminal(PublicKey),
    /// A new device that wants the whole account: `happy:///account?…`.
    Account(PublicKey),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadLink {
    #[error("reading a link: it is none for letting somebody in")]
    Unknown,
    #[error("reading a link")]
    Key(#[source] BadKey),
}

impl Link {
    /// The page of the web app at `app` that lets a terminal in. The key comes behind `#`, so no server is told it.
    pub fn web(app: &str, terminal: &PublicKey) -> String {
        format!("{}{WEB}{}", app.trim_end_matches('/'), base64::encode_url(terminal.as_bytes()))
    }

    pub fn key(&self) -> &PublicKey {
        match self {
            Link::Terminal(key) | Link::Account(key) => key,
        }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = match self {
            Link::Terminal(_) => TERMINAL,
            Link::Account(_) => ACCOUNT,
        };
        write!(f, "{start}{}", base64::encode_url(self.key().as_bytes()))
    }
}

impl FromStr for Link {
    type Err = BadLink;

    fn from_str(text: &str) -> Result<Link, BadLink> {
        let text = text.trim();
        if let Some(key) = text.strip_prefix(TERMINAL) {
            return read(key).map(Link::Terminal);
        }
        if let Some(key) = text.strip_prefix(ACCOUNT) {
            return read(key).map(Link::Account);
        }
        match text.split_once(WEB) {
            Some((app, key)) if app.starts_with("https://") || app.starts_with("http://") => {
                read(key).map(Link::Terminal)
            }
            _ => Err(BadLink::Unknown),
        }
    }
}

fn read(key: &str) -> Result<PublicKey, BadLink> {
    let bytes = base64::decode_url(key).map_err(|_| BadLink::Key(BadKey::NotBase64))?;
    PublicKey::from_slice(&bytes).map_err(BadLink::Key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TerminalPair;

    #[test]
    fn a_link_reads_back_from_its_text() {
        let key = TerminalPair::from_bytes([7; 32]).public();
        let text = base64::encode_url(key.as_bytes());
        for (link, written) in [
            (Link::Terminal(key), format!("happy://terminal?{text}")),
            (Link::Account(key), format!("happy:///account?{text}")),
        ] {
            assert_eq!(link.to_string(), written);
            assert_eq!(format!(" {written}\n").parse(), Ok(link));
        }
    }

    #[test]
    fn the_web_app_may_be_anywhere() {
        let key = TerminalPair::from_bytes([7; 32]).public();
        for app in ["https://app.example", "http://127.0.0.1:7717/happy/"] {
            let page = Link::web(app, &key);
            assert!(page.starts_with(&format!("{}/terminal/connect#key=", app.trim_end_matches('/'))), "{page}");
            assert_eq!(page.parse(), Ok(Link::Terminal(key)));
        }
    }

    #[test]
    fn other_texts_are_no_links() {
        let read = |text: &str| text.parse::<Link>();
        for text in
            ["", "happy://", "happy://account?AAAA", "https://app.example/terminal", "/terminal/connect#key=AAAA"]
        {
            assert_eq!(read(text), Err(BadLink::Unknown), "{text}");
        }
        assert_eq!(read("happy://terminal?*"), Err(BadLink::Key(BadKey::NotBase64)));
        assert_eq!(read("happy://terminal?AAAA"), Err(BadLink::Key(BadKey::Length(3))));
        let zero = base64::encode_url([0; 32]);
        assert_eq!(read(&format!("happy:///account?{zero}")), Err(BadLink::Key(BadKey::Weak)));
    }
}
