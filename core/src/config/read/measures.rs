//! Decides how much may be used in each measure: the limits of a budget, and of each of its overrides.

use super::cursor::Fields;
use super::policy::MAX_COUNT;
use crate::base::money::PicoUsd;
use crate::config::Limits;

/// The key of every limit.
pub(super) const MEASURES: [&str; 6] = [
    "limit_usd",
    "limit_tokens",
    "limit_input_tokens",
    "limit_output_tokens",
    "limit_requests",
    "limit_concurrent",
];

/// The limits among `fields`; a measure that is not named is not limited.
pub(super) fn read(fields: &Fields<'_>) -> Limits {
    let count = |key| fields.get(key).and_then(|at| at.count(0..=MAX_COUNT));
    Limits {
        usd: fields.get("limit_usd").and_then(|at| at.decimal(PicoUsd::parse)),
        tokens: count("limit_tokens"),
        input_tokens: count("limit_input_tokens"),
        output_tokens: count("limit_output_tokens"),
        requests: count("limit_requests"),
        concurrent: count("limit_concurrent"),
    }
}

/// Tells if `fields` names no measure at all.
pub(super) fn need_one(fields: &Fields<'_>) {
    if MEASURES.iter().all(|measure| fields.get(measure).is_none()) {
        fields.fail(format!("must have at least one of {}", MEASURES.join(", ")));
    }
}
