//! Decides what one VM may admit of one account in one window: its part of what the ledger has.
//!
//! A part is a sum of charges that only grows, and an allotment: what may be used beyond that sum. Both together are
//! the *ceiling*. Requests are admitted as long as what is charged and held stays within it.
//!
//! ```text
//! ## push    => says the sum, what running requests need, what waiting ones ask, and a wish for some to spare
//! ## answer  => the new allotment: the ceiling is the sum that was said and the allotment
//! ## none    => the push was applied or not: the lower of both ceilings counts until a later answer comes
//! ```
//!
//! Sums merge by maximum and pushes are numbered, so a push that comes twice, late or not at all changes nothing that
//! the next one does not put right. A ledger that lost data says so; then the sum is said again with what was last
//! seen of the whole (a *seed*).
//!
//! Amounts are exact here. The ledger counts in nano-dollars: sums are rounded down, needs and asks up.

use super::Units;
use super::exchange::{Answer, Status};
use crate::base::window::Millis;
use crate::budget::ledger::{Amounts, Limits, Measure};

/// Unanswered pushes that are told apart. The ones before count as one.
const UNANSWERED: usize = 8;
/// When a sum is said once more: after what a failover of the server may have lost, in milliseconds.
const CONFIRM_MS: u64 = 5_000;
/// Epochs after which the ledger forgets who is silent.
const FORGET_EPOCHS: u64 = 120;

/// The part of one VM.
#[derive(Clone, Debug, Default)]
pub(super) struct Component {
    /// Which of the VM's components it is. A number is never used for a second sum.
    pub(super) number: u64,
    /// When its window begins; 0 for a budget without one.
    pub(super) from: u64,
    /// When its window ends; 0 for a budget without one.
    pub(super) till: u64,
    /// What ended requests have used.
    charged: Amounts,
    /// Since when some of that was unsaid, if some is.
    charged_since: Option<Millis>,
    /// What running requests hold.
    pub(super) held: Amounts,
    /// An exchange with asks is on its way.
    pub(super) asking: bool,
    ceiling: Amounts,
    sequence: u64,
    answered: u64,
    /// What of the sum the ledger is known to have.
    acknowledged: Amounts,
    /// What the ledger last said of the whole account.
    seen: Seen,
    unanswered: Vec<Push>,
    seed: bool,
    check: bool,
    confirm_at: Option<Millis>,
    last_answer: Option<Millis>,
    last_push: Millis,
}

/// What the ledger said of an account.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    spent: Amounts,
    allotted: Amounts,
    /// What of that was allotted here.
    granted: Amounts,
}

/// A push of which nobody knows yet whether it was applied.
#[derive(Clone, Copy, Debug)]
struct Push {
    sequence: u64,
    /// When it was said.
    at: Millis,
    /// The sum that it said.
    charged: Amounts,
    /// The ceiling if it was applied and nothing was granted beyond the need.
    floor: Amounts,
}

/// What is wished for beyond what is needed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wish {
    /// A large request of late.
    pub(super) unit: Amounts,
    /// For how many of these there should be room.
    pub(super) units: u64,
    /// Whether what there is to spare may stay: not where others have too little.
    pub(super) keeps: bool,
}

/// What a push says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) sequence: u64,
    pub(super) answered: u64,
    pub(super) charged: Units,
    pub(super) need: Units,
    pub(super) unit: Units,
    pub(super) wish: u64,
    /// The spent sum that was last seen, and what of the own sum was in it.
    pub(super) seed: Option<(Units, Units)>,
}

/// What an answer comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The newest word of the ledger is known.
    Told,
    /// It has to be said again.
    Again,
    /// It was forgotten here for its silence: what it had not said is a new component's.
    Anew,
    /// A later answer has said more already.
    Old,
}

impl Component {
    /// A component that has said nothing.
    pub(super) fn new(number: u64, (from, till): (u64, u64), now: Millis) -> Self {
        Self {
            number,
            from,
            till,
            last_push: Millis(0),
            last_answer: None,
            confirm_at: None,
            ..Self::default()
        }
        .since(now)
    }

    fn since(mut self, now: Millis) -> Self {
        self.last_push = Millis(now.0.saturating_sub(CONFIRM_MS));
        self
    }

    /// What ended requests have used.
    pub(super) fn charged(&self) -> Amounts {
        self.charged
    }

    /// A request has ended that used `charge`.
    pub(super) fn charge(&mut self, charge: Amounts, now: Millis) {
        if !self.has_unsaid() {
            self.charged_since = Some(now);
        }
        self.charged = self.charged.plus(charge);
    }

    /// What is charged, as the ledger counts it, and held.
    pub(super) fn used(&self) -> Amounts {
        floored(self.charged).plus(self.held)
    }

    /// What may be used, whether the pushes without an answer were applied or not.
    pub(super) fn ceiling(&self) -> Amounts {
        self.unanswered.iter().fold(self.ceiling, |least, push| least.min(push.floor))
    }

    /// The measure of `limits` in which `amounts` find no room.
    pub(super) fn short(&self, limits: &Limits, amounts: Amounts) -> Option<Measure> {
        let ceiling = self.ceiling();
        let lent = Limits {
            usd: limits.usd.and(Some(ceiling.usd)),
            tokens: limits.tokens.and(Some(ceiling.tokens())),
            input_tokens: limits.input_tokens.and(Some(ceiling.input)),
            output_tokens: limits.output_tokens.and(Some(ceiling.output)),
            requests: limits.requests.and(Some(ceiling.requests)),
            concurrent: None,
        };
        lent.exceeded(self.used().plus(amounts), 0)
    }

    /// Whether the ledger has ever answered.
    pub(super) fn is_known(&self) -> bool {
        self.last_answer.is_some()
    }

    /// Whether `time`, which is the ledger's, is in its window.
    pub(super) fn is_current(&self, time: Millis) -> bool {
        self.till == 0 || (self.from <= time.0 && time.0 < self.till)
    }

    /// How old the last word of the ledger is, in milliseconds.
    pub(super) fn age_ms(&self, now: Millis) -> Option<u64> {
        self.last_answer.map(|last| now.since(last))
    }

    /// Whether the ledger was heard within the last `ms`.
    pub(super) fn was_heard(&self, ms: u64, now: Millis) -> bool {
        self.last_answer.is_some_and(|last| now.since(last) < ms)
    }

    /// What the whole fleet has spent, as far as it is known here.
    pub(super) fn spent(&self) -> Amounts {
        self.seen.spent.plus(self.charged.minus(self.acknowledged))
    }

    /// What the whole fleet holds or has to spare, as far as it is known here.
    pub(super) fn allotted(&self) -> Amounts {
        self.seen.allotted.minus(self.seen.granted).plus(self.held)
    }

    /// Whether the ledger does not know all that was charged.
    pub(super) fn has_unsaid(&self) -> bool {
        floored(self.charged) != self.acknowledged
    }

    /// Since when there is something that the ledger is not known to have.
    pub(super) fn unsaid_since(&self) -> Option<Millis> {
        self.charged_since.filter(|_| self.has_unsaid())
    }

    /// What is charged and the ledger is not known to have.
    pub(super) fn unsaid(&self) -> Amounts {
        self.charged.minus(self.acknowledged)
    }

    /// Whether nothing of it is needed any more.
    pub(super) fn is_done(&self) -> bool {
        let is_quiet = self.unanswered.is_empty() && self.confirm_at.is_none() && !self.asking;
        is_quiet && self.held == Amounts::default() && !self.has_unsaid()
    }

    /// Whether nothing is allotted to it.
    pub(super) fn has_nothing_to_spare(&self) -> bool {
        self.ceiling.within(Units::ceil(self.used()).amounts())
    }

    /// Whether it has to be said at a tick, whatever happens in it.
    pub(super) fn must_push(&self, epoch_ms: u64, now: Millis) -> bool {
        let silent = || self.last_answer.is_none_or(|last| now.since(last) > epoch_ms / 3);
        self.has_unsaid()
            || self.seed
            || self.check
            || !self.unanswered.is_empty()
            || self.confirm_at.is_some_and(|at| now >= at)
            || (self.held != Amounts::default() && silent())
    }

    /// Milliseconds since it was last said.
    pub(super) fn since_push(&self, now: Millis) -> u64 {
        now.since(self.last_push)
    }

    /// It is to be said again: the ledger lost something.
    pub(super) fn check(&mut self) {
        self.check |= self.answered > 0;
    }

    /// Says it. `counts`: it only counts, and holds nothing.
    pub(super) fn push(&mut self, wish: &Wish, counts: bool, now: Millis) -> Said {
        self.sequence += 1;
        let charged = floored(self.charged);
        let mut wished = wish.units;
        let mut spare = Amounts::default();
        if wish.keeps && wish.units > 0 {
            spare = self.ceiling().minus(self.used()).min(wish.unit.times(wish.units));
            wished = wish.units.saturating_sub(units_in(spare, wish.unit).unwrap_or(wish.units));
        }
        let charged_units = Units::floor(charged);
        let need = Units::ceil(self.used().plus(spare)).minus(charged_units);
        let need = if counts { Units::default() } else { need };
        self.last_push = now;
        self.note(Push { sequence: self.sequence, at: now, charged, floor: charged.plus(need.amounts()) });
        let seed = self.seed.then(|| (Units::floor(self.seen.spent), Units::floor(self.acknowledged)));
        Said {
            sequence: self.sequence,
            answered: self.answered,
            charged: charged_units,
            need,
            unit: Units::ceil(wish.unit),
            wish: wished,
            seed,
        }
    }

    fn note(&mut self, push: Push) {
        if self.unanswered.len() >= UNANSWERED {
            let oldest = self.unanswered.remove(0);
            if let Some(next) = self.unanswered.first_mut() {
                next.floor = next.floor.min(oldest.floor);
            }
        }
        self.unanswered.push(push);
    }

    /// The push of this sequence was certainly not applied.
    pub(super) fn refused(&mut self, sequence: u64) {
        self.unanswered.retain(|push| push.sequence != sequence);
    }

    /// The ledger's answer to the push of this `sequence`.
    pub(super) fn hear(&mut self, sequence: u64, answer: &Answer, epoch_ms: u64, now: Millis) -> Heard {
        match answer.status {
            Status::Done | Status::Repeated => {}
            Status::Lost => {
                self.refused(sequence);
                let silence = self.last_answer.map_or(0, |last| now.since(last));
                if silence > FORGET_EPOCHS / 2 * epoch_ms {
                    return Heard::Anew;
                }
                self.seed = true;
                return Heard::Again;
            }
            Status::Stale => return Heard::Again,
            Status::NotAnAccount | Status::TooMany => {
                self.refused(sequence);
                return Heard::Old;
            }
        }
        let Some(push) = self.unanswered.iter().find(|push| push.sequence == sequence).copied() else {
            return Heard::Old;
        };
        // What was said last is said once more, later: a server that lost its last seconds shows it then.
        if push.charged != self.acknowledged {
            self.confirm_at = Some(now.plus(CONFIRM_MS));
        } else if self.confirm_at.is_some_and(|at| now >= at) {
            self.confirm_at = None;
        }
        let granted = answer.granted.amounts();
        (self.seed, self.check) = (false, false);
        self.ceiling = push.charged.plus(granted);
        self.acknowledged = push.charged;
        // What is unsaid now was charged after that push was made.
        self.charged_since = self.has_unsaid().then_some(push.at);
        self.seen = Seen { spent: answer.spent.amounts(), allotted: answer.allotted.amounts(), granted };
        self.answered = sequence;
        self.last_answer = Some(now);
        self.unanswered.retain(|push| push.sequence > sequence);
        Heard::Told
    }

    /// Goes on as the component of another `number`: the ledger has forgotten this one for its silence. What was
    /// acknowledged is in the ledger's sum; if allotments of the silent are charged, all that was allotted is.
    pub(super) fn begin_anew(&mut self, number: u64, forgives: bool) {
        let counted = if forgives { self.acknowledged } else { self.ceiling.max(self.acknowledged) };
        *self = Self {
            number,
            from: self.from,
            till: self.till,
            charged: self.charged.minus(counted),
            charged_since: self.charged_since,
            held: self.held,
            last_push: self.last_push,
            ..Self::default()
        };
    }
}

/// `amounts` as the ledger counts sums.
fn floored(amounts: Amounts) -> Amounts {
    Units::floor(amounts).amounts()
}

/// How many times `unit` is in `amounts`; `None` if it is nothing.
pub(super) fn units_in(amounts: Amounts, unit: Amounts) -> Option<u64> {
    let parts = [
        (amounts.usd.0, unit.usd.0),
        (amounts.input, unit.input),
        (amounts.output, unit.output),
        (amounts.requests, unit.requests),
    ];
    parts.into_iter().filter_map(|(has, each)| has.checked_div(each)).min()
}
