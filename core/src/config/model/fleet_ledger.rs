//! Decides where the counters are that a whole fleet shares.

use std::rc::Rc;

use crate::budget::fleet::Settings;

/// A Valkey or Redis that keeps the budgets of a fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetLedger {
    /// Envoy cluster that reaches it.
    pub cluster: Box<str>,
    /// Where it listens, for the bootstrap that the command-line tool writes. Empty: nobody said.
    pub endpoints: Vec<LedgerEndpoint>,
    /// The environment variable with its password.
    pub password_env: Option<Box<str>>,
    /// How it is used.
    pub settings: Rc<Settings>,
}

/// One place where a ledger listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEndpoint {
    /// Whether it speaks TLS.
    pub tls: bool,
    /// Name or address; that of IPv6 without brackets.
    pub host: Box<str>,
    /// Port; 6379 if none was written.
    pub port: u16,
}
