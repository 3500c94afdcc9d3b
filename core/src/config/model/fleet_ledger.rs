//! Decides where the counters are that a whole fleet shares.

use std::rc::Rc;

use crate::budget::fleet::Settings;
use crate::registry::RegistrySettings;

/// A Valkey or Redis that keeps the budgets of a fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetLedger {
    /// Envoy cluster that reaches it.
    pub cluster: Box<str>,
    /// Where it listens, for the bootstrap that the command-line tool writes. Empty: nobody said.
    pub endpoints: Vec<LedgerEndpoint>,
    /// The name that its certificate is for; `None`: the host of its endpoints.
    pub tls_host: Option<Box<str>>,
    /// The file with the CAs that its certificate may be of; `None`: those of the system.
    pub ca_file: Option<Box<str>>,
    /// The environment variable with its password.
    pub password_env: Option<Box<str>>,
    /// The keys, limits and teams in it, if they count.
    pub registry: Option<RegistrySettings>,
    /// How it is used.
    pub settings: Rc<Settings>,
}

impl FleetLedger {
    /// The header that names the node that is meant, in cluster mode.
    pub const SHARD_HEADER: &str = "x-farebox-shard";

    /// Envoy cluster that reaches whatever node [`SHARD_HEADER`](Self::SHARD_HEADER) names.
    #[must_use]
    pub fn shard_cluster(&self) -> String {
        format!("{}-shard", self.cluster)
    }

    /// The name that its certificate is for, if it speaks TLS and there is one.
    #[must_use]
    pub fn certified_name(&self) -> Option<&str> {
        let first = self.endpoints.first().filter(|endpoint| endpoint.tls)?;
        let is_one = self.endpoints.iter().all(|endpoint| endpoint.host == first.host);
        let own = Some(&*first.host).filter(|host| is_one && host.parse::<core::net::IpAddr>().is_err());
        self.tls_host.as_deref().or(own)
    }
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
