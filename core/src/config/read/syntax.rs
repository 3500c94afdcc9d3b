//! Decides which characters each kind of name may have.
//!
//! Names end up in headers, metric labels, store keys and log lines. What could break one of those is
//! refused where it is configured, so nothing downstream has to escape it.

/// The syntax of one kind of string.
#[derive(Clone, Copy, Debug)]
pub(super) struct Syntax {
    /// What is wanted, to be read after "must be".
    pub wanted: &'static str,
    longest: usize,
    fits: fn(&str) -> bool,
}

impl Syntax {
    /// Whether `text` is not empty, not too long and of the right characters.
    pub(super) fn fits(self, text: &str) -> bool {
        !text.is_empty() && text.chars().count() <= self.longest && (self.fits)(text)
    }
}

/// Key ids and provider names.
pub(super) const ID: Syntax = Syntax {
    wanted: "1 to 64 characters out of a-z, 0-9 and \"-\"",
    longest: 64,
    fits: |text| text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')),
};

/// Teams and budget names.
pub(super) const NAME: Syntax = Syntax {
    wanted: "1 to 64 characters out of A-Z, a-z, 0-9, \".\", \"_\" and \"-\"",
    longest: 64,
    fits: |text| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)),
};

/// Names of free labels.
pub(super) const LABEL: Syntax = Syntax { wanted: "1 to 64 characters", longest: 64, fits: |_| true };

/// Groups of an identity provider.
pub(super) const GROUP: Syntax = Syntax { wanted: "1 to 256 characters", longest: 256, fits: |_| true };

/// The name of a header: a `token` of RFC 9110, section 5.6.2.
pub(super) const HEADER: Syntax = Syntax {
    wanted: "an HTTP header name of 1 to 64 characters",
    longest: 64,
    fits: |text| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)),
};

/// The same, or the beginning of one with a `*` behind it.
pub(super) const HEADER_PATTERN: Syntax = Syntax {
    wanted: "an HTTP header name of 1 to 64 characters, or the beginning of one and a \"*\"",
    ..HEADER
};

/// Names of query parameters.
pub(super) const QUERY_NAME: Syntax = Syntax {
    wanted: "the plain name of a query parameter: 1 to 64 characters out of A-Z, a-z, 0-9, \".\", \"_\", \"-\" and \"$\"",
    longest: 64,
    fits: |text| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-$".contains(&byte)),
};

/// Names and values of claims, and templates over them.
pub(super) const CLAIM: Syntax = Syntax {
    wanted: "1 to 256 characters, none of them a control character",
    longest: 256,
    fits: |text| !text.contains(char::is_control),
};

/// Projects and locations of Google's.
pub(super) const PROJECT: Syntax = Syntax {
    wanted: "1 to 64 characters out of a-z, A-Z, 0-9, \":\", \".\" and \"-\"",
    longest: 64,
    fits: |text| {
        text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":.-".contains(&byte))
            && !text.contains("..")
    },
};

/// Names of Envoy clusters; they travel in a header.
pub(super) const CLUSTER: Syntax =
    Syntax { wanted: "1 to 256 visible ASCII characters without a space", longest: 256, fits: is_visible };

/// Hosts as they stand in `:authority`.
pub(super) const HOST: Syntax = Syntax {
    wanted: "a host name with an optional port, without scheme and path",
    longest: 255,
    fits: |text| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-:[]".contains(&byte)),
};

/// Names that certificates are for.
pub(super) const TLS_HOST: Syntax = Syntax {
    wanted: "the name that the certificate is for, without a port",
    longest: 253,
    fits: |text| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)),
};

/// Origins of pages, as browsers write them.
pub(super) const ORIGIN: Syntax = Syntax {
    wanted: "an origin as browsers write it (\"https://app.example\", in lower case, without a path), or \"*\"",
    longest: 255,
    fits: |text| {
        let host = text.split_once("://").filter(|(scheme, _)| {
            scheme.starts_with(|first: char| first.is_ascii_lowercase())
                && scheme.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'+' | b'-' | b'.'))
        });
        let plain =
            |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b':' | b'[' | b']');
        text == "*" || host.is_some_and(|(_, host)| !host.is_empty() && host.bytes().all(plain))
    },
};

/// Beginnings of paths.
pub(super) const BASE_PATH: Syntax = Syntax {
    wanted: "a path that begins with \"/\", without query and fragment",
    longest: 256,
    fits: |text| text.starts_with('/') && is_visible(text) && !text.contains(['?', '#']),
};

/// Names of environment variables.
pub(super) const ENV: Syntax = Syntax {
    wanted: "the name of an environment variable (not its value)",
    longest: 128,
    fits: |text| {
        !text.starts_with(|first: char| first.is_ascii_digit())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    },
};

/// Names of models: the operator's and, as patterns, over the providers'. Braces delimit metric labels.
pub(super) const MODEL: Syntax = Syntax {
    wanted: "1 to 256 visible ASCII characters without a space or a brace",
    longest: 256,
    fits: |text| is_visible(text) && !text.contains(['{', '}']),
};

/// Names that providers give to models.
pub(super) const SERVED_MODEL: Syntax =
    Syntax { wanted: "1 to 256 visible ASCII characters without a space", longest: 256, fits: is_visible };

/// Patterns over what a request says.
pub(super) const PATTERN: Syntax =
    Syntax { wanted: "a pattern of 1 to 256 characters", longest: 256, fits: |_| true };

/// Patterns over paths that are let through.
pub(super) const ENDPOINT: Syntax = Syntax {
    wanted: "a path or a pattern of one that begins with \"/v1/\"",
    longest: 256,
    fits: |text| text.starts_with("/v1/") && is_visible(text) && !text.contains('#'),
};

fn is_visible(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}
