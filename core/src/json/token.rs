//! Decides what is kept of a key or a value that does not stand in one piece.

use super::value::Value;

/// Longest key or value that is kept, in bytes as written. A value longer than this is reported cut.
pub(super) const TOKEN_BYTES: usize = 256;

/// The beginning of a key or a value, from the pieces before.
#[derive(Clone, Debug, Default)]
pub(super) struct Token {
    bytes: Vec<u8>,
    length: u64,
}

impl Token {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.length = 0;
    }

    /// Whether nothing was there so far.
    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn keep(&mut self, part: &[u8]) {
        self.length += part.len() as u64;
        let room = TOKEN_BYTES.saturating_sub(self.bytes.len()).min(part.len());
        self.bytes.extend_from_slice(part.get(..room).unwrap_or_default());
    }

    /// All of it with its last part. `None` if it is too long to be any key that is looked for.
    pub(super) fn with(&self, part: &[u8]) -> Option<Vec<u8>> {
        let whole = self.length + part.len() as u64 <= TOKEN_BYTES as u64;
        whole.then(|| [&self.bytes, part].concat())
    }

    pub(super) fn as_text(&self) -> Value<'_> {
        Value::Text { raw: &self.bytes, length: self.length }
    }
}
