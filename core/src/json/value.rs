//! Decides what a value is that was looked for.

/// A value that was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as written.
    Number(&'a [u8]),
    /// A string: the bytes between the quotes, at most 256 of them, and how many there were.
    Text {
        /// As written, escapes included.
        raw: &'a [u8],
        /// Bytes there were in all.
        length: u64,
    },
    /// An object that has ended.
    Object,
    /// An array that has ended.
    Array {
        /// It had no element.
        empty: bool,
    },
}
