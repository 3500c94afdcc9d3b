//! Decides what a budget is counted by: its `per`, one word or a list of them.
//!
//! A label that no key has would make a budget that holds for nobody, so it is a mistake. So is a header that
//! carries a credential: its value would be the name of a counter, and names are shown.
//!
//! Does not find the value that a request has in a dimension: see `subject.rs`.

use super::cursor::Cursor;
use super::names::Names;
use super::syntax::{HEADER, LABEL};
use crate::config::Dimension;
use crate::config::suggestion::did_you_mean;
use crate::request::credential_headers::CREDENTIAL_HEADERS;

/// The word for everyone, which is the only one that is no dimension.
const EVERYONE: &str = "org";

/// Most dimensions of one budget: subjects are shown, and a longer name than that says nothing to anybody.
const MAX_DIMENSIONS: usize = 4;

/// The dimensions in the order of the document; empty for everyone. `None` if one of them is a mistake.
pub(super) fn read(at: &Cursor<'_>, names: &Names<'_>) -> Option<Vec<Dimension>> {
    if !at.is_list() {
        return match at.text()? {
            EVERYONE => Some(Vec::new()),
            text => Some(vec![read_one(at, text, names)?]),
        };
    }
    let items = at.items()?;
    if items.is_empty() {
        at.fail("must name what the budget is counted by; leave \"per\" out for the whole organisation");
        return None;
    }
    if items.len() > MAX_DIMENSIONS {
        at.fail(format!("must have at most {MAX_DIMENSIONS} dimensions, not {}", items.len()));
    }
    let texts: Vec<Option<&str>> = items.iter().map(Cursor::text).collect();
    if let [Some(EVERYONE)] = *texts {
        return Some(Vec::new());
    }
    let mut found: Vec<Option<Dimension>> = Vec::with_capacity(items.len());
    for (item, text) in items.iter().zip(texts) {
        let dimension = text.and_then(|text| {
            if text == EVERYONE {
                item.fail("\"org\" is everyone and stands alone");
                return None;
            }
            read_one(item, text, names)
        });
        let twin = found.iter().position(|other| dimension.is_some() && *other == dimension);
        if let Some(twin) = twin.and_then(|twin| items.get(twin)) {
            item.fail(format!("{} says this already", twin.path()));
        }
        found.push(dimension);
    }
    found.into_iter().collect()
}

fn read_one(at: &Cursor<'_>, text: &str, names: &Names<'_>) -> Option<Dimension> {
    match text.split_once(':') {
        Some(("label", name)) => read_label(at, name, names),
        Some(("header", name)) => read_header(at, name),
        _ => read_word(at, text),
    }
}

fn read_label(at: &Cursor<'_>, name: &str, names: &Names<'_>) -> Option<Dimension> {
    if !LABEL.fits(name) {
        at.fail(format!("what follows \"label:\" must be {}", LABEL.wanted));
        return None;
    }
    names.label(at, name).then(|| Dimension::Label(name.into()))
}

fn read_header(at: &Cursor<'_>, name: &str) -> Option<Dimension> {
    if !HEADER.fits(name) {
        at.fail(format!("what follows \"header:\" must be {}", HEADER.wanted));
        return None;
    }
    let name = name.to_ascii_lowercase();
    if CREDENTIAL_HEADERS.contains(&&*name) {
        at.fail("this header carries credentials, which nothing may be counted by");
        return None;
    }
    Some(Dimension::Header(name.into()))
}

fn read_word(at: &Cursor<'_>, text: &str) -> Option<Dimension> {
    let found = Dimension::NAMES.into_iter().find(|(word, _)| *word == text);
    if found.is_none() {
        let mut words = vec![EVERYONE];
        words.extend(Dimension::NAMES.iter().map(|(word, _)| *word));
        let meant = did_you_mean(text, words.iter().copied());
        at.fail(format!("must be one of {}, label:<name>, header:<name>{meant}", words.join(", ")));
    }
    found.map(|(_, dimension)| dimension)
}
