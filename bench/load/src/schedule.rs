//! Decides when the calls of an open loop are meant to be sent: at fixed moments, whatever the system does.
//!
//! A client that waits for an answer before it sends the next request sends fewer when the system is slow, and so
//! leaves out the very moments that are of interest. Here a call that has to wait for a free connection has its time
//! counted from the moment it was meant for.
//!
//! Does not wait: see `open.rs`.

use std::time::Duration;

/// A rate, for a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Schedule {
    /// Calls a second.
    pub(crate) rate: f64,
    /// For how long.
    pub(crate) time: Duration,
}

impl Schedule {
    /// Calls in all.
    pub(crate) fn calls(&self) -> u64 {
        (self.rate * self.time.as_secs_f64()).round() as u64
    }

    /// When a call is meant to be sent, from the start.
    pub(crate) fn moment(&self, call: u64) -> Duration {
        Duration::from_secs_f64(call as f64 / self.rate)
    }

    /// How many calls are due `elapsed` after the start.
    pub(crate) fn due(&self, elapsed: Duration) -> u64 {
        let mut due = (elapsed.as_secs_f64() * self.rate) as u64;
        // Rounding may be off by one in either direction; the moments decide.
        while due > 0 && self.moment(due - 1) > elapsed {
            due -= 1;
        }
        while due < self.calls() && self.moment(due) <= elapsed {
            due += 1;
        }
        due.min(self.calls())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_due_at_their_moments_and_not_before() {
        for rate in [1.0, 3.0, 7.3, 1000.0, 33_333.0] {
            let schedule = Schedule { rate, time: Duration::from_secs(2) };
            for call in [0, 1, 2, 10, 1000].into_iter().filter(|call| *call < schedule.calls()) {
                let moment = schedule.moment(call);
                assert_eq!(schedule.due(moment), call + 1, "call {call} at {rate}/s");
                if let Some(before) = moment.checked_sub(Duration::from_nanos(1)) {
                    assert_eq!(schedule.due(before), call, "before call {call} at {rate}/s");
                }
            }
        }
    }

    #[test]
    fn no_more_calls_are_due_than_there_are() {
        let schedule = Schedule { rate: 500.0, time: Duration::from_secs(1) };
        assert_eq!(schedule.calls(), 500);
        assert_eq!(schedule.due(Duration::from_secs(10)), 500);
        assert_eq!(schedule.moment(250), Duration::from_millis(500));
    }
}
