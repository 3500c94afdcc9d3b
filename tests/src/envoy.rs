//! Runs the real Envoy with the rendered sample, in a process of its own or in one that is used again (`pool.rs`).
//!
//! Ports are chosen by the kernel and read back from Envoy, so that tests can run side by side.
//!
//! Does not look inside: see `admin.rs`.

use crate::bootstrap::{self, Variations};
use crate::drain::discover_listener;
use crate::patience::within;
use crate::pool::{self, Host};
use crate::process::{Launch, Process};
use crate::provider::Provider;
use serde_json::Value;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Seconds after which what runs on a listener that is replaced is cut.
pub(crate) const DRAIN_SECONDS: u32 = 1;
/// Environment variables of the sample that could leak a developer's own secrets into a test.
pub(crate) const SECRETS: [&str; 2] = ["OPENAI_API_KEY", "ANTHROPIC_API_KEY"];

/// What to start.
#[derive(Clone, Debug)]
pub struct Setup {
    pub(crate) variations: Variations,
    workers: u32,
    environment: Vec<(String, String)>,
    listener_discovered: bool,
    own_process: bool,
    pub(crate) binary: Option<&'static str>,
}

/// Envoy did not start.
#[derive(Debug)]
pub struct Refused {
    /// Its exit code.
    pub code: Option<i32>,
    /// What it wrote to its log.
    pub log: String,
}

impl Setup {
    /// Envoy with the filter and this plugin configuration, one worker.
    #[must_use]
    pub fn new(plugin: &Value) -> Self {
        Self::with_text(&plugin.to_string())
    }

    /// The same with a configuration that need not be JSON.
    #[must_use]
    pub fn with_text(plugin: &str) -> Self {
        let variations = Variations { plugin: Some(plugin.to_owned()), ..Variations::default() };
        Self { variations, ..Self::without_filter() }
    }

    /// The sample without the filter.
    #[must_use]
    pub fn without_filter() -> Self {
        Self {
            variations: Variations::default(),
            workers: 1,
            environment: Vec::new(),
            listener_discovered: false,
            own_process: false,
            binary: None,
        }
    }

    /// Worker threads, each with a virtual machine of its own.
    #[must_use]
    pub fn workers(mut self, workers: u32) -> Self {
        self.workers = workers;
        self
    }

    /// Takes the filter from a file, see [`Envoy::push`].
    #[must_use]
    pub fn discovered(mut self) -> Self {
        self.variations.discovered = true;
        self
    }

    /// Takes the listener from a file, see [`Envoy::push_listener`].
    #[must_use]
    pub fn listener_discovered(mut self) -> Self {
        self.listener_discovered = true;
        self
    }

    /// In a process that no other test has had: for tests of what belongs to a process, as memory and environment do.
    #[must_use]
    pub fn own_process(mut self) -> Self {
        self.own_process = true;
        self
    }

    /// Writes no access log: of very many requests it would be larger than everything else.
    #[must_use]
    pub fn without_access_log(mut self) -> Self {
        self.variations.without_access_log = true;
        self
    }

    /// Like a host that does not know `allow_on_headers_stop_iteration`.
    #[must_use]
    pub fn without_header_stop(mut self) -> Self {
        self.variations.without_header_stop = true;
        self
    }

    /// Without the filter behind the router and without what the router retries.
    #[must_use]
    pub fn without_attempts(mut self) -> Self {
        self.variations.without_attempts = true;
        self
    }

    /// Lets Envoy's heap be so large.
    #[must_use]
    pub fn heap(mut self, bytes: u64) -> Self {
        self.variations.heap = Some(bytes);
        self
    }

    /// Has this filter in front of ours.
    #[must_use]
    pub fn filter_before(mut self, filter: Value) -> Self {
        self.variations.filters_before.push(filter);
        self
    }

    /// Has this socket at the listener.
    #[must_use]
    pub fn transport_socket(mut self, socket: Value) -> Self {
        self.variations.transport_socket = Some(socket);
        self
    }

    /// Adds a cluster of this name for what serves at `provider`.
    #[must_use]
    pub fn cluster(mut self, name: &str, provider: SocketAddr) -> Self {
        self.variations.clusters.push((name.to_owned(), vec![provider]));
        self
    }

    /// Has the ledger of the fleet there.
    #[must_use]
    pub fn ledger(mut self, ledger: SocketAddr) -> Self {
        self.variations.ledger = Some(ledger);
        self
    }

    /// Has these clusters for the ledger of the fleet.
    #[must_use]
    pub fn ledger_clusters(mut self, clusters: Vec<Value>) -> Self {
        self.variations.ledger_clusters = clusters;
        self
    }

    /// Adds a cluster of this name with several hosts.
    #[must_use]
    pub fn pool(mut self, name: &str, hosts: &[SocketAddr]) -> Self {
        self.variations.clusters.push((name.to_owned(), hosts.to_vec()));
        self
    }

    /// Adds a cluster of this name that has no host: its name was not found, or no host of it is healthy.
    #[must_use]
    pub fn empty_cluster(mut self, name: &str) -> Self {
        self.variations.clusters.push((name.to_owned(), Vec::new()));
        self
    }

    /// Sets an environment variable; if it is not one of the sample's, the filter is allowed to read it.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        if !SECRETS.contains(&name) {
            self.variations.environment.push(name.to_owned());
        }
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts Envoy with `provider` as every provider.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start(self, provider: &Provider) -> Envoy {
        self.start_before(provider.address()).await
    }

    /// Starts Envoy with whatever serves at `provider` as every provider.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start_before(self, provider: SocketAddr) -> Envoy {
        match self.start_anywhere(provider).await {
            Ok(envoy) => envoy,
            Err(refused) => panic!("Envoy exited with {:?}:\n{}", refused.code, refused.log),
        }
    }

    /// Starts an Envoy of its own, or says how it refused.
    ///
    /// # Errors
    /// [`Refused`] if Envoy exits before it serves.
    pub async fn try_start(self, provider: &Provider) -> Result<Envoy, Refused> {
        self.own_process().start_anywhere(provider.address()).await
    }

    async fn start_anywhere(self, provider: SocketAddr) -> Result<Envoy, Refused> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (mut bootstrap, discovered) = bootstrap::render(&self.variations, provider, folder.path());
        if let Some(discovered) = &discovered {
            fs::write(bootstrap::filter_file(folder.path()), discovered.to_string()).expect("can be written");
        }
        if self.listener_discovered {
            discover_listener(&mut bootstrap, folder.path());
        }
        let Self { workers, environment, binary, .. } = self;
        if !self.own_process && !self.listener_discovered && pool::may_share(&self.variations) {
            let (host, listener) = pool::serve(bootstrap, &environment, workers, binary).await?;
            let (admin, log_from) = (host.admin, host.process.log().len());
            let process = Home::Lent { host: Some(host), folder, log_from };
            return Ok(Envoy { process, admin, listener, discovered: None, http: reqwest::Client::new() });
        }
        Launch { folder, bootstrap, overlay: None, workers, environment, binary }
            .start_with(discovered, DRAIN_SECONDS)
            .await
    }
}

/// A running Envoy. Dropping it kills it.
pub struct Envoy {
    process: Home,
    admin: SocketAddr,
    listener: SocketAddr,
    discovered: Option<Value>,
    pub(crate) http: reqwest::Client,
}

/// The process of an Envoy.
enum Home {
    Own(Process),
    /// One that others have had and will have: in whose log a test's own part begins there.
    Lent {
        host: Option<Host>,
        folder: TempDir,
        log_from: usize,
    },
}

impl Envoy {
    pub(crate) async fn with_first_listener(
        process: Process,
        admin: SocketAddr,
        discovered: Option<Value>,
    ) -> Result<Self, Refused> {
        let http = reqwest::Client::new();
        let listeners = http.get(format!("http://{admin}/listeners?format=json")).send();
        let listeners = within("the listeners", listeners).await.expect("admin answers");
        let listeners: Value = serde_json::from_slice(&listeners.bytes().await.expect("admin answers"))
            .expect("admin answers JSON");
        let socket = &listeners["listener_statuses"][0]["local_address"]["socket_address"];
        let listener = format!("127.0.0.1:{}", socket["port_value"]).parse().expect("a listener's port");
        Ok(Self { process: Home::Own(process), admin, listener, discovered, http })
    }

    /// Where it keeps its files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        match &self.process {
            Home::Own(process) => process.folder.path(),
            Home::Lent { folder, .. } => folder.path(),
        }
    }

    fn own(&self) -> &Process {
        match &self.process {
            Home::Own(process) => process,
            Home::Lent { .. } => panic!("this is for an Envoy of `Setup::own_process`"),
        }
    }

    /// Where callers are served.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listener
    }

    /// The URL of a path at the admin interface.
    #[must_use]
    pub fn admin_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.admin)
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.own().child.id()
    }

    /// Whether the process is gone.
    pub(crate) fn has_exited(&mut self) -> bool {
        match &mut self.process {
            Home::Own(process) => process.child.try_wait().expect("a child can be awaited").is_some(),
            Home::Lent { .. } => false,
        }
    }

    /// The memory that Envoy has in use (resident set), in kibibytes; `None` where there is no `/proc`.
    #[must_use]
    pub fn resident_kib(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix(" kB")?.parse().ok()
    }

    /// What Envoy and the filter wrote to the log so far.
    #[must_use]
    pub fn log(&self) -> String {
        match &self.process {
            Home::Own(process) => process.log(),
            Home::Lent { host, log_from, .. } => {
                host.as_ref().map(|host| host.process.log().split_off(*log_from)).unwrap_or_default()
            }
        }
    }

    /// Where the access log is written.
    #[must_use]
    pub fn access_log_path(&self) -> PathBuf {
        self.folder().join("access.log")
    }

    /// Puts another plugin configuration into the file that the filter is taken from.
    ///
    /// # Panics
    /// If Envoy was not started with [`Setup::discovered`].
    pub fn push(&self, plugin: &str) {
        let discovered = self.discovered.as_ref().expect("the filter is taken from a file");
        let file = bootstrap::filter_file(self.folder());
        let new = file.with_extension("new");
        fs::write(&new, bootstrap::discovered_with(discovered, plugin).to_string()).expect("can be written");
        fs::rename(new, file).expect("can be replaced"); // Envoy watches for a move, not for a write
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // What a test that failed leaves behind may be odd.
        if let Self::Lent { host, .. } = self
            && !std::thread::panicking()
            && let Some(host) = host.take()
        {
            host.put_back();
        }
    }
}
