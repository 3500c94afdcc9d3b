//! Decides where the values that matter stand in a stream of JSON bytes.
//!
//! ```text
//! ## Value  => Text | Scalar | Key (an object opens) | Value (an array opens) | Skip (nothing of interest inside)
//! ## Key    => Colon => Value
//! ## After  => Key | Value (a comma) | After (a bracket closes)
//! ```
//!
//! Containers without interest are skipped by counting brackets, their kinds checked, so that no text a
//! client writes can make this scanner see another top level than the provider's parser does.

mod scalar;
mod skip;
#[cfg(test)]
mod tests;

use super::nesting::Nesting;
use super::quote::{Part, string_part};
use super::token::{TOKEN_BYTES, Token};
use super::{Shape, Sink, SyntaxError, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Value,
    ValueOrClose,
    Key,
    KeyOrClose,
    InKey {
        escaped: bool,
    },
    Colon,
    InText {
        escaped: bool,
    },
    Scalar,
    After,
    /// Inside a container without interest that was opened at this depth.
    Skip {
        floor: usize,
    },
    SkipText {
        floor: usize,
        escaped: bool,
    },
}

/// A container with interest that is open.
#[derive(Clone, Copy, Debug)]
struct Open<S: 'static> {
    shape: &'static Shape<S>,
    start: u64,
    empty: bool,
}

/// Goes through one document, piece by piece.
#[derive(Clone, Debug)]
pub struct Scanner<S: 'static> {
    root: &'static Shape<S>,
    state: State,
    /// Bytes before the current piece.
    base: u64,
    nesting: Nesting,
    open: Vec<Open<S>>,
    /// What the next value is, if it is looked for.
    pending: Option<&'static Shape<S>>,
    start: u64,
    token: Token,
    skipped_empty: bool,
}

impl<S: Copy> Scanner<S> {
    /// At the beginning of a document in which the values of `root` matter.
    #[must_use]
    pub fn new(root: &'static Shape<S>) -> Self {
        Self {
            root,
            state: State::Value,
            base: 0,
            nesting: Nesting::default(),
            open: Vec::new(),
            pending: Some(root),
            start: 0,
            token: Token::default(),
            skipped_empty: true,
        }
    }

    /// Starts again with another document; keeps its memory.
    pub fn reset(&mut self) {
        self.state = State::Value;
        self.base = 0;
        self.nesting = Nesting::default();
        self.open.clear();
        self.pending = Some(self.root);
        self.token.clear();
    }

    /// Reads the next piece.
    ///
    /// # Errors
    /// [`SyntaxError`]; the scanner is of no more use then until it is reset.
    pub fn feed(&mut self, piece: &[u8], sink: &mut impl Sink<S>) -> Result<(), SyntaxError> {
        let mut at = 0;
        while let Some(&byte) = piece.get(at) {
            at = match self.state {
                State::InKey { escaped } => self.key(piece, at, escaped, sink)?,
                State::InText { escaped } => self.text(piece, at, escaped, sink),
                State::Scalar => self.scalar(piece, at, sink)?,
                State::Skip { floor } => self.skip(piece, at, floor, sink)?,
                State::SkipText { floor, escaped } => self.skip_text(piece, at, floor, escaped),
                _ if is_space(byte) => at + 1,
                state => self.structure(state, byte, piece, at, sink)?,
            };
        }
        self.base += piece.len() as u64;
        Ok(())
    }

    /// Where in the last piece the next document begins, if that is why [`Self::feed`] failed with `error`: the one
    /// before was complete.
    #[must_use]
    pub fn next_document(&self, error: SyntaxError) -> Option<usize> {
        match error {
            SyntaxError::Unexpected(at) if self.state == State::After && self.nesting.depth() == 0 => at
                .checked_sub(self.base)
                .and_then(|at| usize::try_from(at).ok())
                .filter(|&at| at > 0 || self.base > 0),
            _ => None,
        }
    }

    /// The string that the last piece broke off in, if it is looked for: as what, and how much of it came.
    #[must_use]
    pub fn broken_text(&self) -> Option<(S, u64)> {
        let slot = self.pending.and_then(|shape| shape.slot)?;
        matches!(self.state, State::InText { .. }).then(|| (slot, self.base.saturating_sub(self.start + 1)))
    }

    /// Ends the document.
    ///
    /// # Errors
    /// [`SyntaxError::Truncated`] if it is not complete.
    pub fn finish(&mut self, sink: &mut impl Sink<S>) -> Result<(), SyntaxError> {
        if self.state == State::Scalar && self.nesting.depth() == 0 {
            self.end_kept_scalar(self.base, sink)?;
        }
        if self.state == State::After && self.nesting.depth() == 0 {
            Ok(())
        } else {
            Err(SyntaxError::Truncated)
        }
    }

    /// A byte that is neither white space nor inside a string, a scalar or a skipped container. What begins with it
    /// is read too, as far as it is in the piece. Like all that follow, says where to go on in the piece.
    fn structure(
        &mut self,
        state: State,
        byte: u8,
        piece: &[u8],
        at: usize,
        sink: &mut impl Sink<S>,
    ) -> Result<usize, SyntaxError> {
        match (state, byte) {
            (State::ValueOrClose, b']') | (State::KeyOrClose, b'}') | (State::After, b'}' | b']') => {
                self.close(byte, at, sink)
            }
            (State::Value | State::ValueOrClose, _) => self.begin_value(byte, piece, at, sink),
            (State::Key | State::KeyOrClose, b'"') => {
                self.token.clear();
                self.key(piece, at + 1, false, sink)
            }
            (State::Colon, b':') => {
                self.state = State::Value;
                Ok(at + 1)
            }
            (State::After, b',') if self.nesting.depth() > 0 => {
                if self.nesting.in_object() {
                    if piece.get(at + 1) == Some(&b'"') {
                        self.token.clear();
                        return self.key(piece, at + 2, false, sink);
                    }
                    self.state = State::Key;
                } else {
                    self.state = State::Value;
                    self.expect_element();
                }
                Ok(at + 1)
            }
            _ => Err(SyntaxError::Unexpected(self.base + at as u64)),
        }
    }

    fn begin_value(
        &mut self,
        byte: u8,
        piece: &[u8],
        at: usize,
        sink: &mut impl Sink<S>,
    ) -> Result<usize, SyntaxError> {
        self.start = self.base + at as u64;
        if let Some(open) = self.open.last_mut() {
            open.empty = false;
        }
        match byte {
            b'"' => {
                self.token.clear();
                Ok(self.text(piece, at + 1, false, sink))
            }
            b'{' | b'[' => {
                self.nesting.open(byte == b'{')?;
                match self.pending.take() {
                    Some(shape) if shape.is_open() => {
                        self.open.push(Open { shape, start: self.start, empty: true });
                        self.state = if byte == b'{' { State::KeyOrClose } else { State::ValueOrClose };
                        if byte == b'[' {
                            self.expect_element();
                        }
                    }
                    skipped => {
                        self.pending = skipped;
                        self.skipped_empty = true;
                        self.state = State::Skip { floor: self.nesting.depth() };
                    }
                }
                Ok(at + 1)
            }
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => {
                self.token.clear();
                self.scalar(piece, at, sink)
            }
            _ => Err(SyntaxError::Unexpected(self.start)),
        }
    }

    /// A bracket closes a container with interest.
    fn close(&mut self, byte: u8, at: usize, sink: &mut impl Sink<S>) -> Result<usize, SyntaxError> {
        self.close_bracket(byte, at)?;
        if let Some(open) = self.open.pop()
            && let Some(slot) = open.shape.slot
        {
            sink.value(slot, container(byte, open.empty), open.start..self.base + at as u64 + 1);
        }
        self.state = State::After;
        Ok(at + 1)
    }

    fn key(
        &mut self,
        piece: &[u8],
        at: usize,
        escaped: bool,
        sink: &mut impl Sink<S>,
    ) -> Result<usize, SyntaxError> {
        let (part, ending, next) = string_part(piece, at, escaped);
        match ending {
            Part::Open { escaped } => {
                self.token.keep(part);
                self.state = State::InKey { escaped };
            }
            Part::Closed { escapes } => {
                self.state = State::Colon;
                self.pending = self.open.last().and_then(|open| {
                    // Most keys stand in one piece and need not be kept.
                    if self.token.is_empty() {
                        open.shape.named(part, escapes)
                    } else {
                        self.token.with(part).and_then(|name| open.shape.named(&name, true))
                    }
                });
                if self.pending.is_none() {
                    self.other_name(part, sink);
                }
                // Nearly always it follows at once, and its value too.
                match piece.get(next..) {
                    Some([b':', byte, ..]) if !is_space(*byte) => {
                        self.state = State::Value;
                        return self.begin_value(*byte, piece, next + 1, sink);
                    }
                    _ => self.state = State::Colon,
                }
            }
        }
        Ok(next)
    }

    /// Tells the name of a member that is not looked for, of which `part` is the end.
    #[inline]
    fn other_name<K: Sink<S>>(&self, part: &[u8], sink: &mut K) {
        if K::WANTS_NAMES
            && let Some(open) = self.open.last()
        {
            match self.token.is_empty() {
                true => sink.other_name(open.shape, part),
                // What is too long to be kept is none that anybody looks for.
                false => {
                    self.token.with(part).into_iter().for_each(|name| sink.other_name(open.shape, &name))
                }
            }
        }
    }

    fn text(&mut self, piece: &[u8], at: usize, escaped: bool, sink: &mut impl Sink<S>) -> usize {
        let (part, ending, next) = string_part(piece, at, escaped);
        let slot = self.pending.and_then(|shape| shape.slot);
        match ending {
            Part::Open { escaped } => {
                if slot.is_some() {
                    self.token.keep(part);
                }
                self.state = State::InText { escaped };
            }
            Part::Closed { .. } => {
                self.state = State::After;
                self.pending = None;
                if let Some(slot) = slot {
                    let span = self.start..self.base + next as u64;
                    if self.token.is_empty() {
                        let raw = part.get(..TOKEN_BYTES).unwrap_or(part);
                        sink.value(slot, Value::Text { raw, length: part.len() as u64 }, span);
                    } else {
                        self.token.keep(part);
                        sink.value(slot, self.token.as_text(), span);
                    }
                }
            }
        }
        next
    }

    fn close_bracket(&mut self, byte: u8, at: usize) -> Result<(), SyntaxError> {
        let closed = self.nesting.close(byte == b'}');
        if closed { Ok(()) } else { Err(SyntaxError::Unexpected(self.base + at as u64)) }
    }

    fn expect_element(&mut self) {
        self.pending = self.open.last().and_then(|open| open.shape.find(b"[]"));
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn container(closing: u8, empty: bool) -> Value<'static> {
    if closing == b'}' { Value::Object } else { Value::Array { empty } }
}
