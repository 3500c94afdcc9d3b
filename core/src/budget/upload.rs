//! Decides whether a caller may send a long body: asked when that is known to be long, and not when it is all here.
//!
//! A body is kept until it can be read. A caller that would be refused whatever it says is refused before it is sent: one that has
//! nothing left, and who has as many requests running as a budget with `limit_concurrent` allows. A request
//! counts as running from here on, so a caller cannot have more bodies on their way than requests. What a short body
//! takes is not worth a look at the counters.
//!
//! Only budgets that are known without the body are asked, not those by model, provider or the request itself.
//!
//! Does not hold what the request is expected to use: see `budget/admit.rs`.

use std::rc::Rc;

use crate::base::headers::RequestHead;
use crate::base::window::Millis;
use crate::budget::admit;
use crate::budget::hold::{self, Hold};
use crate::budget::ledger::{Ledger, Store};
use crate::budget::subject::Subject;
use crate::config::{Account, Config, Key};
use crate::denial::Denial;
use crate::request::attribution::Attribution;

/// The longest body that is not a long one.
const SHORT_BYTES: u64 = 64 * 1024;

/// Whether a body of so many bytes is a long one.
#[must_use]
pub fn is_long(bytes: u64) -> bool {
    bytes > SHORT_BYTES
}

/// Takes the place of a running request in every budget that limits them. To be given back when the body is here and
/// before the request is admitted, or when it ends without that.
///
/// # Errors
/// [`Denial`] if the caller would be refused whatever the body says; nothing is held then.
pub fn enter<S: Store>(
    ledger: &Ledger<'_, S>,
    config: &Config,
    key: &Key,
    attribution: &Attribution,
    head: &RequestHead,
    now: Millis,
) -> Result<Hold, Denial> {
    let subject = Subject { attribution: Some(attribution), head: Some(head), ..Subject::of(key) };
    let known = config.budgets.iter().zip(&key.accounts).filter_map(|(budget, own)| match own {
        Some(own) => Some(Rc::clone(own)),
        // Who is new takes a place in a slot: only for what has to be held.
        None => {
            subject.account(budget).ok().filter(|account| account.limits.concurrent.is_some()).map(Rc::new)
        }
    });
    let mut accounts: Vec<Rc<Account>> = known.filter(|account| account.limits.any()).collect();
    accounts.sort_by_key(|account| account.is_in_slot());
    hold::enter(ledger, &accounts, now).map_err(|refusal| admit::denial(config, refusal, now))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::budget::ledger::{Amounts, MemoryStore};
    use crate::config::testing::{self, NOW};

    struct Gateway(Config, MemoryStore);

    impl Gateway {
        fn new(budgets: Value) -> Self {
            Self(testing::config(|json| json["budgets"] = budgets), MemoryStore::default())
        }

        fn ledger(&self) -> Ledger<'_, MemoryStore> {
            Ledger::new(&self.1, self.0.hold.epoch_ms)
        }

        fn enter(&self, session: &str) -> Result<Hold, Denial> {
            let pairs = [(b"x-farebox-session".to_vec(), session.as_bytes().to_vec())];
            let head = RequestHead::new(pairs.into());
            let attribution = Attribution::read(&head);
            enter(&self.ledger(), &self.0, &self.0.keys["a"], &attribution, &head, NOW)
        }

        fn denied(&self, session: &str) -> (&'static str, String) {
            let denial = self.enter(session).unwrap_err();
            (denial.reason(), denial.budget_name().unwrap().to_owned())
        }

        fn held(&self, budget: usize) -> u64 {
            let account = self.0.keys["a"].accounts[budget].as_ref().unwrap();
            self.ledger().read(account, NOW).unwrap().held().requests
        }
    }

    #[test]
    fn a_long_body_takes_a_turn_until_its_hold_is_released() {
        let gateway = Gateway::new(json!([
            {"name": "lane", "per": "key", "window": "day", "limit_concurrent": 2},
            {"name": "day", "per": "key", "window": "day", "limit_requests": 100},
        ]));
        let (first, _second) = (gateway.enter("s").unwrap(), gateway.enter("s").unwrap());
        assert_eq!(gateway.denied("s"), ("budget_concurrency", "lane".to_owned()));
        assert_eq!((gateway.held(0), gateway.held(1)), (2, 0), "only what limits running requests is held");
        first.release(&gateway.ledger(), NOW);
        gateway.enter("s").unwrap();
    }

    #[test]
    fn a_caller_with_nothing_left_cannot_send_a_long_body_and_takes_no_turn() {
        let gateway = Gateway::new(json!([
            {"name": "lane", "per": "key", "window": "day", "limit_concurrent": 2},
            {"name": "minute", "per": "key", "window": "minute", "limit_requests": 1},
            {"name": "day", "per": "team", "window": "day", "limit_usd": 1},
            {"name": "trial", "per": "key", "window": "day", "limit_requests": 0, "at_limit": "shadow"},
        ]));
        gateway.enter("s").unwrap();
        for spent in [1, 2] {
            let account = gateway.0.keys["a"].accounts[spent].as_ref().unwrap();
            let dollars =
                Amounts { usd: crate::base::money::PicoUsd::parse("1.01").unwrap(), ..Amounts::REQUEST };
            gateway.ledger().settle(account, Amounts::default(), 0, dollars, NOW).unwrap();
            let name = if spent == 1 { "minute" } else { "day" };
            assert_eq!(gateway.denied("s"), ("budget", name.to_owned()), "what lasts for the longest");
        }
        assert_eq!(gateway.held(0), 1);
    }

    #[test]
    fn a_budget_that_limits_running_requests_of_a_session_is_asked_and_no_other_of_sessions() {
        let gateway = Gateway::new(json!([
            {"name": "lane", "per": "session", "window": "day", "limit_concurrent": 1},
            {"name": "session", "per": "session", "window": "day", "limit_requests": 0},
            {"name": "model", "per": "model", "window": "day", "limit_requests": 0},
        ]));
        gateway.enter("s").unwrap();
        assert_eq!(gateway.denied("s"), ("budget_concurrency", "lane".to_owned()));
        gateway.enter("other").unwrap();
    }
}
