//! Decides when the counter of a budget starts again: its `window` and `utc_offset`.
//!
//! Does not know places: a zone's summer time is a law, not a number. See `window.rs`.

use super::cursor::{Cursor, Fields};
use crate::base::window::{Calendar, Window};

/// Furthest that any clock is ahead of UTC or behind it, in minutes.
const MAX_OFFSET: i64 = 14 * 60;

/// The window by the clocks of UTC, or by those that are said to be ahead of it.
pub(super) fn read(fields: &Fields<'_>) -> Option<Calendar> {
    let window = fields.need("window").and_then(|at| at.word(&Window::NAMES));
    let offset = fields.get("utc_offset");
    let minutes = offset.as_ref().map(|at| read_offset(at, window));
    Some(Calendar { window: window?, offset_minutes: minutes.unwrap_or(Some(0))? })
}

fn read_offset(at: &Cursor<'_>, window: Option<Window>) -> Option<i64> {
    let minutes = minutes(at.text()?);
    if minutes.is_none() {
        at.fail("must be like +02:00 or -03:30, from -14:00 to +14:00");
    }
    if window == Some(Window::Lifetime) {
        at.fail("a lifetime never starts again, whatever the clocks say; leave \"utc_offset\" out");
    }
    minutes
}

/// `±HH:MM` in minutes.
fn minutes(text: &str) -> Option<i64> {
    let (sign, time) = match text.split_at_checked(1)? {
        ("+", time) => (1, time),
        ("-", time) => (-1, time),
        _ => return None,
    };
    let (hours, minutes) = time.split_once(':')?;
    let two_digits = |text: &str| {
        let fits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<i64>().ok().filter(|_| fits)
    };
    let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= MAX_OFFSET).then_some(sign * total)
}
