//! Decides under which names a model is looked for.
//!
//! Callers write a model's name with a date, a version, a region or a path that its price does not depend
//! on, or that no list has yet. The name as it is written comes first, so that a price of just this date
//! or region holds before one of the model.
//!
//! Does not take `ft:` away: a fine-tuned model costs more than the one it was made of.

/// Beginnings of Bedrock's inference profiles.
const REGIONS: [&str; 9] = ["us.", "eu.", "apac.", "au.", "jp.", "in.", "ca.", "us-gov.", "global."];

/// The names to try for `model`, in lower case, the least changed first.
pub(super) fn candidates(model: &str) -> Vec<String> {
    let mut names = vec![model.to_ascii_lowercase()];
    for change in
        [without_path, without_owner, with_dashed_date, without_version, without_date, without_region]
    {
        let changed: Vec<String> = names.iter().filter_map(|name| change(name)).collect();
        names.extend(changed);
    }
    names
}

/// `models/gemini-x`, `publishers/anthropic/models/claude-x`, `projects/…/models/x`, `arn:aws:bedrock:…/x`.
fn without_path(name: &str) -> Option<String> {
    let is_path = ["models/", "publishers/", "projects/", "arn:"].iter().any(|start| name.starts_with(start));
    let (_, last) = name.rsplit_once('/').filter(|_| is_path)?;
    Some(last.to_owned())
}

/// `ft:base:organisation:suffix:id`.
fn without_owner(name: &str) -> Option<String> {
    let base = name.strip_prefix("ft:")?;
    let (base, _) = base.split_once(':')?;
    Some(["ft:", base].concat())
}

/// `x-20251211` as `x-2025-12-11`: gateways write dates in other ways than providers.
fn with_dashed_date(name: &str) -> Option<String> {
    let (base, date) = name.split_at_checked(name.len().checked_sub(8)?)?;
    let (year, rest) = date.split_at_checked(4)?;
    let (month, day) = rest.split_at_checked(2)?;
    (base.ends_with('-') && is_digits(date)).then(|| [base, year, "-", month, "-", day].concat())
}

/// `x:0`.
fn without_version(name: &str) -> Option<String> {
    let (base, version) = name.rsplit_once(':')?;
    (is_digits(version) && !base.is_empty()).then(|| base.to_owned())
}

/// `x-2025-12-11`, `x-20251211`, `x@20251211`, `x-latest`, `x@latest`, `x@default`.
fn without_date(name: &str) -> Option<String> {
    let word = ["-latest", "@latest", "@default"].iter().find_map(|word| name.strip_suffix(word));
    let compact = || name.split_at_checked(name.len().checked_sub(8)?).filter(|(_, date)| is_digits(date));
    let dashed = || {
        let (base, date) = name.split_at_checked(name.len().checked_sub(10)?)?;
        let mut parts = date.split('-');
        let mut next = |length| parts.next().is_some_and(|part| part.len() == length && is_digits(part));
        (next(4) && next(2) && next(2)).then_some((base, date))
    };
    let base = word.or_else(|| {
        let (base, _) = compact().or_else(dashed)?;
        base.strip_suffix(['-', '@'])
    });
    base.filter(|base| !base.is_empty()).map(str::to_owned)
}

/// `eu.anthropic.x`.
fn without_region(name: &str) -> Option<String> {
    REGIONS.iter().find_map(|region| name.strip_prefix(region)).map(str::to_owned)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether `name` fits `pattern`, in which `*` stands for any text. Hundreds are tried for one name, so
/// nothing is built for it.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    let inner = name.strip_prefix(start).and_then(|name| name.strip_suffix(end));
    let after = |name: &'_ str, part: &str| name.find(part).map(|at| at + part.len());
    inner.is_some_and(|inner| {
        let mut from = 0;
        middle.split('*').all(|part| {
            let found = inner.get(from..).and_then(|rest| after(rest, part));
            from += found.unwrap_or(0);
            found.is_some()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    #[cfg(target_os = "unknown")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_name_is_tried_as_it_is_and_then_with_less_and_less() {
        for (model, expected) in [
            ("GPT-4o", &["gpt-4o"][..]),
            ("gpt-4o-2024-08-06", &["gpt-4o-2024-08-06", "gpt-4o"]),
            ("gpt-4o-20240806", &["gpt-4o-20240806", "gpt-4o-2024-08-06", "gpt-4o"]),
            ("claude-x@20251001", &["claude-x@20251001", "claude-x"]),
            ("claude-x-latest", &["claude-x-latest", "claude-x"]),
            ("ft:gpt-4o:acme::id", &["ft:gpt-4o:acme::id", "ft:gpt-4o"]),
            ("models/gemini-x", &["models/gemini-x", "gemini-x"]),
            ("meta-llama/llama-x", &["meta-llama/llama-x"]),
            ("eu.amazon.x-v1:0", &["eu.amazon.x-v1:0", "eu.amazon.x-v1", "amazon.x-v1:0", "amazon.x-v1"]),
            ("gpt-4-0613", &["gpt-4-0613"]),
            ("20240806", &["20240806"]),
            ("-latest", &["-latest"]),
            ("", &[""]),
        ] {
            let mut names = candidates(model);
            names.dedup();
            assert_eq!(
                names.iter().filter(|name| expected.contains(&name.as_str())).count(),
                expected.len(),
                "{names:?}"
            );
            assert_eq!(
                (names.first().map(String::as_str), names.last().map(String::as_str)),
                (expected.first().copied(), expected.last().copied())
            );
        }
    }

    proptest! {
        #[test]
        fn no_name_makes_this_panic_or_much_work(model in "\\PC{0,40}|(us.|ft:|arn:|models/)?[a-z0-9:/@-]{0,20}(-20240806|-2024-08-06|:0|-latest)?") {
            let names = candidates(&model);
            prop_assert!(names.len() <= 64);
            prop_assert_eq!(&names[0], &model.to_ascii_lowercase());
        }
    }
}
