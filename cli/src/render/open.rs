//! Decides how a chart's template has places that are filled when it is installed, and what is there everywhere else.
//!
//! The same pieces make manifests and templates, so that nothing is said twice. What only an installation knows is a gap
//! in a piece that no value fills:
//!
//! | gap | in a manifest | in a template |
//! |---|---|---|
//! | `{{a.value=text}}` | the text | the value, or the text if there is none |
//! | `{{,a.value}}` | nothing | more members of a map that is one line |
//! | `{{#name}}` | nothing | what the chart's `farebox.name` makes, in the line |
//! | `{{+name}}` | no line | the lines that `farebox.name` makes |
//! | `{{?a.value}}` to `{{?}}` | the lines between | these, if the value is true |
//!
//! In a template they are marks until all of it is there: what others have written (a host, a model) must not be read as
//! Helm's language, and is told apart from ours by these.

use core::fmt::Write as _;

/// Around a mark. No name, host or address has these characters, which Unicode leaves to whoever wants them.
const BEGIN: char = '\u{e000}';
const END: char = '\u{e001}';

/// What stands in a manifest where `gap` is, if it is one of these.
pub(super) fn otherwise(gap: &str) -> &str {
    if gap.starts_with(['+', '?', ',', '#']) {
        return "";
    }
    gap.split_once('=').map_or("", |(_, text)| text.trim_end())
}

/// The mark of `gap` in a template; nothing if it is none of these.
pub(super) fn mark(gap: &str) -> String {
    let is_one = gap.starts_with(['+', '?', ',', '#']) || gap.contains('=');
    if is_one { format!("{BEGIN}{}{END}", gap.trim_end()) } else { String::new() }
}

/// The mark of a text that the chart's `farebox.name` makes.
pub(super) fn text(name: &str) -> String {
    format!("{BEGIN}:{name}{END}")
}

/// The mark of what the chart's `farebox.name` makes, which is no text but a number or a part of a line.
pub(super) fn part(name: &str) -> String {
    mark(&format!("#{name}"))
}

/// The mark of the lines that the chart's `farebox.name` makes.
pub(super) fn lines(name: &str) -> String {
    mark(&format!("+{name}"))
}

/// `yaml` with marks as a template of Helm.
pub(super) fn template(yaml: &str) -> String {
    let mut written = String::new();
    for line in yaml.split('\n') {
        let bare = line.trim_start();
        let column = line.len() - bare.len();
        match whole(bare) {
            Some(mark) if mark.starts_with('+') => {
                let name = mark.get(1..).unwrap_or_default();
                let _ = write!(written, "{:column$}", "");
                let _ = writeln!(
                    written,
                    "{{{{- with include \"farebox.{name}\" . | trim }}}}{{{{ nindent {column} . }}}}{{{{- end }}}}"
                );
            }
            Some("?") => drop(writeln!(written, "{:column$}{{{{- end }}}}", "")),
            Some(mark) if mark.starts_with('?') => {
                let value = mark.get(1..).unwrap_or_default();
                let _ = writeln!(written, "{:column$}{{{{- if {} }}}}", "", condition(value));
            }
            _ => drop(writeln!(written, "{}", in_line(line))),
        }
    }
    written.pop();
    written
}

/// The condition `value`: a value of the chart, `a.value`, or one that has a word, `a.value:word`.
fn condition(value: &str) -> String {
    match value.split_once(':') {
        None => format!(".Values.{value}"),
        Some((value, word)) => format!("eq .Values.{value} \"{word}\""),
    }
}

/// The mark that is all of `text`.
fn whole(text: &str) -> Option<&str> {
    let mark = text.strip_prefix(BEGIN)?.strip_suffix(END)?;
    (!mark.contains(BEGIN)).then_some(mark)
}

fn in_line(line: &str) -> String {
    let (mut written, mut rest) = (String::new(), line);
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let Some((mark, after)) = after.split_once(END) else { break };
        written.push_str(&literal(before));
        let is_alone = written.ends_with(": ") && (after.is_empty() || after.starts_with([',', '}', BEGIN]));
        written.push_str(&expression(mark, is_alone));
        rest = after;
    }
    written + &literal(rest)
}

/// `text`, which is nobody's template.
fn literal(text: &str) -> String {
    text.replace("{{", "{{ \"{{\" }}")
}

fn expression(mark: &str, is_alone: bool) -> String {
    let name = mark.get(1..).unwrap_or_default();
    if let Some(value) = mark.strip_prefix(',') {
        return format!(
            "{{{{ range $name, $text := .Values.{value} }}}}, {{{{ toJson $name }}}}: {{{{ toJson $text }}}}{{{{ end }}}}"
        );
    }
    if mark.starts_with([':', '#']) {
        // What stands for itself may look like a number, as the name of a namespace can.
        let quote = if is_alone && mark.starts_with(':') { " | quote" } else { "" };
        return format!("{{{{ include \"farebox.{name}\" .{quote} }}}}");
    }
    let (value, otherwise) = mark.split_once('=').unwrap_or((mark, ""));
    format!("{{{{ with .Values.{value} }}}}{{{{ toJson . }}}}{{{{ else }}}}{otherwise}{{{{ end }}}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_have_written_is_not_read_as_a_template() {
        assert_eq!(template("host: {{ .Values.x }}"), "host: {{ \"{{\" }} .Values.x }}");
    }

    #[test]
    fn a_text_that_stands_for_itself_is_quoted() {
        let name = text("namespace");
        let yaml = format!("a: {name}\nb: {{c: {name}, d: {name}}}\ne: x/{name}/y\nf: \"{name}\"");
        let expected = "a: {{ include \"farebox.namespace\" . | quote }}\n\
                        b: {c: {{ include \"farebox.namespace\" . | quote }}, d: {{ include \"farebox.namespace\" . | quote }}}\n\
                        e: x/{{ include \"farebox.namespace\" . }}/y\nf: \"{{ include \"farebox.namespace\" . }}\"";
        assert_eq!(template(&yaml), expected);
    }

    #[test]
    fn lines_come_as_far_in_as_their_mark() {
        let yaml = format!("a:\n    {}\nb: 1", lines("pod"));
        let expected =
            "a:\n    {{- with include \"farebox.pod\" . | trim }}{{ nindent 4 . }}{{- end }}\nb: 1";
        assert_eq!(template(&yaml), expected);
    }

    #[test]
    fn a_gap_has_its_text_where_there_is_no_chart() {
        assert_eq!(otherwise("resources.requests={cpu: 500m} "), "{cpu: 500m}");
        for gap in ["+pod", "?autoscaling.enabled", "?", ",labels", "#checksum", "unknown"] {
            assert_eq!(otherwise(gap), "", "{gap}");
        }
    }
}
