//! Decides what the first bytes of an event are, to know the end marker by them.

/// The first bytes of an event's data.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Prefix {
    bytes: [u8; 6],
    length: usize,
}

impl Prefix {
    /// Takes bytes until there are enough of them. White space in front of all is none.
    pub(super) fn extend(&mut self, data: &[u8]) {
        let data = if self.length == 0 { data.trim_ascii_start() } else { data };
        let room = self.bytes.get_mut(self.length..).unwrap_or_default();
        for (place, byte) in room.iter_mut().zip(data) {
            *place = *byte;
            self.length += 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(super) fn is(&self, text: &[u8]) -> bool {
        self.bytes.get(..self.length) == Some(text)
    }

    /// Whether it takes no more.
    pub(super) fn is_full(&self) -> bool {
        self.length == self.bytes.len()
    }
}
