//! `docs/dialects.md` says what is in the tables and names every transcript, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use farebox_core::dialect::{Count, Field, Served, Side, bedrock, headers};

use crate::transcript;

const DOCUMENT: &str = include_str!("../../../docs/dialects.md");

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The cells of the rows that name transcripts: who, paths, what to know, transcripts.
fn rows() -> Vec<[&'static str; 4]> {
    let lines = DOCUMENT.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Who "));
    lines
        .filter_map(|line| {
            line.trim_matches('|').split(" | ").map(str::trim).collect::<Vec<_>>().try_into().ok()
        })
        .collect()
}

#[test]
fn every_transcript_is_in_one_row_of_the_document_beside_the_path_that_it_answers() {
    let mut unnamed: BTreeMap<&str, &transcript::Transcript> =
        transcript::all().iter().map(|transcript| (transcript.name.as_str(), transcript)).collect();
    for [who, paths, _, transcripts] in rows() {
        let served: Vec<_> =
            quoted(paths).map(|path| (path, Served::at(path).map(|served| served.endpoint))).collect();
        for (path, endpoint) in &served {
            assert!(endpoint.is_some(), "{who}: {path} is no endpoint");
        }
        let mut answered = BTreeSet::new();
        for name in quoted(transcripts) {
            let found = unnamed
                .remove(name)
                .unwrap_or_else(|| panic!("{who}: {name} is no transcript, or named twice"));
            assert!(
                served.iter().any(|(_, endpoint)| *endpoint == Some(found.endpoint)),
                "{who}: {name} answers {}",
                found.path
            );
            answered.insert(found.endpoint.name());
        }
        for (path, endpoint) in served {
            assert!(
                endpoint.is_some_and(|endpoint| answered.contains(endpoint.name())),
                "{who}: {path} has no transcript"
            );
        }
    }
    assert!(unnamed.is_empty(), "not in docs/dialects.md: {:?}", unnamed.keys());
}

/// What a value says, in the document's words; texts are not listed.
fn meaning(field: Field) -> Option<&'static str> {
    Some(match field {
        Field::EachCount(Count::InputWithCache) => "input, caches included, each",
        Field::EachCount(_) => return None,
        Field::Count(count) | Field::StepCount(count) => match count {
            Count::InputWithCache => "input, caches included",
            Count::InputFresh => "input, caches excluded",
            Count::InputBesides => "input on top",
            Count::InputImageBesides => "image input on top",
            Count::CacheRead => "cache read",
            Count::CacheWrite => "cache write, long ones included",
            Count::CacheWriteLong => "cache write, long",
            Count::InputAudio => "audio input",
            Count::InputImage => "image input",
            Count::CacheReadAudio => "cache read of audio",
            Count::CacheReadImage => "cache read of images",
            Count::Output => "output, reasoning included",
            Count::OutputVisible => "output, reasoning excluded",
            Count::Reasoning => "reasoning within the output",
            Count::ReasoningBesides => "reasoning on top",
            Count::OutputAudio => "audio output",
            Count::OutputImage => "image output",
            Count::Total => "total",
            Count::TimedPrompt => "input, if nothing else says it",
            Count::TimedCache => "cache read, if nothing else says it",
            Count::TimedOutput => "output, if nothing else says it",
            Count::WebSearches => "web searches",
            Count::SearchItems => "web searches, by item",
            Count::SocialSearches => "searches of X",
            Count::FileSearches => "file searches",
            Count::SearchUnits => "search units",
            Count::AudioSeconds => "seconds of audio",
        },
        Field::StepModel => "model of a step",
        Field::Modality(Side::Input) => "modalities of the input",
        Field::Modality(Side::Cache) => "modalities of the cache read",
        Field::Modality(Side::Output) => "modalities of the output",
        Field::Lifetime => "lifetimes of the cache write",
        Field::SearchQuery => "what was searched for: each once",
        Field::Item => "searches, by kind of item",
        Field::ItemAction => "searches, by what the item did",
        Field::Model => "model",
        Field::ServiceTier => "service tier",
        Field::Speed => "speed",
        Field::Geo => "place",
        Field::Cost => "stated cost",
        Field::CostTicks => "stated cost, in 1e-10 USD",
        Field::Error | Field::ErrorNumber => "error",
        Field::EventKind
        | Field::StepKind
        | Field::Step
        | Field::Steps
        | Field::Kind
        | Field::KindCount
        | Field::Usage
        | Field::Choices
        | Field::Delta
        | Field::Content
        | Field::Media
        | Field::NoContent
        | Field::Finish
        | Field::ItemEnd
        | Field::Last => return None,
    })
}

/// Below these members a stream, or Groq, or a proxy, says the same again.
const ENVELOPES: [&str; 7] = ["x_groq", "response", "message", "delta", "data", "result", "choices[]"];

/// The table of what is read from where in the answers of `path`.
fn table(path: &str) -> String {
    let mut read: Vec<(&str, Vec<String>)> = Vec::new();
    let mut envelopes = BTreeSet::new();
    for (place, field) in Served::at(path).unwrap().endpoint.answer().places() {
        // Elements of a streamed array are like whole answers.
        let Some(meaning) = meaning(field).filter(|_| !place.starts_with("[]")) else { continue };
        let inside =
            ENVELOPES.iter().find_map(|name| Some((name, place.strip_prefix(name)?.strip_prefix('.')?)));
        envelopes.extend(inside.map(|(name, _)| format!(", also below `{name}`")));
        let place = format!("`{}`", inside.map_or(place.as_str(), |(_, place)| place));
        match read.iter_mut().find(|(known, _)| *known == meaning) {
            Some((_, places)) if places.contains(&place) => {}
            Some((_, places)) => places.push(place),
            None => read.push((meaning, vec![place])),
        }
    }
    let rows = read.iter().map(|(meaning, places)| format!("| {meaning} | {} |\n", places.join(", ")));
    let envelopes = envelopes.into_iter().collect::<String>();
    format!("| Says | Member{envelopes} |\n|---|---|\n{}", rows.collect::<String>())
}

#[test]
fn the_document_lists_every_member_that_is_read() {
    for path in [
        "/v1/chat/completions",
        "/v1/responses",
        "/v1/images/generations",
        "/v1/rerank",
        "/v1/messages",
        "/v1beta/models/m:generateContent",
        "/v1/publishers/google/models/m:predict",
        "/model/m/converse",
        "/v2/chat",
        "/api/chat",
    ] {
        let table = table(path);
        assert!(DOCUMENT.contains(&table), "docs/dialects.md lacks the table of {path}:\n\n{table}");
    }
    for (header, _) in bedrock::HEADERS {
        assert!(DOCUMENT.contains(&format!("`{header}`")), "docs/dialects.md lacks the header {header}");
    }
    for (header, _) in headers::SERVED {
        assert!(DOCUMENT.contains(&format!("`{header}`")), "docs/dialects.md lacks the header {header}");
    }
}
