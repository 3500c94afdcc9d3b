//! Decides how deep a document is, and what kind of container each level is.

use super::SyntaxError;
use super::found::MAX_DEPTH;

/// The containers that are open.
#[derive(Clone, Debug)]
pub(super) struct Nesting {
    /// One bit a level, set for an object.
    kinds: [u64; MAX_DEPTH / 64],
    depth: usize,
}

impl Default for Nesting {
    fn default() -> Self {
        Self { kinds: [0; MAX_DEPTH / 64], depth: 0 }
    }
}

impl Nesting {
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    pub(super) fn open(&mut self, object: bool) -> Result<(), SyntaxError> {
        let (word, bit) = (self.depth / 64, 1u64 << (self.depth % 64));
        let kinds = self.kinds.get_mut(word).ok_or(SyntaxError::TooDeep)?;
        *kinds = if object { *kinds | bit } else { *kinds & !bit };
        self.depth += 1;
        Ok(())
    }

    /// Says whether the innermost container is of that kind, and is closed with it.
    #[must_use]
    pub(super) fn close(&mut self, object: bool) -> bool {
        let matches = self.depth > 0 && self.in_object() == object;
        self.depth -= usize::from(matches);
        matches
    }

    pub(super) fn in_object(&self) -> bool {
        let Some(level) = self.depth.checked_sub(1) else { return false };
        self.kinds.get(level / 64).is_some_and(|kinds| kinds & (1 << (level % 64)) != 0)
    }
}
