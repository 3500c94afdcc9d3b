//! What budgets do to requests and answers on their way: what a provider is sent, and what a client is told.

use super::*;
use crate::fake_host::{Stream, advance, counter, logs, metric_names, shared_data};

fn with_budgets(budgets: Value) -> FakeVm {
    FakeVm::start(&config(|json| json["budgets"] = budgets))
}

fn chat_in(vm: &FakeVm, session: &str, body: &str) -> Stream {
    let mut stream = vm.stream();
    let mut request = chat();
    request.extend(pairs(&[("x-farebox-session", session)]));
    assert_eq!(stream.request(request, false), Action::Pause);
    stream.body(body.as_bytes(), true);
    stream
}

fn event(text: &str) -> String {
    format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
}

fn text(stream: &mut Stream) -> String {
    String::from_utf8(stream.response().unwrap().body.clone()).unwrap()
}

#[test]
fn a_strict_budget_changes_the_limit_in_the_body_and_says_so() {
    let vm = with_budgets(json!([
        {"name": "tight", "window": "day", "limit_output_tokens": 150, "mode": "strict"},
    ]));
    let mut stream = admitted(&vm, PLAIN);
    assert_eq!(String::from_utf8_lossy(&stream.sent().unwrap().body), PLAIN, "it fits as it is");
    stream.answer(200, JSON, false);
    stream.answer_body(ANSWER.as_bytes(), true);
    assert_eq!(stream.response().unwrap().header("x-farebox-output-limit"), [""; 0]);
    let mut clamped = vm.stream();
    let mut request = chat();
    request.extend(pairs(&[("content-length", &PLAIN.len().to_string())]));
    clamped.request(request, false);
    clamped.body(PLAIN.as_bytes(), true);
    let sent = clamped.sent().unwrap().clone();
    let expected = PLAIN.replace("\"max_tokens\":100", "\"max_tokens\":50");
    assert_eq!(String::from_utf8_lossy(&sent.body), expected);
    assert_eq!(sent.header("content-length"), [expected.len().to_string()]);
    clamped.answer(200, JSON, false);
    clamped.answer_body(ANSWER.as_bytes(), true);
    assert_eq!(clamped.response().unwrap().header("x-farebox-output-limit"), ["50"]);
    assert_eq!(clamped.log()["output_limit"], 50);
}

#[test]
fn answers_say_which_budgets_are_low_and_which_chose_the_model() {
    let vm = FakeVm::start(&config(|json| {
        json["models"]["cheap"] = json!([{"provider": "local", "model": "cheap-1"}]);
        json["prices"]["local/cheap-1"] = json!({"input": 0, "output": 1});
        json["budgets"] = json!([
            {"name": "low", "window": "day", "limit_requests": 4, "warn_percent": [50, 75],
                "downgrade": {"model": "cheap", "from_percent": 75}},
            {"name": "trial", "window": "day", "limit_requests": 1, "at_limit": "shadow"},
        ]);
    }));
    let headers = ["x-farebox-budget-warning", "x-farebox-downgraded-by"];
    let mut seen = Vec::new();
    for _ in 0..3 {
        let mut stream = admitted(&vm, PLAIN);
        stream.answer(200, JSON, false);
        stream.answer_body(ANSWER.as_bytes(), true);
        let told = headers.map(|name| stream.response().unwrap().header(name).concat());
        let record = stream.log();
        seen.push((
            told,
            record["model_sent"].clone(),
            record["downgraded_by"].clone(),
            record["shadowed"].clone(),
        ));
    }
    let told = |warning: &str, by: &str| [warning.to_owned(), by.to_owned()];
    assert_eq!(
        seen,
        [
            (told("", ""), json!("plain"), json!(null), json!(null)),
            (told("low;percent=50", ""), json!("plain"), json!(null), json!("trial")),
            (told("low;percent=75", "low"), json!("cheap-1"), json!("low"), json!("trial")),
        ]
    );
    let events = |budget: &str, event: &str| {
        counter(&format!("farebox_budget_events_total{{budget:{budget}}}{{event:{event}}}"))
    };
    assert_eq!((events("low", "warned_50"), events("low", "warned_75")), (Some(1), Some(1)));
    assert_eq!((events("low", "downgraded"), events("trial", "shadowed")), (Some(1), Some(2)));
}

#[test]
fn a_downgrade_of_a_budget_that_only_watches_is_rehearsed_and_its_caller_sees_nothing_of_it() {
    let vm = FakeVm::start(&config(|json| {
        json["models"]["cheap"] = json!([{"provider": "local", "model": "cheap-1"}]);
        json["prices"]["local/cheap-1"] = json!({"input": 0, "output": 1});
        json["budgets"] = json!([
            {"name": "trial", "window": "day", "limit_requests": 2, "at_limit": "shadow",
                "downgrade": {"model": {"pl*": "cheap"}, "from_percent": 100}},
        ]);
    }));
    let mut seen = Vec::new();
    for _ in 0..3 {
        let mut stream = admitted(&vm, PLAIN);
        stream.answer(200, JSON, false);
        stream.answer_body(ANSWER.as_bytes(), true);
        assert_eq!(stream.response().unwrap().header("x-farebox-downgraded-by"), [""; 0]);
        let record = stream.log();
        let names = ["model_sent", "would_downgrade_by", "would_downgrade_to", "downgraded_by", "shadowed"];
        seen.push(names.map(|name| record[name].clone()));
    }
    let rehearsed = |shadowed: Value| [json!("plain"), json!("trial"), json!("cheap"), json!(null), shadowed];
    let nothing = [json!("plain"), json!(null), json!(null), json!(null), json!(null)];
    assert_eq!(seen, [nothing, rehearsed(json!(null)), rehearsed(json!("trial"))]);
    let events =
        |event: &str| counter(&format!("farebox_budget_events_total{{budget:trial}}{{event:{event}}}"));
    assert_eq!((events("would_downgrade"), events("downgraded")), (Some(2), None));
}

#[test]
fn targets_without_a_price_are_in_the_record_and_counted() {
    let vm = FakeVm::start(&config(|json| {
        json["models"]["plain"] =
            json!([{"provider": "local", "model": "dear"}, {"provider": "local", "model": "plain"}]);
        json["prices"] = json!({"local/plain": {"input": 1, "output": 1}});
    }));
    let mut stream = admitted(&vm, PLAIN);
    stream.answer(200, JSON, false);
    stream.answer_body(ANSWER.as_bytes(), true);
    let record = stream.log();
    assert_eq!((&record["model_sent"], &record["unpriced_targets"]), (&json!("plain"), &json!("local/dear")));
    assert_eq!(counter("farebox_unpriced_targets_total{provider:local}"), Some(1));
}

#[test]
fn a_stream_that_goes_on_holds_more_and_others_are_refused_meanwhile() {
    let vm = with_budgets(json!([{"name": "day", "window": "day", "limit_output_tokens": 60}]));
    let body = r#"{"model":"plain","stream":true,"max_tokens":10}"#;
    let mut stream = admitted(&vm, body);
    stream.answer(200, EVENTS, false);
    (0..50).for_each(|_| stream.answer_body(event("word").as_bytes(), false));
    let mut other = held(&vm);
    other.body(body.as_bytes(), true);
    assert_eq!(other.response().unwrap().status, 429);
    assert_eq!(other.response().unwrap().header("x-farebox-budget"), ["day"]);
    (0..50).for_each(|_| stream.answer_body(event("word").as_bytes(), false));
    stream.answer_body(b"data: [DONE]\n\n", true);
    assert!(text(&mut stream).ends_with("[DONE]\n\n"), "who runs may finish");
    assert_eq!(stream.log()["output_tokens"], 100);
    let page = usage(&vm, "demo");
    assert_eq!(
        (&page["budgets"][0]["held"], &page["budgets"][0]["spent"]["requests"]),
        (&nothing(), &json!(1))
    );
}

#[test]
fn a_budget_that_cuts_ends_a_stream_between_two_events_and_closes_it_soon_after() {
    let vm =
        with_budgets(json!([{"name": "day", "window": "day", "limit_output_tokens": 20, "running": "cut"}]));
    let mut stream = admitted(&vm, r#"{"model":"plain","stream":true,"max_tokens":10}"#);
    stream.answer(200, EVENTS, false);
    let mut sent = String::new();
    for number in 0..40 {
        let event = event(&format!("word-{number}"));
        let (start, end) = event.split_at(20);
        stream.answer_body(start.as_bytes(), false);
        stream.answer_body(end.as_bytes(), false);
        sent.push_str(&event);
        advance(10);
    }
    assert!(stream.closed(), "the provider must not go on");
    let got = text(&mut stream);
    let (before, last) = got.split_once("data: {\"error\":").unwrap();
    assert!(sent.starts_with(before) && before.ends_with("\n\n"), "{got}");
    assert!(last.contains("Budget 'day' has no room") && last.ends_with("data: [DONE]\n\n"), "{last}");
    let record = stream.log();
    assert_eq!((&record["outcome"], &record["budget"]), (&json!("budget_cut"), &json!("day")));
    assert!(record["output_tokens"].as_u64().unwrap() >= 11, "{record}");
    assert_eq!(usage(&vm, "demo")["budgets"][0]["held"], nothing());
    assert_eq!(counter("farebox_budget_events_total{budget:day}{event:cut}"), Some(1));
}

#[test]
fn an_answer_that_fits_by_its_own_limit_is_not_cut_because_its_hold_would_grow_beyond_that() {
    let vm =
        with_budgets(json!([{"name": "day", "window": "day", "limit_output_tokens": 140, "running": "cut"}]));
    let usage = |output: u64| {
        format!(
            "data: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":1,\"completion_tokens\":{output}}}}}\n\n"
        )
    };
    // Short answers, so that little is expected of the next one.
    for _ in 0..20 {
        let mut stream = admitted(&vm, r#"{"model":"plain","stream":true,"max_tokens":10}"#);
        stream.answer(200, EVENTS, false);
        stream.answer_body(event("word").as_bytes(), false);
        stream.answer_body([&usage(2), "data: [DONE]\n\n"].concat().as_bytes(), true);
        stream.log();
    }
    let mut stream = admitted(&vm, r#"{"model":"plain","stream":true,"max_tokens":90}"#);
    stream.answer(200, EVENTS, false);
    (0..88).for_each(|_| stream.answer_body(event("word").as_bytes(), false));
    stream.answer_body([&usage(88), "data: [DONE]\n\n"].concat().as_bytes(), true);
    let record = stream.log();
    assert_eq!((&record["outcome"], &record["output_tokens"]), (&json!("ok"), &json!(88)));
}

#[test]
fn an_answer_that_is_complete_when_the_budget_is_used_up_is_not_cut() {
    let vm =
        with_budgets(json!([{"name": "day", "window": "day", "limit_output_tokens": 20, "running": "cut"}]));
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":500}}\n\n";
    let mut stream = admitted(
        &vm,
        r#"{"model":"plain","stream":true,"max_tokens":10,"stream_options":{"include_usage":true}}"#,
    );
    stream.answer(200, EVENTS, false);
    let whole = [&*event("word"), usage, "data: [DONE]\n\n"];
    whole.iter().for_each(|piece| stream.answer_body(piece.as_bytes(), false));
    stream.answer_body(b"", true);
    assert_eq!(text(&mut stream), whole.concat());
    let record = stream.log();
    assert_eq!((&record["outcome"], &record["output_tokens"]), (&json!("ok"), &json!(500)));
}

#[test]
fn ever_new_sessions_leave_memory_and_metrics_as_they_were() {
    for when_full in ["deny", "evict"] {
        let vm = with_budgets(json!([
            {"name": "run", "per": "session", "window": "day", "limit_requests": 2, "slots": 1024, "when_full": when_full},
            {"name": "loop", "per": ["session", "request"], "window": "day", "limit_requests": 2, "slots": 1024, "when_full": when_full},
        ]));
        let bytes = || shared_data().iter().map(|(key, (value, _))| key.len() + value.len()).sum::<usize>();
        let (mut warm, mut series) = (0, 0);
        for number in 0..16_000 {
            chat_in(&vm, &format!("session-{number}"), PLAIN).log();
            if number == 12_000 {
                (warm, series) = (bytes(), metric_names().len());
            }
        }
        assert!(bytes() <= warm + warm / 10, "{when_full}: {warm} bytes have become {}", bytes());
        assert_eq!(metric_names().len(), series, "{when_full}");
        assert!(warm < 2_000_000, "{warm}");
    }
}

#[test]
fn a_caller_that_must_name_its_session_is_told_how() {
    let vm = with_budgets(json!([
        {"name": "run", "per": "session", "window": "day", "limit_requests": 2, "when_absent": "deny"},
    ]));
    let mut stream = held(&vm);
    stream.body(PLAIN.as_bytes(), true);
    let response = stream.response().unwrap();
    assert_eq!((response.status, response.header("x-farebox-denied")), (400, vec!["unnamed_subject".into()]));
    assert!(response.json()["error"]["message"].as_str().unwrap().contains("x-farebox-session"));
    assert!(logs().iter().all(|line| !line.contains("cannot be checked")), "{:?}", logs());
}

#[test]
fn a_budget_that_is_removed_keeps_its_usage_for_an_hour_and_is_freed_after_that() {
    let both = || config(|_| {});
    let one = config(|json| drop(json["budgets"].as_array_mut().unwrap().remove(1)));
    let (vm, other) = (FakeVm::start(&both()), FakeVm::another(&both()));
    let counted = || shared_data().get(&b"fb/2/team/team/search"[..]).map_or(0, |(value, _)| value.len());
    let pass = |minutes: u64| {
        for _ in 0..minutes {
            advance(60_000);
            [&vm, &other].iter().for_each(|vm| vm.tick());
        }
    };
    answered(&vm);
    assert!(counted() > 0);
    assert!(vm.push(&one));
    pass(180);
    assert!(counted() > 0, "another worker still has it");
    assert!(other.push(&one));
    pass(30);
    assert!(vm.push(&both()), "it was removed by mistake");
    pass(180);
    assert_eq!(team(&vm).0, amounts("0.00002", 15, 1));
    assert!(vm.push(&one));
    pass(180);
    assert_eq!(counted(), 0);
    assert!(vm.push(&both()));
    assert_eq!(team(&vm).0, nothing());
}
