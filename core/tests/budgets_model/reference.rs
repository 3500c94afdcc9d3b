//! Decides what counters must say: a plain list of who holds what and a plain sum of what was charged.
//!
//! Fed with every write at the moment at which the store takes it. Knows nothing of how the ledger does it.

use std::collections::HashMap;
use std::rc::Rc;

use farebox_core::base::window::{Calendar, Millis, Window};
use farebox_core::budget::ledger::{Account, Amounts, AtLimit, Ledger, Limits, Mode, Store, WhenFull};

use crate::worker::EPOCH_MS;

/// The counters of every record.
#[derive(Default)]
pub(crate) struct Reference {
    records: HashMap<String, Vec<Expected>>,
    writes: u64,
    pub(crate) evicted: u64,
}

/// What the counter of one subject must say.
pub(crate) struct Expected {
    account: Rc<Account>,
    team: &'static str,
    state: State,
    /// Requests that may still charge it, with what they will.
    running: Vec<(u64, Amounts)>,
    /// The most that may be spent until somebody is admitted again: what is published.
    bound: [Option<u64>; 5],
}

#[derive(Clone, Default)]
struct State {
    window: u64,
    epoch: u64,
    spent: Amounts,
    holds: Vec<Held>,
    used_s: u64,
    order: u64,
    /// By which name it has a place in its record.
    tag: Option<Vec<u8>>,
}

#[derive(Clone)]
struct Held {
    id: u64,
    amounts: Amounts,
    epoch: u64,
}

/// A write that the store took.
pub(crate) struct Event<'a> {
    pub(crate) account: &'a Rc<Account>,
    pub(crate) team: &'static str,
    pub(crate) id: u64,
    pub(crate) kind: Kind,
    pub(crate) now: Millis,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// An admission holds; the request will be charged so much in the end.
    Hold {
        amounts: Amounts,
        charge: Amounts,
    },
    Grow {
        amounts: Amounts,
    },
    Settle {
        charge: Amounts,
    },
}

impl State {
    fn roll(&mut self, calendar: Calendar, now: Millis) {
        let window = begins_at(calendar, now);
        if window > self.window {
            (self.window, self.spent) = (window, Amounts::default());
        }
        self.epoch = self.epoch.max(now.0 - now.0 % EPOCH_MS);
        let epoch = self.epoch;
        self.holds.retain(|held| held.epoch + EPOCH_MS >= epoch);
    }

    fn held(&self) -> Amounts {
        self.holds.iter().fold(Amounts::default(), |sum, held| sum.plus(held.amounts))
    }

    /// Whether there is room for `amounts`.
    fn fits(&self, amounts: Amounts, limits: &Limits, mode: Mode) -> bool {
        let (spent, held) = (measures(self.spent), measures(self.held()));
        let wanted = measures(amounts);
        let fits = |at: usize, limit: Option<u64>| match limit {
            Some(limit) if mode == Mode::Check && at < 4 => spent[at] < limit,
            Some(limit) => spent[at] + held[at] + wanted[at] <= limit,
            None => true,
        };
        let turn = limits.concurrent.is_none_or(|limit| (self.holds.len() as u64) < limit);
        turn && limits_of(limits).into_iter().enumerate().all(|(at, limit)| fits(at, limit))
    }

    fn is_remembered(&self, forget_ms: u64, now: Millis) -> bool {
        let idle_s = (now.0 / 1_000).saturating_sub(self.used_s);
        !self.holds.is_empty() || (self.spent != Amounts::default() && idle_s < forget_ms / 1_000)
    }
}

impl Reference {
    fn expected(&mut self, account: &Rc<Account>, team: &'static str) -> &mut Expected {
        let all = self.records.entry(account.record.to_string()).or_default();
        // What callers name is told apart by the team that pays.
        let shared = !account.budget.is_claimed();
        let own = |one: &Expected| (shared || one.team == team) && one.account.subject == account.subject;
        let at = all.iter().position(own).unwrap_or_else(|| {
            let (account, state) = (Rc::clone(account), State::default());
            all.push(Expected { account, team, state, running: Vec::new(), bound: [None; 5] });
            all.len() - 1
        });
        &mut all[at]
    }

    /// Whether a hold of `amounts` finds room at `now`, and whether its subject finds a place.
    pub(crate) fn judge(
        &mut self,
        account: &Rc<Account>,
        team: &'static str,
        amounts: Amounts,
        now: Millis,
    ) -> (bool, bool) {
        let budget = &account.budget;
        let mut state = self.expected(account, team).state.clone();
        state.roll(budget.window, now);
        let fits = state.fits(amounts, &account.limits, budget.mode);
        if !budget.is_claimed() || state.tag.is_some() {
            return (fits, true);
        }
        let others = self.records[&*account.record].iter().filter(|one| one.state.tag.is_some());
        let (mut remembered, mut idle) = (0, 0);
        others.for_each(|one| {
            let mut state = one.state.clone();
            state.roll(budget.window, now);
            remembered += u64::from(state.is_remembered(budget.forget_ms, now));
            idle += u64::from(state.is_remembered(budget.forget_ms, now) && state.holds.is_empty());
        });
        let gives_way = if budget.when_full == WhenFull::Evict { idle } else { 0 };
        (fits, remembered - gives_way < places(budget.slots))
    }

    /// Takes note of a write, which left `stored` in the record.
    pub(crate) fn wrote<S: Store>(&mut self, event: &Event<'_>, stored: &[u8], store: &S) {
        let Event { account, team, id, now, kind } = *event;
        self.writes += 1;
        let order = self.writes;
        let own = self.expected(account, team);
        own.account = Rc::clone(account);
        let new = own.state.tag.is_none();
        own.state.roll(account.budget.window, now);
        (own.state.order, own.state.used_s) = (order, now.0 / 1_000);
        match kind {
            Kind::Hold { amounts, charge } => own.admitted(id, amounts, charge),
            Kind::Grow { amounts } => {
                own.state.holds.retain(|held| held.id != id);
                own.state.holds.push(Held { id, amounts, epoch: own.state.epoch });
            }
            Kind::Settle { charge } => {
                own.state.holds.retain(|held| held.id != id);
                own.running.retain(|(running, _)| *running != id);
                own.state.spent = own.state.spent.plus(charge);
                let over = measures(own.state.spent)
                    .into_iter()
                    .zip(own.bound)
                    .find(|(spent, bound)| bound.is_some_and(|bound| *spent > bound));
                assert_eq!(over, None, "{} spent more than the published bound", account.record);
            }
        }
        if account.budget.is_claimed() {
            self.check_places(event, new, stored);
        }
        self.check(&account.record, account, now, store);
    }

    /// The request has ended and charges nothing.
    pub(crate) fn gone(&mut self, id: u64) {
        let all = self.records.values_mut().flatten();
        all.for_each(|one| one.running.retain(|(running, _)| *running != id));
    }

    /// Whether anything is held for the request.
    pub(crate) fn holds(&self, id: u64, now: Millis) -> bool {
        self.records.values().flatten().any(|one| {
            one.state
                .holds
                .iter()
                .any(|held| held.id == id && held.epoch + EPOCH_MS >= now.0 - now.0 % EPOCH_MS)
        })
    }

    /// A record was emptied.
    pub(crate) fn emptied(&mut self, record: &str, now: Millis) {
        for one in self.records.get_mut(record).into_iter().flatten() {
            one.state.roll(Calendar::utc(Window::Lifetime), now);
            assert!(one.state.holds.is_empty(), "{record} was emptied with something held");
            one.state = State::default();
        }
    }

    /// Every counter says what is expected at `now`.
    pub(crate) fn check_all<S: Store>(&self, now: Millis, store: &S) {
        for (record, all) in &self.records {
            all.iter().for_each(|one| self.check(record, &one.account, now, store));
        }
    }

    /// Nothing is held anywhere.
    pub(crate) fn check_nothing_held<S: Store>(&self, now: Millis, store: &S) {
        let ledger = Ledger::new(store, EPOCH_MS);
        for one in self.records.values().flatten() {
            assert_eq!(ledger.read(&one.account, now).unwrap().held(), Amounts::default());
        }
    }

    fn check<S: Store>(&self, record: &str, by: &Account, now: Millis, store: &S) {
        let ledger = Ledger::new(store, EPOCH_MS);
        for one in &self.records[record] {
            let account = if by.budget.is_claimed() {
                Account::new(&by.budget, one.team, &[&one.account.subject])
            } else {
                by.clone()
            };
            let mut state = one.state.clone();
            state.roll(by.budget.window, now);
            let counter = ledger.read(&account, now).unwrap();
            let expected = (state.spent, state.held());
            assert_eq!((counter.spent(), counter.held()), expected, "{record} of {}", one.account.subject);
        }
    }

    /// Who lost its place might do so, and there are no more places taken than there are.
    fn check_places(&mut self, event: &Event<'_>, new: bool, stored: &[u8]) {
        let Event { account, team, now, .. } = *event;
        let budget = &account.budget;
        let mut tags = tags(stored);
        assert!(!new || tags.len() as u64 <= places(budget.slots), "{} entries", tags.len());
        let own = self.expected(account, team);
        own.state.tag = if own.state.is_remembered(u64::MAX, now) { tags.last().cloned() } else { None };
        if own.state.tag.is_none() {
            own.state = State::default();
        }
        let order = own.state.order;
        let all = self.records.get_mut(&*account.record).unwrap();
        let (mut oldest_kept, mut youngest_evicted) = (u64::MAX, 0);
        for one in all.iter_mut().filter(|one| one.state.order != order && one.state.tag.is_some()) {
            let mut state = one.state.clone();
            state.roll(budget.window, now);
            if tags.contains(state.tag.as_ref().unwrap()) {
                if state.holds.is_empty() {
                    oldest_kept = oldest_kept.min(state.order);
                }
                continue;
            }
            assert!(new, "somebody known took the place of {}", one.account.subject);
            if state.is_remembered(budget.forget_ms, now) {
                assert!(state.holds.is_empty(), "{} runs and was evicted", one.account.subject);
                assert_eq!((budget.when_full, tags.len() as u64), (WhenFull::Evict, places(budget.slots)));
                youngest_evicted = youngest_evicted.max(state.order);
                self.evicted += 1;
            }
            one.state = State::default();
        }
        assert!(youngest_evicted < oldest_kept, "somebody was evicted who was used later than another");
        let known = all.iter().filter_map(|one| one.state.tag.clone()).collect::<Vec<_>>();
        tags.retain(|tag| !known.contains(tag));
        assert!(tags.is_empty(), "somebody has a place who was never here");
    }
}

impl Expected {
    fn admitted(&mut self, id: u64, amounts: Amounts, charge: Amounts) {
        let Account { budget, limits, .. } = &*self.account;
        let denies = budget.at_limit == AtLimit::Deny;
        assert!(!denies || self.state.fits(amounts, limits, budget.mode), "admitted without room");
        self.state.holds.push(Held { id, amounts, epoch: self.state.epoch });
        self.running.push((id, charge));
        let bound = |(at, limit): (usize, Option<u64>)| {
            let excess = |(id, charge): &(u64, Amounts)| {
                let held = self.state.holds.iter().find(|held| held.id == *id && budget.mode != Mode::Check);
                measures(*charge)[at].saturating_sub(held.map_or(0, |held| measures(held.amounts)[at]))
            };
            limit.filter(|_| denies).map(|limit| limit + self.running.iter().map(excess).sum::<u64>())
        };
        let limits = limits_of(limits);
        self.bound = core::array::from_fn(|at| bound((at, limits[at])));
    }

    /// What is spent is within the limits that the account had last.
    fn is_within(&self) -> bool {
        let limits = limits_of(&self.account.limits);
        measures(self.state.spent)
            .into_iter()
            .zip(limits)
            .all(|(spent, limit)| limit.is_none_or(|limit| spent <= limit))
    }
}

impl Reference {
    /// No counter says that more is spent than its limit.
    pub(crate) fn check_within(&self) {
        let over = self.records.values().flatten().find(|one| !one.is_within());
        assert_eq!(over.map(|one| &one.account.record), None, "a strict budget is overspent");
    }
}

/// Places in a record: the average, four times its square root, and four.
fn places(slots: u32) -> u64 {
    let average = u64::from(slots / 1_024).max(1);
    average + 4 * average.isqrt() + 4
}

/// Who has a place in a record.
fn tags(stored: &[u8]) -> Vec<Vec<u8>> {
    let (mut tags, mut rest) = (Vec::new(), &stored[1..]);
    while !rest.is_empty() {
        tags.push(rest[..16].to_vec());
        rest = &rest[17 + usize::from(rest[16])..];
    }
    tags
}

fn measures(amounts: Amounts) -> [u64; 5] {
    let Amounts { usd, input, output, requests } = amounts;
    [usd.0, input + output, input, output, requests]
}

fn limits_of(limits: &Limits) -> [Option<u64>; 5] {
    let Limits { usd, tokens, input_tokens, output_tokens, requests, .. } = *limits;
    [usd.map(|usd| usd.0), tokens, input_tokens, output_tokens, requests]
}

/// When the window of a moment began, by arithmetic.
fn begins_at(calendar: Calendar, now: Millis) -> u64 {
    let length = match calendar.window {
        Window::Minute => 60_000,
        Window::Hour => 3_600_000,
        Window::Day => 86_400_000,
        _ => return 0,
    };
    let local = now.0.checked_add_signed(calendar.offset_minutes * 60_000).unwrap();
    (local - local % length).checked_add_signed(-calendar.offset_minutes * 60_000).unwrap()
}
