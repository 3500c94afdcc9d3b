//! Decides whether a request may be sent: every budget that holds for its caller must have room for it.
//!
//! The budgets are asked one after the other and each holds the estimate at once; if one has no room,
//! what the earlier ones hold is given back. So two requests can never both be let through on the same
//! money, and a refused request leaves nothing behind. In the moment between, a request of somebody else
//! may be refused that would have found room a microsecond later: erring to that side keeps the limit.
//!
//! Does not end a hold: see `settlement.rs`.

use std::rc::Rc;

use crate::config::{Account, Key};
use crate::ledger::{Amounts, Ledger, Room, Store, StoreError};
use crate::window::Millis;

/// Room taken in every budget of a caller. Ends by being settled, once.
#[derive(Debug, PartialEq, Eq)]
pub struct Hold {
    key: Rc<Key>,
    amounts: Amounts,
    /// The epoch of each account's hold, in the order of the key's accounts.
    epochs: Vec<u64>,
}

/// Why a request is not admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// This budget has no room.
    Budget(Account),
    /// A counter cannot be read or written, so no limit can be kept.
    Store(StoreError),
}

/// Takes `amounts` from every budget that holds for `key`.
///
/// # Errors
/// [`Refusal`]; nothing is held then.
pub fn admit<S: Store>(
    ledger: &Ledger<'_, S>,
    key: &Rc<Key>,
    amounts: Amounts,
    now: Millis,
) -> Result<Hold, Refusal> {
    let mut hold = Hold { key: Rc::clone(key), amounts, epochs: Vec::with_capacity(key.accounts.len()) };
    for account in &key.accounts {
        let refusal = match ledger.hold(account, amounts, now) {
            Ok(Room::Held(epoch)) => {
                hold.epochs.push(epoch);
                continue;
            }
            Ok(Room::None) => Refusal::Budget(account.clone()),
            Err(error) => Refusal::Store(error),
        };
        // What cannot be given back now is forgotten with its epoch.
        let _ = hold.settle(ledger, Amounts::default(), now);
        return Err(refusal);
    }
    Ok(hold)
}

impl Hold {
    /// Ends the hold and charges `charge` to every budget that it holds room in.
    ///
    /// # Errors
    /// The hold over the budgets that could not be charged, to be settled later with the same charge.
    pub fn settle<S: Store>(
        self,
        ledger: &Ledger<'_, S>,
        charge: Amounts,
        now: Millis,
    ) -> Result<(), Unsettled> {
        let Self { key, amounts, epochs } = self;
        let settle = |account: &Account, epoch| ledger.settle(account, amounts, epoch, charge, now);
        let open: Vec<_> = (key.accounts.iter().zip(epochs))
            .filter(|(account, epoch)| settle(account, *epoch).is_err())
            .map(|(account, epoch)| (account.clone(), epoch))
            .collect();
        if open.is_empty() { Ok(()) } else { Err(Unsettled { open, held: amounts, charge }) }
    }

    /// What is held.
    #[must_use]
    pub fn amounts(&self) -> Amounts {
        self.amounts
    }
}

/// A charge that some budgets have not taken yet. Must be kept and tried again: it is money.
#[derive(Debug, PartialEq, Eq)]
pub struct Unsettled {
    open: Vec<(Account, u64)>,
    held: Amounts,
    charge: Amounts,
}

impl Unsettled {
    /// Tries the budgets that are still open; says whether none is left.
    pub fn retry<S: Store>(&mut self, ledger: &Ledger<'_, S>, now: Millis) -> bool {
        let Self { open, held, charge } = self;
        open.retain(|(account, epoch)| ledger.settle(account, *held, *epoch, *charge, now).is_err());
        open.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::{self, NOW};
    use crate::ledger::MemoryStore;
    use serde_json::json;

    fn one_request() -> Amounts {
        Amounts { requests: 1, tokens: 10, ..Amounts::default() }
    }

    fn held(ledger: &Ledger<'_, MemoryStore>, key: &Key) -> Vec<u64> {
        key.accounts.iter().map(|account| ledger.read(account, NOW).unwrap().held().requests).collect()
    }

    #[test]
    fn every_budget_must_have_room_and_a_refusal_holds_nothing() {
        let config = testing::config(|json| {
            json["budgets"] = json!([
                {"name": "org", "window": "day", "limit_requests": 10},
                {"name": "team", "per": "team", "window": "day", "limit_requests": 10, "overrides": {"red": {"limit_requests": 1}}},
                {"name": "key", "per": "key", "window": "day", "limit_tokens": 1000},
            ]);
        });
        let store = MemoryStore::default();
        let ledger = Ledger::new(&store, config.hold.epoch_ms);
        let (red, blue) = (&config.keys["a"], &config.keys["b"]);
        let hold = admit(&ledger, red, one_request(), NOW).unwrap();
        let Err(Refusal::Budget(account)) = admit(&ledger, red, one_request(), NOW) else {
            panic!("admitted")
        };
        assert_eq!((&*account.budget.name, &*account.subject), ("team", "red"));
        assert_eq!(held(&ledger, red), [1, 1, 1]);
        assert!(admit(&ledger, blue, one_request(), NOW).is_ok());
        assert_eq!(held(&ledger, red), [2, 1, 1], "the organisation's budget is shared");
        hold.settle(&ledger, one_request(), NOW).unwrap();
        assert_eq!(held(&ledger, red), [1, 0, 0]);
    }

    #[test]
    fn a_caller_without_budgets_is_admitted() {
        let config = testing::config(|_| {});
        let store = MemoryStore::default();
        assert!(admit(&Ledger::new(&store, 1), &config.keys["a"], one_request(), NOW).is_ok());
    }

    #[test]
    fn a_charge_that_a_budget_cannot_take_is_kept_and_taken_later() {
        let config = testing::config(|json| {
            json["budgets"] = json!([{"name": "org", "window": "day", "limit_requests": 10}]);
        });
        let (good, broken) = (MemoryStore::default(), MemoryStore::default());
        let key = &config.keys["a"];
        let hold = admit(&Ledger::new(&good, 1), key, one_request(), NOW).unwrap();
        crate::ledger::Store::put(&broken, &key.accounts[0].record, b"?", None).unwrap();
        let mut unsettled = hold.settle(&Ledger::new(&broken, 1), one_request(), NOW).unwrap_err();
        assert!(unsettled.retry(&Ledger::new(&good, 1), NOW));
        assert_eq!(Ledger::new(&good, 1).read(&key.accounts[0], NOW).unwrap().spent().requests, 1);
    }
}
