//! Decides what goes on of each piece of an answer, when more is held for it, and when it is ended early.
//!
//! What a request holds was an estimate. When more than that has been seen of its answer, the hold grows, so
//! that others find the room gone while the answer is on its way and not only when it has ended. If there is
//! none left in a budget that cuts, the client gets a last event that says so, and the stream is closed:
//! nothing else stops a provider from going on, and from charging for it.
//!
//! Does not settle: see `exchange/ending.rs`.

use std::rc::Rc;

use crate::base::window::Millis;
use crate::budget::estimate::growth;
use crate::budget::ledger::{Ledger, Store};
use crate::config::{Account, Config};
use crate::denial::{BudgetReason, Denial};
use crate::exchange::{Cut, Exchange};
use crate::request::route::Destination;
use crate::response::meter::Passed;
use crate::response::stream_error::last_event;

/// How long a client has to read the last event before the connection is closed, in milliseconds.
pub const LAST_EVENT_MS: u64 = 100;

/// What becomes of a piece of an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// It goes on as it came.
    Unchanged,
    /// Something else goes on in its place.
    Replaced {
        /// What that is.
        bytes: Vec<u8>,
        /// The last event is in it.
        is_cut: bool,
        /// The last event was sent long enough ago: the stream is closed now.
        closes: bool,
    },
    /// The client is told this instead.
    Masked(Box<Denial>),
}

impl Exchange {
    /// The next piece of the answer, which is held no longer. `last`: nothing comes after it.
    pub fn piece<'l, S: Store + 'l>(
        &mut self,
        piece: &[u8],
        last: bool,
        request_id: &str,
        ledger: impl FnOnce(&Config) -> Ledger<'l, S>,
        now: impl Fn() -> Millis,
    ) -> Piece {
        if self.is_held()
            && let Some(denial) = self.judge_refusal(piece)
        {
            return Piece::Masked(Box::new(denial));
        }
        let was_cut = matches!(self.cut, Cut::Done(..));
        let first = (!piece.is_empty() && self.first_byte.is_none()).then(&now);
        self.first_byte = self.first_byte.or(first);
        let passed = self.meter.feed(piece, last);
        self.complete |= last;
        let seen = self.meter.reading().output_so_far();
        if seen > self.held_output && !last && matches!(self.cut, Cut::No) {
            self.grow(seen, ledger, &now);
        }
        let mut closes = false;
        let passed = match &self.cut {
            Cut::No => passed,
            Cut::Wanted(_) if last => passed,
            Cut::Wanted(account) => {
                let account = Rc::clone(account);
                self.cut(account, piece, passed, request_id, now())
            }
            Cut::Done(_, since) => {
                closes = !last && now().since(*since) >= LAST_EVENT_MS;
                Passed::Replaced(Vec::new())
            }
        };
        let passed = match &mut self.binding {
            Some(binding) => binding.bind(piece, passed),
            None => passed,
        };
        if self.is_held()
            && let Some(denial) = self.judge_success(piece)
        {
            return Piece::Masked(Box::new(denial));
        }
        let Passed::Replaced(bytes) = passed else { return Piece::Unchanged };
        let is_cut = !was_cut && matches!(self.cut, Cut::Done(..));
        Piece::Replaced { bytes, is_cut, closes }
    }

    /// Holds more if more was seen than is held for: half as much again as was seen, so that this is rare, but no more
    /// than the request allows.
    #[cold]
    fn grow<'l, S: Store + 'l>(
        &mut self,
        seen: u64,
        ledger: impl FnOnce(&Config) -> Ledger<'l, S>,
        now: impl Fn() -> Millis,
    ) {
        let reading = self.meter.reading();
        // What cannot be true must not lock the others out.
        if seen > self.config.plausible_tokens {
            return;
        }
        let goes_on = reading.text_so_far() > self.held_output;
        let held_output = growth(seen, reading.reported.total_output(), self.output_bound);
        if held_output <= self.held_output {
            return;
        }
        self.held_output = held_output;
        let Destination { provider, model } = &self.admission.target;
        let now = now();
        let price = self.config.prices.price(provider, model, now);
        let expected = self.admission.estimate.with_output(self.held_output, price.as_deref());
        let used_up = self.admission.hold.grow(&ledger(&self.config), expected.amounts, now);
        // A number that the provider reports may be the last thing it says: only a text that goes on is cut.
        if let Err(account) = used_up
            && goes_on
        {
            self.cut = Cut::Wanted(account);
        }
    }

    /// Ends the answer if an event ends in this piece.
    #[cold]
    fn cut(
        &mut self,
        by: Rc<Account>,
        piece: &[u8],
        passed: Passed,
        request_id: &str,
        now: Millis,
    ) -> Passed {
        let denial = Denial::budget(&self.config, Rc::clone(&by), BudgetReason::Spent, None, now);
        let Some(event) = last_event(self.endpoint, self.meter.framing(), &denial.message(), request_id)
        else {
            // It has no way to say why, so it comes to its end.
            self.cut = Cut::No;
            self.held_output = u64::MAX;
            return passed;
        };
        match self.meter.cut(piece, &passed, &event) {
            Some(bytes) => {
                self.cut = Cut::Done(by, now);
                Passed::Replaced(bytes)
            }
            None => passed,
        }
    }
}
