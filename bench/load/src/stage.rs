//! Decides how each kind of system is started: Envoys from one rendered configuration, other gateways from their
//! folders.
//!
//! Does not put load on them.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bootstrap::Bootstrap;
use crate::error::BenchError;
use crate::get::get;
use crate::kind::{Farebox, Kind};
use crate::peer;
use crate::plugin::{KEY, MODEL, Wanted, plugin};
use crate::process::{Process, Start};
use crate::section::prefix;
use crate::system::{Manner, System};

/// How long Envoy may take to be ready: it compiles the filter first.
const PATIENCE: Duration = Duration::from_secs(60);
/// Places for sessions where there are very many.
const MANY_SLOTS: u64 = 131_072;
/// Places for sessions unless there are very many; Farebox's own default.
const SLOTS: u64 = 1024;

/// A build of Farebox.
#[derive(Clone, Debug)]
pub(crate) struct Build {
    /// What its systems are called after the `@`; `None`: nothing.
    pub(crate) name: Option<String>,
    /// The filter.
    pub(crate) wasm: PathBuf,
    /// The command line tool, which renders Envoy's configuration.
    pub(crate) cli: PathBuf,
}

/// What systems are started with.
pub(crate) struct Stage {
    /// Envoy.
    pub(crate) envoy: PathBuf,
    /// The empty filter.
    pub(crate) empty: PathBuf,
    /// Builds of Farebox, the one without a name first.
    pub(crate) builds: Vec<Build>,
    /// Where the folders of other gateways are.
    pub(crate) peers: PathBuf,
    /// The upstream.
    pub(crate) upstream: SocketAddr,
    /// The server of a fleet's ledger, once it runs.
    pub(crate) ledger: Option<SocketAddr>,
    /// The core that systems of one worker run on; `None`: any.
    pub(crate) core: Option<usize>,
}

impl Stage {
    /// Starts a system.
    ///
    /// # Errors
    /// If something of it is missing, or it does not get ready.
    pub(crate) async fn start(&self, kind: &Kind, workers: usize) -> Result<System, BenchError> {
        let core = self.core.filter(|_| workers == 1);
        match kind {
            Kind::Direct => Ok(System::new(Kind::Direct, self.upstream, manner(), None, None)),
            Kind::Peer(name) => {
                let port = free_port()?;
                peer::start(&self.peers.join(name), name, port, self.upstream, workers, core).await
            }
            _ => self.envoy(kind, workers, core).await,
        }
    }

    async fn envoy(&self, kind: &Kind, workers: usize, core: Option<usize>) -> Result<System, BenchError> {
        let folder = tempfile::tempdir().map_err(BenchError::io("a temporary folder"))?;
        let config = folder.path().join("envoy.json");
        let bootstrap = self.bootstrap(kind, &folder)?;
        fs::write(&config, bootstrap.text()).map_err(BenchError::file(&config))?;
        let admin = folder.path().join("admin.address");
        let start = Start {
            program: &self.envoy,
            arguments: vec![
                "-c".into(),
                config.into(),
                "--admin-address-path".into(),
                admin.clone().into(),
                "--concurrency".into(),
                workers.to_string().into(),
                "--disable-hot-restart".into(),
                "--log-level".into(),
                "error".into(),
            ],
            log: folder.path().join("envoy.log"),
            core,
            has_children: false,
            environment: Vec::new(),
        };
        let mut process = Process::start(start)?;
        let address = process.until(&kind.to_string(), PATIENCE, async |_| listener(&admin).await).await?;
        Ok(System::new(kind.clone(), address, manner(), Some(process), Some(folder)))
    }

    /// The configuration of an Envoy.
    fn bootstrap(&self, kind: &Kind, folder: &TempDir) -> Result<Bootstrap, BenchError> {
        let log = folder.path().join("access.log");
        let Kind::Farebox(farebox) = kind else {
            if *kind == Kind::PlainDefault {
                return Ok(Bootstrap::default_proxy(self.upstream));
            }
            let mut bootstrap = self.rendered(&Farebox::default(), folder)?;
            bootstrap.leave_farebox_out()?;
            match kind {
                Kind::PlainLog => bootstrap.add_log(&log)?,
                Kind::Empty => bootstrap.add_filter(&self.empty)?,
                _ => {}
            }
            return Ok(bootstrap);
        };
        let mut bootstrap = self.rendered(farebox, folder)?;
        bootstrap.log_to(&log)?;
        if !farebox.attempts {
            bootstrap.leave_attempts_out()?;
        } else if !bootstrap.has_attempts() {
            return Err(BenchError::Form("no filter behind the router was rendered".into()));
        }
        Ok(bootstrap)
    }

    fn rendered(&self, farebox: &Farebox, folder: &TempDir) -> Result<Bootstrap, BenchError> {
        let build = self.build(farebox.build.as_deref())?;
        let wanted = Wanted {
            budgets: farebox.budgets,
            failover: farebox.attempts,
            each_writes: farebox.each_writes,
            near_limit: farebox.near_limit,
            slots: if farebox.many_slots { MANY_SLOTS } else { SLOTS },
            short_sessions: farebox.for_agents,
        };
        let mut plugin = plugin(wanted, self.upstream);
        if farebox.fleet {
            let server = self.ledger.ok_or_else(|| BenchError::Missing("the ledger's server".into()))?;
            let prefix = prefix(&Kind::Farebox(farebox.clone()));
            let ledger = json!({"endpoints": [format!("redis://{server}")], "prefix": prefix});
            plugin.as_object_mut().into_iter().for_each(|plugin| {
                plugin.insert("ledger".into(), ledger.clone());
            });
        }
        let path = folder.path().join("farebox.json");
        fs::write(&path, plugin.to_string()).map_err(BenchError::file(&path))?;
        let mut command = Command::new(&build.cli);
        command.args(["render", "envoy"]).arg(&path).arg("--wasm").arg(&build.wasm);
        let output = command.output().map_err(BenchError::file(&build.cli))?;
        if !output.status.success() {
            return Err(BenchError::Form(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        Bootstrap::rendered(&String::from_utf8_lossy(&output.stdout))
    }

    fn build(&self, name: Option<&str>) -> Result<&Build, BenchError> {
        let named = self.builds.iter().find(|build| build.name.as_deref() == name);
        let found = named.or_else(|| self.builds.first().filter(|_| name.is_none()));
        let build = found.ok_or_else(|| BenchError::Missing(format!("a build named {name:?}")))?;
        for file in [&build.wasm, &build.cli] {
            if !file.exists() {
                return Err(BenchError::Missing(format!("{} (it has to be built before)", file.display())));
            }
        }
        Ok(build)
    }
}

/// What clients say to an Envoy, and to the upstream itself.
fn manner() -> Manner {
    let headers = vec![("authorization".to_owned(), format!("Bearer {KEY}"))];
    Manner { path: "/v1/chat/completions".into(), headers, model: MODEL.into() }
}

/// Where an Envoy listens, once it is ready.
async fn listener(admin: &Path) -> Option<SocketAddr> {
    let admin: SocketAddr = fs::read_to_string(admin).ok()?.trim().parse().ok()?;
    let (status, _) = get(admin, "/ready").await.ok()?;
    if status != 200 {
        return None;
    }
    let (_, listeners) = get(admin, "/listeners?format=json").await.ok()?;
    let listeners: Value = serde_json::from_str(&listeners).ok()?;
    let port = listeners.pointer("/listener_statuses/0/local_address/socket_address/port_value")?.as_u64()?;
    Some(([127, 0, 0, 1], u16::try_from(port).ok()?).into())
}

/// A port that was free a moment ago: for those who cannot be given port 0.
fn free_port() -> Result<u16, BenchError> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(BenchError::io("a free port"))?;
    Ok(listener.local_addr().map_err(BenchError::io("a free port"))?.port())
}
