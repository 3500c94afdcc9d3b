//! Decides which calendar window a moment belongs to and when that window ends.
//!
//! A window is a pure function of time, so every worker and every replica agrees on it without
//! talking, and a counter can carry the beginning of its window in its value and roll over lazily.
//! Windows follow the calendar: days start at midnight, weeks on Monday (ISO 8601), months on the first,
//! in UTC or at a fixed offset from it. Daylight saving time is not known here: a wasm module has no
//! zone database, and rules that change by law do not belong into counters.
//!
//! Does not read a clock.

use crate::base::product;
use time::{Date, Month, OffsetDateTime, UtcDateTime};

/// Milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;
/// 1970-01-01 was a Thursday: Monday-based weeks start three days earlier.
const WEEK_SHIFT: u64 = 3 * DAY;

impl Millis {
    /// The moment `ms` milliseconds later.
    #[must_use]
    pub fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to here; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Reads `2027-01-01` (midnight UTC) or an RFC 3339 timestamp. `None` for anything else, and for
    /// moments before 1970.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        use time::format_description::well_known::Rfc3339;
        const DATE_BYTES: usize = "2027-01-01".len();
        let moment = if text.len() == DATE_BYTES {
            OffsetDateTime::parse(&format!("{text}T00:00:00Z"), &Rfc3339)
        } else {
            OffsetDateTime::parse(text, &Rfc3339)
        };
        let moment = moment.ok()?;
        u64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok().map(Self)
    }

    /// RFC 3339 in UTC to the second, as in `2026-11-22T00:00:00Z`. A moment beyond the year 9999
    /// reads as its last second.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        let moment = self.utc();
        let parts = [
            (4, moment.year().unsigned_abs(), '-'),
            (2, u8::from(moment.month()).into(), '-'),
            (2, moment.day().into(), 'T'),
            (2, moment.hour().into(), ':'),
            (2, moment.minute().into(), ':'),
            (2, moment.second().into(), 'Z'),
        ];
        let mut text = String::with_capacity("2026-11-22T00:00:00Z".len());
        for (digits, number, end) in parts {
            let digit = |place| char::from_digit(number / 10_u32.pow(place) % 10, 10);
            text.extend((0..digits).rev().filter_map(digit));
            text.push(end);
        }
        text
    }

    fn utc(self) -> UtcDateTime {
        let seconds = i64::try_from(self.0 / SECOND).unwrap_or(i64::MAX);
        UtcDateTime::from_unix_timestamp(seconds).unwrap_or(UtcDateTime::MAX)
    }
}

/// How long a budget counts before it starts again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Window {
    /// A calendar minute.
    Minute,
    /// A calendar hour.
    Hour,
    /// A calendar day.
    Day,
    /// Monday to Sunday.
    Week,
    /// A calendar month.
    Month,
    /// Never starts again.
    Lifetime,
}

impl Window {
    /// Every window with the word the configuration uses for it.
    pub const NAMES: [(&'static str, Self); 6] = [
        ("minute", Self::Minute),
        ("hour", Self::Hour),
        ("day", Self::Day),
        ("week", Self::Week),
        ("month", Self::Month),
        ("lifetime", Self::Lifetime),
    ];

    /// The word the configuration uses.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, window)| *window == self).map_or("", |(name, _)| name)
    }

    /// The moment at which the window that `now` is in began. A lifetime began with time.
    #[must_use]
    pub fn begins_at(self, now: Millis) -> Millis {
        self.start_of(self.number(now)).unwrap_or_default()
    }

    /// The number of the window that `now` is in. Grows with time, by one per window.
    fn number(self, now: Millis) -> u64 {
        match self {
            Self::Minute => now.0 / MINUTE,
            Self::Hour => now.0 / HOUR,
            Self::Day => now.0 / DAY,
            Self::Week => now.0.saturating_add(WEEK_SHIFT) / WEEK,
            Self::Month => {
                let date = now.utc();
                let years = u64::try_from(date.year().saturating_sub(1970)).unwrap_or(0);
                years * 12 + u64::from(u8::from(date.month())) - 1
            }
            Self::Lifetime => 0,
        }
    }

    /// The first moment of the next window; `None` for a lifetime.
    #[must_use]
    pub fn resets_at(self, now: Millis) -> Option<Millis> {
        self.start_of(self.number(now).saturating_add(1))
    }

    fn start_of(self, number: u64) -> Option<Millis> {
        let start = match self {
            Self::Minute => product::saturating(number, MINUTE),
            Self::Hour => product::saturating(number, HOUR),
            Self::Day => product::saturating(number, DAY),
            Self::Week => product::saturating(number, WEEK).saturating_sub(WEEK_SHIFT),
            Self::Month => return first_of_month(number),
            Self::Lifetime => return None,
        };
        Some(Millis(start))
    }
}

/// A window by the clocks of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// The window.
    pub window: Window,
    /// What these clocks are ahead of UTC, in minutes.
    pub offset_minutes: i64,
}

impl Calendar {
    /// The window by the clocks of UTC.
    #[must_use]
    pub fn utc(window: Window) -> Self {
        Self { window, offset_minutes: 0 }
    }

    /// The moment at which the window that `now` is in began. A lifetime began with time.
    #[must_use]
    pub fn begins_at(self, now: Millis) -> Millis {
        if self.window == Window::Lifetime {
            return Millis::default();
        }
        self.to_utc(self.window.begins_at(self.to_local(now)))
    }

    /// The first moment of the next window; `None` for a lifetime.
    #[must_use]
    pub fn resets_at(self, now: Millis) -> Option<Millis> {
        self.window.resets_at(self.to_local(now)).map(|reset| self.to_utc(reset))
    }

    fn to_local(self, moment: Millis) -> Millis {
        Millis(moment.0.saturating_add_signed(self.offset_ms()))
    }

    fn to_utc(self, local: Millis) -> Millis {
        Millis(local.0.saturating_add_signed(-self.offset_ms()))
    }

    fn offset_ms(self) -> i64 {
        self.offset_minutes * 60_000
    }
}

/// Midnight UTC of the first day of the `number`-th month since January 1970; `None` beyond the year 9999.
fn first_of_month(number: u64) -> Option<Millis> {
    let year = i32::try_from(1970 + number / 12).ok()?;
    let month = Month::try_from(u8::try_from(number % 12 + 1).ok()?).ok()?;
    let midnight = Date::from_calendar_date(year, month, 1).ok()?.midnight().assume_utc();
    u64::try_from(midnight.unix_timestamp()).ok().map(|seconds| Millis(seconds * SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    #[cfg(target_os = "unknown")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn at(text: &str) -> Millis {
        Millis::parse(text).unwrap()
    }

    #[test]
    fn windows_end_where_the_calendar_says() {
        let now = at("2028-02-29T23:59:58Z"); // a Tuesday, in a leap year
        for (window, end) in [
            (Window::Minute, "2028-03-01T00:00:00Z"),
            (Window::Hour, "2028-03-01T00:00:00Z"),
            (Window::Day, "2028-03-01T00:00:00Z"),
            (Window::Week, "2028-03-06T00:00:00Z"),
            (Window::Month, "2028-03-01T00:00:00Z"),
        ] {
            assert_eq!(window.resets_at(now).unwrap().to_rfc3339(), end, "{window:?}");
        }
        assert_eq!(Window::Lifetime.resets_at(now), None);
    }

    #[test]
    fn a_date_means_its_midnight_in_utc() {
        assert_eq!(at("2027-01-01"), at("2027-01-01T00:00:00Z"));
        assert_eq!(at("2027-01-01T01:00:00+01:00"), at("2027-01-01"));
    }

    #[test]
    fn what_is_not_a_date_is_not_a_moment() {
        for text in ["", "2027-13-01", "2027-02-30", "01/02/2027", "2027", "1969-12-31", "2027-W01-1"] {
            assert_eq!(Millis::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_day_begins_when_it_is_midnight_there() {
        let day = |offset_minutes| Calendar { window: Window::Day, offset_minutes };
        let now = at("2027-03-01T22:30:00Z");
        for (offset, begins, resets) in [
            (0, "2027-03-01T00:00:00Z", "2027-03-02T00:00:00Z"),
            (120, "2027-03-01T22:00:00Z", "2027-03-02T22:00:00Z"),
            (-210, "2027-03-01T03:30:00Z", "2027-03-02T03:30:00Z"),
        ] {
            assert_eq!(day(offset).begins_at(now).to_rfc3339(), begins, "{offset}");
            assert_eq!(day(offset).resets_at(now).unwrap().to_rfc3339(), resets, "{offset}");
        }
        let lifetime = Calendar { window: Window::Lifetime, offset_minutes: 120 };
        assert_eq!((lifetime.begins_at(now), lifetime.resets_at(now)), (Millis(0), None));
    }

    /// What the clocks and the calendar show at `moment`, as another library reads them.
    fn shown(moment: Millis, offset_minutes: i64) -> OffsetDateTime {
        let offset =
            time::UtcOffset::from_whole_seconds(i32::try_from(offset_minutes * 60).unwrap()).unwrap();
        let seconds = i64::try_from(moment.0 / SECOND).unwrap();
        assert_eq!(moment.0 % SECOND, 0, "windows begin with a second");
        OffsetDateTime::from_unix_timestamp(seconds).unwrap().to_offset(offset)
    }

    proptest! {
        // Not from the first month on: where it begins before 1970, there is no moment for that.
        #[test]
        fn windows_follow_the_clocks_of_their_place(
            ms in 40 * DAY..=253_370_000_000_000, offset_minutes in -840i64..=840
        ) {
            let now = Millis(ms);
            for (_, window) in Window::NAMES {
                let calendar = Calendar { window, offset_minutes };
                let begins = calendar.begins_at(now);
                prop_assert!(begins <= now);
                prop_assert_eq!(calendar.begins_at(begins), begins);
                let Some(resets) = calendar.resets_at(now) else { continue };
                prop_assert!(now < resets);
                prop_assert_eq!(calendar.begins_at(resets), resets);
                prop_assert_eq!(calendar.begins_at(Millis(resets.0 - 1)), begins);
                for edge in [begins, resets] {
                    let there = shown(edge, offset_minutes);
                    let (hour, minute, second) = there.to_hms();
                    prop_assert_eq!(second, 0);
                    prop_assert!(window == Window::Minute || minute == 0);
                    prop_assert!(matches!(window, Window::Minute | Window::Hour) || hour == 0);
                    prop_assert!(window != Window::Week || there.weekday() == time::Weekday::Monday);
                    prop_assert!(window != Window::Month || there.day() == 1);
                }
            }
        }

        #[test]
        fn no_moment_makes_a_calendar_panic(ms: u64, offset_minutes in -840i64..=840) {
            for (_, window) in Window::NAMES {
                let calendar = Calendar { window, offset_minutes };
                let _ = (calendar.begins_at(Millis(ms)), calendar.resets_at(Millis(ms)));
            }
        }

        #[test]
        fn the_reset_is_the_first_moment_of_the_next_window(ms in 0u64..=253_402_300_799_000) {
            let now = Millis(ms);
            for (_, window) in Window::NAMES {
                let Some(reset) = window.resets_at(now) else { continue };
                prop_assert!(reset > now);
                prop_assert_eq!(window.number(reset), window.number(now) + 1);
                prop_assert_eq!(window.number(Millis(reset.0 - 1)), window.number(now));
                prop_assert!(window.begins_at(now) <= now);
                prop_assert_eq!(window.begins_at(reset), reset);
                prop_assert_eq!(window.begins_at(Millis(reset.0 - 1)), window.begins_at(now));
            }
        }

        #[test]
        fn no_moment_makes_a_window_panic(ms: u64) {
            for (_, window) in Window::NAMES {
                let _ = (window.begins_at(Millis(ms)), window.resets_at(Millis(ms)), Millis(ms).to_rfc3339());
            }
        }
    }
}
