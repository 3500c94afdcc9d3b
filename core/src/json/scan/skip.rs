//! Decides how a container without interest is passed, which is most of a request.
//!
//! Its brackets are counted and their kinds checked one by one. What is between two of them is passed in blocks: by
//! the number of quotes before the next bracket it is known whether that stands in a string, and then the string's
//! end is looked for.

use super::super::quote::{Part, end, escapes_next, string_part};
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
                b'{' | b'[' => {
                    self.skipped_empty = false;
                    self.nesting.open(*byte == b'{')?;
                    rest = after;
                }
                b'}' | b']' => {
                    // Most objects are followed by their like.
                    if let [b',', b'{', next @ ..] = after
                        && *byte == b'}'
                        && self.nesting.depth() > floor
                        && self.nesting.in_object()
                    {
                        rest = next;
                        continue;
                    }
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
                byte if self.skipped_empty && is_space(*byte) => rest = after,
                byte => {
                    self.skipped_empty = false;
                    let begun = match rest.first_chunk().map(block::bracket) {
                        // Whatever strings are before it, none of them is open there.
                        Some((bracket, quotes)) if quotes % 2 == 0 => {
                            rest = rest.get(bracket.max(1)..).unwrap_or_default();
                            continue;
                        }
                        Some((bracket, _)) => rest.get(bracket - 1..).unwrap_or_default(),
                        None if *byte == b'"' => rest,
                        None => {
                            rest = after;
                            continue;
                        }
                    };
                    match begun.get(end(begun)..) {
                        Some([_, after @ ..]) => rest = after,
                        _ => {
                            self.state = State::SkipText { floor, escaped: escapes_next(begun) };
                            return Ok(piece.len());
                        }
                    }
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
