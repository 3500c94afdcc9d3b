//! Decides how an exchange with the ledger is written and read: an item for each component, an answer for each item.
//!
//! ```text
//! ## EVALSHA <sha> <1+n> <mark> <account>*n  "<revision> <epoch> <grace> <recall>"  <item>*n
//! ## item    id sequence answered flags from till tail  L5  C4  N4  U4 m  [name stamp most]  k X4*k  [V4 A4]
//! ## reply   [now, revision, grace left, answer*n]
//! ## answer  "status more tight G4 S4 H4"
//! ```
//!
//! A reply that is cut has as many answers as are whole.

use core::fmt::Write as _;

use super::failure::{Failure, failure};
use super::settings::Access;
use super::{Units, script};
use crate::budget::ledger::Limits;
use crate::resp::{Replies, Value};

/// What all items of an exchange share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The ledger's revision when it last answered.
    pub revision: u64,
    /// Milliseconds of an epoch.
    pub epoch_ms: u64,
    /// Milliseconds of a grace.
    pub grace_ms: u64,
    /// Milliseconds that others may keep what they have to spare.
    pub recall_ms: u64,
}

/// What is said of one component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The key of the account.
    pub key: String,
    /// The component: `<instance>.<number>`.
    pub id: String,
    /// Which of its pushes this is.
    pub sequence: u64,
    /// The last one that was answered.
    pub answered: u64,
    /// What is allotted to who falls silent is free again; else it is charged.
    pub forgives: bool,
    /// When the window begins, in milliseconds.
    pub from: u64,
    /// When it ends; 0: never.
    pub till: u64,
    /// How long the account is kept after that; 0: for ever.
    pub tail: u64,
    /// The limits.
    pub limits: Limits,
    /// What was charged so far.
    pub charged: Units,
    /// What running requests need beyond that.
    pub need: Units,
    /// What one request to spare for holds.
    pub unit: Units,
    /// For how many of these there should be room.
    pub wish: u64,
    /// How many accounts may be made.
    pub bound: Option<Bound>,
    /// What waiting requests ask, in order.
    pub asks: Vec<Units>,
    /// The spent sum that was last seen, and what of the own sum was in it: said after a loss.
    pub seed: Option<(Units, Units)>,
}

/// How many accounts somebody may make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Who, without a space.
    pub name: String,
    /// In which window.
    pub stamp: u64,
    /// How many.
    pub most: u64,
}

/// What became of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It was applied.
    Done,
    /// It was applied before.
    Repeated,
    /// A later one was applied before.
    Stale,
    /// The ledger knows less than it has acknowledged; nothing was applied.
    Lost,
    /// What is stored under the key is not an account.
    NotAnAccount,
    /// There are as many accounts as may be made.
    TooMany,
}

/// What became of the asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum More {
    /// All are granted.
    All,
    /// Some are refused.
    Refused,
    /// Some may be granted at the next tick.
    Later,
    /// The window is not the present one by the ledger's clock.
    NotInWindow,
}

/// What is answered to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What became of it.
    pub status: Status,
    /// What became of its asks.
    pub more: More,
    /// There is not enough left for everybody to have some to spare.
    pub tight: bool,
    /// What the component may use beyond its sum.
    pub granted: Units,
    /// What everybody has spent.
    pub spent: Units,
    /// What everybody is allotted.
    pub allotted: Units,
}

/// What an answer says of the ledger itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyHead {
    /// Its clock, in milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// Its revision.
    pub revision: u64,
    /// For how many milliseconds it grants nothing.
    pub grace_left_ms: u64,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchanged {
    /// What it says of the ledger itself.
    pub head: ReplyHead,
    /// The answers to the first items; fewer than items if it was cut.
    pub answers: Vec<Answer>,
}

/// The bytes of an exchange. `loads`: with the script's text.
#[must_use]
pub fn request(access: &Access, header: &Header, mark: &str, items: &[Item], loads: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 + items.len() * 320);
    access.push_to(&mut out);
    if loads {
        script::push_load(&mut out);
    }
    let Header { revision, epoch_ms, grace_ms, recall_ms } = header;
    let own = format!("{revision} {epoch_ms} {grace_ms} {recall_ms}");
    let texts: Vec<String> = items.iter().map(Item::text).collect();
    let keys: Vec<&[u8]> =
        core::iter::once(mark.as_bytes()).chain(items.iter().map(|item| item.key.as_bytes())).collect();
    let args: Vec<&[u8]> =
        core::iter::once(own.as_bytes()).chain(texts.iter().map(|text| text.as_bytes())).collect();
    script::push_call(&mut out, &keys, &args);
    out
}

impl Item {
    fn text(&self) -> String {
        let mut text = String::with_capacity(256);
        text.push_str(&self.id);
        push_numbers(&mut text, &[self.sequence, self.answered]);
        text.push_str(if self.forgives { " f" } else { " c" });
        if self.seed.is_some() {
            text.push('s');
        }
        if self.bound.is_some() {
            text.push('k');
        }
        push_numbers(&mut text, &[self.from, self.till, self.tail]);
        let Limits { usd, tokens, input_tokens, output_tokens, requests, .. } = self.limits;
        for limit in [usd.map(|usd| usd.0 / 1_000), tokens, input_tokens, output_tokens, requests] {
            match limit {
                Some(limit) => push_numbers(&mut text, &[limit.min(Units::MOST)]),
                None => text.push_str(" -"),
            }
        }
        for units in [self.charged, self.need, self.unit] {
            push_numbers(&mut text, &units.numbers());
        }
        push_numbers(&mut text, &[self.wish]);
        if let Some(Bound { name, stamp, most }) = &self.bound {
            // Writing into a text does not fail.
            let _ = write!(text, " {name} {stamp} {most}");
        }
        push_numbers(&mut text, &[self.asks.len() as u64]);
        self.asks.iter().for_each(|ask| push_numbers(&mut text, &ask.numbers()));
        if let Some((seen, own)) = self.seed {
            push_numbers(&mut text, &seen.numbers());
            push_numbers(&mut text, &own.numbers());
        }
        text
    }
}

fn push_numbers(text: &mut String, numbers: &[u64]) {
    let mut buffer = itoa::Buffer::new();
    for &number in numbers {
        text.push(' ');
        text.push_str(buffer.format(number));
    }
}

/// Reads what came back.
///
/// # Errors
/// [`Failure`].
pub fn reply(bytes: &[u8]) -> Result<Exchanged, Failure> {
    let mut loaded = false;
    for value in Replies::of(bytes) {
        match value {
            // Of AUTH and SELECT; of SCRIPT LOAD its hash.
            Value::Text(text) => loaded |= text == script::SHA.as_bytes(),
            Value::Array(values) => return exchanged(&values),
            Value::Error(error) => return Err(failure(error, loaded)),
            Value::Number(_) | Value::Null => break,
        }
    }
    Err(Failure::Unknown(String::new()))
}

fn exchanged(values: &[Value<'_>]) -> Result<Exchanged, Failure> {
    let number = |at: usize| match values.get(at) {
        Some(Value::Number(number)) => u64::try_from(*number).ok(),
        _ => None,
    };
    let (Some(now_ms), Some(revision), Some(grace_left_ms)) = (number(0), number(1), number(2)) else {
        return Err(Failure::Unknown(String::new()));
    };
    let texts = values.iter().skip(3).map_while(|value| match value {
        Value::Text(text) => answer(text),
        _ => None,
    });
    Ok(Exchanged { head: ReplyHead { now_ms, revision, grace_left_ms }, answers: texts.collect() })
}

fn answer(text: &[u8]) -> Option<Answer> {
    let mut numbers = core::str::from_utf8(text).ok()?.split(' ').map(|word| word.parse::<u64>().ok());
    let mut next = || numbers.next().flatten();
    let status = match next()? {
        0 => Status::Done,
        1 => Status::Repeated,
        2 => Status::Stale,
        3 => Status::Lost,
        5 => Status::NotAnAccount,
        6 => Status::TooMany,
        _ => return None,
    };
    let more = match next()? {
        0 => More::All,
        1 => More::Refused,
        2 => More::Later,
        3 => More::NotInWindow,
        _ => return None,
    };
    let tight = next()? > 0;
    let mut units = || Some(Units::of([next()?, next()?, next()?, next()?]));
    let none = Units::default();
    let (granted, spent, allotted) = match status {
        // These say no more.
        Status::NotAnAccount | Status::TooMany => (none, none, none),
        _ => (units()?, units()?, units()?),
    };
    Some(Answer { status, more, tight, granted, spent, allotted })
}

#[cfg(test)]
mod tests;
