//! Decides which accounts of the ledger there are now, and what each has in it.

use std::rc::Rc;

use farebox_core::base::window::Millis;
use farebox_core::budget::fleet::Units;
use farebox_core::budget::fleet::stored::{HEADER, StoredAccount, StoredComponent, StoredKey};
use farebox_core::config::{Budget, Config, Limits, Scope};

use super::limits::KnownLimits;
use super::place::Place;
use super::{LedgerError, Where};

/// Keys that a server looks at before it serves somebody else.
const STEP: usize = 512;

/// An account as it is stored.
#[derive(Debug)]
pub(super) struct Found<'a> {
    pub(super) budget: &'a Budget,
    /// As one reads it.
    pub(super) subject: String,
    /// When its window began; `None`: it counts requests that run.
    pub(super) from: Option<Millis>,
    pub(super) limits: Limits,
    pub(super) account: StoredAccount,
    /// By their names.
    pub(super) components: Vec<(String, StoredComponent)>,
}

/// What was found.
#[derive(Debug)]
pub(super) struct Accounts<'a> {
    /// The ledger's clock.
    pub(super) now: Millis,
    pub(super) found: Vec<Found<'a>>,
    /// Keys of accounts that cannot be read.
    pub(super) unreadable: Vec<String>,
}

/// What is wanted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted<'a> {
    pub(super) budget: Option<&'a str>,
    pub(super) subject: Option<&'a str>,
    /// Those of windows that are over, too.
    pub(super) past: bool,
}

impl Found<'_> {
    /// Whether it counts requests that run, which are held and never spent.
    pub(super) fn is_running(&self) -> bool {
        self.from.is_none()
    }

    /// Each measure with a limit: its name, what is spent, what is lent, and the limit.
    pub(super) fn measures(&self) -> Vec<(&'static str, u64, u64, u64)> {
        let (spent, lent) = (self.account.spent, self.account.allotted);
        let tokens = |units: Units| units.input.saturating_add(units.output);
        let Limits { usd, tokens: all, input_tokens, output_tokens, requests, concurrent } = self.limits;
        let measures = if self.is_running() {
            vec![("concurrent", 0, lent.requests, concurrent)]
        } else {
            vec![
                ("usd", spent.nano_usd, lent.nano_usd, usd.map(|usd| usd.0 / 1_000)),
                ("tokens", tokens(spent), tokens(lent), all),
                ("input_tokens", spent.input, lent.input, input_tokens),
                ("output_tokens", spent.output, lent.output, output_tokens),
                ("requests", spent.requests, lent.requests, requests),
            ]
        };
        let limited = |(name, spent, lent, limit): (&'static str, u64, u64, Option<u64>)| {
            limit.map(|limit| (name, spent, lent, limit))
        };
        measures.into_iter().filter_map(limited).collect()
    }

    /// How much of the nearest limit is spent and lent, in thousandths.
    pub(super) fn permille(&self) -> u64 {
        let part = |(_, spent, lent, limit): (&str, u64, u64, u64)| {
            let used = u128::from(spent).saturating_add(u128::from(lent)) * 1_000;
            used.checked_div(u128::from(limit)).map_or(1_000, |part| u64::try_from(part).unwrap_or(u64::MAX))
        };
        self.measures().into_iter().map(part).max().unwrap_or(0)
    }

    /// When its window ends.
    pub(super) fn resets_at(&self) -> Option<Millis> {
        self.budget.window.resets_at(self.from?)
    }
}

/// The accounts of the budgets of `config` that a fleet shares, in the order of the budgets and by subject.
///
/// # Errors
/// What a server refuses, or a budget that is not there.
pub(super) fn read<'a>(
    config: &'a Config,
    place: &Where,
    wanted: Wanted<'_>,
) -> Result<Accounts<'a>, LedgerError> {
    let known = KnownLimits::read(config, place)?;
    let place = &mut Place::of(config, place)?;
    let budgets: Vec<&Rc<Budget>> = config
        .budgets
        .iter()
        .filter(|budget| wanted.budget.is_none_or(|name| *budget.name == *name))
        .collect();
    if let Some(name) = wanted.budget.filter(|_| budgets.is_empty()) {
        return Err(LedgerError::Nothing(format!("no budget is named \"{name}\"")));
    }
    let mut accounts = Accounts { now: clock(place)?, found: Vec::new(), unreadable: Vec::new() };
    for budget in budgets.into_iter().filter(|budget| budget.scope == Scope::Fleet) {
        let at = accounts.found.len();
        read_budget(config, place, budget, wanted, &known, &mut accounts)?;
        if let Some(own) = accounts.found.get_mut(at..) {
            own.sort_by(|one, other| (&one.subject, one.from).cmp(&(&other.subject, other.from)));
        }
    }
    Ok(accounts)
}

fn clock(place: &mut Place<'_>) -> Result<Millis, LedgerError> {
    let (seconds, micros): (u64, u64) = place.ask(&redis::cmd("TIME"))?;
    Ok(Millis(seconds.saturating_mul(1_000).saturating_add(micros / 1_000)))
}

fn read_budget<'a>(
    config: &Config,
    place: &mut Place<'_>,
    budget: &'a Rc<Budget>,
    wanted: Wanted<'_>,
    known: &KnownLimits,
    accounts: &mut Accounts<'a>,
) -> Result<(), LedgerError> {
    let prefix = prefix_of(config);
    // Any key of the budget leads to the node that has all of them.
    let mut probe = redis::cmd("HGET");
    probe.arg(format!("{prefix}:{{{}}}:mark", budget.name)).arg("m");
    let (at, _): (_, Option<String>) = place.follow(&probe)?;
    let mut cursor = "0".to_owned();
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(&cursor).arg("MATCH").arg(StoredKey::pattern(prefix, &budget.name)).arg("COUNT").arg(STEP);
        let server = |error| LedgerError::Server(at.text(), error);
        let (next, keys): (String, Vec<String>) = place.ask_at(&at, &scan).map_err(server)?;
        for key in keys {
            let Some(stored) = StoredKey::parse(prefix, &key) else { continue };
            let is_over = stored
                .from
                .and_then(|from| budget.window.resets_at(from))
                .is_some_and(|end| end <= accounts.now);
            if (is_over && !wanted.past)
                || !wanted.subject.is_none_or(|subject| is_subject(known, budget, &stored, subject))
            {
                continue;
            }
            let mut get = redis::cmd("HGETALL");
            get.arg(&key);
            match place.ask_at::<Vec<(String, String)>>(&at, &get) {
                Ok(fields) if fields.is_empty() => {}
                Ok(fields) => {
                    match found(budget, &stored, &fields, known.of(budget, &stored, accounts.now)) {
                        Some(found) => accounts.found.push(found),
                        None => accounts.unreadable.push(key),
                    }
                }
                Err(error) if error.code() == Some("WRONGTYPE") => accounts.unreadable.push(key),
                Err(error) => return Err(server(error)),
            }
        }
        if next == "0" {
            return Ok(());
        }
        cursor = next;
    }
}

fn prefix_of(config: &Config) -> &str {
    config.ledger.as_ref().map_or("", |ledger| &ledger.settings.prefix)
}

/// Whether somebody who says `subject` means the account of `key`: by what is shown of it, or by its name.
fn is_subject(known: &KnownLimits, budget: &Rc<Budget>, key: &StoredKey<'_>, subject: &str) -> bool {
    key.shown(&budget.per_text()) == subject
        || known.accounts(budget, subject).iter().any(|account| key.is_of(account))
}

fn found<'a>(
    budget: &'a Budget,
    key: &StoredKey<'_>,
    fields: &[(String, String)],
    limits: Limits,
) -> Option<Found<'a>> {
    let header = fields.iter().find(|(name, _)| name == HEADER)?;
    let mut components = Vec::with_capacity(fields.len());
    for (name, text) in fields.iter().filter(|(name, _)| name != HEADER) {
        components.push((name.clone(), StoredComponent::parse(text)?));
    }
    components.sort_by(|(one, _), (other, _)| one.cmp(other));
    let subject = key.shown(&budget.per_text());
    Some(Found {
        budget,
        limits,
        from: key.from,
        subject,
        account: StoredAccount::parse(&header.1)?,
        components,
    })
}
