//! Decides how many searches the provider made for the model, where the answer lists them instead of counting.
//!
//! Of items each is one, but pages that are opened are none. Of queries each is one however often it is said: every chunk
//! of a stream may say them all again.

use crate::base::hash::{self, fnv1a};
use crate::dialect::Count;

/// Queries of one answer that are told apart. Nobody makes so many for one answer; there must be an end.
const MOST_QUERIES: usize = 256;

/// What was searched for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queries(Vec<u64>);

impl Queries {
    /// A query, as it is written, and how long it is.
    pub(super) fn note(&mut self, raw: &[u8], length: u64) {
        self.note_hash(fnv1a(fnv1a(hash::EMPTY, raw), &length.to_le_bytes()));
    }

    fn note_hash(&mut self, query: u64) {
        if self.0.len() < MOST_QUERIES && !self.0.contains(&query) {
            self.0.push(query);
        }
    }

    /// Takes those of an event.
    pub(super) fn take(&mut self, of_event: &mut Self) {
        of_event.0.drain(..).for_each(|query| self.note_hash(query));
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.0.len() as u64
    }
}

/// The items of one document.
#[derive(Clone, Debug, Default)]
pub(super) struct Items {
    /// The current one is a search of the web.
    searches: bool,
    /// It only looked into a page.
    only_reads: bool,
    web_searches: u64,
    file_searches: u64,
}

impl Items {
    /// The kind of the current one.
    pub(super) fn kind(&mut self, kind: &[u8]) {
        match kind {
            b"web_search_call" => self.searches = true,
            b"file_search_call" => self.file_searches += 1,
            _ => {}
        }
    }

    /// What the current one did.
    pub(super) fn action(&mut self, action: &[u8]) {
        self.only_reads = action != b"search";
    }

    /// The current one has ended.
    pub(super) fn end(&mut self) {
        let only_reads = core::mem::take(&mut self.only_reads);
        self.web_searches += u64::from(core::mem::take(&mut self.searches) && !only_reads);
    }

    /// What there were.
    pub(super) fn counts(&self) -> [(Count, u64); 2] {
        [(Count::SearchItems, self.web_searches), (Count::FileSearches, self.file_searches)]
    }
}
