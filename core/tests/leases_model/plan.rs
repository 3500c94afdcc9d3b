//! Decides which budgets a case has, how pushes change them, and what requests hold and cost.

use farebox_core::base::money::PicoUsd;
use farebox_core::base::window::Window;
use farebox_core::budget::ledger::{Amounts, AtLimit, Limits, Mode};

use crate::chance::Chance;
use crate::worker::{Config, Spec};
use crate::world::EPOCH_MS;

/// What may happen in a case.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Style {
    /// Store calls fail.
    pub(crate) fails: bool,
    /// Workers die.
    pub(crate) dies: bool,
    /// Configurations are pushed.
    pub(crate) pushes: bool,
    /// ... with epochs of another length, and epochs pass without a tick.
    pub(crate) epochs: bool,
    /// Windows end, and clocks differ.
    pub(crate) turns: bool,
    /// Every budget is strict and denies, and no charge is above its hold.
    pub(crate) strict: bool,
}

pub(crate) fn first(style: Style, chance: &mut Chance) -> Config {
    let window = Window::Lifetime;
    let mut spec = Spec { limits: limits(chance), window, mode: Mode::Hold, at_limit: AtLimit::Deny };
    if style.turns {
        spec.window = chance.pick(&[Window::Minute, Window::Hour]);
    }
    Config { specs: [spec, Spec { limits: limits(chance), ..spec }], epoch_ms: EPOCH_MS }
}

pub(crate) fn pushed(mut config: Config, style: Style, chance: &mut Chance) -> Config {
    let spec = &mut config.specs[chance.index(2)];
    match chance.from(0, 9) {
        0..4 => spec.limits = limits(chance),
        4 => spec.limits.concurrent = chance.one_in(2).then(|| chance.from(1, 9)),
        5 => spec.mode = chance.pick(&[Mode::Check, Mode::Hold, Mode::Hold, Mode::Strict]),
        6 => spec.at_limit = chance.pick(&[AtLimit::Shadow, AtLimit::Deny, AtLimit::Deny]),
        7 if style.epochs => config.epoch_ms = chance.pick(&[EPOCH_MS, 2 * EPOCH_MS, 3_600_000]),
        _ if style.turns => spec.window = chance.pick(&[Window::Minute, Window::Hour, Window::Day]),
        _ => {}
    }
    config
}

/// Some near, some far.
fn limits(chance: &mut Chance) -> Limits {
    let scale = chance.pick(&[1, 1, 40, 2_000]);
    let mut some = |one_in, most| chance.one_in(one_in).then(|| chance.from(most / 8, most) * scale);
    let limits = Limits {
        usd: some(2, 9_000).map(PicoUsd),
        tokens: some(2, 900),
        input_tokens: some(4, 700),
        output_tokens: some(4, 700),
        requests: some(3, 40),
        concurrent: None,
    };
    if limits.any() { limits } else { Limits { tokens: Some(900 * scale), ..limits } }
}

/// What a request holds.
pub(crate) fn amounts(style: Style, chance: &mut Chance) -> Amounts {
    let small = !style.strict && chance.one_in(10);
    let most = if small { 0 } else { 30 };
    of(chance.from(0, most), chance.from(0, most))
}

/// What it is charged in the end.
pub(crate) fn charge(style: Style, held: Amounts, chance: &mut Chance) -> Amounts {
    match chance.from(0, 4) {
        0 => Amounts::default(),
        1 => held,
        2 if !style.strict => {
            held.plus(Amounts { requests: 0, ..of(chance.from(0, 30), chance.from(0, 30)) })
        }
        _ => of(held.input / 2, held.output / chance.from(1, 5)),
    }
}

fn of(input: u64, output: u64) -> Amounts {
    Amounts { usd: PicoUsd(input * 3 + output * 11), input, output, requests: 1 }
}
