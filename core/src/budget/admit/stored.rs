//! Decides whether a request may go on from what a provider keeps, and to which account it then has to go.
//!
//! What was given to a team here says so itself; see `request/signed_id.rs`. Of everything else nobody knows whose it is.

use core::ops::Range;
use std::rc::Rc;

use super::request::AdmissionRequest;
use crate::config::StoredState;
use crate::denial::Denial;
use crate::request::llm_request::LlmRequestError;
use crate::request::route::Plan;
use crate::request::signed_id::{MAX_IDS, ProviderAccount};

/// What a request goes on from.
#[derive(Debug, Default)]
pub(super) struct Stored {
    /// Whose it is. Of several, the one that came last.
    account: Option<Rc<ProviderAccount>>,
    /// No other account has it; else another one can do without.
    only_there: bool,
    /// What was put behind the ids here, which no provider knows.
    pub(super) cuts: Vec<Range<usize>>,
}

impl Stored {
    pub(super) fn of(order: &AdmissionRequest<'_>) -> Result<Self, Denial> {
        let AdmissionRequest { config, key, request, body, .. } = order;
        let policy = config.requests.stored_state;
        let refused = || Err(Denial::Body(LlmRequestError::StoredState));
        let too_many = request.stored_ids.len() > MAX_IDS;
        if (request.stored_state || too_many) && policy != StoredState::Allow {
            return refused();
        }
        // Where everybody may, ids are bound to an account only, or have been bound to a team before.
        let scopes: &[&str] = match policy {
            StoredState::Deny => &[],
            StoredState::Team => &[&key.team],
            StoredState::Allow => &[&key.team, ""],
        };
        let read = |at: &Range<usize>| {
            let id = body.get(at.clone())?;
            scopes.iter().find_map(|scope| config.provider_accounts.read(scope, id))
        };
        let mut stored = Self::default();
        for at in &request.bound_ids {
            if let Some((account, length)) = read(at) {
                stored.account = Some(Rc::clone(account));
                stored.cuts.push(at.start + length..at.end);
            }
        }
        for at in request.stored_ids.iter().take(MAX_IDS) {
            match read(at) {
                Some((account, _)) => {
                    stored.account = Some(Rc::clone(account));
                    stored.only_there = true;
                }
                None if policy == StoredState::Allow => {}
                None => return refused(),
            }
        }
        Ok(stored)
    }

    /// Leaves the place of the account only, if there is one. Returns which key of its provider that is.
    pub(super) fn keep(&self, plan: &mut Plan) -> Result<Option<usize>, Denial> {
        let Some(account) = &self.account else { return Ok(None) };
        let mut places = plan.targets.iter().chain(&plan.long);
        match places.find(|resource| *resource.provider.name == *account.provider()).cloned() {
            Some(resource) => {
                plan.targets = vec![resource];
                plan.long.clear();
                Ok(Some(account.key()))
            }
            None if self.only_there => Err(Denial::Body(LlmRequestError::StoredElsewhere)),
            None => Ok(None),
        }
    }
}
