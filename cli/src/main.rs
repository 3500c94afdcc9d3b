//! Decides what `farebox` does at a shell: makes caller keys, checks a configuration and prices use, both with
//! the very code that the filter runs, takes over what another gateway was told, and writes the configuration of Envoy that follows from Farebox's own.
//! It changes keys, limits and teams while Envoys run.
//!
//! Does not talk to Envoy. Of other servers it knows the ledger of a fleet alone.

#![forbid(unsafe_code)]

mod advice;
mod audit;
mod check;
mod envoy;
mod import;
mod key;
mod keygen;
mod kubernetes;
mod ledger;
mod limit;
mod price;
mod registry;
mod render;
mod sample;
mod source;
mod team;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Makes caller keys for Farebox, checks its configuration, prices use and writes Envoy's configuration. Changes keys,
/// limits and teams while Envoys run.
#[derive(Debug, Parser)]
#[command(name = "farebox", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Audit(audit::Arguments),
    Check(check::Arguments),
    Import(import::Arguments),
    Key(key::Arguments),
    Keygen(keygen::Arguments),
    Ledger(ledger::Arguments),
    Limit(limit::Arguments),
    Price(price::Arguments),
    Render(render::Arguments),
    Team(team::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Audit(arguments) => audit::run(&arguments).map_err(|error| error.to_string()),
        Command::Check(arguments) => check::run(&arguments).map_err(|error| error.to_string()),
        Command::Import(arguments) => import::run(&arguments).map_err(|error| error.to_string()),
        Command::Key(arguments) => key::run(&arguments).map_err(|error| error.to_string()),
        Command::Keygen(arguments) => keygen::run(&arguments).map_err(|error| error.to_string()),
        Command::Ledger(arguments) => ledger::run(&arguments).map_err(|error| error.to_string()),
        Command::Limit(arguments) => limit::run(&arguments).map_err(|error| error.to_string()),
        Command::Price(arguments) => price::run(&arguments).map_err(|error| error.to_string()),
        Command::Render(arguments) => render::run(&arguments).map_err(|error| error.to_string()),
        Command::Team(arguments) => team::run(&arguments).map_err(|error| error.to_string()),
    };
    // A reader that has gone, as in `farebox check … | head -1`, is no failure: hence no `println!`.
    match outcome {
        Ok(text) => {
            let _ = writeln!(std::io::stdout(), "{text}");
            ExitCode::SUCCESS
        }
        Err(text) => {
            let _ = writeln!(std::io::stderr(), "{text}");
            ExitCode::FAILURE
        }
    }
}
