//! The filter's contexts, driven as Envoy drives them: what goes on to a provider, what the client gets,
//! what is written down and what is charged.

mod agents;
mod attempts;
mod bodies;
mod budgets;
mod calls;
mod configuration;
mod counting;
mod cors;
mod disguised;
mod endings;
mod headers_only;
mod hostile;
mod interleaved;
mod ledger;
mod metric_names;
mod pages;
mod plain;
mod refusals;
mod refused_late;
mod secrets;
mod store;
mod stored;
mod streamed;
mod unsaid;
mod unsupported;
mod uploads;

use std::sync::Once;

use farebox_core::request::identity::digest;
use proxy_wasm::types::Action;
use serde_json::{Value, json};

use crate::fake_host::{FakeVm, Pairs, Stream};

/// What the provider `paid` is authenticated with.
const PROVIDER_SECRET: &str = "sk-the-provider-secret";
const PROVIDER_SECRET_NAME: &str = "FAREBOX_TEST_PROVIDER_SECRET";
/// The same for a second one.
const SECOND_SECRET: &str = "sk-of-the-second-provider";
const SECOND_SECRET_NAME: &str = "FAREBOX_TEST_SECOND_SECRET";

/// A request that goes on as it is, and one that does not.
const PLAIN: &str = r#"{"model":"plain","messages":[{"role":"user","content":"Hi"}],"max_tokens":100}"#;
const RENAMED: &str = r#"{"model":"fast","messages":[{"role":"user","content":"Hi"}]}"#;
const STREAMED: &str = r#"{"model":"plain","stream":true,"messages":[]}"#;

/// An answer of ten tokens in and five out: 20 millionths of a dollar at the prices of [`config`].
const ANSWER: &str = r#"{"model":"plain-2026","choices":[{"message":{"content":"Hello there"}}],"usage":{"prompt_tokens":10,"completion_tokens":5}}"#;
const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
const EVENTS: &[(&str, &str)] = &[("content-type", "text/event-stream")];

/// A configuration after `change`: the callers `demo` (team `search`), `ads` (team `ads`) and `off`, the
/// providers `local`, `paid` (renames, authenticates), `claude` and `dead`, and two budgets.
fn config(change: impl FnOnce(&mut Value)) -> String {
    static SECRET: Once = Once::new();
    // SAFETY: the environment is only read through `std`, which takes a lock.
    SECRET.call_once(|| unsafe {
        std::env::set_var(PROVIDER_SECRET_NAME, PROVIDER_SECRET);
        std::env::set_var(SECOND_SECRET_NAME, SECOND_SECRET);
    });
    let key = |id: &str, team: &str| {
        let sha256: String =
            digest(key_text(id).as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        json!({"id": id, "sha256": sha256, "team": team})
    };
    let mut json = json!({
        "version": "v1",
        "keys": [key("demo", "search"), key("ads", "ads"), key("off", "search")],
        "providers": {
            "local": {"dialect": "openai", "cluster": "local-cluster"},
            "paid": {
                "dialect": ["openai", "anthropic"], "cluster": "paid-cluster", "host": "api.paid.example",
                "base_path": "/compat/v1", "credentials": [{"env": PROVIDER_SECRET_NAME}],
            },
            "dead": {"dialect": "openai", "cluster": "dead", "credentials": [{"env": "UNSET", "optional": true}]},
        },
        "models": {
            "plain": [{"provider": "local"}],
            "fast": [{"provider": "paid", "model": "p-1"}],
            "gone": [{"provider": "dead"}],
        },
        "prices": {"local/plain": {"input": 1, "output": 2}, "paid/p-1": {"input": 3, "output": 15}},
        "budgets": [
            {"name": "all", "window": "month", "limit_requests": 1000},
            {"name": "team", "per": "team", "window": "day", "limit_usd": 1, "limit_tokens": 100_000},
        ],
        "limits": {"request_body_bytes": 4096},
    });
    json["keys"][0]["labels"] = json!({"env": "ci"});
    json["keys"][2]["enabled"] = false.into();
    change(&mut json);
    json.to_string()
}

fn start() -> FakeVm {
    FakeVm::start(&config(|_| {}))
}

fn key_text(id: &str) -> String {
    format!("fb_{id}_the-secret-of-{id}")
}

fn pairs(headers: &[(&str, &str)]) -> Pairs {
    headers.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

/// Headers of a request by the caller `id`.
fn head(method: &str, path: &str, id: &str) -> Pairs {
    let bearer = format!("Bearer {}", key_text(id));
    pairs(&[
        (":method", method),
        (":path", path),
        (":authority", "gateway.example"),
        ("x-request-id", "r-1"),
        ("content-type", "application/json"),
        ("authorization", &bearer),
    ])
}

fn chat() -> Pairs {
    head("POST", "/v1/chat/completions", "demo")
}

/// A stream whose headers were let in and are held.
fn held(vm: &FakeVm) -> Stream {
    let mut stream = vm.stream();
    assert_eq!(stream.request(chat(), false), Action::Pause);
    assert!(stream.sent().is_none() && stream.response().is_none());
    stream
}

/// A stream whose request has gone on.
fn admitted(vm: &FakeVm, body: &str) -> Stream {
    let mut stream = held(vm);
    assert_eq!(stream.body(body.as_bytes(), true), Action::Continue, "{:?}", stream.response());
    stream
}

/// A request from its first byte to its record.
fn answered(vm: &FakeVm) -> Value {
    let mut stream = admitted(vm, PLAIN);
    stream.answer(200, JSON, false);
    stream.answer_body(ANSWER.as_bytes(), true);
    stream.log()
}

/// The page `/farebox/usage` as the caller `id` sees it.
fn usage(vm: &FakeVm, id: &str) -> Value {
    let mut stream = vm.stream();
    assert_eq!(stream.request(head("GET", "/farebox/usage", id), true), Action::Pause);
    // What the fleet has spent is asked for first.
    for _ in 0..3 {
        if stream.response().is_some() {
            break;
        }
        crate::fake_host::advance(50);
        vm.turn();
        vm.tick();
        for call in vm.calls() {
            vm.answer_call(call.token, Some(200), &ledger::lends(&call.body, 0, 0));
        }
    }
    let mut page = stream.response().unwrap().json();
    stream.log();
    // The parts of the tokens are tested where budgets are; here their sum says enough.
    for budget in page["budgets"].as_array_mut().into_iter().flatten() {
        for of in ["spent", "held"] {
            let amounts = budget[of].as_object_mut().unwrap();
            amounts.retain(|part, _| part != "input_tokens" && part != "output_tokens");
        }
    }
    page
}

/// What the budget `team` of the caller `demo` has spent, and what it holds.
fn team(vm: &FakeVm) -> (Value, Value) {
    let page = usage(vm, "demo");
    (page["budgets"][1]["spent"].clone(), page["budgets"][1]["held"].clone())
}

fn amounts(usd: &str, tokens: u64, requests: u64) -> Value {
    json!({"usd": usd, "tokens": tokens, "requests": requests})
}

fn nothing() -> Value {
    amounts("0.00", 0, 0)
}
