//! Decides whether a request went as it should: what a provider served against what Farebox recorded.

use super::findings::Findings;
use super::lenient::Served;
use super::requests::Case;
use super::wire::{End, Received};
use super::world::{CHEAP_PICO, DEAR_SENT, HOMES, STRICT_PICO};
use farebox_core::base::money::PicoUsd;
use serde_json::Value;

/// What tokens of a model cost, in pico-dollars.
#[must_use]
pub fn cost(model: &str, (input, output): (u64, u64)) -> u64 {
    let times = if model == DEAR_SENT { 10 } else { 1 };
    times * (input * CHEAP_PICO.0 + output * CHEAP_PICO.1)
}

/// What a record says was charged, in pico-dollars.
#[must_use]
pub fn charged(record: &Value) -> u64 {
    record["cost_usd"].as_str().and_then(|text| PicoUsd::parse(text).ok()).map_or(0, |usd| usd.0)
}

/// Judges one case by its answer, its record and what the provider did.
pub fn judge(
    found: &mut Findings,
    case: &Case,
    received: &Received,
    record: Option<&Value>,
    served: &[Served],
) {
    let told = |text: &str| {
        let arrived: Vec<String> = served
            .iter()
            .map(|served| {
                format!(
                    "{} {}",
                    served.request.path,
                    String::from_utf8_lossy(&served.request.body).replace('\0', "")
                )
            })
            .collect();
        format!(
            "{} [{}] answer {} {:?}; arrived {arrived:?}; {text}",
            case.endpoint.name, case.what, received.status, received.end
        )
    };
    let mut wrong = |kind: &str, text: String| found.add(kind, case.number, &told(&text));
    if received.end == End::Silent {
        wrong("no answer", String::new());
    }
    let seen = format!("{:?}{}", received.headers, String::from_utf8_lossy(&received.body));
    if HOMES.iter().any(|home| seen.contains(&home.secret())) {
        wrong("a provider's secret in the answer", String::new());
    }
    for served in served {
        for trespass in &served.trespasses {
            let (kind, name) = trespass.split_once(": ").unwrap_or((trespass, ""));
            wrong(&format!("arrived: {kind}"), name.to_owned());
        }
    }
    let answered: Vec<_> = served.iter().filter(|served| served.counts.is_some()).collect();
    if answered.is_empty() {
        if let Some(record) = record.filter(|record| charged(record) > 0) {
            wrong("charged for nothing", record["cost_usd"].to_string());
        }
        return;
    }
    let Some(record) = record else {
        wrong("served without a record", String::new());
        return;
    };
    if answered.len() > 1 {
        wrong("served twice", String::new());
    }
    let sent = record["model_sent"].as_str().unwrap_or_default();
    let mut dearest = 0;
    for served in &answered {
        let counts = served.counts.unwrap_or_default();
        for model in &served.models {
            if case.limited && model == DEAR_SENT {
                wrong("a model that the key may not use", model.clone());
            } else if model != sent {
                wrong("another model than was charged", format!("{model} for {sent}"));
            }
            dearest = dearest.max(cost(model, counts));
        }
    }
    let charge = charged(record);
    if case.endpoint.free {
        return;
    }
    if charge < dearest {
        wrong("charged less than was served", format!("{charge} of {dearest}: {record}"));
    }
    if charge > dearest && record["usage_source"] == "provider" {
        wrong("charged more than was served", format!("{charge} of {dearest}: {record}"));
    }
    if case.strict && charge.max(dearest) > STRICT_PICO {
        wrong("a strict budget was overspent", format!("{} of {STRICT_PICO}: {record}", charge.max(dearest)));
    }
}
