//! Decides how an Envoy is started, how long it is waited for, and that it is gone when its test or all tests are.
//!
//! When a test fails, the end of Envoy's own log is printed with it.

use crate::envoy::{DRAIN_SECONDS, Envoy, Refused, SECRETS};
use crate::patience::until;
use crate::workspace;
use serde_json::Value;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Bytes of Envoy's log that a failing test prints.
const TAIL: usize = 6_000;
/// Runs a command until its own standard input ends, as it does when the tests end, however they do.
const END_WITH_STDIN: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- & command=$!
(cat <&3 >/dev/null; kill -9 $command) 2>/dev/null & exec 3<&-
wait $command"#;

/// When an Envoy is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// When the test that has it ends.
    WithTest,
    /// When all tests have ended.
    WithTests,
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

    pub(crate) async fn start_with(self, discovered: Option<Value>, drain: u32) -> Result<Envoy, Refused> {
        let (process, admin) = self.run(drain, Ending::WithTest).await?;
        Envoy::with_first_listener(process, admin, discovered).await
    }

    /// Starts Envoy and waits until it is ready; where its admin page is.
    pub(crate) async fn run(self, drain: u32, ending: Ending) -> Result<(Process, SocketAddr), Refused> {
        let folder = self.folder;
        let config = folder.path().join("envoy.json");
        fs::write(&config, self.bootstrap.to_string()).expect("the folder can be written");
        let log = File::create(log_path(folder.path())).expect("the folder can be written");
        let binary = self.binary.map_or_else(|| workspace::tool("envoy"), workspace::envoy);
        let (mut command, stdin) = match ending {
            Ending::WithTest => (Command::new(&binary), Stdio::null()),
            Ending::WithTests => (Command::new("sh"), Stdio::piped()),
        };
        if ending == Ending::WithTests {
            command.args(["-c", END_WITH_STDIN, "sh"]).arg(&binary);
        }
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
        let child = command.stdin(stdin).stdout(access).stderr(log).spawn();
        Process { child: child.expect("Envoy can be run"), folder }.ready().await
    }
}

/// A process that is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) folder: TempDir,
}

impl Process {
    async fn ready(mut self) -> Result<(Self, SocketAddr), Refused> {
        let http = reqwest::Client::new();
        let path = admin_path(self.folder.path());
        let admin: SocketAddr = loop {
            if let Some(refused) = self.refused() {
                return Err(refused);
            }
            if let Some(address) = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok()) {
                break address;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        };
        let state = until("Envoy to be ready", async || {
            if let Some(refused) = self.refused() {
                return Some(Err(refused));
            }
            let answer = http.get(format!("http://{admin}/ready")).send().await.ok()?;
            answer.status().is_success().then_some(Ok(()))
        });
        state.await?;
        Ok((self, admin))
    }

    pub(crate) fn refused(&mut self) -> Option<Refused> {
        let status = self.child.try_wait().expect("a child can be awaited")?;
        Some(Refused { code: status.code(), log: self.log() })
    }

    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(log_path(self.folder.path())).unwrap_or_default()).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Whoever watches over it kills it then.
        if self.child.stdin.take().is_none() {
            let _ = self.child.kill();
        }
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
