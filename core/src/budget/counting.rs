//! Decides how often a key may have tokens counted.
//!
//! Counts are free at every provider, so no budget holds for them: not for their money, not for their number. Claude Code
//! asks for 27 at once to show what fills its window, and may go on asking when the money is spent. But they use the
//! operator's account, whose provider limits them too, so each key may have so many a minute.
//!
//! Each worker counts for itself: the limit is there for what runs away, and is not worth a write of shared data.

use crate::base::hash::HashMap;

use crate::base::window::Millis;

const MINUTE_MS: u64 = 60_000;

/// What was counted in this minute, in one worker.
#[derive(Debug, Default)]
pub struct Counting {
    minute: u64,
    /// By the key's id. A key that has asked for nothing is not in it.
    by_key: HashMap<Box<str>, u64>,
}

impl Counting {
    /// Takes one of the `limit` requests that `key` may make in the minute of `now`.
    ///
    /// # Errors
    /// How long it is until the next minute, in milliseconds; nothing is taken then.
    pub fn take(&mut self, key: &str, limit: u64, now: Millis) -> Result<(), u64> {
        let minute = now.0 / MINUTE_MS;
        // A clock that steps back changes nothing.
        if minute > self.minute {
            self.minute = minute;
            self.by_key.clear();
        }
        let taken = self.by_key.get(key).copied().unwrap_or(0);
        if taken >= limit {
            return Err(((self.minute + 1) * MINUTE_MS).saturating_sub(now.0).clamp(1, MINUTE_MS));
        }
        self.by_key.insert(key.into(), taken + 1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_so_many_a_minute_and_is_told_when_the_next_one_begins() {
        let mut counting = Counting::default();
        let at = |ms| Millis(MINUTE_MS * 1_000 + ms);
        assert_eq!([0, 1, 2].map(|ms| counting.take("a", 2, at(ms))), [Ok(()), Ok(()), Err(59_998)]);
        assert_eq!(counting.take("b", 2, at(59_999)), Ok(()));
        assert_eq!(counting.take("a", 2, at(60_000)), Ok(()));
    }

    #[test]
    fn a_clock_that_steps_back_gives_no_more() {
        let mut counting = Counting::default();
        assert_eq!(counting.take("a", 1, Millis(MINUTE_MS * 9)), Ok(()));
        assert_eq!(counting.take("a", 1, Millis(MINUTE_MS * 2)), Err(MINUTE_MS));
    }

    #[test]
    fn who_may_have_none_is_refused_at_once() {
        assert_eq!(Counting::default().take("a", 0, Millis(0)), Err(MINUTE_MS));
    }
}
