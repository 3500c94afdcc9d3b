//! Runs an official SDK against the gateway: whether an answer is well-formed, how often a refusal is
//! retried and what the application sees of it is for the SDK to say.

use crate::envoy::Envoy;
use crate::patience::within;
use crate::workspace;
use serde_json::Value;
use tokio::process::Command;

/// Runs `tests/sdk/<script>.py` as a caller with this key; the script prints one JSON value.
///
/// # Panics
/// If the script fails or prints something else.
pub async fn run(script: &str, envoy: &Envoy, key: &str) -> Value {
    let path = workspace::root().join("tests/sdk").join(script).with_extension("py");
    let mut command = Command::new(workspace::tool("python"));
    command.arg("-I").arg(path).arg(format!("http://{}", envoy.address())).arg(key).kill_on_drop(true);
    for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(name);
    }
    let output = within(script, command.output()).await.expect("python can be run");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script} failed:\n{errors}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{script} printed no JSON:\n{errors}"))
}
