//! Decides what one VM does for one account: a component for each window that still counts, what is spared for the
//! next requests, and which refusals are remembered.
//!
//! Far from a limit there is some to spare, as much as the requests of the last second and those until the next push would
//! hold, and no request waits for the ledger. Near it there is none, and requests ask. The ledger decides which it is (`tight`).
//!
//! A charge counts in the window of its hold, where its room was taken. So a new window begins with nothing in it,
//! however much runs, and an old one is kept until all of it was said.

mod refusal;

use std::rc::Rc;

use super::Settings;
use super::component::{Component, Wish};
use super::exchange::Bound;
use super::share_id::ShareId;
use crate::base::money::PicoUsd;
use crate::base::window::Millis;
use crate::budget::ledger::{Account, Amounts, Limits, Mode, RegisteredLimits, WhenFull};

/// Requests beyond those of the last second that there is to spare for.
const SPARE: u64 = 2;
/// The span in which requests are counted, in milliseconds.
const SPAN_MS: u64 = 1_000;
/// How long after the last request there is something to spare, in milliseconds.
const KEEP_MS: u64 = 60_000;
/// How long what is idle and may be asked for again is remembered, in milliseconds.
const FORGET_MS: u64 = 3_600_000;

/// What one VM has of one account.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) id: Rc<ShareId>,
    pub(super) account: Account,
    /// Which of the links has its ledger.
    pub(super) link: usize,
    /// Oldest window first; the last one is current.
    pub(super) windows: Vec<Component>,
    /// Requests that run at one time, if they are or were limited.
    pub(super) running: Option<Component>,
    /// Requests that run, whether they are limited or not: a limit may come while they do.
    runs: u64,
    /// The ledger has no room to spare for everyone.
    pub(super) tight: bool,
    /// Requests that wait for room in it.
    pub(super) waiting: u32,
    /// What the ledger has under its name is not an account.
    pub(super) unreadable: bool,
    /// Until when there are too many subjects.
    crowded_until: Option<Millis>,
    refused: Option<Refused>,
    /// As large as a large request of late.
    unit: Amounts,
    /// Requests in this span and in the one before.
    spans: (u64, u64, u64),
    last_request: Millis,
}

/// A refusal, for requests that are as large.
#[derive(Clone, Copy, Debug)]
struct Refused {
    until: Millis,
    amounts: Amounts,
}

/// Which of an account's components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// That of the window that begins then.
    Window(u64),
    /// That of the requests that run.
    Running,
}

impl Share {
    pub(super) fn new(id: Rc<ShareId>, account: &Account, link: usize, now: Millis) -> Self {
        Self {
            id,
            account: account.clone(),
            link,
            windows: Vec::with_capacity(1),
            running: None,
            runs: 0,
            tight: false,
            waiting: 0,
            unreadable: false,
            crowded_until: None,
            refused: None,
            unit: Amounts::default(),
            spans: (0, 0, 0),
            last_request: now,
        }
    }

    /// The budget is as `account` has it from now on: a request of that configuration has come. One that ends may be of
    /// an older one.
    pub(super) fn is_of(&mut self, account: &Account) {
        if !Rc::ptr_eq(&self.account.budget, &account.budget) || self.account.limits != account.limits {
            self.account = account.clone();
            self.refused = None;
        }
    }

    /// The registry gives these limits from now on: whoever was refused may ask again. Says whether that changes any.
    pub(super) fn obey(&mut self, limits: Option<&RegisteredLimits>) -> bool {
        let Account { budget, subject, limits: before, .. } = &mut self.account;
        let configured = budget.limits_of(subject);
        let after = limits.map_or(configured, |limits| limits.over(configured, &budget.name, subject));
        if *before == after {
            return false;
        }
        *before = after;
        self.refused = None;
        true
    }

    /// The component of the window at `time`, which is the ledger's. `number` gives a new one its number.
    pub(super) fn current(&mut self, time: Millis, number: &mut u64, now: Millis) -> Option<&mut Component> {
        if !self.windows.last().is_some_and(|last| last.is_current(time)) {
            let window = self.account.budget.window;
            let from = window.begins_at(time).0;
            let till = window.resets_at(time).map_or(0, |till| till.0);
            // A clock that steps back finds the window that it had.
            if let Some(at) = self.windows.iter().position(|known| known.from == from) {
                let known = self.windows.remove(at);
                self.windows.push(known);
            } else {
                *number += 1;
                self.windows.push(Component::new(*number, (from, till), now));
                self.refused = None;
            }
        }
        self.windows.last_mut()
    }

    /// The component that a hold of the window that began at `from` is part of; of a window that is forgotten, the
    /// present one.
    pub(super) fn of_window(&mut self, from: u64) -> Option<&mut Component> {
        let at = self.windows.iter().position(|known| known.from == from);
        match at {
            Some(at) => self.windows.get_mut(at),
            None => self.windows.last_mut(),
        }
    }

    pub(super) fn part(&mut self, part: Part) -> Option<&mut Component> {
        match part {
            Part::Window(from) => self.windows.iter_mut().find(|known| known.from == from),
            Part::Running => self.running.as_mut(),
        }
    }

    /// The component of the requests that run, those among them that began before they were limited. `number` gives a
    /// new one its number.
    pub(super) fn lanes(&mut self, number: &mut u64, now: Millis) -> &mut Component {
        let runs = self.runs;
        self.running.get_or_insert_with(|| {
            *number += 1;
            let mut lanes = Component::new(*number, (0, 0), now);
            lanes.held.requests = runs;
            lanes
        })
    }

    /// So many requests more run.
    pub(super) fn begin(&mut self, requests: u64) {
        self.runs = self.runs.saturating_add(requests);
        if let Some(running) = &mut self.running {
            running.held.requests = running.held.requests.saturating_add(requests);
        }
    }

    /// So many of them run no longer.
    pub(super) fn end(&mut self, requests: u64) {
        self.runs = self.runs.saturating_sub(requests);
        if let Some(running) = &mut self.running {
            running.held.requests = running.held.requests.saturating_sub(requests);
        }
    }

    /// Whether requests run that are not counted as that.
    pub(super) fn runs_uncounted(&self) -> bool {
        self.runs > 0 && self.running.is_none()
    }

    /// The limits of `part`, as the ledger has to keep them.
    pub(super) fn limits(&self, part: Part) -> Limits {
        match part {
            Part::Window(_) => Limits { concurrent: None, ..self.account.limits },
            Part::Running => Limits { requests: self.account.limits.concurrent, ..Limits::default() },
        }
    }

    /// A request that holds `amounts` has come.
    pub(super) fn came(&mut self, amounts: Amounts, now: Millis) {
        self.unit = sixteenth_less(self.unit).max(amounts);
        let span = now.0 / SPAN_MS;
        let (last, count, _) = self.spans;
        if span != last {
            self.spans = (span, 0, if span == last + 1 { count } else { 0 });
        }
        self.spans.1 += 1;
        self.last_request = now;
    }

    /// Requests in the last second.
    fn recent(&self, now: Millis) -> u64 {
        let (span, count, before) = self.spans;
        match (now.0 / SPAN_MS).saturating_sub(span) {
            0 => count.max(before),
            1 => count,
            _ => 0,
        }
    }

    /// What is wished for at `now` in `part`, of which the ledger hears again in `round_ms`: what comes until then, and as
    /// much as came in the last second besides, because it may be more.
    pub(super) fn wish(&self, part: Part, round_ms: u64, now: Millis) -> Wish {
        let is_current = match part {
            Part::Window(from) => self.windows.last().is_some_and(|last| last.from == from),
            Part::Running => self.account.limits.concurrent.is_some(),
        };
        let holds = self.account.budget.mode != Mode::Check || part == Part::Running;
        let has_come = self.unit != Amounts::default();
        let units = if is_current && holds && has_come && now.since(self.last_request) < KEEP_MS {
            let recent = self.recent(now);
            recent.saturating_add(recent.saturating_mul(round_ms) / SPAN_MS).saturating_add(SPARE)
        } else {
            0
        };
        let unit = if part == Part::Running { Amounts::REQUEST } else { self.unit };
        Wish { unit, units, keeps: !self.tight }
    }

    /// Whether requests have come lately.
    pub(super) fn is_busy(&self, now: Millis) -> bool {
        self.recent(now) > 0 || self.tight
    }

    /// Milliseconds since the last request.
    pub(super) fn idle_ms(&self, now: Millis) -> u64 {
        now.since(self.last_request)
    }

    /// The ledger lost something: all is to be said again.
    pub(super) fn check(&mut self) {
        self.windows.iter_mut().chain(&mut self.running).for_each(Component::check);
    }

    /// The key of its account in the ledger.
    pub(super) fn key(&self, settings: &Settings, part: Part) -> String {
        let Account { budget, record, .. } = &self.account;
        // The record of a counter in shared data: `fb/2/<budget>/<subject>`, or `…@<team>#<bucket>` for many subjects.
        let subject = record.splitn(4, '/').nth(3).unwrap_or(record);
        let start = format!("{}:{{{}}}:", settings.prefix, budget.name);
        let subject = match &self.id.tag {
            Some(tag) => {
                let team = subject.rsplit_once('#').map_or(subject, |(team, _)| team);
                let hash: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("{team}#{hash}")
            }
            None => subject.to_owned(),
        };
        match part {
            Part::Window(from) => format!("{start}{subject}:{from}"),
            Part::Running => format!("{start}{subject}:running"),
        }
    }

    /// How many subjects its team may make, if callers name them.
    pub(super) fn bound(&self, time: Millis) -> Option<Bound> {
        let budget = &self.account.budget;
        if !self.account.is_in_slot() || budget.when_full == WhenFull::Evict {
            return None;
        }
        let team = self.account.record.rsplit_once('#').map_or("", |(team, _)| team);
        let team = team.rsplit_once('@').map_or("", |(_, team)| team);
        let name = format!("{}/{}", budget.name, team).replace(char::is_whitespace, "_");
        let begins = budget.window.begins_at(time).0;
        let ends = budget.window.resets_at(time).is_some();
        let stamp = if ends { begins } else { time.0 / budget.forget_ms.max(1) };
        Some(Bound { name, stamp, most: budget.slots.into() })
    }

    /// When the window of `part` ends and how long its account is kept after that, in milliseconds; 0: for ever.
    pub(super) fn ends(&self, settings: &Settings, part: Part) -> (u64, u64) {
        let till = match part {
            Part::Window(from) => {
                self.windows.iter().find(|window| window.from == from).map_or(0, |window| window.till)
            }
            Part::Running => 0,
        };
        let budget = &self.account.budget;
        let tail = match till {
            0 if self.account.is_in_slot() => budget.forget_ms,
            0 => 0,
            _ => settings.tail_ms,
        };
        (till, tail)
    }

    /// Whether nothing of it is worth remembering.
    /// `crowded`: there are many, so what callers name is forgotten as soon as it holds nothing.
    pub(super) fn is_forgotten(&self, crowded: bool, time: Millis, now: Millis) -> bool {
        let budget = &self.account.budget;
        let forget_ms = match (self.account.is_in_slot(), crowded) {
            (true, true) => 0,
            (true, false) => budget.forget_ms.min(FORGET_MS),
            (false, _) => FORGET_MS,
        };
        let is_over = self.windows.last().is_none_or(|last| !last.is_current(time));
        let is_old = is_over || self.account.is_in_slot() || budget.window.resets_at(time).is_none();
        let is_done = |part: &Component| part.is_done() && part.has_nothing_to_spare();
        self.waiting == 0
            && is_old
            && self.idle_ms(now) >= if is_over { forget_ms.min(KEEP_MS) } else { forget_ms }
            && self.parts().all(|(_, part)| is_done(part))
    }

    /// Every component with what it is.
    pub(super) fn parts(&self) -> impl Iterator<Item = (Part, &Component)> {
        let windows = self.windows.iter().map(|window| (Part::Window(window.from), window));
        windows.chain(self.running.iter().map(|running| (Part::Running, running)))
    }

    /// Forgets windows that are over at `time` and of which everything was said, and what nobody can say any more.
    pub(super) fn retire(&mut self, time: Millis, tail_ms: u64, now: Millis) {
        let mut late = Amounts::default();
        let last = self.windows.last().map(|last| last.from);
        self.windows.retain(|window| {
            let is_over = window.till != 0 && time.0 >= window.till && Some(window.from) != last;
            let is_past = is_over && time.0 >= window.till.saturating_add(tail_ms);
            if is_past && window.held == Amounts::default() {
                late = late.plus(window.unsaid());
                return false;
            }
            !(is_over && window.is_done())
        });
        // The ledger has forgotten that window: it counts in the present one.
        if late != Amounts::default()
            && let Some(last) = self.windows.last_mut()
        {
            last.charge(late, now);
        }
    }
}

fn sixteenth_less(amounts: Amounts) -> Amounts {
    let less = |part: u64| part - part / 16;
    Amounts {
        usd: PicoUsd(less(amounts.usd.0)),
        input: less(amounts.input),
        output: less(amounts.output),
        requests: less(amounts.requests),
    }
}
