//! Sends an admitted request on: writes to the host what `exchange/dispatch.rs` of the core decides.

use farebox_core::base::window::Millis;
use farebox_core::exchange::dispatch::{Dispatch, Sent};
use farebox_core::failover::key_pool::KeyPool;

use crate::vm::Vm;
use farebox_hostcalls::shared_store::SharedStore;
use farebox_hostcalls::{self as host, Buffer, HostError, Map, filter_state};

/// How often Envoy's router may send the request again, and how long it waits for the beginning of an answer.
const RETRIES_HEADER: &str = "x-envoy-max-retries";
const PER_TRY_HEADER: &str = "x-envoy-upstream-rq-per-try-timeout-ms";

/// Sends the request to its first target.
pub(crate) fn send(dispatch: &Dispatch<'_>, vm: &Vm, now: Millis) -> Result<Sent, HostError> {
    let Dispatch { config, request, admission, .. } = dispatch;
    let provider = &admission.target.provider;
    let cluster = &provider.cluster;
    host::set_property(filter_state::CLUSTER, cluster.as_bytes())?;
    host::set_property(filter_state::HOST, provider.authority.as_bytes())?;
    let leave = || vm.leave(config, cluster, now);
    let mut sent = dispatch.write(&mut Map::Request, &KeyPool::new(&SharedStore), now, leave)?;
    if let Some(body) = sent.body.take() {
        host::set_buffer(Buffer::RequestBody, &body)?;
    }
    let Some(plan) = &sent.failover_plan else { return Ok(sent) };
    host::set_property(filter_state::FAILOVER_PLAN, &plan.to_bytes())?;
    let retries = plan.attempts.saturating_sub(1);
    if retries > 0 {
        host::set_header(Map::Request, RETRIES_HEADER, retries.to_string().as_bytes())?;
        if let Some(ms) = config.failover.first_token_ms.filter(|_| request.stream) {
            host::set_header(Map::Request, PER_TRY_HEADER, ms.to_string().as_bytes())?;
        }
    }
    Ok(sent)
}
