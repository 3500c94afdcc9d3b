//! Decides which strings of an answer are ids, and puts behind them what binds them.
//!
//! The answer goes on as it comes: a string is followed only as far as it takes to know its name and its end, and nothing
//! is kept back. What the provider repeats of the request is left alone: its `metadata`, tools and prompt have ids of
//! their own.

use std::rc::Rc;

use memchr::memchr3;

use super::{ProviderAccount, SIGNED_BYTES};

/// Members that are ids of what the provider keeps, or the thing itself.
const IDS: [&[u8]; 5] = [b"id", b"item_id", b"response_id", b"previous_response_id", b"encrypted_content"];
/// Members with what the request has said.
const REPEATED: [&[u8]; 4] = [b"metadata", b"prompt", b"tools", b"tool_choice"];

/// Where in the answer the next byte is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Position {
    #[default]
    Between,
    /// In a string.
    String { escaped: bool },
}

/// What the string before was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Before {
    #[default]
    Nothing,
    /// A string that may be a name.
    String,
    /// The name of an id.
    Id,
    /// The name of what is repeated.
    Repeated,
}

/// Follows one answer.
#[derive(Debug)]
pub struct Signer {
    account: Rc<ProviderAccount>,
    team: Box<str>,
    /// A line is a document of its own.
    by_lines: bool,
    position: Position,
    before: Before,
    /// The string under way is an id.
    is_id: bool,
    /// What is known of the string under way, or the one before.
    text: Vec<u8>,
    depth: usize,
    /// How deep the object stands that is left alone.
    left_alone: Option<usize>,
    /// The id that was signed last: most events of a stream have the same.
    last: (Vec<u8>, Vec<u8>),
}

impl Signer {
    /// Binds the ids of an answer to `team` and `account`. `by_lines`: it is a stream of events.
    #[must_use]
    pub fn new(account: Rc<ProviderAccount>, team: &str, by_lines: bool) -> Self {
        Self {
            account,
            team: team.into(),
            by_lines,
            position: Position::Between,
            before: Before::Nothing,
            is_id: false,
            text: Vec::new(),
            depth: 0,
            left_alone: None,
            last: (Vec::new(), Vec::new()),
        }
    }

    /// The next piece of the answer with its ids bound. `None`: there is nothing to change in it.
    #[must_use]
    pub fn sign(&mut self, piece: &[u8]) -> Option<Vec<u8>> {
        let mut changed: Option<Vec<u8>> = None;
        let (mut at, mut copied) = (0, 0);
        while let Some(&byte) = piece.get(at) {
            match self.position {
                Position::Between => {
                    self.between(byte);
                    at += 1;
                }
                Position::String { escaped: true } => {
                    self.keep(&[byte]);
                    self.position = Position::String { escaped: false };
                    at += 1;
                }
                Position::String { escaped: false } => {
                    let rest = piece.get(at..).unwrap_or_default();
                    let length = memchr3(b'"', b'\\', b'\n', rest).unwrap_or(rest.len());
                    self.keep(rest.get(..length).unwrap_or_default());
                    at += length;
                    match piece.get(at) {
                        Some(b'"') => {
                            if let Some(suffix) = self.end_string() {
                                let changed = changed.get_or_insert_with(Vec::new);
                                changed.extend_from_slice(piece.get(copied..at).unwrap_or_default());
                                changed.extend_from_slice(&suffix);
                                copied = at;
                            }
                            at += 1;
                        }
                        Some(b'\\') => {
                            self.keep(b"\\");
                            self.position = Position::String { escaped: true };
                            at += 1;
                        }
                        // No string has one: this was none.
                        Some(_) => {
                            self.position = Position::Between;
                            self.before = Before::Nothing;
                        }
                        None => {}
                    }
                }
            }
        }
        if let Some(changed) = &mut changed {
            changed.extend_from_slice(piece.get(copied..).unwrap_or_default());
        }
        changed
    }

    fn keep(&mut self, part: &[u8]) {
        // One byte more, so that what is too long is seen to be.
        let room = (SIGNED_BYTES + 1).saturating_sub(self.text.len());
        self.text.extend_from_slice(part.get(..room).unwrap_or(part));
    }

    fn between(&mut self, byte: u8) {
        match byte {
            b'"' => {
                self.is_id = self.before == Before::Id && self.left_alone.is_none();
                self.text.clear();
                self.position = Position::String { escaped: false };
            }
            b':' if self.before == Before::String => {
                self.before = if IDS.contains(&&*self.text) {
                    Before::Id
                } else if REPEATED.contains(&&*self.text) {
                    Before::Repeated
                } else {
                    Before::Nothing
                };
            }
            b'{' | b'[' => {
                if self.before == Before::Repeated && self.left_alone.is_none() {
                    self.left_alone = Some(self.depth);
                }
                self.depth += 1;
                self.before = Before::Nothing;
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                if self.left_alone == Some(self.depth) {
                    self.left_alone = None;
                }
                self.before = Before::Nothing;
            }
            b'\n' if self.by_lines => {
                (self.depth, self.left_alone, self.before) = (0, None, Before::Nothing);
            }
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => self.before = Before::Nothing,
        }
    }

    /// A string has ended. Returns what is put at its end.
    fn end_string(&mut self) -> Option<Vec<u8>> {
        self.position = Position::Between;
        self.before = if self.is_id { Before::Nothing } else { Before::String };
        // What is written with escapes is read in other ways than it is written, and no id is.
        if !self.is_id || self.text.is_empty() || self.text.contains(&b'\\') {
            return None;
        }
        if self.last.0 != self.text {
            self.last = (self.text.clone(), self.account.suffix(&self.team, &self.text));
        }
        Some(self.last.1.clone())
    }
}
