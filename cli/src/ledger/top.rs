//! Decides which accounts of a ledger are the nearest to their limits.

use core::cmp::Reverse;

use super::accounts::{self, Wanted};
use super::{LedgerError, Where, show};

/// Shows the accounts that are the nearest to their limits.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    place: Where,
    /// How many
    #[arg(long, default_value_t = 20)]
    count: usize,
}

/// The accounts as text.
///
/// # Errors
/// [`LedgerError`] if they cannot be read.
pub(super) fn run(arguments: &Arguments) -> Result<String, LedgerError> {
    let config = arguments.place.read()?;
    let mut accounts = accounts::read(&config, &arguments.place, Wanted::default())?;
    accounts.found.sort_by_key(|found| Reverse(found.permille()));
    accounts.found.truncate(arguments.count);
    if accounts.found.is_empty() {
        return Ok("nothing was spent yet in these windows".to_owned());
    }
    Ok(show::table(&accounts.found) + &show::unreadable(&accounts))
}
