//! Decides what is shown of the accounts of a ledger: what is spent, lent and left, and of one subject who has what.

use farebox_core::base::window::Millis;

use super::accounts::{self, Accounts, Found, Wanted};
use super::table::{amount, lines, percent};
use super::{LedgerError, Where};

/// Shows the accounts of the present windows: all, those of a budget, or one with who holds what of it.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    place: Where,
    /// Only this budget
    budget: Option<String>,
    /// Only this subject: the values that the budget is counted by, joined by /
    subject: Option<String>,
    /// Also the windows that are over and still kept
    #[arg(long)]
    past: bool,
}

/// The accounts as text.
///
/// # Errors
/// [`LedgerError`] if they cannot be read.
pub(super) fn run(arguments: &Arguments) -> Result<String, LedgerError> {
    let config = arguments.place.read()?;
    let wanted = Wanted {
        budget: arguments.budget.as_deref(),
        subject: arguments.subject.as_deref(),
        past: arguments.past,
    };
    let accounts = accounts::read(&config, &arguments.place, wanted)?;
    let mut text = match accounts.found.is_empty() {
        true => "nothing was spent yet in these windows".to_owned(),
        false => table(&accounts.found),
    };
    if arguments.subject.is_some() {
        for found in &accounts.found {
            text.push_str("\n\n");
            text.push_str(&parts(found, accounts.now));
        }
    }
    text.push_str(&unreadable(&accounts));
    Ok(text)
}

/// One line for each measure of each account.
pub(super) fn table(found: &[Found<'_>]) -> String {
    let heads = ["budget", "subject", "measure", "spent", "lent", "limit", "used", "left", "resets"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for one in found {
        let resets = one.resets_at().map_or_else(|| "-".to_owned(), Millis::to_rfc3339);
        let measures = one.measures();
        if measures.is_empty() {
            let cells = [&*one.budget.name, &one.subject, "no limit", "-", "-", "-", "-", "-", &resets];
            rows.push(cells.map(str::to_owned).to_vec());
        }
        for (measure, spent, lent, limit) in measures {
            let used = spent.saturating_add(lent);
            let part = (u128::from(used) * 1_000).checked_div(u128::from(limit)).unwrap_or(1_000);
            rows.push(vec![
                one.budget.name.to_string(),
                one.subject.clone(),
                measure.to_owned(),
                amount(measure, spent),
                amount(measure, lent),
                amount(measure, limit),
                percent(u64::try_from(part).unwrap_or(u64::MAX)),
                amount(measure, limit.saturating_sub(used)),
                resets.clone(),
            ]);
        }
    }
    lines(&rows)
}

/// Keys that somebody else wrote, or a Farebox that is newer.
pub(super) fn unreadable(accounts: &Accounts<'_>) -> String {
    let line = |key: &String| format!("\ncannot be read: {}", key.replace(char::is_control, "?"));
    accounts.unreadable.iter().map(line).collect()
}

/// Who has what of an account.
fn parts(found: &Found<'_>, now: Millis) -> String {
    let account = &found.account;
    let mut text = format!(
        "{} {}: epoch {} for {:.1} s, {} heard in it and {} before; what falls silent is {}",
        found.budget.name,
        found.subject,
        account.epoch,
        now.since(account.epoch_at) as f64 / 1_000.0,
        account.heard[0],
        account.heard[1],
        if account.forgives { "free again" } else { "charged" },
    );
    if now < account.recovers_until {
        text.push_str(&format!(
            "\nit lost data and grants nothing for {} ms",
            account.recovers_until.since(now)
        ));
    }
    if account.tight_since != Millis(0) {
        text.push_str(&format!("\nnear its limit since {}", account.tight_since.to_rfc3339()));
    }
    let silent = account.for_silent;
    if silent != farebox_core::budget::fleet::Units::default() {
        text.push_str(&format!(
            "\nof it {} and {} requests were charged for Envoys that fell silent",
            amount("usd", silent.nano_usd),
            silent.requests
        ));
    }
    let mut rows = vec![
        ["part", "push", "epoch", "charged", "in requests", "lent", "in requests"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for (name, part) in &found.components {
        rows.push(vec![
            name.clone(),
            part.sequence.to_string(),
            part.epoch.to_string(),
            amount("usd", part.charged.nano_usd),
            part.charged.requests.to_string(),
            amount("usd", part.allotted.nano_usd),
            part.allotted.requests.to_string(),
        ]);
    }
    format!("{text}\n{}", lines(&rows))
}
