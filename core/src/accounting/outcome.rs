//! Decides which ways there are for a request to end.

use crate::response::meter::Reading;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The provider answered to the end.
    Answered,
    /// The client left before that.
    ClientDisconnect,
    /// The gateway's own Envoy closed the connection to the client before that: it exits, or has another listener.
    GatewayDisconnect,
    /// The provider or the way to it broke in the middle of an answer.
    UpstreamReset,
    /// The provider broke its answer off itself: by an error in it, or without its last event.
    UpstreamError,
    /// The provider worked until it was given up on, and nothing of its answer came.
    UpstreamTimeout,
    /// A budget was used up and ended the answer.
    BudgetCut,
    /// The provider answered with an error.
    Refused,
    /// No provider answered: Envoy did, or the connection broke before.
    NotAnswered,
}

/// What the host says of a stream that has ended.
pub trait StreamEnd {
    /// What went wrong with it.
    fn faults(&self) -> Faults;

    /// Envoy's word for how it ended (`response.code_details`).
    fn details(&self) -> Vec<u8>;

    /// The same as a text for a record. Some of it may be a provider's, so it is bounded.
    fn details_text(&self) -> Option<String> {
        let mut details = self.details();
        details.truncate(DETAILS_BYTES);
        Some(String::from_utf8_lossy(&details).into_owned()).filter(|details| !details.is_empty())
    }
}

/// So much of Envoy's details a record has at most.
const DETAILS_BYTES: usize = 512;

/// What went wrong with a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The provider, or the way to it, broke.
    pub upstream: bool,
    /// The provider was at work when it was given up on.
    pub given_up: bool,
    /// The host had too little memory for it.
    pub overload: bool,
}

/// What Envoy's details begin with if it closed the connection to the client itself; why it did so comes behind that.
const CLOSED_HERE: &[u8] = b"downstream_local_disconnect(";
/// What it then says if the client made it do so: it was silent, or what it sent cannot be read.
/// Source: Envoy's `LocalCloseReasonValues`.
const BY_CLIENT: [&[u8]; 4] =
    [b"http2_ping_timeout", b"http2_connection_protocol_violation", b"codec_error", b"transport_socket"];

impl Outcome {
    /// How an answer with a status of success ended that came to the end of its connection. `is_whole`: and to its own.
    #[must_use]
    pub fn at_the_end(reading: &Reading, is_whole: bool) -> Self {
        match () {
            () if reading.error && reading.deltas == 0 => Self::Refused,
            () if reading.error || !is_whole => Self::UpstreamError,
            () => Self::Answered,
        }
    }

    /// Who broke off a stream that nobody else has ended.
    #[must_use]
    pub fn unfinished(end: &dyn StreamEnd) -> Self {
        if end.faults().overload { Self::GatewayDisconnect } else { Self::broken_off(&end.details()) }
    }

    /// The same by what Envoy has to say about it (`response.code_details`).
    #[must_use]
    pub fn broken_off(details: &[u8]) -> Self {
        match details.strip_prefix(CLOSED_HERE) {
            Some(why) if !BY_CLIENT.iter().any(|reason| why.starts_with(reason)) => Self::GatewayDisconnect,
            _ => Self::ClientDisconnect,
        }
    }

    /// Whether a stream was broken off on the client's side: the provider was hung up on, and may have worked on.
    #[must_use]
    pub fn is_broken_off(self) -> bool {
        matches!(self, Self::ClientDisconnect | Self::GatewayDisconnect)
    }

    /// What the record and metrics call it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "ok",
            Self::ClientDisconnect => "client_disconnect",
            Self::GatewayDisconnect => "gateway_disconnect",
            Self::UpstreamReset => "upstream_reset",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::BudgetCut => "budget_cut",
            Self::Refused | Self::UpstreamError => "upstream_error",
            Self::NotAnswered => "not_answered",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_envoy_closes_is_broken_off_by_the_gateway_unless_the_client_made_it_do_so() {
        for (details, outcome) in [
            ("downstream_remote_disconnect", Outcome::ClientDisconnect),
            ("http2.remote_reset", Outcome::ClientDisconnect),
            ("via_upstream", Outcome::ClientDisconnect),
            ("", Outcome::ClientDisconnect),
            ("downstream_local_disconnect(http2_ping_timeout)", Outcome::ClientDisconnect),
            ("downstream_local_disconnect(codec_error:http/1.1_protocol_error)", Outcome::ClientDisconnect),
            ("downstream_local_disconnect(filter_chain_is_being_removed)", Outcome::GatewayDisconnect),
            ("downstream_local_disconnect(max_connection_duration_reached)", Outcome::GatewayDisconnect),
            ("downstream_local_disconnect()", Outcome::GatewayDisconnect),
        ] {
            assert_eq!(Outcome::broken_off(details.as_bytes()), outcome, "{details}");
        }
    }
}
