//! Decides what `farebox-bench` does: measures, or serves as the upstream of its own measurements.
//!
//! `docs/benchmark.md` says what is measured and how; `make bench` runs it.
//!
//! Does not end with a failure when a goal is missed: it is a report.

#![forbid(unsafe_code)]

mod bench;
mod bootstrap;
mod chart;
mod chunked;
mod closed;
mod columns;
mod connection;
mod error;
mod family;
mod get;
mod goal;
mod guard;
mod kind;
mod ledger;
mod machine;
mod open;
mod options;
mod peer;
mod plugin;
mod process;
mod provider;
mod ratio;
mod report;
mod request;
mod rounds;
mod schedule;
mod section;
mod slice;
mod smoke;
mod stage;
mod summary;
mod system;
mod table;
mod tally;
mod upstream;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use bench::Bench;
use error::BenchError;
use options::Options;

/// Measures what Farebox costs, in pairs with plain Envoy and other gateways.
#[derive(Debug, Parser)]
#[command(name = "farebox-bench", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves as the provider until it is killed; the first line it writes is its port
    Upstream,
    Guard(guard::Guard),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.command {
        Some(Command::Upstream) => upstream::serve(),
        Some(Command::Guard(options)) => Err(guard::become_it(options)),
        None => measure(arguments.options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: Options) -> Result<(), BenchError> {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        process::end_all();
        usual(panic);
    }));
    // A thousand streams need more files than many a shell allows.
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
    // One thread: it starts the processes, and the kernel ends them with the thread that started them.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(BenchError::io("runtime"))?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(BenchError::io("signals"))?;
        let mut terminate = signal(SignalKind::terminate()).map_err(BenchError::io("signals"))?;
        tokio::select! {
            outcome = run(options) => outcome,
            _ = interrupt.recv() => Err(BenchError::Interrupted),
            _ = terminate.recv() => Err(BenchError::Interrupted),
        }
    })
}

async fn run(options: Options) -> Result<(), BenchError> {
    let (is_smoke, docs) = (options.smoke, options.docs.clone());
    let mut bench = Bench::new(options).await?;
    bench.run().await?;
    if is_smoke {
        smoke::check(&bench)?;
        let started = process::ever_started();
        drop(bench);
        return smoke::check_end(&started);
    }
    let _ = write!(std::io::stdout(), "{}", report::text(&bench));
    docs.map_or(Ok(()), |docs| report::write(&bench, &docs))
}
