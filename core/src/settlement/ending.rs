//! Decides which ways there are for a request to end.

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The provider answered to the end.
    Answered,
    /// The client left before that.
    ClientGone,
    /// The provider or the way to it broke in the middle of an answer.
    Cut,
    /// The provider worked until it was given up on, and nothing of its answer came.
    GivenUp,
    /// A budget was used up and ended the answer.
    CutOff,
    /// The provider answered with an error.
    Refused,
    /// No provider answered: Envoy did, or the connection broke before.
    NotAnswered,
}

impl Ending {
    /// What the record and metrics call it.
    #[must_use]
    pub fn outcome(self) -> &'static str {
        match self {
            Self::Answered => "ok",
            Self::ClientGone => "client_disconnect",
            Self::Cut => "upstream_reset",
            Self::GivenUp => "upstream_timeout",
            Self::CutOff => "budget_cut",
            Self::Refused => "upstream_error",
            Self::NotAnswered => "not_answered",
        }
    }
}
