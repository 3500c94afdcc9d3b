//! Decides which pages in a browser may ask.

/// Which pages may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Their origins; none: any.
    pub origins: Option<Vec<Box<str>>>,
    /// Whether they may send cookies and client certificates along.
    pub credentials: bool,
    /// For how long a browser need not ask again, in seconds.
    pub max_age_seconds: u64,
}
