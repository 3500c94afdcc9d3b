//! Decides which budgets a case has, how pushes change them, and what requests want.

use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use farebox_core::base::money::PicoUsd;
use farebox_core::base::window::{Calendar, Window};
use farebox_core::budget::hold::Wanted;
use farebox_core::budget::ledger::{
    Account, Amounts, AtLimit, Budget, Dimension, Limits, Mode, Running, WhenFull,
};

use crate::chance::Chance;

/// A budget as it is sent to workers, which each build their own.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    pub(crate) per: Vec<Dimension>,
    pub(crate) window: Calendar,
    pub(crate) limits: Limits,
    pub(crate) mode: Mode,
    pub(crate) at_limit: AtLimit,
    pub(crate) running: Running,
    pub(crate) slots: u32,
    pub(crate) when_full: WhenFull,
    pub(crate) forget_ms: u64,
}

pub(crate) type Config = Arc<Vec<Spec>>;

/// A request that a script makes.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) id: u64,
    pub(crate) team: &'static str,
    pub(crate) model: &'static str,
    /// Also its text, for budgets of repeated requests.
    pub(crate) session: &'static str,
    pub(crate) wanted: Wanted,
    /// What it will cost in the end.
    pub(crate) charge: Amounts,
}

/// How wild a case is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Anything may happen.
    Wild,
    /// Every budget is strict and denies, no charge is above its hold, limits stay.
    Strict,
}

/// Names of sessions of each team that all fall into one record, more than it has places for.
pub(crate) static SESSIONS: LazyLock<[Vec<&'static str>; 2]> = LazyLock::new(|| TEAMS.map(sessions));
const TEAMS: [&str; 2] = ["red", "blue"];

fn sessions(team: &'static str) -> Vec<&'static str> {
    let calendar = Calendar::utc(Window::Day);
    let budget = Rc::new(Budget::new("any", [Dimension::Session], calendar, Limits::default()));
    let names = (0..).map(|number| format!("s{number}"));
    let together = names.filter(|name| Account::new(&budget, team, &[name]).record.ends_with("#7"));
    together.take(24).map(|name| &*name.leak()).collect()
}

impl Spec {
    pub(crate) fn build(&self) -> Rc<Budget> {
        let mut budget = Budget::new(self.name, self.per.clone(), self.window, self.limits);
        (budget.mode, budget.at_limit, budget.running) = (self.mode, self.at_limit, self.running);
        (budget.slots, budget.when_full, budget.forget_ms) = (self.slots, self.when_full, self.forget_ms);
        Rc::new(budget)
    }
}

impl Request {
    pub(crate) fn new(id: u64, style: Style, chance: &mut Chance) -> Self {
        let team = chance.index(TEAMS.len());
        let (input, output) = (chance.from(0, 30), chance.from(0, 30));
        let of = |input: u64, output: u64| Amounts {
            usd: PicoUsd(input * 3 + output * 11),
            input,
            output,
            requests: 1,
        };
        let most = of(input + chance.from(0, 9), output + chance.from(0, 9));
        let charge = match chance.from(0, 3) {
            0 if style == Style::Wild => of(input + chance.from(0, 40), output + chance.from(0, 40)),
            1 => most,
            2 => Amounts::default(),
            _ => of(input / 2, output),
        };
        Self {
            id,
            team: TEAMS[team],
            model: chance.pick(&["large", "small"]),
            session: chance.pick(&SESSIONS[team]),
            wanted: Wanted { most, ..Wanted::exactly(of(input, output)) },
            charge,
        }
    }

    /// What it is expected to use later on.
    pub(crate) fn grown(&self, chance: &mut Chance) -> Amounts {
        let more =
            Amounts { output: chance.from(0, 40), usd: PicoUsd(chance.from(0, 300)), ..Default::default() };
        self.wanted.expected.plus(more)
    }

    pub(crate) fn accounts(&self, budgets: &[Rc<Budget>]) -> Vec<Rc<Account>> {
        let value = |dimension: &Dimension| match dimension {
            Dimension::Team => self.team,
            Dimension::Model => self.model,
            _ => self.session,
        };
        let account = |budget: &Rc<Budget>| {
            let values: Vec<&str> = budget.per.iter().map(value).collect();
            Rc::new(Account::new(budget, self.team, &values))
        };
        budgets.iter().map(account).collect()
    }
}

/// The budgets a case begins with.
pub(crate) fn first(style: Style, chance: &mut Chance) -> Vec<Spec> {
    let pers: [(&'static str, &[Dimension]); 5] = [
        ("all", &[]),
        ("team", &[Dimension::Team]),
        ("mix", &[Dimension::Team, Dimension::Model]),
        ("talk", &[Dimension::Session]),
        ("repeat", &[Dimension::Request]),
    ];
    let mut specs = Vec::new();
    for (name, per) in pers {
        if chance.one_in(4) {
            continue;
        }
        let mut spec = Spec {
            name,
            per: per.to_vec(),
            window: Calendar::utc(Window::Hour),
            limits: Limits::default(),
            mode: Mode::Hold,
            at_limit: AtLimit::Deny,
            running: Running::Finish,
            slots: 1,
            when_full: WhenFull::Deny,
            forget_ms: 0,
        };
        (0..9).for_each(|what| change(&mut spec, what, style, chance));
        specs.push(spec);
    }
    specs
}

/// The budgets after a push, of which `all` there might be.
pub(crate) fn pushed(before: &[Spec], all: &[Spec], style: Style, chance: &mut Chance) -> Vec<Spec> {
    let mut specs = before.to_vec();
    if specs.is_empty() || chance.one_in(3) {
        // One that is not there comes (back), or one that is there goes.
        let name = chance.pick(all).name;
        match specs.iter().position(|spec| spec.name == name) {
            Some(at) => drop(specs.remove(at)),
            None => specs.extend(all.iter().find(|spec| spec.name == name).cloned()),
        }
    } else {
        let at = chance.index(specs.len());
        let what = chance.from(0, 8);
        change(&mut specs[at], what, style, chance);
    }
    specs
}

fn change(spec: &mut Spec, what: u64, style: Style, chance: &mut Chance) {
    match what {
        0 if style == Style::Strict && spec.limits.any() => {}
        0 => spec.limits = limits(chance),
        1 => {
            let window = chance.pick(&[Window::Minute, Window::Hour, Window::Day, Window::Lifetime]);
            let offset_minutes = [0, 30, -90, 765][chance.index(4)];
            spec.window = Calendar { window, offset_minutes };
        }
        2 if style == Style::Strict => spec.mode = Mode::Strict,
        2 => spec.mode = chance.pick(&[Mode::Check, Mode::Hold, Mode::Strict]),
        3 if style == Style::Wild && chance.one_in(6) => spec.at_limit = AtLimit::Shadow,
        3 => spec.at_limit = AtLimit::Deny,
        4 => spec.running = if chance.one_in(4) { Running::Cut } else { Running::Finish },
        5 => spec.slots = chance.pick(&[1, 1, 3_000, 5_000]),
        6 | 7 => spec.when_full = chance.pick(&[WhenFull::Deny, WhenFull::Allow, WhenFull::Evict]),
        _ => spec.forget_ms = chance.pick(&[60_000, 900_000, 86_400_000]),
    }
}

fn limits(chance: &mut Chance) -> Limits {
    let mut some = |one_in, most| chance.one_in(one_in).then(|| chance.from(most / 8, most));
    let limits = Limits {
        usd: some(2, 3_000).map(PicoUsd),
        tokens: some(2, 500),
        input_tokens: some(4, 300),
        output_tokens: some(4, 300),
        requests: some(3, 24),
        concurrent: some(3, 8),
    };
    if limits.any() { limits } else { Limits { tokens: Some(200), ..limits } }
}
