//! Ends a request: asks the host how it ended, settles what it held, writes its record and counts it.
//!
//! Runs in `on_log`, which Envoy calls once for every stream, however it ended. The record goes into the
//! filter state there; Envoy 1.40 writes its access log after that.

use farebox_core::accounting::outcome::{Faults, Outcome, StreamEnd};
use farebox_core::accounting::record::Record;
use farebox_core::base::window::Millis;
use farebox_core::denial::Denial;
use farebox_core::exchange::Exchange;
use farebox_core::exchange::ending::{Ended, Ending};
use farebox_core::exchange::waiting::Waiting;

use crate::gateway::response::find_attempts;
use crate::gateway::state::{Gateway, State};
use farebox_hostcalls::{self as host, filter_state};

/// What Envoy says of the end of a stream.
struct EnvoyEnd;

impl StreamEnd for EnvoyEnd {
    /// Source: Envoy's `CoreResponseFlag`, of which each value is a bit here.
    fn faults(&self) -> Faults {
        /// The provider, or the way to it, broke: UT, UR, UF, UC, SI, UMSDR, DT, UPE.
        const UPSTREAM: u64 = 0x4 | 0x10 | 0x20 | 0x40 | 0x1_0000 | 0x8_0000 | 0x40_0000 | 0x80_0000;
        /// Of those, the ones that say a provider was at work when it was given up on: UT, SI, UMSDR, DT.
        const GIVEN_UP: u64 = 0x4 | 0x1_0000 | 0x8_0000 | 0x40_0000;
        /// Envoy had too little memory for the stream: OM.
        const OVERLOAD: u64 = 0x200_0000;
        let flags = host::number_property("response\0flags").unwrap_or(0);
        Faults {
            upstream: flags & UPSTREAM != 0,
            given_up: flags & GIVEN_UP != 0,
            overload: flags & OVERLOAD != 0,
        }
    }

    fn details(&self) -> Vec<u8> {
        host::property("response\0code_details").unwrap_or_default()
    }
}

impl Gateway {
    /// Ends the request at `now`.
    pub(crate) fn end(&mut self, now: Millis) {
        match core::mem::replace(&mut self.state, State::Ended) {
            State::Admitted(exchange) => self.settle(exchange, now),
            State::Replied(denial) => self.replied(denial.as_ref(), now),
            State::Reading(reading) => self.incomplete(&reading.waiting, None, now),
            State::Refusing(refusing) => {
                self.incomplete(&refusing.waiting, Some(refusing.denial.reason()), now);
            }
            // Envoy answered before the filter saw anything, and knows more of the request than a record would say.
            State::New => {}
            State::Asking(_) | State::Ended => self.unanswered(None, now),
        }
    }

    fn settle(&self, mut exchange: Box<Exchange>, now: Millis) {
        // Of a request of which no answer ever began, nobody has asked yet.
        find_attempts(&mut exchange, &self.vm);
        let recent = self.vm.recent.borrow();
        let ended = exchange.end(&Ending { context: &self.context, end: &EnvoyEnd, recent: &recent, now });
        drop(recent);
        self.write(&ended.record);
        self.measure(&exchange, &ended, now);
        let ledger = self.vm.ledger(&exchange.config);
        if let Err(unsettled) = exchange.take_hold().settle(&ledger, ended.charge.amounts(), now) {
            log::error!("a charge could not be written and is kept");
            self.vm.keep(unsettled);
        }
        self.vm.metrics.request_ended();
    }

    /// Counts what it came to, and remembers how long the answer was.
    fn measure(&self, exchange: &Exchange, ended: &Ended, now: Millis) {
        let warnings = exchange.measure(&self.context, ended, &self.vm.metrics, now);
        warnings.iter().for_each(|warning| log::warn!("{warning}"));
        if let Some((output, reasoning)) = exchange.length_of_answer(ended) {
            let (team, model) = (self.context.team(), &exchange.admission.plan.label);
            self.vm.recent.borrow_mut().note(team, model, output, reasoning);
        }
    }

    fn replied(&self, denial: Option<&Denial>, now: Millis) {
        if let Some(denial) = denial {
            let key = self.context.key.as_ref().zip(self.config.as_ref());
            let team = key.map(|(key, config)| config.metric_team(&key.team));
            self.vm.metrics.denied(team, denial.reason(), denial.budget_name());
        }
        self.write(&self.record(now).replied(denial, now).to_bytes());
    }

    /// A request of which the body never was all here.
    fn incomplete(&self, waiting: &Waiting, denied: Option<&'static str>, now: Millis) {
        match &*waiting.given_up.borrow() {
            Some(given_up) => self.replied(Some(&given_up.denial), now),
            None => self.unanswered(denied, now),
        }
    }

    /// A request that was neither sent nor answered here.
    fn unanswered(&self, denied: Option<&'static str>, now: Millis) {
        let (outcome, details) = (self.unsent().as_str(), EnvoyEnd.details_text());
        let record = Record { outcome, denied, details: details.as_deref(), ..self.record(now) };
        self.write(&record.to_bytes());
    }

    /// How a request ended that was neither sent nor answered here.
    fn unsent(&self) -> Outcome {
        if self.context.status.is_some() { Outcome::NotAnswered } else { Outcome::unfinished(&EnvoyEnd) }
    }

    fn record(&self, now: Millis) -> Record<'_> {
        Record::of(&self.context, self.config.as_deref(), now)
    }

    fn write(&self, record: &[u8]) {
        if let Err(error) = host::set_property(filter_state::RECORD, record) {
            log::error!("a record could not be written: {error}");
        }
    }
}
