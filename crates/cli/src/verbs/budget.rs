//! What one's tenant may spend.

use clap::{Args, Subcommand};
use rejoin_sdk::types::Budget as Kept;
use rejoin_sdk::types::id::TenantId;

use crate::exit::{Exit, Told};
use crate::here::Here;
use crate::out::Out;
use crate::render::when;

/// The decimals of a dollar: money is counted in millionths.
const DECIMALS: usize = 6;

#[derive(Debug, Subcommand)]
pub(crate) enum Budget {
    /// Set what the tenant may spend from now on; what was spent before does not count
    Set {
        #[command(flatten)]
        whose: Whose,
        /// Dollars, with up to six decimals; 0 lets no turn start
        #[arg(long, value_name = "USD", value_parser = micros)]
        usd: u64,
    },
    /// Show the budget, and what was spent of it
    Show {
        #[command(flatten)]
        whose: Whose,
    },
    /// Let nothing bound what the tenant spends
    Clear {
        #[command(flatten)]
        whose: Whose,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Whose {
    /// Your own tenant, which it also is if not given; another one is an error
    #[arg(long)]
    tenant: Option<String>,
}

impl Whose {
    fn tenant(self) -> anyhow::Result<Option<TenantId>> {
        let tenant = self.tenant.map(TenantId::new).transpose();
        tenant.map_err(|bad| Told::usage(format!("--tenant: {bad}")))
    }
}

impl Budget {
    pub(crate) async fn run(self, here: &Here, out: &mut Out) -> anyhow::Result<Exit> {
        let client = here.client()?;
        match self {
            Budget::Set { whose, usd } => {
                let budget = client.set_budget(whose.tenant()?.as_ref(), usd).await?;
                out.either(&budget, |_| line(&budget))?;
            }
            Budget::Show { whose } => match client.budget(whose.tenant()?.as_ref()).await? {
                Some(budget) => out.either(&budget, |_| line(&budget))?,
                None if out.json => {} // no line, as where a list is empty
                None => out.line("no budget")?,
            },
            Budget::Clear { whose } => client.clear_budget(whose.tenant()?.as_ref()).await?,
        }
        Ok(Exit::Ok)
    }
}

fn line(budget: &Kept) -> String {
    let Kept { limit_micros, spent_micros, since } = *budget;
    format!("{} of {} spent since {} UTC", dollars(spent_micros), dollars(limit_micros), when::utc(since))
}

/// Exactly, with at least the cents.
fn dollars(micros: u64) -> String {
    let exact = format!("${}.{:06}", micros / 1_000_000, micros % 1_000_000);
    let cents = exact.len() - (DECIMALS - 2);
    let shown = exact.trim_end_matches('0').len().max(cents);
    exact[..shown].to_owned()
}

/// Dollars as millionths, exactly: a number with a fraction of twos would round.
fn micros(usd: &str) -> Result<u64, String> {
    let (whole, part) = usd.split_once('.').unwrap_or((usd, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !is_number(part) || part.len() > DECIMALS {
        return Err("dollars are written `12`, `12.5` or `0.000001`".to_owned());
    }
    let all = format!("{whole}{part:0<DECIMALS$}");
    all.parse().map_err(|_| "that is more than can be counted".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_read_and_shown_to_the_last_millionth() {
        for (usd, read, shown) in [
            ("0", 0, "$0.00"),
            ("12", 12_000_000, "$12.00"),
            ("0.5", 500_000, "$0.50"),
            ("12.345", 12_345_000, "$12.345"),
            ("0.000001", 1, "$0.000001"),
            ("18446744073709.551615", u64::MAX, "$18446744073709.551615"),
        ] {
            assert_eq!(micros(usd), Ok(read));
            assert_eq!(dollars(read), shown);
        }
        for wrong in ["", ".", "1.", ".5", "-1", "1e3", "1,5", "0.0000001", "$1", "18446744073709.551616"] {
            assert!(micros(wrong).is_err(), "{wrong:?}");
        }
    }
}
