//! Decides how pieces of text become one sheet: values fill the gaps, and what was explained once is not
//! explained again.
//!
//! A piece is YAML with gaps like `{{name}}` and with comments. A gap that has its line for itself takes any
//! number of lines, each as far in as the gap; if there are none, the line is left out. The second time a piece
//! is put down it comes without its comments, or as an alias if its first value has an anchor. Gaps that no value fills
//! are those of [`open`].
//!
//! Does not know what the pieces say.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::open;

/// The values of the gaps of a piece, by name.
pub(super) type Values<'a> = [(&'a str, &'a str)];

/// What has been put down so far.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    pieces: BTreeSet<String>,
    /// Whether it becomes a template of a chart.
    pub(super) is_open: bool,
}

impl Sheet {
    /// A sheet that becomes a template.
    pub(super) fn open() -> Self {
        Self { is_open: true, ..Self::default() }
    }

    /// Whether `piece` has been put down before.
    pub(super) fn has(&self, piece: &str) -> bool {
        self.pieces.contains(piece)
    }

    /// `piece` with `values`, without the line break at its end.
    pub(super) fn put(&mut self, piece: &str, values: &Values<'_>) -> String {
        let fill = |piece: &str| fill(piece, values, self.is_open);
        if self.pieces.insert(piece.to_owned()) {
            return fill(piece);
        }
        let plain: String = piece.split_inclusive('\n').filter(|line| !is_comment(line)).collect();
        let first = plain.lines().next().unwrap_or_default();
        match first.split_once('&') {
            Some((key, anchor)) if !anchor.contains(' ') => fill(&format!("{key}*{anchor}")),
            _ => fill(&plain),
        }
    }
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

fn fill<'a>(piece: &'a str, values: &Values<'a>, is_open: bool) -> String {
    let value = |name: &'a str| match values.iter().find(|(known, _)| *known == name) {
        Some((_, value)) => Cow::Borrowed(*value),
        None if is_open => Cow::Owned(open::mark(name)),
        None => Cow::Borrowed(open::otherwise(name)),
    };
    let mut lines: Vec<String> = Vec::new();
    for line in piece.strip_suffix('\n').unwrap_or(piece).split('\n') {
        let gap = line.trim().strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
        match gap.filter(|name| !name.contains('{')) {
            Some(name) => {
                let indent = line.get(..line.len() - line.trim_start().len()).unwrap_or_default();
                let block = value(name);
                let indented =
                    |line: &str| if line.is_empty() { String::new() } else { format!("{indent}{line}") };
                if !block.is_empty() {
                    lines.extend(block.split('\n').map(indented));
                }
            }
            None => lines.push(fill_line(line, value)),
        }
    }
    lines.join("\n")
}

fn fill_line<'a>(line: &'a str, value: impl Fn(&'a str) -> Cow<'a, str>) -> String {
    let (mut filled, mut rest) = (String::new(), line);
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, after)) = after.split_once("}}") else { break };
        filled.push_str(before);
        filled.push_str(&value(name));
        rest = after;
    }
    filled + rest
}

/// `text` without the anchors that nothing refers to. Whether a piece is put down a second time is known at the end; and
/// some readers refuse an anchor that has no use, or warn of it for ever.
pub(super) fn without_idle_anchors(text: &str) -> String {
    let used: BTreeSet<&str> =
        text.lines().filter_map(|line| line.split_once(": *")).map(|(_, name)| name).collect();
    let lines = text.split('\n').map(|line| {
        let Some((key, rest)) = line.split_once(": &").filter(|(key, _)| is_plain_key(key)) else {
            return line.to_owned();
        };
        let (anchor, value) = rest.split_once(' ').map_or((rest, ""), |(anchor, value)| (anchor, value));
        match (used.contains(anchor), value) {
            (true, _) => line.to_owned(),
            (false, "") => format!("{key}:"),
            (false, value) => format!("{key}: {value}"),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether this is a key as pieces have it, and not text of the configuration that is written into one.
pub(super) fn is_plain_key(text: &str) -> bool {
    let key = text.trim_start().trim_start_matches("- ");
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// `text` as a YAML scalar: as it is if nobody can take it for anything else, else in quotes.
pub(super) fn scalar(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._/-".contains(&byte);
    let word = text.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'/');
    let address = text.parse::<std::net::Ipv4Addr>().is_ok();
    let means_something = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(text));
    if text.bytes().all(plain) && (word || address) && !means_something {
        return text.to_owned();
    }
    // A string of JSON is one of YAML.
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_explained_once() {
        let mut sheet = Sheet::default();
        let piece = "# Why.\nkey: {{value}}\n";
        assert_eq!(sheet.put(piece, &[("value", "1")]), "# Why.\nkey: 1");
        assert_eq!(sheet.put(piece, &[("value", "2")]), "key: 2");
    }

    #[test]
    fn an_anchor_is_referred_to_the_second_time() {
        let mut sheet = Sheet::default();
        let piece = "# Why.\nkey: &name\n  a: 1\n";
        assert_eq!(sheet.put(piece, &[]), "# Why.\nkey: &name\n  a: 1");
        assert_eq!(sheet.put(piece, &[]), "key: *name");
    }

    #[test]
    fn an_anchor_that_nothing_refers_to_is_left_out() {
        let text = "a: &one\n  b: 1\nc: &two {d: 1}\ne: &three |\n  {\"f\": \"x: &four\"}\ng: *one\n";
        let expected = "a: &one\n  b: 1\nc: {d: 1}\ne: |\n  {\"f\": \"x: &four\"}\ng: *one\n";
        assert_eq!(without_idle_anchors(text), expected);
    }

    #[test]
    fn a_gap_of_its_own_line_takes_lines_and_may_take_none() {
        let piece = "a:\n  {{block}}\n  {{nothing}}\nb: [{x: {{inline}}}]\n";
        let values = [("block", "- 1\n\n- {{inline}}"), ("nothing", ""), ("inline", "y")];
        assert_eq!(fill(piece, &values, false), "a:\n  - 1\n\n  - {{inline}}\nb: [{x: y}]");
    }

    #[test]
    fn what_yaml_could_misread_is_quoted() {
        for plain in ["openai", "10.0.0.5", "/health", "api.openai.com", "a-b_c"] {
            assert_eq!(scalar(plain), plain);
        }
        for (text, quoted) in [
            ("1e3", r#""1e3""#),
            ("no", r#""no""#),
            ("::1", r#""::1""#),
            ("a: b", r#""a: b""#),
            ("#a", r##""#a""##),
            ("*a", r#""*a""#),
            ("", r#""""#),
            ("a\"b", r#""a\"b""#),
        ] {
            assert_eq!(scalar(text), quoted);
        }
    }
}
