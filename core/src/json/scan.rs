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

use super::found::MAX_DEPTH;
use super::quote::{Part, string_part};
use super::{Shape, Sink, SyntaxError, Value, unescape};

/// Longest key or value that is kept, in bytes as written. A value longer than this is reported cut.
const TOKEN_BYTES: usize = 256;

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
    /// One bit a level, set for an object.
    kinds: [u64; MAX_DEPTH / 64],
    depth: usize,
    open: Vec<Open<S>>,
    /// What the next value is, if it is looked for.
    pending: Option<&'static Shape<S>>,
    start: u64,
    token: Vec<u8>,
    token_length: u64,
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
            kinds: [0; MAX_DEPTH / 64],
            depth: 0,
            open: Vec::new(),
            pending: Some(root),
            start: 0,
            token: Vec::new(),
            token_length: 0,
            skipped_empty: true,
        }
    }

    /// Starts again with another document; keeps its memory.
    pub fn reset(&mut self) {
        self.state = State::Value;
        self.base = 0;
        self.depth = 0;
        self.open.clear();
        self.pending = Some(self.root);
        self.token.clear();
    }

    /// Reads the next piece.
    ///
    /// # Errors
    /// [`SyntaxError`]; the scanner is of no more use then until it is reset.
    pub fn feed(&mut self, piece: &[u8], sink: &mut impl Sink<S>) -> Result<(), SyntaxError> {
        let mut rest = piece;
        while let Some((&byte, tail)) = rest.split_first() {
            let at = self.base + (piece.len() - rest.len()) as u64;
            rest = match self.state {
                State::SkipText { floor, escaped } => self.skip_text(rest, floor, escaped),
                State::InText { escaped } => self.text(rest, escaped, at, sink),
                State::InKey { escaped } => self.key(rest, escaped),
                State::Skip { floor } => self.skip(rest, floor, at, sink)?,
                State::Scalar => self.scalar(rest, at, sink)?,
                _ if is_space(byte) => tail,
                _ => {
                    self.structure(byte, at, sink)?;
                    tail
                }
            };
        }
        self.base += piece.len() as u64;
        Ok(())
    }

    /// Ends the document.
    ///
    /// # Errors
    /// [`SyntaxError::Truncated`] if it is not complete.
    pub fn finish(&mut self, sink: &mut impl Sink<S>) -> Result<(), SyntaxError> {
        if self.state == State::Scalar && self.depth == 0 {
            self.end_scalar(self.base, sink)?;
        }
        if self.state == State::After && self.depth == 0 { Ok(()) } else { Err(SyntaxError::Truncated) }
    }

    /// A byte that is neither white space nor inside a string, a scalar or a skipped container.
    fn structure(&mut self, byte: u8, at: u64, sink: &mut impl Sink<S>) -> Result<(), SyntaxError> {
        match (self.state, byte) {
            (State::ValueOrClose, b']') | (State::KeyOrClose, b'}') => self.close(byte, at, sink),
            (State::Value | State::ValueOrClose, _) => self.begin_value(byte, at),
            (State::Key | State::KeyOrClose, b'"') => {
                self.begin_token(State::InKey { escaped: false });
                Ok(())
            }
            (State::Colon, b':') => {
                self.state = State::Value;
                Ok(())
            }
            (State::After, b',') if self.depth > 0 => {
                self.state = if self.in_object() { State::Key } else { State::Value };
                if !self.in_object() {
                    self.expect_element();
                }
                Ok(())
            }
            (State::After, b'}' | b']') => self.close(byte, at, sink),
            _ => Err(SyntaxError::Unexpected(at)),
        }
    }

    fn begin_value(&mut self, byte: u8, at: u64) -> Result<(), SyntaxError> {
        self.start = at;
        if let Some(open) = self.open.last_mut() {
            open.empty = false;
        }
        match byte {
            b'{' | b'[' => {
                self.push(byte == b'{')?;
                match self.pending.take() {
                    Some(shape) if !shape.inside.is_empty() => {
                        self.open.push(Open { shape, start: at, empty: true });
                        self.state = if byte == b'{' { State::KeyOrClose } else { State::ValueOrClose };
                        if byte == b'[' {
                            self.expect_element();
                        }
                    }
                    skipped => {
                        self.pending = skipped;
                        self.skipped_empty = true;
                        self.state = State::Skip { floor: self.depth };
                    }
                }
                Ok(())
            }
            b'"' => {
                self.begin_token(State::InText { escaped: false });
                Ok(())
            }
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => {
                self.begin_token(State::Scalar);
                self.token.push(byte);
                self.token_length = 1;
                Ok(())
            }
            _ => Err(SyntaxError::Unexpected(at)),
        }
    }

    /// A bracket closes a container with interest.
    fn close(&mut self, byte: u8, at: u64, sink: &mut impl Sink<S>) -> Result<(), SyntaxError> {
        self.pop(byte, at)?;
        if let Some(open) = self.open.pop()
            && let Some(slot) = open.shape.slot
        {
            sink.value(slot, container(byte, open.empty), open.start..at + 1);
        }
        self.state = State::After;
        Ok(())
    }

    /// Goes through a container without interest: to its end, or that of the piece. Strings that end in the piece
    /// are passed here too, so that the state changes as seldom as can be.
    fn skip<'p>(
        &mut self,
        rest: &'p [u8],
        floor: usize,
        at: u64,
        sink: &mut impl Sink<S>,
    ) -> Result<&'p [u8], SyntaxError> {
        let mut left = rest;
        while let Some((&byte, tail)) = left.split_first() {
            let here = at + (rest.len() - left.len()) as u64;
            left = tail;
            match byte {
                b'"' => {
                    self.skipped_empty = false;
                    let (_, ending, tail) = string_part(tail, false);
                    left = tail;
                    if let Part::Open { escaped } = ending {
                        self.state = State::SkipText { floor, escaped };
                        return Ok(tail);
                    }
                }
                b'{' | b'[' => {
                    self.skipped_empty = false;
                    self.push(byte == b'{')?;
                }
                b'}' | b']' => {
                    self.pop(byte, here)?;
                    if self.depth < floor {
                        self.state = State::After;
                        if let Some(slot) = self.pending.take().and_then(|shape| shape.slot) {
                            sink.value(slot, container(byte, self.skipped_empty), self.start..here + 1);
                        }
                        return Ok(tail);
                    }
                }
                _ if is_space(byte) => {}
                _ => self.skipped_empty = false,
            }
        }
        Ok(left)
    }

    /// A scalar, to its end or that of the piece.
    fn scalar<'p>(
        &mut self,
        rest: &'p [u8],
        at: u64,
        sink: &mut impl Sink<S>,
    ) -> Result<&'p [u8], SyntaxError> {
        let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']') || is_space(*byte);
        let length = rest.iter().position(ends).unwrap_or(rest.len());
        let (part, tail) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        self.keep(part);
        if !tail.is_empty() {
            self.end_scalar(at + length as u64, sink)?;
        }
        Ok(tail)
    }

    fn skip_text<'p>(&mut self, rest: &'p [u8], floor: usize, escaped: bool) -> &'p [u8] {
        let (_, ending, tail) = string_part(rest, escaped);
        self.state = match ending {
            Part::Closed => State::Skip { floor },
            Part::Open { escaped } => State::SkipText { floor, escaped },
        };
        tail
    }

    fn key<'p>(&mut self, rest: &'p [u8], escaped: bool) -> &'p [u8] {
        let (part, ending, tail) = string_part(rest, escaped);
        self.keep(part);
        match ending {
            Part::Open { escaped } => self.state = State::InKey { escaped },
            Part::Closed => {
                self.state = State::Colon;
                self.pending = self.open.last().and_then(|open| self.named(open.shape));
            }
        }
        tail
    }

    fn text<'p>(&mut self, rest: &'p [u8], escaped: bool, at: u64, sink: &mut impl Sink<S>) -> &'p [u8] {
        let (part, ending, tail) = string_part(rest, escaped);
        let slot = self.pending.and_then(|shape| shape.slot);
        if slot.is_some() {
            self.keep(part);
        }
        match ending {
            Part::Open { escaped } => self.state = State::InText { escaped },
            Part::Closed => {
                self.state = State::After;
                self.pending = None;
                if let Some(slot) = slot {
                    let end = at + (rest.len() - tail.len()) as u64;
                    let value = Value::Text { raw: &self.token, length: self.token_length };
                    sink.value(slot, value, self.start..end);
                }
            }
        }
        tail
    }

    fn end_scalar(&mut self, at: u64, sink: &mut impl Sink<S>) -> Result<(), SyntaxError> {
        let value = match self.token.as_slice() {
            b"null" => Value::Null,
            b"true" => Value::Bool(true),
            b"false" => Value::Bool(false),
            [b'-' | b'0'..=b'9', rest @ ..]
                if rest.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) =>
            {
                Value::Number(&self.token)
            }
            _ => return Err(SyntaxError::Unexpected(self.start)),
        };
        if let Some(slot) = self.pending.take().and_then(|shape| shape.slot) {
            sink.value(slot, value, self.start..at);
        }
        self.state = State::After;
        Ok(())
    }

    /// The name inside `shape` that the key in `token` is, if any. Keys may be written with escapes.
    fn named(&self, shape: &'static Shape<S>) -> Option<&'static Shape<S>> {
        if self.token_length > self.token.len() as u64 {
            return None;
        }
        if self.token.contains(&b'\\') {
            return shape.find(unescape(&self.token)?.as_bytes());
        }
        shape.find(&self.token)
    }

    fn expect_element(&mut self) {
        self.pending = self.open.last().and_then(|open| open.shape.find(b"[]"));
    }

    fn begin_token(&mut self, state: State) {
        self.state = state;
        self.token.clear();
        self.token_length = 0;
    }

    fn keep(&mut self, part: &[u8]) {
        self.token_length += part.len() as u64;
        let room = TOKEN_BYTES.saturating_sub(self.token.len()).min(part.len());
        self.token.extend_from_slice(part.get(..room).unwrap_or_default());
    }

    fn push(&mut self, object: bool) -> Result<(), SyntaxError> {
        let (word, bit) = (self.depth / 64, 1u64 << (self.depth % 64));
        let kinds = self.kinds.get_mut(word).ok_or(SyntaxError::TooDeep)?;
        *kinds = if object { *kinds | bit } else { *kinds & !bit };
        self.depth += 1;
        Ok(())
    }

    fn pop(&mut self, byte: u8, at: u64) -> Result<(), SyntaxError> {
        if self.depth == 0 || self.in_object() != (byte == b'}') {
            return Err(SyntaxError::Unexpected(at));
        }
        self.depth -= 1;
        Ok(())
    }

    fn in_object(&self) -> bool {
        let Some(level) = self.depth.checked_sub(1) else { return false };
        self.kinds.get(level / 64).is_some_and(|kinds| kinds & (1 << (level % 64)) != 0)
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn container(closing: u8, empty: bool) -> Value<'static> {
    if closing == b'}' { Value::Object } else { Value::Array { empty } }
}
