//! Runs a Sentinel that watches over a primary and makes a replica the next one.
//!
//! One is enough here: it is its own majority.

use crate::patience::until;
use crate::resp::{self, Resp};
use crate::valkey::{Valkey, free_port};
use crate::workspace;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// What it calls them.
const NAME: &str = "ledger";
/// How long a primary is silent that counts as gone, in milliseconds.
const DOWN_AFTER_MS: u64 = 500;

/// A running Sentinel. Dropping it kills it.
pub struct Sentinel {
    address: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl Sentinel {
    /// Watches over `primary`, and waits until it knows of so many replicas.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn over(primary: &Valkey, replicas: usize) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (port, own) = (primary.address().port(), free_port());
        let file = folder.path().join("sentinel.conf");
        let text = format!(
            "bind 127.0.0.1\nport {own}\nsentinel monitor {NAME} 127.0.0.1 {port} 1\n\
             sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS}\nsentinel failover-timeout {NAME} 5000\n"
        );
        fs::write(&file, text).expect("the folder can be written");
        let mut command = Command::new(workspace::valkey());
        command.arg(&file).arg("--sentinel").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.current_dir(folder.path()).spawn().expect("it can be run");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, own));
        let sentinel = Self { address, child, _folder: folder };
        until("the Sentinel to know of the replicas", async || {
            let answer = sentinel.ask(&["SENTINEL", "SLAVES", NAME]).await?;
            matches!(answer, Resp::Array(known) if known.len() == replicas).then_some(())
        })
        .await;
        sentinel
    }

    /// Which one is the primary now.
    pub async fn primary(&self) -> Option<SocketAddr> {
        let answer = self.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME]).await?;
        let Resp::Array(words) = answer else { return None };
        let [Resp::Bulk(Some(host)), Resp::Bulk(Some(port))] = &*words else { return None };
        format!("{host}:{port}").parse().ok()
    }

    async fn ask(&self, words: &[&str]) -> Option<Resp> {
        let answer = resp::exchange(self.address, &resp::command(words)).await.ok()?;
        resp::answers(&answer).0.pop()
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
