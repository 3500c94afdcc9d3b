//! Decides what use costs.
//!
//! A model's [`Price`] is found in the [`Catalogue`] for a moment in time: what the configuration says,
//! then what `prices/catalogue.txt` lists, with what `prices/additions.txt` adds. A model without a price has none: it is never taken to be free.
//! All arithmetic is in whole pico-dollars; sums have 128 bits and are rounded once, at the end.
//!
//! Does not decide which model and which tier an answer is charged at: see `accounting/settlement.rs`.

mod additions;
mod catalogue;
mod kind;
mod known;
mod listing;
mod name;
mod rates;
mod row;
mod tiers;
mod service_tier;

pub use catalogue::{Catalogue, Override};
pub use kind::Kind;
pub use known::known_models;
pub use listing::Listing;
pub use rates::Rates;
pub use service_tier::ServiceTier;
pub use tiers::RateTiers;

use crate::base::hash::fnv1a;
use crate::base::money::PicoUsd;
use crate::base::tokens::Usage;

/// What the prices are called that a tier without its own is charged at: those of the model's dearest tier.
pub const DEAREST: &str = "dearest";

/// A factor of one, in thousandths.
pub const ONE: u64 = 1_000;

/// What a model costs: its prices by service tier and size of prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    standard: RateTiers,
    tiers: Vec<(ServiceTier, RateTiers)>,
    /// Tiers that the operator prices under the provider's words, in lower case: [`ServiceTier::Named`] counts them.
    words: Vec<Box<str>>,
    /// What the sum is multiplied by, in thousandths.
    permille: u64,
}

impl Price {
    /// The same for every size of prompt and every tier; pico-dollars a token.
    #[must_use]
    pub fn flat(input: u64, output: u64) -> Self {
        let quote = Rates::default().with(Kind::Input, input).with(Kind::Output, output);
        Self::new(RateTiers::flat(quote), vec![])
    }

    /// The prices of the standard tier and those of other tiers.
    #[must_use]
    pub fn new(standard: RateTiers, tiers: Vec<(ServiceTier, RateTiers)>) -> Self {
        Self { standard, tiers, words: Vec::new(), permille: ONE }
    }

    /// The same with prices of tiers that are told apart by a provider's word, whatever it means elsewhere.
    #[must_use]
    pub fn with_words(mut self, words: Vec<(Box<str>, RateTiers)>) -> Self {
        for (number, (word, schedule)) in (0..).zip(words) {
            self.tiers.push((ServiceTier::Named(number), schedule));
            self.words.push(word);
        }
        self
    }

    /// The same with these prices where there are none, in every tier.
    pub(super) fn or(mut self, other: &Rates) -> Self {
        self.standard = self.standard.or(other);
        self.tiers = self.tiers.into_iter().map(|(tier, schedule)| (tier, schedule.or(other))).collect();
        self
    }

    /// The same with the fee of a search for a request that searches, however often.
    pub(super) fn with_searches_by_request(mut self) -> Self {
        let by_request = |schedule: RateTiers| schedule.moved(Kind::WebSearch, Kind::GroundedRequest);
        self.standard = by_request(self.standard);
        self.tiers = self.tiers.into_iter().map(|(tier, schedule)| (tier, by_request(schedule))).collect();
        self
    }

    /// The same with a tier that costs so many thousandths of the standard one, unless it has prices of its own.
    pub(super) fn or_tier(mut self, tier: ServiceTier, permille: u64) -> Self {
        if self.own(tier).is_none() {
            self.tiers.push((tier, self.standard.times(permille)));
        }
        self
    }

    /// The tier that a provider's word names at this model; `None` for a word that names none (`auto`).
    #[must_use]
    pub fn tier(&self, word: &str) -> Option<ServiceTier> {
        let own = self.words.iter().position(|known| known.eq_ignore_ascii_case(word));
        let own = own.and_then(|number| u8::try_from(number).ok()).map(ServiceTier::Named);
        own.or_else(|| ServiceTier::parse(word))
    }

    /// The tier of an answer that says `served`, to a request that said `asked`. What was only asked for counts if it
    /// is dearer: a discount that nobody confirms is none.
    #[must_use]
    pub fn tier_of_answer(&self, served: Option<&str>, asked: Option<&str>, usage: &Usage) -> ServiceTier {
        let dearer = |tier: &ServiceTier| self.cost(usage, *tier) > self.cost(usage, ServiceTier::Standard);
        let asked = || asked.and_then(|word| self.tier(word)).filter(dearer);
        served.and_then(|word| self.tier(word)).or_else(asked).unwrap_or_default()
    }

    /// What the prices are called that a tier is charged at: its own name, `standard` for a discount without prices,
    /// `dearest` for what is not priced.
    #[must_use]
    pub fn charged_as(&self, tier: ServiceTier) -> &str {
        match tier {
            ServiceTier::Named(number) => self.words.get(usize::from(number)).map_or(DEAREST, |word| &**word),
            _ if !self.knows(tier) => DEAREST,
            _ if self.own(tier).is_none() => ServiceTier::Standard.name(),
            _ => tier.name(),
        }
    }

    /// The same with every sum multiplied by so many thousandths.
    #[must_use]
    pub fn times(self, permille: u64) -> Self {
        Self { permille, ..self }
    }

    /// Whether it costs nothing, whatever is used.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.all().all(RateTiers::is_free)
    }

    /// The prices of a tier; those of the standard tier where it has none of its own.
    #[must_use]
    pub fn schedule(&self, tier: ServiceTier) -> &RateTiers {
        self.own(tier).unwrap_or(&self.standard)
    }

    fn own(&self, tier: ServiceTier) -> Option<&RateTiers> {
        self.tiers.iter().find(|(other, _)| *other == tier).map(|(_, schedule)| schedule)
    }

    /// Whether the prices of a tier are known. A discount that is not priced costs what is usual.
    #[must_use]
    pub fn knows(&self, tier: ServiceTier) -> bool {
        tier == ServiceTier::Standard || tier.is_cheaper() || self.own(tier).is_some()
    }

    /// All prices that there are, for a tier of which nobody knows its own.
    fn all(&self) -> impl Iterator<Item = &RateTiers> {
        core::iter::once(&self.standard).chain(self.tiers.iter().map(|(_, schedule)| schedule))
    }

    /// Adds all that decides a cost to a hash.
    #[must_use]
    pub fn hash(&self, before: u64) -> u64 {
        let tiers = self.tiers.iter();
        tiers.fold(
            self.standard.hash(fnv1a(before, &self.permille.to_le_bytes())),
            |hash, (tier, schedule)| schedule.hash(fnv1a(hash, self.charged_as(*tier).as_bytes())),
        )
    }

    /// What `usage` costs, at the dearest prices of the model if those of the tier are not known; saturates. Half a pico-dollar is rounded up.
    #[must_use]
    pub fn cost(&self, usage: &Usage, tier: ServiceTier) -> PicoUsd {
        if !self.knows(tier) {
            let dearest = self.all().map(|schedule| schedule.cost(usage)).max().unwrap_or(0);
            return self.multiplied(dearest);
        }
        self.multiplied(self.schedule(tier).cost(usage))
    }

    /// The most that a request of so many tokens can cost, whatever kinds of tokens they turn out to be,
    /// in this tier or the standard one. Searches that the provider makes are not in it.
    #[must_use]
    pub fn most(&self, input: u64, output: u64, tier: ServiceTier) -> PicoUsd {
        let most = |schedule: &RateTiers| self.multiplied(schedule.quote(input).most(input, output));
        if !self.knows(tier) {
            return self.all().map(most).max().unwrap_or_default();
        }
        most(self.schedule(tier)).max(most(&self.standard))
    }

    /// Whether a token is dearer here than `there`, in or out, and none is cheaper: for prompts of `input` tokens, in the
    /// standard tier.
    #[must_use]
    pub fn is_dearer(&self, there: &Self, input: u64) -> bool {
        let each = |price: &Self, kind| {
            price.multiplied(u128::from(price.standard.quote(input).price(kind)).saturating_mul(1_000))
        };
        let compared = [Kind::Input, Kind::Output].map(|kind| each(self, kind).cmp(&each(there, kind)));
        compared.iter().any(|order| order.is_gt()) && compared.iter().all(|order| order.is_ge())
    }

    fn multiplied(&self, sum: u128) -> PicoUsd {
        if self.permille == ONE {
            return PicoUsd::from_sum(sum);
        }
        let product = sum.saturating_mul(u128::from(self.permille));
        PicoUsd::from_sum(product.saturating_add(u128::from(ONE / 2)) / u128::from(ONE))
    }
}

#[cfg(test)]
mod tests;
