//! Decides which headers and query parameters an operator lets pass besides those that the gateway knows.

/// Names of headers or parameters; one that ends with a `*` stands for all that begin so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(Vec<Box<str>>);

impl Names {
    /// These names, those of headers in lower case.
    #[must_use]
    pub fn new(names: Vec<Box<str>>) -> Self {
        Self(names)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|name| &**name)
    }

    /// Whether `name` is one of them.
    #[must_use]
    pub fn has(&self, name: &[u8]) -> bool {
        self.0.iter().any(|known| match known.strip_suffix('*') {
            Some(start) => name.starts_with(start.as_bytes()),
            None => known.as_bytes() == name,
        })
    }
}

/// What is let pass besides what the tables of the APIs have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Request headers.
    pub headers: Names,
    /// Query parameters.
    pub query: Names,
    /// Response headers.
    pub response_headers: Names,
}
