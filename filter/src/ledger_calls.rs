//! Makes calls to the ledger's server, and remembers those that have no answer yet.
//!
//! Does not know what is sent and what it means: see `fleet/` and `registry.rs`.

use core::cell::{Cell, RefCell};

use farebox_core::base::window::Millis;
use farebox_core::budget::fleet::Call;
use farebox_core::config;

use farebox_hostcalls::callout::{self, Answer, Token};

/// How much later than its time a call is given up that the host says nothing of. Calls of a root context that is gone
/// end so: it went with the last stream of its configuration.
const SILENCE_MS: u64 = 100;

/// See above.
#[derive(Debug, Default)]
pub(crate) struct LedgerCalls {
    /// Where the server is; `None` if there is none.
    place: RefCell<Option<Place>>,
    under_way: RefCell<Vec<UnderWay>>,
    /// It was said that it cannot be called.
    complained: Cell<bool>,
}

/// Envoy's cluster of the server, and that of its nodes by address.
#[derive(Debug)]
struct Place {
    cluster: Box<str>,
    shards: Box<str>,
}

/// A call without an answer yet.
#[derive(Debug)]
struct UnderWay {
    token: Token,
    id: u64,
    given_up_at: Millis,
}

impl LedgerCalls {
    /// The server is there from now on.
    pub(crate) fn go_to(&self, ledger: &config::FleetLedger) {
        let (cluster, shards) = (ledger.cluster.clone(), ledger.shard_cluster().into());
        self.place.replace(Some(Place { cluster, shards }));
    }

    /// Makes a call; says whether there can be an answer.
    #[must_use]
    pub(crate) fn make(&self, call: &Call, now: Millis) -> bool {
        let place = self.place.borrow();
        let Some(place) = &*place else { return false };
        let (cluster, node) = match &call.shard {
            Some(node) => (&place.shards, Some((config::FleetLedger::SHARD_HEADER, &**node))),
            None => (&place.cluster, None),
        };
        let timeout_ms = u32::try_from(call.timeout_ms).unwrap_or(u32::MAX);
        match callout::dispatch(cluster, node, &call.bytes, timeout_ms) {
            Ok(token) => {
                let given_up_at = now.plus(call.timeout_ms).plus(SILENCE_MS);
                self.under_way.borrow_mut().push(UnderWay { token, id: call.id, given_up_at });
                true
            }
            Err(error) => {
                if !self.complained.replace(true) {
                    log::error!("the ledger cannot be called: {error}: is there a cluster '{cluster}'?");
                }
                false
            }
        }
    }

    /// The answer of `body_size` bytes to the call with this `token`, and which call it is; `None` if it is none of these.
    pub(crate) fn answer(&self, token: u32, body_size: usize) -> Option<(u64, Option<Vec<u8>>)> {
        let call = {
            let mut under_way = self.under_way.borrow_mut();
            let at = under_way.iter().position(|call| call.token == Token(token))?;
            under_way.swap_remove(at)
        };
        let body = match callout::answer(body_size) {
            Answer { status: Some(200), body } => Some(body),
            Answer { .. } => None,
        };
        Some((call.id, body))
    }

    /// Calls that get no answer any more.
    pub(crate) fn lost(&self, now: Millis) -> Vec<u64> {
        let is_lost = |call: &mut UnderWay| now >= call.given_up_at;
        self.under_way.borrow_mut().extract_if(.., is_lost).map(|call| call.id).collect()
    }
}
