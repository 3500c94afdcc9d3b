//! Decides how another gateway is started and spoken to: its folder in `bench/peers` has a program `start PORT
//! UPSTREAM_PORT WORKERS`, a program `version`, and `request.json` with what its clients say.
//!
//! Does not install any: one that is not there is named in the report and left out.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

use crate::connection::Connection;
use crate::error::BenchError;
use crate::kind::Kind;
use crate::process::{Process, Start};
use crate::system::{Manner, System};

/// How long a gateway may take until it answers.
const PATIENCE: Duration = Duration::from_secs(90);
/// Bytes of the request that shows whether it is ready.
const SIZE: usize = 1024;

/// `request.json`.
#[derive(Debug, Deserialize)]
struct Described {
    path: String,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
    model: String,
}

/// A gateway that could be measured.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// Name of its folder.
    pub(crate) name: String,
    /// Its version, or why it is not here.
    pub(crate) version: Result<String, String>,
}

/// The gateways that have a folder, by name.
pub(crate) fn all(folder: &Path) -> Vec<Peer> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.map(|entry| entry.path()).filter(|path| path.join("start").is_file());
    let mut peers: Vec<Peer> = folders
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.to_owned();
            let version = Command::new(path.join("version")).output();
            let version = match version {
                Ok(output) if output.status.success() => Ok(first_line(&output.stdout)),
                Ok(output) => {
                    Err(first_line(if output.stderr.is_empty() { &output.stdout } else { &output.stderr }))
                }
                Err(error) => Err(error.to_string()),
            };
            Some(Peer { name, version })
        })
        .collect();
    peers.sort_by(|a, b| a.name.cmp(&b.name));
    peers
}

fn first_line(text: &[u8]) -> String {
    String::from_utf8_lossy(text).lines().next().unwrap_or_default().trim().to_owned()
}

/// Starts one and waits until it answers a chat.
///
/// # Errors
/// If it does not.
pub(crate) async fn start(
    folder: &Path,
    name: &str,
    port: u16,
    upstream: SocketAddr,
    workers: usize,
    core: Option<usize>,
) -> Result<System, BenchError> {
    let path = folder.join("request.json");
    let text = fs::read(&path).map_err(BenchError::file(&path))?;
    let described: Described =
        serde_json::from_slice(&text).map_err(|error| BenchError::Form(error.to_string()))?;
    let mut headers = described.headers;
    for value in headers.values_mut() {
        *value = value.replace("{UPSTREAM_PORT}", &upstream.port().to_string());
    }
    headers.retain(|name, _| !name.eq_ignore_ascii_case("content-type")); // every request has it
    let manner =
        Manner { path: described.path, headers: headers.into_iter().collect(), model: described.model };
    let files = tempfile::tempdir().map_err(BenchError::io("a temporary folder"))?;
    let program = folder.join("start");
    let numbers = [port.to_string(), upstream.port().to_string(), workers.to_string()];
    let process = Process::start(Start {
        program: &program,
        arguments: numbers.into_iter().map(Into::into).collect(),
        log: files.path().join("peer.log"),
        core,
        has_children: true,
        environment: Vec::new(),
    })?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut process = process;
    let kind = Kind::Peer(name.to_owned());
    let asking = System::new(kind.clone(), address, manner.clone(), None, None).chat(SIZE, false);
    let answers = async |_: &Process| {
        let mut head = Vec::new();
        asking.head(0, &mut head);
        let mut connection = Connection::open(address).await.ok()?;
        let answer = connection.call(&head, &asking.body).await.ok()?;
        (answer.status == 200).then_some(())
    };
    process.until(name, PATIENCE, answers).await?;
    Ok(System::new(kind, address, manner, Some(process), Some(files)))
}
