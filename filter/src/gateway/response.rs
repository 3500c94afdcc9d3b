//! Follows the answer to an admitted request: meters it as it passes, and ends it early if a budget wants that.
//!
//! What a request holds was an estimate. When more than that has been seen of its answer, the hold grows, so
//! that others find the room gone while the answer is on its way and not only when it has ended. If there is
//! none left in a budget that cuts, the client gets a last event that says so, and the stream is closed:
//! nothing else stops a provider from going on, and from charging for it.
//!
//! Does not settle: see `gateway/access_log.rs`.

use std::rc::Rc;

use farebox_core::base::headers::RequestHead;
use farebox_core::base::text::Label;
use farebox_core::base::window::Millis;
use farebox_core::budget::admit::{Admission, Rehearsal};
use farebox_core::budget::estimate::{Estimate, growth};
use farebox_core::budget::hold::{Hold, Noticed};
use farebox_core::config::{Account, Config, Key};
use farebox_core::denial::{BudgetReason, Denial};
use farebox_core::dialect::framing::Framing;
use farebox_core::dialect::{Api, Endpoint};
use farebox_core::failover::attempt_log::AttemptLog;
use farebox_core::failover::attempt_state::AttemptState;
use farebox_core::failover::failed_usage::FailedUsage;
use farebox_core::request::api;
use farebox_core::request::llm_request::LlmRequest;
use farebox_core::request::route::{Destination, Plan};
use farebox_core::response::meter::{Meter, Passed};
use farebox_core::response::stream_error::last_event;

use crate::attempt::retry::NOT_RETRIED;
use crate::gateway::forward::Sent;
use crate::gateway::held_answer::HeldAnswer;
use crate::gateway::signed_answer::Binding;
use crate::host::{self, Buffer, Map, filter_state};
use crate::vm::{LAST_EVENT_MS, Vm};

/// A request that was sent to a provider.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) config: Rc<Config>,
    pub(crate) hold: Hold,
    pub(crate) plan: Plan,
    pub(crate) target: Destination,
    pub(crate) estimate: Estimate,
    /// What it is charged if nothing is seen of its answer.
    pub(crate) unseen: Estimate,
    pub(crate) noticed: Noticed,
    pub(crate) downgraded_by: Option<Rc<Account>>,
    pub(crate) rehearsal: Option<Rehearsal>,
    /// Places that it could not go to because nobody knows what they cost.
    pub(crate) unpriced: Vec<Destination>,
    pub(crate) output_limit: Option<u64>,
    api: Api,
    pub(crate) endpoint: Endpoint,
    pub(crate) choices: u64,
    pub(crate) tier_asked: Option<Label>,
    hides_usage: bool,
    sent: Sent,
    binding: Option<Binding>,
    /// What its attempts came to.
    pub(crate) attempt_log: AttemptLog,
    /// What those of them that failed have used.
    pub(crate) failed_usage: FailedUsage,
    /// The status that a provider sent, if the client got another.
    pub(crate) provider_status: Option<u64>,
    pub(crate) doubt: Option<HeldAnswer>,
    /// It was asked for as a stream.
    pub(crate) streams: bool,
    framing: Framing,
    pub(crate) meter: Meter,
    /// The answer is Envoy's own.
    pub(crate) local: bool,
    pub(crate) first_byte: Option<Millis>,
    pub(crate) complete: bool,
    /// Output tokens that are held for.
    held_output: u64,
    /// Output tokens that the request allows all of its answers together, if it says so.
    pub(crate) output_bound: Option<u64>,
    pub(crate) cut: Cut,
}

/// Whether the answer is ended early.
#[derive(Debug)]
pub(crate) enum Cut {
    /// Not so far.
    No,
    /// As soon as an event ends: by this budget.
    Wanted(Rc<Account>),
    /// The last event was sent at this moment.
    Done(Rc<Account>, Millis),
}

impl Admitted {
    pub(crate) fn new(
        config: Rc<Config>,
        key: &Key,
        admission: Admission,
        api: Api,
        request: &LlmRequest,
        hides_usage: bool,
        sent: Sent,
    ) -> Box<Self> {
        let Admission { plan, target, unpriced, estimate, unseen, hold, output_limit, .. } = admission;
        let Admission { downgraded_by, rehearsal, noticed, .. } = admission;
        let binding = Binding::new(&config, key, request.endpoint, &plan);
        Box::new(Self {
            config,
            hold,
            plan,
            target,
            estimate,
            unseen,
            noticed,
            downgraded_by,
            rehearsal,
            unpriced,
            output_limit,
            api,
            endpoint: request.endpoint,
            output_bound: output_limit
                .or(request.output_limit)
                .map(|limit| limit.saturating_mul(request.choices)),
            choices: request.choices,
            tier_asked: request.tier().cloned(),
            hides_usage,
            sent,
            binding,
            attempt_log: AttemptLog::default(),
            failed_usage: FailedUsage::default(),
            provider_status: None,
            doubt: None,
            streams: request.stream,
            framing: Framing::Opaque,
            meter: Meter::new(request.endpoint, Framing::Opaque, false),
            local: false,
            first_byte: None,
            complete: false,
            held_output: estimate.covers,
            cut: Cut::No,
        })
    }

    /// Finds out which target answered, if there was a choice.
    fn arrive(&mut self, vm: &Vm) {
        let Some(failover_plan) = &self.sent.failover_plan else { return };
        let state = host::filter_state(filter_state::ATTEMPT).ok();
        let state = state.and_then(|state| AttemptState::read(&state));
        if state.is_some() || is_via_upstream() {
            vm.saw(&self.config, &self.target.provider.cluster, state.is_some());
        }
        let Some(state) = state else { return };
        if let Some(target) = state.attempt.destination(failover_plan, &self.config) {
            self.target = target;
            self.sent.key = state.attempt.key;
        }
        (self.attempt_log, self.failed_usage) = (state.attempt_log, state.failed_usage);
    }

    /// The same for a request of which no answer ever began.
    pub(crate) fn arrive_late(&mut self, vm: &Vm) {
        if self.attempt_log.is_empty() {
            self.arrive(vm);
        }
    }

    /// Whether the answer is a stream, once it has begun.
    pub(crate) fn is_stream(&self) -> bool {
        self.framing.is_stream()
    }

    /// The answer's headers. Says what the client must be told instead.
    #[must_use]
    pub(crate) fn begin(
        &mut self,
        head: &RequestHead,
        status: Option<u64>,
        complete: bool,
        vm: &Vm,
    ) -> Option<Denial> {
        self.arrive(vm);
        if self.sent.failover_plan.is_some()
            && host::remove_header(Map::Response, NOT_RETRIED.as_bytes()).is_err()
        {
            log::error!("a header for the router could not be taken out");
        }
        let framing = Framing::of(self.endpoint, head.first("content-type"), head.first("content-encoding"));
        let succeeded = status.is_some_and(is_success);
        self.framing = framing;
        self.local = !succeeded && !is_via_upstream();
        self.meter.expect(framing, self.hides_usage && succeeded);
        self.meter.head(head);
        self.complete = complete;
        let binds = succeeded
            && self
                .binding
                .as_mut()
                .is_some_and(|binding| binding.begin(&self.config, &self.target, self.sent.key, framing));
        // An answer whose length stays must not get shorter, nor longer.
        if (self.meter.hides() || binds)
            && head.first("content-length").is_some()
            && host::remove_header(Map::Response, b"content-length").is_err()
        {
            self.meter = Meter::new(self.endpoint, framing, false);
            self.binding = None;
        }
        if !self.local {
            self.strip(head);
        }
        if let Err(error) = self.tell() {
            log::error!("an answer could not be told what its budgets did: {error}");
        }
        if self.local {
            // Envoy says it in a few words that no SDK can read.
            let status = status.filter(|status| matches!(status, 408 | 500..600))?;
            return u16::try_from(status).ok().map(Denial::Unanswered);
        }
        // A client that follows it would take its key to a stranger.
        if let Some(redirect) = status.filter(|status| (300..400).contains(status)) {
            self.provider_status = Some(redirect);
            return Some(Denial::ProviderRedirected);
        }
        self.doubts(head, status?, framing);
        if complete { self.judge_refusal(&[]) } else { None }
    }

    /// Takes out what of the answer's head is not for callers.
    fn strip(&self, head: &RequestHead) {
        for (name, _) in head.iter() {
            if !api::passes_response(self.api, &self.config.passed.response_headers, name)
                && let Err(error) = host::remove_header(Map::Response, name)
            {
                log::error!("a header of an answer could not be taken out: {error}");
            }
        }
    }

    /// Says in headers what its budgets did to the request.
    fn tell(&self) -> Result<(), host::HostError> {
        if let Some(limit) = self.output_limit {
            host::set_header(Map::Response, "x-farebox-output-limit", limit.to_string().as_bytes())?;
        }
        if let Some(by) = &self.downgraded_by {
            host::set_header(Map::Response, "x-farebox-downgraded-by", by.budget.name.as_bytes())?;
        }
        let warnings: Vec<String> =
            self.warnings().map(|(name, percent)| format!("{name};percent={percent}")).collect();
        if !warnings.is_empty() {
            let warnings = warnings.join(", ");
            host::set_header(Map::Response, "x-farebox-budget-warning", warnings.as_bytes())?;
        }
        Ok(())
    }

    /// Budgets of which more is used than they want to go by in silence, each with the percentage that is passed.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = (&str, u64)> {
        self.noticed.percents.iter().filter_map(|(account, used)| {
            let passed = account.budget.warn_percent.iter().rev().find(|&&percent| percent <= *used)?;
            Some((&*account.budget.name, *passed))
        })
    }

    /// The next piece of the answer. Returns whether the last event was sent in its place.
    pub(crate) fn piece(&mut self, piece: &[u8], last: bool, request_id: &str, vm: &Vm) -> bool {
        let was_cut = matches!(self.cut, Cut::Done(..));
        let now = (!piece.is_empty() && self.first_byte.is_none()).then(host::now);
        self.first_byte = self.first_byte.or(now);
        let passed = self.meter.feed(piece, last);
        self.complete |= last;
        if !last && matches!(self.cut, Cut::No) {
            self.grow(vm);
        }
        let passed = match &self.cut {
            Cut::No => passed,
            Cut::Wanted(_) if last => passed,
            Cut::Wanted(account) => {
                let account = Rc::clone(account);
                self.cut(account, piece, passed, request_id)
            }
            Cut::Done(_, since) => {
                if !last && host::now().since(*since) >= LAST_EVENT_MS {
                    host::close_response();
                }
                Passed::Replaced(Vec::new())
            }
        };
        let passed = match &mut self.binding {
            Some(binding) => binding.bind(piece, passed),
            None => passed,
        };
        if let Passed::Replaced(bytes) = passed
            && host::set_buffer(Buffer::ResponseBody, &bytes).is_err()
        {
            log::error!("a piece of an answer could not be changed");
        }
        !was_cut && matches!(self.cut, Cut::Done(..))
    }

    /// Holds more if more was seen than is held for: half as much again as was seen, so that this is rare, but no more
    /// than the request allows.
    fn grow(&mut self, vm: &Vm) {
        let reading = self.meter.reading();
        let seen = reading.output_so_far();
        if seen <= self.held_output {
            return;
        }
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
        let Destination { provider, model } = &self.target;
        let now = host::now();
        let price = self.config.prices.price(provider, model, now);
        let expected = self.estimate.with_output(self.held_output, price.as_deref());
        let used_up = self.hold.grow(&vm.ledger(&self.config), expected.amounts, now);
        // A number that the provider reports may be the last thing it says: only a text that goes on is cut.
        if let Err(account) = used_up
            && goes_on
        {
            self.cut = Cut::Wanted(account);
        }
    }

    /// Ends the answer if an event ends in this piece.
    fn cut(&mut self, by: Rc<Account>, piece: &[u8], passed: Passed, request_id: &str) -> Passed {
        let now = host::now();
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

/// Whether a status says that a model answered; a redirect does not.
pub(crate) fn is_success(status: u64) -> bool {
    (200..300).contains(&status)
}

/// Whether the answer comes from a provider. Envoy's own answers pass the filter too.
pub(crate) fn is_via_upstream() -> bool {
    host::property("response\0code_details").is_ok_and(|details| details == b"via_upstream")
}
