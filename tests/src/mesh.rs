//! An Envoy that gets what a control plane would make of the manifests below `k8s/`, with simulators as the providers.
//!
//! The control planes themselves do not run here. What they would send is made by `istio.rs` and `envoy_gateway.rs`,
//! after what their sources say; Envoy, the filter and the manifests are the real ones.
//!
//! Does not know one control plane from another.

use crate::client::Client;
use crate::envoy::{Envoy, Refused};
use crate::process::Launch;
use crate::provider::Provider;
use crate::workspace;
use crate::{envoy_gateway, istio};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

/// What the samples for a cluster have in the place of a key's hash: nobody has that key.
const NOBODYS: &str = r#""sha256": "0000000000000000000000000000000000000000000000000000000000000000""#;
/// The key whose hash takes that place here.
pub const KEY: &str = "fb_demo_tryit-0000000000";
/// The providers of the sample configurations.
pub const PROVIDERS: [&str; 3] = ["openai", "anthropic", "vllm"];
/// The secrets of those that have one, by variable.
pub const SECRETS: [(&str, &str); 2] =
    [("OPENAI_API_KEY", "sk-of-openai"), ("ANTHROPIC_API_KEY", "sk-of-anthropic")];

/// What a control plane sends.
#[derive(Debug)]
pub struct Sent {
    /// The listener's connection manager.
    pub manager: Value,
    /// The filters that are found by name.
    pub extensions: BTreeMap<String, Value>,
    /// The clusters without their endpoints, by the name of the provider they are for.
    pub clusters: BTreeMap<String, Value>,
    /// What is merged into the bootstrap.
    pub overlay: Option<Value>,
    /// The host that callers name.
    pub host: String,
}

/// Whether a pod could get the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Module {
    /// It is there.
    There,
    /// Another build of it is there.
    Another,
    /// It could not be had.
    Missing,
}

/// A gateway in a mesh, in use.
pub struct Mesh {
    /// Envoy with what it was sent.
    pub envoy: Envoy,
    /// The simulators, in the order of [`PROVIDERS`].
    pub providers: [Provider; 3],
    /// A caller with the key [`KEY`].
    pub client: Client,
    sent: Sent,
}

impl Mesh {
    /// What Istio makes of the manifests in a folder below `k8s/istio`.
    pub async fn istio(folder: &str) -> Self {
        Self::start(istio::sent(&manifests(&format!("istio/{folder}")))).await
    }

    /// What Envoy Gateway makes of the manifests in a folder below `k8s/envoy-gateway`.
    pub async fn envoy_gateway(folder: &str) -> Self {
        Self::start(envoy_gateway::sent(&manifests(&format!("envoy-gateway/{folder}")))).await
    }

    /// An Envoy that is sent this.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start(sent: Sent) -> Self {
        match Self::try_start(sent, Module::There).await {
            Ok(mesh) => mesh,
            Err(refused) => panic!("Envoy exited with {:?}:\n{}", refused.code, refused.log),
        }
    }

    /// An Envoy that is sent this, in a pod with or without the module.
    ///
    /// # Errors
    /// [`Refused`] if Envoy exits before it serves.
    ///
    /// # Panics
    /// If there is a cluster for a provider that is none of [`PROVIDERS`].
    pub async fn try_start(mut sent: Sent, module: Module) -> Result<Self, Refused> {
        let providers = [Provider::start().await, Provider::start().await, Provider::start().await];
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, extension) in &sent.extensions {
            write(folder.path(), name, &delivered(extension, module, folder.path()));
        }
        take_from_files(&mut sent.manager, folder.path());
        let mut clusters = Vec::new();
        for (name, cluster) in &sent.clusters {
            let at = PROVIDERS.iter().position(|known| known == name).expect("a provider of the sample");
            clusters.push(with_endpoint(cluster.clone(), providers[at].address()));
        }
        crate::bootstrap::log_to(&mut sent.manager, &folder.path().join("access.log"));
        let manager = json!({
            "name": "envoy.filters.network.http_connection_manager", "typed_config": sent.manager,
        });
        let nowhere = || crate::bootstrap::address("127.0.0.1:0".parse().expect("an address"));
        let bootstrap = json!({
            "admin": {"address": nowhere()},
            "stats_flush_interval": "0.1s",
            "static_resources": {
                "listeners": [
                    {"name": "0.0.0.0_80", "address": nowhere(), "filter_chains": [{"filters": [manager]}]},
                ],
                "clusters": clusters,
            },
        });
        let environment = SECRETS.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let overlay = sent.overlay.clone();
        let envoy =
            Launch { folder, bootstrap, overlay, workers: 1, environment, binary: None }.start().await?;
        let client = Client::new(&envoy, KEY).with("host", &sent.host);
        Ok(Self { envoy, providers, client, sent })
    }

    /// A caller without a key.
    #[must_use]
    pub fn anonymous(&self) -> Client {
        Client::anonymous(&self.envoy).with("host", &self.sent.host)
    }

    /// The simulator that stands for a provider.
    ///
    /// # Panics
    /// If there is none of this name.
    #[must_use]
    pub fn provider(&self, name: &str) -> &Provider {
        let at = PROVIDERS.iter().position(|known| *known == name).expect("a provider of the sample");
        &self.providers[at]
    }

    /// How many requests each provider was sent.
    #[must_use]
    pub fn counts(&self) -> [usize; 3] {
        self.providers.each_ref().map(Provider::count)
    }

    /// The plugin configuration that the manifests have.
    ///
    /// # Panics
    /// If it is not JSON.
    #[must_use]
    pub fn plugin(&self) -> Value {
        let extension = self.sent.extensions.values().next().expect("there is a filter");
        let text = extension["config"]["configuration"]["value"].as_str().expect("a text");
        serde_json::from_str(text).expect("the configuration is JSON")
    }

    /// Sends every filter again with another configuration, or as it arrives in a pod that cannot get the module.
    pub fn push(&self, plugin: &str, module: Module) {
        for (name, extension) in &self.sent.extensions {
            let mut extension = extension.clone();
            extension["config"]["configuration"]["value"] = json!(plugin);
            write(self.envoy.folder(), name, &delivered(&extension, module, self.envoy.folder()));
        }
    }
}

/// The resources in a folder below `k8s/`, once somebody has put the hash of [`KEY`] in.
///
/// # Panics
/// If there are none.
#[must_use]
pub fn manifests(folder: &str) -> Vec<Value> {
    let path = workspace::root().join("k8s").join(folder).join("farebox.yaml");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let key = format!(r#""sha256": "{}""#, crate::config::sha256(KEY));
    documents(&text.replace(NOBODYS, &key))
}

/// The same, once somebody has given the Gateway's listener a hostname.
#[must_use]
pub fn named(mut resources: Vec<Value>, host: &str) -> Vec<Value> {
    let gateways = resources.iter_mut().filter(|resource| resource["kind"] == "Gateway");
    gateways.for_each(|gateway| gateway["spec"]["listeners"][0]["hostname"] = json!(host));
    resources
}

/// The host that the virtual host of a Gateway is for.
#[must_use]
pub fn hostname(resources: &[Value]) -> &str {
    let gateway = resources.iter().find(|resource| resource["kind"] == "Gateway");
    gateway.and_then(|gateway| gateway["spec"]["listeners"][0]["hostname"].as_str()).unwrap_or("*")
}

/// The documents of a YAML text.
///
/// # Panics
/// If it is not YAML.
#[must_use]
pub fn documents(text: &str) -> Vec<Value> {
    text.split("\n---\n").map(|document| serde_saphyr::from_str(document).expect("YAML")).collect()
}

/// The resource of a kind.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn of_kind<'a>(resources: &'a [Value], kind: &str) -> &'a Value {
    resources.iter().find(|resource| resource["kind"] == kind).unwrap_or_else(|| panic!("there is no {kind}"))
}

/// The host that a rule of an HTTPRoute names instead of the caller's, and the headers that it takes out.
#[must_use]
pub fn rewritten(rule: &Value) -> (Value, Value) {
    let filters = rule["filters"].as_array().into_iter().flatten();
    let mut found = (Value::Null, json!([]));
    for filter in filters {
        match filter["type"].as_str() {
            Some("URLRewrite") => found.0 = filter["urlRewrite"]["hostname"].clone(),
            Some("RequestHeaderModifier") => found.1 = filter["requestHeaderModifier"]["remove"].clone(),
            other => panic!("{other:?} is not known here"),
        }
    }
    found
}

/// Every list of `base` with those of `patch` behind it, every other value replaced: how protocol buffers are merged.
pub fn merge(base: &mut Value, patch: &Value) {
    match (base, patch) {
        (Value::Object(base), Value::Object(patch)) => {
            for (key, value) in patch {
                match base.get_mut(key) {
                    Some(known) => merge(known, value),
                    None => drop(base.insert(key.clone(), value.clone())),
                }
            }
        }
        (Value::Array(base), Value::Array(patch)) => base.extend(patch.iter().cloned()),
        (base, patch) => *base = patch.clone(),
    }
}

/// What becomes of a filter on its way to Envoy: its module is a file in the pod, or there is none and the Istio agent
/// sends what refuses everybody.
fn delivered(extension: &Value, module: Module, folder: &Path) -> Value {
    if module == Module::Missing {
        return json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC", "rules": {},
        });
    }
    let file = match module {
        Module::Another => another_build(folder),
        _ => workspace::wasm(),
    };
    let mut extension = extension.clone();
    extension["config"]["vm_config"]["code"] = json!({"local": {"filename": file}});
    extension
}

/// A module that does the same and is not the same: with a custom section `note` at its end.
fn another_build(folder: &Path) -> std::path::PathBuf {
    let file = folder.join("another.wasm");
    // Written once: Envoy may be reading it for the other filter.
    if !file.exists() {
        let mut module = fs::read(workspace::wasm()).expect("the module is built");
        module.extend(b"\x00\x05\x04note");
        fs::write(&file, module).expect("the folder can be written");
    }
    file
}

fn write(folder: &Path, name: &str, extension: &Value) {
    let resource = json!({"resources": [{
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": name,
        "typed_config": extension,
    }]});
    let new = folder.join("extension.new");
    fs::write(&new, resource.to_string()).expect("the folder can be written");
    fs::rename(new, file(folder, name)).expect("can be replaced"); // Envoy watches for a move, not for a write
}

fn file(folder: &Path, name: &str) -> std::path::PathBuf {
    folder.join(format!("{}.json", name.replace('/', "_")))
}

/// Has every filter that is found by name looked for in a file: there is no control plane here.
fn take_from_files(value: &mut Value, folder: &Path) {
    match value {
        Value::Object(members) => {
            let name = members.get("name").and_then(Value::as_str).map(str::to_owned);
            if let (Some(name), Some(discovery)) = (name, members.get_mut("config_discovery")) {
                let source = discovery["config_source"].as_object_mut().expect("a source");
                assert!(source.remove("ads").is_some(), "it comes from the control plane");
                source.insert("path_config_source".into(), json!({"path": file(folder, &name)}));
            }
            members.values_mut().for_each(|member| take_from_files(member, folder));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| take_from_files(item, folder)),
        _ => {}
    }
}

/// Plain text instead of TLS, the simulator instead of a name to be resolved.
fn with_endpoint(mut cluster: Value, provider: SocketAddr) -> Value {
    let endpoint = json!({"endpoint": {"address": crate::bootstrap::address(provider)}});
    cluster["type"] = json!("STATIC");
    cluster["load_assignment"] =
        json!({"cluster_name": cluster["name"], "endpoints": [{"lb_endpoints": [endpoint]}]});
    cluster
}
