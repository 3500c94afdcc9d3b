//! Decides what a number, a word or `null` is, and where it ends.
//!
//! Nearly all are short and whole in their piece: those take no copy.

use super::super::token::TOKEN_BYTES;
use super::super::{Sink, SyntaxError, Value};
use super::{Scanner, State, is_space};

/// Digits of most numbers at most.
const SHORT_DIGITS: usize = 18;

impl<S: Copy> Scanner<S> {
    /// A scalar, to its end or that of the piece.
    pub(super) fn scalar(
        &mut self,
        piece: &[u8],
        at: usize,
        sink: &mut impl Sink<S>,
    ) -> Result<usize, SyntaxError> {
        let rest = piece.get(at..).unwrap_or_default();
        let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']') || is_space(*byte);
        // Nearly all are numbers of a few digits, or words.
        if self.token.is_empty() {
            let digits = rest.iter().take(SHORT_DIGITS).take_while(|byte| byte.is_ascii_digit()).count();
            let (value, length) = match rest {
                [b'n', b'u', b'l', b'l', ..] => (Value::Null, 4),
                [b't', b'r', b'u', b'e', ..] => (Value::Bool(true), 4),
                [b'f', b'a', b'l', b's', b'e', ..] => (Value::Bool(false), 5),
                _ => (Value::Number(rest.get(..digits).unwrap_or_default()), digits),
            };
            if length > 0 && rest.get(length).is_some_and(ends) {
                self.take_scalar(value, self.base + (at + length) as u64, sink);
                return Ok(at + length);
            }
        }
        match rest.iter().position(ends) {
            None => {
                self.token.keep(rest);
                self.state = State::Scalar;
                Ok(piece.len())
            }
            Some(length) => {
                let part = rest.get(..length).unwrap_or_default();
                let end = self.base + (at + length) as u64;
                if self.token.is_empty() {
                    self.end_scalar(part, end, sink)?;
                } else {
                    self.token.keep(part);
                    self.end_kept_scalar(end, sink)?;
                }
                Ok(at + length)
            }
        }
    }

    pub(super) fn end_kept_scalar(&mut self, end: u64, sink: &mut impl Sink<S>) -> Result<(), SyntaxError> {
        let token = core::mem::take(&mut self.token);
        let ended = self.end_scalar(token.bytes(), end, sink);
        self.token = token;
        ended
    }

    fn end_scalar(&mut self, token: &[u8], end: u64, sink: &mut impl Sink<S>) -> Result<(), SyntaxError> {
        let value = match token.get(..TOKEN_BYTES).unwrap_or(token) {
            b"null" => Value::Null,
            b"true" => Value::Bool(true),
            b"false" => Value::Bool(false),
            number @ [b'-' | b'0'..=b'9', rest @ ..]
                if rest.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) =>
            {
                Value::Number(number)
            }
            _ => return Err(SyntaxError::Unexpected(self.start)),
        };
        self.take_scalar(value, end, sink);
        Ok(())
    }

    #[inline]
    fn take_scalar(&mut self, value: Value<'_>, end: u64, sink: &mut impl Sink<S>) {
        if let Some(slot) = self.pending.take().and_then(|shape| shape.slot) {
            sink.value(slot, value, self.start..end);
        }
        self.state = State::After;
    }
}
