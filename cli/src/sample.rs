//! Decides which callers' keys everybody has, those of the samples, and tells who would let strangers call with one.
//!
//! A first look should take one command, so the samples come with a key that is written next to them. On loopback that
//! opens nothing; anywhere else it is a door without a lock. The filter cannot tell the two apart: nobody tells it where
//! its Envoy listens.

use std::net::IpAddr;

use farebox_core::config::ConfigError;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The keys that are written down next to a sample.
const PUBLIC: [&str; 1] = ["fb_demo_tryit-0000000000"];

/// What a gateway is that a whole cluster reaches.
pub(crate) const KUBERNETES: &str = "a gateway in Kubernetes";

/// The mistakes of the configuration `json` where whoever reaches `place` can call: a public key each.
pub(crate) fn mistakes(json: &str, place: &str) -> Vec<ConfigError> {
    let Ok(document) = serde_json::from_str::<Value>(json) else { return Vec::new() };
    let keys = document.get("keys").and_then(Value::as_array).into_iter().flatten();
    let message = || {
        format!(
            "is the hash of the sample's key, which everybody has, and {place} is not loopback: \
             make a key of your own with farebox keygen"
        )
    };
    keys.enumerate()
        .filter_map(|(index, key)| Some((format!("keys[{index}].sha256"), key.get("sha256")?)))
        .flat_map(|(path, hashes)| match hashes {
            Value::Array(hashes) => {
                let path = |index| format!("{path}[{index}]");
                hashes.iter().enumerate().map(|(index, hash)| (path(index), hash)).collect()
            }
            hash => vec![(path, hash)],
        })
        .filter(|(_, hash)| hash.as_str().is_some_and(is_public))
        .map(|(path, _)| ConfigError { path, message: message() })
        .collect()
}

/// `address`, unless this machine alone reaches it.
pub(crate) fn open(address: IpAddr) -> Option<String> {
    (!address.to_canonical().is_loopback()).then(|| address.to_string())
}

fn is_public(hash: &str) -> bool {
    let hex = |key: &str| Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    PUBLIC.iter().any(|key| hex(key).eq_ignore_ascii_case(hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_what_this_machine_alone_reaches() {
        for address in ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(open(address.parse().unwrap()), None, "{address}");
        }
        for address in ["0.0.0.0", "::", "10.0.0.1", "169.254.1.1", "::ffff:10.0.0.1"] {
            assert_eq!(open(address.parse().unwrap()).as_deref(), Some(address));
        }
    }
}
