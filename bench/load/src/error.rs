//! Decides how the benchmark says that it cannot go on.
//!
//! A slice of load that went wrong is no error: it is a result, and says so (see `slice.rs`).

use std::fmt;
use std::io;
use std::path::Path;

/// Why the benchmark ends early.
#[derive(Debug)]
pub(crate) enum BenchError {
    /// The operating system refused something.
    Io {
        /// What was tried.
        what: String,
        /// What it said.
        error: io::Error,
    },
    /// A system ended, or did not get ready in time.
    NotReady {
        /// The system.
        name: String,
        /// The end of what it wrote.
        log: String,
    },
    /// A file or an answer is not of the form that this program knows.
    Form(String),
    /// What is asked for does not exist, or is not built.
    Missing(String),
    /// Ctrl-C, or the signal of whoever supervises this.
    Interrupted,
    /// What must hold of a result does not.
    Doubt(String),
}

impl BenchError {
    /// For `map_err`: what was tried.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |error| Self::Io { what, error }
    }

    /// For `map_err`: which file.
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        Self::io(path.display().to_string())
    }
}

impl fmt::Display for BenchError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { what, error } => write!(out, "{what}: {error}"),
            Self::NotReady { name, log } => write!(out, "{name} did not get ready; it says:\n{log}"),
            Self::Form(what) => write!(out, "not of the form that is known here: {what}"),
            Self::Missing(what) => write!(out, "missing: {what}"),
            Self::Interrupted => write!(out, "interrupted"),
            Self::Doubt(what) => write!(out, "the result cannot be right: {what}"),
        }
    }
}

impl std::error::Error for BenchError {}
