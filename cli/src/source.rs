//! Decides how a file becomes JSON text, and what its reader is told if it cannot.
//!
//! YAML is turned into JSON member by member, so the order of the document stays, and a key that is
//! written twice is refused. Messages never quote the file: an Envoy configuration may hold secrets.

use core::fmt;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// A file's text as JSON, and what to call the file.
#[derive(Debug)]
pub(crate) struct Source {
    /// The file's name, or `standard input`.
    pub(crate) name: String,
    /// The document. What was JSON is unchanged, and may be broken.
    pub(crate) json: String,
}

/// Why a file could not be read.
#[derive(Debug)]
pub(crate) struct SourceError {
    name: String,
    reason: Reason,
}

#[derive(Debug)]
enum Reason {
    /// The system does not hand it out.
    Unreadable(std::io::Error),
    /// Not UTF-8.
    NotText,
    /// Not YAML, in the parser's words.
    NotYaml(String),
}

impl Source {
    /// Reads `file`; `-` is the standard input.
    ///
    /// # Errors
    /// [`SourceError`] if there is no such file or it is neither JSON nor YAML.
    pub(crate) fn read(file: &Path) -> Result<Self, SourceError> {
        let is_stdin = file.as_os_str() == "-";
        let name = if is_stdin { "standard input".to_owned() } else { file.display().to_string() };
        let bytes = if is_stdin {
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
        } else {
            std::fs::read(file)
        };
        let error = |reason| SourceError { name: name.clone(), reason };
        let bytes = bytes.map_err(|cause| error(Reason::Unreadable(cause)))?;
        let text = String::from_utf8(bytes).map_err(|_| error(Reason::NotText))?;
        let json = if is_yaml(file, &text) {
            to_json(&text).map_err(|words| error(Reason::NotYaml(words)))?
        } else {
            text
        };
        Ok(Self { name, json })
    }
}

/// By the file's name; without one that says it, JSON is what begins with a brace.
fn is_yaml(file: &Path, text: &str) -> bool {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("yaml" | "yml") => true,
        Some("json") => false,
        _ => !text.trim_start().starts_with('{'),
    }
}

fn to_json(yaml: &str) -> Result<String, String> {
    let mut options = serde_saphyr::Options::default();
    options.with_snippet = false;
    let mut json = Vec::new();
    serde_saphyr::with_deserializer_from_str_with_options(yaml, options, |document| {
        serde_transcode::transcode(document, &mut serde_json::Serializer::new(&mut json))
            .map_err(serde::de::Error::custom)
    })
    .map_err(|error| {
        let words = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
        // Advice to programmers.
        words.replace(", set DuplicateKeyPolicy in Options if acceptable", "")
    })?;
    String::from_utf8(json).map_err(|error| error.to_string())
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.name)?;
        match &self.reason {
            Reason::Unreadable(cause) => match cause.kind() {
                ErrorKind::NotFound => f.write_str("there is no such file"),
                ErrorKind::IsADirectory => f.write_str("is a directory; name a file in it"),
                ErrorKind::PermissionDenied => f.write_str("may not be read by this user"),
                _ => write!(f, "cannot be read: {cause}"),
            },
            Reason::NotText => f.write_str("not a text file: it is not UTF-8"),
            Reason::NotYaml(words) => write!(f, "not valid YAML: {words}"),
        }
    }
}

impl core::error::Error for SourceError {}
