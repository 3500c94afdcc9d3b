//! Decides whether what workers did was right: each write, each outcome, each record that was emptied.

use farebox_core::base::window::Millis;
use farebox_core::budget::hold::Wanted;
use farebox_core::budget::ledger::{Amounts, AtLimit, Budget, WhenFull};

use crate::plan::{Config, Request};
use crate::reference::{Event, Kind};
use crate::worker::{Order, Outcome};
use crate::world::{Admitted, HOUR, Op, Stage, World, wanted};

impl World {
    /// Remembers what the reference says of a counter that is read for an admission.
    pub(crate) fn judge(&mut self, at: usize, key: &str) {
        let op = self.workers[at].op.as_mut().unwrap();
        let Order::Admit(Request { id, .. }) = op.order else { return };
        let Admitted { request, accounts, holds, .. } = &self.requests[&id];
        let Some(index) = accounts.iter().position(|account| *account.record == *key) else { return };
        if holds[index].is_none() {
            let account = &accounts[index];
            let amounts = wanted(&request.wanted, account.budget.mode);
            let judged = self.reference.judge(account, request.team, amounts, op.now);
            op.judged.insert(account.budget.name.clone(), judged);
        }
    }

    /// Tells the reference of a write.
    pub(crate) fn stored(&mut self, at: usize, key: &str, value: &[u8]) {
        let op = self.workers[at].op.as_ref().unwrap();
        let id = match &op.order {
            Order::Admit(Request { id, .. }) => id,
            Order::Grow { id, .. } | Order::Settle { id, .. } | Order::Retry { id } => id,
            _ if key == "fb/2/claims" => return,
            _ => return self.emptied(key, value, op.now, op.listed),
        };
        let Admitted { request, accounts, holds, .. } = self.requests.get_mut(id).unwrap();
        let index = accounts.iter().position(|account| *account.record == *key).unwrap();
        let (account, held) = (&accounts[index], &mut holds[index]);
        let kind = match &op.order {
            Order::Admit(_) if held.is_none() => {
                let amounts = wanted(&request.wanted, account.budget.mode);
                *held = Some(amounts);
                Kind::Hold { amounts, charge: request.charge }
            }
            Order::Grow { expected, .. } => {
                let wanted = wanted(&Wanted::exactly(*expected), account.budget.mode);
                let amounts = wanted.max(held.unwrap());
                *held = Some(amounts);
                Kind::Grow { amounts }
            }
            order => {
                *held = None;
                let charge =
                    if matches!(order, Order::Admit(_)) { Amounts::default() } else { request.charge };
                Kind::Settle { charge }
            }
        };
        self.written.insert(key.to_owned(), self.seen.calls);
        let event = Event { account, team: request.team, id: *id, kind, now: op.now };
        self.reference.wrote(&event, value, &self.shared);
        self.seen.evicted = self.reference.evicted;
    }

    /// A record was emptied by a worker that had read the list of claims in the store call `listed`. A worker that claimed it
    /// before is seen there; what was used since then is not lost.
    pub(crate) fn emptied(&mut self, key: &str, value: &[u8], now: Millis, listed: u64) {
        assert!(value.is_empty(), "a tick wrote a counter");
        self.seen.emptied += 1;
        let name = key.split('/').nth(2).unwrap();
        let mut live = self.workers.iter().flat_map(|worker| &worker.live);
        let has = |config: &Config| config.iter().any(|spec| spec.name == name);
        let claimed = live.any(|(config, claimed)| has(config) && *claimed < listed);
        assert!(!claimed, "{key} was emptied while it was in use");
        assert!(self.written[key] < listed, "{key} was emptied with what was just written");
        let before = self.left.iter().filter(|(left, claimed, _)| *left == name && *claimed < listed);
        let gone_ms = now.plus(2_000).since(before.map(|(_, _, when)| *when).max().unwrap());
        assert!(gone_ms >= HOUR, "{key} was emptied {gone_ms} ms after it was removed");
        self.reference.emptied(key, now);
        // Who saw that it is empty need not look at it again.
        self.users.retain(|(record, _)| record != key);
    }

    pub(crate) fn leave(&mut self, at: usize) {
        for (config, claimed) in &self.workers[at].live {
            self.left.extend(config.iter().map(|spec| (spec.name, *claimed, self.now)));
        }
    }

    pub(crate) fn done(&mut self, at: usize, op: Op, outcome: Outcome) {
        if let Outcome::Died = outcome {
            return self.died(at);
        }
        match op.order {
            Order::Configure { config, drain } => {
                self.leave(at);
                if !drain {
                    self.workers[at].live.clear();
                }
                self.workers[at].live.push((config, op.listed));
            }
            Order::Drained => {
                self.leave(at);
                let live = &mut self.workers[at].live;
                live.drain(..live.len() - 1);
            }
            Order::Admit(Request { id, .. }) => self.admitted(id, &op, outcome),
            Order::Grow { .. } | Order::Tick => {}
            Order::Lose { id } => {
                self.requests.remove(&id);
                self.reference.gone(id);
            }
            Order::Settle { id, .. } | Order::Retry { id } => {
                if let Outcome::Failed = outcome {
                    self.requests.get_mut(&id).unwrap().stage = Stage::Unsettled;
                    return;
                }
                self.requests.remove(&id);
                assert!(!self.reference.holds(id, op.now), "a settled request still holds something");
                self.reference.gone(id);
            }
        }
    }

    /// Judges what became of an admission.
    pub(crate) fn admitted(&mut self, id: u64, op: &Op, outcome: Outcome) {
        let budget = |name: &str| {
            let accounts = self.requests[&id].accounts.iter();
            accounts.map(|account| &account.budget).find(|budget| *budget.name == *name).unwrap()
        };
        match outcome {
            Outcome::Admitted(uncounted) => {
                self.seen.admitted += 1;
                self.seen.uncounted += uncounted.len() as u64;
                for name in &uncounted {
                    assert!(!op.judged[name].1, "{name} had a place");
                    let budget = budget(name);
                    assert!(budget.when_full == WhenFull::Allow || budget.at_limit == AtLimit::Shadow);
                }
                let request = self.requests.get_mut(&id).unwrap();
                request.stage = Stage::Running;
                for (account, held) in request.accounts.iter().zip(&request.holds) {
                    assert!(
                        held.is_some() || uncounted.contains(&account.budget.name),
                        "not held everywhere"
                    );
                }
                return;
            }
            Outcome::Refused(name, without_slot) => {
                let (fits, place) = op.judged[&name];
                let Budget { at_limit, when_full, .. } = **budget(&name);
                assert_eq!(at_limit, AtLimit::Deny, "{name} only watches and refused");
                assert!(
                    if without_slot { !place && when_full != WhenFull::Allow } else { !fits },
                    "{name} had room"
                );
                *if without_slot { &mut self.seen.without_slot } else { &mut self.seen.refused } += 1;
            }
            _ => {
                assert!(op.disturbed, "failed though the store answered");
                self.seen.failed += 1;
            }
        }
        assert!(op.disturbed || !self.reference.holds(id, op.now), "refused, and still holds something");
        self.requests.remove(&id);
        self.reference.gone(id);
    }

    /// A worker is gone, and its requests with it.
    pub(crate) fn died(&mut self, at: usize) {
        self.seen.died += 1;
        self.leave(at);
        self.workers[at].live.clear();
        self.users.retain(|(_, user)| *user != at);
        let reference = &mut self.reference;
        self.requests.retain(|id, request| {
            let stays = request.worker != at;
            if !stays {
                reference.gone(*id);
            }
            stays
        });
    }
}
