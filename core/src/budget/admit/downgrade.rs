//! Decides which other model a request is sent to because a budget has little left, and rehearses it for budgets that
//! only watch.
//!
//! A model with a pattern is for whatever writes text: a chat model is no place for embeddings. What is named by its whole
//! name is meant, whatever it does. No step leads to a model that is dearer, or that is not served in the caller's
//! dialect: the request stays where it is then, and the next budget is asked.

use std::rc::Rc;

use super::request::{AdmissionRequest, Offer};
use super::stored::Stored;
use super::take::Taken;
use crate::budget::hold::Refusal;
use crate::budget::ledger::Measure;
use crate::config::{Account, AtLimit};
use crate::pricing::Price;
use crate::request::route::route_to;

/// Where a budget that only watches would have sent a request.
#[derive(Debug)]
pub struct Rehearsal {
    /// The budget.
    pub by: Rc<Account>,
    /// The model.
    pub model: String,
}

/// Budgets that have little left and name other models; usually none.
pub(super) fn low(taken: &Result<Taken, Refusal>) -> Vec<Rc<Account>> {
    let is_low = |account: &Rc<Account>, percent: u64| {
        account.budget.downgrade.as_ref().is_some_and(|downgrade| percent >= downgrade.from_percent)
    };
    match taken {
        Ok(taken) => {
            let low = taken.noticed.percents.iter().filter(|(account, percent)| is_low(account, *percent));
            low.map(|(account, _)| Rc::clone(account)).collect()
        }
        // No room at all is more than any part of it.
        Err(Refusal::Short(account, short)) if short.measure != Measure::Concurrent => {
            Some(account).filter(|account| is_low(account, u64::MAX)).cloned().into_iter().collect()
        }
        Err(_) => Vec::new(),
    }
}

impl AdmissionRequest<'_> {
    /// The offer of the first of these budgets that leads elsewhere, of those that do `at_limit`.
    pub(super) fn elsewhere(
        &self,
        low: &[Rc<Account>],
        at_limit: AtLimit,
        offer: &Offer,
        stored: &Stored,
    ) -> Option<(Rc<Account>, Offer)> {
        let mut asked = low.iter().filter(|account| account.budget.at_limit == at_limit);
        asked.find_map(|account| Some((Rc::clone(account), self.instead(account, offer, stored)?)))
    }

    fn instead(&self, account: &Account, offer: &Offer, stored: &Stored) -> Option<Offer> {
        let step = account.budget.downgrade.as_ref()?.step(&offer.plan.model)?;
        if !step.is_named() && !self.request.endpoint.makes_text() {
            return None;
        }
        let plan = route_to(self.config, self.key, &step.to, self.api, self.draw).ok()?;
        let other = self.offer(plan, stored).ok()?;
        let price = |offer: &Offer| offer.prices.first().cloned().flatten();
        let dearer = match (price(&other), price(offer)) {
            (Some(other), Some(price)) => Price::is_dearer(&other, &price, self.request.input_tokens),
            _ => false,
        };
        (!dearer).then_some(other)
    }
}
