//! Decides how Envoy reaches the ledger of a fleet: which clusters there are for it, and what they are like.
//!
//! The filter for attempts is in none of them: the filter would be called from itself.
//!
//! Does not decide who adds a cluster where somebody else configures Envoy: see `istio` and `envoy_gateway`.

use std::net::IpAddr;

use farebox_core::config::{ConfigError, FleetLedger};

use super::Plan;
use super::sheet::{Sheet, scalar};

/// Where Debian and Ubuntu, and Envoy's own image, keep the system's CAs.
const SYSTEM_CA: &str = "/etc/ssl/certs/ca-certificates.crt";

macro_rules! piece {
    ($name:literal) => {
        include_str!(concat!($name, ".yaml"))
    };
}

/// A cluster as YAML, and its name.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) name: String,
    pub(super) yaml: String,
}

/// What the configuration does not say of its ledger and has to, to have clusters for it.
pub(super) fn mistakes(plan: &Plan<'_>) -> Vec<ConfigError> {
    let Some(ledger) = &plan.config.ledger else { return Vec::new() };
    let mut mistakes = Vec::new();
    let mut fail =
        |path: &str, message: String| mistakes.push(ConfigError { path: path.to_owned(), message });
    if ledger.endpoints.is_empty() {
        fail(
            "ledger.endpoints",
            "is missing: nobody said where it listens, like [\"redis://valkey:6379\"]".to_owned(),
        );
    }
    if ledger.endpoints.iter().any(|endpoint| endpoint.tls) && ledger.certified_name().is_none() {
        let message = "is missing: it is the name that the certificates of all its endpoints are for";
        fail("ledger.tls.host", message.to_owned());
    }
    let names = [ledger.cluster.to_string(), ledger.shard_cluster()];
    let names = if ledger.settings.is_sharded { &names[..] } else { &names[..1] };
    for site in plan.sites.iter().filter(|site| names.iter().any(|name| **name == *site.provider.cluster)) {
        let message = format!("is in the way of the cluster of the provider \"{}\"", site.provider.name);
        fail("ledger.cluster", message);
    }
    mistakes
}

/// The clusters for the ledger of `plan`; none if it has no ledger.
pub(super) fn clusters(sheet: &mut Sheet, plan: &Plan<'_>) -> Vec<Cluster> {
    let Some(ledger) = &plan.config.ledger else { return Vec::new() };
    let mut clusters = vec![main(sheet, ledger)];
    if ledger.settings.is_sharded {
        clusters.push(nodes(sheet, ledger));
    }
    clusters
}

fn main(sheet: &mut Sheet, ledger: &FleetLedger) -> Cluster {
    let is_static = ledger.endpoints.iter().all(|endpoint| endpoint.host.parse::<IpAddr>().is_ok());
    let discovery = if is_static { piece!("cluster/static") } else { piece!("cluster/strict_dns") };
    let discovery = sheet.put(discovery, &[]);
    let warm = if is_static { String::new() } else { sheet.put(piece!("cluster/warm"), &[]) };
    let endpoint = |(host, port): (&str, u16)| {
        let (host, port) = (scalar(host), port.to_string());
        sheet.put(piece!("cluster/endpoint"), &[("host", &host), ("port", &port)])
    };
    let endpoints = ledger.endpoints.iter().map(|endpoint| (&*endpoint.host, endpoint.port));
    let endpoints: Vec<String> = endpoints.map(endpoint).collect();
    let [breakers, connection, tls] = shared(sheet, ledger);
    let yaml = sheet.put(
        piece!("ledger/cluster"),
        &[
            ("name", &scalar(&ledger.cluster)),
            ("discovery", &discovery),
            ("warm", &warm),
            ("breakers", &breakers),
            ("connection", &connection),
            ("endpoints", &endpoints.join("\n")),
            ("tls", &tls),
        ],
    );
    Cluster { name: ledger.cluster.to_string(), yaml }
}

fn nodes(sheet: &mut Sheet, ledger: &FleetLedger) -> Cluster {
    let name = ledger.shard_cluster();
    let [breakers, connection, tls] = shared(sheet, ledger);
    let values = [
        ("name", &*scalar(&name)),
        ("header", FleetLedger::SHARD_HEADER),
        ("breakers", &breakers),
        ("connection", &connection),
        ("tls", &tls),
    ];
    let yaml = sheet.put(piece!("ledger/nodes"), &values);
    Cluster { name, yaml }
}

/// What both clusters have: what they bear, how they connect, and their TLS.
fn shared(sheet: &mut Sheet, ledger: &FleetLedger) -> [String; 3] {
    let breakers = sheet.put(piece!("ledger/breakers"), &[]);
    let connection = sheet.put(piece!("ledger/connection"), &[]);
    let tls = ledger.certified_name().map(|host| {
        let ca = ledger.ca_file.as_deref().unwrap_or(SYSTEM_CA);
        sheet.put(piece!("ledger/tls"), &[("host", &scalar(host)), ("ca", &scalar(ca))])
    });
    [breakers, connection, tls.unwrap_or_default()]
}
