//! Has an Envoy end what it serves: asked to exit, killed, or with another listener in the place of its first.

use crate::bootstrap;
use crate::envoy::Envoy;
use crate::patience::until;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the listener is taken from with [`crate::envoy::Setup::listener_discovered`].
fn listener_file(folder: &Path) -> PathBuf {
    folder.join("listener.json")
}

/// Moves the listener of `bootstrap` into a file.
pub(crate) fn discover_listener(bootstrap: &mut Value, folder: &Path) {
    let resources = bootstrap["static_resources"].as_object_mut().expect("the sample has resources");
    let listeners = resources.remove("listeners").expect("the sample has a listener");
    write(&listener_file(folder), &listeners[0]);
    bootstrap["dynamic_resources"] =
        json!({"lds_config": {"path_config_source": {"path": listener_file(folder)}}});
}

fn write(file: &Path, listener: &Value) {
    let mut resource = listener.clone();
    resource["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
    let new = file.with_extension("new");
    fs::write(&new, json!({"resources": [resource]}).to_string()).expect("can be written");
    fs::rename(new, file).expect("can be replaced"); // Envoy watches for a move, not for a write
}

impl Envoy {
    /// Puts another listener into the file that it is taken from.
    ///
    /// # Panics
    /// If it is not taken from a file.
    pub fn push_listener(&self, change: impl FnOnce(&mut Value)) {
        let file = listener_file(self.folder());
        let text = fs::read_to_string(&file).expect("the listener is taken from a file");
        let mut listener = serde_json::from_str::<Value>(&text).expect("JSON")["resources"][0].take();
        change(&mut listener);
        write(&file, &listener);
    }

    /// The settings of the connections of a listener.
    ///
    /// # Panics
    /// If it is not of the form that the README describes.
    pub fn manager_of(listener: &mut Value) -> &mut Value {
        bootstrap::manager_of(listener)
    }

    /// Ends Envoy as a crash does (SIGKILL).
    ///
    /// # Panics
    /// If its process is not its own.
    pub fn kill(self) {
        let _ = self.id();
        drop(self);
    }

    /// Asks Envoy to exit (SIGTERM), and waits until it has.
    ///
    /// # Panics
    /// If it cannot be asked, or does not.
    pub async fn terminate(&mut self) {
        let asked = Command::new("kill").args(["-TERM", &self.id().to_string()]).status();
        assert!(asked.expect("there is `kill`").success());
        until("Envoy to exit", async || self.has_exited().then_some(())).await;
    }
}
