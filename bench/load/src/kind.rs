//! Decides which systems there are to compare, and what they are called.
//!
//! | name | what it is |
//! |---|---|
//! | `direct` | no proxy |
//! | `plain` | Envoy as Farebox is deployed in, without Farebox |
//! | `plain-default` | Envoy with its defaults |
//! | `plain+log` | `plain` with an ordinary access log in JSON |
//! | `empty` | `plain` with a filter that only holds a request until its body is here |
//! | `farebox-N` | Farebox with N budgets, access log and metrics |
//! | `farebox-N-each` | the same with budgets that every request writes, as it does beyond half of a limit |
//! | `farebox-N-fleet` | the same with budgets that a fleet shares, in a Valkey |
//! | `farebox-N-near` | with a budget more, of which the ledger lends nothing beforehand if a fleet shares it |
//! | `farebox-Na` | the same with the filter behind the router too, which failover needs |
//! | `farebox-…@NAME` | the same from another build (`--wasm NAME=PATH`) |
//! | anything else | another gateway, from `bench/peers` |
//!
//! Does not start them: see `stage.rs`.

use std::fmt;
use std::str::FromStr;

/// One kind of system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// No proxy.
    Direct,
    /// Farebox's Envoy without Farebox.
    Plain,
    /// Envoy's defaults.
    PlainDefault,
    /// `Plain` with an access log.
    PlainLog,
    /// `Plain` with the empty filter.
    Empty,
    /// Farebox.
    Farebox(Farebox),
    /// Another gateway: its folder in `bench/peers`.
    Peer(String),
}

/// How Farebox is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Farebox {
    /// How many budgets.
    pub(crate) budgets: usize,
    /// Whether the filter stands behind the router too.
    pub(crate) attempts: bool,
    /// Whether sessions have few requests and a model has two targets, for the load of an agent.
    pub(crate) for_agents: bool,
    /// Whether there is a place for each of very many sessions.
    pub(crate) many_slots: bool,
    /// Whether the budgets are such as every request writes.
    pub(crate) each_writes: bool,
    /// Whether there is a budget more, for which every request asks if a fleet shares it.
    pub(crate) near_limit: bool,
    /// Whether a fleet shares the budgets.
    pub(crate) fleet: bool,
    /// Name of the build; `None`: the first, or the workspace's.
    pub(crate) build: Option<String>,
}

impl Kind {
    /// Farebox with so many budgets.
    pub(crate) fn farebox(budgets: usize) -> Self {
        Self::Farebox(Farebox { budgets, ..Farebox::default() })
    }

    /// Farebox with so many budgets that every request writes.
    pub(crate) fn farebox_each_writes(budgets: usize) -> Self {
        Self::Farebox(Farebox { budgets, each_writes: true, ..Farebox::default() })
    }

    /// Farebox with so many budgets that a fleet shares.
    pub(crate) fn farebox_of_a_fleet(budgets: usize) -> Self {
        Self::Farebox(Farebox { budgets, fleet: true, ..Farebox::default() })
    }

    /// Farebox with so many budgets and the filter behind the router too.
    pub(crate) fn farebox_with_attempts(budgets: usize) -> Self {
        Self::Farebox(Farebox { budgets, attempts: true, ..Farebox::default() })
    }

    /// Whether its budgets are in a ledger.
    pub(crate) fn uses_ledger(&self) -> bool {
        matches!(self, Self::Farebox(Farebox { fleet: true, .. }))
    }

    /// Whether this is Envoy at all.
    pub(crate) fn is_envoy(&self) -> bool {
        !matches!(self, Self::Direct | Self::Peer(_))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct => write!(out, "direct"),
            Self::Plain => write!(out, "plain"),
            Self::PlainDefault => write!(out, "plain-default"),
            Self::PlainLog => write!(out, "plain+log"),
            Self::Empty => write!(out, "empty"),
            Self::Farebox(farebox) => {
                let Farebox { budgets, build, .. } = farebox;
                let suffixes = [
                    (farebox.attempts, "a"),
                    (farebox.for_agents, "-agents"),
                    (farebox.many_slots, "-slots"),
                    (farebox.each_writes, "-each"),
                    (farebox.near_limit, "-near"),
                    (farebox.fleet, "-fleet"),
                ];
                let suffixes: String =
                    suffixes.iter().filter(|(has, _)| *has).map(|(_, suffix)| *suffix).collect();
                write!(out, "farebox-{budgets}{suffixes}")?;
                build.as_ref().map_or(Ok(()), |build| write!(out, "@{build}"))
            }
            Self::Peer(name) => write!(out, "{name}"),
        }
    }
}

impl FromStr for Kind {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "direct" => Self::Direct,
            "plain" => Self::Plain,
            "plain-default" => Self::PlainDefault,
            "plain+log" => Self::PlainLog,
            "empty" => Self::Empty,
            other => farebox(other).map_or_else(|| Self::Peer(other.to_owned()), Self::Farebox),
        })
    }
}

fn farebox(text: &str) -> Option<Farebox> {
    let (name, build) = match text.split_once('@') {
        Some((name, build)) => (name, Some(build.to_owned())),
        None => (text, None),
    };
    let mut rest = name.strip_prefix("farebox-")?;
    let mut has = |suffix: &str| {
        let shorter = rest.strip_suffix(suffix);
        rest = shorter.unwrap_or(rest);
        shorter.is_some()
    };
    let (fleet, near_limit, each_writes) = (has("-fleet"), has("-near"), has("-each"));
    let (many_slots, for_agents, attempts) = (has("-slots"), has("-agents"), has("a"));
    let budgets = rest.parse().ok()?;
    Some(Farebox { budgets, attempts, for_agents, many_slots, each_writes, near_limit, fleet, build })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_as_it_is_written() {
        for name in [
            "direct",
            "plain",
            "plain-default",
            "plain+log",
            "empty",
            "farebox-0",
            "farebox-3a",
            "farebox-6-slots",
            "farebox-3-each",
            "farebox-3-fleet",
            "farebox-3-near-fleet@new",
            "farebox-3a-agents@new",
            "farebox-6@old-one",
            "some-gateway",
        ] {
            let kind: Kind = name.parse().unwrap();
            assert_eq!(kind.to_string(), name);
            assert_eq!(matches!(kind, Kind::Peer(_)), name == "some-gateway");
        }
    }
}
