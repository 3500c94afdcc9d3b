//! Decides how a subject has again the limits that the configuration gives it. What is left of a budget that is gone can
//! be taken away, too.

use farebox_core::config::Limits;
use farebox_core::registry::{Entry, LimitEntry};

use super::Whose;
use super::schedule::Schedule;
use crate::registry::{Deed, RegistryError, Store, refused};

/// Takes a subject's own limits away, so that the configuration's hold again
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    whose: Whose,
    /// Only what it was raised by; what was set stays
    #[arg(long)]
    raised: bool,
}

/// What changed.
///
/// # Errors
/// [`RegistryError`] if nothing did.
pub(super) fn run(arguments: &Arguments) -> Result<String, RegistryError> {
    let whose = &arguments.whose;
    let config = whose.place.read()?;
    let mut store = Store::of(&config, &whose.place)?;
    let (stored, old) = whose.stored(&mut store)?;
    if stored.is_none() {
        return refused(format!(
            "the registry has no limit of \"{}\" in the budget \"{}\"; farebox limit list shows which it has",
            whose.subject, whose.budget
        ));
    }
    if arguments.raised && old.raised.is_none() {
        return refused(format!("{} is not raised", whose.name()));
    }
    let rest = LimitEntry { raised: None, ..old };
    let after = Some(rest).filter(|rest| arguments.raised && rest.limits.any());
    let budget = config.budgets.iter().find(|budget| *budget.name == *whose.budget);
    let configured = budget.map_or_else(Limits::default, |budget| budget.limits_of(&whose.subject));
    let was = Schedule::of(&old, &configured, store.now);
    let is = Schedule::of(&after.unwrap_or_default(), &configured, store.now);
    let deed = Deed::one("limit unset", whose.name().to_string(), stored, after.map(Entry::Limit));
    whose.carry_out(&config, &mut store, deed, &was, &is)
}
