//! Decides how a request's headers are looked up: as bytes, with repetitions visible.
//!
//! A header value may hold any byte, and the same name may come twice. Whoever guards money must see
//! both, so nothing here decodes or merges.

/// The headers of one request, pseudo-headers (`:method`, `:path`, `:authority`) among them. Names are
/// lower-case, as Envoy keeps them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestHead(Vec<(Vec<u8>, Vec<u8>)>);

impl RequestHead {
    /// Wraps headers in the order in which they came.
    #[must_use]
    pub fn new(headers: Vec<(Vec<u8>, Vec<u8>)>) -> Self {
        Self(headers)
    }

    /// The first value of `name`, which must be lower-case.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(candidate, _)| *candidate == name.as_bytes()).map(|(_, value)| value)
    }

    /// Every value of `name`, which must be lower-case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(move |(candidate, _)| *candidate == name.as_bytes()).map(|(_, value)| value)
    }

    /// Every header in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    /// The path without its query; empty if there is none.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        let target = self.target();
        target.split(|&byte| byte == b'?').next().unwrap_or(target)
    }

    /// The path with its query; empty if there is none.
    #[must_use]
    pub fn target(&self) -> &[u8] {
        self.first(":path").unwrap_or_default()
    }
}

impl<const N: usize> From<[(&str, &str); N]> for RequestHead {
    fn from(headers: [(&str, &str); N]) -> Self {
        Self(headers.map(|(name, value)| (name.into(), value.into())).into())
    }
}
