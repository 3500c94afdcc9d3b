//! Decides how a subject gets a limit of its own.

use farebox_core::registry::{Entry, LimitEntry};

use super::schedule::Schedule;
use super::{Whose, named, others, subject, until};
use crate::registry::{Deed, Measures, RegistryError, Store, refused};

/// Gives a subject limits of its own, above or below those of the configuration
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    whose: Whose,
    #[command(flatten)]
    measures: Measures,
    /// When it ends: tomorrow, 18:00, 2026-12-01, +2h; by the budget's clocks (without it: when it is unset)
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
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
    let mut warnings: Vec<String> =
        subject::check(&config, &mut store, budget, &whose.subject)?.into_iter().collect();
    let (stored, old) = whose.stored(&mut store)?;
    let configured = budget.limits_of(&whose.subject);
    let meant = arguments.measures.over(&old.limits.over(&configured)).map_err(RegistryError::Refused)?;
    subject::check_countable(budget, &meant)?;
    let end = arguments.until.as_deref().map(|text| until(budget, store.now, text)).transpose()?;
    let rest = others(&old.limits, &meant);
    if rest.any() && old.until != end {
        let held = old
            .until
            .map_or_else(|| "until it is unset".to_owned(), |at| format!("until {}", at.to_rfc3339()));
        return refused(format!(
            "{} of {} holds {held}: name it too, say the same --until, or unset it first",
            named(&rest),
            whose.name()
        ));
    }
    let entry = LimitEntry { limits: meant.over(&old.limits), until: end, raised: old.raised };
    if let Some(raised) = old.raised.filter(|raised| others(&meant, &raised.limits) != meant) {
        warnings.push(format!(
            "a raise holds until {} and goes before it; farebox limit unset --raised ends that",
            raised.until.to_rfc3339()
        ));
    }
    let before = Schedule::of(&old, &configured, store.now);
    let after = Schedule::of(&entry, &configured, store.now);
    let deed = Deed::one("limit set", whose.name().to_string(), stored, Some(Entry::Limit(entry)));
    whose.carry_out(&config, &mut store, Deed { warnings, ..deed }, &before, &after)
}
