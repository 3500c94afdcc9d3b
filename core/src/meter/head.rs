//! Decides what the headers of an answer say of its usage: Bedrock counts in them, and others name the tier.

use super::reading::Collect;
use super::{Document, Meter};
use crate::dialect::{bedrock, headers};
use crate::head::RequestHead;
use crate::json::count;

impl Meter {
    /// Reads the headers of an answer.
    pub fn head(&mut self, head: &RequestHead) {
        let mut said = false;
        // Nearly always there is none of them.
        for (name, value) in head.iter().filter(|(name, _)| name.starts_with(b"x-")) {
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
