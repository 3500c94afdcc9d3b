//! Decides what a chart of Helm consists of: templates that the same pieces make as the manifests, and values for what is
//! known only when it is installed.
//!
//! With a provider its host, its route and its cluster change too. Helm's language could make them of values, and would be
//! a second renderer. So a chart is written for one configuration, as everything else is; what changes nothing but the
//! configuration's text (keys, models, budgets) may be said by a value, and what changes more is refused.
//!
//! Does not call Helm. `make helm` does.

mod folder;
mod members;
mod templates;

use std::path::PathBuf;

use farebox_core::config::ConfigErrors;

use self::folder::File;
use super::{Plan, bootstrap, envoy_gateway, istio, open, overload, plain, scale};

/// Writes a chart of Helm from a plugin configuration.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Plugin configuration, JSON or YAML; - reads the standard input
    pub(super) file: PathBuf,
    /// Folder of the chart, which must be this command's or not be there
    #[arg(long, value_name = "FOLDER")]
    into: PathBuf,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Written {
    /// For the standard output.
    pub(super) text: String,
    /// Forms that this configuration has not, and why.
    pub(super) notes: Vec<String>,
}

macro_rules! piece {
    ($name:literal) => {
        include_str!(concat!("helm/chart/", $name))
    };
}

/// Writes the chart for `plan`.
///
/// # Errors
/// What stands in the way of the files.
pub(super) fn write(options: &Options, plan: &Plan<'_>) -> Result<Written, String> {
    let (mut files, forms, notes) = forms(plan);
    files.extend(rest(plan, &forms));
    let text = folder::write(&options.into, files)?;
    Ok(Written { text, notes })
}

/// The templates of each form that can be written, the names of these forms, and why the others are not there.
fn forms(plan: &Plan<'_>) -> (Vec<File>, Vec<&'static str>, Vec<String>) {
    let written = [
        ("plain", Ok(plain::write(&plain::Options::open(), plan))),
        ("istio-gateway", istio::write(&istio::Options::open(), plan)),
        ("envoy-gateway", envoy_gateway::write(&envoy_gateway::Options::open(), plan)),
    ];
    let (mut files, mut forms, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    for (form, written) in written {
        match written {
            Ok(text) => {
                forms.push(form);
                files.extend(templates::of(form, plan.source, &super::sheet::without_idle_anchors(&text)));
            }
            Err(errors) => {
                notes.push(format!(
                    "{}: the chart has no form {form}: {}",
                    plan.source,
                    ConfigErrors(errors)
                ));
            }
        }
    }
    (files, forms, notes)
}

/// Everything but the templates of forms.
fn rest(plan: &Plan<'_>, forms: &[&str]) -> Vec<File> {
    let source = plan.source.replace(char::is_control, " ");
    let variables = bootstrap::variables(plan.config, plan.providers);
    let secret: Vec<String> = variables.iter().map(|name| format!(" --from-literal={name}=…")).collect();
    let (least, most) = scale::bounds(plan);
    let quoted: Vec<String> = forms.iter().map(|form| format!("\"{form}\"")).collect();
    let fixed: Vec<String> = members::FIXED.iter().map(|member| format!("\"{member}\"")).collect();
    let values = [
        ("source", &*source),
        ("version", env!("CARGO_PKG_VERSION")),
        ("forms", &quoted.join(", ")),
        ("form_names", &forms.join(", ")),
        ("variables", &variables.join(", ")),
        ("secret", &secret.concat()),
        ("ledger", if plan.config.ledger.is_some() { "yes" } else { "" }),
        ("least", least),
        ("most", most),
        ("fixed", &fixed.join(" ")),
        ("free", &members::FREE.join(", ")),
        ("heap", &overload::HEAP_OF_MIB.to_string()),
        ("envoy_plain", plain::ENVOY),
        ("envoy_gateway", envoy_gateway::ENVOY),
    ];
    let fill = |piece: &str| {
        values
            .iter()
            .fold(piece.to_owned(), |text, (name, value)| text.replace(&format!("<<{name}>>"), value))
    };
    let schema = members::schema(&fill(piece!("values.schema.json")));
    vec![
        File::new("Chart.yaml", fill(piece!("Chart.yaml"))),
        File::new("values.yaml", fill(piece!("values.yaml"))),
        File::new("values.schema.json", schema),
        File::new("README.md", fill(piece!("README.md"))),
        File::new("farebox.json", format!("{}\n", plan.json.trim())),
        File::new("templates/_helpers.tpl", fill(piece!("templates/_helpers.tpl"))),
        File::new("templates/NOTES.txt", fill(piece!("templates/NOTES.txt"))),
    ]
}
