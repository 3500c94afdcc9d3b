//! What an operator sees of the ledger: how far it lags behind, what was not said to it, how long it was away.

use super::ledger::{answer_next, fail_next, start, waiting};
use super::{ANSWER, JSON, PLAIN, config};
use crate::fake_host::{self, FakeVm, Stream, counter, gauge};

const LAG: &str = "farebox_ledger_lag_ms";
const MONEY: &str = "farebox_ledger_unsent_nano_usd";
const AWAY: &str = "farebox_ledger_outage_seconds_total";

/// A request that the ledger lets through and that ends.
fn charged(vm: &FakeVm) {
    let mut stream = waiting(vm, PLAIN);
    vm.turn();
    answer_next(vm, 10, 0);
    assert!(stream.go_on());
    end(stream);
}

fn end(mut stream: Stream) {
    stream.answer(200, JSON, false);
    stream.answer_body(ANSWER.as_bytes(), true);
    assert_eq!(stream.log()["outcome"], "ok");
}

/// So much later, with the timer every quarter of a second.
fn pass(vms: &[&FakeVm], ms: u64) {
    for _ in 0..ms / 250 {
        fake_host::advance(250);
        vms.iter().for_each(|vm| vm.tick());
    }
}

fn answer_all(vm: &FakeVm) {
    while !vm.calls().is_empty() {
        answer_next(vm, 10, 0);
    }
}

#[test]
fn what_was_not_said_to_the_ledger_is_one_sum_over_all_workers_and_as_old_as_the_oldest() {
    let one = start(|_| {});
    let two = FakeVm::another(&config(super::ledger::shared));
    charged(&one);
    pass(&[&one], 2_000);
    let alone = gauge(MONEY).unwrap();
    assert!(alone > 0 && gauge(LAG) >= Some(1_000), "{alone} {:?}", gauge(LAG));
    charged(&two);
    pass(&[&one, &two], 2_000);
    assert_eq!(gauge(MONEY), Some(2 * alone), "one worker does not take away what another has");
    assert!(gauge(LAG) >= Some(3_000), "{:?}", gauge(LAG));

    answer_all(&two);
    pass(&[&two], 1_000);
    assert_eq!(gauge(MONEY), Some(alone));
    answer_all(&one);
    pass(&[&one, &two], 1_000);
    assert_eq!((gauge(MONEY), gauge(LAG)), (Some(0), Some(0)));
}

#[test]
fn what_a_worker_that_died_had_to_say_is_not_shown_for_ever() {
    let (one, two) = (start(|_| {}), FakeVm::another(&config(super::ledger::shared)));
    charged(&one);
    charged(&two);
    pass(&[&one, &two], 1_000);
    let both = gauge(MONEY).unwrap();
    drop(one);
    answer_all(&two);
    pass(&[&two], 1_000);
    assert_eq!(gauge(MONEY), Some(both / 2));
    for _ in 0..32 {
        answer_all(&two);
        pass(&[&two], 1_000);
    }
    assert_eq!((gauge(MONEY), gauge(LAG)), (Some(0), Some(0)));
}

#[test]
fn the_seconds_without_a_ledger_are_counted_from_its_last_word() {
    let vm = start(|_| {});
    charged(&vm);
    assert_eq!(counter(AWAY), None);
    for _ in 0..20 {
        pass(&[&vm], 250);
        while !vm.calls().is_empty() {
            fail_next(&vm, Some(503));
        }
    }
    let away = counter(AWAY).unwrap();
    assert!((4..=5).contains(&away), "{away}");
    assert_eq!(counter("farebox_ledger_outages_total"), Some(1));
    for _ in 0..20 {
        pass(&[&vm], 250);
        answer_all(&vm);
    }
    assert!(counter(AWAY).unwrap() <= away + 1);
}
