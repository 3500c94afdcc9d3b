//! Decides which pages in browsers may ask.

use super::cursor::Cursor;
use super::syntax::ORIGIN;
use crate::config::Cors;

/// How long a browser need not ask again, in seconds, if nobody says so.
const MAX_AGE_SECONDS: u64 = 600;
/// The longest that browsers take: a day.
const LONGEST_SECONDS: u64 = 86_400;

/// Which pages may ask.
pub(super) fn read(at: &Cursor<'_>) -> Option<Cors> {
    let fields = at.fields(&["origins", "credentials", "max_age_seconds"])?;
    let list = fields.need("origins")?;
    let items = list.items()?;
    if items.is_empty() {
        list.fail("must name at least one origin");
    }
    let credentials = fields.get("credentials").and_then(|at| at.flag()).unwrap_or(false);
    let mut any = false;
    let mut origins: Vec<Box<str>> = Vec::new();
    for item in &items {
        match item.text_as(ORIGIN) {
            Some("*") if credentials => item.fail("cannot be allowed with credentials: name the origins"),
            Some("*") => any = true,
            Some(origin) => origins.push(origin.into()),
            None => {}
        }
    }
    let max_age = fields.get("max_age_seconds").and_then(|at| at.count(0..=LONGEST_SECONDS));
    Some(Cors {
        origins: (!any).then_some(origins),
        credentials,
        max_age_seconds: max_age.unwrap_or(MAX_AGE_SECONDS),
    })
}
