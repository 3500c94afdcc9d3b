//! Runs a real Valkey, ends it with the test, and does to it in between what happens to one: it is stopped, killed,
//! paused, and started again on what it kept.
//!
//! Does not stand between it and those who call it: see `faults.rs`.

use crate::patience::{until, within};
use crate::resp::{self, Resp};
use crate::workspace;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// How often a port is tried that somebody else may take first.
const TRIES: usize = 5;

/// Where it always listens.
const LOOPBACK: &str = "127.0.0.1";

/// What to start.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    password: Option<String>,
    cluster: bool,
    options: Vec<String>,
}

impl Setup {
    /// Writes each command down before it is answered (`always`), once a second (`everysec`), or when the system likes
    /// (`no`). Without this nothing outlives the process.
    #[must_use]
    pub fn append_only(self, fsync: &str) -> Self {
        self.option("--appendonly", "yes").option("--appendfsync", fsync)
    }

    /// Wants a password of everybody.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self.option("--requirepass", password)
    }

    /// Is a node of a cluster, so far one without slots.
    #[must_use]
    pub fn cluster(mut self) -> Self {
        self.cluster = true;
        self.option("--cluster-enabled", "yes")
    }

    /// Listens there besides.
    #[must_use]
    pub fn bind(mut self, host: &str) -> Self {
        if host != LOOPBACK {
            self.options.extend(["--bind", LOOPBACK, host].map(str::to_owned));
        }
        self
    }

    /// Has another option.
    #[must_use]
    pub fn option(mut self, name: &str, value: &str) -> Self {
        self.options.extend([name.to_owned(), value.to_owned()]);
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start(self) -> Valkey {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for _ in 0..TRIES {
            let (port, bus) = (free_port(), free_port());
            if let Some(child) = self.run(&folder, port, bus).await {
                return Valkey { setup: self, folder, port, bus, child: Some(child) };
            }
        }
        panic!("Valkey does not start:\n{}", log(&folder));
    }

    /// Runs it until it answers; `None` if it ends before.
    async fn run(&self, folder: &TempDir, port: u16, bus: u16) -> Option<Child> {
        let log = File::options().create(true).append(true).open(folder.path().join("valkey.log"));
        let log = log.expect("the folder can be written");
        let mut command = Command::new(workspace::valkey());
        command.args(["--bind", LOOPBACK, "--port", &port.to_string(), "--save", ""]);
        // A replica gets its copy at once, and not in five seconds.
        command.args(["--repl-diskless-sync-delay", "0"]);
        command.arg("--dir").arg(folder.path()).args(&self.options);
        if self.cluster {
            command.args(["--cluster-port", &bus.to_string()]);
        }
        let error = log.try_clone().expect("a file can be shared");
        command.stdin(Stdio::null()).stdout(log).stderr(error);
        let mut child = Running(Some(command.spawn().expect("Valkey can be run")));
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let pid = child.0.as_ref().map_or(0, Child::id).to_string();
        let ready = until("Valkey to answer", async || {
            if child
                .0
                .as_mut()
                .is_none_or(|child| child.try_wait().expect("a child can be awaited").is_some())
            {
                return Some(false);
            }
            // Whoever has this port, it must be this one; and it loads what it kept before it says so.
            let info = resp::exchange(address, &self.with_password(&["INFO"])).await.ok()?;
            let info = String::from_utf8_lossy(&info).into_owned();
            (info.contains(&format!("process_id:{pid}\r\n")) && info.contains("\r\nloading:0\r\n"))
                .then_some(true)
        });
        if ready.await { child.0.take() } else { None }
    }

    fn with_password(&self, words: &[&str]) -> Vec<u8> {
        let login = self.password.as_ref().map(|password| resp::command(&["AUTH", password]));
        [login.unwrap_or_default(), resp::command(words)].concat()
    }
}

/// A running Valkey. Dropping it kills it.
pub struct Valkey {
    setup: Setup,
    folder: TempDir,
    port: u16,
    bus: u16,
    child: Option<Child>,
}

impl Valkey {
    /// One that keeps nothing and lets everybody in.
    pub async fn start() -> Self {
        Setup::default().start().await
    }

    /// Where it listens, or did.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Where the other nodes of its cluster reach it.
    #[must_use]
    pub fn bus(&self) -> u16 {
        self.bus
    }

    /// What it wrote to its log so far.
    #[must_use]
    pub fn log(&self) -> String {
        log(&self.folder)
    }

    /// Has it do something, with the password if it has one.
    ///
    /// # Panics
    /// If it does not answer.
    pub async fn command(&self, words: &[&str]) -> Resp {
        self.try_command(words).await.unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// The same, where it may close the connection: it does so to all when it becomes a replica.
    ///
    /// # Errors
    /// The connection was closed.
    ///
    /// # Panics
    /// If it does nothing, or answers with half an answer.
    pub async fn try_command(&self, words: &[&str]) -> std::io::Result<Resp> {
        let sent = self.setup.with_password(words);
        let answer = within(&format!("{words:?}"), resp::exchange(self.address(), &sent)).await?;
        let (mut answers, rest) = resp::answers(&answer);
        assert_eq!(rest, 0, "cut short: {answer:?}");
        answers.pop().ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
    }

    /// Has it serve all slots of a cluster of which it is the only node.
    pub async fn serve_all_slots(&self) {
        assert_eq!(
            self.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).await,
            Resp::Simple("OK".into())
        );
        until("the cluster to be whole", async || {
            let Resp::Bulk(Some(info)) = self.command(&["CLUSTER", "INFO"]).await else { return None };
            info.contains("cluster_state:ok").then_some(())
        })
        .await;
    }

    /// Stops it from running until it goes on: connections are taken by the system, and nothing is answered.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.signal("-CONT");
    }

    /// Asks it to end, and waits until it has.
    pub async fn stop(&mut self) {
        self.signal("-TERM");
        until("Valkey to end", async || {
            let child = self.child.as_mut()?;
            child.try_wait().expect("a child can be awaited")
        })
        .await;
        self.child = None;
    }

    /// Ends it as a crash does.
    pub fn kill(&mut self) {
        drop(Running(self.child.take()));
    }

    /// Starts it again where it was, on what it kept. It must have ended.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn restart(&mut self) {
        assert!(self.child.is_none(), "it still runs");
        for _ in 0..TRIES {
            self.child = self.setup.run(&self.folder, self.port, self.bus).await;
            if self.child.is_some() {
                return;
            }
        }
        panic!("Valkey does not start again:\n{}", self.log());
    }

    /// Throws away what it kept. It must have ended.
    ///
    /// # Panics
    /// If it still runs.
    pub fn lose_everything(&self) {
        assert!(self.child.is_none(), "it still runs");
        let _ = fs::remove_dir_all(self.folder.path().join("appendonlydir"));
    }

    fn signal(&self, signal: &str) {
        let id = self.child.as_ref().expect("it runs").id();
        let sent = Command::new("kill").args([signal, &id.to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "a signal can be sent");
    }
}

impl Drop for Valkey {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("---- Valkey's log\n{}\n----", self.log());
        }
    }
}

/// A process that ends with what has it. A paused one ends as well.
struct Running(Option<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn log(folder: &TempDir) -> String {
    String::from_utf8_lossy(&fs::read(folder.path().join("valkey.log")).unwrap_or_default()).into_owned()
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}
