//! Ends a request: finds out how it ended, settles what it held and writes its record.
//!
//! Runs in `on_log`, which Envoy calls once for every stream, however it ended. The record goes into the
//! filter state there; Envoy 1.40 writes its access log after that.

use farebox_core::accounting::outcome::Outcome;
use farebox_core::accounting::record::Record;
use farebox_core::accounting::settlement::{Bill, Charge, UsageSource};
use farebox_core::base::text::Label;
use farebox_core::base::window::Millis;
use farebox_core::budget::admit::Rehearsal;
use farebox_core::budget::recent::Lately;
use farebox_core::denial::{Client, Denial};
use farebox_core::dialect::Dialect;
use farebox_core::failover::plan::Failure;
use farebox_core::pricing::DEAREST;
use farebox_core::request::route::Destination;

use crate::gateway::Gateway;
use crate::gateway::response::{Admitted, Cut, is_success};
use crate::gateway::state::State;
use crate::host::{self, filter_state};
use crate::metrics::Measured;
use crate::vm::Waiting;

/// Bits of `response.flags` that say the provider, or the way to it, broke: UT, UR, UF, UC, SI, UMSDR, DT, UPE.
/// Source: Envoy's `CoreResponseFlag`, of which each value is a bit here.
const BROKEN: u64 = 0x4 | 0x10 | 0x20 | 0x40 | 0x1_0000 | 0x8_0000 | 0x40_0000 | 0x80_0000;
/// Of those, the ones that say a provider was at work when it was given up on: UT, SI, UMSDR, DT.
const GIVEN_UP: u64 = 0x4 | 0x1_0000 | 0x8_0000 | 0x40_0000;

/// The one that says that Envoy had too little memory for the stream: OM.
const OVERLOAD: u64 = 0x200_0000;

impl Gateway {
    /// Ends the request at `now`.
    pub(crate) fn end(&mut self, now: Millis) {
        match core::mem::replace(&mut self.state, State::Ended) {
            State::Admitted(admitted) => self.settle(admitted, now),
            State::Replied(denial) => self.replied(denial.as_ref(), now),
            State::Reading(reading) => self.incomplete(&reading.waiting, None, now),
            State::Refusing(refusing) => {
                self.incomplete(&refusing.waiting, Some(refusing.denial.reason()), now);
            }
            // Envoy answered before the filter saw anything, and knows more of the request than a record would say.
            State::New => {}
            State::Ended => self.write(&Record { outcome: self.unsent().as_str(), ..self.record(now) }),
        }
    }

    fn settle(&self, mut admitted: Box<Admitted>, now: Millis) {
        admitted.arrive_late(&self.vm);
        let outcome = how_it_ended(&admitted, self.context.status);
        if outcome.is_broken_off()
            || matches!(outcome, Outcome::UpstreamReset | Outcome::UpstreamError | Outcome::BudgetCut)
        {
            admitted.meter.break_off();
        }
        let reading = admitted.meter.reading();
        let served = reading.model.as_ref().map(|model| model.as_str());
        let Destination { provider, model: sent } = &admitted.target;
        let prices = &admitted.config.prices;
        let price = prices.price_of_answer(provider, sent, served, self.context.arrived);
        let bill = Bill {
            estimate: &admitted.unseen,
            reading,
            price: price.as_deref(),
            step_price: &|model| prices.price(provider, model, self.context.arrived),
            tier_asked: admitted.tier_asked.as_ref().map(|tier| tier.as_str()),
            stated: provider.stated_cost,
            policy: admitted.config.on_disconnect,
            endpoint: admitted.endpoint,
            streamed: self.context.stream,
            // What Envoy says in place of a provider is no answer.
            unread_bytes: if admitted.local { 0 } else { admitted.meter.unread_bytes() },
            lately: self.lately(&admitted),
            output_bound: admitted.output_bound,
            plausible_tokens: admitted.config.plausible_tokens,
        };
        let last = bill.charge(outcome);
        let charge = admitted.failed_usage.with(&last, &admitted.unseen);
        let charged_tier = bill.tier_charged(&last);
        if charged_tier == Some(DEAREST) {
            self.vm.metrics.count("farebox_unknown_tier_total", 1);
            log::warn!(
                "an answer was made in a tier of service without prices: it is charged at the model's dearest"
            );
        }
        if outcome.is_broken_off() {
            admitted.attempt_log.abandon();
        }
        if admitted.attempt_log.ends_unanswered() {
            self.vm.metrics.attempt(&provider.name, Failure::NoAnswer.reason());
        }
        let ttft_ms = admitted.first_byte.map(|first| first.since(self.context.arrived));
        let cut_by = match &admitted.cut {
            Cut::Done(by, _) => Some(&*by.budget.name),
            Cut::No | Cut::Wanted(_) => None,
        };
        let shadowed = joined(admitted.noticed.shadowed.iter().map(|account| &*account.budget.name));
        let rehearsal = admitted.rehearsal.as_ref();
        let unpriced: Vec<String> = admitted.unpriced.iter().map(ToString::to_string).collect();
        let unpriced = joined(unpriced.iter().map(String::as_str));
        self.write(&Record {
            model: Some(&admitted.plan.label),
            model_sent: Some(&admitted.target.model),
            model_served: served,
            service_tier: reading.service_tier.as_ref().map(|tier| tier.as_str()),
            provider: Some(&admitted.target.provider.name),
            charge: Some(&charge),
            charged_tier,
            stated_cost: reading.stated_cost,
            ttft_ms,
            outcome: outcome.as_str(),
            unreadable: reading.unreadable,
            budget: cut_by,
            shadowed: shadowed.as_deref(),
            downgraded_by: admitted.downgraded_by.as_ref().map(|by| &*by.budget.name),
            would_downgrade: rehearsal.map(|Rehearsal { by, model }| (&*by.budget.name, model.as_str())),
            unpriced: unpriced.as_deref(),
            output_limit: admitted.output_limit,
            attempts: &admitted.attempt_log.to_json(),
            provider_status: admitted.provider_status,
            ..self.record(now)
        });
        self.measure(&admitted, (&last, &charge), outcome, ttft_ms, now);
        let ledger = self.vm.ledger(&admitted.config);
        let hold = core::mem::take(&mut admitted.hold);
        if let Err(unsettled) = hold.settle(&ledger, charge.amounts(), now) {
            log::error!("a charge could not be written and is kept");
            self.vm.keep(unsettled);
        }
        self.vm.ended();
    }

    /// What as many answers as were asked for usually have.
    fn lately(&self, admitted: &Admitted) -> Option<Lately> {
        let team = &self.context.key.as_ref()?.team;
        let lately = self.vm.recent.borrow().lately(team, &admitted.plan.label)?;
        Some(lately.times(admitted.choices))
    }

    fn measure(
        &self,
        admitted: &Admitted,
        (last, charge): (&Charge, &Charge),
        outcome: Outcome,
        ttft_ms: Option<u64>,
        now: Millis,
    ) {
        self.vm.metrics.measured(&Measured {
            team: self.context.key.as_ref().map_or("", |key| &key.team),
            model: &admitted.plan.label,
            provider: &admitted.target.provider.name,
            outcome: outcome.as_str(),
            charge,
            duration_ms: now.since(self.context.arrived),
            ttft_ms,
        });
        self.note(admitted, last, outcome);
        let reading = admitted.meter.reading();
        if reading.unreadable > 0 {
            self.vm.metrics.count("farebox_unreadable_total", reading.unreadable);
        }
        if reading.stated_cost.is_some_and(|stated| last.contradicts(stated)) {
            self.vm.metrics.count("farebox_stated_cost_mismatch_total", 1);
        }
    }

    /// Counts what budgets did, and remembers how long the answer was.
    fn note(&self, admitted: &Admitted, charge: &Charge, outcome: Outcome) {
        let metrics = &self.vm.metrics;
        let noticed = &admitted.noticed;
        noticed.shadowed.iter().for_each(|account| metrics.budget(&account.budget.name, "shadowed"));
        noticed.uncounted.iter().for_each(|account| metrics.budget(&account.budget.name, "uncounted"));
        admitted.warnings().for_each(|(name, percent)| metrics.budget(name, &format!("warned_{percent}")));
        if let Some(by) = &admitted.downgraded_by {
            metrics.budget(&by.budget.name, "downgraded");
        }
        if let Some(Rehearsal { by, .. }) = &admitted.rehearsal {
            metrics.budget(&by.budget.name, "would_downgrade");
        }
        admitted.unpriced.iter().for_each(|target| metrics.unpriced_target(&target.provider.name));
        if let Cut::Done(by, _) = &admitted.cut {
            metrics.budget(&by.budget.name, "cut");
        }
        if outcome == Outcome::Answered
            && charge.source == UsageSource::Provider
            && admitted.endpoint.generates()
        {
            let each = |tokens: u64| tokens / admitted.choices.max(1);
            let (output, reasoning) = (each(charge.tokens.total_output()), each(charge.tokens.reasoning));
            let team = self.context.key.as_ref().map_or("", |key| &key.team);
            self.vm.recent.borrow_mut().note(team, &admitted.plan.label, output, reasoning);
        }
        if charge.source == UsageSource::Implausible {
            metrics.count("farebox_implausible_usage_total", 1);
            log::warn!("a provider reported more tokens than can be true: they are not charged");
        }
    }

    fn replied(&self, denial: Option<&Denial>, now: Millis) {
        if let Some(denial) = denial {
            let team = self.context.key.as_ref().map(|key| &*key.team);
            self.vm.metrics.denied(team, denial.reason(), denial.budget_name());
        }
        // What was told from the tick passed no other callback.
        let told = |denial: &Denial| u64::from(denial.status(Dialect::OpenAi, Client::Other, now));
        let given_up = denial.map(told);
        self.write(&Record {
            outcome: if denial.is_some() { "denied" } else { "local" },
            denied: denial.map(Denial::reason),
            budget: denial.and_then(Denial::budget_name),
            budget_figures: denial.and_then(Denial::figures),
            status: self.context.status.or(given_up),
            ..self.record(now)
        });
    }

    /// A request of which the body never was all here.
    fn incomplete(&self, waiting: &Waiting, denied: Option<&'static str>, now: Millis) {
        match &*waiting.given_up.borrow() {
            Some(given_up) => self.replied(Some(&given_up.denial), now),
            None => self.write(&Record { outcome: self.unsent().as_str(), denied, ..self.record(now) }),
        }
    }

    /// How a request ended that was neither sent nor answered here.
    fn unsent(&self) -> Outcome {
        if self.context.status.is_some() { Outcome::NotAnswered } else { broken_off() }
    }

    fn record(&self, now: Millis) -> Record<'_> {
        let request_id = Some(self.context.request_id.as_str()).filter(|id| !id.is_empty());
        Record {
            request_id,
            method: self.context.method,
            path: self.context.path.as_ref().map(Label::as_str),
            key: self.context.key.as_deref(),
            claimed_key: self.context.claimed_key.as_ref().map(|key| &*key.id),
            attribution: Some(&self.context.attribution),
            endpoint: self.context.endpoint.map(|endpoint| endpoint.name()),
            model_requested: self.context.model.as_deref(),
            stream: self.context.stream,
            duration_ms: now.since(self.context.arrived),
            status: self.context.status,
            config: self.config.as_ref().map_or(0, |config| config.hash),
            prices: self.config.as_ref().map_or(0, |config| config.prices.hash()),
            ..Record::default()
        }
    }

    fn write(&self, record: &Record<'_>) {
        if let Err(error) = host::set_property(filter_state::RECORD, &record.to_bytes()) {
            log::error!("a record could not be written: {error}");
        }
    }
}

/// How a request ended that was sent to a provider.
fn how_it_ended(admitted: &Admitted, status: Option<u64>) -> Outcome {
    let reading = admitted.meter.reading();
    if matches!(admitted.cut, Cut::Done(..)) {
        return Outcome::BudgetCut;
    }
    let flags = || host::number_property("response\0flags").unwrap_or(0);
    match status {
        Some(_) if admitted.local => {
            if flags() & GIVEN_UP != 0 {
                Outcome::UpstreamTimeout
            } else {
                Outcome::NotAnswered
            }
        }
        Some(_) if admitted.provider_status.is_some() => Outcome::Refused,
        Some(status) if !is_success(status) => Outcome::Refused,
        Some(_) if admitted.complete => Outcome::at_the_end(reading, admitted.meter.is_whole()),
        _ if flags() & BROKEN != 0 => Outcome::UpstreamReset,
        _ => broken_off(),
    }
}

/// Who broke a stream off that nobody else has ended.
fn broken_off() -> Outcome {
    if host::number_property("response\0flags").unwrap_or(0) & OVERLOAD != 0 {
        return Outcome::GatewayDisconnect;
    }
    Outcome::broken_off(&host::property("response\0code_details").unwrap_or_default())
}

fn joined<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    Some(names.collect::<Vec<_>>().join(",")).filter(|joined| !joined.is_empty())
}
