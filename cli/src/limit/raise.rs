//! Decides how a limit is raised for a while: above what holds now, wherever that comes from. Afterwards that holds again.

use farebox_core::registry::{Entry, LimitEntry, Raised};

use super::schedule::{Schedule, limit_text};
use super::{Whose, each, named, option, others, subject, until};
use crate::registry::{Deed, Measures, RegistryError, Store, refused};

/// Raises a subject's limits for a while; what holds now holds again afterwards
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    whose: Whose,
    #[command(flatten)]
    measures: Measures,
    /// When it ends: tomorrow, 18:00, 2026-12-01, +2h; by the budget's clocks
    #[arg(long, value_name = "WHEN")]
    until: String,
}

/// What changed.
///
/// # Errors
/// [`RegistryError`] if nothing did.
pub(super) fn run(arguments: &Arguments) -> Result<String, RegistryError> {
    let whose = &arguments.whose;
    let config = whose.place.read()?;
    let budget = subject::budget(&config, &whose.budget)?;
    let mut store = Store::of(&config, &whose.place)?;
    let warnings: Vec<String> =
        subject::check(&config, &mut store, budget, &whose.subject)?.into_iter().collect();
    let (stored, old) = whose.stored(&mut store)?;
    let before = Schedule::of(&old, &budget.limits_of(&whose.subject), store.now);
    let now = before.now();
    let meant = arguments.measures.over(&now).map_err(RegistryError::Refused)?;
    subject::check_countable(budget, &meant)?;
    for ((measure, meant), (_, now)) in each(&meant).into_iter().zip(each(&now)) {
        let Some(meant) = meant else { continue };
        if now.is_none_or(|now| meant < now) {
            return refused(format!(
                "{}: {} is no raise: it is {} now; farebox limit set gives it a limit",
                option(measure),
                limit_text(measure, Some(meant)),
                limit_text(measure, now)
            ));
        }
    }
    let end = until(budget, store.now, &arguments.until)?;
    let rest = old.raised.map(|raised| others(&raised.limits, &meant)).unwrap_or_default();
    if let Some(raised) = old.raised.filter(|raised| rest.any() && raised.until != end) {
        return refused(format!(
            "the raise of {} until {} would end with this one: name it too, or say --until {}",
            named(&rest),
            raised.until.to_rfc3339(),
            raised.until.to_rfc3339()
        ));
    }
    let entry = LimitEntry { raised: Some(Raised { limits: meant.over(&rest), until: end }), ..old };
    let after = Schedule::of(&entry, &budget.limits_of(&whose.subject), store.now);
    let deed = Deed::one("limit raise", whose.name().to_string(), stored, Some(Entry::Limit(entry)));
    whose.carry_out(&config, &mut store, Deed { warnings, ..deed }, &before, &after)
}
