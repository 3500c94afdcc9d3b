//! Decides how resources become templates: which of them a value can leave out, and where labels of the installation go.
//!
//! The namespace is Helm's business. Envoy's configuration of the plain form is a template of its own, because its pods
//! are replaced when it changes, and have to know.

use super::File;
use super::open;

/// Kinds that a value can leave out.
const OPTIONAL: [(&str, &str); 3] = [
    ("HorizontalPodAutoscaler", "autoscaling.enabled"),
    ("PodDisruptionBudget", "podDisruptionBudget.enabled"),
    ("NetworkPolicy", "networkPolicy.enabled"),
];

/// The templates of a form, whose resources are `text` with marks.
pub(super) fn of(form: &'static str, source: &str, text: &str) -> Vec<File> {
    let resources = text.split("\n---\n").filter(|resource| kind(resource) != "Namespace");
    let (apart, rest): (Vec<&str>, Vec<&str>) =
        resources.partition(|resource| form == "plain" && kind(resource) == "ConfigMap");
    let head = format!(
        "{{{{- /* Written by `farebox render helm {}`: change that file and have it written again. */}}}}\n",
        source.replace(|letter: char| letter.is_control() || letter == '*', " ")
    );
    let template = |name: &str, resources: &[&str]| {
        let resources: Vec<String> = resources.iter().map(|resource| labelled(resource)).collect();
        let check = "{{- include \"farebox.check\" . }}\n";
        let text = format!(
            "{head}{{{{- if eq .Values.form \"{form}\" }}}}\n{check}{}\n{{{{- end }}}}\n",
            open::template(&resources.join("\n"))
        );
        File::new(&format!("templates/{name}.yaml"), text)
    };
    let mut files = vec![template(form, &rest)];
    if !apart.is_empty() {
        files.push(template(&format!("{form}-configuration"), &apart));
    }
    files
}

/// What a resource says of its kind.
fn kind(resource: &str) -> &str {
    resource.lines().find_map(|line| line.strip_prefix("kind: ")).unwrap_or_default()
}

/// A document of the template, with a place for labels, and left out if a value says so.
fn labelled(resource: &str) -> String {
    let lines: Vec<String> = resource.split('\n').map(with_labels).collect();
    let resource = format!("---\n{}", lines.join("\n"));
    match OPTIONAL.iter().find(|(known, _)| *known == kind(&resource)) {
        None => resource,
        Some((_, value)) => {
            let [begin, end] = [format!("?{value}"), "?".to_owned()].map(|gap| open::mark(&gap));
            format!("{begin}\n{resource}\n{end}")
        }
    }
}

/// The line with a resource's own metadata, in which labels of the installation come last.
fn with_labels(line: &str) -> String {
    const OWN: &str = "labels: {app: farebox";
    let Some(inner) = line.strip_prefix("metadata: {").and_then(|rest| rest.strip_suffix('}')) else {
        return line.to_owned();
    };
    match inner.split_once(OWN) {
        Some((before, after)) => format!("metadata: {{{before}{OWN}{}{after}}}", open::mark(",labels")),
        None => format!("metadata: {{{inner}{}}}", open::part("labelled")),
    }
}
