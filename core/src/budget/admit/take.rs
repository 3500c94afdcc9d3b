//! Decides how much a request takes of its budgets: what it is expected to use, and of strict budgets the most that it
//! can, with less output allowed if that is what is left.

use super::request::{AdmissionRequest, Offer};
use crate::budget::estimate::most;
use crate::budget::hold::{Hold, Noticed, Refusal, Wanted, admit};
use crate::budget::ledger::{Amounts, Ledger, Limits, Store};
use crate::config::Mode;
use crate::pricing::Price;
use crate::request::llm_request::CompletionMember;
use std::rc::Rc;

/// How often the output of a request is cut down before it is refused: others may take what was left.
const CLAMPS: usize = 8;

/// What was taken for an offer.
pub(super) struct Taken {
    pub(super) hold: Hold,
    pub(super) noticed: Noticed,
    pub(super) output_limit: Option<u64>,
}

impl AdmissionRequest<'_> {
    /// Takes what the offer needs from every budget; with less output, if strict budgets have no more.
    pub(super) fn take<S: Store>(&self, ledger: &Ledger<'_, S>, offer: &Offer) -> Result<Taken, Refusal> {
        let strict = offer.accounts.iter().any(|account| account.budget.mode == Mode::Strict);
        if !strict {
            let wanted =
                Wanted { expected: offer.estimate.amounts, certain: offer.certain, most: Amounts::default() };
            let (hold, noticed) = admit(ledger, &offer.accounts, &wanted, self.now)?;
            return Ok(Taken { hold, noticed, output_limit: None });
        }
        let policy = &self.config.hold;
        let asked = self.request.output_limit;
        // Images and speech have no such limit: what they may have is assumed, and cannot be made less.
        let limits = self.request.limit_output(0, CompletionMember::MaxTokens).is_some();
        // What leaves too little for thinking, the provider would refuse.
        let thinking = self.request.least_thinking();
        let least_output = policy.least_output_tokens.saturating_add(thinking);
        let assumed = policy.strict_output_tokens.max(if thinking > 0 { least_output } else { 0 });
        let mut limit = asked.unwrap_or(assumed);
        let mut tries = 0;
        loop {
            let most = self.most(offer, limit);
            let (expected, certain) = (offer.estimate.amounts.min(most), offer.certain.min(most));
            let wanted = Wanted { expected, certain, most };
            let mut refusal = match admit(ledger, &offer.accounts, &wanted, self.now) {
                Ok((hold, noticed)) => {
                    let output_limit = (asked != Some(limit) && limits).then_some(limit);
                    return Ok(Taken { hold, noticed, output_limit });
                }
                Err(refusal) => refusal,
            };
            let affordable = match &mut refusal {
                Refusal::Short(account, short) if account.budget.mode == Mode::Strict => {
                    let least = self.most(offer, limit.min(least_output));
                    let left = short.left(&account.limits);
                    (short.alone, short.wanted) = (account.limits.exceeded(least, 1).is_some(), least);
                    self.affordable(offer, &left, limit)
                }
                _ => None,
            };
            tries += 1;
            match affordable {
                Some(less) if limits && less >= least_output && tries < CLAMPS => limit = less,
                _ => return Err(refusal),
            }
        }
    }

    fn most(&self, offer: &Offer, output: u64) -> Amounts {
        let bytes = self.body.len() as u64;
        let most = |price: &Option<Rc<Price>>| most(self.request, bytes, output, price.as_deref());
        offer.prices.iter().map(most).reduce(Amounts::max).unwrap_or_default()
    }

    /// The largest output below `limit` that fits what is `left`.
    fn affordable(&self, offer: &Offer, left: &Limits, limit: u64) -> Option<u64> {
        let fits = |output: u64| left.exceeded(self.most(offer, output), 1).is_none();
        if !fits(0) {
            return None;
        }
        let (mut fitting, mut above) = (0, limit);
        while above.saturating_sub(fitting) > 1 {
            let middle = fitting + (above - fitting) / 2;
            *if fits(middle) { &mut fitting } else { &mut above } = middle;
        }
        Some(fitting)
    }
}
