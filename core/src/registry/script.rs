//! Decides how the registry's scripts are called: by their hashes, and with their text where the server does not know it.

use crate::resp::push_command;

/// One script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Script {
    /// Its text.
    pub text: &'static str,
    /// The SHA-1 of that, by which the server knows it.
    pub sha: &'static str,
}

/// Tells what changed after a version.
pub const READ: Script =
    Script { text: include_str!("read.lua"), sha: "86b3d5de18d76862c994f947415b2619ffe4494a" };
/// Changes entries.
pub const WRITE: Script =
    Script { text: include_str!("write.lua"), sha: "8dbf80e5dbb6a47421b78ca9d43d37d276e47107" };

impl Script {
    /// Has the server know it.
    pub fn push_load(&self, out: &mut Vec<u8>) {
        push_command(out, [b"SCRIPT".as_slice(), b"LOAD", self.text.as_bytes()]);
    }

    /// Calls it with `keys` and `args`.
    pub fn push_call(&self, out: &mut Vec<u8>, keys: &[&str], args: &[&[u8]]) {
        let count = keys.len().to_string();
        let words = [b"EVALSHA".as_slice(), self.sha.as_bytes(), count.as_bytes()];
        let keys = keys.iter().map(|key| key.as_bytes());
        let words: Vec<&[u8]> = words.into_iter().chain(keys).chain(args.iter().copied()).collect();
        push_command(out, words);
    }
}

/// The names of what the registry keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// A hash: name of an entry => its version and its JSON.
    pub entries: String,
    /// A sorted set: name => version of its last change.
    pub changes: String,
    /// A hash: what is known of the whole.
    pub meta: String,
    /// A stream: who changed what.
    pub audit: String,
}

impl Keys {
    /// Those of a ledger whose keys begin with `prefix`. All are in one slot.
    #[must_use]
    pub fn of(prefix: &str) -> Self {
        let key = |name: &str| format!("{prefix}:{{registry}}:{name}");
        Self { entries: key("entries"), changes: key("changes"), meta: key("meta"), audit: key("audit") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha1::{Digest, Sha1};

    #[test]
    fn the_scripts_have_the_hashes_that_they_are_called_by() {
        for script in [READ, WRITE] {
            let hash: String = Sha1::digest(script.text).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hash, script.sha, "the script has changed: so must its hash");
        }
    }
}
