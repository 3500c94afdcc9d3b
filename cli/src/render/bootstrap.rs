//! Decides what the whole configuration consists of, and fills in what follows from the plugin configuration.
//!
//! Does not decide what clusters are like: see `site` and `cluster`.

use std::net::SocketAddr;

use farebox_core::config::{Config, Provider, Signing};

use super::cluster::Files;
use super::sheet::scalar;
use super::site::Site;
use super::{Options, Plan, cluster, ledger, lost, mesh};

/// How much longer a stream may be silent than the attempts in it, in seconds.
const SPARE: u64 = 60;

/// The configuration for `plan`.
pub(super) fn write(options: &Options, plan: &Plan<'_>) -> String {
    let Plan { source, config, providers, sites, .. } = plan;
    let mut sheet = plan.sheet();
    let has = |wanted: fn(&Signing) -> bool| sites.iter().filter_map(Site::signing).any(wanted);
    let (has_files, has_azure) = (
        has(|signing| matches!(signing, Signing::Gcp | Signing::File(_))),
        has(|signing| matches!(signing, Signing::Azure { .. })),
    );
    let version = options.version;
    let (attempt_idle, stream_idle) = idle_seconds(config, version.fails_over());
    let name = |site: &Site<'_>| scalar(&site.provider.cluster);
    let route = |site| sheet.put(include_str!("route.yaml"), &[("name", &name(site))]);
    let routes: Vec<String> = sites.iter().map(route).collect();
    let files = Files { ca: &options.ca, gcp_token: &options.gcp_token };
    let site = |site| cluster::of_site(&mut sheet, site, files, version);
    let mut clusters: Vec<String> = sites.iter().map(site).collect();
    if has_azure {
        clusters.push(cluster::of_entra(&mut sheet, files, version));
    }
    let ledger = ledger::clusters(&mut sheet, plan);
    clusters.extend(ledger.iter().map(|cluster| format!("- {}", cluster.yaml.replace('\n', "\n  "))));
    let (admin_host, admin_port) = socket(&options.admin);
    let metrics = options.metrics.map(|metrics| {
        let admin = [("host", &*admin_host), ("port", &admin_port)];
        clusters.push(sheet.put(include_str!("metrics/cluster.yaml"), &admin));
        let (host, port) = socket(&metrics);
        sheet.put(include_str!("metrics/listener.yaml"), &[("host", &host), ("port", &port)])
    });
    let (host, port) = socket(&options.address);
    let node = if has_files { include_str!("signing/node.yaml") } else { "" };
    let secrets = if has_azure { include_str!("signing/secrets.yaml") } else { "" };
    let mut overload = plan.sheet();
    let mut piece = |is_wanted: bool, piece, values: &[(&str, &str)]| {
        if is_wanted { overload.put(piece, values) } else { String::new() }
    };
    let fails_over = version.fails_over();
    let attempts = piece(fails_over, include_str!("bootstrap/attempts.yaml"), &[]);
    let attempt_idle = attempt_idle.to_string();
    let retries = match fails_over {
        true => piece(true, include_str!("bootstrap/retries.yaml"), &[("attempt_idle", &attempt_idle)]),
        false => piece(true, include_str!("bootstrap/no_retries.yaml"), &[]),
    };
    let limits_routes = version.limits_bodies_of_routes();
    let body_limit = piece(limits_routes, include_str!("bootstrap/body_limit.yaml"), &[]);
    let connection_limit = piece(!limits_routes, include_str!("bootstrap/connection_limit.yaml"), &[]);
    let window = if limits_routes { "1048576" } else { "33619968" };
    let record = match version.has_coalesce() {
        true => piece(true, include_str!("bootstrap/record.yaml"), &[]),
        false => piece(true, include_str!("bootstrap/record_1_36.yaml"), &[]),
    };
    let [host_header, host_rewrite] = mesh::host(&mut overload, version);
    let lost = lost::comment(lost::with_own(version, plan).as_ref());
    let (indicator, configuration) = plan.block();
    sheet.put(
        include_str!("bootstrap.yaml"),
        &[
            ("version", version.name()),
            ("where", if fails_over { "before and behind" } else { "before" }),
            ("source", &source.replace(char::is_control, " ")),
            ("lost", &lost),
            ("node", node.strip_suffix('\n').unwrap_or_default()),
            ("admin_host", &admin_host),
            ("admin_port", &admin_port),
            ("overload", &options.memory.manager(&mut overload, true)),
            ("host", &host),
            ("port", &port),
            ("stream_idle", &stream_idle.to_string()),
            ("attempts", &attempts),
            ("retries", &retries),
            ("host_header", &host_header),
            ("host_rewrite", &host_rewrite),
            ("body_limit", &body_limit),
            ("connection_limit", &connection_limit),
            ("window", window),
            ("record", &record),
            ("wasm", &scalar(&options.wasm)),
            ("env", &variables(config, providers).join(", ")),
            ("indicator", indicator),
            ("configuration", &configuration),
            ("routes", &routes.join("\n")),
            ("listeners", &metrics.unwrap_or_default()),
            ("secrets", secrets.strip_suffix('\n').unwrap_or_default()),
            ("clusters", &clusters.join("\n\n")),
        ],
    )
}

/// Host and port of an address, as YAML.
fn socket(address: &SocketAddr) -> (String, String) {
    (scalar(&address.ip().to_string()), address.port().to_string())
}

/// The environment variables that hold secrets, each once.
pub(super) fn variables(config: &Config, providers: &[&Provider]) -> Vec<String> {
    let mut variables = Vec::new();
    let keys = providers.iter().flat_map(|provider| provider.keys()).map(|key| &*key.env);
    let ledger = config.ledger.as_ref().and_then(|ledger| ledger.password_env.as_deref());
    for name in keys.chain(config.stored_state_env.as_deref()).chain(ledger).map(scalar) {
        if !variables.contains(&name) {
            variables.push(name);
        }
    }
    variables
}

/// How long an attempt and how long a stream may be silent, in seconds: the first is less than the second, and what
/// the configuration allows attempts for their first token fits into both. Where there is one attempt, it is the stream.
pub(super) fn idle_seconds(config: &Config, fails_over: bool) -> (u64, u64) {
    if !fails_over {
        let silence = config.failover.silence_ms / 1_000;
        return (silence, silence);
    }
    let first_token = config.failover.first_token_ms.unwrap_or(0) / 1_000;
    let attempt = (config.failover.silence_ms / 1_000).max(first_token);
    (attempt, attempt.max(first_token * u64::from(config.failover.attempts)) + SPARE)
}
