//! Decides how the members of a record are written: with as few calls as can be.
//!
//! A record has some fifty members, and to copy as many bytes as are not known beforehand takes a call of the engine,
//! which costs as much as eighty instructions. So names are copied whole with what is behind them and then cut off, and
//! values in blocks.

use crate::base::money::PicoUsd;
use crate::base::text::{push_json_string, push_plain, push_short};
use crate::budget::ledger::Measure;

/// The longest name with all that stands around it, in bytes.
const NAME_BYTES: usize = 32;
/// What a record needs, in bytes, if it has no attempts.
const LINE_BYTES: usize = 1_536;

/// A member's name with everything that stands around it, and the quote of a text behind it.
#[derive(Debug)]
pub(super) struct Name {
    bytes: [u8; NAME_BYTES],
    length: usize,
}

impl Name {
    /// Of a text that has no more than [`NAME_BYTES`]: what is longer does not compile.
    #[allow(clippy::indexing_slicing, reason = "the compiler does it")]
    pub(super) const fn new(text: &str) -> Self {
        let (text, mut bytes, mut length) = (text.as_bytes(), [0; NAME_BYTES], 0);
        while length < text.len() {
            bytes[length] = text[length];
            length += 1;
        }
        Self { bytes, length }
    }
}

/// The [`Name`] of a member.
macro_rules! name {
    ($name:literal) => {{
        const NAME: &$crate::accounting::record::line::Name =
            &$crate::accounting::record::line::Name::new(concat!(",\"", $name, "\":\""));
        NAME
    }};
}
pub(super) use name;

/// A JSON object being written. It begins with a space: the access log shows the record's first byte where it has Envoy's
/// details of requests without a record.
#[derive(Debug)]
pub(super) struct Line(Vec<u8>);

impl Default for Line {
    fn default() -> Self {
        let mut bytes = Vec::with_capacity(LINE_BYTES);
        bytes.push(b' ');
        Self(bytes)
    }
}

impl Line {
    /// Ends the object, which has a member.
    pub(super) fn end(mut self) -> Vec<u8> {
        if let Some(comma) = self.0.get_mut(1) {
            *comma = b'{';
        }
        self.0.push(b'}');
        self.0
    }

    /// A name without the quote behind it.
    fn name(&mut self, name: &Name) {
        self.quoted_name(name);
        self.0.pop();
    }

    fn quoted_name(&mut self, name: &Name) {
        let end = self.0.len() + name.length;
        self.0.extend_from_slice(&name.bytes);
        self.0.truncate(end);
    }

    fn null(&mut self, name: &Name) {
        self.name(name);
        self.0.extend_from_slice(b"null");
    }

    pub(super) fn text(&mut self, name: &Name, value: Option<&str>) {
        let Some(value) = value else { return self.null(name) };
        self.quoted_name(name);
        self.rest_of_string(value);
    }

    /// A string behind its first quote.
    fn rest_of_string(&mut self, text: &str) {
        if push_plain(&mut self.0, text.as_bytes()) {
            return self.0.push(b'"');
        }
        let mut quoted = String::new();
        push_json_string(&mut quoted, text);
        self.0.pop();
        self.0.extend_from_slice(quoted.as_bytes());
    }

    pub(super) fn truth(&mut self, name: &Name, value: bool) {
        self.name(name);
        push_short(&mut self.0, if value { b"true" } else { b"false" });
    }

    /// An array of which `inside` is what stands between its brackets.
    pub(super) fn list(&mut self, name: &Name, inside: &str) {
        self.name(name);
        self.0.push(b'[');
        self.0.extend_from_slice(inside.as_bytes());
        self.0.push(b']');
    }

    pub(super) fn number(&mut self, name: &Name, value: Option<u64>) {
        let Some(value) = value else { return self.null(name) };
        self.name(name);
        push_short(&mut self.0, itoa::Buffer::new().format(value).as_bytes());
    }

    pub(super) fn money(&mut self, name: &Name, value: Option<PicoUsd>) {
        let Some(usd) = value else { return self.null(name) };
        self.quoted_name(name);
        usd.push_to(&mut self.0);
        self.0.push(b'"');
    }

    /// What a budget counts, always as a decimal: a column of a log has one type.
    pub(super) fn amount(&mut self, name: &Name, amount: Option<(Measure, u64)>) {
        match amount {
            Some((Measure::Usd, amount)) => self.money(name, Some(PicoUsd(amount))),
            Some((_, amount)) => self.text(name, Some(itoa::Buffer::new().format(amount))),
            None => self.null(name),
        }
    }

    /// Sixteen hexadecimal digits.
    pub(super) fn hash(&mut self, name: &Name, hash: u64) {
        self.quoted_name(name);
        self.0.extend_from_slice(&hexadecimal(hash >> 32));
        self.0.extend_from_slice(&hexadecimal(hash & 0xffff_ffff));
        self.0.push(b'"');
    }

    pub(super) fn labels(&mut self, labels: &[(Box<str>, Box<str>)]) {
        self.name(name!("labels"));
        self.0.push(b'{');
        for (index, (name, value)) in labels.iter().enumerate() {
            if index > 0 {
                self.0.push(b',');
            }
            self.0.push(b'"');
            self.rest_of_string(name);
            self.0.extend_from_slice(b":\"");
            self.rest_of_string(value);
        }
        self.0.push(b'}');
    }
}

/// The eight digits of a number of 32 bits, all at once.
fn hexadecimal(number: u64) -> [u8; 8] {
    // A byte for each digit.
    let word = (number | number << 16) & 0x0000_ffff_0000_ffff;
    let word = (word | word << 8) & 0x00ff_00ff_00ff_00ff;
    let digits = (word | word << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    let letters = ((digits + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
    (digits + 0x3030_3030_3030_3030 + letters * 0x27).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn members_are_written_as_any_library_reads_them(text: String, number: u64, label: String) {
            let mut line = Line::default();
            line.text(name!("text"), Some(&text));
            line.hash(name!("hash"), number);
            line.number(name!("number"), Some(number));
            line.money(name!("money"), Some(PicoUsd(number)));
            line.text(name!("nothing"), None);
            line.labels(&[(label.clone().into(), text.clone().into())]);
            let read: serde_json::Value = serde_json::from_slice(&line.end()).unwrap();
            let expected = serde_json::json!({
                "text": &text, "hash": format!("{number:016x}"), "number": number,
                "money": PicoUsd(number).to_string(), "nothing": null, "labels": {label: text},
            });
            prop_assert_eq!(read, expected);
        }
    }
}
