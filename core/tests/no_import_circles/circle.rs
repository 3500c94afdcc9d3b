//! Decides which files are in a circle: those that can be reached from themselves.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::Module;

/// What each file imports.
pub(crate) type Imports = BTreeMap<Module, BTreeSet<Module>>;

/// One line for each import that is part of a circle.
pub(crate) fn circles(imports: &Imports) -> Vec<String> {
    let reached: BTreeMap<&Module, BTreeSet<&Module>> =
        imports.keys().map(|module| (module, reach(imports, module))).collect();
    let pairs = imports.iter().flat_map(|(from, to)| to.iter().map(move |to| (from, to)));
    let circular = pairs.filter(|(from, to)| reached.get(to).is_some_and(|reached| reached.contains(from)));
    circular.map(|(from, to)| format!("{} imports {}", from.join("/"), to.join("/"))).collect()
}

/// All that `start` imports, over others too.
fn reach<'i>(imports: &'i Imports, start: &Module) -> BTreeSet<&'i Module> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&Module> = imports[start].iter().collect();
    while let Some(module) = next.pop() {
        if reached.insert(module) {
            next.extend(&imports[module]);
        }
    }
    reached
}

#[test]
fn two_files_that_import_each_other_over_a_third_are_a_circle() {
    let module = |name: &str| vec![name.to_owned()];
    let imports: Imports = [("a", vec!["b"]), ("b", vec!["c"]), ("c", vec!["a"]), ("d", vec!["a"])]
        .into_iter()
        .map(|(from, to)| (module(from), to.into_iter().map(module).collect()))
        .collect();
    assert_eq!(circles(&imports), ["a imports b", "b imports c", "c imports a"]);
}
