//! Decides what the headers of an answer say of its usage: Bedrock counts in them, and others name the tier.

use super::reading::Collect;
use super::{Document, Meter};
use crate::base::headers::RequestHead;
use crate::dialect::{bedrock, headers};
use crate::json::count;

/// How long the names of those headers are, a bit each.
const LENGTHS: u64 = {
    let (mut lengths, mut served, mut counts) = (0, headers::SERVED.as_slice(), bedrock::HEADERS.as_slice());
    while let [(name, _), others @ ..] = served {
        lengths |= 1 << (name.len() % 64);
        served = others;
    }
    while let [(name, _), others @ ..] = counts {
        lengths |= 1 << (name.len() % 64);
        counts = others;
    }
    lengths
};

impl Meter {
    /// Reads the headers of an answer.
    pub fn head(&mut self, head: &RequestHead) {
        let mut said = false;
        // Nearly always there is none of them.
        for (name, value) in head.of_lengths(LENGTHS) {
            if let Some((_, field)) = headers::SERVED.iter().find(|(known, _)| known.as_bytes() == name)
                && value.len() <= 64
            {
                let Document { reading, event, .. } = &mut self.document;
                Collect { reading, event }.text(*field, value, value.len() as u64);
                event.news = false;
                said = true;
            }
            if !name.starts_with(bedrock::HEADER_PREFIX) {
                continue;
            }
            let kind = bedrock::HEADERS.iter().find(|(known, _)| known.as_bytes() == name);
            if let (Some((_, kind)), Some(count)) = (kind, count(value))
                && self.document.reading.reported.get(*kind).is_none()
            {
                self.document.reading.reported.set(*kind, count);
                said = true;
            }
        }
        if said {
            self.intact.clone_from(&self.document.reading);
        }
    }
}
