//! Decides whether a user may do what the filter does, by doing it: an exchange of an account of its own, which expires.
//!
//! A server asks for the rights of each command that a script runs, so the script has to run to know. What it runs only
//! now and then is asked for by itself.

use farebox_core::budget::fleet::script;
use farebox_core::config::FleetLedger;
use redis::{Cmd, RedisError, Value, cmd};

use super::Findings;
use crate::ledger::LedgerError;
use crate::ledger::place::Place;

/// What the filter and its script do, as an ACL has it.
const COMMANDS: &str =
    "+evalsha +eval +script|load +hget +hset +hmget +hdel +hscan +pexpireat +time +auth +select +quit";

/// Milliseconds after which what was made is gone.
const TAIL_MS: u64 = 10_000;

/// Tries it.
pub(super) fn look(
    place: &mut Place<'_>,
    ledger: &FleetLedger,
    findings: &mut Findings,
) -> Result<(), LedgerError> {
    let settings = &ledger.settings;
    let (mark, key) =
        (format!("{}:{{check}}:mark", settings.prefix), format!("{}:{{check}}:check/:0", settings.prefix));
    let (seconds, _): (u64, u64) = place.ask(&cmd("TIME"))?;
    let now = seconds.saturating_mul(1_000);
    let load = load();
    let mut tried: Vec<(&str, Result<Value, RedisError>)> = Vec::new();
    let first = place.follow::<Value>(&touch(&mark)).map(|(at, _)| at);
    let at = match first {
        Ok(at) => at,
        Err(error) => {
            findings.bad(format!("{error}"));
            return Ok(());
        }
    };
    tried.push(("SCRIPT LOAD", place.ask_at(&at, &load)));
    tried.push(("EVALSHA of the ledger's script", place.ask_at(&at, &exchange(&mark, &key, now))));
    let mut one = |name, command: &mut Cmd| tried.push((name, place.ask_at(&at, command)));
    one("HSCAN", cmd("HSCAN").arg(&mark).arg(0).arg("COUNT").arg(1));
    one("HDEL", cmd("HDEL").arg(&mark).arg("none"));
    one("PEXPIREAT", cmd("PEXPIREAT").arg(&mark).arg(now.saturating_add(TAIL_MS)));
    let failed: Vec<String> = tried
        .into_iter()
        .filter_map(|(name, outcome)| outcome.err().map(|error| format!("{name}: {error}")))
        .collect();
    if failed.is_empty() {
        findings.good(format!("{}: the ledger's script runs", at.text()));
        return Ok(());
    }
    for error in failed {
        findings.bad(format!("{}: {error}", at.text()));
    }
    findings.lines.push(format!("         an ACL that will do: {COMMANDS} ~{}:*", settings.prefix));
    Ok(())
}

/// A command that does nothing, to learn which node has the key.
fn touch(key: &str) -> Cmd {
    let mut command = cmd("HGET");
    command.arg(key).arg("m");
    command
}

fn load() -> Cmd {
    let mut command = cmd("SCRIPT");
    command.arg("LOAD").arg(script::TEXT);
    command
}

/// An exchange of one account in which nothing is spent.
fn exchange(mark: &str, key: &str, now: u64) -> Cmd {
    let mut command = cmd("EVALSHA");
    let item = format!("check.1 1 0 f 0 {now} {TAIL_MS} - - - - - {}0 0", "0 ".repeat(12));
    command.arg(script::SHA).arg(2).arg(mark).arg(key).arg("0 30000 2000 1250").arg(item);
    command
}
