//! What leases promise, to the workers that have them and to all others.

use core::cell::Cell;
use std::rc::Rc;

use proptest::prelude::*;
#[cfg(target_os = "unknown")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::super::*;
use super::{EPOCH_MS, account, held, token_limit, tokens};
use crate::base::window::{Calendar, Millis, Window};

const NOW: Millis = Millis(0);

/// A store that says how often it was asked, and answers as long as it may.
#[derive(Default)]
pub(super) struct Counted(MemoryStore, Cell<u32>, pub(super) Cell<bool>);

impl Store for Counted {
    fn get(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, StoreError> {
        self.1.set(self.1.get() + 1);
        if self.2.get() { Err(StoreError::Host(9)) } else { self.0.get(key) }
    }

    fn put(&self, key: &str, value: &[u8], version: Option<Version>) -> Result<Put, StoreError> {
        self.1.set(self.1.get() + 1);
        if self.2.get() { Err(StoreError::Host(9)) } else { self.0.put(key, value, version) }
    }
}

/// What somebody else sees of the counter.
pub(super) fn others_see<S: Store>(store: &S, account: &Account, now: Millis) -> (Amounts, Amounts) {
    let counter = Ledger::new(store, EPOCH_MS).read(account, now).unwrap();
    (counter.spent(), counter.held())
}

#[test]
fn a_request_that_runs_alone_is_seen_by_others_at_once() {
    let (store, leases, account) = (MemoryStore::default(), Leases::default(), account(token_limit(100_000)));
    let ledger = Ledger::new(&store, EPOCH_MS).with_leases(&leases);
    let epoch = held(ledger.hold(&account, tokens(8), NOW)).unwrap();
    assert_eq!(others_see(&store, &account, NOW), (Amounts::default(), tokens(8)));
    ledger.settle(&account, tokens(8), epoch, tokens(5), NOW).unwrap();
    assert_eq!(others_see(&store, &account, NOW), (tokens(5), Amounts::default()));
}

#[test]
fn requests_that_overlap_far_from_the_limit_ask_the_store_seldom() {
    let (store, leases) = (Counted::default(), Leases::default());
    let account = account(token_limit(10_000_000));
    let ledger = Ledger::new(&store, EPOCH_MS).with_leases(&leases);
    let epoch = held(ledger.hold(&account, tokens(8), NOW)).unwrap();
    for _ in 0..1_000 {
        let epoch = held(ledger.hold(&account, tokens(8), NOW)).unwrap();
        ledger.settle(&account, tokens(8), epoch, tokens(8), NOW).unwrap();
    }
    assert!(store.1.get() < 50, "asked {} times", store.1.get());
    ledger.settle(&account, tokens(8), epoch, tokens(8), NOW).unwrap();
    let spent = (0..1_001).fold(Amounts::default(), |sum, _| sum.plus(tokens(8)));
    assert_eq!(others_see(&store, &account, NOW), (spent, Amounts::default()));
}

#[test]
fn others_find_at_most_a_thousandth_of_a_limit_less_than_there_is_and_for_one_tick() {
    let (store, leases, account) = (MemoryStore::default(), Leases::default(), account(token_limit(10_240)));
    let ledger = Ledger::new(&store, EPOCH_MS).with_leases(&leases);
    for _ in 0..2 {
        held(ledger.hold(&account, tokens(2), NOW)).unwrap();
    }
    assert_eq!(others_see(&store, &account, NOW).1.tokens(), 4 + 10);
    ledger.tick(NOW).unwrap();
    assert_eq!(others_see(&store, &account, NOW).1.tokens(), 4);
}

#[test]
fn what_a_request_held_that_has_ended_is_kept_from_others_for_one_tick_while_limits_are_far() {
    let (store, leases, account) = (MemoryStore::default(), Leases::default(), account(token_limit(200)));
    let (ledger, others) =
        (Ledger::new(&store, EPOCH_MS).with_leases(&leases), Ledger::new(&store, EPOCH_MS));
    held(ledger.hold(&account, tokens(10), NOW)).unwrap();
    let epoch = held(ledger.hold(&account, tokens(80), NOW)).unwrap();
    ledger.settle(&account, tokens(80), epoch, tokens(5), NOW).unwrap();
    assert!(held(others.hold(&account, tokens(185), NOW)).is_none());
    ledger.tick(NOW).unwrap();
    assert!(held(others.hold(&account, tokens(185), NOW)).is_some());
}

#[test]
fn once_half_of_a_limit_is_used_others_see_at_once_what_has_ended() {
    let (store, leases, account) = (MemoryStore::default(), Leases::default(), account(token_limit(100)));
    let ledger = Ledger::new(&store, EPOCH_MS).with_leases(&leases);
    held(ledger.hold(&account, tokens(10), NOW)).unwrap();
    let epoch = held(ledger.hold(&account, tokens(80), NOW)).unwrap();
    ledger.settle(&account, tokens(80), epoch, tokens(5), NOW).unwrap();
    assert_eq!(others_see(&store, &account, NOW), (tokens(5), tokens(10)));
}

#[test]
fn nothing_is_taken_without_need_once_half_of_the_limit_is_used() {
    let (store, leases, account) = (MemoryStore::default(), Leases::default(), account(token_limit(10_240)));
    let ledger = Ledger::new(&store, EPOCH_MS).with_leases(&leases);
    for amount in [5_119, 2, 3] {
        held(ledger.hold(&account, tokens(amount), NOW)).unwrap();
    }
    assert_eq!(others_see(&store, &account, NOW).1.tokens(), 5_124);
}

#[test]
fn the_whole_limit_may_be_used_by_requests_that_overlap_and_nothing_more() {
    let (store, account) = (MemoryStore::default(), account(token_limit(100)));
    let workers = [Leases::default(), Leases::default()];
    let ledgers = workers.each_ref().map(|leases| Ledger::new(&store, EPOCH_MS).with_leases(leases));
    let admitted = ledgers.iter().cycle().take(300);
    let admitted = admitted.filter(|ledger| held(ledger.hold(&account, tokens(1), NOW)).is_some()).count();
    assert_eq!(admitted, 100);
}

#[test]
fn what_is_known_to_be_used_up_is_refused_without_asking_until_the_window_ends() {
    let (store, leases, account) = (Counted::default(), Leases::default(), account(token_limit(10)));
    let ledger = Ledger::new(&store, EPOCH_MS).with_leases(&leases);
    let epoch = held(ledger.hold(&account, tokens(10), NOW)).unwrap();
    // What is held may be given back, so that is asked for again.
    assert!(held(ledger.hold(&account, tokens(1), NOW)).is_none());
    ledger.settle(&account, tokens(10), epoch, tokens(10), NOW).unwrap();
    assert!(held(ledger.hold(&account, tokens(1), NOW)).is_none());
    let asked = store.1.get();
    assert!(ledger.is_short(&account, tokens(1), NOW).is_some());
    assert!(held(ledger.hold(&account, tokens(1), NOW)).is_none());
    assert_eq!(store.1.get(), asked);
    let next = Millis(3_600_000);
    assert!(ledger.is_short(&account, tokens(1), next).is_none());
    assert!(held(ledger.hold(&account, tokens(1), next)).is_some());
}

#[test]
fn a_raised_limit_holds_at_once() {
    let (store, leases) = (MemoryStore::default(), Leases::default());
    let ledger = Ledger::new(&store, EPOCH_MS).with_leases(&leases);
    let (before, after) = (account(token_limit(10)), account(token_limit(11)));
    let epoch = held(ledger.hold(&before, tokens(10), NOW)).unwrap();
    ledger.settle(&before, tokens(10), epoch, tokens(10), NOW).unwrap();
    assert!(held(ledger.hold(&before, tokens(1), NOW)).is_none());
    assert!(held(ledger.hold(&after, tokens(1), NOW)).is_some());
    assert!(held(ledger.hold(&after, tokens(1), NOW)).is_none());
}

#[test]
fn a_charge_beyond_what_is_held_is_written_at_once() {
    let (store, leases, account) = (MemoryStore::default(), Leases::default(), account(token_limit(100)));
    let ledger = Ledger::new(&store, EPOCH_MS).with_leases(&leases);
    held(ledger.hold(&account, tokens(8), NOW)).unwrap();
    let epoch = held(ledger.hold(&account, tokens(8), NOW)).unwrap();
    ledger.settle(&account, tokens(8), epoch, tokens(9), NOW).unwrap();
    assert_eq!(others_see(&store, &account, NOW), (tokens(9), tokens(8)));
}

#[test]
fn a_charge_that_cannot_be_written_is_not_lost() {
    let (store, leases, account) = (Counted::default(), Leases::default(), account(token_limit(100)));
    let ledger = Ledger::new(&store, EPOCH_MS).with_leases(&leases);
    let first = held(ledger.hold(&account, tokens(8), NOW)).unwrap();
    let second = held(ledger.hold(&account, tokens(8), NOW)).unwrap();
    store.2.set(true);
    ledger.settle(&account, tokens(8), first, tokens(5), NOW).unwrap();
    assert_eq!(ledger.settle(&account, tokens(8), second, tokens(6), NOW), Err(StoreError::Host(9)));
    assert_eq!(ledger.tick(NOW), Err(StoreError::Host(9)));
    assert_eq!(ledger.hold(&account, tokens(8), NOW), Err(StoreError::Host(9)));
    store.2.set(false);
    ledger.settle(&account, tokens(8), second, tokens(6), NOW).unwrap();
    let both = tokens(5).plus(tokens(6));
    assert_eq!(others_see(&store, &account, NOW), (both, Amounts::default()));
}

#[test]
fn a_lease_of_a_worker_that_died_is_forgotten_within_two_epochs() {
    let (store, account) = (MemoryStore::default(), account(token_limit(100)));
    let died = Leases::default();
    held(Ledger::new(&store, EPOCH_MS).with_leases(&died).hold(&account, tokens(100), NOW)).unwrap();
    assert_eq!(others_see(&store, &account, Millis(2 * EPOCH_MS)).1, Amounts::default());
}

#[test]
fn a_request_that_runs_for_many_epochs_keeps_its_hold_while_its_worker_lives() {
    let (store, leases, account) = (MemoryStore::default(), Leases::default(), account(token_limit(100)));
    let ledger = Ledger::new(&store, EPOCH_MS).with_leases(&leases);
    let epoch = held(ledger.hold(&account, tokens(60), NOW)).unwrap();
    for step in 1..9 {
        ledger.tick(Millis(step * EPOCH_MS)).unwrap();
    }
    let late = Millis(9 * EPOCH_MS - 1);
    assert_eq!(others_see(&store, &account, late).1, tokens(60));
    ledger.settle(&account, tokens(60), epoch, tokens(50), late).unwrap();
    assert_eq!(others_see(&store, &account, late), (tokens(50), Amounts::default()));
}

#[test]
fn requests_that_run_are_counted_for_all_where_their_number_is_limited() {
    let limits = Limits { concurrent: Some(3), requests: Some(1_000_000), ..Limits::default() };
    let (store, leases, account) = (MemoryStore::default(), Leases::default(), account(limits));
    let ledger = Ledger::new(&store, EPOCH_MS).with_leases(&leases);
    let first = held(ledger.hold(&account, tokens(1), NOW)).unwrap();
    held(ledger.hold(&account, tokens(1), NOW)).unwrap();
    ledger.settle(&account, tokens(1), first, tokens(1), NOW).unwrap();
    assert_eq!(others_see(&store, &account, NOW), (tokens(1), tokens(1)));
}

/// What happens at one of several workers.
#[derive(Clone, Debug)]
enum Step {
    Hold(u64),
    /// The request that is so far from the oldest, and its charge in percent of what it holds.
    Settle(usize, u64),
    Grow(usize, u64),
    Tick,
    /// Time passes, in milliseconds.
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let step = prop_oneof![
        4 => (1u64..40).prop_map(Step::Hold),
        4 => (any::<usize>(), 0u64..130).prop_map(|(which, percent)| Step::Settle(which, percent)),
        1 => (any::<usize>(), 0u64..20).prop_map(|(which, more)| Step::Grow(which, more)),
        1 => Just(Step::Tick),
        1 => (0u64..EPOCH_MS).prop_map(Step::Wait),
    ];
    prop::collection::vec((0usize..3, step), 1..250)
}

proptest! {
    /// Three workers in any order, with every tick in time: whatever is admitted fits in what is really spent and held
    /// by all, as long as no charge was larger than its hold; others never see less than what is; and when all
    /// requests have ended, what was spent is what was charged, and nothing is held.
    #[test]
    fn no_worker_finds_room_that_another_has_taken(steps in steps(), limit in prop_oneof![10u64..400, 40_000u64..90_000]) {
        let budget = Budget::new("team", [Dimension::Team], Calendar::utc(Window::Lifetime), token_limit(limit));
        let account = Account::new(&Rc::new(budget), "search", &["search"]);
        let store = MemoryStore::default();
        let workers = [Leases::default(), Leases::default(), Leases::default()];
        let ledgers = workers.each_ref().map(|leases| Ledger::new(&store, EPOCH_MS).with_leases(leases));
        let mut open: [Vec<(u64, u64)>; 3] = Default::default();
        let (mut now, mut spent) = (Millis(0), 0);
        for (worker, step) in steps {
            let (ledger, own) = (&ledgers[worker], &mut open[worker]);
            match step {
                Step::Hold(amount) => {
                    if let Some(epoch) = held(ledger.hold(&account, tokens(amount), now)) {
                        own.push((amount, epoch));
                        let really: u64 = open.iter().flatten().map(|(held, _)| held).sum();
                        prop_assert!(really + spent <= limit);
                    }
                }
                Step::Settle(which, percent) if !own.is_empty() => {
                    let (amount, epoch) = own.remove(which % own.len());
                    // A charge beyond its hold is what may pass a limit, so only where that is far.
                    let charge = amount * if limit > 9_000 { percent } else { percent.min(100) } / 100;
                    ledger.settle(&account, tokens(amount), epoch, tokens(charge), now).unwrap();
                    spent += charge;
                }
                Step::Grow(which, more) if !own.is_empty() => {
                    let at = which % own.len();
                    let (before, epoch) = own[at];
                    let grown = ledger.regrow(&account, (tokens(before), epoch), tokens(before + more), false, now);
                    if let Some(epoch) = held(grown) {
                        own[at] = (before + more, epoch);
                    }
                }
                Step::Settle(..) | Step::Grow(..) => {}
                Step::Tick => ledger.tick(now).unwrap(),
                Step::Wait(ms) => {
                    now = now.plus(ms);
                    for ledger in &ledgers {
                        ledger.tick(now).unwrap();
                    }
                }
            }
            let (seen_spent, seen_held) = others_see(&store, &account, now);
            let really: u64 = open.iter().flatten().map(|(held, _)| held).sum();
            prop_assert!(seen_spent.tokens() <= spent);
            prop_assert!(seen_spent.tokens() + seen_held.tokens() >= spent + really);
        }
        for (own, ledger) in open.iter_mut().zip(&ledgers) {
            for (amount, epoch) in own.drain(..) {
                ledger.settle(&account, tokens(amount), epoch, tokens(amount), now).unwrap();
                spent += amount;
            }
        }
        let (seen_spent, seen_held) = others_see(&store, &account, now);
        prop_assert_eq!((seen_spent.tokens(), seen_held), (spent, Amounts::default()));
    }
}
