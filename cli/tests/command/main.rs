//! The `farebox` command, as a shell sees it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on should stop")]

mod check;
mod documents;
mod dynamic;
mod helm;
mod import;
mod key_files;
mod keygen;
mod ledger_clusters;
mod mesh;
mod overload;
mod policy;
mod render;
mod sample;
mod shell;
mod strict;
mod versions;
