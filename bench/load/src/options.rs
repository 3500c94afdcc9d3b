//! Decides what can be asked of the benchmark at the command line.
//!
//! Does not do it: see `bench.rs`.

use std::path::{Path, PathBuf};

use crate::error::BenchError;
use crate::section::Section;
use crate::stage::Build;

/// Measures what Farebox costs, in pairs with plain Envoy and other gateways.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Only these sections, with commas between them
    #[arg(long, value_delimiter = ',', value_enum)]
    pub(crate) only: Vec<Section>,
    /// Only what the goals need, with fewer rounds: about three minutes
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only that everything works: a few seconds, no result worth reading
    #[arg(long)]
    pub(crate) smoke: bool,
    /// Only these systems, as in plain,farebox-3,farebox-3a
    #[arg(long, value_delimiter = ',')]
    pub(crate) systems: Vec<String>,
    /// The filter; with a name, and then several times, to compare builds: NAME=PATH or NAME=PATH,CLI
    #[arg(long, value_name = "[NAME=]PATH[,CLI]")]
    pub(crate) wasm: Vec<String>,
    /// What ratios are made to
    #[arg(long, default_value = "plain")]
    pub(crate) base: String,
    /// Rounds in each of which every system is measured once; fewer or more than the section has
    #[arg(long)]
    pub(crate) rounds: Option<usize>,
    /// Seconds of a slice of load; shorter or longer than the section has
    #[arg(long)]
    pub(crate) seconds: Option<f64>,
    /// Connections of clients; fewer or more than the section has
    #[arg(long)]
    pub(crate) connections: Option<usize>,
    /// Where the order of systems comes from
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Keeps systems of one worker on the last core, the upstream and the generator of load on the first
    #[arg(long)]
    pub(crate) pin: bool,
    /// Where the folders of other gateways are; bench/peers unless another is named
    #[arg(long, value_name = "FOLDER")]
    pub(crate) peers: Option<PathBuf>,
    /// Writes benchmark.md and benchmark/ into this folder
    #[arg(long, value_name = "FOLDER")]
    pub(crate) docs: Option<PathBuf>,
}

impl Options {
    /// The sections that are wanted.
    pub(crate) fn sections(&self) -> Vec<Section> {
        if self.smoke {
            return vec![Section::Chat];
        }
        match (self.only.is_empty(), self.quick) {
            (false, _) => self.only.clone(),
            (true, true) => Section::GOALS.to_vec(),
            (true, false) => Section::ALL.to_vec(),
        }
    }

    /// The builds of Farebox that are wanted; those of the workspace at `root` unless others are named.
    ///
    /// # Errors
    /// If two have the same name, or one of several has none.
    pub(crate) fn builds(&self, root: &Path) -> Result<Vec<Build>, BenchError> {
        let target = root.join("target");
        let cli = target.join("release/farebox");
        if self.wasm.is_empty() {
            let wasm = target.join("wasm32-wasip1/release/farebox.wasm");
            return Ok(vec![Build { name: None, wasm, cli }]);
        }
        let mut builds: Vec<Build> = Vec::new();
        for text in &self.wasm {
            let (name, rest) = match text.split_once('=') {
                Some((name, rest)) => (Some(name.to_owned()), rest),
                None => (None, text.as_str()),
            };
            let (wasm, own) = rest.split_once(',').map_or((rest, None), |(wasm, cli)| (wasm, Some(cli)));
            if builds.iter().any(|build| build.name == name || build.name.is_none() || name.is_none()) {
                return Err(BenchError::Form(format!("--wasm {text}: several builds need different names")));
            }
            let absolute = |path: &str| std::path::absolute(path).map_err(BenchError::io(path));
            let cli = own.map_or_else(|| Ok(cli.clone()), absolute)?;
            builds.push(Build { name, wasm: absolute(wasm)?, cli });
        }
        Ok(builds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn builds(arguments: &[&str]) -> Result<Vec<(Option<String>, String, String)>, BenchError> {
        let line = Line::try_parse_from([&["farebox-bench"], arguments].concat()).unwrap();
        let builds = line.options.builds(Path::new("/root"))?;
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        Ok(builds.into_iter().map(|build| (build.name, text(build.wasm), text(build.cli))).collect())
    }

    #[test]
    fn a_build_may_have_a_name_and_a_command_line_tool_of_its_own() {
        let cli = "/root/target/release/farebox".to_owned();
        let built = "/root/target/wasm32-wasip1/release/farebox.wasm".to_owned();
        assert_eq!(builds(&[]).unwrap(), [(None, built, cli.clone())]);
        assert_eq!(builds(&["--wasm", "/a.wasm"]).unwrap(), [(None, "/a.wasm".into(), cli.clone())]);
        let two = builds(&["--wasm", "old=/a.wasm", "--wasm", "new=/b.wasm,/farebox"]).unwrap();
        let old = (Some("old".into()), "/a.wasm".into(), cli);
        assert_eq!(two, [old, (Some("new".into()), "/b.wasm".into(), "/farebox".into())]);
    }

    #[test]
    fn builds_that_cannot_be_told_apart_are_refused() {
        assert!(builds(&["--wasm", "/a.wasm", "--wasm", "/b.wasm"]).is_err());
        assert!(builds(&["--wasm", "x=/a.wasm", "--wasm", "x=/b.wasm"]).is_err());
        assert!(builds(&["--wasm", "x=/a.wasm", "--wasm", "/b.wasm"]).is_err());
    }
}
