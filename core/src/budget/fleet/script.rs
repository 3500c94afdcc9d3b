//! Decides how the ledger's script is called: by its hash, and with its text where the server does not know it.

use crate::resp::push_command;

/// The script.
pub const TEXT: &str = include_str!("ledger.lua");
/// The SHA-1 of its text, by which the server knows it.
pub const SHA: &str = "6ce9066528d11ab1df0b187cd90731a027d2790b";

/// Has the server know the script.
pub fn push_load(out: &mut Vec<u8>) {
    push_command(out, [b"SCRIPT".as_slice(), b"LOAD", TEXT.as_bytes()]);
}

/// Calls the script with `keys` and `args`.
pub fn push_call(out: &mut Vec<u8>, keys: &[&[u8]], args: &[&[u8]]) {
    let count = keys.len().to_string();
    let words = [b"EVALSHA".as_slice(), SHA.as_bytes(), count.as_bytes()];
    push_command(out, words.iter().chain(keys).chain(args).copied().collect::<Vec<_>>());
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha1::{Digest, Sha1};

    #[test]
    fn the_script_has_the_hash_that_it_is_called_by() {
        let hash: String = Sha1::digest(TEXT).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, SHA, "the script has changed: so must its hash");
    }
}
