//! Decides what the checked-in catalogue says about a name, without reading more of it than it must.
//!
//! The text is searched as it is: its lines are sorted, so a name is found in a dozen comparisons, and
//! nothing has to be built when a configuration is read or kept in every worker's memory.
//!
//! ```text
//! [prices]
//! 0a1b⇥i3 o15                                  a price (see `row.rs`) and its number
//! [azure; azure-openai; openai anthropic]      a provider; other names for it; whose models it has too
//! gpt-x⇥0a1b 2027-01-01=1c2d 01:00-04:00=2e3f  a model; its price; its price from then on, or every day
//! *
//! gpt-y*⇥0a1b                                  patterns, the first that fits wins; `-` is no price
//! ```
//!
//! Does not know what a price is made of.

use wildmatch::WildMatch;

use super::name::candidates;
use super::{Price, row};
use crate::window::Millis;

const MINUTE: u64 = 60_000;
const MINUTES_A_DAY: u64 = 24 * 60;

/// A list of prices as text.
#[derive(Debug)]
pub struct Listing {
    prices: &'static str,
    providers: Vec<Provider>,
}

#[derive(Debug)]
struct Provider {
    /// Its name first.
    names: Vec<&'static str>,
    /// Providers whose models it has too.
    others: Vec<&'static str>,
    models: &'static str,
    patterns: &'static str,
}

/// The checked-in list.
pub(super) const CHECKED_IN: &str = include_str!("../../../prices/catalogue.txt");

impl Listing {
    /// The checked-in list.
    #[must_use]
    pub fn checked_in() -> Self {
        Self::new(CHECKED_IN)
    }

    /// Finds the parts of `text`.
    #[must_use]
    pub fn new(text: &'static str) -> Self {
        let mut listing = Self { prices: "", providers: Vec::new() };
        let parts = text.strip_prefix('[').into_iter().chain(text.split("\n[").skip(1));
        for (head, body) in parts.filter_map(|part| part.split_once("]\n")) {
            if head == "prices" {
                listing.prices = body;
                continue;
            }
            let mut lists = head.split("; ").map(|list| list.split(' ').filter(|word| !word.is_empty()));
            let mut names: Vec<_> = lists.next().into_iter().flatten().collect();
            names.extend(lists.next().into_iter().flatten());
            let others = lists.next().into_iter().flatten().collect();
            let patterns = body.split_once("\n*\n").or_else(|| Some(("", body.strip_prefix("*\n")?)));
            let (models, patterns) = patterns.unwrap_or((body, ""));
            listing.providers.push(Provider { names, others, models, patterns });
        }
        listing
    }

    /// The name that the list has for a provider.
    #[must_use]
    pub fn provider(&self, name: &str) -> Option<&'static str> {
        self.find(name).and_then(|provider| provider.names.first().copied())
    }

    /// The names of all providers.
    pub fn providers(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.providers.iter().filter_map(|provider| provider.names.first().copied())
    }

    /// The price of `model` at `provider` at the moment `now`. `None`: not listed.
    #[must_use]
    pub fn price(&self, provider: &str, model: &str, now: Millis) -> Option<Price> {
        let own = self.find(provider)?;
        let others = own.others.iter().filter_map(|other| self.find(other));
        let places: Vec<&Provider> = core::iter::once(own).chain(others).collect();
        let offer = candidates(model).iter().find_map(|name| places.iter().find_map(|at| at.offer(name)))?;
        row::read(line(self.prices, current(offer, now)?)?)
    }

    fn find(&self, name: &str) -> Option<&Provider> {
        self.providers
            .iter()
            .find(|provider| provider.names.iter().any(|other| other.eq_ignore_ascii_case(name)))
    }
}

impl Provider {
    /// What is written after the name or pattern of a model.
    fn offer(&self, name: &str) -> Option<&'static str> {
        line(self.models, name).or_else(|| {
            let mut patterns = self.patterns.lines().filter_map(|line| line.split_once('\t'));
            patterns.find(|(pattern, _)| WildMatch::new(pattern).matches(name)).map(|(_, offer)| offer)
        })
    }
}

/// The number of the price that holds at `now`: the last one whose condition does, otherwise the first.
fn current(offer: &'static str, now: Millis) -> Option<&'static str> {
    let mut offers = offer.split(' ');
    let first = offers.next()?;
    let holds = |condition: &str| match condition.split_once('-') {
        Some((from, until)) if from.contains(':') => {
            let (from, until, minute) = (minute(from)?, minute(until)?, now.0 / MINUTE % MINUTES_A_DAY);
            Some(if until < from {
                minute >= from || minute < until
            } else {
                (from..until).contains(&minute)
            })
        }
        _ => Some(now >= Millis::parse(condition)?),
    };
    let conditional = offers.filter_map(|offer| offer.split_once('='));
    let last = conditional.filter(|(condition, _)| holds(condition) == Some(true)).next_back();
    Some(last.map_or(first, |(_, number)| number))
}

/// The minute of the day of `16:30`.
fn minute(text: &str) -> Option<u64> {
    let (hours, minutes) = text.split_once(':')?;
    Some(hours.parse::<u64>().ok()? * 60 + minutes.parse::<u64>().ok()?)
}

/// What follows `key` and a tab in one of the sorted lines of `text`.
fn line(text: &'static str, key: &str) -> Option<&'static str> {
    let mut rest = text;
    while !rest.is_empty() {
        let middle = rest.as_bytes().get(..rest.len() / 2)?;
        let start = memchr::memrchr(b'\n', middle).map_or(0, |newline| newline + 1);
        let (before, from) = rest.split_at_checked(start)?;
        let (found, after) = from.split_once('\n').unwrap_or((from, ""));
        let (name, value) = found.split_once('\t')?;
        rest = match key.cmp(name) {
            core::cmp::Ordering::Equal => return Some(value),
            core::cmp::Ordering::Less => before,
            core::cmp::Ordering::Greater => after,
        };
    }
    None
}
