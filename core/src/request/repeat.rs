//! Decides which requests are the same, for budgets that are counted by `request`: those that stop loops.
//!
//! A client that asks the same thing again rarely sends the same bytes: it makes up new ids for calls of tools and for the
//! items of its input, and tells who it is and what it traces. None of that is what is asked, so it is left out, wherever
//! a dialect has it. A reference to an item that the provider keeps is all that is said of it, so its id counts.
//!
//! One more pass through the body, for those who have such a budget. What has none of this is hashed as it is.

use core::ops::Range;

use xxhash_rust::xxh3::{Xxh3Default, xxh3_128};

use crate::json::{Scanner, Shape, Sink, Value};

/// The request to `path` with `body`, in a few characters: requests that are the same have the same. Only a caller's own
/// requests are compared, so nobody gains from finding two that are taken for one.
#[must_use]
pub fn digest(path: &[u8], body: &[u8]) -> String {
    format!("{:032x}", digest_of(body) ^ xxh3_128(path).rotate_left(1))
}

fn digest_of(body: &[u8]) -> u128 {
    let mut rest = Rest { body, hash: Xxh3Default::new(), taken: 0, id: None, refers: false };
    let mut scanner = Scanner::new(&BODY);
    let read = scanner.feed(body, &mut rest).and_then(|()| scanner.finish(&mut rest));
    if read.is_err() || rest.taken == 0 {
        return xxh3_128(body);
    }
    rest.hash.update(body.get(rest.taken..).unwrap_or_default());
    rest.hash.digest128()
}

#[derive(Clone, Copy)]
enum Part {
    /// It says nothing of what is asked.
    Apart,
    /// The id of an item.
    ItemId,
    ItemType,
    Item,
}

const fn apart(name: &'static str) -> Shape<Part> {
    Shape::value(name, Part::Apart)
}

/// What of a body, in any dialect, says nothing of what is asked.
static BODY: Shape<Part> = Shape::document(&[
    apart("client_metadata"),
    apart("metadata"),
    apart("prompt_cache_key"),
    apart("user"),
    Shape::inside(
        "input",
        &[Shape::both(
            "[]",
            Part::Item,
            &[Shape::value("id", Part::ItemId), apart("call_id"), Shape::value("type", Part::ItemType)],
        )],
    ),
    Shape::inside(
        "messages",
        &[Shape::inside(
            "[]",
            &[
                apart("id"),
                apart("tool_call_id"),
                Shape::inside("tool_calls", &[Shape::inside("[]", &[apart("id")])]),
                Shape::inside(
                    "content",
                    &[Shape::inside(
                        "[]",
                        &[
                            apart("id"),
                            apart("tool_use_id"),
                            Shape::inside("toolUse", &[apart("toolUseId")]),
                            Shape::inside("toolResult", &[apart("toolUseId")]),
                        ],
                    )],
                ),
            ],
        )],
    ),
    Shape::inside(
        "contents",
        &[Shape::inside(
            "[]",
            &[Shape::inside(
                "parts",
                &[Shape::inside(
                    "[]",
                    &[
                        Shape::inside("functionCall", &[apart("id")]),
                        Shape::inside("functionResponse", &[apart("id")]),
                    ],
                )],
            )],
        )],
    ),
]);

/// Hashes what is left of a body.
struct Rest<'a> {
    body: &'a [u8],
    hash: Xxh3Default,
    /// How much of the body is hashed or left out already. Zero if nothing was left out.
    taken: usize,
    /// An id that is left out if its item is none that the provider keeps.
    id: Option<Range<usize>>,
    /// The item is one that the provider keeps.
    refers: bool,
}

impl Rest<'_> {
    fn leave_out(&mut self, part: Range<usize>) {
        self.hash.update(self.body.get(self.taken..part.start).unwrap_or_default());
        self.taken = part.end;
    }

    fn leave_out_id(&mut self) {
        if let Some(id) = self.id.take() {
            self.leave_out(id);
        }
    }
}

impl Sink<Part> for Rest<'_> {
    fn value(&mut self, part: Part, value: Value<'_>, span: Range<u64>) {
        // A body is in memory, so its offsets fit.
        let at = usize::try_from(span.start).unwrap_or(0)..usize::try_from(span.end).unwrap_or(0);
        match part {
            Part::Apart => {
                self.leave_out_id();
                self.leave_out(at);
            }
            Part::ItemId => {
                self.leave_out_id();
                self.id = Some(at);
            }
            Part::ItemType => {
                self.refers = matches!(value, Value::Text { raw: b"item_reference", .. });
            }
            Part::Item => {
                if core::mem::take(&mut self.refers) {
                    self.id = None;
                }
                self.leave_out_id();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn same(one: &Json, other: &Json) -> bool {
        digest(b"/", one.to_string().as_bytes()) == digest(b"/", other.to_string().as_bytes())
    }

    #[test]
    fn requests_that_differ_in_ids_and_in_who_asks_are_the_same() {
        for body in [
            json!({"input": [{"type": "function_call", "id": "ID", "call_id": "ID", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "ID", "output": "x"}, {"id": "ID", "role": "user"}]}),
            json!({"messages": [{"role": "assistant", "tool_calls": [{"id": "ID", "function": {"name": "f"}}]},
                {"role": "tool", "tool_call_id": "ID", "content": "x"}]}),
            json!({"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "ID", "input": {}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "ID", "content": "x"}]}]}),
            json!({"messages": [{"content": [{"toolUse": {"toolUseId": "ID"}}]},
                {"content": [{"toolResult": {"toolUseId": "ID", "content": []}}]}]}),
            json!({"contents": [{"parts": [{"functionCall": {"id": "ID", "name": "f"}}]},
                {"parts": [{"functionResponse": {"id": "ID", "name": "f"}}]}]}),
            json!({"client_metadata": {"turn": "ID", "x": ["ID"]}, "metadata": {"user_id": "ID"}, "model": "m",
                "prompt_cache_key": "ID", "user": "ID", "messages": []}),
        ] {
            let with = |id: &str| serde_json::from_str(&body.to_string().replace("\"ID\"", id)).unwrap();
            assert!(same(&with("\"call_1\""), &with("\"call_22222\"")), "{body}");
            assert!(same(&with("\"call_1\""), &with("\"an \\\"odd\\\" one\"")), "{body}");
        }
    }

    #[test]
    fn requests_that_differ_in_what_is_asked_are_not_the_same() {
        for body in [
            json!({"input": [{"type": "function_call_output", "call_id": "c", "output": "ASKED"}]}),
            json!({"input": [{"type": "item_reference", "id": "ASKED"}]}),
            json!({"input": [{"id": "ASKED", "type": "item_reference"}, {"id": "i"}]}),
            json!({"previous_response_id": "ASKED", "user": "u"}),
            json!({"model": "ASKED", "metadata": {}}),
            json!({"messages": [{"role": "tool", "tool_call_id": "c", "content": "ASKED"}]}),
            json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "ASKED", "id": "i"}]}]}),
            json!({"messages": [{"role": "a", "tool_calls": [{"id": "i", "function": {"arguments": "ASKED"}}]}]}),
            json!({"tools": [{"id": "ASKED", "user": "ASKED"}], "user": "u"}),
        ] {
            let with = |text: &str| serde_json::from_str(&body.to_string().replace("ASKED", text)).unwrap();
            assert!(!same(&with("one"), &with("two")), "{body}");
            assert!(same(&with("one"), &with("one")), "{body}");
        }
        assert_ne!(digest(b"/a", b"{}"), digest(b"/b", b"{}"));
    }

    #[test]
    fn the_id_of_an_item_is_left_out_after_a_reference_to_another() {
        let with = |id: &str| json!({"input": [{"type": "item_reference", "id": "r"}, {"id": id, "role": "user"}, {"id": id, "call_id": id}]});
        assert!(same(&with("one"), &with("two")));
    }

    #[test]
    fn what_has_none_of_it_or_is_no_json_is_hashed_as_it_is() {
        for body in ["{\"model\":\"m\"}", "--x\r\nmodel", "", "{\"user\":\"a\"", "[{\"user\":1}]"] {
            assert_eq!(digest_of(body.as_bytes()), xxh3_128(body.as_bytes()), "{body}");
        }
        let left = "{\"user\":,\"input\":[]}";
        assert_eq!(digest_of(br#"{"user":"ann","input":[]}"#), xxh3_128(left.as_bytes()));
    }
}
