//! Decides how a file becomes JSON text, and what its reader is told if it cannot.
//!
//! YAML is turned into JSON member by member, so the order of the document stays, and a key that is
//! written twice is refused. A file of YAML may have several documents, as those for Kubernetes do. Messages never quote the file: an Envoy configuration may hold secrets.

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
    /// So many documents, where one is wanted.
    Several(usize),
}

impl Source {
    /// Reads `file`; `-` is the standard input.
    ///
    /// # Errors
    /// [`SourceError`] if there is no such file, it is neither JSON nor YAML, or has several documents.
    pub(crate) fn read(file: &Path) -> Result<Self, SourceError> {
        let (name, mut documents) = Self::read_all(file)?;
        match (documents.pop(), documents.len()) {
            (json, 0) => Ok(Self { name, json: json.unwrap_or_default() }),
            (_, more) => Err(SourceError { name, reason: Reason::Several(more + 1) }),
        }
    }

    /// What to call `file`, and each of its documents as JSON; at least one.
    ///
    /// # Errors
    /// [`SourceError`] if there is no such file or it is neither JSON nor YAML.
    pub(crate) fn read_all(file: &Path) -> Result<(String, Vec<String>), SourceError> {
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
        if !is_yaml(file, &text) {
            return Ok((name, vec![text]));
        }
        let documents = documents(&text).iter().map(|yaml| to_json(yaml)).collect::<Result<_, _>>();
        let documents = documents.map_err(|words| error(Reason::NotYaml(words)))?;
        Ok((name, documents))
    }
}

/// The documents of a text of YAML that say something, or the whole text if there is one; each on the lines where it
/// was, so that a mistake is told with the line of the file. A line that begins with `---` begins a document wherever it
/// stands: YAML allows it inside of no text.
fn documents(text: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let is_mark = line
            .strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
        if is_mark && documents.last().is_some_and(|document| says_something(document)) {
            documents.push("\n".repeat(number));
        }
        if let Some(document) = documents.last_mut() {
            // Of several marks with nothing in between, the last one counts.
            let (before, line) = if is_mark { (blank(document), line) } else { (String::new(), line) };
            if is_mark {
                *document = before;
            }
            document.push_str(line);
        }
    }
    if documents.len() > 1 && documents.last().is_some_and(|document| !says_something(document)) {
        documents.pop();
    }
    documents
}

/// As many lines as `document` has, without what they say.
fn blank(document: &str) -> String {
    "\n".repeat(document.matches('\n').count())
}

fn says_something(document: &str) -> bool {
    let says = |line: &str| {
        let line = line.strip_prefix("---").unwrap_or(line).trim();
        !(line.is_empty() || line == "..." || line.starts_with(['#', '%']))
    };
    document.lines().any(says)
}

/// By the file's name; without one that says it, JSON is what begins with a brace.
fn is_yaml(file: &Path, text: &str) -> bool {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("yaml" | "yml") => true,
        Some("json") => false,
        _ => !text.trim_start().starts_with('{'),
    }
}

/// The document as JSON, or the parser's words.
pub(crate) fn to_json(yaml: &str) -> Result<String, String> {
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
            Reason::Several(count) => write!(f, "has {count} documents, and one configuration is wanted"),
            Reason::NotYaml(words) => write!(f, "not valid YAML: {words}"),
        }
    }
}

impl core::error::Error for SourceError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(usize, String)> {
        let first = |document: &str| document.lines().position(|line| !line.is_empty()).unwrap_or(0) + 1;
        documents(text).iter().map(|document| (first(document), document.trim().to_owned())).collect()
    }

    #[test]
    fn documents_stand_on_the_lines_where_they_were() {
        assert_eq!(lines("a: 1\n"), [(1, "a: 1".to_owned())]);
        assert_eq!(
            lines("# head\n---\na: 1\n---\n# none\n---\nb: 2\n---\n"),
            [(2, "---\na: 1".to_owned()), (6, "---\nb: 2".to_owned()),]
        );
        assert_eq!(lines("a: |\n  ---\n ---\n----\n").len(), 1);
    }
}
