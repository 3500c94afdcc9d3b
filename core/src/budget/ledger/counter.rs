//! Decides what one counter says: how much was spent in its window and how much is held right now.
//!
//! A counter carries the moment its window began, so a new window starts when somebody next writes, without
//! a clean-up. What is held is kept in two epochs: a hold belongs to the epoch it was made in and may be
//! settled in that or the next one; after that it is forgotten. So a worker that crashed between hold
//! and settle keeps money from others for two epochs at most, and no list of holds is needed. Windows and
//! epochs are told apart by when they began, which can be compared when a new configuration changes
//! their length; their numbers could not.
//!
//! ```text
//! ## hold    => held in this epoch grows, if spent + held + amount is within the limits
//! ## regrow  => held in the hold's epoch moves to this one and becomes another amount
//! ## settle  => held in the hold's epoch shrinks (if it is still kept), spent grows by the charge
//! ## roll    => a later window empties spent; a later epoch moves held on
//! ```
//!
//! A charge counts in the window in which it is settled: that is when its size is known. A clock that
//! steps back changes nothing: the later window and epoch stand.

use super::number::{read_number, write_number};
use super::{Amounts, Limits, Measure, Mode, StoreError};
use crate::base::money::PicoUsd;

/// The state of one budget for one subject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    window: u64,
    spent: Amounts,
    epoch: u64,
    held: Amounts,
    /// The epoch before, or this one if nothing is kept of any other.
    epoch_before: u64,
    held_before: Amounts,
}

impl Counter {
    /// A counter that says no more than this, of budgets that are counted elsewhere.
    #[must_use]
    pub fn known(spent: Amounts, held: Amounts) -> Self {
        Self { spent, held, ..Self::default() }
    }

    /// Moves on to the window and the epoch that began at `window` and `epoch`, both in milliseconds;
    /// earlier ones than it is at change nothing. Epochs are `epoch_ms` long.
    pub fn roll(&mut self, window: u64, epoch: u64, epoch_ms: u64) {
        if window > self.window {
            self.window = window;
            self.spent = Amounts::default();
        }
        if epoch > self.epoch {
            let next = epoch - self.epoch <= epoch_ms;
            (self.epoch_before, self.held_before) =
                if next { (self.epoch, self.held) } else { (epoch, Amounts::default()) };
            self.held = Amounts::default();
            self.epoch = epoch;
        }
    }

    /// The measure that leaves no room for `amounts`, if one does. With [`Mode::Check`] there is room for any
    /// amount as long as something is left.
    #[must_use]
    pub fn short(&self, amounts: Amounts, limits: &Limits, mode: Mode) -> Option<Measure> {
        let held = self.held();
        let running = held.requests.saturating_add(amounts.requests);
        let used = match mode {
            Mode::Hold | Mode::Strict => self.spent.plus(held).plus(amounts),
            Mode::Check => {
                let least = Amounts { usd: PicoUsd(1), input: 1, output: 1, requests: 0 };
                let requests = held.requests.saturating_add(amounts.requests);
                // One token more, in or out, must fit each limit; for their sum that is one, not two.
                let used = self.spent.plus(Amounts { requests, ..Amounts::default() });
                let tokens = limits.tokens.filter(|&limit| self.spent.tokens() >= limit);
                if tokens.is_some() {
                    return Some(Measure::Tokens);
                }
                let rest = Limits { tokens: None, ..*limits };
                return rest.exceeded(used.plus(least), running);
            }
        };
        limits.exceeded(used, running)
    }

    /// Holds `amounts`, whether there is room or not. Returns the epoch the hold belongs to.
    pub fn hold(&mut self, amounts: Amounts) -> u64 {
        self.held = self.held.plus(amounts);
        self.epoch
    }

    /// Ends a hold of `amounts` made in `epoch`, without a charge.
    pub fn release(&mut self, amounts: Amounts, epoch: u64) {
        if epoch == self.epoch {
            self.held = self.held.minus(amounts);
        } else if epoch == self.epoch_before {
            self.held_before = self.held_before.minus(amounts);
        }
    }

    /// Charges `charge`.
    pub fn charge(&mut self, charge: Amounts) {
        self.spent = self.spent.plus(charge);
    }

    /// What was charged in this window.
    #[must_use]
    pub fn spent(&self) -> Amounts {
        self.spent
    }

    /// What is held by requests that have not ended.
    #[must_use]
    pub fn held(&self) -> Amounts {
        self.held.plus(self.held_before)
    }

    /// What is spent and held together.
    #[must_use]
    pub fn used(&self) -> Amounts {
        self.spent.plus(self.held())
    }

    /// The same with nothing held.
    #[must_use]
    pub(super) fn without_holds(self) -> Self {
        Self { held: Amounts::default(), held_before: Amounts::default(), ..self }
    }

    /// Whether there is nothing in it that a new counter would not say too.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.used() == Amounts::default()
    }

    /// Writes the stored form: fifteen numbers, each in as few bytes as it needs (LEB128).
    pub fn write(&self, out: &mut Vec<u8>) {
        let Self { window, spent, epoch, held, epoch_before, held_before } = self;
        write_number(out, *window);
        write_amounts(out, spent);
        write_number(out, *epoch);
        write_amounts(out, held);
        write_number(out, *epoch_before);
        write_amounts(out, held_before);
    }

    /// Reads the stored form from the front of `stored`.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] if it is cut short.
    pub fn read(stored: &mut &[u8]) -> Result<Self, StoreError> {
        Ok(Self {
            window: read_number(stored)?,
            spent: read_amounts(stored)?,
            epoch: read_number(stored)?,
            held: read_amounts(stored)?,
            epoch_before: read_number(stored)?,
            held_before: read_amounts(stored)?,
        })
    }
}

/// How amounts are stored of which each is zero.
const NOTHING: [u8; 4] = [0; 4];

fn write_amounts(out: &mut Vec<u8>, amounts: &Amounts) {
    // Mostly nothing is held.
    if *amounts == Amounts::default() {
        return out.extend_from_slice(&NOTHING);
    }
    for number in [amounts.usd.0, amounts.input, amounts.output, amounts.requests] {
        write_number(out, number);
    }
}

fn read_amounts(stored: &mut &[u8]) -> Result<Amounts, StoreError> {
    if let Some(rest) = stored.strip_prefix(&NOTHING) {
        *stored = rest;
        return Ok(Amounts::default());
    }
    Ok(Amounts {
        usd: PicoUsd(read_number(stored)?),
        input: read_number(stored)?,
        output: read_number(stored)?,
        requests: read_number(stored)?,
    })
}
