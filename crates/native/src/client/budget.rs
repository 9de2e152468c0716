//! What one's tenant may spend.

use rejoin_core::id::TenantId;
use rejoin_ports::gateway::Budget;
use reqwest::Method;
use serde_json::json;

use super::call::Call;
use super::{Client, Error};

/// `tenant` is only checked: naming another than one's own is refused.
impl Client {
    /// `None`: nothing bounds what is spent.
    pub async fn budget(&self, tenant: Option<&TenantId>) -> Result<Option<Budget>, Error> {
        match self.fetch(self.of_budget(Method::GET, tenant)).await {
            Err(Error::Problem(problem)) if problem.code == "not_found" => Ok(None),
            found => found.map(Some),
        }
    }
    /// Counting begins at nothing. Money is in millionths of a dollar.
    pub async fn set_budget(&self, tenant: Option<&TenantId>, limit_micros: u64) -> Result<Budget, Error> {
        let call = self.of_budget(Method::PUT, tenant).json(&json!({ "limitMicros": limit_micros }))?;
        self.fetch(call.once()).await
    }
    pub async fn clear_budget(&self, tenant: Option<&TenantId>) -> Result<(), Error> {
        self.tell(self.of_budget(Method::DELETE, tenant)).await
    }

    fn of_budget(&self, method: Method, tenant: Option<&TenantId>) -> Call {
        self.call(method, ["budget"]).ask_maybe("tenant", tenant)
    }
}
