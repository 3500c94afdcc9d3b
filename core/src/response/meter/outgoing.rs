//! Decides which bytes of a stream go out, and when, where the usage chunk must not.
//!
//! What an event says is known when it has ended, so the unfinished last event of a piece is kept back, up to a
//! bound. Nothing is copied as long as nothing was kept back or hidden: nearly every piece is whole events.
//!
//! Does not decide which event is hidden.

/// Largest part of an event that is kept back while it is not known whether it must be hidden. A usage
/// chunk is a few hundred bytes; what is longer is none.
pub(super) const KEPT_BACK_BYTES: usize = 64 * 1024;

/// What to pass on in place of a piece.
#[derive(Debug, PartialEq, Eq)]
pub enum Passed {
    /// The piece as it is.
    Unchanged,
    /// These bytes.
    Replaced(Vec<u8>),
}

/// What goes out.
#[derive(Clone, Debug, Default)]
pub(super) struct Outgoing {
    /// The end of the pieces before.
    pub(super) kept_back: Vec<u8>,
    /// The beginning of this event went out already: its end must follow, whatever it says.
    committed: bool,
    /// What goes out for the events that ended in this piece, if that is not what they are in the piece.
    changed: Option<Vec<u8>>,
    /// Where the last of them ends in the piece.
    start: usize,
}

impl Outgoing {
    /// Nothing more of the stream goes out.
    pub(super) fn forget(&mut self) {
        self.kept_back.clear();
    }

    /// A piece begins.
    pub(super) fn begin(&mut self) {
        self.start = 0;
        self.changed = (!self.kept_back.is_empty()).then(Vec::new);
    }

    /// An event ends at the offset `end` of the piece. Returns where that is in what goes out for the piece.
    pub(super) fn end_event(&mut self, piece: &[u8], end: usize, hidden: bool) -> usize {
        let start = core::mem::replace(&mut self.start, end);
        if hidden && !core::mem::take(&mut self.committed) {
            self.kept_back.clear();
            let before = || piece.get(..start).unwrap_or_default().to_vec();
            return self.changed.get_or_insert_with(before).len();
        }
        self.committed = false;
        let Some(changed) = &mut self.changed else { return end };
        changed.append(&mut self.kept_back);
        changed.extend_from_slice(piece.get(start..end).unwrap_or_default());
        changed.len()
    }

    /// The piece ends. `last`: and with it the answer.
    pub(super) fn end(&mut self, piece: &[u8], last: bool) -> Passed {
        let rest = piece.get(self.start..).unwrap_or_default();
        let goes_out = last || self.kept_back.len() + rest.len() > KEPT_BACK_BYTES;
        self.committed |= goes_out;
        let mut changed = match self.changed.take() {
            Some(changed) => changed,
            None if goes_out || rest.is_empty() => return Passed::Unchanged,
            None => piece.get(..self.start).unwrap_or_default().to_vec(),
        };
        self.kept_back.extend_from_slice(rest);
        if goes_out {
            changed.append(&mut self.kept_back);
        }
        Passed::Replaced(changed)
    }
}
