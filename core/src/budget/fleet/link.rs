//! Decides how one VM stands with the ledger: what time it has there, whether it answers, and when to call again.
//!
//! Windows are told by the ledger's clock, so that all Envoys change over at one moment. A ledger whose revision goes
//! back, or that says it is new, lost something: everything that is remembered is said again while it grants nothing.
//! After a failed call the next one waits, longer each time: a refused connection fails at once and would be tried
//! thousands of times a second.

use super::exchange::ReplyHead;
use crate::base::window::Millis;

/// The first pause after a failed call, in milliseconds.
const PAUSE_MS: u64 = 20;
/// How long the ledger may be silent before it counts as out of reach, in milliseconds.
const SILENCE_MS: u64 = 2_000;

/// What is known of one ledger, or of the shard that has one budget.
#[derive(Clone, Debug, Default)]
pub(super) struct Link {
    /// The ledger's clock less our own, in milliseconds.
    offset: i64,
    /// Its revision when it last answered.
    pub(super) revision: u64,
    /// Until when it grants nothing, by our own clock.
    recovers_until: Option<Millis>,
    /// Since when no call was answered.
    failing_since: Option<Millis>,
    failures: u32,
    next_call: Millis,
    /// When it was last called.
    pub(super) last_call: Option<Millis>,
    /// The next call brings the script along.
    pub(super) loads: bool,
    /// Something in a call was refused as a whole: the next ones have one item each.
    pub(super) one_by_one: bool,
    /// The node that has the budget, if another one said so.
    pub(super) shard: Option<Box<str>>,
    /// It was said that it is out of reach.
    is_out: bool,
    /// Why the last call failed.
    pub(super) why: String,
}

impl Link {
    /// The ledger's time.
    pub(super) fn time(&self, now: Millis) -> Millis {
        Millis(now.0.saturating_add_signed(self.offset))
    }

    /// Whether it was silent for too long.
    pub(super) fn is_out_of_reach(&self, now: Millis) -> bool {
        self.failing_since.is_some_and(|since| now.since(since) >= SILENCE_MS)
    }

    /// Since when it has been silent, if that was for too long.
    pub(super) fn away_since(&self, now: Millis) -> Option<Millis> {
        self.failing_since.filter(|_| self.is_out_of_reach(now))
    }

    /// Whether it answers and grants what there is.
    pub(super) fn grants(&self, now: Millis) -> bool {
        self.failing_since.is_none() && self.recovers_until.is_none_or(|until| now > until)
    }

    /// Whether it may be called.
    pub(super) fn may_call(&self, now: Millis) -> bool {
        now >= self.next_call
    }

    /// When it may be called next.
    pub(super) fn next_call(&self) -> Millis {
        self.next_call
    }

    /// It answered. Says whether it lost something that was not known yet.
    pub(super) fn answered(&mut self, head: &ReplyHead, now: Millis) -> bool {
        let offset = i128::from(head.now_ms) - i128::from(now.0);
        self.offset = i64::try_from(offset).unwrap_or(0);
        self.revision = self.revision.max(head.revision);
        (self.failing_since, self.failures, self.next_call) = (None, 0, Millis(0));
        (self.loads, self.one_by_one) = (false, false);
        let known = self.recovers_until.is_some_and(|until| now <= until);
        if head.grace_left_ms == 0 || known {
            return false;
        }
        self.recovers_until = Some(now.plus(head.grace_left_ms));
        true
    }

    /// A call came to nothing. `longest_ms`: the longest pause before the next.
    pub(super) fn failed(&mut self, longest_ms: u64, now: Millis) {
        self.failing_since.get_or_insert(now);
        let pause = PAUSE_MS.checked_shl(self.failures.min(16)).unwrap_or(longest_ms).min(longest_ms);
        self.failures = self.failures.saturating_add(1);
        self.next_call = now.plus(pause);
    }

    /// Says once that it is out of reach or back: `Some(true)` or `Some(false)`.
    pub(super) fn changed(&mut self, now: Millis) -> Option<bool> {
        let is_out = self.is_out_of_reach(now);
        (core::mem::replace(&mut self.is_out, is_out) != is_out).then_some(is_out)
    }
}
