//! Says why a scenario could not be played.

use crate::vm::Fault;

/// Why a scenario could not be played.
#[derive(Debug)]
pub(crate) enum Failure {
    Vm(Fault),
    /// The filter does not take the configuration.
    Refused(String),
    /// The filter warned of something, or of an error.
    Warned(String),
    /// The filter held a request of which everything had come.
    Held,
    /// Something else came of a request than must.
    Otherwise {
        status: String,
        record: String,
    },
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Vm(fault) => write!(f, "{fault}"),
            Self::Refused(why) => write!(f, "the filter refused the configuration: {why}"),
            Self::Warned(what) => write!(f, "the filter warned: {what}"),
            Self::Held => write!(f, "the filter holds a request of which everything has come"),
            Self::Otherwise { status, record } => {
                write!(f, "the client got status {status}, which should not be; the record: {record}")
            }
        }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Vm(fault)
    }
}
