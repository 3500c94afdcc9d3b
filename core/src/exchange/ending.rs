//! Decides how an exchange ended, what it is charged for that, and what is written down of it.
//!
//! Everything follows from what was seen of the answer and from what the host says of the stream's end. What a charge is
//! made of is decided in `accounting/settlement.rs`.
//!
//! Does not write counters: the hold is settled with what comes out of this.

use crate::accounting::outcome::{Outcome, StreamEnd};
use crate::accounting::record::Record;
use crate::accounting::settlement::{Bill, Charge, UsageSource};
use crate::base::headers::is_success;
use crate::base::money::PicoUsd;
use crate::base::window::Millis;
use crate::budget::admit::Rehearsal;
use crate::budget::hold::Hold;
use crate::budget::recent::{Lately, Recent};
use crate::exchange::{Cut, Exchange};
use crate::pricing::DEAREST;
use crate::request::context::RequestContext;
use crate::request::route::Destination;

/// What is known when an exchange has ended.
pub struct Ending<'a> {
    /// What the request was.
    pub context: &'a RequestContext,
    /// What the host says of the end of its stream.
    pub end: &'a dyn StreamEnd,
    /// What models have answered lately.
    pub recent: &'a Recent,
    /// Now.
    pub now: Millis,
}

/// What an exchange came to.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub outcome: Outcome,
    /// What all of its attempts are charged.
    pub charge: Charge,
    /// What the last of them is.
    pub last: Charge,
    /// From the request's arrival to the first byte of the answer's body, in milliseconds.
    pub ttft_ms: Option<u64>,
    /// The answer was made in a tier of service without prices, and is charged at the model's dearest.
    pub is_at_dearest: bool,
    /// The cost that the provider states is not the one that its price says.
    pub contradicts: bool,
    /// Nobody answered the last attempt.
    pub is_unanswered: bool,
    /// The record.
    pub record: Vec<u8>,
}

impl Exchange {
    /// Ends it.
    pub fn end(&mut self, ending: &Ending<'_>) -> Ended {
        let Ending { context, end, recent, now } = *ending;
        let outcome = self.outcome(end, context.status);
        if outcome.is_broken_off()
            || matches!(outcome, Outcome::UpstreamReset | Outcome::UpstreamError | Outcome::BudgetCut)
        {
            self.meter.break_off();
        }
        if outcome.is_broken_off() {
            self.attempt_log.abandon();
        }
        let reading = self.meter.reading();
        let served = reading.model.as_ref().map(|model| model.as_str());
        let Destination { provider, model: sent } = &self.admission.target;
        let prices = &self.config.prices;
        let price = prices.price_of_answer(provider, sent, served, context.arrived);
        let bill = Bill {
            tier_asked: self.tier_asked.as_ref().map(|tier| tier.as_str()),
            streamed: context.stream,
            // What the host says in place of a provider is no answer.
            unread_bytes: if self.local { 0 } else { self.meter.unread_bytes() },
            lately: self.lately(context, recent),
            output_bound: self.output_bound,
            price: price.as_deref(),
            step_price: &|model| prices.price(provider, model, context.arrived),
            ..Bill::new(&self.config, provider, self.endpoint, &self.admission.unseen, reading)
        };
        let last = bill.charge(outcome);
        let charge = self.failed_usage.with(&last, &self.admission.unseen);
        let charged_tier = bill.tier_charged(&last);
        let ttft_ms = self.first_byte.map(|first| first.since(context.arrived));
        let cut_by = if let Cut::Done(by, _) = &self.cut { Some(&*by.budget.name) } else { None };
        let noticed = &self.admission.noticed;
        let shadowed = joined(noticed.shadowed.iter().map(|account| &*account.budget.name));
        let rehearsal = self.admission.rehearsal.as_ref();
        let unpriced: Vec<String> = self.admission.unpriced.iter().map(ToString::to_string).collect();
        let unpriced = joined(unpriced.iter().map(String::as_str));
        let details = if outcome == Outcome::Answered { None } else { end.details_text() };
        let record = Record {
            details: details.as_deref(),
            model: Some(&self.admission.plan.label),
            model_sent: Some(sent),
            model_served: served,
            service_tier: reading.service_tier.as_ref().map(|tier| tier.as_str()),
            provider: Some(&provider.name),
            charge: Some(&charge),
            charged_tier,
            stated_cost: reading.stated_cost,
            ttft_ms,
            outcome: outcome.as_str(),
            unreadable: reading.unreadable,
            budget: cut_by,
            shadowed: shadowed.as_deref(),
            downgraded_by: self.admission.downgraded_by.as_ref().map(|by| &*by.budget.name),
            would_downgrade: rehearsal.map(|Rehearsal { by, model }| (&*by.budget.name, model.as_str())),
            unpriced: unpriced.as_deref(),
            output_limit: self.admission.output_limit,
            attempts: &self.attempt_log.to_json(),
            provider_status: self.provider_status,
            ..Record::of(context, Some(&self.config), now)
        };
        Ended {
            outcome,
            charge,
            last,
            ttft_ms,
            is_at_dearest: charged_tier == Some(DEAREST),
            contradicts: reading.stated_cost.is_some_and(|stated: PicoUsd| last.contradicts(stated)),
            is_unanswered: self.attempt_log.ends_unanswered(),
            record: record.to_bytes(),
        }
    }

    /// What was held for it, to be settled once.
    pub fn take_hold(&mut self) -> Hold {
        core::mem::take(&mut self.admission.hold)
    }

    /// Events or documents of the answer that could not be read.
    #[must_use]
    pub fn unreadable(&self) -> u64 {
        self.meter.reading().unreadable
    }

    /// How long one of its answers was, and how much of that was reasoning, in output tokens, if that is worth
    /// remembering.
    #[must_use]
    pub fn length_of_answer(&self, ended: &Ended) -> Option<(u64, u64)> {
        let Ended { outcome, last, .. } = ended;
        let is_known = *outcome == Outcome::Answered && last.source == UsageSource::Provider;
        let each = |tokens: u64| tokens / self.choices.max(1);
        (is_known && self.endpoint.generates())
            .then(|| (each(last.tokens.total_output()), each(last.tokens.reasoning)))
    }

    /// Says what budgets did to it: the name of each, and the word that metrics have for it.
    pub fn budget_events(&self, mut tell: impl FnMut(&str, &str)) {
        let noticed = &self.admission.noticed;
        noticed.shadowed.iter().for_each(|account| tell(&account.budget.name, "shadowed"));
        noticed.uncounted.iter().for_each(|account| tell(&account.budget.name, "uncounted"));
        self.warnings().for_each(|(name, percent)| tell(name, &format!("warned_{percent}")));
        if let Some(by) = &self.admission.downgraded_by {
            tell(&by.budget.name, "downgraded");
        }
        if let Some(Rehearsal { by, .. }) = &self.admission.rehearsal {
            tell(&by.budget.name, "would_downgrade");
        }
        if let Cut::Done(by, _) = &self.cut {
            tell(&by.budget.name, "cut");
        }
    }

    /// How it ended.
    fn outcome(&self, end: &dyn StreamEnd, status: Option<u64>) -> Outcome {
        if matches!(self.cut, Cut::Done(..)) {
            return Outcome::BudgetCut;
        }
        match status {
            Some(_) if self.local && end.faults().given_up => Outcome::UpstreamTimeout,
            Some(_) if self.local => Outcome::NotAnswered,
            Some(_) if self.provider_status.is_some() => Outcome::Refused,
            Some(status) if !is_success(status) => Outcome::Refused,
            Some(_) if self.complete => Outcome::at_the_end(self.meter.reading(), self.meter.is_whole()),
            _ if end.faults().upstream => Outcome::UpstreamReset,
            _ => Outcome::unfinished(end),
        }
    }

    /// What as many answers as were asked for usually have.
    fn lately(&self, context: &RequestContext, recent: &Recent) -> Option<Lately> {
        let lately = recent.lately(&context.key.as_ref()?.team, &self.admission.plan.label)?;
        Some(lately.times(self.choices))
    }
}

fn joined<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    Some(names.collect::<Vec<_>>().join(",")).filter(|joined| !joined.is_empty())
}
