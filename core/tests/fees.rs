//! What whole answers cost at the providers of the presets: tiers, fees and stated costs included.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on should stop")]

use farebox_core::accounting::outcome::Outcome;
use farebox_core::accounting::settlement::Bill;
use farebox_core::base::headers::RequestHead;
use farebox_core::base::money::PicoUsd;
use farebox_core::base::tokens::Tokens;
use farebox_core::base::window::Millis;
use farebox_core::budget::estimate::Estimate;
use farebox_core::budget::ledger::Amounts;
use farebox_core::config::{Config, OnDisconnect};
use farebox_core::dialect::Served;
use farebox_core::dialect::framing::Framing;
use farebox_core::response::meter::Meter;

/// An answer to a request: provider, path, model, headers of the answer, its body.
struct Answer<'a> {
    provider: &'a str,
    path: &'a str,
    model: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: &'a str,
}

const CONFIG: &str = r#"{
    "version": "v1",
    "keys": [{"id": "k", "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "team": "t"}],
    "providers": {
        "openai": {"preset": "openai"}, "gemini": {"preset": "gemini"}, "xai": {"preset": "xai"}, "mistral": {"preset": "mistral"},
        "perplexity": {"preset": "perplexity"}, "compared": {"preset": "xai", "stated_cost": "compare"},
        "own": {"dialect": "openai", "cluster": "own"}
    },
    "models": {"*": [{"provider": "openai"}]},
    "prices": {"own/guard": {"input": 1, "output": 0}, "own/scribe": {"input": 1, "output": 10}}
}"#;

/// What is charged, by which tier's prices, and where the use comes from.
fn charged(answer: &Answer<'_>) -> (String, Option<String>, &'static str) {
    let config = Config::parse(CONFIG.as_bytes(), |_| Some("secret".to_owned())).unwrap();
    let endpoint = Served::at(answer.path).unwrap().endpoint;
    let pairs =
        answer.headers.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    let head = RequestHead::new(pairs.collect());
    let of = |name: &str| {
        let found = answer.headers.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_bytes())
    };
    let mut meter = Meter::new(endpoint, Framing::of(endpoint, of("content-type"), None), false);
    meter.head(&head);
    meter.feed(answer.body.as_bytes(), true);
    let reading = meter.reading();
    let provider = &config.providers[answer.provider];
    let served = reading.model.as_ref().map(|model| model.as_str());
    let now = Millis::parse("2026-11-27").unwrap();
    let price = config.prices.price_of_answer(provider, answer.model, served, now);
    let estimate = Estimate {
        tokens: Tokens { input: 100, output: 10, ..Tokens::default() },
        amounts: Amounts { usd: PicoUsd(200_000_000), input: 100, output: 10, requests: 1 },
        covers: 10,
    };
    let bill = Bill {
        estimate: &estimate,
        reading,
        price: price.as_deref(),
        step_price: &|_| None,
        tier_asked: None,
        stated: provider.stated_cost,
        policy: OnDisconnect::BillSeen,
        endpoint,
        streamed: false,
        unread_bytes: meter.unread_bytes(),
        lately: None,
        output_bound: None,
        plausible_tokens: 10_000_000,
    };
    let charge = bill.charge(Outcome::Answered);
    let usd = charge.usd.map_or("null".to_owned(), |usd| usd.to_string());
    (usd, bill.tier_charged(&charge).map(str::to_owned), charge.source.name())
}

#[test]
fn moderations_are_free_where_their_price_is_nothing_and_sold_where_it_is_not() {
    let body =
        r#"{"id":"m","results":[{"flagged":false}],"usage":{"prompt_tokens":1000,"total_tokens":1000}}"#;
    let silent = r#"{"id":"m","results":[{"flagged":false}]}"#;
    for (provider, model, body, expected) in [
        ("openai", "omni-moderation-latest", silent, ("0.00", None, "none")),
        ("openai", "omni-moderation-latest", body, ("0.00", None, "none")),
        ("own", "guard", body, ("0.001", Some("standard"), "provider")),
        // Nothing is said: what was held.
        ("own", "guard", silent, ("0.0002", Some("standard"), "unread")),
        ("mistral", "mistral-moderation-latest", body, ("null", None, "provider")),
    ] {
        let answer = Answer { provider, path: "/v1/moderations", model, headers: &[], body };
        let (usd, tier, source) = charged(&answer);
        assert_eq!((&*usd, tier.as_deref(), source), expected, "{provider} {body}");
    }
}

#[test]
fn a_transcript_in_another_form_than_json_costs_what_was_held_and_no_less_than_its_text() {
    let long = "word ".repeat(8_000);
    let srt = format!("1\n00:00:00,000 --> 00:00:04,000\n{long}\n");
    let vtt = format!("WEBVTT\n\n00:00.000 --> 00:04.000\n{long}\n");
    let brackets = format!("[Music] {long}");
    let braces = format!("{{laughs}} {long}");
    let quoted = format!("\"So,\" he said, {long}");
    let data = format!("data: {long}\n\n{long}");
    for body in [&long, &srt, &vtt, &brackets, &braces, &quoted, &data] {
        for kind in ["text/plain", "application/json", "application/x-subrip", "text/vtt; charset=utf-8"] {
            let answer = Answer {
                provider: "own",
                path: "/v1/audio/transcriptions",
                model: "scribe",
                headers: &[("content-type", kind)],
                body,
            };
            let (usd, _, source) = charged(&answer);
            // 40,000 bytes are 10,000 tokens of output at least.
            assert!(usd.parse::<f64>().unwrap() >= 0.1, "{kind}: {usd} {source} for {:?}", &body[..20]);
        }
        let short = Answer {
            provider: "own",
            path: "/v1/audio/transcriptions",
            model: "scribe",
            headers: &[("content-type", "text/plain")],
            body: &body[..12],
        };
        let (usd, _, source) = charged(&short);
        assert_eq!((&*usd, source), ("0.0002", "unread"), "{:?}", &body[..12]);
    }
}

#[test]
fn an_answer_costs_what_its_provider_bills_for_it() {
    let gemini = |model: &str, more: &str, usage: &str| {
        format!(
            r#"{{"candidates":[{{"content":{{"parts":[{{"text":"Hi"}}]}}{more}}}],"modelVersion":"{model}",
                "usageMetadata":{{"promptTokenCount":1000,"candidatesTokenCount":2500,"totalTokenCount":3500{usage}}}}}"#
        )
    };
    let searched = r#","groundingMetadata":{"webSearchQueries":["one","two","one"]}"#;
    let flash = "gemini-3-flash-preview";
    let event = |queries: &str| {
        let more = format!(r#","groundingMetadata":{{"webSearchQueries":[{queries}]}}"#);
        format!("data: {}\n\n", gemini(flash, &more, "").replace('\n', ""))
    };
    let stream = [event(r#""one""#), event(r#""one","two""#), event(r#""two","one""#)].concat();
    let responses = include_str!("transcripts/compatible/xai_responses_searches.http");
    let responses = responses.split_once("\n\n").unwrap().1;
    let chat = |more: &str| {
        format!(
            r#"{{"choices":[{{"message":{{"content":"Hi"}}}}],"usage":{{"prompt_tokens":40,"completion_tokens":80,"total_tokens":120{more}}}}}"#
        )
    };
    let low = chat(r#","search_context_size":"low","cost":{"request_cost":0.005,"total_cost":0.00512}"#);
    let path = "/v1beta/models/gemini-3-flash-preview:generateContent";
    let streamed = "/v1beta/models/gemini-3-flash-preview:streamGenerateContent";
    let completions = "/v1/chat/completions";
    let (none, standard): (&[(&str, &str)], _) = (&[], Some("standard"));
    for (provider, path, model, headers, body, usd, tier) in [
        // Searches, priced by the query or by the request.
        ("gemini", path, flash, none, gemini(flash, "", ""), "0.008", standard),
        ("gemini", path, flash, none, gemini(flash, searched, ""), "0.036", standard),
        ("gemini", streamed, flash, none, stream, "0.036", standard),
        (
            "gemini",
            path,
            "gemini-2.5-flash",
            none,
            gemini("gemini-2.5-flash", searched, ""),
            "0.04155",
            standard,
        ),
        // Tiers, by the body or by a header alone.
        (
            "gemini",
            path,
            flash,
            none,
            gemini(flash, "", r#","serviceTier":"priority""#),
            "0.0144",
            Some("priority"),
        ),
        ("gemini", path, flash, none, gemini(flash, "", r#","serviceTier":"flex""#), "0.004", Some("flex")),
        (
            "gemini",
            path,
            flash,
            &[("x-gemini-service-tier", "priority")],
            gemini(flash, "", ""),
            "0.0144",
            Some("priority"),
        ),
        (
            "gemini",
            path,
            flash,
            &[("x-gemini-service-tier", "flex")],
            gemini(flash, "", ""),
            "0.004",
            Some("flex"),
        ),
        (
            "gemini",
            path,
            flash,
            &[("x-gemini-service-tier", "ultra")],
            gemini(flash, "", ""),
            "0.0144",
            Some("dearest"),
        ),
        // What is stated where that is billed, or the same by the price.
        ("xai", "/v1/responses", "grok-4.3", none, responses.to_owned(), "0.0495", None),
        ("compared", "/v1/responses", "grok-4.3", none, responses.to_owned(), "0.0495", standard),
        ("perplexity", completions, "sonar", none, low, "0.00512", None),
        ("perplexity", completions, "sonar", none, chat(""), "0.01212", standard),
        // A search that nobody says.
        ("openai", completions, "gpt-5-search-api", none, chat(""), "0.01085", standard),
        ("openai", completions, "gpt-4o-mini-search-preview", none, chat(""), "0.025054", standard),
    ] {
        let answer = Answer { provider, path, model, headers, body: &body };
        let (got, by, _) = charged(&answer);
        assert_eq!((&*got, by.as_deref()), (usd, tier), "{provider} {model} {headers:?} {body}");
    }
}
