//! Decides where the ledger of a fleet is and how it is used: the `ledger`.
//!
//! The timings depend on each other. An epoch must be long against the pushes of a worker, or who is well is taken for
//! silent; a grace must be long enough that everybody who remembers something can say it; and who waits, waits longer
//! than a grace, or the first request of an empty ledger would get no answer.

use std::rc::Rc;

use super::credentials::{self, Environment};
use super::cursor::{Cursor, Fields};
use super::endpoints;
use super::syntax::{BASE_PATH, CLUSTER, ID, LABEL, TLS_HOST};
use crate::budget::fleet::{Access, Network, OnOutage, Settings};
use crate::config::{FleetLedger, HoldPolicy, LedgerEndpoint};
use crate::registry::{OnColdStart, RegistrySettings};

const FIELDS: [&str; 16] = [
    "cluster",
    "endpoints",
    "tls",
    "mode",
    "networks",
    "prefix",
    "username",
    "password",
    "db",
    "interval_ms",
    "epoch_seconds",
    "grace_ms",
    "wait_ms",
    "on_outage",
    "lost",
    "registry",
];
const ENDPOINT: &str =
    "must be redis:// or rediss:// with a host and an optional port, like redis://valkey:6379";
const NETWORK: &str = "must be a network like 10.0.0.0/8";
/// Pushes of a worker that an epoch has room for at least.
const PUSHES: u64 = 32;
/// How much longer than a grace a request waits, in milliseconds.
const PATIENCE_MS: u64 = 1_000;
/// How long the account of a window is kept after its end, in milliseconds, at least.
const TAIL_MS: u64 = 3_600_000;

/// The ledger, if it could be read.
pub(super) fn read(at: &Cursor<'_>, hold: &HoldPolicy, environment: Environment<'_>) -> Option<FleetLedger> {
    let fields = at.fields(&FIELDS)?;
    let usual = Settings::default();
    let cluster = fields.get("cluster").map_or(Some("ledger"), |at| at.text_as(CLUSTER));
    let endpoints = fields.get("endpoints").map(|at| read_endpoints(&at)).unwrap_or_default();
    let (tls_host, ca_file) = fields.get("tls").map(|at| read_tls(&at, &endpoints)).unwrap_or_default();
    let modes = [("standalone", false), ("cluster", true)];
    let is_sharded = fields.get("mode").and_then(|at| at.word(&modes)).unwrap_or(false);
    let networks = read_networks(&fields, is_sharded);
    let prefix = fields.get("prefix").map_or(Some(&*usual.prefix), |at| at.text_as(ID));
    let username = fields.get("username").and_then(|at| at.text_as(LABEL));
    let password = fields.get("password").and_then(|at| credentials::read_secret_of(&at, 1, environment));
    if let Some(at) = fields.get("username").filter(|_| fields.get("password").is_none()) {
        at.fail("needs a \"password\"");
    }
    let count = |key, least, most| fields.get(key).and_then(|at| at.count(least..=most));
    let db = count("db", 0, 1_023).and_then(|db| u32::try_from(db).ok()).unwrap_or(0);
    if let Some(at) = fields.get("db").filter(|_| db != 0 && is_sharded) {
        at.fail("a cluster has one database only");
    }
    let interval_ms = count("interval_ms", 50, 60_000).unwrap_or(usual.interval_ms);
    let epoch_ms = count("epoch_seconds", 2, 86_400).map_or(usual.epoch_ms, |seconds| seconds * 1_000);
    let grace_ms = count("grace_ms", 100, 600_000).unwrap_or(usual.grace_ms.max(interval_ms * 8));
    let wait_ms = count("wait_ms", 50, 60_000).unwrap_or(grace_ms + PATIENCE_MS.max(2 * interval_ms));
    if epoch_ms < PUSHES * interval_ms {
        let told = format!(
            "must be at least {} s: 32 times \"interval_ms\"",
            (PUSHES * interval_ms).div_ceil(1_000)
        );
        fields.get("epoch_seconds").or(fields.get("interval_ms"))?.fail(told);
    }
    // A heartbeat comes in four intervals, a call takes two at most, and a tick one.
    if let Some(at) = fields.get("grace_ms").filter(|_| grace_ms < 7 * interval_ms) {
        at.fail(format!("must be at least {}: 7 times \"interval_ms\"", 7 * interval_ms));
    }
    let outages = [("deny", OnOutage::Deny), ("allotment", OnOutage::Allotment), ("local", OnOutage::Local)];
    let on_outage = fields.get("on_outage").and_then(|at| at.word(&outages)).unwrap_or(usual.on_outage);
    let forgives = fields.get("lost").and_then(|at| at.word(&[("charge", false), ("forgive", true)]));
    let registry = fields.get("registry").map(|at| read_registry(&at));
    let (password_env, password) = password.unzip();
    Some(FleetLedger {
        cluster: cluster?.into(),
        endpoints,
        tls_host,
        ca_file,
        password_env,
        registry,
        settings: Rc::new(Settings {
            prefix: prefix?.into(),
            interval_ms,
            epoch_ms,
            grace_ms,
            wait_ms,
            on_outage,
            forgives: forgives.unwrap_or(usual.forgives),
            is_sharded,
            tail_ms: TAIL_MS.max(hold.epoch_ms.saturating_mul(2)),
            networks,
            access: Access { username: username.map(Into::into), password, db },
        }),
    })
}

fn read_registry(at: &Cursor<'_>) -> RegistrySettings {
    let (fields, usual) = (at.fields(&["interval_ms", "on_cold_start"]), RegistrySettings::default());
    let get = |key| fields.as_ref()?.get(key);
    RegistrySettings {
        interval_ms: get("interval_ms").and_then(|at| at.count(100..=60_000)).unwrap_or(usual.interval_ms),
        on_cold_start: get("on_cold_start")
            .and_then(|at| at.word(&OnColdStart::NAMES))
            .unwrap_or(usual.on_cold_start),
    }
}

fn read_endpoints(at: &Cursor<'_>) -> Vec<LedgerEndpoint> {
    let items = at.items();
    if items.as_ref().is_some_and(Vec::is_empty) {
        at.fail("must have at least one endpoint");
    }
    let read = |item: &Cursor<'_>| {
        let endpoint = endpoints::parse_as(item.text()?, [("redis", 6_379), ("rediss", 6_379)]);
        if endpoint.is_none() {
            item.fail(ENDPOINT);
        }
        let (tls, host, port) = endpoint?;
        Some(LedgerEndpoint { tls, host: host.into(), port })
    };
    let endpoints: Vec<LedgerEndpoint> = items.unwrap_or_default().iter().filter_map(read).collect();
    if endpoints.iter().any(|endpoint| endpoint.tls) && endpoints.iter().any(|endpoint| !endpoint.tls) {
        at.fail("must all be redis:// or all be rediss://");
    }
    endpoints
}

/// The name and the file with the CAs of a certificate.
fn read_tls(at: &Cursor<'_>, endpoints: &[LedgerEndpoint]) -> (Option<Box<str>>, Option<Box<str>>) {
    if !endpoints.first().is_some_and(|endpoint| endpoint.tls) {
        at.fail("only means something with \"endpoints\" that are rediss://");
    }
    let fields = at.fields(&["host", "ca_file"]);
    let get = |key| fields.as_ref()?.get(key);
    let host = get("host").and_then(|at| at.text_as(TLS_HOST));
    let file = get("ca_file").and_then(|at| at.text_as(BASE_PATH));
    (host.map(Into::into), file.map(Into::into))
}

fn read_networks(fields: &Fields<'_>, is_sharded: bool) -> Vec<Network> {
    let Some(at) = fields.get("networks") else {
        if is_sharded {
            fields.fail(
                "\"mode\": \"cluster\" needs \"networks\": where a node may be to which another one leads",
            );
        }
        return Vec::new();
    };
    if !is_sharded {
        at.fail("only means something in \"mode\": \"cluster\"");
    }
    let read = |item: &Cursor<'_>| {
        let text = item.text()?;
        let network = Network::parse(text);
        if network.is_none() {
            item.fail(NETWORK);
        }
        network
    };
    at.items().unwrap_or_default().iter().filter_map(read).collect()
}
