//! Decides which moment somebody means who writes `tomorrow`, `18:00`, `2026-12-01` or `+2h`.
//!
//! A day ends at the midnight of the clocks that it is meant by: those of a budget, else UTC's. `until today` and
//! `until tomorrow` are the same moment, the end of today: nobody who writes one of them means a moment that is past.
//!
//! Does not read a clock: the ledger's own tells what now is.

use farebox_core::base::window::{Calendar, Millis, Window};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// The longest time that is taken for one: ten years.
const LONGEST: u64 = 3_653 * DAY;

/// What a time has to be.
pub(crate) const DURATION: &str = "must be a time like 90s, 30m, 24h, 7d or 2w, of at most ten years";

/// Clocks, and what they show.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    /// Now.
    pub(crate) now: Millis,
    /// What they are ahead of UTC, in minutes.
    pub(crate) offset_minutes: i64,
}

impl Clocks {
    /// The clocks of UTC.
    pub(crate) fn utc(now: Millis) -> Self {
        Self { now, offset_minutes: 0 }
    }

    /// The first moment at which what holds until `text` holds no longer.
    ///
    /// # Errors
    /// What it must be, if it is no moment or is past.
    pub(crate) fn until(self, text: &str) -> Result<Millis, String> {
        let moment = match text {
            "today" | "tomorrow" => self.midnight(),
            _ => match text.strip_prefix('+') {
                Some(time) => Some(self.now.plus(duration(time).ok_or(DURATION)?)),
                None => self.time_of_day(text, true).or_else(|| self.date(text)),
            },
        };
        let moment = moment.ok_or_else(|| {
            "must be today, tomorrow, a time like 18:00, a date like 2026-12-01, both like 2026-12-01T18:00, \
             or +2h, +7d"
                .to_owned()
        })?;
        if moment <= self.now {
            return Err(format!("{} is past: it is {}", moment.to_rfc3339(), self.now.to_rfc3339()));
        }
        Ok(moment)
    }

    /// The first moment of what happened since `text`.
    ///
    /// # Errors
    /// What it must be, if it is no moment.
    pub(crate) fn since(self, text: &str) -> Result<Millis, String> {
        let day = self.calendar().begins_at(self.now);
        let moment = match text {
            "today" => Some(day),
            "yesterday" => Some(self.calendar().begins_at(Millis(day.0.saturating_sub(1)))),
            _ => match duration(text) {
                Some(time) => Some(Millis(self.now.0.saturating_sub(time))),
                None => self.time_of_day(text, false).or_else(|| self.date(text)),
            },
        };
        moment.ok_or_else(|| {
            "must be today, yesterday, a time like 18:00, a date like 2026-12-01, or a time ago like 2h, 7d"
                .to_owned()
        })
    }

    fn calendar(self) -> Calendar {
        Calendar { window: Window::Day, offset_minutes: self.offset_minutes }
    }

    fn midnight(self) -> Option<Millis> {
        self.calendar().resets_at(self.now)
    }

    /// The next moment at which these clocks show `text`, or the last one.
    fn time_of_day(self, text: &str, is_next: bool) -> Option<Millis> {
        let (hours, minutes) = text.split_once(':')?;
        let number = |text: &str, below: u64| {
            let fits = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u64>().ok().filter(|number| fits && *number < below)
        };
        let time = number(hours, 24)? * HOUR + number(minutes, 60).filter(|_| minutes.len() == 2)? * MINUTE;
        let today = self.calendar().begins_at(self.now).plus(time);
        Some(match (is_next, today > self.now) {
            (true, false) => today.plus(DAY),
            (false, true) => Millis(today.0.saturating_sub(DAY)),
            _ => today,
        })
    }

    /// A date, with or without a time, by these clocks; or an RFC 3339 timestamp, which says itself by which.
    fn date(self, text: &str) -> Option<Millis> {
        let local = |text: String| {
            let shown = Millis::parse(&text)?;
            let offset = self.offset_minutes.checked_mul(60_000)?;
            Some(Millis(shown.0.checked_add_signed(offset.checked_neg()?)?))
        };
        match text.len() {
            10 => local(format!("{text}T00:00:00Z")),
            16 => local(format!("{}:00Z", text.replacen(' ', "T", 1))),
            _ => Millis::parse(text),
        }
    }
}

/// How many milliseconds `90s`, `30m`, `24h`, `7d` or `2w` are; `0` needs no unit.
pub(crate) fn duration(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let (unit, digits) = [("s", SECOND), ("m", MINUTE), ("h", HOUR), ("d", DAY), ("w", 7 * DAY)]
        .into_iter()
        .find_map(|(letter, unit)| Some((unit, text.strip_suffix(letter)?)))?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let count: u64 = digits.parse().ok().filter(|_| is_number)?;
    count.checked_mul(unit).filter(|time| *time <= LONGEST)
}

/// How long `ms` is, in the two largest units: `4 h 20 min`.
pub(crate) fn spelled(ms: u64) -> String {
    let seconds = ms.div_ceil(SECOND);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, 0) => format!("{hours} h"),
        (0, ..) => format!("{hours} h {minutes} min"),
        (_, 0, _) => format!("{days} d"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Millis {
        Millis::parse(text).unwrap()
    }

    fn clocks(offset_minutes: i64) -> Clocks {
        Clocks { now: at("2026-11-28T22:40:00Z"), offset_minutes }
    }

    #[test]
    fn an_end_is_the_one_that_people_mean() {
        for (text, offset, moment) in [
            ("today", 0, "2026-11-29T00:00:00Z"),
            ("tomorrow", 0, "2026-11-29T00:00:00Z"),
            // There it is 00:40 of the next day already.
            ("tomorrow", 120, "2026-11-29T22:00:00Z"),
            ("tomorrow", -300, "2026-11-29T05:00:00Z"),
            ("23:00", 0, "2026-11-28T23:00:00Z"),
            ("22:40", 0, "2026-11-29T22:40:00Z"),
            ("9:05", 0, "2026-11-29T09:05:00Z"),
            ("18:00", -300, "2026-11-28T23:00:00Z"),
            ("2026-12-01", 0, "2026-12-01T00:00:00Z"),
            ("2026-12-01", 120, "2026-11-30T22:00:00Z"),
            ("2026-12-01T18:00", 120, "2026-12-01T16:00:00Z"),
            ("2026-12-01 18:00", -210, "2026-12-01T21:30:00Z"),
            ("2026-12-01T18:00:00Z", 120, "2026-12-01T18:00:00Z"),
            ("2026-12-01T18:00:00+01:00", 120, "2026-12-01T17:00:00Z"),
            ("+90s", 0, "2026-11-28T22:41:30Z"),
            ("+2h", 120, "2026-11-29T00:40:00Z"),
            ("+7d", 0, "2026-12-05T22:40:00Z"),
        ] {
            assert_eq!(clocks(offset).until(text).map(Millis::to_rfc3339).as_deref(), Ok(moment), "{text}");
        }
    }

    #[test]
    fn what_is_no_end_is_told() {
        for text in
            ["", "soon", "2h", "24:00", "7:5", "18", "+2", "+1y", "+5000d", "2026-13-01", "1/2/2027", "+-1h"]
        {
            assert!(clocks(0).until(text).is_err_and(|told| told.starts_with("must be")), "{text}");
        }
        for text in ["2026-11-28", "2026-11-28T22:40:00Z", "+0"] {
            assert!(clocks(0).until(text).is_err_and(|told| told.contains("is past")), "{text}");
        }
    }

    #[test]
    fn a_beginning_is_the_one_that_people_mean() {
        for (text, offset, moment) in [
            ("today", 0, "2026-11-28T00:00:00Z"),
            ("today", 120, "2026-11-28T22:00:00Z"),
            ("yesterday", 0, "2026-11-27T00:00:00Z"),
            ("18:00", 0, "2026-11-28T18:00:00Z"),
            ("23:00", 0, "2026-11-27T23:00:00Z"),
            ("2h", 0, "2026-11-28T20:40:00Z"),
            ("2026-11-01", 0, "2026-11-01T00:00:00Z"),
        ] {
            assert_eq!(clocks(offset).since(text).map(Millis::to_rfc3339).as_deref(), Ok(moment), "{text}");
        }
        assert!(clocks(0).since("tomorrow").is_err());
    }

    #[test]
    fn a_time_is_spelled_in_its_two_largest_units() {
        for (text, spelt) in [
            ("0", "0 s"),
            ("59s", "59 s"),
            ("90s", "1 min"),
            ("24h", "1 d"),
            ("260m", "4 h 20 min"),
            ("9d", "9 d"),
        ] {
            assert_eq!(spelled(duration(text).unwrap()), spelt);
        }
        assert_eq!(spelled(25 * HOUR), "1 d 1 h");
    }
}
