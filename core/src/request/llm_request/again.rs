//! Decides what a body names that has its model in the path too: Google's requests in batches, Azure's deployments.

use core::ops::Range;

/// A place in the body that names the path's model again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Again {
    pub(super) at: Range<usize>,
    /// What is in front of the name there.
    pub(super) start: &'static str,
    pub(super) name: String,
}

impl Again {
    pub(super) fn new(at: Range<usize>, name: &str) -> Self {
        const STARTS: [&str; 3] = ["models/", "publishers/google/models/", "publishers/anthropic/models/"];
        let start = STARTS.into_iter().find(|start| name.starts_with(start)).unwrap_or("");
        Self { at, start, name: name.strip_prefix(start).unwrap_or(name).to_owned() }
    }
}
