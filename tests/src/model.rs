//! Runs a real, small language model: its tokens are counted by an engine that this project did not write.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::patience::within;
use crate::workspace;

/// A model that answers until it is dropped.
#[derive(Debug)]
pub struct SmallModel {
    address: SocketAddr,
    _process: Child,
}

impl SmallModel {
    /// Starts the model of `make run` on a free port.
    ///
    /// # Panics
    /// If it is not installed or does not start.
    pub async fn start() -> Self {
        // Its server cannot choose a port itself.
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = free.local_addr().expect("it has an address");
        drop(free);
        let mut process = Command::new(workspace::tool("python"))
            .arg(workspace::root().join("envoy/small_model.py"))
            .arg(address.port().to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("python can be run");
        let mut lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let ready = within("the small model", async {
            while let Ok(Some(line)) = lines.next_line().await {
                if line.starts_with("ready") {
                    return true;
                }
            }
            false
        });
        assert!(ready.await, "the small model did not start: `make test` installs it");
        Self { address, _process: process }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
