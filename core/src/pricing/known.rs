//! Decides which names of models the price list tells.
//!
//! The list is made to find prices: beside plain names it has patterns, and one model under several spellings. A
//! pattern that only leaves its end open is the name of a model; of two spellings with the same parts the first counts.
//! Plain names come before dated ones, which name the same models more exactly.

use std::collections::BTreeSet;

use super::Listing;

/// The names of the models that these providers are listed with and that are `wanted`: plain ones first, then dated ones.
#[must_use]
pub fn known_models(providers: &[&str], wanted: &dyn Fn(&str) -> bool) -> Vec<String> {
    let (mut plain, mut dated, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    let listed = providers.iter().flat_map(|provider| Listing::checked_in().models(provider));
    for name in listed.filter_map(plain_name).filter(|name| wanted(name)) {
        if seen.insert(parts(name)) {
            let names = if is_dated(name) { &mut dated } else { &mut plain };
            names.push(name.to_owned());
        }
    }
    plain.append(&mut dated);
    plain
}

/// The name that a line of the list stands for. `None`: a pattern that is no name.
fn plain_name(listed: &'static str) -> Option<&'static str> {
    let Some(start) = listed.strip_suffix('*') else { return (!listed.contains('*')).then_some(listed) };
    let name = start.trim_end_matches(['-', '@', '.', ':']);
    // A year that goes on is no name, and neither is half a word.
    let ends_in_year = || segments(name).last().is_some_and(|last| last.len() >= 4 && is_number(last));
    (!name.is_empty() && !name.contains('*') && !ends_in_year()).then_some(name)
}

/// The parts of a name in one order, so that `claude-opus-4-5`, `claude-opus-4.5` and `claude-4-5-opus` are the same.
/// A minor version of zero is none.
fn parts(name: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = segments(name).filter(|part| !matches!(*part, "" | "0")).collect();
    parts.sort_unstable();
    parts
}

fn segments(name: &str) -> impl Iterator<Item = &str> {
    name.split(['-', '.', '@', ':', '/'])
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a name ends in a date: `20251001`, `2025-10-01`, `0125` or `preview-0617`.
fn is_dated(name: &str) -> bool {
    segments(name).any(|part| part.len() >= 4 && is_number(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_model_is_named_once_and_no_pattern_is() {
        let names = known_models(&["anthropic"], &|_| true);
        let has = |name: &str| names.iter().any(|known| known == name);
        for name in ["claude-opus-5-5", "claude-opus-4-5", "claude-haiku-4-5", "claude-sonnet-4"] {
            assert!(has(name), "{name}: {names:?}");
        }
        for name in
            ["claude-opus-4.5", "claude-4-5-opus", "claude-opus-4-0", "claude-opus-5.0", "claude-5-opus"]
        {
            assert!(!has(name), "{name}: {names:?}");
        }
        assert!(
            names.iter().all(|name| !name.contains('*') && !name.ends_with(['-', '@', '.'])),
            "{names:?}"
        );
    }

    #[test]
    fn dated_names_come_last() {
        let names = known_models(&["openai"], &|name| name.starts_with("gpt-3.5-turbo"));
        assert_eq!(names.first().map(String::as_str), Some("gpt-3.5-turbo"));
        let first_dated = names.iter().position(|name| is_dated(name)).unwrap();
        assert!(names[first_dated..].iter().all(|name| is_dated(name)), "{names:?}");
    }

    #[test]
    fn who_sells_the_models_of_others_is_listed_with_theirs() {
        let names =
            known_models(&["azure"], &|name| name.starts_with("gpt-5.4") || name == "claude-opus-5-5");
        assert!(names.contains(&"gpt-5.4-mini".to_owned()) && names.contains(&"claude-opus-5-5".to_owned()));
        assert_eq!(known_models(&["nobody"], &|_| true), [""; 0]);
    }
}
