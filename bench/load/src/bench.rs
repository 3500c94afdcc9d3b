//! Decides what a run of the benchmark is: the upstream, the sections one after the other, and what they leave behind.
//!
//! Does not decide what a section does: see `section/`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use farebox_readers::dice::Dice;

use crate::closed::Extent;
use crate::columns;
use crate::error::BenchError;
use crate::kind::{Farebox, Kind};
use crate::machine::Machine;
use crate::options::Options;
use crate::peer::{self, Peer};
use crate::provider::Provider;
use crate::rounds::{self, Rounds};
use crate::section::Section;
use crate::slice::{Load, Pace, Slice};
use crate::stage::Stage;
use crate::system::System;
use crate::table::Table;
use crate::upstream::Plan;

/// A run of the benchmark.
pub(crate) struct Bench {
    /// What was asked for.
    pub(crate) options: Options,
    /// What systems are started with.
    pub(crate) stage: Stage,
    /// The upstream.
    pub(crate) provider: Provider,
    /// The machine.
    pub(crate) machine: Machine,
    /// Every slice so far.
    pub(crate) slices: Vec<Slice>,
    /// Every table so far.
    pub(crate) tables: Vec<Table>,
    dice: Dice,
    known_peers: Vec<Peer>,
}

/// How much is measured, unless the command line says otherwise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Rounds.
    pub(crate) rounds: usize,
    /// Rounds of a quick run.
    pub(crate) quick_rounds: usize,
    /// Seconds of a slice.
    pub(crate) seconds: f64,
    /// Connections of clients.
    pub(crate) connections: usize,
}

impl Bench {
    /// Starts the upstream and looks what there is.
    ///
    /// # Errors
    /// If it does not start.
    pub(crate) async fn new(options: Options) -> Result<Self, BenchError> {
        let root = root();
        let venv = std::env::var_os("FAREBOX_VENV").map_or_else(|| root.join(".venv"), PathBuf::from);
        let envoy = venv.join("bin/envoy");
        if !envoy.exists() {
            return Err(BenchError::Missing(format!("{} (`make bench` installs it)", envoy.display())));
        }
        let peers = options.peers.clone().unwrap_or_else(|| root.join("bench/peers"));
        let known_peers = if options.smoke { Vec::new() } else { peer::all(&peers) };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let is_pinned = options.pin && cores > 1;
        if is_pinned {
            crate::guard::pin(nix::unistd::Pid::from_raw(0), 0)?;
        }
        let provider = Provider::start(is_pinned.then_some(0)).await?;
        let stage = Stage {
            builds: options.builds(root)?,
            empty: root.join("target/wasm32-wasip1/release/empty.wasm"),
            peers,
            upstream: provider.address,
            ledger: None,
            core: is_pinned.then(|| cores - 1),
            envoy,
        };
        let mut machine = Machine::here(&stage.envoy, root);
        machine.cores = cores;
        let dice = Dice::new(options.seed);
        let (slices, tables) = (Vec::new(), Vec::new());
        Ok(Self { options, stage, provider, machine, slices, tables, dice, known_peers })
    }

    /// Runs the sections that are wanted.
    ///
    /// # Errors
    /// If a system cannot be started or reached.
    pub(crate) async fn run(&mut self) -> Result<(), BenchError> {
        for section in self.options.sections() {
            section.run(self).await?;
        }
        Ok(())
    }

    /// Other gateways that are installed.
    pub(crate) fn peers(&self) -> Vec<Kind> {
        let here = self.known_peers.iter().filter(|peer| peer.version.is_ok());
        here.map(|peer| Kind::Peer(peer.name.clone())).collect()
    }

    /// Other gateways, installed or not.
    pub(crate) fn known_peers(&self) -> &[Peer] {
        &self.known_peers
    }

    /// Rounds, as asked for.
    pub(crate) fn count(&self, effort: &Effort) -> usize {
        let usual = if self.options.quick { effort.quick_rounds } else { effort.rounds };
        self.options.rounds.unwrap_or(if self.options.smoke { 1 } else { usual })
    }

    /// Connections, as asked for.
    pub(crate) fn connections(&self, effort: &Effort) -> usize {
        self.options.connections.unwrap_or(effort.connections)
    }

    /// A closed loop, as long as asked for.
    pub(crate) fn pace(&self, effort: &Effort) -> Pace {
        let seconds = self.options.seconds.unwrap_or(if self.options.smoke { 0.1 } else { effort.seconds });
        let counted = Duration::from_secs_f64(seconds);
        Pace::Closed { warm: Extent::Time(counted / 4), counted: Extent::Time(counted) }
    }

    /// Starts these systems, as far as they are wanted, each build of Farebox as one of its own.
    ///
    /// # Errors
    /// If one of Envoy does not start. Other gateways that do not are named in a note and left out.
    pub(crate) async fn start(&mut self, kinds: &[Kind], workers: usize) -> Result<Vec<System>, BenchError> {
        // Other gateways are ready when they pass on a chat, which a plan of an earlier load may let take minutes.
        self.provider.set(Plan::default()).await?;
        let mut systems = Vec::new();
        for kind in self.of_every_build(kinds) {
            if self.is_missing(&kind) {
                continue;
            }
            match self.stage.start(&kind, workers).await {
                Ok(system) => systems.push(system),
                Err(BenchError::NotReady { name, log }) if matches!(kind, Kind::Peer(_)) => {
                    use std::io::Write;
                    let _ = writeln!(std::io::stderr(), "  {name} did not answer and is left out:\n{log}");
                    self.known_peers.iter_mut().filter(|peer| peer.name == name).for_each(|peer| {
                        peer.version = Err("installed, but did not answer".into());
                    });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(systems)
    }

    /// Whether it is another gateway that is not here, or did not answer before.
    fn is_missing(&self, kind: &Kind) -> bool {
        let Kind::Peer(name) = kind else { return false };
        self.known_peers.iter().any(|peer| peer.name == *name && peer.version.is_err())
    }

    /// Gives every system the same loads in interleaved rounds.
    ///
    /// # Errors
    /// If a system cannot be reached.
    pub(crate) async fn rounds(
        &mut self,
        section: Section,
        workers: usize,
        loads: &[Load],
        systems: &[System],
        effort: &Effort,
    ) -> Result<Vec<Slice>, BenchError> {
        let plan = Rounds { section: section.name(), rounds: self.count(effort), workers, loads, systems };
        let slices = rounds::run(&plan, &self.provider, &mut self.dice).await?;
        self.slices.extend(slices.iter().cloned());
        Ok(slices)
    }

    /// The same with systems that are started for it; adds a table of their CPU time.
    ///
    /// # Errors
    /// If a system cannot be started or reached.
    pub(crate) async fn compare(
        &mut self,
        section: Section,
        title: &str,
        kinds: &[Kind],
        loads: &[Load],
        effort: &Effort,
    ) -> Result<(), BenchError> {
        let systems = self.start(kinds, 1).await?;
        let slices = self.rounds(section, 1, loads, &systems, effort).await?;
        let names = names(&systems);
        let base = self.options.base.clone();
        self.tables.push(columns::cpu(title, &slices, &names, &base));
        let builds: Vec<String> = names.into_iter().filter(|name| name.contains('@')).collect();
        if let Some(first) = builds.first().filter(|_| builds.len() > 1) {
            self.tables.push(columns::cpu(
                &format!("{title}: builds against {first}"),
                &slices,
                &builds,
                first,
            ));
        }
        Ok(())
    }

    fn of_every_build(&self, kinds: &[Kind]) -> Vec<Kind> {
        let wanted = &self.options.systems;
        let mut all = Vec::new();
        for kind in kinds {
            if !wanted.is_empty() && !wanted.contains(&kind.to_string()) {
                continue;
            }
            let Kind::Farebox(farebox) = kind else {
                all.push(kind.clone());
                continue;
            };
            for build in &self.stage.builds {
                all.push(Kind::Farebox(Farebox { build: build.name.clone(), ..farebox.clone() }));
            }
        }
        all
    }
}

/// Their names, in their order.
pub(crate) fn names(systems: &[System]) -> Vec<String> {
    systems.iter().map(|system| system.kind.to_string()).collect()
}

/// The folder of the workspace.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here)
}
