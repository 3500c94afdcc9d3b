//! Decides how a reading is written in the tables, and what is charged for it.

use farebox_core::accounting::outcome::Outcome;
use farebox_core::accounting::settlement::{Bill, Charge};
use farebox_core::base::money::PicoUsd;
use farebox_core::base::tokens::Tokens;
use farebox_core::budget::estimate::Estimate;
use farebox_core::budget::ledger::Amounts;
use farebox_core::config::OnDisconnect;
use farebox_core::config::StatedCost;
use farebox_core::dialect::{Count, Reported};
use farebox_core::response::meter::Reading;
use serde_json::{Map, Value};

use crate::transcript::Transcript;

/// The charge for a reading, had it ended like this.
pub(crate) fn charge(
    transcript: &Transcript,
    reading: &Reading,
    outcome: Outcome,
    policy: OnDisconnect,
) -> Charge {
    let tokens = Tokens { input: 100, output: 1_000, ..Tokens::default() };
    let estimate = Estimate {
        tokens,
        amounts: Amounts { usd: PicoUsd(777), input: 1_000, output: 100, requests: 1 },
        covers: 100,
    };
    let endpoint = transcript.endpoint;
    let bill = Bill {
        estimate: &estimate,
        reading,
        price: None,
        step_price: &|_| None,
        tier_asked: None,
        stated: StatedCost::Compare,
        policy,
        endpoint,
        streamed: true,
        unread_bytes: 0,
        lately: None,
        output_bound: None,
        plausible_tokens: u64::MAX,
    };
    bill.charge(outcome)
}

/// Whether it is counted in other units than tokens.
pub(crate) fn is_by_the_piece(reading: &Reading) -> bool {
    reading.reported.get(Count::SearchUnits).is_some()
}

/// What a reading says, in the words of the tables: what is zero or absent is left out.
pub(crate) fn summary(transcript: &Transcript, reading: &Reading) -> Map<String, Value> {
    let mut summary = buckets(&reading.reported);
    let text = |text: Option<&str>| text.map_or(Value::Null, Value::from);
    let charge = charge(transcript, reading, transcript.outcome, OnDisconnect::BillSeen);
    let source = Some(charge.source.name()).filter(|name| *name != "provider");
    let steps = reading.steps.iter().map(|step| {
        let mut written = buckets(&step.reported);
        written.extend(step.model.as_ref().map(|model| ("model".to_owned(), Value::from(model.as_str()))));
        Value::Object(written)
    });
    let steps: Vec<Value> = steps.collect();
    let members = [
        ("model", text(reading.model.as_ref().map(|model| model.as_str()))),
        ("service_tier", text(reading.service_tier.as_ref().map(|tier| tier.as_str()))),
        ("cost", reading.stated_cost.map_or(Value::Null, |cost| cost.to_string().into())),
        ("fast", if reading.fast { true.into() } else { Value::Null }),
        ("error", if reading.error { true.into() } else { Value::Null }),
        ("unreadable", count(reading.unreadable)),
        ("source", text(source)),
        ("steps", if steps.is_empty() { Value::Null } else { steps.into() }),
    ];
    summary.extend(members.map(|(name, value)| (name.to_owned(), value)));
    summary.retain(|_, value| !value.is_null());
    summary
}

fn buckets(reported: &Reported) -> Map<String, Value> {
    let tokens = reported.tokens();
    let of = |kind| reported.get(kind).unwrap_or(0);
    let counts = [
        ("input", tokens.input),
        ("cache_read", tokens.cache_read),
        ("cache_write", tokens.cache_write),
        ("cache_write_long", tokens.cache_write_long),
        ("input_audio", tokens.input_audio),
        ("cache_read_audio", tokens.cache_read_audio),
        ("input_image", tokens.input_image),
        ("cache_read_image", tokens.cache_read_image),
        ("output", tokens.output),
        ("reasoning", tokens.reasoning),
        ("output_audio", tokens.output_audio),
        ("output_image", tokens.output_image),
        ("web_searches", reported.usage().web_searches),
        ("file_searches", of(Count::FileSearches)),
        ("search_units", of(Count::SearchUnits)),
        ("audio_seconds", of(Count::AudioSeconds)),
    ];
    counts
        .map(|(name, value)| (name.to_owned(), count(value)))
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .collect()
}

fn count(count: u64) -> Value {
    if count == 0 { Value::Null } else { count.into() }
}
