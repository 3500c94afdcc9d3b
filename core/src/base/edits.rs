//! Decides how a body is changed: by replacing the bytes that must differ, and no others.
//!
//! Providers recognise a prompt they have cached by its bytes, and a body that is parsed and written
//! again is another body. An edit names a range and what to put there, or a member and the object that
//! it joins. Only where all edits are made is it known what stands next to a new member, so the commas
//! are put there and not by those who ask for the edit.

use core::ops::Range;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    at: Range<usize>,
    text: String,
    /// It is a member, which a comma must part from the next one.
    member: bool,
}

impl Edit {
    /// Whether it changes some of the bytes `at`.
    #[must_use]
    pub fn overlaps(&self, at: &Range<usize>) -> bool {
        self.at.start < at.end && at.start < self.at.end
    }

    /// Puts `text` in the place of the bytes `at`.
    #[must_use]
    pub fn replace(at: Range<usize>, text: impl Into<String>) -> Self {
        Self { at, text: text.into(), member: false }
    }

    /// Puts a member first into a JSON object, of which the opening brace ends at `at`. `value` is JSON.
    #[must_use]
    pub fn member(at: usize, name: &str, value: &str) -> Self {
        Self { at: at..at, text: format!("\"{name}\":{value}"), member: true }
    }
}

/// The body with all edits made. Edits must not overlap; those at one place are made in their order.
#[must_use]
pub fn apply(body: &[u8], mut edits: Vec<Edit>) -> Vec<u8> {
    edits.sort_by_key(|edit| edit.at.start);
    let grown: usize = edits.iter().map(|edit| edit.text.len() + usize::from(edit.member)).sum();
    let mut changed = Vec::with_capacity(body.len() + grown);
    let mut from = 0;
    let mut edits = edits.into_iter().peekable();
    while let Some(edit) = edits.next() {
        changed.extend_from_slice(body.get(from..edit.at.start).unwrap_or_default());
        changed.extend_from_slice(edit.text.as_bytes());
        from = edit.at.end;
        let last_here = edits.peek().is_none_or(|next| next.at.start > from);
        let object_ends = || body.get(from..).unwrap_or_default().trim_ascii_start().starts_with(b"}");
        if edit.member && !(last_here && object_ends()) {
            changed.push(b',');
        }
    }
    changed.extend_from_slice(body.get(from..).unwrap_or_default());
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_os = "unknown")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn members_that_join_one_object_are_parted_by_commas() {
        for (body, expected) in [
            ("{}", r#"{"a":1,"b":2}"#),
            ("{ \n}", "{\"a\":1,\"b\":2 \n}"),
            (r#"{ "c":3}"#, r#"{"a":1,"b":2, "c":3}"#),
        ] {
            let edits = vec![Edit::member(1, "a", "1"), Edit::member(1, "b", "2")];
            assert_eq!(String::from_utf8(apply(body.as_bytes(), edits)).unwrap(), expected);
        }
    }

    #[test]
    fn edits_are_made_where_they_belong_in_whatever_order_they_come() {
        let edits = vec![Edit::replace(15..16, "9"), Edit::member(1, "a", "1"), Edit::member(6, "b", "2")];
        assert_eq!(apply(br#"{"c":{}, "d" : 3}"#, edits), br#"{"a":1,"c":{"b":2}, "d" : 9}"#);
    }
}
