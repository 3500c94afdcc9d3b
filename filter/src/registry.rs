//! Carries the calls of the registry, and tells the rest of the VM what changed.
//!
//! As calls of the ledger, they are made by the root context and never in the callback of an answer: see `fleet/`.

use farebox_core::base::window::Millis;
use farebox_core::budget::fleet::Call;
use farebox_core::budget::fleet::told::Line;
use farebox_core::config;
use farebox_core::registry::{Registry, told};

use farebox_hostcalls::shared_store::SharedStore;
use farebox_hostcalls::{self as host, ProcessMetrics};

use crate::ledger_calls::LedgerCalls;

/// What one VM has to do with the registry.
#[derive(Debug, Default)]
pub(crate) struct RegistryCalls {
    /// What it knows of it.
    pub(crate) registry: Registry,
    calls: LedgerCalls,
}

impl RegistryCalls {
    /// The ledger is there from now on, perhaps with a registry.
    pub(crate) fn obey(&self, ledger: &config::FleetLedger) {
        let Some(settings) = ledger.registry else { return self.registry.stop() };
        self.calls.go_to(ledger);
        self.registry.configure(&ledger.settings, settings, || {
            // Without it this worker reads nothing, and others do.
            host::random()
                .inspect_err(|_| log::error!("there is no random number to tell this worker from others by"))
                .unwrap_or(0)
        });
    }

    /// A tick, in the root context. Says whether limits are other than before.
    pub(crate) fn tick(&self, metrics: &ProcessMetrics, now: Millis) -> bool {
        if self.registry.tick_ms().is_none() {
            return false;
        }
        self.calls
            .lost(now)
            .into_iter()
            .for_each(|call| self.registry.answered(call, None, &SharedStore, now));
        let call = self.registry.tick(&SharedStore, now);
        self.make(call, now);
        let changes = self.registry.refresh(&SharedStore, now);
        told::measure(&self.registry, metrics, now);
        self.tell(metrics);
        changes
    }

    /// The next turn, in the root context.
    pub(crate) fn turn(&self, now: Millis) {
        let call = self.registry.next(&SharedStore, now);
        self.make(call, now);
    }

    /// An answer of `body_size` bytes came, in the root context. Says whether it was one of these, and whether limits are
    /// other than before.
    pub(crate) fn on_answer(
        &self,
        token: u32,
        body_size: usize,
        metrics: &ProcessMetrics,
        now: Millis,
    ) -> Option<bool> {
        let (call, answer) = self.calls.answer(token, body_size)?;
        self.registry.answered(call, answer.as_deref(), &SharedStore, now);
        let changes = self.registry.refresh(&SharedStore, now);
        self.tell(metrics);
        Some(changes)
    }

    fn make(&self, call: Option<Call>, now: Millis) {
        let Some(call) = call else { return };
        if !self.calls.make(&call, now) {
            self.registry.answered(call.id, None, &SharedStore, now);
        }
    }

    fn tell(&self, metrics: &ProcessMetrics) {
        for Line { is_error, text } in told::notices(&self.registry, metrics) {
            log::log!(if is_error { log::Level::Error } else { log::Level::Info }, "{text}");
        }
    }
}
