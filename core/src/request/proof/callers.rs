//! Remembers the callers that were proven lately, with their accounts.
//!
//! It is told by what a proof was mapped to and not by the proof: the tokens of a user change every few minutes, and its
//! accounts do not. Whoever comes when there are too many makes that all others are found anew.

use std::rc::Rc;

use super::mapping::Proven;
use crate::base::hash::HashMap;
use crate::base::pattern::Pattern;
use crate::config::{Config, Key, Proof};

/// Most callers that one VM remembers.
const MOST: usize = 4_096;

/// The callers that were proven lately.
#[derive(Debug, Default)]
pub struct Callers(HashMap<Box<[u8]>, Rc<Key>>);

impl Callers {
    /// The caller that the source with this `index` has proven.
    pub(super) fn of(&mut self, config: &Config, index: usize, proven: &Proven) -> Rc<Key> {
        let told = told(config.hash, index, proven);
        if let Some(known) = self.0.get(&*told) {
            return Rc::clone(known);
        }
        if self.0.len() >= MOST {
            self.0.clear();
        }
        let by = config.identity.sources.get(index).map_or("", |source| match source.proof {
            Proof::Jwt { .. } => "jwt",
            Proof::ExtAuthz { .. } => "ext_authz",
            Proof::Certificate(_) => "certificate",
            Proof::ForwardedCertificate(_) => "xfcc",
        });
        let Proven { team, user, labels, models } = proven;
        let id = [by, ":", user.as_deref().unwrap_or(team)].concat();
        let mut key = Key::proven(&id, team, user.as_deref());
        key.labels.clone_from(labels);
        key.models = models.iter().map(|pattern| Pattern::new(pattern)).collect();
        let key = Rc::new(key.counted_by(&config.budgets));
        self.0.insert(told.into(), Rc::clone(&key));
        key
    }

    /// Forgets all: limits may be others.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// What tells one caller from another: everything that it is made of.
fn told(config: u64, index: usize, proven: &Proven) -> Vec<u8> {
    let Proven { team, user, labels, models } = proven;
    let mut told = Vec::with_capacity(128);
    told.extend(config.to_le_bytes());
    told.extend([u8::try_from(index).unwrap_or(u8::MAX), u8::from(user.is_some())]);
    told.extend([labels.len(), models.len()].map(|count| u8::try_from(count).unwrap_or(u8::MAX)));
    let mut add = |text: &str| {
        told.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
        told.extend(text.as_bytes());
    };
    add(team);
    add(user.as_deref().unwrap_or_default());
    for (name, value) in labels {
        add(name);
        add(value);
    }
    models.iter().for_each(|pattern| add(pattern));
    told
}
