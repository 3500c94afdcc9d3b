//! Decides how replies are read: whole values one after the other, until there are no more or one is cut.
//!
//! A reply is what somebody else sent. It is bounded by its own length, its lengths are believed only as far as there
//! are bytes, and arrays are no deeper than any reply that is asked for here.

/// The depth of arrays. A script's answer is one array.
const DEPTH: usize = 4;
/// The largest reply that is read: its values take ten times as much. One of a hundred accounts has ten kilobytes.
const MAX_BYTES: usize = 1024 * 1024;

/// A value of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A simple string or a bulk string.
    Text(&'a [u8]),
    /// An error: what it says after the `-`.
    Error(&'a [u8]),
    /// A whole number.
    Number(i64),
    /// There is nothing.
    Null,
    /// Several values; of one that is cut, those that are whole.
    Array(Vec<Value<'a>>),
}

/// The values of a pipeline's replies.
#[derive(Clone, Copy, Debug)]
pub struct Replies<'a> {
    rest: &'a [u8],
}

/// What cannot be read: it is cut, or is no reply.
struct Cut;

impl<'a> Replies<'a> {
    /// Those in `bytes`; none if there are too many.
    #[must_use]
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { rest: if bytes.len() > MAX_BYTES { &[] } else { bytes } }
    }
}

impl<'a> Iterator for Replies<'a> {
    type Item = Value<'a>;

    /// The next one. An array that is cut is the last one, with the values that are whole; anything else that is cut is
    /// none.
    fn next(&mut self) -> Option<Value<'a>> {
        let value = self.value(0);
        if value.is_err() {
            self.rest = &[];
        }
        value.ok()
    }
}

impl<'a> Replies<'a> {
    fn value(&mut self, depth: usize) -> Result<Value<'a>, Cut> {
        let (mark, line) = self.line()?;
        match mark {
            b'+' => Ok(Value::Text(line)),
            b'-' => Ok(Value::Error(line)),
            b':' => number(line).map(Value::Number),
            b'$' => match number(line)? {
                -1 => Ok(Value::Null),
                length => self.bulk(usize::try_from(length).map_err(|_| Cut)?).map(Value::Text),
            },
            b'*' if depth < DEPTH => match number(line)? {
                -1 => Ok(Value::Null),
                length => {
                    // Whatever length is promised, even more than a usize has, room is made for the values that come.
                    let length = u64::try_from(length).map_err(|_| Cut)?;
                    let mut values = Vec::new();
                    for _ in 0..length {
                        match self.value(depth + 1) {
                            Ok(value) => values.push(value),
                            Err(Cut) => {
                                self.rest = &[];
                                break;
                            }
                        }
                    }
                    Ok(Value::Array(values))
                }
            },
            _ => Err(Cut),
        }
    }

    fn line(&mut self) -> Result<(u8, &'a [u8]), Cut> {
        let end = self.rest.windows(2).position(|pair| pair == b"\r\n").ok_or(Cut)?;
        let (line, rest) = self.rest.split_at_checked(end).ok_or(Cut)?;
        self.rest = rest.get(2..).ok_or(Cut)?;
        let (&mark, line) = line.split_first().ok_or(Cut)?;
        Ok((mark, line))
    }

    fn bulk(&mut self, length: usize) -> Result<&'a [u8], Cut> {
        let (text, rest) = self.rest.split_at_checked(length).ok_or(Cut)?;
        self.rest = rest.strip_prefix(b"\r\n").ok_or(Cut)?;
        Ok(text)
    }
}

fn number(line: &[u8]) -> Result<i64, Cut> {
    core::str::from_utf8(line).ok().and_then(|line| line.parse().ok()).ok_or(Cut)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Vec<Value<'_>> {
        Replies::of(bytes).collect()
    }

    #[test]
    fn replies_of_a_pipeline_are_read_one_after_the_other() {
        let bytes = b"+OK\r\n*3\r\n:7\r\n$2\r\nok\r\n$-1\r\n-ERR no\r\n$0\r\n\r\n*0\r\n*-1\r\n";
        let array = Value::Array(vec![Value::Number(7), Value::Text(b"ok"), Value::Null]);
        let rest = [Value::Error(b"ERR no"), Value::Text(b""), Value::Array(vec![]), Value::Null];
        assert_eq!(read(bytes), [vec![Value::Text(b"OK"), array], rest.to_vec()].concat());
    }

    #[test]
    fn a_reply_that_is_cut_has_what_is_whole_of_it() {
        let bytes = b"*3\r\n:7\r\n$2\r\nok\r\n:9\r\n";
        let whole = [Value::Number(7), Value::Text(b"ok"), Value::Number(9)];
        for end in 0..=bytes.len() {
            match &*read(&bytes[..end]) {
                [] => assert!(end < 4),
                [Value::Array(values)] => assert!(whole.starts_with(values), "{end}"),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(read(b"*3\r\n:7\r\n$2\r\nok\r\n:9"), [Value::Array(whole[..2].to_vec())]);
    }

    #[test]
    fn a_reply_that_promises_too_much_takes_no_room() {
        assert_eq!(read(b"*999999999999\r\n:1\r\n"), [Value::Array(vec![Value::Number(1)])]);
        assert_eq!(read(b"$999999999999\r\nx\r\n"), []);
        assert_eq!(read(b"$-7\r\n"), []);
        assert_eq!(read(&b"*1\r\n".repeat(100)).len(), 1);
        let long = [&b"*99999\r\n:1\r\n+"[..], &vec![b'a'; 300_000]].concat();
        let values = read(&long);
        let [Value::Array(values)] = &*values else { panic!("{values:?}") };
        assert!(values.capacity() <= 4, "{}", values.capacity());
        assert_eq!(read(&[&b"$1048576\r\n"[..], &vec![b'a'; MAX_BYTES], b"\r\n"].concat()), []);
    }

    /// What a server may have said, and the values that it is.
    fn reply() -> impl Strategy<Value = Vec<u8>> {
        let text = |bytes: Vec<u8>| [format!("${}\r\n", bytes.len()).as_bytes(), &bytes, b"\r\n"].concat();
        let leaf = prop_oneof![
            "[ -~]{0,12}".prop_map(|line| format!("+{line}\r\n").into_bytes()),
            "[A-Z]{2,8} [ -~]{0,12}".prop_map(|line| format!("-{line}\r\n").into_bytes()),
            any::<i64>().prop_map(|number| format!(":{number}\r\n").into_bytes()),
            prop::collection::vec(any::<u8>(), 0..20).prop_map(text),
            Just(b"$-1\r\n".to_vec()),
        ];
        leaf.prop_recursive(3, 24, 5, |inner| {
            prop::collection::vec(inner, 0..5)
                .prop_map(|values| [format!("*{}\r\n", values.len()).into_bytes(), values.concat()].concat())
        })
    }

    /// Whether `part` is what there can be of `whole` if it was cut.
    fn begins(part: &Value<'_>, whole: &Value<'_>) -> bool {
        match (part, whole) {
            (Value::Array(part), Value::Array(whole)) if part.len() <= whole.len() => {
                let Some((last, rest)) = part.split_last() else { return true };
                rest == &whole[..rest.len()] && begins(last, &whole[rest.len()])
            }
            _ => part == whole,
        }
    }

    proptest! {
        #[test]
        fn every_beginning_of_a_reply_gives_its_whole_values(replies in prop::collection::vec(reply(), 0..4)) {
            let (bytes, ends): (Vec<u8>, Vec<usize>) = (replies.concat(), (0..=replies.len()).map(|count| replies[..count].concat().len()).collect());
            let whole = read(&bytes);
            prop_assert_eq!(whole.len(), replies.len());
            for end in 0..=bytes.len() {
                let part = read(&bytes[..end]);
                let count = ends.iter().filter(|at| **at <= end).count() - 1;
                prop_assert_eq!(&part[..count], &whole[..count]);
                prop_assert!(part.len() <= count + 1 && part[count..].iter().all(|part| begins(part, &whole[count])));
            }
        }

        #[test]
        fn a_reply_of_any_bytes_does_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            read(&bytes);
        }

        #[test]
        fn a_reply_that_is_changed_anywhere_does_not_panic(at in 0_usize..40, byte in any::<u8>()) {
            let mut bytes = b"*3\r\n:7\r\n$2\r\nok\r\n*2\r\n+a\r\n-b\r\n$-1\r\n".to_vec();
            if let Some(changed) = bytes.get_mut(at) {
                *changed = byte;
            }
            read(&bytes);
        }
    }
}
