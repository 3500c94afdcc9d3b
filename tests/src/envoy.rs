//! Runs the real Envoy with the rendered sample and ends it with the test.
//!
//! Ports are chosen by the kernel and read back from Envoy, so that tests can run side by side. When
//! a test fails, the end of Envoy's own log is printed with it.
//!
//! Does not look inside: see `admin.rs`.

use crate::bootstrap::{self, Variations};
use crate::drain::discover_listener;
use crate::patience::{until, within};
use crate::provider::Provider;
use crate::workspace;
use serde_json::Value;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Bytes of Envoy's log that a failing test prints.
const TAIL: usize = 6_000;
/// Seconds after which what runs on a listener that is replaced is cut.
const DRAIN_SECONDS: u32 = 1;
/// Environment variables of the sample that could leak a developer's own secrets into a test.
const SECRETS: [&str; 2] = ["OPENAI_API_KEY", "ANTHROPIC_API_KEY"];

/// What to start.
#[derive(Clone, Debug)]
pub struct Setup {
    pub(crate) variations: Variations,
    workers: u32,
    environment: Vec<(String, String)>,
    listener_discovered: bool,
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
        Self { variations, workers: 1, environment: Vec::new(), listener_discovered: false, binary: None }
    }

    /// The sample without the filter.
    #[must_use]
    pub fn without_filter() -> Self {
        Self {
            variations: Variations::default(),
            workers: 1,
            environment: Vec::new(),
            listener_discovered: false,
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

    /// Adds a cluster of this name for what serves at `provider`.
    #[must_use]
    pub fn cluster(mut self, name: &str, provider: SocketAddr) -> Self {
        self.variations.clusters.push((name.to_owned(), vec![provider]));
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
        match self.try_start_before(provider).await {
            Ok(envoy) => envoy,
            Err(refused) => panic!("Envoy exited with {:?}:\n{}", refused.code, refused.log),
        }
    }

    /// Starts Envoy, or says how it refused.
    ///
    /// # Errors
    /// [`Refused`] if Envoy exits before it serves.
    pub async fn try_start(self, provider: &Provider) -> Result<Envoy, Refused> {
        self.try_start_before(provider.address()).await
    }

    async fn try_start_before(self, provider: SocketAddr) -> Result<Envoy, Refused> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (mut bootstrap, discovered) = bootstrap::render(&self.variations, provider, folder.path());
        if let Some(discovered) = &discovered {
            fs::write(bootstrap::filter_file(folder.path()), discovered.to_string()).expect("can be written");
        }
        if self.listener_discovered {
            discover_listener(&mut bootstrap, folder.path());
        }
        let Self { workers, environment, binary, .. } = self;
        Launch { folder, bootstrap, overlay: None, workers, environment, binary }
            .start_with(discovered, DRAIN_SECONDS)
            .await
    }
}

/// An Envoy with a configuration of the test's own.
#[derive(Debug)]
pub struct Launch {
    /// Where it keeps its files.
    pub folder: TempDir,
    /// Its configuration. The admin page and the first listener must be at port 0.
    pub bootstrap: Value,
    /// What is merged into the configuration, as Envoy does that itself.
    pub overlay: Option<Value>,
    /// Worker threads.
    pub workers: u32,
    /// Variables of its environment.
    pub environment: Vec<(String, String)>,
    /// The version of the Envoy that runs it; `None`: the one in the virtual environment.
    pub binary: Option<&'static str>,
}

impl Launch {
    /// Starts Envoy, or says how it refused.
    ///
    /// # Errors
    /// [`Refused`] if Envoy exits before it serves.
    pub async fn start(self) -> Result<Envoy, Refused> {
        self.start_with(None, DRAIN_SECONDS).await
    }

    /// The same, where streams on a listener that is replaced have so long to end.
    ///
    /// # Errors
    /// [`Refused`] if Envoy exits before it serves.
    pub async fn start_with_drain(self, seconds: u32) -> Result<Envoy, Refused> {
        self.start_with(None, seconds).await
    }

    async fn start_with(self, discovered: Option<Value>, drain: u32) -> Result<Envoy, Refused> {
        let folder = self.folder;
        let config = folder.path().join("envoy.json");
        fs::write(&config, self.bootstrap.to_string()).expect("the folder can be written");
        let log = File::create(log_path(folder.path())).expect("the folder can be written");
        let mut command =
            Command::new(self.binary.map_or_else(|| workspace::tool("envoy"), workspace::envoy));
        command.arg("-c").arg(&config).arg("--admin-address-path").arg(admin_path(folder.path()));
        command.args(["--concurrency", &self.workers.to_string(), "--disable-hot-restart"]);
        command.args(["--service-node", "test", "--service-cluster", "test"]); // discovery wants a name
        command.args(["--log-level", "warning", "--component-log-level", "wasm:debug"]);
        command.args(["--file-flush-interval-msec", "10", "--drain-time-s", &drain.to_string()]);
        if let Some(overlay) = &self.overlay {
            command.args(["--config-yaml", &overlay.to_string()]);
        }
        for name in SECRETS {
            command.env_remove(name);
        }
        command.envs(self.environment);
        // A configuration that no test has changed writes its access log there.
        let access = File::create(folder.path().join("access.log")).expect("the folder can be written");
        let child = command.stdin(Stdio::null()).stdout(access).stderr(log).spawn();
        let process = Process { child: child.expect("Envoy can be run"), folder };
        Envoy::ready(process, discovered).await
    }
}

/// A running Envoy. Dropping it kills it.
pub struct Envoy {
    process: Process,
    admin: SocketAddr,
    listener: SocketAddr,
    discovered: Option<Value>,
    pub(crate) http: reqwest::Client,
}

impl Envoy {
    async fn ready(mut process: Process, discovered: Option<Value>) -> Result<Self, Refused> {
        let http = reqwest::Client::new();
        let path = admin_path(process.folder.path());
        let admin: SocketAddr = loop {
            if let Some(refused) = process.refused() {
                return Err(refused);
            }
            if let Some(address) = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok()) {
                break address;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        };
        let state = until("Envoy to be ready", async || {
            if let Some(refused) = process.refused() {
                return Some(Err(refused));
            }
            let answer = http.get(format!("http://{admin}/ready")).send().await.ok()?;
            answer.status().is_success().then_some(Ok(()))
        });
        state.await?;
        let listeners = http.get(format!("http://{admin}/listeners?format=json")).send();
        let listeners = within("the listeners", listeners).await.expect("admin answers");
        let listeners: Value = serde_json::from_slice(&listeners.bytes().await.expect("admin answers"))
            .expect("admin answers JSON");
        let socket = &listeners["listener_statuses"][0]["local_address"]["socket_address"];
        let listener = format!("127.0.0.1:{}", socket["port_value"]).parse().expect("a listener's port");
        Ok(Self { process, admin, listener, discovered, http })
    }

    /// Where it keeps its files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.process.folder.path()
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
        self.process.child.id()
    }

    /// Whether the process is gone.
    pub(crate) fn has_exited(&mut self) -> bool {
        self.process.child.try_wait().expect("a child can be awaited").is_some()
    }

    /// The memory that Envoy has in use (resident set), in kibibytes; `None` where there is no `/proc`.
    #[must_use]
    pub fn resident_kib(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix(" kB")?.parse().ok()
    }

    /// What Envoy and the filter wrote to the log so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Where the access log is written.
    #[must_use]
    pub fn access_log_path(&self) -> PathBuf {
        self.process.folder.path().join("access.log")
    }

    /// Puts another plugin configuration into the file that the filter is taken from.
    ///
    /// # Panics
    /// If Envoy was not started with [`Setup::discovered`].
    pub fn push(&self, plugin: &str) {
        let discovered = self.discovered.as_ref().expect("the filter is taken from a file");
        let file = bootstrap::filter_file(self.process.folder.path());
        let new = file.with_extension("new");
        fs::write(&new, bootstrap::discovered_with(discovered, plugin).to_string()).expect("can be written");
        fs::rename(new, file).expect("can be replaced"); // Envoy watches for a move, not for a write
    }
}

struct Process {
    child: Child,
    folder: TempDir,
}

impl Process {
    fn refused(&mut self) -> Option<Refused> {
        let status = self.child.try_wait().expect("a child can be awaited")?;
        Some(Refused { code: status.code(), log: self.log() })
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(log_path(self.folder.path())).unwrap_or_default()).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let tail = log.char_indices().rev().nth(TAIL).map_or(0, |(at, _)| at);
            eprintln!("---- the end of Envoy's log\n{}\n----", &log[tail..]);
        }
    }
}

fn admin_path(folder: &Path) -> PathBuf {
    folder.join("admin.address")
}

fn log_path(folder: &Path) -> PathBuf {
    folder.join("envoy.log")
}
