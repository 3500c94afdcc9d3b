//! Decides what a server's `INFO` says of it as a ledger.

use std::collections::HashMap;

use super::Findings;

/// The oldest server that runs the script: Redis 6.2. Valkey began with 7.2.
const OLDEST: (u32, u32) = (6, 2);

/// What a server says of itself.
#[derive(Debug)]
pub(super) struct Facts<'a>(HashMap<&'a str, &'a str>);

impl<'a> Facts<'a> {
    /// Out of the text of `INFO`.
    pub(super) fn of(info: &'a str) -> Self {
        Self(
            info.lines()
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name, value.trim()))
                .collect(),
        )
    }

    fn get(&self, name: &str) -> &str {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// Tells what it is, and what of that is no good.
    pub(super) fn judge(&self, at: &str, is_sharded: bool, has_registry: bool, findings: &mut Findings) {
        self.version(at, findings);
        match self.get("maxmemory_policy") {
            "noeviction" => findings.good(format!("{at}: maxmemory-policy noeviction")),
            "" => findings.odd(format!("{at}: does not say its maxmemory-policy; it must be noeviction")),
            other => findings.bad(format!(
                "{at}: maxmemory-policy {other} may throw accounts away when memory is short, and their budgets begin \
                 again; it must be noeviction"
            )),
        }
        match (self.get("cluster_enabled"), is_sharded) {
            ("1", false) => findings.bad(format!("{at}: is a node of a cluster: say \"mode\": \"cluster\"")),
            ("0", true) => {
                findings.bad(format!("{at}: is no node of a cluster: say \"mode\": \"standalone\""))
            }
            _ => {}
        }
        if self.get("role") == "slave" && !is_sharded {
            findings.bad(format!("{at}: is a replica, which takes no writes"));
        }
        self.persistence(at, has_registry, findings);
    }

    fn version(&self, at: &str, findings: &mut Findings) {
        let (name, version) = match self.get("valkey_version") {
            "" => ("Redis", self.get("redis_version")),
            version => ("Valkey", version),
        };
        let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
        let (Some(Some(major)), Some(Some(minor))) = (parts.next(), parts.next()) else {
            findings
                .odd(format!("{at}: does not say its version; Redis 6.2 and later, and any Valkey, will do"));
            return;
        };
        if (major, minor) < OLDEST {
            findings.bad(format!(
                "{at}: {name} {version} is too old: Redis 6.2 and later, and any Valkey, will do"
            ));
        } else {
            findings.good(format!("{at}: {name} {version}"));
        }
    }

    fn persistence(&self, at: &str, has_registry: bool, findings: &mut Findings) {
        match self.get("aof_enabled") {
            "1" => findings.good(format!("{at}: keeps what it is told (appendonly yes)")),
            "" => {}
            _ if has_registry => findings.odd(format!(
                "{at}: appendonly no: a restart of it forgets, keys and limits of the registry for good: Envoys that \
                 start then do not know them"
            )),
            _ => findings.odd(format!(
                "{at}: appendonly no: a restart of it forgets. Envoys that run say their sums again; what those had \
                 spent that are gone, and windows that are over, it does not learn again"
            )),
        }
        if self.get("aof_last_write_status") == "err" || self.get("rdb_last_bgsave_status") == "err" {
            findings.odd(format!("{at}: could not save its data the last time"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(info: &str, is_sharded: bool) -> (bool, String) {
        let mut findings = Findings::default();
        Facts::of(info).judge("redis://a:6379", is_sharded, false, &mut findings);
        (findings.is_unfit, findings.lines.join("\n"))
    }

    #[test]
    fn a_server_that_evicts_is_a_replica_or_is_old_is_unfit() {
        let info = |version: &str, policy: &str, role: &str, cluster: u8| {
            format!(
                "# Server\r\nredis_version:{version}\r\nmaxmemory_policy:{policy}\r\nrole:{role}\r\n\
                 cluster_enabled:{cluster}\r\naof_enabled:1\r\n"
            )
        };
        for (is_unfit, info, is_sharded, told) in [
            (false, info("6.2.5", "noeviction", "master", 0), false, "Redis 6.2.5"),
            (true, info("6.0.9", "noeviction", "master", 0), false, "too old"),
            (true, info("7.0.0", "allkeys-lru", "master", 0), false, "allkeys-lru may throw accounts away"),
            (true, info("7.0.0", "volatile-ttl", "master", 0), false, "volatile-ttl"),
            (true, info("7.0.0", "noeviction", "slave", 0), false, "is a replica"),
            (true, info("7.0.0", "noeviction", "master", 1), false, "\"mode\": \"cluster\""),
            (true, info("7.0.0", "noeviction", "master", 0), true, "\"mode\": \"standalone\""),
            (false, info("7.0.0", "noeviction", "slave", 1), true, "Redis 7.0.0"),
            (
                false,
                info("7.0.0", "noeviction", "master", 0) + "valkey_version:9.1.2\r\n",
                false,
                "Valkey 9.1.2",
            ),
            (false, String::new(), false, "does not say its version"),
        ] {
            let (unfit, lines) = judged(&info, is_sharded);
            assert_eq!(unfit, is_unfit, "{lines}");
            assert!(lines.contains(told), "{lines}");
        }
    }

    #[test]
    fn a_server_that_keeps_nothing_is_warned_of() {
        let (unfit, lines) =
            judged("redis_version:7.2.4\nmaxmemory_policy:noeviction\naof_enabled:0\n", false);
        assert!(!unfit && lines.contains("warning  redis://a:6379: appendonly no"), "{lines}");
        let mut findings = Findings::default();
        Facts::of("aof_enabled:0\n").judge("redis://a:6379", false, true, &mut findings);
        let lines = findings.lines.join("\n");
        assert!(lines.contains("keys and limits of the registry for good"), "{lines}");
    }
}
