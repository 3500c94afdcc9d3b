//! Says why requests are not sent on as far as they are meant to be: to the operator, and in one word to metrics.

use core::fmt;

use super::reach::Reach;

/// Why requests are not sent on as far as they are meant to be.
#[derive(Clone, Copy, Debug)]
pub enum Limitation<'a> {
    /// The host's version.
    Version(Reach),
    /// An answer of this cluster came without the filter behind the router.
    NoFilter(&'a str),
    /// Another attempt was brought to the cluster of the one before.
    SameCluster,
}

impl Limitation<'_> {
    /// The word that metrics have for it.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Version(_) => "version",
            Self::NoFilter(_) => "no_filter",
            Self::SameCluster => "same_cluster",
        }
    }
}

impl fmt::Display for Limitation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(Reach::Nowhere) => f.write_str(
                "this Envoy is older than 1.37 and would end if an answer were held that is retried: no request is sent \
                 again (`farebox render envoy --envoy 1.36`)",
            ),
            Self::Version(_) => f.write_str(
                "this Envoy is older than 1.39 and picks no other cluster for another attempt: requests are only sent again \
                 with another key of the same provider (`farebox render envoy --envoy 1.38`)",
            ),
            Self::NoFilter(cluster) => write!(
                f,
                "an answer of {cluster} came without the filter behind the router (upstream_http_filters): requests to it \
                 are sent once"
            ),
            Self::SameCluster => f.write_str(
                "another attempt was brought to the cluster of the one before: this Envoy does not pick it anew \
                 (refresh_cluster_on_retry is not set, or was dropped on the way). Requests are only sent again with \
                 another key of the same provider",
            ),
        }
    }
}
