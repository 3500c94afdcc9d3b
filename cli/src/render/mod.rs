//! Decides what `farebox render` writes: a whole Envoy configuration, from the plugin configuration alone.
//!
//! The clusters of Envoy and the providers of Farebox say the same things twice: where a provider is, what
//! its certificate is for, which variables hold its keys. Written by hand they drift apart; from one file
//! they cannot.
//!
//! Does not start Envoy and does not look names up; `envoy --mode validate` judges what is written.

mod bootstrap;
mod cluster;
mod names;
mod sheet;
mod site;
mod sites;

use std::net::SocketAddr;
use std::path::PathBuf;

use farebox_core::config::{Config, ConfigErrors};

use crate::check::CheckError;
use crate::source::Source;

/// Writes configurations for what Farebox runs in.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    host: Host,
}

#[derive(Debug, clap::Subcommand)]
enum Host {
    Envoy(Options),
}

/// Writes a whole envoy.yaml from a plugin configuration.
#[derive(Debug, clap::Args)]
struct Options {
    /// Plugin configuration, JSON or YAML; - reads the standard input
    file: PathBuf,
    /// Where Envoy finds the filter
    #[arg(long, value_name = "PATH", default_value = "target/wasm32-wasip1/release/farebox.wasm")]
    wasm: String,
    /// Where clients connect
    #[arg(long, default_value = "127.0.0.1:10000")]
    address: SocketAddr,
    /// Where Envoy's admin page is; whoever reaches it can stop Envoy
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9901")]
    admin: SocketAddr,
    /// Where Envoy finds the access token for providers with {"envoy": "gcp"}: a file of Envoy's secret discovery
    #[arg(long, value_name = "PATH", default_value = "/etc/envoy/gcp-token.json")]
    gcp_token: String,
}

/// The Envoy configuration, as YAML.
///
/// # Errors
/// [`CheckError`] if the configuration is not good, or good and not enough to know where its providers are.
pub(crate) fn run(arguments: &Arguments) -> Result<String, CheckError> {
    let Host::Envoy(options) = &arguments.host;
    let Source { name, json } = Source::read(&options.file).map_err(CheckError::Source)?;
    // Secrets are not needed to write down which variables hold them.
    let config = Config::parse(json.as_bytes(), |_| Some("set".to_owned()));
    let config = config.map_err(|errors| CheckError::Broken(name.clone(), errors))?;
    let providers = names::in_order(&json, &config);
    let sites =
        sites::of(&providers).map_err(|errors| CheckError::Broken(name.clone(), ConfigErrors(errors)))?;
    Ok(bootstrap::write(options, &name, &json, &config, &providers, &sites))
}
