//! Decides which numbers an exchange that has ended adds to.
//!
//! Does not know what they are named: see `accounting/metrics.rs`.

use crate::accounting::metrics::{Measured, Metrics, Statistics};
use crate::accounting::settlement::UsageSource;
use crate::base::window::Millis;
use crate::exchange::Exchange;
use crate::exchange::ending::Ended;
use crate::failover::plan::Failure;
use crate::request::context::RequestContext;

impl Exchange {
    /// Counts it. Returns what an operator should read of it, if anything.
    pub fn measure<S: Statistics>(
        &self,
        context: &RequestContext,
        ended: &Ended,
        metrics: &Metrics<S>,
        now: Millis,
    ) -> Vec<&'static str> {
        let mut warnings = Vec::new();
        let (model, provider) = (&self.admission.plan.label, &self.admission.target.provider.name);
        if ended.is_at_dearest {
            metrics.count("farebox_unknown_tier_total", 1);
            warnings.push(
                "an answer was made in a tier of service without prices: it is charged at the model's dearest",
            );
        }
        if ended.is_unanswered {
            metrics.attempt(provider, Failure::NoAnswer.reason());
        }
        metrics.measured(&Measured {
            team: self.config.metric_team(context.team()),
            model,
            provider,
            outcome: ended.outcome.as_str(),
            charge: &ended.charge,
            duration_ms: now.since(context.arrived),
            ttft_ms: ended.ttft_ms,
        });
        self.budget_events(|name, event| metrics.budget(name, event));
        let unpriced = self.admission.unpriced.iter();
        unpriced.for_each(|target| metrics.unpriced_target(&target.provider.name));
        if ended.last.source == UsageSource::Implausible {
            metrics.count("farebox_implausible_usage_total", 1);
            warnings.push("a provider reported more tokens than can be true: they are not charged");
        }
        metrics.count("farebox_unreadable_total", self.unreadable());
        metrics.count("farebox_stated_cost_mismatch_total", u64::from(ended.contradicts));
        warnings
    }
}
