//! Decides what the whole configuration consists of, and fills in what follows from the plugin configuration.
//!
//! Does not decide what clusters are like: see `site` and `cluster`.

use farebox_core::config::{Config, Provider, Signing};

use super::sheet::{Sheet, scalar};
use super::site::Site;
use super::{Options, Plan, cluster};

/// How much longer a stream may be silent than the attempts in it, in seconds.
const SPARE: u64 = 60;

/// What a configuration has besides, each as YAML that ends with a line break; empty for nothing.
#[derive(Debug, Default)]
pub(super) struct More {
    pub(super) listener: &'static str,
    pub(super) cluster: &'static str,
}

/// The configuration for `plan`, with `more` besides.
pub(super) fn write(options: &Options, plan: &Plan<'_>, more: &More) -> String {
    let Plan { source, json, config, providers, sites } = plan;
    let mut sheet = Sheet::default();
    let has = |wanted: fn(&Signing) -> bool| sites.iter().filter_map(Site::signing).any(wanted);
    let (has_gcp, has_azure) =
        (has(|signing| *signing == Signing::Gcp), has(|signing| matches!(signing, Signing::Azure { .. })));
    let (attempt_idle, stream_idle) = idle_seconds(config);
    let name = |site: &Site<'_>| scalar(&site.provider.cluster);
    let route = |site| sheet.put(include_str!("route.yaml"), &[("name", &name(site))]);
    let routes: Vec<String> = sites.iter().map(route).collect();
    let site = |site| cluster::of_site(&mut sheet, site, &options.gcp_token);
    let mut clusters: Vec<String> = sites.iter().map(site).collect();
    if has_azure {
        clusters.push(cluster::of_entra(&mut sheet));
    }
    if !more.cluster.is_empty() {
        clusters.push(sheet.put(more.cluster, &[]));
    }
    let node = if has_gcp { include_str!("signing/node.yaml") } else { "" };
    let secrets = if has_azure { include_str!("signing/secrets.yaml") } else { "" };
    let mut overload = Sheet::default();
    let configuration = json.strip_suffix('\n').unwrap_or(json);
    sheet.put(
        include_str!("bootstrap.yaml"),
        &[
            ("source", &source.replace(char::is_control, " ")),
            ("node", node.strip_suffix('\n').unwrap_or_default()),
            ("admin_host", &scalar(&options.admin.ip().to_string())),
            ("admin_port", &options.admin.port().to_string()),
            ("overload", &options.memory.manager(&mut overload, true)),
            ("host", &scalar(&options.address.ip().to_string())),
            ("port", &options.address.port().to_string()),
            ("stream_idle", &stream_idle.to_string()),
            ("attempt_idle", &attempt_idle.to_string()),
            ("wasm", &scalar(&options.wasm)),
            ("env", &variables(providers).join(", ")),
            // Whoever reads a text that begins with a space takes it for further in than it is.
            ("indicator", if json.starts_with([' ', '\n', '\r', '\t']) { "2" } else { "" }),
            ("configuration", configuration),
            ("routes", &routes.join("\n")),
            ("listeners", more.listener.strip_suffix('\n').unwrap_or_default()),
            ("secrets", secrets.strip_suffix('\n').unwrap_or_default()),
            ("clusters", &clusters.join("\n\n")),
        ],
    )
}

/// The environment variables that hold keys, each once.
pub(super) fn variables(providers: &[&Provider]) -> Vec<String> {
    let mut variables = Vec::new();
    for key in providers.iter().flat_map(|provider| provider.keys()) {
        let name = scalar(&key.env);
        if !variables.contains(&name) {
            variables.push(name);
        }
    }
    variables
}

/// How long an attempt and how long a stream may be silent, in seconds: the first is less than the second, and what
/// the configuration allows attempts for their first token fits into both.
pub(super) fn idle_seconds(config: &Config) -> (u64, u64) {
    let first_token = config.failover.first_token_ms.unwrap_or(0) / 1_000;
    let attempt = (config.failover.silence_ms / 1_000).max(first_token);
    (attempt, attempt.max(first_token * u64::from(config.failover.attempts)) + SPARE)
}
