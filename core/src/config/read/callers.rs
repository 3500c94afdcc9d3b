//! Decides who may call: the `keys` of the configuration.

use std::rc::Rc;

use crate::base::hash::HashMap;

use super::cursor::{Cursor, Fields};
use super::syntax::{ID, LABEL, NAME, PATTERN};
use crate::base::window::Millis;
use crate::config::{Budget, Key, Pattern};

const FIELDS: [&str; 8] = ["id", "sha256", "team", "labels", "models", "expires", "enabled", "admin"];

/// Most labels of one key: each is written into every record.
const MAX_LABELS: usize = 16;

/// Most secrets of one key.
const MAX_HASHES: usize = 4;

/// Longest value of a label, in characters.
const MAX_LABEL_VALUE: usize = 256;

/// Where each hash was first. The text of a key has its id in it, so the same hash cannot be good for a second key: that
/// entry was copied, and nobody can call with it.
type Seen = HashMap<[u8; 32], String>;

/// The keys by id. Without `sha256_needed` a key may leave its hash out, because an authentication
/// filter can name it.
pub(super) fn read(
    at: &Cursor<'_>,
    sha256_needed: bool,
    budgets: &[Rc<Budget>],
) -> HashMap<Box<str>, Rc<Key>> {
    let mut first_uses: HashMap<&str, String> = HashMap::default();
    let (mut keys, mut seen) = (HashMap::default(), Seen::default());
    for item in at.items().unwrap_or_default() {
        let Some(fields) = item.fields(&FIELDS) else { continue };
        let id = fields.need("id").and_then(|id| {
            let text = id.text_as(ID)?;
            match first_uses.get(text) {
                Some(first) => id.fail(format!("{first} has this id already")),
                None => drop(first_uses.insert(text, item.path().to_owned())),
            }
            Some(text)
        });
        let key = read_key(&fields, id, sha256_needed, budgets, &mut seen);
        if let Some(key) = key {
            keys.insert(key.id.clone(), Rc::new(key));
        }
    }
    keys
}

fn read_key(
    fields: &Fields<'_>,
    id: Option<&str>,
    sha256_needed: bool,
    budgets: &[Rc<Budget>],
    seen: &mut Seen,
) -> Option<Key> {
    let sha256 = if sha256_needed { fields.need("sha256") } else { fields.get("sha256") };
    let sha256 = sha256.map(|at| read_hashes(&at, seen)).unwrap_or_default();
    let team = fields.need("team").and_then(|team| team.text_as(NAME));
    let labels = fields.get("labels").map(|at| read_labels(&at)).unwrap_or_default();
    let models = fields.get("models").and_then(|at| at.items()).unwrap_or_default();
    let models = models.iter().filter_map(|at| at.text_as(PATTERN).map(Pattern::new)).collect();
    let expires = fields.get("expires").and_then(|at| {
        let moment = Millis::parse(at.text()?);
        if moment.is_none() {
            at.fail("must be a date like 2027-01-01 or a time like 2027-01-01T12:00:00Z");
        }
        moment
    });
    let enabled = fields.get("enabled").and_then(|at| at.flag()).unwrap_or(true);
    let (id, team) = (id?, team?);
    let admin = fields.get("admin").and_then(|at| at.flag()).unwrap_or(false);
    let key = Key { sha256, labels, models, expires, enabled, admin, ..Key::proven(id, team, None) };
    Some(key.counted_by(budgets))
}

pub(super) fn read_labels(at: &Cursor<'_>) -> Vec<(Box<str>, Box<str>)> {
    let entries = at.entries().unwrap_or_default();
    if entries.len() > MAX_LABELS {
        at.fail(format!("must have at most {MAX_LABELS} labels, not {}", entries.len()));
    }
    let mut labels = Vec::with_capacity(entries.len());
    for (name, value) in entries {
        value.key_is(name, LABEL);
        let Some(text) = value.text() else { continue };
        if text.chars().count() > MAX_LABEL_VALUE {
            value.fail(format!("must have at most {MAX_LABEL_VALUE} characters"));
        }
        labels.push((name.into(), text.into()));
    }
    labels
}

/// One hash, or those of the old and the new secret while one takes the other's place.
fn read_hashes(at: &Cursor<'_>, seen: &mut Seen) -> Box<[[u8; 32]]> {
    if !at.is_list() {
        return read_sha256(at, seen).into_iter().collect();
    }
    let items = at.items().unwrap_or_default();
    if !(1..=MAX_HASHES).contains(&items.len()) {
        at.fail(format!("must have 1 to {MAX_HASHES} hashes"));
    }
    items.iter().filter_map(|item| read_sha256(item, seen)).collect()
}

fn read_sha256(at: &Cursor<'_>, seen: &mut Seen) -> Option<[u8; 32]> {
    let Some(hash) = from_hex(at.text()?) else {
        at.fail("must be 64 hexadecimal digits: the SHA-256 of the whole key text");
        return None;
    };
    match seen.get(&hash) {
        Some(first) => at.fail(format!("{first} has this hash already")),
        None => drop(seen.insert(hash, at.path().to_owned())),
    }
    Some(hash)
}

pub(super) fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    if text.len() != 2 * hash.len() {
        return None;
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(hash)
}
