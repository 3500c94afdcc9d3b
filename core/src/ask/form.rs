//! Decides which parts of a `multipart/form-data` body say what is asked for: `model`, `stream` and `n`.
//!
//! Files are skipped by looking for the next boundary. A part that matters and comes twice is refused.
//!
//! Source: RFC 7578.

use core::ops::Range;

use memchr::memmem;

use super::AskError;

/// Longest value that is looked at, in bytes.
const VALUE_BYTES: usize = 256;

/// What a form says.
#[derive(Debug, Default)]
pub(super) struct Form {
    pub(super) model: Option<(String, Range<usize>)>,
    pub(super) stream: bool,
    pub(super) choices: Option<u64>,
}

/// Reads a form. `content_type` has the boundary.
pub(super) fn read(content_type: &[u8], body: &[u8]) -> Result<Form, AskError> {
    let boundary = boundary(content_type).ok_or(AskError::NotAForm)?;
    let delimiter = [b"\r\n--", boundary].concat();
    let finder = memmem::Finder::new(&delimiter);
    // The first delimiter has no line before it.
    let first = body.starts_with(delimiter.get(2..).unwrap_or_default());
    let mut at = if first {
        delimiter.len() - 2
    } else {
        finder.find(body).ok_or(AskError::NotAForm)? + delimiter.len()
    };
    let mut form = Form::default();
    loop {
        let rest = body.get(at..).unwrap_or_default();
        if rest.starts_with(b"--") {
            return Ok(form);
        }
        let end = finder.find(rest).ok_or(AskError::NotAForm)?;
        let part = rest.get(..end).unwrap_or_default();
        let head = memmem::find(part, b"\r\n\r\n").ok_or(AskError::NotAForm)?;
        let value = head + 4..end;
        take(
            &mut form,
            part.get(..head).unwrap_or_default(),
            part.get(value.clone()).unwrap_or_default(),
            at + value.start..at + value.end,
        )?;
        at += end + delimiter.len();
    }
}

fn take(form: &mut Form, head: &[u8], value: &[u8], at: Range<usize>) -> Result<(), AskError> {
    let text = core::str::from_utf8(value).ok().filter(|text| text.len() <= VALUE_BYTES);
    match name(head) {
        Some(b"model") => {
            let model = text.map(str::trim).filter(|model| !model.is_empty());
            let model = model.ok_or(AskError::WrongKind("model", "the name of a model"))?;
            if form.model.replace((model.to_owned(), at)).is_some() {
                return Err(AskError::Duplicate("model"));
            }
        }
        Some(b"stream") => form.stream = text.is_some_and(|text| text.trim().eq_ignore_ascii_case("true")),
        Some(b"n") => form.choices = text.and_then(|text| text.trim().parse().ok()),
        _ => {}
    }
    Ok(())
}

fn boundary(content_type: &[u8]) -> Option<&[u8]> {
    let parameter =
        content_type.split(|&byte| byte == b';').map(<[u8]>::trim_ascii).find_map(|parameter| {
            let (name, value) = parameter.split_at_checked(9)?;
            name.eq_ignore_ascii_case(b"boundary=").then_some(value)
        })?;
    let bare =
        parameter.strip_prefix(b"\"").and_then(|quoted| quoted.strip_suffix(b"\"")).unwrap_or(parameter);
    (!bare.is_empty() && bare.len() <= 70).then_some(bare)
}

/// The `name` parameter of a part's `content-disposition`.
fn name(head: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"name=\"";
    let line = head.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).find(|line| {
        line.get(..20).is_some_and(|start| start.eq_ignore_ascii_case(b"content-disposition:"))
    })?;
    line.split(|&byte| byte == b';')
        .map(<[u8]>::trim_ascii)
        .find_map(|parameter| parameter.strip_prefix(NAME).and_then(|rest| rest.strip_suffix(b"\"")))
}
