//! Decides which known name a mistyped one was meant to be.

/// ` (did you mean "search"?)`, or nothing if no known name is near.
#[must_use]
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known).map_or_else(String::new, |meant| format!(" (did you mean \"{meant}\"?)"))
}

/// The known name with the fewest typing mistakes to `name`: at most one in three characters.
/// `None` if every known name is further away.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let allowed = |candidate: &str| candidate.chars().count().max(name.chars().count()) / 3;
    known
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&name, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= allowed(candidate))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
