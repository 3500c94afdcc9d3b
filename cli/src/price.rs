//! Decides what use costs by the built-in catalogue, for people who check a bill and for the test that
//! checks the catalogue.
//!
//! Does not know the prices of a configuration.

use core::fmt;
use std::io::BufRead;

use farebox_core::base::tokens::Usage;
use farebox_core::base::window::Millis;
use farebox_core::pricing::{Kind, Listing, Price, ServiceTier};
use serde_json::Value;

/// Prices use by the built-in catalogue.
///
/// Reads a JSON object from each line of the standard input and writes one for each to the standard output.
/// What is counted is called as in the `prices` of a configuration, and nothing is counted twice:
/// {"provider": "openai", "model": "gpt-4o", "input": 10, "cache_read": 90, "output": 20}
/// gives {"cost_usd": "0.0003375"}, or null if the model has no price.
/// "service_tier" and "at" (a date or an RFC 3339 time; absent: now) may say more; "request" is 1 if it is absent.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Arguments {
    /// Only what the catalogue lists, without what `prices/additions.txt` adds
    #[arg(long)]
    listed: bool,
}

/// Why use could not be priced.
#[derive(Debug)]
pub(crate) enum PriceError {
    /// The standard input ended in an error.
    Unreadable(std::io::Error),
    /// A line, by its number, and what is wrong with it.
    Line(usize, String),
}

/// One line for each of the standard input.
///
/// # Errors
/// [`PriceError`] at the first line that cannot be read; then nothing is priced.
pub(crate) fn run(arguments: &Arguments) -> Result<String, PriceError> {
    let (listing, now) = (Listing::checked_in(), now());
    let look_up = if arguments.listed { Listing::listed } else { Listing::price };
    let mut costs = Vec::new();
    for (index, line) in std::io::stdin().lock().lines().enumerate() {
        let line = line.map_err(PriceError::Unreadable)?;
        if line.trim().is_empty() {
            continue;
        }
        let cost = price(|provider, model, at| look_up(listing, provider, model, at), &line, now)
            .map_err(|why| PriceError::Line(index + 1, why))?;
        let cost = cost.map_or("null".to_owned(), |cost| format!("\"{cost}\""));
        costs.push(format!("{{\"cost_usd\": {cost}}}"));
    }
    Ok(costs.join("\n"))
}

/// What the use that `line` tells of costs, in dollars; `None` if nobody knows.
fn price(
    look_up: impl Fn(&str, &str, Millis) -> Option<Price>,
    line: &str,
    now: Millis,
) -> Result<Option<String>, String> {
    let document: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let members = document.as_object().ok_or("must be a JSON object")?;
    let (mut provider, mut model, mut tier, mut at) = (None, None, ServiceTier::Standard, now);
    let mut usage = Usage { requests: 1, ..Usage::default() };
    for (name, value) in members {
        let text = || value.as_str().ok_or_else(|| format!("{name} must be a string"));
        match name.as_str() {
            "provider" => provider = Some(text()?),
            "model" => model = Some(text()?),
            "service_tier" => {
                // A word that nobody knows may be the provider's news in an answer; here it is a slip.
                let known = ServiceTier::parse(text()?).filter(|tier| *tier != ServiceTier::Unknown);
                tier = known.ok_or("there is no such service_tier")?;
            }
            "at" => at = Millis::parse(text()?).ok_or("at must be a date or an RFC 3339 time")?,
            _ => {
                let kind = Kind::ALL.into_iter().find(|(_, known, _)| known == name);
                let (kind, ..) = kind.ok_or_else(|| format!("{name} is nothing that is priced"))?;
                let count = value.as_u64().ok_or_else(|| format!("{name} must be a whole number"))?;
                *kind.place(&mut usage) = count;
            }
        }
    }
    let (provider, model) = (provider.ok_or("provider is missing")?, model.ok_or("model is missing")?);
    let price = look_up(provider, model, at);
    Ok(price.map(|price| price.cost(&usage, tier).to_string()))
}

#[expect(clippy::disallowed_methods, reason = "this tool is a host of its own")]
pub(crate) fn now() -> Millis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

impl fmt::Display for PriceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "standard input: {error}"),
            Self::Line(number, why) => write!(f, "line {number}: {why}"),
        }
    }
}

impl core::error::Error for PriceError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(line: &str) -> Result<Option<String>, String> {
        let look_up = |provider: &str, model: &str, at| Listing::checked_in().price(provider, model, at);
        price(look_up, line, Millis::parse("2026-11-21").unwrap())
    }

    #[test]
    fn use_is_priced_by_the_catalogue() {
        for (line, dollars) in [
            (
                r#"{"provider": "openai", "model": "gpt-4o", "input": 10, "cache_read": 90, "output": 20}"#,
                Some("0.0003375"),
            ),
            (
                r#"{"provider": "openai", "model": "gpt-4o-mini", "input": 1000, "service_tier": "priority"}"#,
                Some("0.00025"),
            ),
            (r#"{"provider": "google", "model": "gemini-4-argon", "output": 1000}"#, Some("0.01")),
            (
                r#"{"provider": "google", "model": "gemini-4-argon", "output": 1000, "at": "2027-01-01"}"#,
                Some("0.02"),
            ),
            (r#"{"provider": "perplexity", "model": "sonar-pro"}"#, Some("0.014")),
            (r#"{"provider": "perplexity", "model": "sonar-pro", "request": 0}"#, Some("0.00")),
            (r#"{"provider": "openai", "model": "gpt-99", "input": 10}"#, None),
        ] {
            assert_eq!(cost(line), Ok(dollars.map(str::to_owned)), "{line}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_line_is_told() {
        for (line, why) in [
            (r#"[]"#, "must be a JSON object"),
            (r#"{"provider": "openai"}"#, "model is missing"),
            (r#"{"model": "gpt-4o"}"#, "provider is missing"),
            (r#"{"provider": "openai", "model": "gpt-4o", "input": -1}"#, "input must be a whole number"),
            (
                r#"{"provider": "openai", "model": "gpt-4o", "prompt_tokens": 1}"#,
                "prompt_tokens is nothing that is priced",
            ),
            (r#"{"provider": "openai", "model": 4, "input": 1}"#, "model must be a string"),
            (
                r#"{"provider": "openai", "model": "gpt-4o", "service_tier": "turbo"}"#,
                "there is no such service_tier",
            ),
            (
                r#"{"provider": "openai", "model": "gpt-4o", "at": "soon"}"#,
                "at must be a date or an RFC 3339 time",
            ),
        ] {
            assert_eq!(cost(line), Err(why.to_owned()), "{line}");
        }
        assert!(cost("{").is_err());
    }
}
