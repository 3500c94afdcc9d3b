//! Decides how a request is put on the wire: its line, its head, the framing of its body.

use super::{chance, pick};
use farebox_readers::dice::Dice;

/// The bytes of a request. `odd`: in chunks, with extensions and trailers, with other spellings of its head.
#[must_use]
pub fn framed(
    dice: &mut Dice,
    target: &str,
    headers: &[(String, String)],
    body: &[u8],
    odd: bool,
) -> (Vec<u8>, Option<&'static str>) {
    let method =
        if odd && chance(dice, 3) { *pick(dice, &["GET", "PUT", "post", "DELETE", "PATCH"]) } else { "POST" };
    let target = match dice.below(100) {
        0 if odd => format!("http://odd-leak.example.net{target}"),
        _ => target.to_owned(),
    };
    let mut bytes = format!("{method} {target} HTTP/1.1\r\n").into_bytes();
    for (name, value) in headers {
        let name = if odd && chance(dice, 10) { name.to_uppercase() } else { name.clone() };
        bytes.extend(format!("{name}: ").bytes());
        bytes.extend(value.bytes());
        bytes.extend(b"\r\n");
    }
    if !odd || !chance(dice, 35) {
        bytes.extend(format!("content-length: {}\r\n\r\n", body.len()).bytes());
        bytes.extend(body);
        return (bytes, (method != "POST").then_some("another method"));
    }
    bytes.extend(b"transfer-encoding: chunked\r\n");
    let trailers = chance(dice, 50);
    if trailers {
        bytes.extend(b"trailer: x-api-key, x-odd\r\n");
    }
    bytes.extend(b"\r\n");
    let mut rest = body;
    while !rest.is_empty() {
        let size = usize::try_from(1 + dice.below(rest.len() as u64)).expect("a size");
        let extension = if chance(dice, 20) { ";odd=\"leak\"" } else { "" };
        bytes.extend(format!("{size:x}{extension}\r\n").bytes());
        bytes.extend(&rest[..size]);
        bytes.extend(b"\r\n");
        rest = &rest[size..];
    }
    bytes.extend(b"0\r\n");
    if trailers {
        bytes.extend(b"x-api-key: odd-leak\r\nx-odd: odd-leak\r\ncontent-length: 5\r\n");
    }
    bytes.extend(b"\r\n");
    (bytes, Some("chunks"))
}
