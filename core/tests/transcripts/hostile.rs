//! Nothing a provider writes makes the meter panic, believe a decoy, or charge nothing without saying so.

use farebox_core::accounting::outcome::Outcome;
use farebox_core::accounting::settlement::UsageSource;
use farebox_core::config::OnDisconnect;
use farebox_core::response::meter::Reading;

use crate::transcript::Transcript;
use crate::{billing, check, pass};

/// What stands in place of a number.
const NOT_COUNTS: [&str; 16] = [
    "-1",
    "-0",
    "1e400",
    "1e-400",
    "-1e400",
    "99999999999999999999",
    "18446744073709551615",
    "18446744073709551616",
    "3.7",
    "1e3",
    "null",
    "true",
    "\"36\"",
    "\"\"",
    "[]",
    "{\"tokens\":7}",
];

/// Members that mean something elsewhere and nothing in a place where nobody looks for them.
const DECOY: &str = "\"x_decoy\":[{\"usage\":{\"prompt_tokens\":999999,\"completion_tokens\":999999,\"input_tokens\":999999,\
\"output_tokens\":999999,\"inputTokens\":999999,\"total_tokens\":9999999},\"usageMetadata\":{\"promptTokenCount\":999999},\
\"model\":\"decoy\",\"error\":{\"message\":\"decoy\"},\"billed_units\":{\"input_tokens\":999999},\"eval_count\":999999,\
\"iterations\":[{\"input_tokens\":999999}],\"choices\":[],\"text\":\"decoy\",\"delta\":\"decoy\",\"content\":\"decoy\"}]";

/// `null` for everything that could be usage: it says nothing.
const NULLS: &str = "\"usage\":null,\"usageMetadata\":null,\"x_groq\":null,\"prompt_tokens\":null,\"input_tokens\":null,\
\"output_tokens\":null,\"inputTokens\":null,\"promptTokenCount\":null,\"eval_count\":null,\"billed_units\":null,\
\"error\":null,\"model\":null,\"service_tier\":null,\"iterations\":null,\"cost\":null";

/// Where the numbers of a text stand that are members of an object, and where its objects open.
fn places(text: &[u8]) -> (Vec<std::ops::Range<usize>>, Vec<usize>) {
    let (mut numbers, mut braces) = (Vec::new(), Vec::new());
    let (mut in_string, mut escaped, mut at) = (false, false, 0);
    while at < text.len() {
        let byte = text[at];
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'\n' | b'\r' => in_string = false,
            b'{' if !in_string => braces.push(at),
            b':' if !in_string => {
                let start = at + 1 + text[at + 1..].iter().take_while(|&&byte| byte == b' ').count();
                let length = text[start..].iter().take_while(|byte| b"0123456789.e+-".contains(byte)).count();
                if length > 0 {
                    numbers.push(start..start + length);
                }
            }
            _ => {}
        }
        at += 1;
    }
    (numbers, braces)
}

fn replaced(text: &[u8], at: std::ops::Range<usize>, with: &str) -> Vec<u8> {
    [&text[..at.start], with.as_bytes(), &text[at.end..]].concat()
}

/// The text with members put at the beginning of the object that opens at `brace`.
fn inserted(text: &[u8], brace: usize, members: &str) -> Vec<u8> {
    let empty = text[brace + 1..].trim_ascii_start().starts_with(b"}");
    replaced(text, brace + 1..brace + 1, &format!("{members}{}", if empty { "" } else { "," }))
}

/// What must be true of every answer, whatever it says.
fn is_charged_or_says_why(transcript: &Transcript) -> Result<(), String> {
    let (meter, seen) = pass(transcript, false, &[&transcript.body]);
    if seen != transcript.body {
        return Err("other bytes went out".into());
    }
    let reading = meter.reading();
    for outcome in [Outcome::Answered, Outcome::UpstreamReset, Outcome::ClientDisconnect, Outcome::Refused] {
        let charge = billing::charge(transcript, reading, outcome, OnDisconnect::BillSeen);
        if charge.tokens.total() == 0
            && charge.source != UsageSource::None
            && !billing::is_by_the_piece(reading)
        {
            return Err(format!("{outcome:?}: nothing is charged, by {:?}: {reading:?}", charge.source));
        }
        if charge.source == UsageSource::None
            && transcript.endpoint.is_charged()
            && outcome != Outcome::Refused
        {
            return Err(format!("{outcome:?}: is free"));
        }
    }
    Ok(())
}

#[test]
fn no_number_makes_an_answer_free_or_the_meter_panic() {
    check(|transcript| {
        for at in places(&transcript.text).0 {
            for number in NOT_COUNTS {
                let hostile = transcript.with_text(&replaced(&transcript.text, at.clone(), number));
                is_charged_or_says_why(&hostile)
                    .map_err(|error| format!("{number} at {}: {error}", at.start))?;
            }
        }
        Ok(())
    });
}

#[test]
fn no_set_of_equal_numbers_makes_an_answer_free_or_the_meter_panic() {
    check(|transcript| {
        for number in NOT_COUNTS.into_iter().chain(["0"]) {
            let places = places(&transcript.text).0.into_iter().rev();
            let text = places.fold(transcript.text.clone(), |text, at| replaced(&text, at, number));
            is_charged_or_says_why(&transcript.with_text(&text))
                .map_err(|error| format!("{number}: {error}"))?;
        }
        Ok(())
    });
}

#[test]
fn an_unknown_member_changes_nothing_wherever_it_stands() {
    unchanged_by(DECOY);
}

#[test]
fn a_null_says_nothing_wherever_it_stands() {
    unchanged_by(NULLS);
}

fn unchanged_by(members: &str) {
    check(|transcript| {
        let whole = pass(transcript, false, &[&transcript.body]).0;
        for brace in places(&transcript.text).1 {
            let other = transcript.with_text(&inserted(&transcript.text, brace, members));
            let (meter, _) = pass(&other, false, &[&other.body]);
            let (read, whole) = (meter.reading(), whole.reading());
            // Where a model's own words stand, more of them counts as more of them.
            let more = Reading { deltas: read.deltas, text_bytes: read.text_bytes, ..whole.clone() };
            if *read != more || read.text_bytes < whole.text_bytes {
                return Err(format!("at {brace}: {read:?}\n  whole: {whole:?}"));
            }
        }
        Ok(())
    });
}

#[test]
fn a_missing_usage_is_estimated_and_says_so() {
    check(|transcript| {
        let renamed = [
            "usage",
            "usageMetadata",
            "billed_units",
            "timings",
            "eval_count",
            "prompt_eval_count",
            "amazon-bedrock-invocationMetrics",
            "meta",
            "statistics",
        ]
        .iter()
        .fold(transcript.text.clone(), |text, name| {
            let from = format!("\"{name}\":");
            String::from_utf8_lossy(&text).replace(&from, "\"gone\":").into_bytes()
        });
        let hostile = transcript.with_text(&renamed);
        is_charged_or_says_why(&hostile)?;
        let (meter, _) = pass(&hostile, false, &[&hostile.body]);
        let charge = billing::charge(&hostile, meter.reading(), Outcome::Answered, OnDisconnect::BillSeen);
        let headers_say_it = hostile.head.first("x-amzn-bedrock-input-token-count").is_some();
        match charge.source {
            UsageSource::Provider if !headers_say_it => Err("the provider is said to have counted".into()),
            _ => Ok(()),
        }
    });
}
