//! Measuring.

use clap::Args;

use crate::exit::Exit;
use crate::here::Here;

#[derive(Debug, Args)]
pub(crate) struct Bench {
    #[command(flatten)]
    command: rejoin_bench::Command,
}

impl Bench {
    pub(crate) fn run(self, here: &Here) -> anyhow::Result<Exit> {
        // A gateway that was named is measured with the key that every other verb would use.
        let key = match &here.url {
            Some(_) => here.find_key()?,
            None => here.key.clone(),
        };
        let defaults = rejoin_bench::Defaults { program: None, url: here.url.clone(), key, json: here.json };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(rejoin_bench::run(self.command, defaults))?;
        Ok(Exit::Ok)
    }
}
