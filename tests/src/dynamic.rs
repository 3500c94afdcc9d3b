//! An Envoy that takes its listener and clusters from the files of `farebox render envoy --dynamic`, unchanged.

use crate::envoy::Envoy;
use crate::process::Launch;
use crate::workspace;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The files, and the Envoy that watches them.
pub struct Dynamic {
    /// What runs.
    pub envoy: Envoy,
    folder: PathBuf,
}

impl Dynamic {
    /// Has the files for `plugin` written and starts Envoy with them; what runs on a listener that is replaced has `drain`
    /// seconds to end.
    ///
    /// # Panics
    /// If the configuration is refused or Envoy does not start.
    pub async fn start(plugin: &Value, drain: u32) -> Self {
        let files = tempfile::tempdir().expect("a temporary folder");
        let folder = files.path().join("envoy.d");
        let outcome = render(&folder, plugin);
        assert!(outcome.status.success(), "{outcome:?}");
        let text = fs::read_to_string(folder.join("envoy.yaml")).expect("it was written");
        let launch = Launch {
            folder: files,
            bootstrap: serde_saphyr::from_str(&text).expect("it is YAML"),
            overlay: None,
            workers: 2,
            environment: Vec::new(),
            binary: None,
        };
        let envoy = launch.start_with_drain(drain).await;
        let envoy = envoy.unwrap_or_else(|refused| panic!("Envoy refused:\n{}", refused.log));
        Self { envoy, folder }
    }

    /// Has the files written anew; what came of it.
    #[must_use]
    pub fn render(&self, plugin: &Value) -> Output {
        render(&self.folder, plugin)
    }
}

fn render(folder: &Path, plugin: &Value) -> Output {
    let file = folder.with_extension("json");
    fs::write(&file, plugin.to_string()).expect("the folder can be written");
    let mut command = Command::new(workspace::command());
    command.args(["render", "envoy"]).arg(file).arg("--dynamic").arg(folder);
    command.arg("--wasm").arg(workspace::wasm()).args(["--address", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    command.output().expect("the command can be run")
}
