//! Who belongs to one's tenant.

use rejoin_core::id::UserId;
use rejoin_core::who::Role;
use rejoin_ports::sign_in::Member;
use reqwest::Method;

use super::workspaces::Items;
use super::{Client, Error};

impl Client {
    pub async fn members(&self) -> Result<Vec<Member>, Error> {
        let list: Items<Member> = self.fetch(self.call(Method::GET, ["members"])).await?;
        Ok(list.items)
    }
    /// Gives a member another role, or adds one.
    pub async fn set_role(&self, user: &UserId, role: Role) -> Result<Member, Error> {
        let call = self.call(Method::PUT, ["members", user.as_str()]).json(&serde_json::json!({ "role": role }))?;
        self.fetch(call).await
    }
    pub async fn remove_member(&self, user: &UserId) -> Result<(), Error> {
        let call = self.call(Method::DELETE, ["members", user.as_str()]);
        self.tell(call).await
    }
}
