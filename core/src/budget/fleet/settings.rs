//! Decides where the ledger of a fleet is and how it is used.

use core::fmt;
use core::net::{IpAddr, SocketAddr};

use crate::config::Secret;
use crate::resp::push_command;

/// The ledger of a fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What the names of its keys begin with.
    pub prefix: Box<str>,
    /// Milliseconds between two pushes of one process.
    pub interval_ms: u64,
    /// Milliseconds after which who is silent has its allotment charged or forgiven: one to two times as long.
    pub epoch_ms: u64,
    /// Milliseconds in which a ledger that lost data grants nothing.
    pub grace_ms: u64,
    /// Milliseconds that a request waits for an answer.
    pub wait_ms: u64,
    /// What a request gets when the ledger is out of reach.
    pub on_outage: OnOutage,
    /// What was lent to who falls silent is free again; else it is charged.
    pub forgives: bool,
    /// Every budget has a shard of its own (cluster mode).
    pub is_sharded: bool,
    /// Milliseconds that an account outlives its window.
    pub tail_ms: u64,
    /// How its server lets this fleet in.
    pub access: Access,
    /// The networks that a node may be in to which another one leads.
    pub networks: Vec<Network>,
}

/// A network, as `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Reads `10.0.0.0/8` or `fd00::/8`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let (address, bits): (IpAddr, u8) = (address.parse().ok()?, bits.parse().ok()?);
        (bits <= if address.is_ipv4() { 32 } else { 128 }).then_some(Self { address, bits })
    }

    /// Whether `address`, with its port, is in it.
    #[must_use]
    pub fn has(&self, address: &str) -> bool {
        let Ok(address) = address.parse::<SocketAddr>() else { return false };
        match (self.address, address.ip()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32 - u32::from(self.bits);
                own.to_bits().checked_shr(shift) == other.to_bits().checked_shr(shift)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let shift = 128 - u32::from(self.bits);
                own.to_bits().checked_shr(shift) == other.to_bits().checked_shr(shift)
            }
            _ => false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// How a server lets its clients in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// The user; the server's default one if there is none.
    pub username: Option<Box<str>>,
    /// The password.
    pub password: Option<Secret>,
    /// Which of the server's databases.
    pub db: u32,
}

impl Access {
    /// Has the server let us in.
    pub fn push_to(&self, out: &mut Vec<u8>) {
        if let Some(password) = &self.password {
            let password = password.expose().as_bytes();
            match &self.username {
                Some(username) => push_command(out, [b"AUTH", username.as_bytes(), password]),
                None => push_command(out, [b"AUTH", password]),
            }
        }
        if self.db != 0 {
            push_command(out, [b"SELECT", self.db.to_string().as_bytes()]);
        }
    }
}

impl Settings {
    /// How often a ledger that has nothing to be told is asked whether it lost something, in milliseconds.
    #[must_use]
    pub fn heartbeat_ms(&self) -> u64 {
        self.interval_ms.saturating_mul(4)
    }

    /// How long an answer is waited for, in milliseconds.
    #[must_use]
    pub fn timeout_ms(&self) -> u64 {
        self.interval_ms.saturating_mul(2)
    }
}

/// What a request gets when the ledger is out of reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnOutage {
    /// It is refused.
    Deny,
    /// What its VM was lent; then it is refused.
    Allotment,
    /// The limit by the count of its own process.
    Local,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            prefix: "farebox".into(),
            interval_ms: 250,
            epoch_ms: 30_000,
            grace_ms: 2_000,
            wait_ms: 3_000,
            on_outage: OnOutage::Allotment,
            forgives: false,
            is_sharded: false,
            tail_ms: 3_600_000,
            access: Access::default(),
            networks: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_the_addresses_that_begin_as_it_does() {
        let has = |network: &str, address: &str| Network::parse(network).unwrap().has(address);
        assert!(has("10.0.0.0/8", "10.9.8.7:6379") && !has("10.0.0.0/8", "11.0.0.1:6379"));
        assert!(
            has("0.0.0.0/0", "1.2.3.4:1")
                && has("1.2.3.4/32", "1.2.3.4:1")
                && !has("1.2.3.4/32", "1.2.3.5:1")
        );
        assert!(has("fd00::/8", "[fd12::7]:6379") && !has("fd00::/8", "10.0.0.1:6379"));
        assert!(!has("10.0.0.0/8", "10.0.0.1") && !has("10.0.0.0/8", "valkey:6379"));
    }
}
