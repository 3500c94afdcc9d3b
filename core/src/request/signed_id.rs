//! Decides to which team and to which account at a provider an id of the Responses API belongs.
//!
//! A provider keeps answers, and an id says which one a request goes on from. The provider does not know teams: whoever
//! uses its account may go on from any answer in it. And it knows its own account alone, while a model may be served by
//! several. So an id leaves with both in it, signed; it comes back to be taken out, and says where the request has to go:
//!
//! ```text
//! ## resp_68a1c2~fb1~<account, 6 bytes><signature, 12 bytes>    (in base64, 24 letters)
//! ```
//!
//! Nothing has to be remembered for that, so it holds in every Envoy and after a restart.
//!
//! Does not decide who may use an id: see `budget/admit.rs`.

mod signer;

use core::fmt;
use core::ops::Range;
use std::rc::Rc;

use crate::base::hash::HashMap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use memchr::memmem;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::config::{Provider, Secret};
pub use signer::Signer;

/// What an id is told by that was bound here. Its first letter is rare in any text.
const MARK: &[u8] = b"~fb1~";
const ACCOUNT_BYTES: usize = 6;
const SIGNATURE_BYTES: usize = 12;
/// Letters after the mark.
const LETTERS: usize = (ACCOUNT_BYTES + SIGNATURE_BYTES) * 4 / 3;
/// Bytes of an id that are signed. What is longer is no id but the thing itself, encrypted by the provider.
const SIGNED_BYTES: usize = 256;

/// Most ids of a request that are looked at: a signature takes thousands of instructions, and a body could have a million.
pub const MAX_IDS: usize = 4_096;

/// An account at a provider: what one of its keys belongs to.
pub struct ProviderAccount {
    provider: Box<str>,
    key: usize,
    tag: [u8; ACCOUNT_BYTES],
    signs: [u8; 32],
}

impl fmt::Debug for ProviderAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderAccount").field("provider", &self.provider).field("key", &self.key).finish()
    }
}

impl ProviderAccount {
    fn new(provider: &str, key: usize, name: &str, secret: &Secret) -> Self {
        let mut hash = Sha256::new();
        for part in ["farebox bound id", secret.expose(), provider, name] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let signs = hash.finalize().into();
        let account = Self { provider: provider.into(), key, tag: [0; ACCOUNT_BYTES], signs };
        let mut tag = [0; ACCOUNT_BYTES];
        tag.copy_from_slice(account.mac(&[b"account"]).get(..ACCOUNT_BYTES).unwrap_or_default());
        Self { tag, ..account }
    }

    /// The provider's name.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// Which key of the provider's pool.
    #[must_use]
    pub fn key(&self) -> usize {
        self.key
    }

    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.signs) else {
            // A key of any length will do.
            return [0; 32];
        };
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    fn signature(&self, team: &str, id: &[u8]) -> [u8; SIGNATURE_BYTES] {
        let mut signature = [0; SIGNATURE_BYTES];
        let signed = id.get(..SIGNED_BYTES).unwrap_or(id);
        let mac = self.mac(&[b"id", team.as_bytes(), signed]);
        signature.copy_from_slice(mac.get(..SIGNATURE_BYTES).unwrap_or_default());
        signature
    }

    /// What is put behind an id of this account that is given to `team`.
    fn suffix(&self, team: &str, id: &[u8]) -> Vec<u8> {
        let letters = URL_SAFE_NO_PAD.encode([&self.tag[..], &self.signature(team, id)].concat());
        [MARK, letters.as_bytes()].concat()
    }
}

/// The accounts that ids can be bound to.
#[derive(Debug, Default)]
pub struct ProviderAccounts(Vec<Rc<ProviderAccount>>);

impl ProviderAccounts {
    /// Those of `providers`. `secret` signs; without one, the key of the account does, and an account without a key has
    /// nothing to sign with.
    #[must_use]
    pub fn new(providers: &HashMap<Box<str>, Rc<Provider>>, secret: Option<&Secret>) -> Self {
        let mut accounts = Vec::new();
        for provider in providers.values() {
            for (key, of_pool) in provider.keys().iter().enumerate() {
                let secret = secret.unwrap_or(&of_pool.secret);
                accounts.push(Rc::new(ProviderAccount::new(&provider.name, key, &of_pool.env, secret)));
            }
            if let Some(secret) = secret.filter(|_| provider.keys().is_empty()) {
                accounts.push(Rc::new(ProviderAccount::new(&provider.name, 0, "", secret)));
            }
        }
        Self(accounts)
    }

    /// The account that the `key`-th key of `provider` belongs to.
    #[must_use]
    pub fn of(&self, provider: &str, key: usize) -> Option<&Rc<ProviderAccount>> {
        self.0.iter().find(|account| *account.provider == *provider && account.key == key)
    }

    /// The account of an id that was bound to `team`, and where in it what was put behind it begins. `None`: it was not.
    #[must_use]
    pub fn read(&self, team: &str, id: &[u8]) -> Option<(&Rc<ProviderAccount>, usize)> {
        let at = id.len().checked_sub(MARK.len() + LETTERS)?;
        let (id, suffix) = id.split_at_checked(at)?;
        let bytes = URL_SAFE_NO_PAD.decode(suffix.strip_prefix(MARK)?).ok()?;
        let (tag, signature) = bytes.split_at_checked(ACCOUNT_BYTES)?;
        let account = self.0.iter().find(|account| account.tag == tag)?;
        bool::from(account.signature(team, id).ct_eq(signature)).then_some((account, at))
    }
}

/// Where in a JSON body there are strings that may be bound ids: the first [`MAX_IDS`] of them.
#[must_use]
pub fn candidates(body: &[u8]) -> Vec<Range<usize>> {
    let ends = memmem::find_iter(body, MARK).filter_map(|at| {
        let end = at + MARK.len() + LETTERS;
        (body.get(end) == Some(&b'"')).then_some((at, end))
    });
    ends.filter_map(|(at, end)| {
        let start = memchr::memrchr(b'"', body.get(..at)?)? + 1;
        Some(start..end)
    })
    .take(MAX_IDS)
    .collect()
}

#[cfg(test)]
mod tests;
