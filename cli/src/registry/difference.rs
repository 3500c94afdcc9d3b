//! Decides how one reads what an entry was and is: a line for each member that differs.

use serde_json::Value;

/// Hexadecimal digits of a hash that are shown: enough to tell secrets of one key apart.
const SHOWN: usize = 8;

/// Each member that `before` and `after` do not have alike, with what it was and what it is.
pub(crate) fn differences(before: &Value, after: &Value) -> Vec<(String, String, String)> {
    let (before, after) = (members("", before), members("", after));
    let mut paths: Vec<&String> = before.iter().chain(&after).map(|(path, _)| path).collect();
    paths.sort();
    paths.dedup();
    let of = |all: &[(String, String)], path: &String| {
        let found = all.iter().find(|(other, _)| other == path);
        found.map_or_else(|| "-".to_owned(), |(_, text)| text.clone())
    };
    paths
        .into_iter()
        .map(|path| (path.clone(), of(&before, path), of(&after, path)))
        .filter(|(_, was, is)| was != is)
        .collect()
}

/// The members of `value` and of what is in it, by their paths.
fn members(path: &str, value: &Value) -> Vec<(String, String)> {
    match value {
        Value::Object(all) => all
            .iter()
            .flat_map(|(name, value)| {
                members(&if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, value)
            })
            .collect(),
        Value::Null if path.is_empty() => Vec::new(),
        value => vec![(path.to_owned(), shown(value))],
    }
}

/// A value in one line.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.replace(char::is_control, "?"),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Object(hash) => {
            let text = |name: &str| hash.get(name).and_then(Value::as_str).unwrap_or_default();
            let digits: String = text("sha256").chars().take(SHOWN).collect();
            match text("until") {
                "" => format!("{digits}..."),
                until => format!("{digits}... until {until}"),
            }
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_differs_is_told() {
        let hash = |digit: &str| digit.repeat(64);
        let before =
            json!({"team": "red", "labels": {"app": "a", "of": "b"}, "sha256": [{"sha256": hash("1")}]});
        let after = json!({"team": "red", "labels": {"app": "c", "of": "b"}, "enabled": false, "sha256": [
            {"sha256": hash("1"), "until": "2026-12-01T00:00:00Z"}, {"sha256": hash("2")}]});
        let line = |path: &str, was: &str, is: &str| (path.to_owned(), was.to_owned(), is.to_owned());
        assert_eq!(
            differences(&before, &after),
            [
                line("enabled", "-", "false"),
                line("labels.app", "a", "c"),
                line("sha256", "11111111...", "11111111... until 2026-12-01T00:00:00Z, 22222222..."),
            ]
        );
        assert_eq!(differences(&before, &before), []);
        assert_eq!(
            differences(&Value::Null, &json!({"models": ["a", "b*"]})),
            [line("models", "-", "a, b*")]
        );
    }
}
