//! Decides which parts of a `multipart/form-data` body say what is asked for: `model`, `stream` and `n`.
//!
//! Parsers of forms agree on what clients usually write and on little else: quoting, folded headers, spellings of
//! parameters, line ends, encodings. What they could read in different ways is refused, so that no provider reads another
//! model than was checked. What is usual is not: the forms of browsers, curl and the SDKs.
//!
//! Files are skipped by looking for the next boundary.
//!
//! Sources: RFC 7578, RFC 2183, RFC 2046.

use core::ops::Range;

use memchr::memmem;

use super::LlmRequestError;
use super::spelling::{is_alike, may_raise};
use crate::base::text::{Label, percent_decode};

/// Longest value that is looked at, in bytes.
const VALUE_BYTES: usize = 256;
/// Longest headers of a part, in bytes.
const HEAD_BYTES: usize = 8 * 1024;
/// The fields that matter.
const FIELDS: [&str; 3] = ["model", "stream", "n"];

/// What a form says.
#[derive(Debug, Default)]
pub(super) struct Form {
    pub(super) model: Option<(String, Range<usize>)>,
    pub(super) stream: Option<bool>,
    pub(super) choices: Option<u64>,
    /// The first field that nobody knows and that could raise what is used.
    pub(super) may_raise: Option<Label>,
    /// What begins a part.
    pub(super) delimiter: String,
}

/// Reads a form. `content_type` has the boundary.
pub(super) fn read(content_type: &[u8], body: &[u8]) -> Result<Form, LlmRequestError> {
    let boundary = boundary(content_type).ok_or(LlmRequestError::NotAForm)?;
    let delimiter = [b"--", boundary].concat();
    let mut delimiters =
        memmem::find_iter(body, &delimiter).filter_map(|at| delimiter_at(body, at, delimiter.len()));
    let mut form = Form { delimiter: String::from_utf8_lossy(&delimiter).into_owned(), ..Form::default() };
    // Nothing may stand before the first one.
    let mut begin = match delimiters.next() {
        Some(Ok(Delimiter { at: 0, end, last: false })) => end,
        _ => return Err(LlmRequestError::NotAForm),
    };
    for found in delimiters {
        let Delimiter { at, end, last } = found?;
        // The line end belongs to the delimiter.
        let part = body.get(begin..at.saturating_sub(2)).ok_or(LlmRequestError::NotAForm)?;
        take(&mut form, part, begin)?;
        if last {
            let rest = body.get(end..).unwrap_or_default();
            return if matches!(rest, b"" | b"\r\n") { Ok(form) } else { Err(LlmRequestError::NotAForm) };
        }
        begin = end;
    }
    Err(LlmRequestError::NotAForm)
}

/// A part that names `model`, to stand before all others.
pub(super) fn model_part(delimiter: &str, model: &str) -> String {
    format!("{delimiter}\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n{model}\r\n")
}

struct Delimiter {
    at: usize,
    end: usize,
    last: bool,
}

/// The delimiter whose dashes stand at `at`. `None`: it is in the middle of a line. An error: some would take it for one.
fn delimiter_at(body: &[u8], at: usize, length: usize) -> Option<Result<Delimiter, LlmRequestError>> {
    let before = body.get(..at).unwrap_or_default();
    if !before.is_empty() && !before.ends_with(b"\r\n") {
        return before
            .ends_with(b"\n")
            .then_some(Err(LlmRequestError::NotAForm))
            .or_else(|| before.ends_with(b"\r").then_some(Err(LlmRequestError::NotAForm)));
    }
    let end = at + length;
    let after = body.get(end..).unwrap_or_default();
    Some(if after.starts_with(b"\r\n") {
        Ok(Delimiter { at, end: end + 2, last: false })
    } else if after.starts_with(b"--") {
        Ok(Delimiter { at, end: end + 2, last: true })
    } else {
        Err(LlmRequestError::NotAForm)
    })
}

/// Takes what a part says, which begins at `start`.
fn take(form: &mut Form, part: &[u8], start: usize) -> Result<(), LlmRequestError> {
    let head = memmem::find(part, b"\r\n\r\n")
        .filter(|&head| head <= HEAD_BYTES)
        .ok_or(LlmRequestError::NotAForm)?;
    let value = part.get(head + 4..).unwrap_or_default();
    let at = start + head + 4..start + part.len();
    let Head { name, is_file, is_text } = head_of(part.get(..head).unwrap_or_default())?;
    let Some(field) = FIELDS.into_iter().find(|field| *field == name) else {
        let decoded = percent_decode(name.as_bytes());
        let plain = String::from_utf8_lossy(&decoded);
        let bare: String =
            plain.chars().filter(|letter| letter.is_alphanumeric() || "_-".contains(*letter)).collect();
        if let Some(known) = FIELDS.into_iter().chain(["_charset_"]).find(|known| is_alike(&bare, known)) {
            return Err(LlmRequestError::Misspelled(known));
        }
        if form.may_raise.is_none() && may_raise(&plain) {
            form.may_raise = Label::from_bytes(plain.as_bytes());
        }
        return Ok(());
    };
    let text =
        core::str::from_utf8(value).ok().filter(|text| text.len() <= VALUE_BYTES && !is_file && is_text);
    let wrong = |kind| LlmRequestError::WrongKind(field, kind);
    let twice = match field {
        "model" => {
            let plain =
                |text: &&str| !text.is_empty() && text.trim() == *text && !text.contains(char::is_control);
            let model = text.filter(plain).ok_or(wrong("the name of a model"))?;
            form.model.replace((model.to_owned(), at)).is_some()
        }
        "stream" => {
            let word = text.map(str::to_ascii_lowercase);
            let stream = match word.as_deref() {
                Some("true" | "1") => true,
                Some("false" | "0") => false,
                _ => return Err(wrong("true or false")),
            };
            form.stream.replace(stream).is_some()
        }
        _ => {
            let digits = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let choices = digits.and_then(|digits| digits.parse().ok());
            form.choices.replace(choices.ok_or(wrong("a whole number that is not negative"))?).is_some()
        }
    };
    if twice { Err(LlmRequestError::Duplicate(field)) } else { Ok(()) }
}

/// What the headers of a part say.
struct Head {
    name: String,
    is_file: bool,
    /// Its value is plain text.
    is_text: bool,
}

fn head_of(head: &[u8]) -> Result<Head, LlmRequestError> {
    let head = core::str::from_utf8(head).map_err(|_| LlmRequestError::NotAForm)?;
    let (mut disposition, mut is_text) = (None, true);
    for line in head.split("\r\n") {
        let (name, value) = line.split_once(':').ok_or(LlmRequestError::NotAForm)?;
        // A folded line begins with a space, and a bare line end within one is another line to some.
        let is_name =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !is_name || value.contains(['\r', '\n', '\0']) {
            return Err(LlmRequestError::NotAForm);
        }
        let value = value.trim_matches([' ', '\t']);
        match name.to_ascii_lowercase().as_str() {
            "content-disposition" if disposition.is_none() => disposition = Some(value),
            "content-disposition" => return Err(LlmRequestError::NotAForm),
            "content-type" => {
                let kind = value.to_ascii_lowercase();
                if kind.starts_with("multipart/") || kind.starts_with("message/") {
                    return Err(LlmRequestError::NotAForm);
                }
                is_text &= matches!(
                    kind.replace(' ', "").as_str(),
                    "text/plain"
                        | "text/plain;charset=utf-8"
                        | "text/plain;charset=us-ascii"
                        | "text/plain;charset=\"utf-8\""
                );
            }
            "content-transfer-encoding"
                if !matches!(value.to_ascii_lowercase().as_str(), "binary" | "7bit" | "8bit") =>
            {
                return Err(LlmRequestError::NotAForm);
            }
            _ => {}
        }
    }
    let (name, is_file) = disposition.and_then(disposed).ok_or(LlmRequestError::NotAForm)?;
    Ok(Head { name, is_file, is_text })
}

/// The name in a `content-disposition`, and whether there is a file's name too. `None` if it is not as clients write it.
fn disposed(value: &str) -> Option<(String, bool)> {
    let (kind, mut rest) = value.split_at_checked(value.find(';')?)?;
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return None;
    }
    let (mut name, mut file, mut extended) = (None, None, None);
    while let Some(parameter) = rest.strip_prefix(';') {
        let (key, after) = parameter.split_once('=')?;
        let (text, after) = parameter_value(after)?;
        rest = after.trim_start_matches([' ', '\t']);
        let place = match key.trim().to_ascii_lowercase().as_str() {
            "name" => &mut name,
            "filename" => &mut file,
            "filename*" => &mut extended,
            _ => return None,
        };
        if place.replace(text).is_some() {
            return None;
        }
    }
    let name = name.filter(|name| !name.is_empty() && !name.contains('\\'))?;
    rest.is_empty().then(|| (name.to_owned(), file.is_some() || extended.is_some()))
}

/// A parameter's value, in quotes or a token, and what follows it.
fn parameter_value(text: &str) -> Option<(&str, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (value, after) = quoted.split_at_checked(quoted.find('"')?)?;
        // To some the quote behind a backslash is the end, to others it is not.
        return (!value.ends_with('\\')).then_some((value, after.get(1..)?));
    }
    let end = text.find(|letter: char| !is_token(letter)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at_checked(end)).flatten()
}

/// RFC 9110, 5.6.2, and what an extended value has.
fn is_token(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(letter)
}

/// The boundary that a content type names, if it is one that all read alike.
fn boundary(content_type: &[u8]) -> Option<&[u8]> {
    let text = core::str::from_utf8(content_type).ok()?.trim();
    let (kind, mut rest) = text.split_at_checked(text.find(';')?)?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let (mut boundary, mut charset) = (None, None);
    while let Some(parameter) = rest.strip_prefix(';') {
        let (key, after) = parameter.split_once('=')?;
        let (value, after) = match parameter_value(after) {
            Some((value, after)) if after.trim().is_empty() || after.trim_start().starts_with(';') => {
                (value, after)
            }
            // Some boundaries have characters that no token has, and are not quoted all the same.
            _ => after.split_at_checked(after.find(';').unwrap_or(after.len()))?,
        };
        rest = after.trim_start();
        let place = match key.trim().to_ascii_lowercase().as_str() {
            "boundary" => &mut boundary,
            "charset" => &mut charset,
            _ => return None,
        };
        if place.replace(value.trim_end()).is_some() {
            return None;
        }
    }
    let usual = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&byte);
    let boundary = boundary.filter(|_| rest.is_empty())?;
    (boundary.len() <= 70 && !boundary.is_empty() && boundary.bytes().all(usual))
        .then_some(boundary.as_bytes())
}

#[cfg(test)]
mod tests;
