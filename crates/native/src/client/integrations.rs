//! Other services that show one's sessions.

use rejoin_core::id::SessionId;
use rejoin_ports::integrations::{Link, NewLink, Share};
use reqwest::Method;
use serde_json::json;

use super::workspaces::Items;
use super::{Client, Error};

impl Client {
    /// The services there are, each with the link to it.
    pub async fn integrations(&self) -> Result<Vec<Link>, Error> {
        let list: Items<Link> = self.fetch(self.call(Method::GET, ["integrations"])).await?;
        Ok(list.items)
    }
    pub async fn integration(&self, kind: &str) -> Result<Link, Error> {
        self.fetch(self.call(Method::GET, ["integrations", kind])).await
    }
    /// Begins to link; somebody has to open [`Link::show`] in the service's app. Look again to see whether they did.
    pub async fn link_integration(&self, kind: &str, new: &NewLink) -> Result<Link, Error> {
        self.fetch(self.call(Method::POST, ["integrations", kind]).json(new)?).await
    }
    /// Whether sessions that one creates from now on are shared without asking.
    pub async fn share_new_sessions(&self, kind: &str, all: bool) -> Result<Link, Error> {
        self.fetch(self.call(Method::PATCH, ["integrations", kind]).json(&json!({ "shareNew": all }))?).await
    }
    /// Forgets the link, and shares nothing any more.
    pub async fn unlink_integration(&self, kind: &str) -> Result<(), Error> {
        self.tell(self.call(Method::DELETE, ["integrations", kind])).await
    }
    pub async fn shares(&self, kind: &str) -> Result<Vec<Share>, Error> {
        let list: Items<Share> = self.fetch(self.call(Method::GET, ["integrations", kind, "sessions"])).await?;
        Ok(list.items)
    }
    /// Lets a service show a session, from its beginning.
    pub async fn share(&self, kind: &str, session: &SessionId) -> Result<Share, Error> {
        self.fetch(self.call(Method::PUT, ["integrations", kind, "sessions", session.as_str()])).await
    }
    pub async fn unshare(&self, kind: &str, session: &SessionId) -> Result<(), Error> {
        self.tell(self.call(Method::DELETE, ["integrations", kind, "sessions", session.as_str()])).await
    }
}
