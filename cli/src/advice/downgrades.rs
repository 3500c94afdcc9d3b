//! Decides which cheaper models of budgets are none: dearer, served to nobody who is sent there, or none that those may
//! ask for.
//!
//! Judged is what is known before there are requests: the models with a name of their own that a step is for. Where
//! other names may come, nothing is said of prices and APIs.

use std::rc::Rc;

use farebox_core::config::{Budget, Downgrade, Key, Step, path};
use farebox_core::dialect::Api;
use farebox_core::pricing::Price;
use farebox_core::request::route;
use serde_json::Value;

use super::{Advisor, leads_somewhere, listed, literal, may_use, quoted};

impl Advisor<'_> {
    /// Tells what is odd about where the budget at `index`, which is for `keys`, sends requests.
    pub(super) fn downgrade(&mut self, index: usize, budget: &Budget, keys: &[&Key]) {
        let Some(downgrade) = &budget.downgrade else { return };
        let at = path::member(&path::member(&path::item("budgets", index), "downgrade"), "model");
        let written = self.document.pointer(&format!("/budgets/{index}/downgrade/model"));
        let is_one = written.is_some_and(Value::is_string);
        for step in downgrade.steps() {
            let at = if is_one { at.clone() } else { path::member(&at, &step.from) };
            self.step(downgrade, step, keys, &at);
        }
    }

    fn step(&mut self, downgrade: &Downgrade, step: &Step, keys: &[&Key], at: &str) {
        // It names the model that stays.
        if step.from == step.to {
            return;
        }
        self.direct(at, &step.to);
        if !leads_somewhere(self.config, &step.from) {
            self.say(at, format!("nothing serves {}", quoted(&step.from)));
            return;
        }
        let is_for = |name: &&str| downgrade.step(name).is_some_and(|found| found.from == step.from);
        let mut names: Vec<&str> = self.config.aliases.keys().map(|name| &**name).filter(is_for).collect();
        names.sort_unstable();
        let others = self.may_be_others(step);
        if !names.is_empty() && !others {
            self.use_of(&names, &step.to, at);
        }
        let is_stranger =
            |key: &&&Key| !may_use(key, &step.to) && (others || names.iter().any(|name| may_use(key, name)));
        let strangers: Vec<&str> = keys.iter().filter(is_stranger).map(|key| &*key.id).collect();
        if !strangers.is_empty() {
            let who = listed(&strangers);
            self.say(
                at,
                format!("is none of the models of {who}: what they ask for is sent there all the same"),
            );
        }
    }

    /// Tells if nothing that asks for one of `names` can be sent to `model`, or will be.
    fn use_of(&mut self, names: &[&str], model: &str, at: &str) {
        let apis = self.apis(model);
        let shares = |name: &&str| self.apis(name).iter().any(|api| apis.contains(api));
        let is_dearer = |name: &&str| {
            let (there, here) = (self.price(model), self.price(name));
            there.zip(here).is_some_and(|(there, here)| there.is_dearer(&here, 0))
        };
        let what = if !names.iter().any(shares) {
            "is served in none of the APIs of"
        } else if names.iter().all(is_dearer) {
            "is dearer than"
        } else {
            return;
        };
        let named: Vec<String> = names.iter().take(super::LISTED).map(|name| quoted(name)).collect();
        self.say(at, format!("{what} {}: nothing is sent there", named.join(", ")));
    }

    /// Whether `step` may be for a name that the configuration does not have.
    fn may_be_others(&self, step: &Step) -> bool {
        let mut patterns = self.config.patterns.iter();
        if step.is_named() {
            return !self.config.aliases.contains_key(&step.from);
        }
        let start = literal(&step.from);
        let overlaps = |other: &str| other.starts_with(start) || start.starts_with(other);
        patterns.any(|(_, model)| overlaps(literal(&model.name)))
    }

    fn apis(&self, model: &str) -> Vec<Api> {
        let places = route::places(self.config, model);
        places.iter().flat_map(|place| place.provider.apis.iter().copied()).collect()
    }

    /// What the first choice for `model` costs.
    fn price(&self, model: &str) -> Option<Rc<Price>> {
        let place = route::places(self.config, model).into_iter().next()?;
        self.config.prices.price(&place.provider, &place.model, self.now)
    }
}
