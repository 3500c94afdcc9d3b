//! Decides whether a server is fit to be the ledger of a fleet: who it is, what it does when memory is short, what it keeps,
//! what this user may do, and what a fleet of a size would ask of it.
//!
//! What cannot be found out is said, and is no reason to call it unfit: managed servers do not tell everything.

mod facts;
mod registry;
mod rights;

use farebox_core::config::FleetLedger;
use redis::cmd;

use self::facts::Facts;
use super::place::{Address, Place, addresses};
use super::{LedgerError, Where, ledger_of, load};

/// Connects to the ledger and says whether it is fit to be one.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    place: Where,
    /// Envoys of the fleet, for what they would ask of it
    #[arg(long, default_value_t = 1)]
    envoys: u64,
    /// Worker threads of each that have requests
    #[arg(long, default_value_t = 1)]
    workers: u64,
    /// Accounts that each uses in a second: one for each budget of a request and subject
    #[arg(long)]
    accounts: Option<u64>,
}

/// What was found, line by line.
#[derive(Debug, Default)]
struct Findings {
    lines: Vec<String>,
    is_unfit: bool,
}

impl Findings {
    fn good(&mut self, text: impl AsRef<str>) {
        self.lines.push(format!("ok       {}", text.as_ref()));
    }

    fn odd(&mut self, text: impl AsRef<str>) {
        self.lines.push(format!("warning  {}", text.as_ref()));
    }

    fn bad(&mut self, text: impl AsRef<str>) {
        self.is_unfit = true;
        self.lines.push(format!("wrong    {}", text.as_ref()));
    }
}

/// The findings as text.
///
/// # Errors
/// [`LedgerError`] if it cannot be reached or is not fit.
pub(super) fn run(arguments: &Arguments) -> Result<String, LedgerError> {
    let config = arguments.place.read()?;
    let ledger = ledger_of(&config)?;
    let mut place = Place::of(&config, &arguments.place)?;
    let mut findings = Findings::default();
    for address in addresses(ledger, &arguments.place)? {
        look(&mut place, &address, ledger, &mut findings);
    }
    if !findings.is_unfit {
        rights::look(&mut place, ledger, &mut findings)?;
        if ledger.registry.is_some() {
            registry::look(&mut place, &ledger.settings.prefix, &mut findings)?;
        }
    }
    if findings.is_unfit {
        return Err(LedgerError::Unfit(findings.lines.join("\n")));
    }
    let fleet =
        config.budgets.iter().filter(|budget| budget.scope == farebox_core::config::Scope::Fleet).count();
    let accounts = arguments.accounts.unwrap_or(u64::try_from(fleet).unwrap_or(u64::MAX)).max(1);
    let interval = ledger.settings.interval_ms;
    let load = load::of(arguments.envoys, arguments.workers, accounts, interval);
    let who = format!(
        "{} Envoys with {} busy workers and {accounts} accounts each, every {interval} ms: {}",
        arguments.envoys,
        arguments.workers,
        load.text()
    );
    if load.cores > 0.5 {
        findings.odd(format!("{who}; \"interval_ms\": {} makes it half a core", load.interval_ms));
    } else {
        findings.good(who);
    }
    Ok(findings.lines.join("\n"))
}

/// Looks at one server.
fn look(place: &mut Place<'_>, address: &Address, ledger: &FleetLedger, findings: &mut Findings) {
    let at = address.text();
    if let Err(error) = place.ask_at::<(u64, u64)>(address, &cmd("TIME")) {
        findings.bad(format!("{at}: {error}"));
        return;
    }
    let info = place.ask_at::<String>(address, cmd("INFO").arg("everything"));
    let Ok(info) = info else {
        findings.odd(format!(
            "{at}: this user may not ask for INFO, so version, maxmemory-policy and persistence are not known"
        ));
        return;
    };
    Facts::of(&info).judge(&at, ledger.settings.is_sharded, ledger.registry.is_some(), findings);
}
