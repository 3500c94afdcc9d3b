//! Decides how an entry is kept by the workers of a process: what it says, in which version, and when it was last listed.
//!
//! ```text
//! ## key     => format, flags, version (8), round (8), JSON
//! ## part    => format, then for each: flags, version (8), round (8), bytes of name and JSON (2 and 2), name, JSON
//! ```
//!
//! A removed entry stays, without JSON: an older answer that comes late must not bring it back.

use crate::base::hash::HashMap;

const FORMAT: u8 = 1;
/// It is not understood.
const UNREADABLE: u8 = 1;
/// Removed entries that a part keeps.
const MOST_REMOVED: usize = 256;

/// One entry as it is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) version: u64,
    pub(super) round: u64,
    pub(super) is_unreadable: bool,
    /// Empty: it was removed.
    pub(super) json: &'a [u8],
}

impl<'a> Record<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (format, rest) = bytes.split_first()?;
        (*format == FORMAT).then_some(())?;
        let (record, json) = Self::head(rest)?;
        Some(Self { json, ..record })
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(18 + self.json.len());
        out.push(FORMAT);
        self.push_head(&mut out);
        out.extend(self.json);
        out
    }

    fn head(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (flags, rest) = bytes.split_first()?;
        let (version, rest) = rest.split_first_chunk()?;
        let (round, rest) = rest.split_first_chunk()?;
        let (version, round) = (u64::from_le_bytes(*version), u64::from_le_bytes(*round));
        Some((Self { version, round, is_unreadable: flags & UNREADABLE > 0, json: &[] }, rest))
    }

    fn push_head(&self, out: &mut Vec<u8>) {
        out.push(if self.is_unreadable { UNREADABLE } else { 0 });
        out.extend(self.version.to_le_bytes());
        out.extend(self.round.to_le_bytes());
    }
}

/// The entries of one part, by name.
#[derive(Debug, Default)]
pub(super) struct Part<'a>(pub(super) HashMap<&'a [u8], Record<'a>>);

impl<'a> Part<'a> {
    /// Those in `bytes`; none if they cannot be read.
    pub(super) fn read(bytes: &'a [u8]) -> Self {
        let mut part = Self::default();
        let Some((&FORMAT, mut rest)) = bytes.split_first() else { return part };
        while let Some((name, record, after)) = Self::next(rest) {
            part.0.insert(name, record);
            rest = after;
        }
        part
    }

    fn next(bytes: &'a [u8]) -> Option<(&'a [u8], Record<'a>, &'a [u8])> {
        let (record, rest) = Record::head(bytes)?;
        let (name, rest) = rest.split_first_chunk()?;
        let (json, rest) = rest.split_first_chunk()?;
        let (name, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*name)))?;
        let (json, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*json)))?;
        Some((name, Record { json, ..record }, rest))
    }

    /// As it is kept. Of what was removed only the latest is.
    pub(super) fn write(&self) -> Vec<u8> {
        let mut removed: Vec<u64> =
            self.0.values().filter(|record| record.json.is_empty()).map(|record| record.version).collect();
        removed.sort_unstable_by_key(|version| core::cmp::Reverse(*version));
        let oldest = removed.get(MOST_REMOVED).copied().unwrap_or(0);
        let mut out = vec![FORMAT];
        for (name, record) in &self.0 {
            let lengths = (u16::try_from(name.len()), u16::try_from(record.json.len()));
            let (Ok(name_bytes), Ok(json_bytes)) = lengths else { continue };
            if record.json.is_empty() && record.version <= oldest {
                continue;
            }
            record.push_head(&mut out);
            out.extend(name_bytes.to_le_bytes());
            out.extend(json_bytes.to_le_bytes());
            out.extend(*name);
            out.extend(record.json);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let record = Record { version: 7, round: 1, is_unreadable: true, json: b"{}" };
        let bytes = record.write();
        assert_eq!(Record::read(&bytes), Some(record));
        assert!((0..18).all(|end| Record::read(&bytes[..end]).is_none()));
    }

    #[test]
    fn a_part_has_what_was_written_but_for_what_was_removed_long_ago() {
        let names: Vec<String> = (0..300).map(|at| format!("limit/b/{at}")).collect();
        let mut part = Part::default();
        for (at, name) in names.iter().enumerate() {
            let json: &[u8] = if at < 290 { b"" } else { b"{}" };
            part.0.insert(name.as_bytes(), Record { version: at as u64 + 1, json, ..Record::default() });
        }
        let bytes = part.write();
        let read = Part::read(&bytes);
        assert_eq!(read.0.len(), MOST_REMOVED + 10);
        assert!(read.0.iter().all(|(name, record)| part.0.get(name) == Some(record) && record.version > 34));
        for broken in [&bytes[..1], &bytes[1..], b"", b"\x01abc"] {
            assert!(Part::read(broken).0.is_empty());
        }
    }
}
