//! What of a request the filter keeps at its host: read by Envoy's route and access log, and by other contexts of the same
//! request.

use crate::HostError;

/// The cluster that the request goes to. Clients cannot set it, so it is what routes go by.
pub const CLUSTER: &str = "farebox.cluster";
/// The host that the provider knows itself by. The route writes it into `:authority`: if the filter did, a virtual host would be
/// picked by it.
pub const HOST: &str = "farebox.host";
/// Where the request may go. Written by the gateway. What is in it is decided in `failover/attempt_state.rs` of the core, as
/// is the next one.
pub const FAILOVER_PLAN: &str = "farebox.plan";
/// What is under way, and what came of it so far. Written by attempts.
pub const ATTEMPT: &str = "farebox.attempt";
/// The record, for access logs and traces.
pub const RECORD: &str = "farebox.record";

/// An entry, if it was ever put there.
pub fn entry(name: &str) -> Result<Option<Vec<u8>>, HostError> {
    match crate::filter_state(name) {
        Err(HostError::NOT_FOUND) => Ok(None),
        value => value.map(Some),
    }
}
