//! Decides how a price is written in the catalogue.
//!
//! ```text
//! i3 o15 r0.3 w3.75 l6 s10 >200000 i6 o22.5 r0.6 /batch i1.5 o7.5 >200000 i3 o11.25
//! ```
//!
//! Kinds by their short names, each with what is published; `>` begins what changes above a size of
//! prompt; `/` begins another service tier, whose prices are over those of the standard tier.

use super::Price;
use super::kind::Kind;
use super::rates::Rates;
use super::service_tier::ServiceTier;
use super::tiers::RateTiers;

/// Reads a price. `None` if there is anything in the text that cannot be read.
pub(super) fn read(text: &str) -> Option<Price> {
    let mut tiers = text.split(" /");
    let standard = schedule(tiers.next()?)?;
    let others = tiers.map(|text| {
        let (name, prices) = text.split_once(' ')?;
        let (tier, _) = ServiceTier::ALL.into_iter().find(|(_, known)| *known == name)?;
        Some((tier, schedule(prices)?))
    });
    Some(Price::new(standard, others.collect::<Option<_>>()?))
}

fn schedule(text: &str) -> Option<RateTiers> {
    let mut parts = text.split(" >");
    let base = quote(parts.next()?)?;
    let steps = parts.map(|text| {
        let (above, prices) = text.split_once(' ')?;
        Some((above.parse().ok()?, quote(prices)?))
    });
    Some(RateTiers::new(base, steps.collect::<Option<_>>()?))
}

/// Reads prices by kind.
pub(super) fn quote(text: &str) -> Option<Rates> {
    text.split(' ').try_fold(Rates::default(), |quote, word| {
        let digits = word.find(|character: char| character.is_ascii_digit())?;
        let (short, price) = word.split_at_checked(digits)?;
        let (kind, ..) = Kind::ALL.into_iter().find(|(_, _, known)| *known == short)?;
        Some(quote.with(kind, Rates::published(kind, price).ok()?))
    })
}
