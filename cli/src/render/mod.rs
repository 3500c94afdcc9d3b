//! Decides what `farebox render` writes: a whole Envoy configuration, or what Kubernetes, Istio and Envoy Gateway are
//! told, from the plugin configuration alone.
//!
//! The clusters of Envoy and the providers of Farebox say the same things twice: where a provider is, what
//! its certificate is for, which variables hold its keys. Written by hand they drift apart; from one file
//! they cannot.
//!
//! Does not start Envoy and does not look names up; `envoy --mode validate` judges what is written.

mod bootstrap;
mod cluster;
mod dynamic;
mod envoy_gateway;
mod helm;
mod image;
mod istio;
mod ledger;
mod lost;
mod mesh;
mod names;
mod open;
mod overload;
mod places;
mod plain;
mod policy;
mod scale;
mod sheet;
mod site;
mod sites;
mod version;

use std::borrow::Cow;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use farebox_core::config::{Config, ConfigErrors, Provider};

use self::overload::Memory;
use self::sheet::Sheet;
use self::site::Site;
use self::version::Version;
use crate::check::CheckError;
use crate::sample;
use crate::source::Source;

/// Where Debian and Ubuntu keep the CAs of the system.
const CA: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Writes configurations for what Farebox runs in.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    host: Host,
}

#[derive(Debug, clap::Subcommand)]
enum Host {
    Envoy(dynamic::Command),
    Istio(istio::Options),
    EnvoyGateway(envoy_gateway::Options),
    Plain(plain::Options),
    Helm(helm::Options),
}

/// What is to be written down, whatever for.
struct Plan<'a> {
    /// What the file of the configuration is called.
    source: &'a str,
    json: &'a str,
    config: &'a Config,
    /// In the order of the document.
    providers: &'a [&'a Provider],
    sites: &'a [Site<'a>],
    /// Whether it becomes a chart's template.
    is_open: bool,
}

impl Plan<'_> {
    fn sheet(&self) -> Sheet {
        if self.is_open { Sheet::open() } else { Sheet::default() }
    }

    /// The configuration as the text of a YAML block, after what has to stand before the block.
    fn block(&self) -> (&'static str, Cow<'_, str>) {
        if self.is_open {
            return ("", Cow::Owned(open::lines("configuration")));
        }
        // Whoever reads a text that begins with a space takes it for further in than it is.
        let indicator = if self.json.starts_with([' ', '\n', '\r', '\t']) { "2" } else { "" };
        (indicator, Cow::Borrowed(self.json.strip_suffix('\n').unwrap_or(self.json)))
    }
}

/// Writes a whole envoy.yaml from a plugin configuration.
#[derive(Debug, clap::Args)]
struct Options {
    /// Plugin configuration, JSON or YAML; - reads the standard input
    file: PathBuf,
    /// Where Envoy finds the filter
    #[arg(long, value_name = "PATH", default_value = "target/wasm32-wasip1/release/farebox.wasm")]
    wasm: String,
    /// Where clients connect; with the key of a sample, loopback alone
    #[arg(long, default_value = "127.0.0.1:10000")]
    address: SocketAddr,
    /// Where Envoy's admin page is: on loopback, because whoever reaches it can stop Envoy
    #[arg(long, value_name = "ADDRESS", value_parser = loopback, default_value = "127.0.0.1:9901")]
    admin: SocketAddr,
    /// Where /stats/prometheus is too, and nothing else of the admin page (without it: nowhere)
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
    /// Where Envoy finds the CAs that providers' certificates come from
    #[arg(long, value_name = "PATH", default_value = CA)]
    ca: String,
    /// Where Envoy finds the access token for providers with {"envoy": "gcp"}: a file of Envoy's secret discovery
    #[arg(long, value_name = "PATH", default_value = "/etc/envoy/gcp-token.json")]
    gcp_token: String,
    /// Which Envoy it is for; what an older one cannot do is left out, and said
    #[arg(long = "envoy", value_name = "VERSION", value_enum, default_value_t)]
    version: Version,
    #[command(flatten)]
    memory: Memory,
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| "must be like 127.0.0.1:9901".to_owned())?;
    let message =
        "must be on loopback: whoever reaches the admin page can stop Envoy (for metrics: --metrics)";
    if address.ip().to_canonical().is_loopback() { Ok(address) } else { Err(message.to_owned()) }
}

/// The configuration of what Farebox runs in, as YAML.
///
/// # Errors
/// [`CheckError`] if the configuration is not good, or good and not enough to know where its providers are.
pub(crate) fn run(arguments: &Arguments) -> Result<String, CheckError> {
    let file = match &arguments.host {
        Host::Envoy(command) => &command.options.file,
        Host::Istio(options) => &options.file,
        Host::EnvoyGateway(options) => &options.file,
        Host::Plain(options) => &options.file,
        Host::Helm(options) => &options.file,
    };
    let Source { name, json } = Source::read(file).map_err(CheckError::Source)?;
    let broken = |errors| CheckError::Broken(name.clone(), errors);
    // Secrets are not needed to write down which variables hold them.
    let config = Config::parse(json.as_bytes(), |_| Some("set".to_owned())).map_err(broken)?;
    let open = match &arguments.host {
        Host::Envoy(command) => sample::open(command.options.address.ip()),
        Host::Istio(_) | Host::EnvoyGateway(_) | Host::Plain(_) | Host::Helm(_) => {
            Some(sample::KUBERNETES.to_owned())
        }
    };
    let public = open.map(|place| sample::mistakes(&json, &place)).unwrap_or_default();
    if !public.is_empty() {
        return Err(broken(ConfigErrors(public)));
    }
    let providers = names::in_order(&json, &config);
    let sites = sites::of(&providers).map_err(|errors| broken(ConfigErrors(errors)))?;
    let is_open = matches!(arguments.host, Host::Helm(_));
    let plan =
        Plan { source: &name, json: &json, config: &config, providers: &providers, sites: &sites, is_open };
    let mistakes = ledger::mistakes(&plan);
    if !mistakes.is_empty() {
        return Err(broken(ConfigErrors(mistakes)));
    }
    let lost = match &arguments.host {
        Host::Envoy(command) => lost::with_own(command.options.version, &plan),
        Host::Istio(options) => options.lost(&plan),
        Host::EnvoyGateway(options) => options.lost(&plan),
        Host::Plain(options) => lost::with_own(options.version(), &plan),
        Host::Helm(_) => None,
    };
    if let Some(lost) = lost {
        let _ = writeln!(std::io::stderr(), "{}", lost::message(&lost, &name));
    }
    let written = match &arguments.host {
        Host::Envoy(command) => {
            let written = dynamic::write(command, &plan).map_err(CheckError::Unwritten)?;
            written.notes.iter().for_each(|note| drop(writeln!(std::io::stderr(), "{note}")));
            return Ok(written.text);
        }
        Host::Helm(options) => {
            let written = helm::write(options, &plan).map_err(CheckError::Unwritten)?;
            written.notes.iter().for_each(|note| drop(writeln!(std::io::stderr(), "{note}")));
            return Ok(written.text);
        }
        Host::Istio(options) => istio::write(options, &plan),
        Host::EnvoyGateway(options) => envoy_gateway::write(options, &plan),
        Host::Plain(options) => Ok(plain::write(options, &plan)),
    };
    written.map(|text| sheet::without_idle_anchors(&text)).map_err(|errors| broken(ConfigErrors(errors)))
}
