//! Decides which parameters of a query go on to a provider, and which one is a credential.
//!
//! A parameter goes on if it is in the API's table under its plain name, has a value that the table knows, and comes for
//! the first time: of two that are alike, servers take one or the other. The rest is left out: most of it is harmless,
//! and what it could do is choose another form of answer, in which usage is not found.

use crate::base::text::percent_decode;
use crate::config::Names;
use crate::dialect::Api;

/// The parameter that Google's clients put a key into.
const KEY: &[u8] = b"key";

/// The query that goes on, without its question mark; empty if none does. `secret`: what the caller showed, which never
/// goes on.
#[must_use]
pub fn kept_query(api: Api, also: &Names, query: &[u8], secret: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    for (name, value, whole) in parameters(query) {
        let listed = api.head().query.iter().find(|(known, _)| known.as_bytes() == name);
        let is_known = listed.is_some_and(|(_, values)| {
            values.is_empty() || values.iter().any(|known| known.as_bytes() == value)
        });
        let comes_again = || kept.iter().any(|other| parameters(other).any(|(before, ..)| before == name));
        if (is_known || also.has(name)) && name != KEY && !has_secret(whole, secret) && !comes_again() {
            kept.push(whole);
        }
    }
    kept.join(&b'&')
}

/// The credential in a query of Google's, if there is one; `None` twice: more than one, or one in another spelling.
#[must_use]
pub fn credential(api: Api, query: &[u8]) -> Option<Option<Vec<u8>>> {
    if !matches!(api, Api::Gemini | Api::Vertex) {
        return Some(None);
    }
    let mut found = None;
    for (name, value, _) in parameters(query) {
        if percent_decode(name).eq_ignore_ascii_case(KEY) && found.replace(percent_decode(value)).is_some() {
            return None;
        }
    }
    Some(found)
}

/// Whether a text has a secret in it, as it is or percent-encoded.
#[must_use]
pub fn has_secret(text: &[u8], secret: &[u8]) -> bool {
    let has = |text: &[u8]| !secret.is_empty() && has_part(text, secret);
    has(text) || (memchr::memchr(b'%', text).is_some() && has(&percent_decode(text)))
}

/// Whether `part` is in a text. In a short one it is found before a search that is fast in any text would have begun.
fn has_part(text: &[u8], part: &[u8]) -> bool {
    const SHORT: usize = 256;
    if text.len() > SHORT {
        return memchr::memmem::find(text, part).is_some();
    }
    let (first, last) = (part.first(), text.len().checked_sub(part.len()));
    let Some(places) = last.and_then(|last| text.get(..=last)) else { return false };
    let mut places = places.iter().enumerate().filter(|(_, byte)| Some(*byte) == first);
    places.any(|(at, _)| text.get(at..).is_some_and(|rest| rest.starts_with(part)))
}

/// Each parameter: its name, its value and all of it. Some servers part them by semicolons too.
fn parameters(query: &[u8]) -> impl Iterator<Item = (&[u8], &[u8], &[u8])> {
    query.split(|byte| matches!(byte, b'&' | b';')).filter(|whole| !whole.is_empty()).map(|whole| {
        let at = whole.iter().position(|&byte| byte == b'=').unwrap_or(whole.len());
        let (name, value) = whole.split_at_checked(at).unwrap_or((whole, &[]));
        (name, value.get(1..).unwrap_or_default(), whole)
    })
}
