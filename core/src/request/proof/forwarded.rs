//! Decides which certificate `x-forwarded-client-cert` speaks of: that of the last element, which the proxy next to this one
//! has written. What is before it was handed on.
//!
//! ```text
//! ## elements   => By=…;Hash=…;Subject="…";URI=…;URI=…,By=…   ; quoted: \" and \\
//! ```

/// The first URI of the last element; `None` if it has none or cannot be read.
pub(super) fn uri(value: &[u8]) -> Option<Vec<u8>> {
    let mut last = None;
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    let mut found: Option<&[u8]> = None;
    for (at, &byte) in value.iter().chain(b",").enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' if at < value.len() => quoted = !quoted,
            b';' | b',' if !quoted => {
                let pair = value.get(start..at)?;
                start = at + 1;
                if found.is_none() {
                    found = uri_of(pair);
                }
                if byte == b',' {
                    last = found.take();
                }
            }
            _ => {}
        }
    }
    // A quote that does not end hides where the last element begins.
    if quoted || escaped { None } else { last.map(<[u8]>::to_vec) }
}

fn uri_of(pair: &[u8]) -> Option<&[u8]> {
    let (name, value) = pair.trim_ascii().split_at_checked(4)?;
    let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
    (name.eq_ignore_ascii_case(b"uri=") && !value.is_empty()).then_some(value)
}
