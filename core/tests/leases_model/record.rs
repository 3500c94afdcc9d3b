//! Decides what is true of one counter, whatever the store and the workers say: a plain sum of charges, and for each
//! worker how far its knowledge of the counter may be out of date.

use farebox_core::budget::ledger::{Amounts, AtLimit, Counter, Limits, Mode};

use crate::worker::Spec;

/// What is true of the counter of one record.
#[derive(Default)]
pub(crate) struct Record {
    /// When the window began that the store is in.
    pub(crate) window: u64,
    /// What was charged since it came to that and no dead worker took along.
    pub(crate) spent: Amounts,
    /// All that was ever charged.
    pub(crate) charged: Amounts,
    pub(crate) views: Vec<View>,
}

/// What a worker does not know, or others not of it.
#[derive(Clone, Default)]
pub(crate) struct View {
    /// What it may owe: it is lost if the worker dies.
    pub(crate) owed: Amounts,
    /// By how much others may have passed the limits since its last write, which was under these limits.
    over: Amounts,
    under: Limits,
    /// The budget as it last asked for room.
    pub(crate) asked: Option<Spec>,
}

impl Record {
    /// A write by a lease of worker `at`: it owes nothing, and knows all.
    pub(crate) fn wrote(&mut self, at: usize, limits: Limits) {
        let view = &mut self.views[at];
        (view.owed, view.over, view.under) = (Amounts::default(), Amounts::default(), limits);
    }

    /// Something of worker `at` came on top that others' leases could not know.
    pub(crate) fn passed(&mut self, at: usize, leased: bool, amounts: Amounts) {
        let others = self.views.iter_mut().enumerate().filter(|(by, _)| *by != at || !leased);
        others.for_each(|(_, view)| view.over = view.over.plus(amounts));
    }

    /// Worker `at` let a request in by `spec`, or let it grow by so much without force, so that `held` is held.
    pub(crate) fn admitted(
        &mut self,
        (at, leased, put): (usize, bool, bool),
        spec: Spec,
        more: Amounts,
        held: Amounts,
    ) {
        if spec.at_limit == AtLimit::Deny && spec.mode != Mode::Check {
            let over = if put { Amounts::default() } else { self.views[at].over };
            let (used, over) = (measures(self.spent.plus(held)), measures(over));
            for ((used, over), limit) in used.into_iter().zip(over).zip(limits_of(&spec.limits)) {
                assert!(
                    limit.is_none_or(|limit| used <= limit + over),
                    "let in beyond the limit: {used} of {limit:?}"
                );
            }
            let running = spec.limits.concurrent.filter(|_| put);
            assert!(running.is_none_or(|limit| held.requests <= limit), "too many run");
        }
        let unchecked = spec.at_limit == AtLimit::Shadow || spec.mode == Mode::Check;
        for (by, view) in self.views.iter_mut().enumerate() {
            if (by != at || !leased) && (unchecked || view.under != spec.limits) {
                view.over = view.over.plus(more);
            }
        }
    }

    /// A worker died.
    pub(crate) fn died(&mut self, at: usize) {
        self.spent = self.spent.minus(core::mem::take(&mut self.views[at]).owed);
    }

    /// Others see at least what is.
    pub(crate) fn check(&self, counter: &Counter, held: Amounts) {
        let (seen, really) = (measures(counter.used()), measures(self.spent.plus(held)));
        assert!(
            seen.iter().zip(really).all(|(seen, really)| *seen >= really),
            "{seen:?} is less than {really:?}"
        );
    }
}

/// Whether `amounts` fit by plain arithmetic.
pub(crate) fn fits(used: Amounts, running: u64, amounts: Amounts, limits: &Limits) -> bool {
    let used = measures(used.plus(amounts)).into_iter().zip(limits_of(limits));
    limits.concurrent.is_none_or(|limit| running < limit)
        && used.into_iter().all(|(used, limit)| limit.is_none_or(|limit| used <= limit))
}

fn measures(amounts: Amounts) -> [u64; 5] {
    let Amounts { usd, input, output, requests } = amounts;
    [usd.0, input + output, input, output, requests]
}

fn limits_of(limits: &Limits) -> [Option<u64>; 5] {
    let Limits { usd, tokens, input_tokens, output_tokens, requests, .. } = *limits;
    [usd.map(|usd| usd.0), tokens, input_tokens, output_tokens, requests]
}

/// The counter in what is stored, and when its window began: the first number after the format.
pub(crate) fn read(stored: &[u8]) -> (Counter, u64) {
    let mut words = &stored[1..];
    let counter = Counter::read(&mut words).unwrap();
    let length = 1 + stored[1..].iter().position(|byte| byte & 0x80 == 0).unwrap();
    let window = stored[1..=length].iter().rev().fold(0, |sum, byte| (sum << 7) | u64::from(byte & 0x7f));
    (counter, window)
}
