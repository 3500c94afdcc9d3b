//! Decides how the reader moves through a document: a place, its path, and where mistakes are told.
//!
//! Every reading method returns `None` after it has told what is wrong, so the caller goes on with the
//! next value and an operator learns about all mistakes at once instead of one per push.
//!
//! Never puts a value it could not read into a message: what stands in the wrong place may be a secret.
//!
//! What every part of the configuration calls is marked cold: put into each of its callers it makes functions of tens of
//! kilobytes, and what an engine of WebAssembly needs to compile a function grows with it and stays with the process.

use core::ops::RangeInclusive;

use super::document::{Node, Shape};
use super::mistakes::Mistakes;
use super::syntax::Syntax;
use crate::base::money::{DecimalError, parse_decimal};
use crate::config::path;
use crate::config::suggestion::{did_you_mean, nearest};

/// One value of the document.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    node: &'a Node,
    path: String,
    errors: &'a Mistakes,
}

impl<'a> Cursor<'a> {
    /// The whole document.
    pub(super) fn root(node: &'a Node, errors: &'a Mistakes) -> Self {
        Self { node, path: String::new(), errors }
    }

    #[cold]
    fn below(&self, node: &'a Node, path: String) -> Self {
        Self { node, path, errors: self.errors }
    }

    /// The path, for a message about another place.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Tells what is wrong here.
    #[cold]
    pub(super) fn fail(&self, message: impl Into<String>) {
        self.errors.add(self.node.at, &self.path, message.into());
    }

    #[cold]
    fn mismatch(&self, wanted: &str) {
        self.fail(format!("must be {wanted}, not {}", self.node.kind()));
    }

    /// Whether a string stands here.
    pub(super) fn is_text(&self) -> bool {
        matches!(self.node.shape, Shape::Text(_))
    }

    /// Whether a list stands here.
    pub(super) fn is_list(&self) -> bool {
        matches!(self.node.shape, Shape::List(_))
    }

    /// Whether an object stands here.
    pub(super) fn is_object(&self) -> bool {
        matches!(self.node.shape, Shape::Object(_))
    }

    /// Any string.
    #[cold]
    pub(super) fn text(&self) -> Option<&'a str> {
        if let Shape::Text(text) = &self.node.shape {
            return Some(text);
        }
        self.mismatch("a string");
        None
    }

    /// A string of a certain syntax.
    #[cold]
    pub(super) fn text_as(&self, syntax: Syntax) -> Option<&'a str> {
        let text = self.text()?;
        if !syntax.fits(text) {
            self.fail(format!("must be {}", syntax.wanted));
            return None;
        }
        Some(text)
    }

    /// `true` or `false`.
    #[cold]
    pub(super) fn flag(&self) -> Option<bool> {
        if let Shape::Flag(flag) = self.node.shape {
            return Some(flag);
        }
        self.mismatch("true or false");
        None
    }

    /// A whole number within `range`.
    #[cold]
    pub(super) fn count(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let Shape::Number(text) = &self.node.shape else {
            self.mismatch("a whole number");
            return None;
        };
        let number = parse_decimal(text, 0).ok().filter(|number| range.contains(number));
        if number.is_none() {
            let (from, to) = range.into_inner();
            self.fail(format!("must be a whole number from {from} to {to}"));
        }
        number
    }

    /// A decimal number, which may be written as a string so that no tool on its way rounds it.
    #[cold]
    pub(super) fn decimal<T>(&self, read: impl Fn(&str) -> Result<T, DecimalError>) -> Option<T> {
        let (Shape::Number(text) | Shape::Text(text)) = &self.node.shape else {
            self.mismatch("a number");
            return None;
        };
        read(text).map_err(|error| self.fail(error.to_string())).ok()
    }

    /// One of a few known words.
    #[cold]
    pub(super) fn word<T: Clone>(&self, words: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| meaning.clone());
        if found.is_none() {
            self.fail(match words {
                [(only, _)] => format!("must be \"{only}\""),
                _ => {
                    let known = words.iter().map(|(word, _)| *word);
                    let meant = did_you_mean(text, known.clone());
                    format!("must be one of {}{meant}", known.collect::<Vec<_>>().join(", "))
                }
            });
        }
        found
    }

    /// The items of a list.
    #[cold]
    pub(super) fn items(&self) -> Option<Vec<Self>> {
        let Shape::List(items) = &self.node.shape else {
            self.mismatch("a list");
            return None;
        };
        let item = |(index, node)| self.below(node, path::item(&self.path, index));
        Some(items.iter().enumerate().map(item).collect())
    }

    /// The members of an object whose keys are names that the operator gives.
    #[cold]
    pub(super) fn entries(&self) -> Option<Vec<(&'a str, Self)>> {
        let Shape::Object(members) = &self.node.shape else {
            self.mismatch("an object");
            return None;
        };
        let entry =
            |(key, node): &'a (String, Node)| (key.as_str(), self.below(node, path::member(&self.path, key)));
        Some(members.iter().map(entry).collect())
    }

    /// Whether `key`, under which this value stands, has a certain syntax.
    #[cold]
    pub(super) fn key_is(&self, key: &str, syntax: Syntax) -> bool {
        let fits = syntax.fits(key);
        if !fits {
            self.fail(format!("the name must be {}", syntax.wanted));
        }
        fits
    }

    /// The member `key`; `None` if it is absent or this is no object.
    #[cold]
    pub(super) fn member(&self, key: &str) -> Option<Self> {
        let node = self.node.member(key)?;
        Some(self.below(node, path::member(&self.path, key)))
    }

    /// The members of an object whose keys are `known`; every other key is told as a mistake.
    #[cold]
    pub(super) fn fields(&self, known: &[&'static str]) -> Option<Fields<'a>> {
        for (key, member) in self.entries()? {
            if !known.contains(&key) {
                member.fail(match nearest(key, known.iter().copied()) {
                    Some(meant) => format!("unknown key (did you mean \"{meant}\"?)"),
                    None => format!("unknown key (known here: {})", known.join(", ")),
                });
            }
        }
        Some(Fields(self.clone()))
    }
}

/// An object whose keys are part of the format.
#[derive(Debug)]
pub(super) struct Fields<'a>(Cursor<'a>);

impl<'a> Fields<'a> {
    /// The member `key`; `None` if it is absent.
    #[cold]
    pub(super) fn get(&self, key: &str) -> Option<Cursor<'a>> {
        self.0.member(key)
    }

    /// The member `key`, whose absence is a mistake.
    #[cold]
    pub(super) fn need(&self, key: &str) -> Option<Cursor<'a>> {
        let found = self.get(key);
        if found.is_none() {
            self.fail(format!("\"{key}\" is missing"));
        }
        found
    }

    /// Tells what is wrong with the object as a whole.
    #[cold]
    pub(super) fn fail(&self, message: impl Into<String>) {
        self.0.fail(message);
    }
}
