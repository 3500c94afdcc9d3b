//! Decides what is remembered of many calls: how long they took, and what went wrong.
//!
//! Times are kept in a histogram of three significant digits, so that a percentile is read from all calls and not
//! from a sample of them.
//!
//! Does not judge: a slice of load with a failure in it is invalid, and that is said in `slice.rs`.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::connection::Answer;
use crate::request::Request;

/// The longest time that is told apart from longer ones, in nanoseconds.
const LONGEST: u64 = 120_000_000_000;

/// Times, in a histogram.
#[derive(Clone, Debug)]
pub(crate) struct Times {
    // `None` only if a histogram cannot be made, which with these constants it can.
    histogram: Option<Histogram<u64>>,
}

/// What is published of many times, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    /// Arithmetic mean.
    pub(crate) mean_us: f64,
    /// Half of all took no longer.
    pub(crate) p50_us: f64,
    /// 90 % took no longer.
    pub(crate) p90_us: f64,
    /// 99 % took no longer.
    pub(crate) p99_us: f64,
    /// The longest.
    pub(crate) max_us: f64,
}

impl Times {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self { histogram: Histogram::new_with_bounds(1_000, LONGEST, 3).ok() }
    }

    /// One more.
    pub(crate) fn add(&mut self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(LONGEST);
        if let Some(histogram) = &mut self.histogram {
            histogram.saturating_record(nanoseconds);
        }
    }

    /// Those of others too.
    pub(crate) fn join(&mut self, other: &Self) {
        if let (Some(own), Some(more)) = (&mut self.histogram, &other.histogram) {
            // Both have the same bounds, so it cannot fail.
            let _ = own.add(more);
        }
    }

    /// What is published of them.
    pub(crate) fn spread(&self) -> Spread {
        let Some(histogram) = &self.histogram else { return Spread::default() };
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
        Spread {
            mean_us: histogram.mean() / 1e3,
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            max_us: histogram.max() as f64 / 1e3,
        }
    }
}

/// What became of the calls of a slice.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// Calls that ended, well or not.
    pub(crate) calls: u64,
    /// What went wrong, and how often.
    pub(crate) failures: BTreeMap<String, u64>,
    /// From the moment a call was meant to be sent to the end of its answer.
    pub(crate) whole: Times,
    /// To the first byte of its body.
    pub(crate) first: Times,
    /// From the moment a call was meant to be sent until it was: how late the generator itself was.
    pub(crate) late: Times,
}

impl Tally {
    /// Of no call.
    pub(crate) fn new() -> Self {
        Self {
            calls: 0,
            failures: BTreeMap::new(),
            whole: Times::new(),
            first: Times::new(),
            late: Times::new(),
        }
    }

    /// Adds a call that was meant to be sent at `meant`.
    pub(crate) fn add(&mut self, request: &Request, meant: std::time::Instant, answer: &io::Result<Answer>) {
        self.calls += 1;
        if let Ok(answer) = answer {
            self.whole.add(answer.end.saturating_duration_since(meant));
            self.first.add(answer.first.saturating_duration_since(meant));
        }
        self.judge(request, answer);
    }

    /// Adds what became of other calls.
    pub(crate) fn join(&mut self, other: &Self) {
        self.calls += other.calls;
        other.failures.iter().for_each(|(what, often)| self.fail(what.clone(), *often));
        for (own, more) in
            [(&mut self.whole, &other.whole), (&mut self.first, &other.first), (&mut self.late, &other.late)]
        {
            own.join(more);
        }
    }

    /// Remembers what is wrong with an answer, if something is. The body of a refusal is no stream, and need not be.
    pub(crate) fn judge(&mut self, request: &Request, answer: &io::Result<Answer>) {
        match answer {
            Ok(Answer { status, .. }) if *status != request.expected => {
                self.fail(format!("status {status}"), 1)
            }
            Ok(Answer { ends_as_stream: false, status: 200, .. }) if request.streams => {
                self.fail("a stream without its end".to_owned(), 1);
            }
            Ok(Answer { bytes: 0, .. }) => self.fail("an empty answer".to_owned(), 1),
            Ok(_) => {}
            Err(error) => self.fail(error.kind().to_string(), 1),
        }
    }

    /// Remembers that something went wrong so many times.
    pub(crate) fn fail(&mut self, what: String, often: u64) {
        *self.failures.entry(what).or_default() += often;
    }

    /// What went wrong, in words; `None`: nothing.
    pub(crate) fn complaint(&self) -> Option<String> {
        let words = self.failures.iter().map(|(what, often)| format!("{often} × {what}"));
        let words: Vec<String> = words.collect();
        (!words.is_empty()).then(|| words.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_all_times() {
        let mut times = Times::new();
        for millisecond in 1..=1000 {
            times.add(Duration::from_millis(millisecond));
        }
        let spread = times.spread();
        for (found, expected) in [
            (spread.mean_us, 500_500.0),
            (spread.p50_us, 500_000.0),
            (spread.p90_us, 900_000.0),
            (spread.p99_us, 990_000.0),
            (spread.max_us, 1_000_000.0),
        ] {
            assert!((found / expected - 1.0).abs() < 0.002, "{found} is not {expected}");
        }
    }

    #[test]
    fn an_answer_that_is_not_the_right_one_is_a_failure() {
        let mut request = Request::get("/");
        request.streams = true;
        let now = std::time::Instant::now();
        let answer = |status, ends_as_stream| Answer {
            status,
            first: now,
            end: now,
            bytes: 9,
            ends_as_stream,
            reusable: true,
        };
        let mut tally = Tally::new();
        tally.add(&request, now, &Ok(answer(200, true)));
        assert_eq!(tally.complaint(), None);
        tally.add(&request, now, &Ok(answer(503, true)));
        tally.add(&request, now, &Ok(answer(200, false)));
        tally.add(&request, now, &Err(io::ErrorKind::ConnectionReset.into()));
        assert_eq!(tally.calls, 4);
        assert_eq!(
            tally.complaint().unwrap(),
            "1 × a stream without its end, 1 × connection reset, 1 × status 503"
        );
    }
}
