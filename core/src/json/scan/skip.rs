//! Decides how a container without interest is passed, which is most of a request.
//!
//! Its brackets are counted and their kinds checked one by one; what is between them is passed in blocks: outside of
//! strings to the next quote or bracket, and in strings to their end. Blocks in which strings only begin and end say
//! by the number of their quotes whether another string has begun.

use super::super::quote::{Part, end, string_part};
use super::super::{Sink, SyntaxError, block};
use super::{Scanner, State, container, is_space};

impl<S: Copy> Scanner<S> {
    /// Goes through a container without interest: to its end, or that of the piece. Strings that end in the piece
    /// are passed here too, so that the state changes as seldom as can be.
    pub(super) fn skip(
        &mut self,
        piece: &[u8],
        at: usize,
        floor: usize,
        sink: &mut impl Sink<S>,
    ) -> Result<usize, SyntaxError> {
        let mut rest = piece.get(at..).unwrap_or_default();
        while let [byte, after @ ..] = rest {
            match byte {
                b'"' => {
                    self.skipped_empty = false;
                    match strings(rest) {
                        Ok(after) => rest = after,
                        Err(escaped) => {
                            self.state = State::SkipText { floor, escaped };
                            return Ok(piece.len());
                        }
                    }
                }
                b'{' | b'[' => {
                    self.skipped_empty = false;
                    self.nesting.open(*byte == b'{')?;
                    rest = after;
                }
                b'}' | b']' => {
                    self.close_bracket(*byte, piece.len() - rest.len())?;
                    if self.nesting.depth() < floor {
                        self.state = State::After;
                        let at = piece.len() - after.len();
                        if let Some(slot) = self.pending.take().and_then(|shape| shape.slot) {
                            let end = self.base + at as u64;
                            sink.value(slot, container(*byte, self.skipped_empty), self.start..end);
                        }
                        return Ok(at);
                    }
                    rest = after;
                }
                // A quote or a bracket nearly always follows at once.
                b',' | b':' => {
                    self.skipped_empty = false;
                    rest = after;
                }
                _ => {
                    self.skipped_empty &= is_space(*byte);
                    rest = if self.skipped_empty { after } else { to_structure(after) };
                }
            }
        }
        Ok(piece.len())
    }

    /// Goes through a string in such a container, which began in a piece before.
    pub(super) fn skip_text(&mut self, piece: &[u8], at: usize, floor: usize, escaped: bool) -> usize {
        let (_, ending, next) = string_part(piece, at, escaped);
        self.state = match ending {
            Part::Closed { .. } => State::Skip { floor },
            Part::Open { escaped } => State::SkipText { floor, escaped },
        };
        next
    }
}

/// What follows a string that begins here, and perhaps other strings behind it. If one does not end, whether the byte
/// after these is escaped.
fn strings(text: &[u8]) -> Result<&[u8], bool> {
    let mut begun = text;
    if let Some(block) = text.first_chunk::<{ block::SHORT }>()
        && let Some(quotes) = block::quotes_of_plain(block)
    {
        if quotes % 2 == 0 {
            return Ok(text.get(block::SHORT..).unwrap_or_default());
        }
        begun = text.get(block::SHORT - 1..).unwrap_or_default();
    }
    end(begun).map(|length| begun.get(length + 1..).unwrap_or_default())
}

/// From the next byte on that matters outside of strings, or from where none was seen so far.
fn to_structure(text: &[u8]) -> &[u8] {
    let Some(block) = text.first_chunk() else { return text };
    text.get(block::structure(block).unwrap_or(block::SHORT)..).unwrap_or_default()
}
