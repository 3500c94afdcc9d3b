//! Decides which models callers can ask for, and where each is served.

use core::cmp::Reverse;
use std::rc::Rc;

use crate::base::hash::HashMap;

use super::credentials::MAX_WEIGHT;
use super::cursor::Cursor;
use super::names::Names;
use super::syntax::{MODEL, SERVED_MODEL};
use crate::config::{After, Model, Pattern, Provider, Target};

/// Models by alias, and models by pattern, longest pattern first.
pub(super) type Models = (HashMap<Box<str>, Rc<Model>>, Vec<(Pattern, Rc<Model>)>);

/// The models.
pub(super) fn read(
    at: &Cursor<'_>,
    providers: &HashMap<Box<str>, Rc<Provider>>,
    names: &Names<'_>,
) -> Models {
    let mut aliases = HashMap::default();
    let mut patterns = Vec::new();
    for (name, entry) in at.entries().unwrap_or_default() {
        let is_pattern = Pattern::is_pattern(name);
        if entry.key_is(name, MODEL) && !is_pattern && name.contains('/') {
            entry.fail("the name must not contain \"/\": \"provider/model\" works without being listed");
        }
        let items = entry.items();
        if items.as_ref().is_some_and(Vec::is_empty) {
            entry.fail("must have at least one target");
        }
        let targets = items.unwrap_or_default();
        if !targets.is_empty() && targets.iter().all(|target| target.member("after").is_some()) {
            entry.fail("at least one target must do without \"after\": there is nothing it could come after");
        }
        let targets = targets.iter().filter_map(|item| read_target(item, providers, names)).collect();
        let model = Rc::new(Model { name: name.into(), targets });
        if is_pattern {
            patterns.push((Pattern::new(name), model));
        } else {
            aliases.insert(name.into(), model);
        }
    }
    patterns.sort_by_key(|(_, model)| Reverse(model.name.len()));
    (aliases, patterns)
}

fn read_target(
    at: &Cursor<'_>,
    providers: &HashMap<Box<str>, Rc<Provider>>,
    names: &Names<'_>,
) -> Option<Target> {
    let fields = at.fields(&["provider", "model", "weight", "after"])?;
    let model = fields.get("model").and_then(|at| at.text_as(SERVED_MODEL));
    let weight = fields.get("weight").and_then(|at| at.count(1..=MAX_WEIGHT));
    let after = fields.get("after").and_then(|at| at.word(&[("context_length", After::ContextLength)]));
    if let (Some(weight), Some(_)) = (fields.get("weight"), fields.get("after")) {
        weight.fail("means nothing to a target with \"after\", which is never the first");
    }
    let provider = fields.need("provider")?;
    let name = provider.text()?;
    if !names.provider(&provider, name) {
        return None;
    }
    // Absent if the provider itself has a mistake, which was told already.
    let provider = Rc::clone(providers.get(name)?);
    Some(Target {
        provider,
        model: model.map(Into::into),
        weight: weight.and_then(|weight| u32::try_from(weight).ok()),
        after: after.unwrap_or(After::Anything),
    })
}
