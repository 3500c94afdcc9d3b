//! Decides what the values that were found in an answer mean for its reading.

use core::ops::Range;

use super::marks::Marks;
use super::number::{begun, dollars};
use super::prefix::Prefix;
use super::searches::{Items, Queries};
use crate::base::money::PicoUsd;
use crate::base::text::Label;
use crate::base::tokens::BYTES_PER_TOKEN;
use crate::dialect::event_kind::{EMPTY_EVENTS, ERROR_EVENT, LAST_EVENTS, completes};
use crate::dialect::{Count, Field, Reported, Side};
use crate::json::{Sink, Value, count};

/// Steps of one answer that are kept.
const MAX_STEPS: usize = 64;
const PICO_USD_PER_TICK: u64 = 100; // xAI's unit: 1e-10 US dollars

/// What is known of an answer so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// What the provider reported.
    pub reported: Reported,
    /// The steps it lists, if it does: what is charged then.
    pub steps: Vec<Step>,
    /// The model that answered.
    pub model: Option<Label>,
    /// The tier of service that was given.
    pub service_tier: Option<Label>,
    /// Whether it was made at a speed that costs more.
    pub fast: bool,
    /// Whether it was made in the United States because somebody asked for that, which costs more.
    pub in_us: bool,
    /// What the provider says that it charges.
    pub stated_cost: Option<PicoUsd>,
    /// The answer, or an event of it, was an error.
    pub error: bool,
    /// What the provider searched for.
    pub queries: Queries,
    /// Something that the model made has come, text or not.
    pub begun: bool,
    /// All that the model wants to say has come, whether or not what it used has.
    pub finished: bool,
    /// Pieces of text, which at many providers are one token each.
    pub deltas: u64,
    /// Bytes of text the model wrote.
    pub text_bytes: u64,
    /// Documents or events that could not be read.
    pub unreadable: u64,
}

impl Reading {
    /// Output tokens that the answer has used, as far as can be seen while it runs. Most providers report them
    /// only at its end, so what was seen counts as well, whichever is most.
    #[must_use]
    pub fn output_so_far(&self) -> u64 {
        self.reported.total_output().max(self.text_so_far())
    }

    /// The same from the text alone, whatever was reported.
    #[must_use]
    pub fn text_so_far(&self) -> u64 {
        self.deltas.max(self.text_bytes.div_ceil(BYTES_PER_TOKEN))
    }
}

/// One step of an answer, at a model of its own or at the answer's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// The model, if it is another one.
    pub model: Option<Label>,
    /// What it used.
    pub reported: Reported,
}

/// Most bytes of a text in a place that no table knows that count: it may be anything.
const UNKNOWN_BYTES: u64 = 4_096;

/// What one document or event said about itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Event {
    pub(super) usage: bool,
    pub(super) no_choices: bool,
    pub(super) error: bool,
    pub(super) failed: bool,
    /// It says that it is the last of its stream.
    pub(super) last: bool,
    /// The first bytes of its data, to know the end marker.
    pub(super) prefix: Prefix,
    /// It said something besides counted text that the reading did not have: said again, after whatever came in
    /// between, it might be news again.
    pub(super) news: bool,
    /// The texts in it that were looked for.
    pub(super) marks: Marks,
    /// What a report says that has not ended. It counts whole or not at all: a part of one next to a part of the one
    /// before would be a report that nobody made.
    counts: Vec<(Count, u64)>,
    stated_cost: Option<PicoUsd>,
    step: Step,
    steps: Vec<Step>,
    steps_ended: bool,
    kind: Kind,
    kind_count: Option<u64>,
    items: Items,
    queries: Queries,
}

impl Event {
    /// Whether all it said was counted text, and what the reading had already.
    pub(super) fn is_only_text(&self) -> bool {
        !self.news && !self.failed && !self.last && !self.prefix.is_empty()
    }
}

/// What an entry of a list is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    Audio,
    Image,
    Long,
    #[default]
    Other,
}

/// Takes what the scanner finds into the reading.
pub(super) struct Collect<'a> {
    pub(super) reading: &'a mut Reading,
    pub(super) event: &'a mut Event,
}

impl Collect<'_> {
    /// The document has ended, `complete` or not. Its items are known only now: one answer's count replaces the last
    /// one's.
    pub(super) fn end(&mut self, complete: bool) {
        if !complete {
            return;
        }
        self.report();
        for (kind, count) in self.event.items.counts() {
            if count > 0 {
                self.reading.reported.set(kind, count);
            }
        }
    }

    /// A report has ended: it counts.
    fn report(&mut self) {
        for (kind, count) in self.event.counts.drain(..) {
            self.reading.reported.set(kind, count);
        }
        if self.event.queries.count() > 0 {
            self.reading.queries.take(&mut self.event.queries);
            self.reading.reported.set(Count::SearchItems, self.reading.queries.count());
        }
        self.reading.stated_cost = self.event.stated_cost.take().or(self.reading.stated_cost);
        if core::mem::take(&mut self.event.steps_ended) {
            self.reading.steps = core::mem::take(&mut self.event.steps);
        }
    }

    fn number(&mut self, field: Field, number: &[u8]) {
        if matches!(field, Field::Content | Field::NoContent | Field::Media) {
            return;
        }
        self.event.news = true;
        match field {
            Field::ErrorNumber if count(number) != Some(0) => self.error(),
            Field::Cost => self.event.stated_cost = dollars(number).or(self.event.stated_cost),
            Field::CostTicks => {
                let stated = count(number).map(|ticks| PicoUsd(ticks.saturating_mul(PICO_USD_PER_TICK)));
                self.event.stated_cost = stated.or(self.event.stated_cost);
            }
            Field::Count(Count::AudioSeconds) => {
                self.event.counts.extend(begun(number).map(|seconds| (Count::AudioSeconds, seconds)));
            }
            Field::Count(kind) => self.event.counts.extend(count(number).map(|count| (kind, count))),
            Field::EachCount(kind) => {
                let more = count(number).unwrap_or(0);
                match self.event.counts.iter_mut().find(|(known, _)| *known == kind) {
                    Some((_, sum)) => *sum = sum.saturating_add(more),
                    None => self.event.counts.push((kind, more)),
                }
            }
            Field::StepCount(kind) => {
                if let Some(count) = count(number) {
                    self.event.step.reported.set(kind, count);
                }
            }
            Field::KindCount => self.event.kind_count = count(number),
            _ => {}
        }
    }

    /// A string that is looked for.
    pub(super) fn text(&mut self, field: Field, raw: &[u8], length: u64) {
        let label = || Label::from_json(raw);
        match field {
            Field::Delta if length > 0 => {
                self.reading.deltas += 1;
                self.reading.text_bytes += length;
            }
            Field::Content if length > 0 => {
                self.event.news = true;
                self.reading.deltas += 1;
                self.reading.text_bytes += length.min(UNKNOWN_BYTES);
            }
            Field::Media if length > 0 => {
                self.event.news = true;
                self.reading.begun = true;
            }
            Field::Finish if length > 0 => {
                self.event.news = true;
                self.reading.finished = true;
            }
            // Every event of a stream says these, and nearly always the same.
            Field::Model if length > 0 && !is(&self.reading.model, raw) => {
                self.event.news = true;
                self.reading.model = label().or(self.reading.model.take());
            }
            Field::ServiceTier if !is(&self.reading.service_tier, raw) => {
                self.event.news = true;
                self.reading.service_tier = label().or(self.reading.service_tier.take());
            }
            Field::Speed => {
                self.event.news = true;
                self.reading.fast = matches!(raw, b"fast" | b"optimized");
            }
            Field::Geo => {
                self.event.news = true;
                self.reading.in_us = raw == b"us";
            }
            Field::StepModel => {
                self.event.news = true;
                self.event.step.model = label();
            }
            Field::Kind => {
                self.event.news = true;
                self.event.kind = match raw {
                    b"AUDIO" => Kind::Audio,
                    b"IMAGE" => Kind::Image,
                    b"1h" => Kind::Long,
                    _ => Kind::Other,
                };
            }
            Field::EventKind => {
                if raw == ERROR_EVENT {
                    self.error();
                }
                self.event.last = LAST_EVENTS.contains(&raw);
                self.reading.begun |= !self.event.last && !EMPTY_EVENTS.contains(&raw);
                self.reading.finished |= completes(raw);
            }
            Field::Item => {
                self.event.news = true;
                self.event.items.kind(raw);
            }
            Field::ItemAction => self.event.items.action(raw),
            Field::SearchQuery if length > 0 => {
                self.event.news = true;
                self.event.queries.note(raw, length);
            }
            Field::Error if length > 0 => self.error(),
            _ => {}
        }
    }

    fn ended(&mut self, field: Field) {
        if matches!(field, Field::Content | Field::NoContent | Field::Media | Field::Finish) {
            return;
        }
        self.event.news = true;
        match field {
            Field::Usage => {
                self.event.usage = true;
                self.report();
            }
            Field::Error => self.error(),
            Field::ItemEnd => self.event.items.end(),
            Field::Delta => self.reading.deltas += 1,
            Field::Step => {
                let step = core::mem::take(&mut self.event.step);
                if self.event.steps.len() < MAX_STEPS {
                    self.event.steps.push(step);
                }
            }
            Field::Modality(_) | Field::Lifetime => {
                let kind = core::mem::take(&mut self.event.kind);
                let counted = match (field, kind) {
                    (Field::Modality(Side::Input), Kind::Audio) => Some(Count::InputAudio),
                    (Field::Modality(Side::Input), Kind::Image) => Some(Count::InputImage),
                    (Field::Modality(Side::Cache), Kind::Audio) => Some(Count::CacheReadAudio),
                    (Field::Modality(Side::Cache), Kind::Image) => Some(Count::CacheReadImage),
                    (Field::Modality(Side::Output), Kind::Audio) => Some(Count::OutputAudio),
                    (Field::Modality(Side::Output), Kind::Image) => Some(Count::OutputImage),
                    (Field::Lifetime, Kind::Long) => Some(Count::CacheWriteLong),
                    _ => None,
                };
                self.event.counts.extend(counted.zip(self.event.kind_count.take()));
            }
            _ => {}
        }
    }

    fn error(&mut self) {
        self.event.news = true;
        self.event.error = true;
        self.reading.error = true;
    }
}

impl Sink<Field> for Collect<'_> {
    fn value(&mut self, field: Field, value: Value<'_>, span: Range<u64>) {
        match (field, value) {
            (_, Value::Number(number)) => self.number(field, number),
            // Nobody looks at what it says, so it may be another one in the next event.
            (Field::NoContent, Value::Text { .. }) => {}
            (_, Value::Text { raw, length }) => {
                self.event.marks.push(&span, field == Field::Delta);
                self.text(field, raw, length);
            }
            (Field::Last, Value::Bool(true)) => {
                self.event.news = true;
                self.event.last = true;
            }
            (Field::Choices, Value::Array { empty }) => self.event.no_choices = empty,
            (Field::Steps, Value::Array { .. }) => {
                self.event.news = true;
                self.event.steps_ended = true;
            }
            (_, Value::Object | Value::Array { empty: false }) => self.ended(field),
            (_, Value::Array { empty: true } | Value::Bool(_) | Value::Null) => {}
        }
    }
}

/// Whether a label was made of just these bytes. It has none that would be written with an escape, other than
/// the two that have to be.
fn is(label: &Option<Label>, raw: &[u8]) -> bool {
    label.as_ref().is_some_and(|label| label.as_str().as_bytes() == raw)
        && memchr::memchr(b'\\', raw).is_none()
}
