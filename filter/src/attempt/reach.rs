//! Decides what is said, and to whom, about the filter behind the router: to the other workers in the store, to the operator
//! in the log and in a metric, each once.
//!
//! What follows from it is decided in `core/src/failover/reach.rs`.

use farebox_core::base::window::Millis;
use farebox_core::budget::ledger::StoreError;
use farebox_core::config::Config;
use farebox_core::failover::limitation::Limitation;
use farebox_core::failover::reach::{Leave, Reach, Said};

use crate::vm::{Role, Vm};
use farebox_hostcalls as host;
use farebox_hostcalls::shared_store::SharedStore;

const ENVOY_VERSION: [&str; 2] = ["major_number", "minor_number"];

impl Vm {
    /// Says, behind the router, that the filter is there with this configuration, and reads, before it, what was said.
    pub(crate) fn look_behind(&self, config: &Config, now: Millis) {
        // Such requests are never sent again.
        if config.headers_only.is_some() {
            return;
        }
        let done = match self.role.get() {
            Role::Gateway => self.attempts.borrow_mut().listen(&SharedStore, config.hash, now),
            Role::Attempt => {
                let reach = match ENVOY_VERSION.map(version) {
                    [Some(major), Some(minor)] => Reach::of_envoy(major, minor),
                    _ => Reach::Everywhere,
                };
                let limitation = (reach != Reach::Everywhere).then_some(Limitation::Version(reach));
                self.say(config, reach, limitation, now)
            }
        };
        if let Err(error) = done {
            log::warn!("what there is behind the router cannot be shared: {error}");
        }
    }

    /// How far an attempt can send its request on.
    pub(crate) fn reach(&self, config: &Config) -> Reach {
        self.attempts.borrow().reach(config.hash).unwrap_or(Reach::Everywhere)
    }

    /// How a request leaves for the cluster of its first target.
    pub(crate) fn leave(&self, config: &Config, cluster: &str, now: Millis) -> Leave {
        self.attempts.borrow_mut().leave(&SharedStore, config.hash, cluster, now)
    }

    /// An answer came from this cluster, by the filter behind the router or without it.
    pub(crate) fn saw(&self, config: &Config, cluster: &str, there: bool) {
        if self.attempts.borrow_mut().saw(config.hash, cluster, there) {
            self.limited(Limitation::NoFilter(cluster));
        }
    }

    /// Another attempt was brought to the cluster of the one before.
    pub(crate) fn astray(&self, config: &Config, now: Millis) {
        let said = self.say(config, Reach::Cluster, Some(Limitation::SameCluster), now);
        if let Err(error) = said {
            log::warn!("what there is behind the router cannot be shared: {error}");
        }
    }

    fn say(
        &self,
        config: &Config,
        reach: Reach,
        limitation: Option<Limitation<'_>>,
        now: Millis,
    ) -> Result<(), StoreError> {
        let Said { is_new, .. } = self.attempts.borrow_mut().say(&SharedStore, config.hash, reach, now)?;
        limitation.filter(|_| is_new).into_iter().for_each(|limitation| self.limited(limitation));
        Ok(())
    }

    fn limited(&self, limitation: Limitation<'_>) {
        let labels = ["{reason:", limitation.reason(), "}"].concat();
        self.metrics.count(&["farebox_failover_limited_total", &labels].concat(), 1);
        log::warn!("{limitation}");
    }
}

fn version(number: &str) -> Option<u64> {
    host::number_property(&["xds\0node\0user_agent_build_version\0version\0", number].concat())
}
