//! Decides how a request is sent: to which model, with how much output allowed, and on whose money.
//!
//! ```text
//! ## route ▸ price ▸ estimate ▸ accounts ▸ admit   => an Admission, or a Denial
//! ## a budget with little left   => once more with the model that it names (see `downgrade.rs`)
//! ## a strict budget with less left than the request may use   => once more with less output allowed
//! ```
//!
//! What an earlier attempt holds is given back before the next one, so nothing is held twice.
//!
//! Does not write the request: see `exchange/dispatch.rs`.

use core::ops::Range;
use std::rc::Rc;

use self::stored::Stored;
use self::take::Taken;
use crate::base::window::Millis;
use crate::budget::estimate::{Estimate, Expectation};
use crate::budget::hold::{self, Asks, Hold, Noticed, Refusal};
use crate::budget::ledger::{Ledger, Measure, Store, StoreError};
use crate::budget::subject::Subject;
use crate::config::{Account, AtLimit, Config, Dimension, Key, Mode, Unpriced};
use crate::denial::{BudgetReason, Denial};
use crate::pricing::Price;
use crate::request::llm_request::LlmRequestError;
use crate::request::repeat::digest;
use crate::request::route::{Destination, Plan, route};

mod downgrade;
mod request;
mod stored;
mod take;

pub use downgrade::Rehearsal;
pub use request::AdmissionRequest;
use request::Offer;

/// A request that may be sent.
#[derive(Debug)]
pub struct Admission {
    /// Where it goes.
    pub plan: Plan,
    /// The place that is tried.
    pub target: Destination,
    /// Which key of its provider it needs, if only one will do.
    pub key: Option<usize>,
    /// Places that are passed over because nobody knows what they cost.
    pub unpriced: Vec<Destination>,
    /// What of its body does not go on: what binds ids here.
    pub cuts: Vec<Range<usize>>,
    /// What it is expected to use.
    pub estimate: Estimate,
    /// What it is charged if nothing is seen of its answer.
    pub unseen: Estimate,
    /// What budgets hold for it.
    pub hold: Hold,
    /// Output tokens that each of its answers may have, if that was decided here.
    pub output_limit: Option<u64>,
    /// The budget that chose the model.
    pub downgraded_by: Option<Rc<Account>>,
    /// Where a budget that only watches would have sent it.
    pub rehearsal: Option<Rehearsal>,
    /// What was noticed of its budgets.
    pub noticed: Noticed,
}

/// Why a request is not sent now.
#[derive(Debug)]
pub enum NotAdmitted {
    /// It is refused.
    Denied(Denial),
    /// The ledger of the fleet has to be asked for this first; then it is to be decided once more.
    Waits(Asks),
}

impl From<Denial> for NotAdmitted {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}

impl AdmissionRequest<'_> {
    /// Finds a way to send the request.
    ///
    /// # Errors
    /// [`NotAdmitted`]; nothing is held then.
    pub fn admit<S: Store>(&self, ledger: &Ledger<'_, S>) -> Result<Admission, NotAdmitted> {
        self.check()?;
        let stored = Stored::of(self)?;
        let plan =
            route(self.config, self.key, self.attribution, self.head, self.api, self.request, self.draw)
                .map_err(Denial::from)?;
        let offer = self.offer(plan, &stored)?;
        let is_strict = |account: &Rc<Account>| account.budget.mode == Mode::Strict;
        if let Some(name) = self.request.may_raise.as_ref().filter(|_| offer.accounts.iter().any(is_strict)) {
            return Err(Denial::Body(LlmRequestError::MayRaise(name.clone())).into());
        }
        if self.request.limited_otherwise && offer.accounts.iter().any(is_strict) {
            return Err(Denial::Body(LlmRequestError::Misspelled("generationConfig.maxOutputTokens")).into());
        }
        // What a tier costs that nobody knows cannot be held.
        if let Some(tier) = self.request.tier().filter(|_| offer.accounts.iter().any(is_strict))
            && !offer
                .prices
                .iter()
                .flatten()
                .all(|price| price.tier(tier.as_str()).is_none_or(|tier| price.knows(tier)))
        {
            return Err(Denial::Body(LlmRequestError::MayRaise(tier.clone())).into());
        }
        let taken = self.take(ledger, &offer);
        if let Err(Refusal::Ask(asks)) = taken {
            return Err(NotAdmitted::Waits(asks));
        }
        let low = downgrade::low(&taken);
        let Some((by, cheaper)) = self.elsewhere(&low, AtLimit::Deny, &offer, &stored) else {
            let taken = taken.map_err(|refusal| self.refused(refusal))?;
            let rehearsed = self.elsewhere(&low, AtLimit::Shadow, &offer, &stored);
            let mut admission = self.admission(taken, offer, None, stored);
            admission.rehearsal = rehearsed.map(|(by, other)| Rehearsal { by, model: other.plan.model });
            return Ok(admission);
        };
        let before = taken.map(|taken| taken.hold.release(ledger, self.now));
        match self.take(ledger, &cheaper) {
            Ok(taken) => Ok(self.admission(taken, cheaper, Some(by), stored)),
            Err(Refusal::Ask(asks)) => Err(NotAdmitted::Waits(asks)),
            // The cheaper model may have a budget of its own that is full.
            Err(_) if before.is_ok() => self
                .take(ledger, &offer)
                .map(|taken| self.admission(taken, offer, None, stored))
                .map_err(|refusal| self.refused(refusal)),
            Err(refusal) => Err(self.refused(refusal)),
        }
    }

    /// What a request may not ask for unless the operator allows it.
    fn check(&self) -> Result<(), Denial> {
        let Self { config, key, request, .. } = self;
        if request.background && !config.requests.background {
            return Err(Denial::Body(LlmRequestError::Background));
        }
        if request.other_models && !config.requests.other_models {
            return Err(Denial::Body(LlmRequestError::OtherModels));
        }
        if request.stored_prompt && request.model.is_none() && key.is_narrowed() {
            return Err(Denial::Body(LlmRequestError::StoredPrompt));
        }
        Ok(())
    }

    fn offer(&self, mut plan: Plan, stored: &Stored) -> Result<Offer, Denial> {
        let Self { config, request, .. } = self;
        let price = |target: &Destination| config.prices.price(&target.provider, &target.model, self.arrived);
        let mut unpriced = Vec::new();
        if config.unpriced == Unpriced::Deny && request.endpoint.is_charged() {
            for places in [&mut plan.targets, &mut plan.long] {
                unpriced.extend(places.extract_if(.., |target| price(target).is_none()));
            }
        }
        // llama.cpp's server reports the tokens of one answer, however many it makes.
        let reports_one = |target: &Destination| target.provider.preset == Some("llamacpp");
        if request.choices > 1 && plan.targets.iter().any(reports_one) {
            plan.targets.retain(|target| !reports_one(target));
            plan.long.retain(|target| !reports_one(target));
            if plan.targets.is_empty() {
                return Err(Denial::Body(LlmRequestError::SeveralAnswers));
            }
        }
        let key = stored.keep(&mut plan)?;
        // A target of which all keys are in cooldown comes after one that can be asked, unless there is none.
        if plan.targets.len() > 1
            && let Some(usable) = plan.targets.iter().position(|target| !(self.in_cooldown)(target))
            && let Some(until_usable) = plan.targets.get_mut(..=usable)
        {
            until_usable.rotate_right(1);
        }
        let Some(target) = plan.targets.first().cloned() else { return Err(Denial::Unpriced(plan.model)) };
        let recent = self.recent.lately(&self.key.team, &plan.label).map(|lately| lately.expected());
        let prices: Vec<_> = plan.targets.iter().chain(&plan.long).map(price).collect();
        let first = config.hold.expected(&plan.model);
        let expectation = Expectation::new(request.output_limit, recent, first);
        let estimate = self.estimate(&prices, expectation.expected);
        // Mostly they are one number.
        let certain = if expectation.stated == expectation.expected {
            estimate.amounts
        } else {
            self.estimate(&prices, expectation.stated).amounts
        };
        let repeats = request.endpoint.is_charged()
            && config.budgets.iter().any(|budget| budget.per.contains(&Dimension::Request));
        let repeated = repeats.then(|| digest(self.head.path(), self.body));
        let subject = Subject {
            model: Some(&plan.label),
            provider: Some(&target.provider.name),
            attribution: Some(self.attribution),
            head: Some(self.head),
            request: repeated.as_deref(),
            ..Subject::of(self.key)
        };
        // Counts of tokens are free, and have a limit of their own: see `counting.rs`.
        let counts = request.endpoint.is_charged();
        let accounts = if counts { subject.accounts(config, self.key) } else { Ok(Vec::new()) };
        let accounts = accounts.map_err(Denial::Unnamed)?;
        let expected = expectation.expected;
        Ok(Offer {
            plan,
            target,
            key,
            unpriced,
            prices,
            estimate,
            expected,
            certain,
            recent,
            first,
            accounts,
        })
    }

    /// What answers of `each` output tokens use. Whichever target answers in the end, there is enough held for it.
    fn estimate(&self, prices: &[Option<Rc<Price>>], each: u64) -> Estimate {
        let of =
            |price: &Option<Rc<Price>>| Estimate::of(self.request, price.as_deref(), &self.config.hold, each);
        let dearer =
            |one: Estimate, other: Estimate| Estimate { amounts: one.amounts.max(other.amounts), ..one };
        prices.iter().map(of).reduce(dearer).unwrap_or_default()
    }

    fn refused(&self, refusal: Refusal) -> NotAdmitted {
        match refusal {
            Refusal::Ask(asks) => NotAdmitted::Waits(asks),
            refusal => NotAdmitted::Denied(denial(self.config, refusal, self.now)),
        }
    }

    fn admission(
        &self,
        taken: Taken,
        offer: Offer,
        downgraded_by: Option<Rc<Account>>,
        stored: Stored,
    ) -> Admission {
        let Taken { hold, noticed, output_limit } = taken;
        let Offer { plan, target, key, unpriced, prices, estimate, expected, recent, first, .. } = offer;
        // What the provider is not allowed it has not made.
        let allowed = output_limit.or(self.request.output_limit);
        let unseen = match Expectation::new(allowed, recent, first).unseen {
            same if same == expected => estimate,
            other => self.estimate(&prices, other),
        };
        let estimate = Estimate { covers: hold.covers(&estimate), ..estimate };
        let cuts = stored.cuts;
        Admission {
            plan,
            target,
            key,
            unpriced,
            cuts,
            estimate,
            unseen,
            hold,
            output_limit,
            downgraded_by,
            rehearsal: None,
            noticed,
        }
    }
}

/// Why `key` would be refused whatever it asks for, as far as that is known without a look at the store: somebody who
/// does not stop is refused without reading what for.
pub fn used_up<S: Store>(ledger: &Ledger<'_, S>, config: &Config, key: &Key, now: Millis) -> Option<Denial> {
    hold::used_up(ledger, key, now).map(|refusal| denial(config, refusal, now))
}

/// What is told of a refusal by a budget.
pub(crate) fn denial(config: &Config, refusal: Refusal, now: Millis) -> Denial {
    let (account, short) = match refusal {
        Refusal::Short(account, short) => (account, short),
        Refusal::NoSlot(account) => return Denial::budget(config, account, BudgetReason::Slots, None, now),
        Refusal::Store(error) => return Denial::Store(error),
        // Where nobody can wait for the answer there is none.
        Refusal::Ask(_) => return Denial::Store(StoreError::OutOfReach),
    };
    let reason = if short.alone {
        BudgetReason::Size
    } else if short.measure == Measure::Concurrent {
        BudgetReason::Concurrency
    } else if short.is_only_held(&account) {
        BudgetReason::Held
    } else {
        BudgetReason::Spent
    };
    let figures = short.figures(&account.limits);
    Denial::budget(config, account, reason, Some(figures), now)
}

#[cfg(test)]
mod tests;
