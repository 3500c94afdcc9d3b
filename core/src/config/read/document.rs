//! Decides what JSON text says, with nothing lost: the order of members, repeated keys, every digit.
//!
//! `serde_json::Value` keeps the last of two equal keys without a word, which in a list of limits means
//! that the limit an operator reads first does not hold. So text is read twice: once as a `Value`, for
//! its error messages and its limit on depth, and once member by member through `RawValue`.
//!
//! Does not know which keys and values mean something: see `read/mod.rs`.

use core::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::mistakes::Mistakes;
use crate::config::path;

/// A value and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    /// Number of this value in the order of the document.
    pub at: usize,
    /// The value.
    pub shape: Shape,
}

/// A JSON value.
#[derive(Debug)]
pub(super) enum Shape {
    Null,
    Flag(bool),
    /// As it is written.
    Number(String),
    Text(String),
    List(Vec<Node>),
    /// In the order of the document; every key once.
    Object(Vec<(String, Node)>),
}

impl Node {
    /// What people call this type of value.
    pub(super) fn kind(&self) -> &'static str {
        match self.shape {
            Shape::Null => "null",
            Shape::Flag(_) => "a boolean",
            Shape::Number(_) => "a number",
            Shape::Text(_) => "a string",
            Shape::List(_) => "a list",
            Shape::Object(_) => "an object",
        }
    }

    /// The member `key`, if this is an object that has it.
    pub(super) fn member(&self, key: &str) -> Option<&Self> {
        let Shape::Object(members) = &self.shape else { return None };
        members.iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }
}

/// Reads a whole document. `None` if it is not JSON; that and every repeated key are told to `errors`.
pub(super) fn read(json: &[u8], errors: &Mistakes) -> Option<Node> {
    let fail = |message: String| errors.add(0, "", message);
    let text = match core::str::from_utf8(json) {
        Ok(text) if text.trim().is_empty() => {
            fail("the configuration is empty".to_owned());
            return None;
        }
        Ok(text) => text,
        Err(error) => {
            fail(format!("not valid JSON: not UTF-8 after byte {}", error.valid_up_to()));
            return None;
        }
    };
    if let Err(error) = serde_json::from_str::<serde_json::Value>(text) {
        fail(format!("not valid JSON: {error}"));
        return None;
    }
    let mut reader = Reader { next: 0, errors };
    let node = reader.node(text.trim(), "");
    if node.is_none() {
        fail("not valid JSON".to_owned());
    }
    node
}

struct Reader<'e> {
    next: usize,
    errors: &'e Mistakes,
}

impl Reader<'_> {
    fn node(&mut self, text: &str, path: &str) -> Option<Node> {
        let at = self.next;
        self.next = at.saturating_add(1);
        let shape = match text.bytes().next()? {
            b'n' => Shape::Null,
            b't' => Shape::Flag(true),
            b'f' => Shape::Flag(false),
            b'"' => Shape::Text(serde_json::from_str(text).ok()?),
            b'[' => {
                let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
                let items = items.into_iter().enumerate();
                let node = |(index, raw): (usize, &RawValue)| self.node(raw.get(), &path::item(path, index));
                Shape::List(items.map(node).collect::<Option<_>>()?)
            }
            b'{' => Shape::Object(self.members(text, path)?),
            _ => Shape::Number(text.to_owned()),
        };
        Some(Node { at, shape })
    }

    /// The members of an object; of those with the same key, the first.
    fn members(&mut self, text: &str, path: &str) -> Option<Vec<(String, Node)>> {
        let members = serde_json::Deserializer::from_str(text).deserialize_map(MembersVisitor).ok()?;
        let mut kept = Vec::with_capacity(members.len());
        let mut seen = hashbrown::HashSet::with_capacity(members.len());
        for (key, raw) in members {
            let path = path::member(path, &key);
            if seen.insert(key.clone()) {
                let node = self.node(raw.get(), &path)?;
                kept.push((key, node));
            } else {
                self.errors.add(self.next, &path, "this key appears more than once".to_owned());
            }
        }
        Some(kept)
    }
}

/// Reads an object as a list.
struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}
