//! What of a request the filter keeps at its host: read by Envoy's route and access log, and by other contexts of the same
//! request.

use crate::host::{self, HostError};

/// The cluster that the request goes to. Clients cannot set it, so it is what routes go by.
pub(crate) const CLUSTER: &str = "farebox.cluster";
/// The host that the provider knows itself by. The route writes it into `:authority`: if the filter did, a virtual host would be
/// picked by it.
pub(crate) const HOST: &str = "farebox.host";
/// Where the request may go. Written by the gateway. What is in it is decided in `failover/attempt_state.rs` of the core, as
/// is the next one.
pub(crate) const FAILOVER_PLAN: &str = "farebox.plan";
/// What is under way, and what came of it so far. Written by attempts.
pub(crate) const ATTEMPT: &str = "farebox.attempt";
/// The record, for access logs and traces.
pub(crate) const RECORD: &str = "farebox.record";

/// An entry, if it was ever put there.
pub(crate) fn entry(name: &str) -> Result<Option<Vec<u8>>, HostError> {
    match host::filter_state(name) {
        Err(HostError::NOT_FOUND) => Ok(None),
        value => value.map(Some),
    }
}
