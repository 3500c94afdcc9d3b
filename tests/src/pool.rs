//! Decides which Envoys are used again: one that a test is done with serves the next, with another listener, other
//! clusters and new virtual machines.
//!
//! Envoy compiles the module for seconds, but only once a process: V8 finds a module that it has compiled already,
//! whatever the `vm_id`. So every Envoy here keeps one virtual machine for good, and each test gets a listener whose
//! machines have a `vm_id` of its own, hence nothing in common with those of other tests. Its metrics go with its
//! machines.
//!
//! Does not know what a test needs an Envoy of its own for: see [`crate::envoy::Setup::own_process`].

use crate::bootstrap::{self, Variations};
use crate::envoy::Refused;
use crate::patience::{PATIENCE, until, within};
use crate::process::{Ending, Launch, Process};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tokio::sync::Semaphore;

static IDLE: Mutex<VecDeque<Host>> = Mutex::new(VecDeque::new());
/// Compiling the module takes all cores: more than two at once would only be late.
static STARTING: Semaphore = Semaphore::const_new(2);
static LEASES: AtomicU64 = AtomicU64::new(0);

/// What an Envoy cannot change while it runs.
#[derive(Debug, PartialEq)]
struct Kind {
    workers: u32,
    binary: Option<&'static str>,
    /// The configuration without listeners and clusters.
    rest: Value,
}

/// An Envoy that serves one test after the other.
#[derive(Debug)]
pub(crate) struct Host {
    kind: Kind,
    pub(crate) process: Process,
    pub(crate) admin: SocketAddr,
    /// Virtual machines that it has when nobody uses it.
    machines: u64,
}

/// Lets an Envoy serve `bootstrap`: one that is idle, or a new one. Where it serves.
pub(crate) async fn serve(
    mut bootstrap: Value,
    environment: &[(String, String)],
    workers: u32,
    binary: Option<&'static str>,
) -> Result<(Host, SocketAddr), Refused> {
    let resources = bootstrap["static_resources"].as_object_mut().expect("the sample has resources");
    let mut listener = resources.remove("listeners").expect("the sample has a listener")[0].take();
    let clusters = resources.remove("clusters").expect("the sample has clusters");
    let keeper = keeper(&listener);
    let lease = LEASES.fetch_add(1, Ordering::Relaxed);
    adapt_machines(&mut listener, &format!("test-{lease}"), environment);
    let kind = Kind { workers, binary, rest: bootstrap };
    let host = loop {
        let Some(host) = take(&kind) else {
            let _turn = STARTING.acquire().await.expect("it is never closed");
            break Host::start(kind, keeper).await?;
        };
        if host.is_clean().await {
            break host;
        }
    };
    let http = reqwest::Client::new();
    let reset = http.post(format!("http://{}/reset_counters", host.admin)).send();
    assert!(within("the counters", reset).await.expect("admin answers").status().is_success());
    let name = listener["name"].clone();
    host.write(&[listener], clusters.as_array().expect("a list"));
    let address = until("Envoy to serve the test's listener", async || {
        let stats = host
            .stats(&http, "(listener_manager.lds|cluster_manager.cds).update_(rejected|success)$")
            .await?;
        let is = |name: &str| stats.iter().any(|(known, value)| known == name && *value > 0);
        assert!(
            !is("listener_manager.lds.update_rejected") && !is("cluster_manager.cds.update_rejected"),
            "Envoy refuses the test's listener or clusters:\n{}",
            host.process.log()
        );
        if !is("cluster_manager.cds.update_success") {
            return None;
        }
        let answer = http.get(format!("http://{}/listeners?format=json", host.admin)).send().await.ok()?;
        let listeners: Value = serde_json::from_slice(&answer.bytes().await.ok()?).ok()?;
        let own =
            listeners["listener_statuses"].as_array()?.iter().find(|listener| listener["name"] == name)?;
        let port = &own["local_address"]["socket_address"]["port_value"];
        format!("127.0.0.1:{port}").parse().ok()
    })
    .await;
    Ok((host, address))
}

/// An idle Envoy of a kind: the one that has been so for the longest time.
fn take(kind: &Kind) -> Option<Host> {
    let mut idle = IDLE.lock().unwrap();
    let at = idle.iter().position(|host| host.kind == *kind)?;
    idle.remove(at)
}

impl Host {
    async fn start(kind: Kind, keeper: Value) -> Result<Self, Refused> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut bootstrap = kind.rest.clone();
        bootstrap["dynamic_resources"] = json!({
            "lds_config": {"path_config_source": {"path": file(folder.path(), "lds")}},
            "cds_config": {"path_config_source": {"path": file(folder.path(), "cds")}},
        });
        bootstrap["bootstrap_extensions"] = json!([keeper]);
        write(folder.path(), &[], &[]);
        let Kind { workers, binary, .. } = kind;
        let launch = Launch { folder, bootstrap, overlay: None, workers, environment: Vec::new(), binary };
        let (process, admin) = launch.run(0, Ending::WithTests).await?;
        let mut host = Self { kind, process, admin, machines: 0 };
        let http = reqwest::Client::new();
        host.machines = until("the machine that is kept", async || {
            let count = host.machines(&http).await?;
            (count > 0).then_some(count)
        })
        .await;
        Ok(host)
    }

    async fn stats(&self, http: &reqwest::Client, pattern: &str) -> Option<Vec<(String, u64)>> {
        let url = format!("http://{}/stats?filter={pattern}", self.admin);
        let text = http.get(url).send().await.ok()?.text().await.ok()?;
        let lines = text.lines().filter_map(|line| line.split_once(": "));
        Some(lines.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect())
    }

    async fn machines(&self, http: &reqwest::Client) -> Option<u64> {
        let stats = self.stats(http, r"^wasm\..*\.active$").await?;
        Some(stats.iter().map(|(_, value)| value).sum())
    }

    /// Waits until nothing of the last test is there any more; whether that has come.
    async fn is_clean(&self) -> bool {
        let (http, since) = (reqwest::Client::new(), Instant::now());
        while since.elapsed() < PATIENCE / 6 {
            let listeners = self.stats(&http, "listener_manager.total_listeners_").await;
            let none = listeners.is_some_and(|stats| stats.iter().all(|(_, value)| *value == 0));
            if none && self.machines(&http).await == Some(self.machines) {
                return true;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        false
    }

    fn write(&self, listeners: &[Value], clusters: &[Value]) {
        write(self.process.folder.path(), listeners, clusters);
    }

    /// Takes away what it serves and keeps it for the next test.
    pub(crate) fn put_back(self) {
        self.write(&[], &[]);
        IDLE.lock().unwrap().push_back(self);
    }
}

/// A virtual machine that serves nobody and keeps the compiled module: the filter with its sample configuration.
fn keeper(listener: &Value) -> Value {
    let mut config = bootstrap::filter_of_listener(listener)["config"].clone();
    config["vm_config"]["vm_id"] = json!("keeper");
    config["configuration"]["value"] =
        json!(r#"{"version": "v1", "keys": [], "providers": {}, "models": {}}"#);
    config.as_object_mut().expect("an object").retain(|key, _| key != "allow_on_headers_stop_iteration");
    json!({"name": "envoy.bootstrap.wasm", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.wasm.v3.WasmService",
        "singleton": true, "config": config,
    }})
}

/// Gives the virtual machines below `value` this id, and the variables that an Envoy of their own would have been
/// started with.
fn adapt_machines(value: &mut Value, id: &str, environment: &[(String, String)]) {
    match value {
        Value::Object(members) => {
            if let Some(vm) = members.get_mut("vm_config") {
                vm["vm_id"] = json!(id);
                let names =
                    vm["environment_variables"]["host_env_keys"].as_array().cloned().unwrap_or_default();
                let set = environment.iter().filter(|(name, _)| names.iter().any(|known| known == name));
                let set: serde_json::Map<_, _> =
                    set.map(|(name, value)| (name.clone(), json!(value))).collect();
                vm["environment_variables"] = json!({"key_values": set});
            }
            members.values_mut().for_each(|member| adapt_machines(member, id, environment));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| adapt_machines(item, id, environment)),
        _ => {}
    }
}

fn file(folder: &Path, name: &str) -> PathBuf {
    folder.join(name).with_extension("json")
}

fn write(folder: &Path, listeners: &[Value], clusters: &[Value]) {
    // The clusters first: the listener's requests need them.
    for (name, kind, resources) in
        [("cds", "cluster.v3.Cluster", clusters), ("lds", "listener.v3.Listener", listeners)]
    {
        let typed = resources.iter().cloned().map(|mut resource| {
            resource["@type"] = json!(format!("type.googleapis.com/envoy.config.{kind}"));
            resource
        });
        let (file, text) = (file(folder, name), json!({"resources": typed.collect::<Vec<_>>()}).to_string());
        let new = file.with_extension("new");
        fs::write(&new, text).expect("can be written");
        fs::rename(new, file).expect("can be replaced"); // Envoy watches for a move, not for a write
    }
}

/// Whether another test may have had such an Envoy before.
pub(crate) fn may_share(variations: &Variations) -> bool {
    variations.plugin.is_some() && !variations.discovered && variations.heap.is_none()
}
