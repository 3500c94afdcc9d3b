//! Decides where in the text of a configuration a key's entry goes, so that everything else stays as it was written.
//!
//! A configuration is somebody's text, with an order, blanks and perhaps comments, and is reviewed as a difference of
//! lines: so nothing is written anew but the place itself. Whether the place was right is not believed but looked at:
//! the new text has to say what the old one said and the change, and the filter has to accept it. Else the file stays.

use core::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use farebox_core::config::{Config, ConfigErrors};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::source::{self, Source, SourceError};

/// Why a file was left as it is.
#[derive(Debug)]
pub(crate) enum IntoError {
    /// It cannot be read.
    Source(SourceError),
    /// It cannot be written; its name.
    Unwritable(PathBuf, io::Error),
    /// There is no such place in it; its name and why.
    NoPlace(PathBuf, String),
    /// The filter would not accept what it would be; its name.
    Refused(PathBuf, ConfigErrors),
}

/// Adds `entries`, each the JSON of a key, to the keys of the configuration in `file`.
///
/// # Errors
/// [`IntoError`]; then the file is unchanged.
pub(super) fn add(file: &Path, entries: &[String]) -> Result<(), IntoError> {
    let document = Document::read(file)?;
    let mut wanted = document.value.clone();
    let keys = wanted.get_mut("keys").and_then(Value::as_array_mut);
    let keys = keys.ok_or_else(|| document.no_place("has no list of \"keys\""))?;
    // In YAML the end of a list is hard to find, and its beginning is not.
    let at = if document.is_json { keys.len() } else { 0 };
    keys.splice(at..at, entries.iter().filter_map(|entry| serde_json::from_str::<Value>(entry).ok()));
    let text =
        if document.is_json { in_json(&document.text, entries) } else { in_yaml(&document.text, entries) };
    document.replace(text, &wanted)
}

/// Adds the hash `sha256` to those of the key `id`.
///
/// # Errors
/// [`IntoError`]; then the file is unchanged.
pub(super) fn rotate(file: &Path, id: &str, sha256: &str) -> Result<(), IntoError> {
    let document = Document::read(file)?;
    let mut wanted = document.value.clone();
    let mut keys = wanted.get_mut("keys").and_then(Value::as_array_mut).into_iter().flatten();
    let key = keys.find(|key| key.get("id").is_some_and(|known| known == id));
    let key = key.ok_or_else(|| document.no_place(&format!("has no key with the id {id:?}")))?;
    let Some(hashes) = key.get_mut("sha256") else {
        return Err(document.no_place("has a key of that id without a \"sha256\": nobody has its secret"));
    };
    let (is_list, last) = match &*hashes {
        Value::Array(all) => (true, all.last().and_then(Value::as_str).map(str::to_owned)),
        one => (false, one.as_str().map(str::to_owned)),
    };
    let last = last.unwrap_or_default();
    match hashes {
        Value::Array(all) => all.push(Value::from(sha256)),
        one => *one = Value::from(vec![last.clone(), sha256.to_owned()]),
    }
    let text = beside(&document.text, &last, sha256, is_list);
    document.replace(text, &wanted)
}

/// A configuration as it is written, and what it says.
struct Document<'a> {
    file: &'a Path,
    text: String,
    is_json: bool,
    value: Value,
}

impl<'a> Document<'a> {
    fn read(file: &'a Path) -> Result<Self, IntoError> {
        let Source { json, .. } = Source::read(file).map_err(IntoError::Source)?;
        let text =
            std::fs::read_to_string(file).map_err(|error| IntoError::Unwritable(file.to_owned(), error))?;
        let refused = |errors| IntoError::Refused(file.to_owned(), errors);
        accept(&json).map_err(refused)?;
        let value = serde_json::from_str(&json).unwrap_or_default();
        Ok(Self { file, is_json: json == text, text, value })
    }

    fn no_place(&self, why: &str) -> IntoError {
        IntoError::NoPlace(self.file.to_owned(), why.to_owned())
    }

    /// Writes `text` into the file if it says what is `wanted`.
    fn replace(&self, text: Option<String>, wanted: &Value) -> Result<(), IntoError> {
        let by_hand =
            || self.no_place("is written in a way that cannot be changed safely here; add the entry by hand");
        let text = text.ok_or_else(by_hand)?;
        let json = if self.is_json { text.clone() } else { source::to_json(&text).map_err(|_| by_hand())? };
        if serde_json::from_str::<Value>(&json).ok().as_ref() != Some(wanted) {
            return Err(by_hand());
        }
        accept(&json).map_err(|errors| IntoError::Refused(self.file.to_owned(), errors))?;
        write(self.file, &text).map_err(|error| IntoError::Unwritable(self.file.to_owned(), error))
    }
}

fn accept(json: &str) -> Result<(), ConfigErrors> {
    Config::parse(json.as_bytes(), |_| Some("a-secret-that-is-set".to_owned())).map(drop)
}

/// Puts `text` in the place of `file` as a whole: who reads meanwhile has the old one or the new one.
fn write(file: &Path, text: &str) -> io::Result<()> {
    let file = std::fs::canonicalize(file)?;
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = file.with_file_name(name);
    let written = std::fs::File::create_new(&new).and_then(|mut target| {
        target.set_permissions(std::fs::metadata(&file)?.permissions())?;
        target.write_all(text.as_bytes())?;
        target.sync_all()?;
        std::fs::rename(&new, &file)
    });
    if written.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::AlreadyExists) {
        let _ = std::fs::remove_file(&new);
    }
    written
}

/// The text of JSON with `entries` at the end of its keys.
fn in_json(text: &str, entries: &[String]) -> Option<String> {
    let document: std::collections::BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
    let list = document.get("keys")?.get();
    // A slice of the text, so that where it is in there is a difference of addresses.
    let offset = |part: &str| (part.as_ptr() as usize).checked_sub(text.as_ptr() as usize);
    let items: Vec<&RawValue> = serde_json::from_str(list).ok()?;
    let line_of = |at: usize| text.get(..at).map(|before| before.rsplit('\n').next().unwrap_or_default());
    let Some(last) = items.last().map(|item| item.get()) else {
        let (start, outer) = (offset(list)?, line_of(offset(list)?)?);
        let outer = outer.get(..outer.len() - outer.trim_start().len())?;
        let lines: Vec<String> = entries.iter().map(|entry| format!("\n{outer}  {entry}")).collect();
        let (before, after) = (text.get(..start)?, text.get(start + list.len()..)?);
        return Some(format!("{before}[{}\n{outer}]{after}", lines.join(",")));
    };
    let start = offset(last)?;
    let indent = line_of(start)?;
    let glue = if indent.trim().is_empty() { format!(",\n{indent}") } else { ", ".to_owned() };
    let (before, after) = text.split_at_checked(start + last.len())?;
    let entries: String = entries.iter().map(|entry| format!("{glue}{entry}")).collect();
    Some(format!("{before}{entries}{after}"))
}

/// The text of YAML with `entries` as the first of its keys: there the list begins, wherever it ends.
fn in_yaml(text: &str, entries: &[String]) -> Option<String> {
    let start = if text.starts_with("keys:") { 0 } else { text.find("\nkeys:")? + 1 };
    let (before, rest) = text.split_at_checked(start)?;
    let (line, rest) = rest.split_once('\n').unwrap_or((rest, ""));
    let is_empty = line.split('#').next().is_some_and(|line| line.trim_end() == "keys: []");
    let first = rest.lines().find(|line| line.trim_start().starts_with("- "));
    let indent =
        first.filter(|_| !is_empty).and_then(|line| line.get(..line.len() - line.trim_start().len()));
    let line = if is_empty { line.replacen("keys: []", "keys:", 1) } else { line.to_owned() };
    let indent = indent.unwrap_or("  ");
    let entries: String = entries.iter().map(|entry| format!("{indent}- {entry}\n")).collect();
    // What is last in the list stays last; the new ones come first.
    Some(format!("{before}{line}\n{entries}{rest}"))
}

/// The text with the hash `new` beside `old`, which is there once: as a list with it, or after it in its list.
fn beside(text: &str, old: &str, new: &str, is_list: bool) -> Option<String> {
    let mut places = text.match_indices(old);
    let (start, _) = places.next().filter(|_| !old.is_empty())?;
    if places.next().is_some() {
        return None;
    }
    let end = start + old.len();
    let quote = text.get(..start)?.chars().next_back().filter(|mark| matches!(mark, '"' | '\''));
    let (start, end) = if quote.is_some() { (start - 1, end + 1) } else { (start, end) };
    let (before, written, after) = (text.get(..start)?, text.get(start..end)?, text.get(end..)?);
    let new = format!("\"{new}\"");
    if !is_list {
        return Some(format!("{before}[{written}, {new}]{after}"));
    }
    let line = before.rsplit('\n').next().unwrap_or_default();
    match line.trim() {
        "-" => Some(format!("{before}{written}\n{line}{new}{after}")),
        "" => Some(format!("{before}{written},\n{line}{new}{after}")),
        _ => Some(format!("{before}{written}, {new}{after}")),
    }
}

impl fmt::Display for IntoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(error) => write!(f, "{error}"),
            Self::Unwritable(file, error) => write!(f, "{}: cannot be written: {error}", file.display()),
            Self::NoPlace(file, why) => write!(f, "{}: {why}", file.display()),
            Self::Refused(file, errors) => {
                write!(f, "{}: nothing was changed, because of:", file.display())?;
                errors.0.iter().try_for_each(|error| write!(f, "\n  {error}"))
            }
        }
    }
}
