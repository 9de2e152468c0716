//! Starting a gateway.

use clap::Args;

use crate::exit::Exit;
use crate::here::Here;

/// The word that makes this program the helper which outlives a gateway and ends what that left running.
pub(crate) const REAPER: &str = "reaper";

#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    options: rejoin_server::Options,
}

impl Serve {
    pub(crate) fn run(self, here: &Here) -> anyhow::Result<Exit> {
        let mut options = self.options;
        options.data = options.data.or_else(|| here.data.clone());
        let helper = rejoin_server::Helper { program: std::env::current_exe()?, args: vec![REAPER.into()] };
        rejoin_server::serve(options, Some(helper))?;
        Ok(Exit::Ok)
    }
}
