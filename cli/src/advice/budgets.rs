//! Decides which budgets, and which of their overrides, hold for nobody who can call.

use farebox_core::config::{Account, Budget, Dimension, Key, Pattern, path};
use serde_json::Value;

use super::{Advisor, quoted};

impl Advisor<'_> {
    pub(super) fn budgets(&mut self) {
        let working: Vec<&Key> = self.working().into_values().collect();
        // Told already, or there are no keys yet, or there are callers of whom the configuration knows no names.
        if working.is_empty() || self.config.listed.is_some() {
            return;
        }
        for (index, budget) in self.config.budgets.iter().enumerate() {
            let at = path::item("budgets", index);
            if self.has_registry() {
                // Who can call is not known here.
                self.downgrade(index, budget, &working);
                continue;
            }
            if let Some(label) = budget.per.iter().find_map(|dimension| missing_label(dimension, &working)) {
                self.say(
                    at,
                    format!("nothing can use it: no key that works has the label {}", quoted(label)),
                );
                continue;
            }
            if budget.per.is_empty() || !budget.per.iter().all(Dimension::is_of_key) {
                // Everybody's, or counted by what is not known before there are requests.
                self.downgrade(index, budget, &working);
                continue;
            }
            let accounts: Vec<&Account> =
                working.iter().filter_map(|key| key.accounts.get(index)?.as_deref()).collect();
            if !accounts.iter().any(|account| account.limits.any()) {
                self.say(at, "nothing can use it: it limits no key that works");
                continue;
            }
            self.overrides(index, budget, &accounts);
            let limited = |key: &&Key| {
                key.accounts.get(index).and_then(Option::as_ref).is_some_and(|account| account.limits.any())
            };
            let limited: Vec<&Key> = working.iter().copied().filter(limited).collect();
            self.downgrade(index, budget, &limited);
        }
    }

    fn overrides(&mut self, index: usize, budget: &Budget, accounts: &[&Account]) {
        let at = path::member(&path::item("budgets", index), "overrides");
        let all = self.document.pointer(&format!("/budgets/{index}/overrides")).and_then(Value::as_object);
        let names: Vec<String> = all.into_iter().flatten().map(|(name, _)| name.clone()).collect();
        for name in names {
            let pattern = Pattern::new(&name);
            let is_pattern = Pattern::is_pattern(&name);
            let fits = |subject: &str| if is_pattern { pattern.matches(subject) } else { subject == name };
            if !accounts.iter().any(|account| fits(&account.subject)) {
                let at = path::member(&at, &name);
                self.say(at, format!("is for nobody: no key that works is such a {}", budget.per_text()));
            }
        }
    }
}

/// The label that a budget is counted by and that none of `keys` has.
fn missing_label<'d>(dimension: &'d Dimension, keys: &[&Key]) -> Option<&'d str> {
    let Dimension::Label(name) = dimension else { return None };
    let has = |key: &&Key| key.labels.iter().any(|(label, _)| label == name);
    (!keys.iter().any(has)).then_some(name)
}
