//! Decides whether there is room for bytes of request bodies that are not complete.
//!
//! A body is kept until it can be read as a whole. A caller that opens many long ones and ends none would have a worker keep
//! all of them, so what waits is bounded: for all callers of a worker together, and for each key to a part of
//! that, so that one key leaves room for the others. What a body says that it will have is counted from its headers
//! on: then the refusal comes before the bytes do.
//!
//! Each worker counts for itself. A count over all of them would be a write of shared data for each piece of a body.
//!
//! Does not know how long a body may be, or take: those are other limits.

use crate::base::hash::HashMap;

/// The most bytes that may wait in one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingBounds {
    /// Of all callers together.
    pub total: u64,
    /// Of one key.
    pub per_key: u64,
}

/// Whose bytes leave no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crowd {
    /// Those of the caller's own key.
    Key,
    /// Those of all callers together.
    All,
}

/// What waits in one worker.
#[derive(Debug, Default)]
pub struct Pending {
    total: u64,
    /// By the key's id. A key that has nothing here is not in it.
    by_key: HashMap<Box<str>, u64>,
}

impl Pending {
    /// Counts `bytes` more for `key`.
    ///
    /// # Errors
    /// [`Crowd`]; nothing is counted then.
    pub fn add(&mut self, key: &str, bytes: u64, bounds: &PendingBounds) -> Result<(), Crowd> {
        let own = self.by_key.get(key).copied().unwrap_or(0).saturating_add(bytes);
        let total = self.total.saturating_add(bytes);
        if own > bounds.per_key {
            return Err(Crowd::Key);
        }
        if total > bounds.total {
            return Err(Crowd::All);
        }
        self.total = total;
        self.by_key.insert(key.into(), own);
        Ok(())
    }

    /// Counts `bytes` less for `key`: they wait no longer.
    pub fn remove(&mut self, key: &str, bytes: u64) {
        self.total = self.total.saturating_sub(bytes);
        if let Some(own) = self.by_key.get_mut(key) {
            *own = own.saturating_sub(bytes);
            if *own == 0 {
                self.by_key.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: PendingBounds = PendingBounds { total: 100, per_key: 60 };

    #[test]
    fn pending_bytes_are_bounded_for_each_key_and_for_all_together() {
        let mut pending = Pending::default();
        assert_eq!(pending.add("a", 60, &BOUNDS), Ok(()));
        assert_eq!(pending.add("a", 1, &BOUNDS), Err(Crowd::Key));
        assert_eq!(pending.add("b", 40, &BOUNDS), Ok(()));
        assert_eq!(pending.add("b", 1, &BOUNDS), Err(Crowd::All));
        assert_eq!(pending.add("c", u64::MAX, &BOUNDS), Err(Crowd::Key));
        pending.remove("a", 1);
        assert_eq!(pending.add("b", 1, &BOUNDS), Ok(()));
    }

    #[test]
    fn pending_bytes_of_bodies_that_ended_leave_nothing_behind() {
        let mut pending = Pending::default();
        for key in 0..100 {
            let key = format!("key-{key}");
            pending.add(&key, 50, &BOUNDS).unwrap();
            pending.remove(&key, 20);
            pending.remove(&key, 30);
        }
        assert_eq!((pending.total, pending.by_key.len()), (0, 0));
    }
}
