//! Decides which requests wait for the ledger, and which of them may go on: first come, first served.
//!
//! A request waits for every account that had no room for it at once. It goes on when each of them has answered,
//! whatever the answers are: then it is decided once more, from the beginning, by what is known now.

use std::rc::Rc;

use super::state::{FleetLedger, State, Turn};
use super::waiter::{Ask, AskState, Waiter};
use crate::base::window::Millis;
use crate::budget::ledger::{Account, Amounts};

/// A request that may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The stream.
    pub context: u32,
    /// Since when it has waited.
    pub since: Millis,
    /// Whether it was answered.
    pub turn: Turn,
}

impl FleetLedger {
    /// The stream `context` waits for room in these accounts, since the moment that it first did.
    pub fn wait(&self, context: u32, asks: &[(Rc<Account>, Amounts)], since: Millis, now: Millis) {
        let mut state = self.0.borrow_mut();
        let mut waiter = Waiter { context, since, shares: Vec::new(), asks: Vec::with_capacity(asks.len()) };
        for (account, amounts) in asks {
            if state.has_no_place(account) {
                continue;
            }
            let (parts, id) = state.with(account, now, |share, rest| {
                share.is_of(account);
                share.waiting += 1;
                (rest.parts_to_ask(share, *amounts, now), Rc::clone(&share.id))
            });
            waiter.asks.extend(parts.into_iter().map(|(part, amounts)| Ask {
                share: Rc::clone(&id),
                part,
                amounts,
                state: AskState::Waits(Millis(0)),
            }));
            waiter.shares.push(id);
        }
        state.waiting.push_back(waiter);
    }

    /// The stream `context` waits no longer: it has gone.
    pub fn forget(&self, context: u32) {
        let mut state = self.0.borrow_mut();
        if let Some(at) = state.waiting.iter().position(|waiter| waiter.context == context) {
            state.leave(at);
        }
    }

    /// The requests that may go on, in the order in which they came.
    #[must_use]
    pub fn ready(&self, now: Millis) -> Vec<Ready> {
        let mut state = self.0.borrow_mut();
        let wait_ms = state.settings.as_ref().map_or(0, |settings| settings.wait_ms);
        let mut ready = Vec::new();
        let mut at = 0;
        while let Some(waiter) = state.waiting.get(at) {
            let turn = if waiter.asks.iter().all(|ask| ask.state == AskState::Answered) {
                Turn::Answered
            } else if now.since(waiter.since) >= wait_ms {
                Turn::GaveUp
            } else {
                at += 1;
                continue;
            };
            ready.push(Ready { context: waiter.context, since: waiter.since, turn });
            state.leave(at);
        }
        ready
    }
}

impl State {
    fn leave(&mut self, at: usize) {
        let Some(waiter) = self.waiting.remove(at) else { return };
        for id in &waiter.shares {
            if let Some(share) = self.shares.get_mut(&**id) {
                share.waiting = share.waiting.saturating_sub(1);
            }
        }
    }
}
