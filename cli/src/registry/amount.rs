//! Decides how much somebody means who writes `50`, `+30` or `2M`: so much, or so much more.

use farebox_core::base::money::{DecimalError, PicoUsd, parse_decimal};
use farebox_core::config::Limits;

/// An amount of a measure, in the unit that it is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Amount {
    /// So much.
    To(u64),
    /// So much more than there is.
    By(u64),
}

/// Amounts of the measures that are named.
#[derive(Debug, clap::Args)]
pub(crate) struct Measures {
    /// Money in US dollars: 50, or +30 for that much more
    #[arg(long, value_name = "AMOUNT", value_parser = usd, allow_negative_numbers = true)]
    usd: Option<Amount>,
    /// Tokens, in and out: 500000, 2M, or +100k for that much more
    #[arg(long, value_name = "COUNT", value_parser = count, allow_negative_numbers = true)]
    tokens: Option<Amount>,
    /// Input tokens
    #[arg(long, value_name = "COUNT", value_parser = count, allow_negative_numbers = true)]
    input_tokens: Option<Amount>,
    /// Output tokens
    #[arg(long, value_name = "COUNT", value_parser = count, allow_negative_numbers = true)]
    output_tokens: Option<Amount>,
    /// Requests
    #[arg(long, value_name = "COUNT", value_parser = count, allow_negative_numbers = true)]
    requests: Option<Amount>,
    /// Requests that run at one time
    #[arg(long, value_name = "COUNT", value_parser = count, allow_negative_numbers = true)]
    concurrent: Option<Amount>,
}

impl Measures {
    /// The limits that are meant where those of `now` hold.
    ///
    /// # Errors
    /// If nothing is named, or there is nothing to add to.
    pub(crate) fn over(&self, now: &Limits) -> Result<Limits, String> {
        let limits = Limits {
            usd: resolved("usd", self.usd, now.usd.map(|usd| usd.0))?.map(PicoUsd),
            tokens: resolved("tokens", self.tokens, now.tokens)?,
            input_tokens: resolved("input-tokens", self.input_tokens, now.input_tokens)?,
            output_tokens: resolved("output-tokens", self.output_tokens, now.output_tokens)?,
            requests: resolved("requests", self.requests, now.requests)?,
            concurrent: resolved("concurrent", self.concurrent, now.concurrent)?,
        };
        if !limits.any() {
            return Err("say how much: --usd, --tokens, --input-tokens, --output-tokens, --requests or \
                        --concurrent"
                .to_owned());
        }
        Ok(limits)
    }
}

fn resolved(name: &str, amount: Option<Amount>, now: Option<u64>) -> Result<Option<u64>, String> {
    let more = match amount {
        None => return Ok(None),
        Some(Amount::To(amount)) => return Ok(Some(amount)),
        Some(Amount::By(more)) => more,
    };
    let now =
        now.ok_or_else(|| format!("--{name}: there is no such limit now, so there is nothing to add to"))?;
    now.checked_add(more).map(Some).ok_or_else(|| format!("--{name}: {}", DecimalError::TooLarge))
}

fn usd(text: &str) -> Result<Amount, String> {
    read(text, |text| PicoUsd::parse(text.strip_prefix('$').unwrap_or(text)).map(|usd| usd.0))
}

fn count(text: &str) -> Result<Amount, String> {
    let scaled = |text: &str| {
        let units = [('k', 3), ('K', 3), ('m', 6), ('M', 6)];
        let (number, digits) = units
            .into_iter()
            .find_map(|(letter, digits)| Some((text.strip_suffix(letter)?, digits)))
            .unwrap_or((text, 0));
        parse_decimal(number, digits)
    };
    read(text, scaled).map_err(|told| match told.as_str() {
        "has more decimals than can be counted" => "must be a whole number".to_owned(),
        _ => told,
    })
}

fn read(text: &str, number: impl Fn(&str) -> Result<u64, DecimalError>) -> Result<Amount, String> {
    let told = |error: DecimalError| error.to_string();
    match text.strip_prefix('+') {
        Some(more) => number(more).map(Amount::By).map_err(told),
        None => number(text).map(Amount::To).map_err(told),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_people_write_them() {
        for (text, amount) in [
            ("50", Amount::To(50_000_000_000_000)),
            ("$0.25", Amount::To(250_000_000_000)),
            ("+30", Amount::By(30_000_000_000_000)),
            ("+$1", Amount::By(1_000_000_000_000)),
        ] {
            assert_eq!(usd(text), Ok(amount), "{text}");
        }
        for (text, amount) in [
            ("500", Amount::To(500)),
            ("+100k", Amount::By(100_000)),
            ("1.5M", Amount::To(1_500_000)),
            ("0", Amount::To(0)),
        ] {
            assert_eq!(count(text), Ok(amount), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_told() {
        for (text, told) in
            [("", "is not"), ("1,5", "is not"), ("-5", "negative"), ("++1", "is not"), ("5k", "is not")]
        {
            assert!(usd(text).is_err_and(|error| error.contains(told)), "{text}");
        }
        for (text, told) in [
            ("1.5", "whole number"),
            ("0.0001k", "whole number"),
            ("many", "is not"),
            ("99999999999999999999", "too large"),
        ] {
            assert!(count(text).is_err_and(|error| error.contains(told)), "{text}");
        }
    }

    #[test]
    fn more_is_more_than_there_is() {
        let none = Measures {
            usd: None,
            tokens: None,
            input_tokens: None,
            output_tokens: None,
            requests: None,
            concurrent: None,
        };
        assert!(none.over(&Limits::default()).is_err_and(|told| told.starts_with("say how much")));
        let some = Measures { requests: Some(Amount::By(5)), tokens: Some(Amount::To(7)), ..none };
        let now = Limits { requests: Some(10), concurrent: Some(3), ..Limits::default() };
        let meant = Limits { requests: Some(15), tokens: Some(7), ..Limits::default() };
        assert_eq!(some.over(&now), Ok(meant));
        let told = some.over(&Limits::default()).unwrap_err();
        assert!(told.starts_with("--requests: there is no such limit now"), "{told}");
        let full = Limits { requests: Some(u64::MAX), ..Limits::default() };
        assert!(some.over(&full).is_err_and(|told| told.contains("too large")));
    }
}
