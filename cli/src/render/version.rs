//! Decides what an Envoy of each version can be told.
//!
//! One that is told a word that it does not know does not start, or drops the word in silence. What each knows was run, not
//! read: `make versions` boots what is rendered for each and sends calls through it.

/// A version of Envoy, as far as versions differ here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(super) enum Version {
    #[value(name = "1.36")]
    V1_36,
    #[value(name = "1.37")]
    V1_37,
    #[value(name = "1.38")]
    V1_38,
    #[value(name = "1.39")]
    V1_39,
    #[default]
    #[value(name = "1.40")]
    V1_40,
}

impl Version {
    /// What it is called.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::V1_36 => "1.36",
            Self::V1_37 => "1.37",
            Self::V1_38 => "1.38",
            Self::V1_39 => "1.39",
            Self::V1_40 => "1.40",
        }
    }

    /// Whether its router looks the cluster up anew for another attempt (`refresh_cluster_on_retry`).
    pub(super) fn fails_over(self) -> bool {
        self >= Self::V1_39
    }

    /// Whether a route says how much of a body may be held (`request_body_buffer_limit`). 1.36 takes the member and goes by
    /// the connection's limit all the same.
    pub(super) fn limits_bodies_of_routes(self) -> bool {
        self >= Self::V1_37
    }

    /// Whether a route takes a host from filter state (`host_rewrite`).
    pub(super) fn rewrites_hosts(self) -> bool {
        self >= Self::V1_37
    }

    /// Whether an access log has `%COALESCE%`.
    pub(super) fn has_coalesce(self) -> bool {
        self >= Self::V1_37
    }

    /// Whether it puts a word before a secret (`header_value_prefix`).
    pub(super) fn prefixes_credentials(self) -> bool {
        self >= Self::V1_37
    }

    /// The version that an image's tag names, if it names one: `envoy:v1.38.2`, `envoy:distroless-v1.38-latest`.
    pub(super) fn of_image(image: &str) -> Option<Self> {
        let (_, tag) = image.split('@').next()?.rsplit('/').next()?.rsplit_once(':')?;
        let number =
            tag.rsplit_once("v1.").map_or_else(|| tag.strip_prefix("1."), |(_, number)| Some(number))?;
        let digits = number.find(|character: char| !character.is_ascii_digit()).unwrap_or(number.len());
        match number.get(..digits)?.parse::<u32>().ok()? {
            ..=36 => Some(Self::V1_36),
            37 => Some(Self::V1_37),
            38 => Some(Self::V1_38),
            39 => Some(Self::V1_39),
            _ => Some(Self::V1_40),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_out_of_a_tag() {
        for (image, version) in [
            ("docker.io/envoyproxy/envoy:v1.38.2", Some(Version::V1_38)),
            ("envoyproxy/envoy:distroless-v1.37-latest", Some(Version::V1_37)),
            ("registry.example.com:5000/envoy:1.36.4", Some(Version::V1_36)),
            ("envoy:v1.39.3@sha256:00", Some(Version::V1_39)),
            ("envoy:v1.41.0", Some(Version::V1_40)),
            ("registry.example.com:5000/envoy", None),
            ("envoy@sha256:00", None),
            ("envoy:stable", None),
        ] {
            assert_eq!(Version::of_image(image), version, "{image}");
        }
    }
}
