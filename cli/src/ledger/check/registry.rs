//! Decides whether a user may do with the registry what Envoys do, and what the command line does.
//!
//! Envoys read it; that they cannot write it is no mistake, and better. What is written to find out lies beside the
//! registry and expires.

use farebox_core::registry::Keys;
use farebox_core::registry::script::{READ, WRITE};
use redis::{Cmd, RedisError, Value, cmd};

use super::Findings;
use crate::ledger::place::Place;
use crate::ledger::{Address, LedgerError};

/// What Envoys need besides what the ledger's script does.
const READS: &str = "+zrangebyscore";
/// What the command line needs.
const WRITES: &str =
    "+eval +hget +hmget +hscan +hset +hdel +zadd +zrem +zrangebyscore +xadd +xrevrange +time";
/// Milliseconds after which what was made is gone.
const TAIL_MS: u64 = 10_000;

/// Tries it.
pub(super) fn look(place: &mut Place<'_>, prefix: &str, findings: &mut Findings) -> Result<(), LedgerError> {
    let keys = Keys::of(prefix);
    let (at, _): (Address, Option<String>) = place.follow(cmd("HGET").arg(&keys.entries).arg("none"))?;
    let (seconds, _): (u64, u64) = place.ask(&cmd("TIME"))?;
    let text = at.text();
    let mut read = cmd("EVAL");
    read.arg(READ.text).arg(3).arg(&keys.changes).arg(&keys.entries).arg(&keys.meta).arg(0).arg(1).arg(1_000);
    if let Err(error) = place.ask_at::<Value>(&at, &read) {
        findings.bad(format!("{text}: the registry cannot be read: {error}"));
        findings.lines.push(format!("         Envoys need besides: {READS}"));
        return Ok(());
    }
    findings.good(format!("{text}: the registry can be read"));
    let until = seconds.saturating_mul(1_000).saturating_add(TAIL_MS);
    match write(place, &at, &Keys::of(prefix), until) {
        Ok(()) => findings.good(format!("{text}: this user may change keys, limits and teams; Envoys need not")),
        Err(error) => findings.lines.push(format!(
            "note     {text}: this user may not change keys, limits and teams, which Envoys need not: {error}\n         \
             the user of farebox key, limit, team and audit (--user) needs {WRITES}"
        )),
    }
    Ok(())
}

/// Does what the command line does, beside the registry.
fn write(place: &mut Place<'_>, at: &Address, keys: &Keys, until: u64) -> Result<(), RedisError> {
    let beside = |key: &str| format!("{key}-check");
    let [entries, changes, meta, audit] =
        [&keys.entries, &keys.changes, &keys.meta, &keys.audit].map(|key| beside(key));
    let mut eval = cmd("EVAL");
    eval.arg(WRITE.text).arg(4).arg(&entries).arg(&changes).arg(&meta).arg(&audit);
    eval.arg("check").arg("ledger check").arg("key/check").arg("-").arg("{}");
    let mut tried = vec![eval];
    let mut one = |name: &str, key: &str, rest: &[&str]| {
        let mut command: Cmd = cmd(name);
        command.arg(key);
        for word in rest {
            command.arg(*word);
        }
        tried.push(command);
    };
    one("HDEL", &entries, &["none"]);
    one("HSCAN", &entries, &["0"]);
    one("ZREM", &changes, &["none"]);
    one("XREVRANGE", &audit, &["+", "-", "COUNT", "1"]);
    let mut outcome = Ok(());
    for command in tried {
        outcome = outcome.and(place.ask_at::<Value>(at, &command).map(drop));
    }
    for key in [&entries, &changes, &meta, &audit] {
        let _ = place.ask_at::<Value>(at, cmd("PEXPIREAT").arg(key).arg(until));
    }
    outcome
}
