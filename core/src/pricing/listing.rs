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

use std::sync::OnceLock;

use super::name::{candidates, fits};
use super::{Price, additions, row};
use crate::base::window::Millis;

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
    /// The checked-in list; its parts are found once.
    #[must_use]
    pub fn checked_in() -> &'static Self {
        static LISTING: OnceLock<Listing> = OnceLock::new();
        LISTING.get_or_init(|| Self::new(CHECKED_IN))
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

    /// The models and patterns of models that `provider` is listed with, its own first.
    pub fn models(&self, provider: &str) -> impl Iterator<Item = &'static str> {
        let own = self.find(provider);
        let others = own.into_iter().flat_map(|own| own.others.iter().filter_map(|other| self.find(other)));
        let lines = own.into_iter().chain(others).flat_map(|at| at.models.lines().chain(at.patterns.lines()));
        lines.filter_map(|line| line.split('\t').next())
    }

    /// The price of `model` at `provider` at the moment `now`, with what is known besides. `None`: not listed.
    #[must_use]
    pub fn price(&self, provider: &str, model: &str, now: Millis) -> Option<Price> {
        let price = self.listed(provider, model, now)?;
        let own = self.find(provider)?;
        let providers: Vec<&str> = own.names.iter().take(1).chain(&own.others).copied().collect();
        let names = candidates(model);
        Some(additions::add(price, &providers, &names.iter().map(String::as_str).collect::<Vec<_>>()))
    }

    /// The price that the list itself has.
    #[must_use]
    pub fn listed(&self, provider: &str, model: &str, now: Millis) -> Option<Price> {
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
            patterns.find(|(pattern, _)| fits(pattern, name)).map(|(_, offer)| offer)
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
    let mut conditional = offers.filter_map(|offer| offer.split_once('='));
    let last = conditional.rfind(|(condition, _)| holds(condition) == Some(true));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::tokens::{Tokens, Usage};
    use crate::pricing::ServiceTier;
    use proptest::prelude::*;
    #[cfg(target_os = "unknown")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const NOW: &str = "2026-11-21T12:00:00Z";

    fn price(provider: &str, model: &str, at: &str) -> Option<Price> {
        Listing::checked_in().price(provider, model, Millis::parse(at).unwrap())
    }

    /// What ten thousand fresh input tokens cost, in dollars.
    fn input(provider: &str, model: &str, at: &str) -> Option<String> {
        let usage = Usage { tokens: Tokens { input: 10_000, ..Tokens::default() }, ..Usage::default() };
        price(provider, model, at).map(|price| price.cost(&usage, ServiceTier::Standard).to_string())
    }

    #[test]
    fn every_line_of_the_list_can_be_read_and_found() {
        let listing = Listing::checked_in();
        let is_sorted =
            |text: &str| text.lines().collect::<Vec<_>>().is_sorted_by_key(|line| line.split('\t').next());
        assert!(is_sorted(listing.prices));
        for (number, text) in listing.prices.lines().map(|line| line.split_once('\t').unwrap()) {
            assert!(row::read(text).is_some(), "{number}: {text}");
            assert_eq!(line(listing.prices, number), Some(text));
        }
        let mut count = 0;
        for provider in &listing.providers {
            assert!(is_sorted(provider.models), "{:?}", provider.names);
            assert!(
                provider.others.iter().all(|other| listing.find(other).is_some()),
                "{:?}",
                provider.others
            );
            for at in provider.models.lines().chain(provider.patterns.lines()) {
                let (name, offer) = at.split_once('\t').unwrap_or_else(|| panic!("{at}"));
                count += 1;
                assert_eq!(name, name.to_ascii_lowercase());
                for offer in offer.split(' ').filter(|offer| *offer != "-") {
                    let (condition, number) = offer.split_once('=').unwrap_or(("2026-01-01", offer));
                    assert!(line(listing.prices, number).is_some(), "{at}");
                    let moment = |text: &str| {
                        Millis::parse(text).is_some() || minute(text).is_some_and(|at| at < 1_440)
                    };
                    assert!(moment(condition) || condition.split('-').all(moment), "{at}");
                }
                if !provider.patterns.contains(at) {
                    assert_eq!(line(provider.models, name), Some(offer));
                }
            }
        }
        assert!(count > 2_000, "only {count} names");
    }

    #[test]
    fn a_model_is_found_by_every_name_that_people_have_for_it() {
        for (provider, model, other_provider, other) in [
            ("openai", "gpt-4o-mini", "openai", "gpt-4o-mini-2024-07-18"),
            ("openai", "gpt-4o-mini", "OpenAI", "GPT-4o-Mini-20240718"),
            ("openai", "gpt-4o-mini", "azure-openai", "gpt-4o-mini"),
            ("openai", "gpt-4o-mini", "azure", "gpt-4o-mini-2024-07-18"),
            ("openai", "ft:gpt-4o-mini-2024-07-18", "openai", "ft:gpt-4o-mini-2024-07-18:acme::a1b2"),
            ("anthropic", "claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5-20250929"),
            ("anthropic", "claude-haiku-4-5", "azure", "claude-haiku-4-5"),
            ("google", "claude-haiku-4-5", "vertex", "claude-haiku-4-5@20251001"),
            ("google", "gemini-2.5-flash", "gemini", "models/gemini-2.5-flash"),
            ("google", "gemini-2.5-pro", "vertex-ai", "publishers/google/models/gemini-2.5-pro"),
            ("aws", "amazon.nova-pro-v1:0", "bedrock", "us.amazon.nova-pro-v1:0"),
            ("aws", "meta.llama3-8b-instruct-v1:0", "bedrock", "meta.llama3-8b-instruct"),
            ("x-ai", "grok-4.3", "xai", "grok-4.3-latest"),
        ] {
            let expected = price(provider, model, NOW);
            assert!(expected.is_some(), "{provider}/{model}");
            assert_eq!(price(other_provider, other, NOW), expected, "{other_provider}/{other}");
        }
    }

    #[test]
    fn a_region_of_bedrock_has_its_own_price() {
        let opus = |model| input("aws", model, NOW);
        let regional = opus("eu.anthropic.claude-opus-4-8-v1:0");
        assert_eq!(opus("global.anthropic.claude-opus-4-8-v1:0").as_deref(), Some("0.05"));
        assert_eq!(regional.as_deref(), Some("0.055"));
        assert_eq!(opus("anthropic.claude-opus-4-8-v1:0"), regional);
        let arn =
            "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-opus-4-8-v1:0";
        assert_eq!(opus(arn), regional);
    }

    #[test]
    fn a_fine_tuned_model_does_not_cost_what_its_base_does() {
        assert_eq!(input("openai", "gpt-4o-mini", NOW).as_deref(), Some("0.0015"));
        assert_eq!(input("openai", "ft:gpt-4o-mini-2024-07-18:acme::1", NOW).as_deref(), Some("0.003"));
        assert_eq!(input("openai", "ft:gpt-5.4:acme::1", NOW), None);
    }

    #[test]
    fn what_nobody_lists_has_no_price() {
        for (provider, model) in [
            ("openai", "gpt-99"),
            ("openai", "gpt-4o-mini-tomorrow"),
            ("openai", ""),
            ("openai", "whisper-1"),
            ("nobody", "gpt-4o"),
            ("", ""),
            ("perplexity", "sonar-deep-research"),
            ("google", "gemini-2.5-pro-something-tts"),
            ("prices", "0000"),
        ] {
            assert_eq!(price(provider, model, NOW), None, "{provider}/{model}");
        }
        let free = price("openai", "omni-moderation-latest", NOW).unwrap();
        assert_eq!(
            free.cost(&Usage::of(Tokens { input: 9, ..Tokens::default() }), ServiceTier::Standard).0,
            0
        );
    }

    #[test]
    fn a_price_holds_from_its_date_on_and_the_old_one_until_then() {
        let argon = |at| input("google", "gemini-4-argon", at).unwrap();
        for (at, dollars) in [
            ("2020-01-01", "0.02"),
            ("2026-11-30T23:59:59.999Z", "0.02"),
            ("2026-12-01", "0.04"),
            ("2030-01-01", "0.04"),
        ] {
            assert_eq!(argon(at), dollars, "{at}");
        }
    }

    #[test]
    fn a_price_may_depend_on_the_hour() {
        let deepseek =
            |at: &str| input("deepseek", "deepseek-v4-flash", &format!("2026-11-21T{at}:00Z")).unwrap();
        for (at, dollars) in [
            ("00:59", "0.0015"),
            ("01:00", "0.003"),
            ("03:59", "0.003"),
            ("04:00", "0.0015"),
            ("06:00", "0.003"),
            ("10:00", "0.0015"),
        ] {
            assert_eq!(deepseek(at), dollars, "{at}");
        }
        let offer = |minute: u64| current("a 22:00-02:00=b", Millis(minute * MINUTE));
        assert_eq!([1_319, 1_320, 119, 120].map(offer), [Some("a"), Some("b"), Some("b"), Some("a")]);
    }

    proptest! {
        #[test]
        fn patterns_mean_what_they_mean_in_a_configuration(pattern in "[ab*]{0,6}", name in "[ab]{0,8}") {
            prop_assert_eq!(fits(&pattern, &name), wildmatch::WildMatch::new(&pattern).matches(&name));
        }

        #[test]
        fn no_name_makes_the_search_panic(provider in "openai|aws|azure|[a-z]{0,3}", model in "\\PC{0,30}|[a-z0-9.:/-]{0,30}", at: u64) {
            let _ = Listing::checked_in().price(&provider, &model, Millis(at));
        }

        #[test]
        fn a_line_is_found_among_any_sorted_lines(names in prop::collection::btree_set("[a-z]{0,6}", 0..30), other in "[a-z]{0,6}") {
            let text: String = names.iter().map(|name| format!("{name}\t{name}!\n")).collect();
            let text: &'static str = Box::leak(text.into_boxed_str());
            for name in &names {
                prop_assert_eq!(line(text, name).and_then(|line| line.strip_suffix("!")), Some(name.as_str()));
            }
            prop_assert_eq!(line(text, &other).is_some(), names.contains(&other));
        }
    }
}
