//! Decides how a request's headers are looked up: as bytes, with repetitions visible; and how they are changed.
//!
//! A header value may hold any byte, and the same name may come twice. A guard of money must see
//! both, so nothing here decodes or merges.

use core::ops::Range;

/// The headers of one request, pseudo-headers (`:method`, `:path`, `:authority`) among them. Names are
/// lower-case, as Envoy keeps them.
///
/// They stay in the one block of bytes in which the host hands them over: two allocations a header would
/// be most of what a small request costs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestHead {
    block: Vec<u8>,
    /// Where in the block each name and its value stand.
    headers: Vec<(Range<usize>, Range<usize>)>,
    /// The marks of all names: most that are looked for are not there.
    marks: u64,
}

/// One of 64 bits, which names that are as long and begin alike have in common.
#[inline]
fn mark(first: Option<&u8>, length: usize) -> u64 {
    1 << (first.map_or(0, |&first| usize::from(first)).wrapping_add(length.wrapping_mul(5)) % 64)
}

#[inline]
fn length(at: &Range<usize>) -> usize {
    at.end.wrapping_sub(at.start)
}

impl RequestHead {
    /// Takes headers that stand in `block` at these places, in the order in which they came. A place outside
    /// the block reads as empty.
    #[must_use]
    pub fn in_block(block: Vec<u8>, headers: Vec<(Range<usize>, Range<usize>)>) -> Self {
        let of = |name: &Range<usize>| mark(block.get(name.start), length(name));
        let marks = headers.iter().fold(0, |marks, (name, _)| marks | of(name));
        Self { block, headers, marks }
    }

    /// Takes headers in the order in which they came.
    #[must_use]
    pub fn new(headers: Vec<(Vec<u8>, Vec<u8>)>) -> Self {
        let mut head = Self::default();
        for (name, value) in headers {
            let start = head.block.len();
            head.block.extend(name);
            let middle = head.block.len();
            head.block.extend(value);
            head.headers.push((start..middle, middle..head.block.len()));
            head.marks |= mark(head.block.get(start), middle - start);
        }
        head
    }

    /// The first value of `name`, which must be lower-case.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        let name = name.as_bytes();
        if self.marks & mark(name.first(), name.len()) == 0 {
            return None;
        }
        for (candidate, value) in &self.headers {
            if length(candidate) == name.len() && self.block.get(candidate.clone()) == Some(name) {
                return Some(self.block.get(value.clone()).unwrap_or_default());
            }
        }
        None
    }

    /// Every value of `name`, which must be lower-case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let as_long = self.of_lengths(1 << (name.len() % 64));
        as_long.filter(move |(candidate, _)| *candidate == name.as_bytes()).map(|(_, value)| value)
    }

    /// Every header of which the name has one of the `lengths`, a bit each; and perhaps others.
    pub fn of_lengths(&self, lengths: u64) -> impl Iterator<Item = (&[u8], &[u8])> {
        let part = |at: &Range<usize>| self.block.get(at.clone()).unwrap_or_default();
        let may_be = move |(name, _): &&(Range<usize>, Range<usize>)| lengths >> (length(name) % 64) & 1 != 0;
        self.headers.iter().filter(may_be).map(move |(name, value)| (part(name), part(value)))
    }

    /// Every header in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let part = |at: &Range<usize>| self.block.get(at.clone()).unwrap_or_default();
        self.headers.iter().map(move |(name, value)| (part(name), part(value)))
    }

    /// The path without its query; empty if there is none.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        let whole = self.path_and_query();
        memchr::memchr(b'?', whole).and_then(|at| whole.get(..at)).unwrap_or(whole)
    }

    /// The query without its question mark; empty if there is none.
    #[must_use]
    pub fn query(&self) -> &[u8] {
        let whole = self.path_and_query();
        whole.get(self.path().len()..).and_then(|rest| rest.strip_prefix(b"?")).unwrap_or_default()
    }

    /// The path with its query; empty if there is none.
    #[must_use]
    pub fn path_and_query(&self) -> &[u8] {
        self.first(":path").unwrap_or_default()
    }
}

impl<const N: usize> From<[(&str, &str); N]> for RequestHead {
    fn from(headers: [(&str, &str); N]) -> Self {
        Self::new(headers.map(|(name, value)| (name.into(), value.into())).into())
    }
}

/// Whether a status says that a model answered; a redirect does not.
#[must_use]
pub fn is_success(status: u64) -> bool {
    (200..300).contains(&status)
}

/// Headers that are changed where they are: at the host.
pub trait EditHeaders {
    /// Why a header cannot be changed.
    type Error;

    /// Gives the header `name` this one value.
    ///
    /// # Errors
    /// Whatever the host says.
    fn set(&mut self, name: &str, value: &[u8]) -> Result<(), Self::Error>;

    /// Takes out every header of this name.
    ///
    /// # Errors
    /// Whatever the host says.
    fn remove(&mut self, name: &[u8]) -> Result<(), Self::Error>;
}
