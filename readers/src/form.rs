//! Decides what a form says to the most lenient of the usual parsers.
//!
//! Go's `mime/multipart`, Python's `email` and `python-multipart`, Werkzeug, Django and busboy differ in line ends, in quoting,
//! in the spelling of parameters (RFC 2183, 2231, 5987), in what ends a body, and in whether an encoding of a part
//! is undone. A name that one of them finds is found here.

/// A part of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Every name that one parser or another gives it.
    pub names: Vec<String>,
    /// Every value that one parser or another gives it.
    pub values: Vec<String>,
}

/// Every value of the fields called `name` that one parser or another finds.
#[must_use]
pub fn values(content_type: &str, body: &[u8], name: &str) -> Vec<String> {
    let parts = if content_type.to_ascii_lowercase().contains("urlencoded") {
        urlencoded(&String::from_utf8_lossy(body))
    } else {
        boundaries(content_type).iter().flat_map(|boundary| parts(boundary, body)).collect()
    };
    let named = parts.into_iter().filter(|part| part.names.iter().any(|known| known == name));
    let mut values: Vec<String> = named.flat_map(|part| part.values).collect();
    values.sort_unstable();
    values.dedup();
    values
}

/// Every boundary that one parser or another takes from a content type.
#[must_use]
pub fn boundaries(content_type: &str) -> Vec<String> {
    let mut found = parameter(content_type, "boundary");
    // Some look for the word alone.
    if let Some((_, rest)) = content_type.split_once("boundary=") {
        found.push(rest.trim().to_owned());
        found.push(rest.split([';', ',']).next().unwrap_or_default().trim().trim_matches('"').to_owned());
    }
    found.retain(|boundary| !boundary.is_empty());
    found.sort_unstable();
    found.dedup();
    found
}

/// The parts between lines that are a boundary, whatever ends a line.
#[must_use]
pub fn parts(boundary: &str, body: &[u8]) -> Vec<Part> {
    let text = String::from_utf8_lossy(body).replace("\r\n", "\n").replace('\r', "\n");
    let (delimiter, last) = (format!("--{boundary}"), format!("--{boundary}--"));
    let mut parts = Vec::new();
    let mut lines: Option<Vec<&str>> = None;
    for line in text.split('\n') {
        let bare = line.trim_end();
        if bare == delimiter || bare == last {
            parts.extend(lines.take().and_then(|lines| part(&lines)));
            lines = (bare == delimiter).then(Vec::new);
        } else if let Some(lines) = &mut lines {
            lines.push(line);
        }
    }
    // Not all wait for the last boundary.
    parts.extend(lines.and_then(|lines| part(&lines)));
    parts
}

fn part(lines: &[&str]) -> Option<Part> {
    let end = lines.iter().position(|line| line.is_empty())?;
    let mut head: Vec<String> = Vec::new();
    for line in &lines[..end] {
        match head.last_mut() {
            Some(before) if line.starts_with([' ', '\t']) => *before += line,
            _ => head.push((*line).to_owned()),
        }
    }
    let header = |name: &str| {
        let own = head.iter().filter_map(|line| line.split_once(':'));
        own.filter(|(known, _)| known.trim().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
            .collect::<Vec<_>>()
    };
    let mut names: Vec<String> =
        header("content-disposition").iter().flat_map(|value| parameter(value, "name")).collect();
    names.extend(header("content-type").iter().flat_map(|value| parameter(value, "name")));
    let value = lines[end + 1..].join("\n");
    let mut values = vec![value.trim().to_owned()];
    for encoding in header("content-transfer-encoding") {
        values.extend(match &*encoding.to_ascii_lowercase() {
            "base64" => base64(&value),
            "quoted-printable" => Some(percent(&value.replace("=\n", "").replace('=', "%"))),
            _ => None,
        });
    }
    (!names.is_empty()).then_some(Part { names, values })
}

/// Every value that one parser or another gives the parameter `wanted` of a header: quoted or not, in any case, in the
/// spellings of RFC 2231, doubled.
#[must_use]
pub fn parameter(header: &str, wanted: &str) -> Vec<String> {
    let mut values = Vec::new();
    let mut continued: Vec<(u32, String)> = Vec::new();
    for piece in split_outside_quotes(header).into_iter().chain(header.split(';').map(str::to_owned)) {
        let Some((name, value)) = piece.split_once('=') else { continue };
        let (name, value) = (name.trim().to_ascii_lowercase(), unquoted(value.trim()));
        let Some(rest) = name.strip_prefix(wanted) else { continue };
        match rest.strip_prefix('*') {
            None if rest.is_empty() => values.extend([value, piece_bare(&piece)]),
            Some("") => {
                let text = value.rsplit('\'').next().unwrap_or_default();
                values.extend([percent(text), value.clone()]);
            }
            Some(number) => {
                let (number, text) = match number.strip_suffix('*') {
                    Some(number) => (number, percent(value.rsplit('\'').next().unwrap_or_default())),
                    None => (number, value),
                };
                continued.extend(number.parse().ok().map(|number| (number, text)));
            }
            None => {}
        }
    }
    continued.sort();
    continued.dedup();
    if !continued.is_empty() {
        values.push(continued.into_iter().map(|(_, text)| text).collect());
    }
    values.sort_unstable();
    values.dedup();
    values
}

/// The value without its quotes, with every backslash as it is.
fn piece_bare(piece: &str) -> String {
    piece.split_once('=').map_or(String::new(), |(_, value)| value.trim().trim_matches('"').to_owned())
}

fn split_outside_quotes(header: &str) -> Vec<String> {
    let (mut pieces, mut quoted, mut escaped) = (vec![String::new()], false, false);
    for letter in header.chars() {
        if letter == ';' && !quoted {
            pieces.push(String::new());
            continue;
        }
        quoted ^= letter == '"' && !escaped;
        escaped = letter == '\\' && quoted && !escaped;
        pieces.last_mut().expect("never empty").push(letter);
    }
    pieces
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"') else { return value.to_owned() };
    let (mut text, mut escaped) = (String::new(), false);
    for letter in inner.chars() {
        match letter {
            _ if escaped => {
                text.push(letter);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => break,
            _ => text.push(letter),
        }
    }
    text
}

/// Text with its percent escapes undone.
#[must_use]
pub fn percent(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        let escape = tail.get(..2).and_then(|digits| core::str::from_utf8(digits).ok());
        match escape.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn urlencoded(body: &str) -> Vec<Part> {
    let pairs = body.split(['&', ';']).filter_map(|pair| pair.split_once('='));
    let plain = |text: &str| percent(&text.replace('+', " "));
    pairs.map(|(name, value)| Part { names: vec![plain(name)], values: vec![plain(value)] }).collect()
}

fn base64(text: &str) -> Option<String> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=') {
        bits = (bits << 6) | u32::from(digit(byte)?);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).expect("a byte"));
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models(head: &str, value: &str) -> Vec<String> {
        let body = format!("--b\r\n{head}\r\n\r\n{value}\r\n--b--\r\n");
        values("multipart/form-data; boundary=b", body.as_bytes(), "model")
    }

    #[test]
    fn a_name_is_found_in_every_spelling() {
        for head in [
            "Content-Disposition: form-data; name=\"model\"",
            "content-disposition:form-data;name=model",
            "Content-Disposition: form-data; NAME=model",
            "Content-Disposition: form-data; name*=utf-8''mo%64el",
            "Content-Disposition: form-data; name*0=mo; name*1=del",
            "Content-Disposition: form-data;\r\n name=\"mo\\del\"",
            "Content-Disposition: form-data; name = \"model\"",
            "X: y\r\nContent-Disposition: form-data; filename=\"a;b\"; name=\"model\"",
        ] {
            assert_eq!(models(head, "m"), ["m"], "{head}");
        }
        assert!(models("Content-Disposition: form-data; name=\"file\"", "m").is_empty());
    }

    #[test]
    fn lines_may_end_in_any_way_and_the_last_boundary_may_be_missing() {
        let head = "--b\nContent-Disposition: form-data; name=\"model\"\n\nm\n";
        for body in [head.to_owned(), format!("preamble\n{head}--b--"), format!("{head}--b \t\n")] {
            assert_eq!(values("multipart/form-data; Boundary=\"b\"", body.as_bytes(), "model"), ["m"]);
        }
    }

    #[test]
    fn an_encoded_part_has_both_values() {
        let head = "Content-Disposition: form-data; name=\"model\"\r\nContent-Transfer-Encoding: base64";
        assert_eq!(models(head, "Ymln"), ["Ymln", "big"]);
        assert_eq!(values("application/x-www-form-urlencoded", b"a=1&mod%65l=b+g", "model"), ["b g"]);
    }
}
