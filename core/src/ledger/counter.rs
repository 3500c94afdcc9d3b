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
//! ## settle  => held in the hold's epoch shrinks (if it is still kept), spent grows by the charge
//! ## roll    => a later window empties spent; a later epoch moves held on
//! ```
//!
//! A charge counts in the window in which it is settled: that is when its size is known. A clock that
//! steps back changes nothing: the later window and epoch stand.

use super::{Amounts, Limits};
use crate::ledger::StoreError;
use crate::money::PicoUsd;

/// First byte of the stored form.
const FORMAT: u8 = 1;
/// Bytes of the stored form: the format and twelve little-endian u64.
const STORED_BYTES: usize = 1 + 12 * 8;

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

/// The limit does not leave room for the hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterError;

impl Counter {
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

    /// Holds `amounts`. Returns the epoch the hold belongs to.
    ///
    /// # Errors
    /// [`CounterError`] if spent and held would then be over `limits`; nothing is held.
    pub fn hold(&mut self, amounts: Amounts, limits: &Limits) -> Result<u64, CounterError> {
        if !limits.allow(self.spent.plus(self.held()).plus(amounts)) {
            return Err(CounterError);
        }
        self.held = self.held.plus(amounts);
        Ok(self.epoch)
    }

    /// Ends a hold of `amounts` made in `epoch` and charges `charge` instead.
    pub fn settle(&mut self, amounts: Amounts, epoch: u64, charge: Amounts) {
        if epoch == self.epoch {
            self.held = self.held.minus(amounts);
        } else if epoch == self.epoch_before {
            self.held_before = self.held_before.minus(amounts);
        }
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

    /// The stored form.
    #[must_use]
    pub fn encode(&self) -> [u8; STORED_BYTES] {
        let mut stored = [FORMAT; STORED_BYTES];
        let (_, words) = stored.split_at_mut(1);
        for (word, value) in words.chunks_exact_mut(8).zip(self.words()) {
            word.copy_from_slice(&value.to_le_bytes());
        }
        stored
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] if it is of another format.
    pub fn decode(stored: &[u8]) -> Result<Self, StoreError> {
        let Some((&FORMAT, words)) = stored.split_first().filter(|_| stored.len() == STORED_BYTES) else {
            return Err(StoreError::Unreadable);
        };
        let mut words = words.chunks_exact(8).map(|word| word.try_into().map_or(0, u64::from_le_bytes));
        let mut next = || words.next().unwrap_or(0);
        let window = next();
        let spent = read_amounts(&mut next);
        let epoch = next();
        let held = read_amounts(&mut next);
        let epoch_before = next();
        Ok(Self { window, spent, epoch, held, epoch_before, held_before: read_amounts(&mut next) })
    }

    fn words(&self) -> [u64; 12] {
        let Self { window, spent, epoch, held, epoch_before, held_before } = self;
        [
            *window,
            spent.usd.0,
            spent.tokens,
            spent.requests,
            *epoch,
            held.usd.0,
            held.tokens,
            held.requests,
            *epoch_before,
            held_before.usd.0,
            held_before.tokens,
            held_before.requests,
        ]
    }
}

fn read_amounts(next: &mut impl FnMut() -> u64) -> Amounts {
    Amounts { usd: PicoUsd(next()), tokens: next(), requests: next() }
}
