//! Decides how the upstream answers: a plan for everybody, which the benchmark sets before each slice, and for single
//! requests one in their header.
//!
//! The plan is not in the path or in a header alone, because other gateways rewrite paths and drop headers; what is
//! set beside them reaches the upstream through any of them.
//!
//! Does not write the answers: see `answer.rs`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The header that carries the plan of one request.
pub(crate) const HEADER: &str = "x-bench-plan";

/// How a request is answered. As text: `status=200 delay_us=0 events=0 pace_us=0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Status of the answer; other than 200 it is an error of the provider.
    pub(crate) status: u16,
    /// Time from the end of the request to the answer.
    pub(crate) delay: Duration,
    /// Events with content of a stream; 0: a plain answer.
    pub(crate) events: u32,
    /// Time between two events; zero: all at once.
    pub(crate) pace: Duration,
}

/// The text is no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoPlan;

impl Default for Plan {
    fn default() -> Self {
        Self { status: 200, delay: Duration::ZERO, events: 0, pace: Duration::ZERO }
    }
}

impl Plan {
    /// A plain answer after a time.
    pub(crate) fn plain(delay: Duration) -> Self {
        Self { delay, ..Self::default() }
    }

    /// A stream.
    pub(crate) fn stream(events: u32, pace: Duration) -> Self {
        Self { events, pace, ..Self::default() }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, delay, events, pace } = self;
        let (delay, pace) = (delay.as_micros(), pace.as_micros());
        write!(out, "status={status} delay_us={delay} events={events} pace_us={pace}")
    }
}

impl FromStr for Plan {
    type Err = NoPlan;

    fn from_str(text: &str) -> Result<Self, NoPlan> {
        let mut plan = Self::default();
        for member in text.split_ascii_whitespace() {
            let (name, value) = member.split_once('=').ok_or(NoPlan)?;
            let number: u64 = value.parse().map_err(|_| NoPlan)?;
            let small = u32::try_from(number).map_err(|_| NoPlan);
            match name {
                "status" => {
                    plan.status = small.and_then(|status| u16::try_from(status).map_err(|_| NoPlan))?
                }
                "delay_us" => plan.delay = Duration::from_micros(number),
                "events" => plan.events = small?,
                "pace_us" => plan.pace = Duration::from_micros(number),
                _ => return Err(NoPlan),
            }
        }
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_as_it_was_written() {
        let plan = Plan {
            status: 529,
            delay: Duration::from_millis(500),
            events: 7,
            pace: Duration::from_micros(1500),
        };
        assert_eq!(plan.to_string().parse(), Ok(plan));
        assert_eq!("".parse(), Ok(Plan::default()));
    }

    #[test]
    fn a_misspelt_plan_is_refused() {
        for text in ["event=1", "events", "events=-1", "status=70000"] {
            assert_eq!(text.parse::<Plan>(), Err(NoPlan), "{text}");
        }
    }
}
