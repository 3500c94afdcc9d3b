//! Decides how long a provider asks to be left alone.
//!
//! It says so in `retry-after-ms`, in `retry-after` as seconds or as a date (RFC 9110, 10.2.3), in Google's body, or
//! only in when its limits start again. A date is compared with the answer's own `date` if it has one: then clocks
//! need not agree.

use crate::base::headers::RequestHead;
use crate::base::money::parse_decimal;
use crate::base::window::Millis;

/// No cooldown is longer because a provider says so, in milliseconds: a day.
pub(super) const LONGEST_WAIT_MS: u64 = 86_400_000;

/// The headers of an answer that say when to come back.
#[derive(Clone, Copy, Debug)]
pub struct Waits<'a> {
    /// The answer's headers.
    pub head: &'a RequestHead,
    /// Now.
    pub now: Millis,
}

impl Waits<'_> {
    /// How long the provider asks to be left alone, in milliseconds, if it says so.
    #[must_use]
    pub fn read(&self) -> Option<u64> {
        let first = |name: &str| core::str::from_utf8(self.head.first(name)?).ok().map(str::trim);
        let wait = first("retry-after-ms").and_then(|text| parse_decimal(text, 0).ok());
        let wait = wait.or_else(|| {
            let text = first("retry-after")?;
            parse_decimal(text, 3).ok().or_else(|| {
                let began = first("date").and_then(date).unwrap_or(self.now);
                Some(date(text)?.since(began))
            })
        });
        let wait = wait.or_else(|| self.reset());
        wait.map(|wait| wait.min(LONGEST_WAIT_MS))
    }

    /// When the limits start again of which nothing is left; the last of them.
    fn reset(&self) -> Option<u64> {
        const LIMITS: [(&str, &str); 6] = [
            ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
            ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
            ("x-ratelimit-remaining", "x-ratelimit-reset"),
            ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
            ("anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset"),
            ("anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset"),
        ];
        let used_up = |name: &str| self.head.first(name).is_some_and(|left| left.trim_ascii() == b"0");
        let resets = LIMITS.iter().filter(|(left, _)| used_up(left));
        resets
            .filter_map(|(_, reset)| {
                moment(core::str::from_utf8(self.head.first(reset)?).ok()?.trim(), self.now)
            })
            .max()
    }
}

/// The milliseconds until a limit starts again: `6m0s`, `7`, a moment in RFC 3339 or since 1970.
fn moment(text: &str, now: Millis) -> Option<u64> {
    // Numbers above are no waits but moments, in seconds; and above that, in milliseconds.
    const SECONDS: u64 = 1_000_000_000;
    const MILLISECONDS: u64 = 1_000 * SECONDS;
    if let Ok(ms) = parse_decimal(text, 3) {
        let since = |moment: u64| Millis(moment).since(now);
        return Some(match ms / 1_000 {
            seconds if seconds >= MILLISECONDS => since(seconds),
            seconds if seconds >= SECONDS => since(ms),
            _ => ms,
        });
    }
    if let Some(moment) = Millis::parse(text) {
        return Some(moment.since(now));
    }
    duration(text)
}

/// `1h2m3.5s`, `12ms`.
fn duration(text: &str) -> Option<u64> {
    let (mut rest, mut whole) = (text, 0_u64);
    while !rest.is_empty() {
        let digits = rest.find(|part: char| !part.is_ascii_digit() && part != '.')?;
        let (number, after) = rest.split_at_checked(digits)?;
        let unit = after.find(|part: char| part.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(unit)?;
        let (unit, places) = match unit {
            "h" => (3_600, 3),
            "m" => (60, 3),
            "s" => (1, 3),
            "ms" => (1, 0),
            _ => return None,
        };
        // More digits than a millisecond has mean nothing.
        let end = number
            .find('.')
            .map_or(number.len(), |point| number.len().min(point + if places > 0 { 4 } else { 0 }));
        whole = whole.saturating_add(parse_decimal(number.get(..end)?, places).ok()?.saturating_mul(unit));
        rest = after;
    }
    Some(whole).filter(|_| !text.is_empty())
}

/// An HTTP date in one of its three forms: `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT`,
/// `Sun Nov  6 08:49:37 1994`.
fn date(text: &str) -> Option<Millis> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut parts = text.split([' ', ',', '-']).filter(|part| !part.is_empty()).skip(1);
    let mut next = || parts.next();
    let (first, second, third, fourth) = (next()?, next()?, next()?, next()?);
    let number = |month: &str| Some(MONTHS.iter().position(|name| *name == month)? + 1);
    let (day, month, year, clock) = match number(first) {
        Some(month) => (second, month, fourth, third),
        None => (first, number(second)?, third, fourth),
    };
    let year: u64 = year.parse().ok()?;
    // Two digits: no date that a provider sends today is of another century.
    let year = if year < 100 { 2_000 + year } else { year };
    Millis::parse(&format!("{year:04}-{month:02}-{day:0>2}T{clock}Z"))
}

/// How long the body of Google's refusals asks to wait: `"retryDelay": "12s"`.
#[must_use]
pub fn wait_in_body(body: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"\"retryDelay\"";
    let rest = body.get(memchr::memmem::find(body, NAME)? + NAME.len()..)?.trim_ascii_start();
    let rest = rest.strip_prefix(b":")?.trim_ascii_start().strip_prefix(b"\"")?;
    let seconds = core::str::from_utf8(rest.get(..memchr::memchr(b's', rest)?)?).ok()?.trim();
    parse_decimal(seconds, 3).ok().map(|wait| wait.min(LONGEST_WAIT_MS))
}
