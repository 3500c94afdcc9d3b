//! Decides how a body is changed: by replacing the bytes that must differ, and no others.
//!
//! Providers recognise a prompt they have cached by its bytes, and a body that is parsed and written
//! again is another body. An edit names a range and what to put there.

use core::ops::Range;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced; empty to insert.
    pub at: Range<usize>,
    /// What is put there.
    pub text: String,
}

/// The body with all edits made. Edits must not overlap; those at one place are made in their order.
#[must_use]
pub fn apply(body: &[u8], mut edits: Vec<Edit>) -> Vec<u8> {
    edits.sort_by_key(|edit| edit.at.start);
    let grown: usize = edits.iter().map(|edit| edit.text.len()).sum();
    let mut changed = Vec::with_capacity(body.len() + grown);
    let mut from = 0;
    for edit in edits {
        changed.extend_from_slice(body.get(from..edit.at.start).unwrap_or_default());
        changed.extend_from_slice(edit.text.as_bytes());
        from = edit.at.end;
    }
    changed.extend_from_slice(body.get(from..).unwrap_or_default());
    changed
}
