//! Decides what an attempt leaves behind whose answer is known: what is in cooldown, what it has cost, and who is next.

use crate::accounting::outcome::Outcome;
use crate::accounting::settlement::Bill;
use crate::base::headers::is_success;
use crate::base::window::Millis;
use crate::budget::estimate::Estimate;
use crate::budget::ledger::{Store, StoreError};
use crate::dialect::Endpoint;
use crate::failover::key_pool::{Cooldown, KeyPool};
use crate::failover::ongoing::OngoingAttempt;
use crate::failover::plan::Failure;
use crate::request::route::{Destination, is_named};
use crate::response::meter::{Meter, Reading};

/// What an attempt that went wrong leaves to be done.
#[derive(Debug)]
pub struct Failed {
    /// There is nowhere else to go.
    pub is_last: bool,
    /// Its status says already that it is to be sent again.
    pub is_told_by_status: bool,
    /// A model that the configuration names is in cooldown from now on.
    pub cools_model: bool,
    /// What should be in cooldown and is not.
    pub not_paused: Option<StoreError>,
}

impl OngoingAttempt {
    /// The attempt went wrong: puts into cooldown what the failure is about, and names the next one. `used` has read of the answer
    /// what it used.
    pub fn failed<S: Store>(
        &mut self,
        failure: Failure,
        used: Option<&Meter>,
        key_pool: &KeyPool<'_, S>,
        now: Millis,
    ) -> Failed {
        let (not_paused, cools_model) = match self.cooldown(failure) {
            Some((cooldown, ms)) => {
                let paused = key_pool.pause(&self.destination.provider, cooldown, now.plus(ms), now);
                (paused.err(), matches!(cooldown, Cooldown::Model(..)))
            }
            None => (None, false),
        };
        self.state.attempt_log.failed(failure, self.status, now.since(self.state.began));
        let is_last = !self.choose_next(failure, key_pool, now);
        // What the last attempt has used is read of the answer that goes on.
        if let Some(meter) = used.filter(|_| !is_last) {
            self.add_usage(meter.reading());
        }
        let is_told_by_status = matches!(failure, Failure::Status | Failure::RateLimited(_))
            && (self.status == 429 || self.status >= 500);
        Failed { is_last, is_told_by_status, cools_model, not_paused }
    }

    /// The answer is passed on. Returns what should be in cooldown and is not.
    pub fn passed<S: Store>(&mut self, key_pool: &KeyPool<'_, S>, now: Millis) -> Option<StoreError> {
        self.state.attempt_log.passed(self.status, now.since(self.state.began));
        // What another key has got an answer to was not the request's fault.
        if self.state.attempt.suspects == 0 || !is_success(self.status) {
            return None;
        }
        let until = now.plus(self.config.failover.unauthorized_ms);
        let pause = |key| key_pool.pause(&self.destination.provider, Cooldown::Key(key), until, now).err();
        self.state.attempt.found_out().filter_map(pause).last()
    }

    /// What the failure is about, and for how long that is in cooldown, in milliseconds.
    fn cooldown(&self, failure: Failure) -> Option<(Cooldown<'_>, u64)> {
        let (policy, key) = (&self.config.failover, self.state.attempt.key);
        let Destination { provider, model } = &self.destination;
        match failure {
            // What one host has too much of, or has not loaded, others may have.
            Failure::RateLimited(_) | Failure::Model if provider.hosts() > 1 => None,
            Failure::Key | Failure::Account => Some((Cooldown::Key(key), policy.unauthorized_ms)),
            Failure::RateLimited(wait_ms) => {
                Some((Cooldown::KeyFor(key, model), wait_ms.unwrap_or(policy.rate_limited_ms)))
            }
            // A name that a caller has made up must not fill the store.
            Failure::Model if is_named(&self.config, &self.destination) => {
                let endpoint = self.endpoint().map_or("", Endpoint::name);
                Some((Cooldown::Model(model, endpoint), policy.unauthorized_ms))
            }
            _ => None,
        }
    }

    /// Adds what an answer that failed says that it used.
    fn add_usage(&mut self, reading: &Reading) {
        let Some(endpoint) = self.endpoint() else { return };
        let served = reading.model.as_ref().map(|model| model.as_str());
        let Destination { provider, model } = &self.destination;
        let (prices, began) = (&self.config.prices, self.state.began);
        let nothing = Estimate::default();
        let price = prices.price_of_answer(provider, model, served, began);
        let bill = Bill {
            price: price.as_deref(),
            step_price: &|model| prices.price(provider, model, began),
            ..Bill::new(&self.config, provider, endpoint, &nothing, reading)
        };
        self.state.failed_usage = self.state.failed_usage.and(&bill.charge(Outcome::Refused));
    }
}
