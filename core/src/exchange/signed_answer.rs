//! Binds the ids of an answer to the team that it is given to and to the account that made it.
//!
//! Only where that matters: where teams share a provider's account, or where a model is served by several of them.
//! Everywhere else the answer stays as it is.

use std::rc::Rc;

use crate::config::{Config, Key, StoredState};
use crate::dialect::Endpoint;
use crate::dialect::framing::Framing;
use crate::request::route::{Destination, Plan};
use crate::request::signed_id::Signer;
use crate::response::meter::Passed;

/// What the ids of one answer are bound to.
#[derive(Debug)]
pub(super) struct Binding {
    scope: Box<str>,
    signer: Option<Signer>,
}

impl Binding {
    /// The binding of an answer of `endpoint` to `key`, of which the request may go wherever `plan` says.
    pub(super) fn new(config: &Config, key: &Key, endpoint: Endpoint, plan: &Plan) -> Option<Self> {
        let of_responses = matches!(endpoint, Endpoint::Responses | Endpoint::CompactResponse);
        // What is put behind an id has to be taken out of the next request, which is then read.
        if !of_responses || config.headers_only.is_some() {
            return None;
        }
        let several = || {
            let mut places = plan.targets.iter().chain(&plan.long);
            places.any(|target| target.provider.keys().len() > 1) || plan.targets.len() + plan.long.len() > 1
        };
        let scope = match config.requests.stored_state {
            StoredState::Deny => return None,
            StoredState::Team => &*key.team,
            StoredState::Allow if several() => "",
            StoredState::Allow => return None,
        };
        Some(Self { scope: scope.into(), signer: None })
    }

    /// The answer begins: of `target`, with the `key`-th of its keys. Says whether it will get longer.
    pub(super) fn begin(
        &mut self,
        config: &Config,
        target: &Destination,
        key: usize,
        framing: Framing,
    ) -> bool {
        let by_lines = match framing {
            Framing::Events => true,
            Framing::Json => false,
            Framing::Lines | Framing::Messages | Framing::Chunks | Framing::Opaque => return false,
        };
        let account = config.provider_accounts.of(&target.provider.name, key);
        self.signer = account.map(|account| Signer::new(Rc::clone(account), &self.scope, by_lines));
        self.signer.is_some()
    }

    /// What goes out in place of `piece`, if `passed` would without this.
    pub(super) fn bind(&mut self, piece: &[u8], passed: Passed) -> Passed {
        let Some(signer) = &mut self.signer else { return passed };
        match passed {
            Passed::Unchanged => signer.sign(piece).map_or(Passed::Unchanged, Passed::Replaced),
            Passed::Replaced(bytes) => Passed::Replaced(signer.sign(&bytes).unwrap_or(bytes)),
        }
    }
}
