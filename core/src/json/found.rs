//! Decides how the scanner tells what it found, and why it gave up.

use core::fmt;
use core::ops::Range;

use super::shape::Shape;
use super::value::Value;

/// Containers within containers; more is an error. Providers' parsers give up far earlier than at this.
pub(super) const MAX_DEPTH: usize = 512;

/// Receives the values that were looked for, in the order in which they end.
pub trait Sink<S> {
    /// Whether it wants to know the names that are not looked for.
    const WANTS_NAMES: bool = false;

    /// `span` is where the value stands in the document, quotes and brackets included.
    fn value(&mut self, slot: S, value: Value<'_>, span: Range<u64>);

    /// A member of what `inside` looks at, of a name that it does not look for: as it is written, without its quotes.
    /// Only if it wants to know.
    fn other_name(&mut self, _inside: &'static Shape<S>, _name: &[u8]) {}
}

/// Why bytes are not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyntaxError {
    /// A byte that cannot stand there; its offset.
    Unexpected(u64),
    /// More than 512 containers within each other.
    TooDeep,
    /// The document ended in the middle.
    Truncated,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unexpected(at) => write!(f, "is not valid JSON at byte {at}"),
            Self::TooDeep => write!(f, "is nested deeper than {MAX_DEPTH} levels"),
            Self::Truncated => f.write_str("is JSON that ends too early"),
        }
    }
}

impl core::error::Error for SyntaxError {}
