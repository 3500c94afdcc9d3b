//! One exchange after the other: how it is sent, what its answer is taken for, and what it comes to.

use serde_json::{Value, json};
#[cfg(target_os = "unknown")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::answer::AnswerHead;
use super::dispatch::Dispatch;
use super::ending::{Ended, Ending};
use super::piece::{LAST_EVENT_MS, Piece};
use super::*;
use crate::accounting::outcome::{Faults, Outcome, StreamEnd};
use crate::base::headers::{EditHeaders, RequestHead};
use crate::budget::admit::AdmissionRequest;
use crate::budget::ledger::{Ledger, MemoryStore};
use crate::budget::recent::Recent;
use crate::config::testing::{self, NOW};
use crate::denial::Denial;
use crate::dialect::Served;
use crate::failover::key_pool::KeyPool;
use crate::failover::reach::{Leave, Reach};
use crate::request::context::RequestContext;

const EVENTS: &str = "text/event-stream";
const JSON: &str = "application/json";
const ANSWER: &str =
    r#"{"choices":[{"message":{"content":"Hello"}}],"usage":{"prompt_tokens":3,"completion_tokens":5}}"#;

/// Headers at a host that takes every change.
#[derive(Debug, Default)]
struct Headers {
    removed: Vec<String>,
    set: Vec<(String, String)>,
}

impl Headers {
    fn value(&self, name: &str) -> Option<&str> {
        self.set.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl EditHeaders for Headers {
    type Error = ();

    fn set(&mut self, name: &str, value: &[u8]) -> Result<(), ()> {
        self.set.push((name.into(), String::from_utf8_lossy(value).into_owned()));
        Ok(())
    }

    fn remove(&mut self, name: &[u8]) -> Result<(), ()> {
        self.removed.push(String::from_utf8_lossy(name).into_owned());
        Ok(())
    }
}

/// What a host says of the end of a stream.
#[derive(Default)]
struct End(Faults, &'static str);

impl StreamEnd for End {
    fn faults(&self) -> Faults {
        self.0
    }

    fn details(&self) -> Vec<u8> {
        self.1.into()
    }
}

struct Setting {
    config: Rc<Config>,
    store: MemoryStore,
}

impl Setting {
    fn new(change: impl FnOnce(&mut Value)) -> Self {
        Self { config: Rc::new(testing::config(change)), store: MemoryStore::default() }
    }

    fn ledger(&self) -> Ledger<'_, MemoryStore> {
        Ledger::new(&self.store, self.config.hold.epoch_ms)
    }

    /// A chat that was sent, and the headers that its provider gets.
    fn sent(&self, body: &Value, leave: Leave) -> (Box<Exchange>, Headers) {
        let head = RequestHead::from([
            (":method", "POST"),
            (":path", "/v1/chat/completions"),
            (":authority", "gateway.example"),
            ("content-type", JSON),
        ]);
        let served = Served::at("/v1/chat/completions").unwrap();
        let body = body.to_string();
        let request = LlmRequest::read(&served, head.path(), JSON.as_bytes(), body.as_bytes()).unwrap();
        let key = &self.config.keys["a"];
        let order = AdmissionRequest {
            config: &self.config,
            key,
            attribution: &Default::default(),
            head: &head,
            api: served.api,
            request: &request,
            body: body.as_bytes(),
            draw: 0,
            in_cooldown: &|_| false,
            recent: &Recent::default(),
            arrived: NOW,
            now: NOW,
        };
        let admission = order.admit(&self.ledger()).unwrap();
        let dispatch = Dispatch {
            config: &self.config,
            head: &head,
            served: &served,
            request: &request,
            admission: &admission,
            body: body.as_bytes(),
            draw: 0,
        };
        let mut headers = Headers::default();
        let key_pool = KeyPool::new(&self.store);
        let sent = dispatch.write(&mut headers, &key_pool, NOW, || leave).unwrap();
        (Exchange::new(Rc::clone(&self.config), key, admission, (served.api, &request), sent), headers)
    }

    fn chat(&self, stream: bool) -> Box<Exchange> {
        self.sent(&json!({"model": "small", "stream": stream, "max_tokens": 100}), Leave::Once).0
    }

    fn piece(&self, exchange: &mut Exchange, piece: &[u8], last: bool, ms: u64) -> Piece {
        exchange.piece(piece, last, "r-1", |_| self.ledger(), || NOW.plus(ms))
    }

    fn end(&self, exchange: &mut Exchange, status: Option<u64>, end: &End) -> Ended {
        let key = self.config.keys.get("a").cloned();
        let context = RequestContext { arrived: NOW, key, status, ..RequestContext::default() };
        exchange.end(&Ending { context: &context, end, recent: &Recent::default(), now: NOW })
    }
}

fn begin(exchange: &mut Exchange, status: u64, kind: &str, is_from_provider: bool) -> Option<Denial> {
    let head = RequestHead::from([("content-type", kind)]);
    let is_from_provider = &|| is_from_provider;
    let answer = AnswerHead { head: &head, status: Some(status), complete: false, is_from_provider };
    exchange.begin(&answer, &mut Headers::default())
}

#[test]
fn how_an_exchange_ended_follows_from_its_answer_and_from_what_the_host_says_of_its_stream() {
    let faults = |upstream, given_up, overload| Faults { upstream, given_up, overload };
    let none = Faults::default();
    let local = "downstream_local_disconnect(filter_chain_is_being_removed)";
    for (answer, faults, details, outcome) in [
        (Some((200, true, ANSWER, true)), none, "", Outcome::Answered),
        (Some((200, true, "{\"choices\":[{", false)), none, "", Outcome::ClientDisconnect),
        (Some((200, true, "{\"choices\":[{", false)), faults(true, false, false), "", Outcome::UpstreamReset),
        (Some((200, true, "{\"choices\":[{", false)), none, local, Outcome::GatewayDisconnect),
        (
            Some((200, true, "{\"choices\":[{", false)),
            faults(false, false, true),
            "",
            Outcome::GatewayDisconnect,
        ),
        (Some((404, true, "{}", true)), none, "", Outcome::Refused),
        (
            Some((503, false, "no healthy upstream", true)),
            faults(true, false, false),
            "",
            Outcome::NotAnswered,
        ),
        (Some((504, false, "timeout", true)), faults(true, true, false), "", Outcome::UpstreamTimeout),
        (None, none, "", Outcome::ClientDisconnect),
        (None, faults(true, false, false), "", Outcome::UpstreamReset),
    ] {
        let setting = Setting::new(|_| {});
        let mut exchange = setting.chat(false);
        if let Some((status, is_from_provider, body, last)) = answer {
            let _ = begin(&mut exchange, status, JSON, is_from_provider);
            let _ = setting.piece(&mut exchange, body.as_bytes(), last, 5);
        }
        let ended = setting.end(&mut exchange, answer.map(|(status, ..)| status), &End(faults, details));
        assert_eq!(ended.outcome, outcome, "{answer:?} {details}");
        let record: Value = serde_json::from_slice(&ended.record).unwrap();
        assert_eq!(record["outcome"], outcome.as_str());
    }
}

#[test]
fn what_an_answer_is_masked_by_is_what_its_client_must_not_see() {
    let setting = Setting::new(|_| {});
    for (status, is_from_provider, denial) in [
        (302, true, Some(Denial::ProviderRedirected)),
        (503, false, Some(Denial::Unanswered(503))),
        (413, false, None),
        (200, true, None),
        (500, true, None),
    ] {
        assert_eq!(begin(&mut setting.chat(false), status, JSON, is_from_provider), denial, "{status}");
    }
    // Whose fault it was only the body says.
    let mut exchange = setting.chat(false);
    assert_eq!(begin(&mut exchange, 401, JSON, true), None);
    assert!(exchange.is_held());
    let body = br#"{"error":{"message":"no","code":"invalid_api_key"}}"#;
    assert_eq!(setting.piece(&mut exchange, body, true, 0), Piece::Masked(Box::new(Denial::ProviderRefused)));
    let ended = setting.end(&mut exchange, Some(502), &End::default());
    let record: Value = serde_json::from_slice(&ended.record).unwrap();
    assert_eq!((ended.outcome, &record["provider_status"]), (Outcome::Refused, &json!(401)));
}

#[test]
fn more_is_held_when_more_is_seen_and_the_answer_is_cut_when_a_budget_that_cuts_is_used_up() {
    let setting = Setting::new(|json| {
        json["budgets"] =
            json!([{"name": "cuts", "window": "day", "limit_output_tokens": 400, "running": "cut"}]);
    });
    let mut exchange = setting.chat(true);
    begin(&mut exchange, 200, EVENTS, true);
    let event = |tokens: usize| {
        format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n", "text".repeat(tokens))
    };
    let first = setting.piece(&mut exchange, event(90).as_bytes(), false, 0);
    assert_eq!(first, Piece::Unchanged, "it is held for");
    // Far above what it was allowed: it goes on like this, and half as much again is not there.
    let cut = setting.piece(&mut exchange, event(300).as_bytes(), false, 10);
    let Piece::Replaced { bytes, is_cut: true, closes: false } = cut else { panic!("{cut:?}") };
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.starts_with(&event(300)) && text.contains("insufficient_quota"), "{text}");
    for (ms, closes) in [(10 + LAST_EVENT_MS - 1, false), (10 + LAST_EVENT_MS, true)] {
        let swallowed = Piece::Replaced { bytes: Vec::new(), is_cut: false, closes };
        assert_eq!(setting.piece(&mut exchange, event(1).as_bytes(), false, ms), swallowed);
    }
    let ended = setting.end(&mut exchange, Some(200), &End::default());
    assert_eq!((ended.outcome, ended.charge.tokens.output), (Outcome::BudgetCut, 392));
    let mut events = Vec::new();
    exchange.budget_events(|name, event| events.push(format!("{name} {event}")));
    assert_eq!(events, ["cuts cut"]);
}

#[test]
fn a_request_may_be_sent_again_as_far_as_the_filter_behind_the_router_can_and_no_farther() {
    let setting = Setting::new(|json| {
        json["providers"]["two"] = json!({"dialect": "openai", "cluster": "two"});
        json["models"]["both"] =
            json!([{"provider": "one", "model": "s-1"}, {"provider": "two", "model": "s-2"}]);
    });
    for (model, leave, attempts) in [
        ("small", Leave::Again(Reach::Everywhere), None),
        ("both", Leave::Once, None),
        ("both", Leave::Trial, Some(1)),
        ("both", Leave::Again(Reach::Cluster), None),
        ("both", Leave::Again(Reach::Everywhere), Some(2)),
    ] {
        let (exchange, headers) = setting.sent(&json!({"model": model}), leave);
        let plan = exchange.sent.failover_plan.as_ref();
        assert_eq!(plan.map(|plan| plan.attempts), attempts, "{model} {leave:?}");
        assert_eq!(exchange.wants_attempts(), attempts.is_some());
        assert_eq!(headers.value("x-farebox-cluster"), Some("one"));
    }
}

#[test]
fn a_stream_is_made_to_report_its_usage_and_its_body_is_as_long_as_it_says() {
    let setting = Setting::new(|_| {});
    let (exchange, headers) = setting.sent(&json!({"model": "small", "stream": true}), Leave::Once);
    let body: Value = serde_json::from_slice(exchange.sent.body.as_ref().unwrap()).unwrap();
    assert_eq!(body, json!({"model": "s-1", "stream": true, "stream_options": {"include_usage": true}}));
    assert!(exchange.sent.asks_for_usage);
    assert_eq!(headers.value("accept-encoding"), Some("identity"));
    assert_eq!(headers.value(":authority"), None, "the route is picked by what the caller sent");
    let (exchange, _) = setting.sent(&json!({"model": "gpt-5"}), Leave::Once);
    assert_eq!(exchange.sent.body, None, "it goes on as it came");
}
