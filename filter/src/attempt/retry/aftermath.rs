//! Decides what a failed attempt leaves behind: what rests, and what it has cost.

use farebox_core::accounting::outcome::Outcome;
use farebox_core::accounting::settlement::Bill;
use farebox_core::base::window::Millis;
use farebox_core::budget::estimate::Estimate;
use farebox_core::dialect::Endpoint;
use farebox_core::failover::key_pool::{Cooldown, KeyPool};
use farebox_core::failover::plan::Failure;
use farebox_core::request::route::{Destination, is_named};
use farebox_core::response::meter::Reading;

use super::Retry;
use crate::host::shared_store::SharedStore;
use crate::vm::Vm;

impl Retry {
    /// Lets rest what the failure is about.
    pub(super) fn cool_down(&self, failure: Failure, now: Millis, vm: &Vm) {
        let policy = &self.config.failover;
        let Destination { provider, model } = &self.destination;
        let endpoint = self.endpoint().map_or("", Endpoint::name);
        let (cooldown, ms) = match failure {
            // What one host has too much of, or has not loaded, others may have.
            Failure::RateLimited(_) | Failure::Model if provider.hosts() > 1 => return,
            Failure::Key | Failure::Account => {
                (Cooldown::Key(self.state.attempt.key), policy.unauthorized_ms)
            }
            Failure::RateLimited(wait_ms) => {
                (Cooldown::KeyFor(self.state.attempt.key, model), wait_ms.unwrap_or(policy.rate_limited_ms))
            }
            // A name that a caller has made up must not fill the store.
            Failure::Model if is_named(&self.config, &self.destination) => {
                vm.metrics.resting_model(&provider.name);
                (Cooldown::Model(model, endpoint), policy.unauthorized_ms)
            }
            _ => return,
        };
        self.pause(cooldown, now.plus(ms), now);
    }

    pub(super) fn pause(&self, cooldown: Cooldown<'_>, until: Millis, now: Millis) {
        if let Err(error) = KeyPool::new(&SharedStore).pause(&self.destination.provider, cooldown, until, now)
        {
            log::error!("{cooldown:?} could not be begun: {error}");
        }
    }

    /// Writes down what a stream that failed says that it used.
    pub(super) fn sink(&mut self, reading: &Reading) {
        let Some(endpoint) = self.endpoint() else { return };
        let served = reading.model.as_ref().map(|model| model.as_str());
        let Destination { provider, model } = &self.destination;
        let prices = &self.config.prices;
        let price = prices.price_of_answer(provider, model, served, self.state.began);
        let bill = Bill {
            estimate: &Estimate::default(),
            reading,
            price: price.as_deref(),
            step_price: &|model| prices.price(provider, model, self.state.began),
            tier_asked: None,
            stated: provider.stated_cost,
            policy: self.config.on_disconnect,
            endpoint,
            streamed: true,
            unread_bytes: 0,
            lately: None,
            output_bound: None,
            plausible_tokens: self.config.plausible_tokens,
        };
        self.state.failed_usage = self.state.failed_usage.and(&bill.charge(Outcome::Refused));
    }
}
