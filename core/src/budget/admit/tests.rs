//! What becomes of requests when budgets are full, low, strict, or counted by what requests say.

mod asked;
mod downgrades;
mod expected;
mod slots;
mod thinking;
mod used_up;

use serde_json::{Value, json};

use super::*;
use crate::base::headers::RequestHead;
use crate::budget::ledger::{Amounts, Leases, MemoryStore};
use crate::budget::recent::Recent;
use crate::config::testing::{self, NOW};
use crate::dialect::Served;
use crate::request::attribution::Attribution;
use crate::request::llm_request::LlmRequest;

/// A gateway with counters, and what it has been asked.
struct Gateway {
    config: Config,
    store: MemoryStore,
    leases: Leases,
    recent: Recent,
    now: Millis,
    draw: u64,
}

impl Gateway {
    fn new(budgets: Value) -> Self {
        Self::with(|json| json["budgets"] = budgets)
    }

    fn with(change: impl FnOnce(&mut Value)) -> Self {
        let config = testing::config(|json| {
            // Input is free, so that sums are easy: a thousand output tokens are a cent.
            json["prices"] =
                json!({"one/*": {"input": 0, "output": 10}, "two/*": {"input": 0, "output": 10}});
            json["models"]["cheap"] = json!([{"provider": "one", "model": "c-0"}]);
            change(json);
        });
        let (store, leases, recent) = (MemoryStore::default(), Leases::default(), Recent::default());
        Self { config, store, leases, recent, now: NOW, draw: 0 }
    }

    fn ledger(&self) -> Ledger<'_, MemoryStore> {
        Ledger::new(&self.store, self.config.hold.epoch_ms).with_leases(&self.leases)
    }

    fn ask(&self, key: &str, headers: &[(&str, &str)], body: &Value) -> Result<Admission, Denial> {
        self.ask_at("/v1/chat/completions", key, headers, body)
    }

    fn ask_at(
        &self,
        path: &str,
        key: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Result<Admission, Denial> {
        let mut all = vec![(":method", "POST"), (":path", path)];
        all.extend(headers);
        let all = all.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        let head = RequestHead::new(all.collect());
        let served = Served::at(path).unwrap();
        let body = body.to_string();
        let request = LlmRequest::read(&served, head.path(), b"application/json", body.as_bytes()).unwrap();
        let order = AdmissionRequest {
            config: &self.config,
            key: &self.config.keys[key],
            attribution: &Attribution::read(&head),
            head: &head,
            api: served.api,
            request: &request,
            body: body.as_bytes(),
            draw: self.draw,
            in_cooldown: &|_| false,
            recent: &self.recent,
            arrived: self.now,
            now: self.now,
        };
        order.admit(&self.ledger()).map_err(|refused| match refused {
            NotAdmitted::Denied(denial) => denial,
            NotAdmitted::Waits(asks) => panic!("{asks:?}"),
        })
    }

    fn chat(&self, max_tokens: u64) -> Result<Admission, Denial> {
        self.ask("a", &[], &json!({"model": "small", "max_tokens": max_tokens}))
    }

    fn session(&self, key: &str, session: &str) -> Result<Admission, Denial> {
        self.ask(key, &[("x-farebox-session", session)], &json!({"model": "small", "max_tokens": 1_000}))
    }

    fn settle(&self, admission: Admission, output: u64) {
        let usd = crate::base::money::PicoUsd(output * 10_000_000);
        let charge = Amounts { usd, input: 0, output, requests: 1 };
        admission.hold.settle(&self.ledger(), charge, self.now).unwrap();
    }

    /// What the budget `name` holds and has spent for the key `a`, in output tokens.
    fn output(&self, name: &str) -> (u64, u64) {
        let key = &self.config.keys["a"];
        let at = self.config.budgets.iter().position(|budget| &*budget.name == name).unwrap();
        let counter = self.ledger().read(key.accounts[at].as_ref().unwrap(), self.now).unwrap();
        (counter.held().output, counter.spent().output)
    }
}

/// The budget that refused and what it lacked.
fn refused(result: Result<Admission, Denial>) -> (String, BudgetReason) {
    match result {
        Err(Denial::Budget { account, reason, .. }) => (account.budget.name.to_string(), reason),
        other => panic!("{other:?}"),
    }
}

#[test]
fn of_several_full_budgets_the_one_that_stays_full_for_the_longest_is_named() {
    let gateway = Gateway::new(json!([
        {"name": "minute", "window": "minute", "limit_requests": 1},
        {"name": "month", "window": "month", "limit_requests": 1},
        {"name": "day", "window": "day", "limit_requests": 1},
    ]));
    let first = gateway.chat(10).unwrap();
    assert_eq!(refused(gateway.chat(10)), ("month".into(), BudgetReason::Spent));
    assert_eq!(gateway.output("day").0, 10, "the refused request holds nothing");
    gateway.settle(first, 10);
    assert_eq!(gateway.output("day"), (0, 10));
}

#[test]
fn a_request_that_never_fits_is_told_so() {
    let gateway = Gateway::new(json!([{"name": "day", "window": "day", "limit_usd": "0.01"}]));
    assert_eq!(refused(gateway.chat(1_001)), ("day".into(), BudgetReason::Size));
    assert!(gateway.chat(1_000).is_ok());
    assert_eq!(refused(gateway.chat(1)), ("day".into(), BudgetReason::Held));
    let blocked = Gateway::new(json!([{"name": "day", "window": "day", "limit_requests": 0}]));
    let denial = blocked.chat(1).unwrap_err();
    assert_eq!(
        (denial.message(), denial.reason()),
        ("Budget 'day' allows this caller nothing.".into(), "budget_size")
    );
}

#[test]
fn a_session_has_its_own_budget_in_each_team_and_others_are_not_touched() {
    let gateway = Gateway::new(json!([
        {"name": "run", "per": "session", "window": "day", "limit_requests": 2},
    ]));
    assert!(gateway.session("a", "s-1").is_ok());
    assert!(gateway.session("a", "s-1").is_ok());
    assert_eq!(refused(gateway.session("a", "s-1")).0, "run");
    assert!(gateway.session("a", "s-2").is_ok());
    assert!(gateway.session("b", "s-1").is_ok(), "another team's session of the same name");
    for _ in 0..3 {
        assert!(gateway.chat(10).is_ok(), "who names no session is not in this budget");
    }
}

#[test]
fn a_budget_may_insist_on_being_told_what_it_is_counted_by() {
    let gateway = Gateway::new(json!([
        {"name": "run", "per": ["team", "session"], "window": "day", "limit_requests": 2, "when_absent": "deny"},
    ]));
    assert_eq!(gateway.chat(10).unwrap_err(), Denial::Unnamed(Dimension::Session));
    let watching = Gateway::new(json!([
        {"name": "run", "per": "session", "window": "day", "limit_requests": 2, "when_absent": "deny", "at_limit": "shadow"},
    ]));
    assert!(watching.chat(10).is_ok());
    assert!(gateway.session("a", "s-1").is_ok());
}

#[test]
fn a_loop_of_the_same_request_is_stopped_and_other_requests_of_the_session_are_not() {
    let gateway = Gateway::new(json!([
        {"name": "loop", "per": ["session", "request"], "window": "hour", "limit_requests": 3},
    ]));
    let headers = [("x-farebox-session", "s-1")];
    let body = |text: &str| json!({"model": "small", "messages": [{"role": "user", "content": text}]});
    for _ in 0..3 {
        let admission = gateway.ask("a", &headers, &body("again")).unwrap();
        gateway.settle(admission, 5);
    }
    assert_eq!(refused(gateway.ask("a", &headers, &body("again"))), ("loop".into(), BudgetReason::Spent));
    assert!(gateway.ask("a", &headers, &body("something else")).is_ok());
    assert!(gateway.ask("a", &[("x-farebox-session", "s-2")], &body("again")).is_ok());
}

#[test]
fn models_and_teams_together_have_counters_of_their_own_with_limits_of_their_own() {
    let gateway = Gateway::new(json!([
        {"name": "mix", "per": ["team", "model"], "window": "day",
            "overrides": {"red/small": {"limit_requests": 1}, "*/gpt-*": {"limit_requests": 0}}},
    ]));
    assert!(gateway.chat(10).is_ok());
    assert_eq!(refused(gateway.chat(10)), ("mix".into(), BudgetReason::Spent));
    let other = |key: &str, model: &str| gateway.ask(key, &[], &json!({"model": model}));
    assert!(other("b", "small").is_ok());
    assert!(other("a", "cheap").is_ok());
    assert_eq!(refused(other("b", "gpt-5")), ("mix".into(), BudgetReason::Size));
}

#[test]
fn a_headers_value_and_a_keys_label_can_be_counted_by() {
    let gateway = Gateway::with(|json| {
        json["keys"][0]["labels"] = json!({"env": "ci"});
        json["budgets"] = json!([
            {"name": "tenant", "per": "header:X-Tenant", "window": "day", "limit_requests": 1},
            {"name": "env", "per": "label:env", "window": "day", "limit_requests": 2},
        ]);
    });
    let from = |tenant| gateway.ask("a", &[("x-tenant", tenant)], &json!({"model": "small"}));
    assert!(from("one").is_ok());
    assert_eq!(refused(from("one")).0, "tenant");
    assert!(from("two").is_ok());
    assert_eq!(refused(from("three")).0, "env");
    assert!(gateway.ask("b", &[], &json!({"model": "small"})).is_ok(), "its key has no such label");
}

#[test]
fn requests_that_run_at_one_time_are_bounded_and_asked_to_come_back_soon() {
    let gateway =
        Gateway::new(json!([{"name": "lanes", "per": "key", "window": "day", "limit_concurrent": 2}]));
    let (first, _second) = (gateway.chat(10).unwrap(), gateway.chat(10).unwrap());
    let denial = gateway.chat(10).unwrap_err();
    let reply = denial.reply(crate::dialect::Dialect::OpenAi, crate::denial::Client::Other, "r", NOW);
    assert_eq!((reply.status, denial.reason()), (429, "budget_concurrency"));
    assert!(reply.headers.contains(&("retry-after", "1".into())), "{reply:?}");
    assert!(reply.body.contains("rate_limit_exceeded"), "{reply:?}");
    gateway.settle(first, 5);
    assert!(gateway.chat(10).is_ok());
}

#[test]
fn a_budget_that_only_checks_lets_a_request_through_as_long_as_something_is_left() {
    let gateway =
        Gateway::new(json!([{"name": "soft", "window": "day", "limit_usd": "0.01", "mode": "check"}]));
    let (first, second) = (gateway.chat(900).unwrap(), gateway.chat(900).unwrap());
    assert_eq!(gateway.output("soft"), (0, 0));
    gateway.settle(first, 900);
    gateway.settle(second, 900);
    assert_eq!(refused(gateway.chat(1)), ("soft".into(), BudgetReason::Spent));
}

#[test]
fn a_budget_that_only_watches_says_what_it_would_have_refused() {
    let gateway =
        Gateway::new(json!([{"name": "trial", "window": "day", "limit_requests": 1, "at_limit": "shadow"}]));
    assert!(gateway.chat(10).unwrap().noticed.shadowed.is_empty());
    let admission = gateway.chat(10).unwrap();
    assert_eq!(&*admission.noticed.shadowed[0].budget.name, "trial");
    gateway.settle(admission, 7);
    assert_eq!(gateway.output("trial"), (10, 7), "it counts all the same");
}

#[test]
fn a_strict_budget_allows_a_request_what_it_can_pay_for() {
    let gateway =
        Gateway::new(json!([{"name": "cent", "window": "day", "limit_usd": "0.01", "mode": "strict"}]));
    let first = gateway.chat(400).unwrap();
    assert_eq!(first.output_limit, None, "it fits as it is");
    let second = gateway.chat(5_000).unwrap();
    assert_eq!(second.output_limit, Some(600));
    assert_eq!(gateway.output("cent").0, 1_000);
    assert_eq!(refused(gateway.chat(5_000)), ("cent".into(), BudgetReason::Held));
    gateway.settle(second, 600);
    gateway.settle(first, 0);
    let third = gateway.ask("a", &[], &json!({"model": "small"})).unwrap();
    assert_eq!(third.output_limit, Some(400), "who sets no limit gets one");
}

#[test]
fn a_strict_budget_cuts_no_request_down_to_a_few_words() {
    let gateway = Gateway::with(|json| {
        json["hold"] = json!({"least_output_tokens": 200});
        json["budgets"] = json!([{"name": "cent", "window": "day", "limit_usd": "0.01", "mode": "strict"}]);
    });
    let _first = gateway.chat(850).unwrap();
    assert_eq!(refused(gateway.chat(500)), ("cent".into(), BudgetReason::Held));
    assert_eq!(gateway.chat(150).unwrap().output_limit, None, "who wants no more than that gets it");
}

#[test]
fn a_strict_budget_holds_all_there_can_be_so_a_long_answer_takes_no_more_and_is_not_cut() {
    let mut gateway = Gateway::new(json!([
        {"name": "tokens", "window": "day", "limit_output_tokens": 1_000, "mode": "strict", "running": "cut"},
    ]));
    (0..16).for_each(|_| gateway.recent.note("red", "small", 10, 0));
    let mut running = gateway.chat(1_000).unwrap();
    let seen = Amounts { output: 1_200, ..Amounts::REQUEST };
    assert_eq!(running.hold.grow(&gateway.ledger(), seen, NOW), Ok(()));
    assert_eq!(gateway.output("tokens").0, 1_000);
}

#[test]
fn strict_and_other_budgets_hold_at_once_what_each_of_them_needs() {
    let mut gateway = Gateway::new(json!([
        {"name": "cent", "window": "day", "limit_usd": "0.01", "mode": "strict"},
        {"name": "tokens", "window": "day", "limit_output_tokens": 800},
    ]));
    (0..16).for_each(|_| gateway.recent.note("red", "small", 10, 0));
    let admission = gateway.chat(5_000).unwrap();
    assert_eq!(admission.output_limit, Some(1_000));
    assert_eq!((gateway.output("cent").0, gateway.output("tokens").0), (1_000, 44));
    drop(admission);
}

#[test]
fn what_models_answered_lately_is_held_instead_of_all_that_a_caller_allows() {
    let mut gateway = Gateway::new(json!([{"name": "day", "window": "day", "limit_usd": 1}]));
    let before = gateway.chat(64_000).unwrap();
    assert_eq!(gateway.output("day").0, 4_096);
    gateway.settle(before, 100);
    (0..16).for_each(|_| gateway.recent.note("red", "small", 100, 0));
    let _after = gateway.chat(64_000).unwrap();
    assert_eq!(gateway.output("day").0, 404);
}

#[test]
fn the_target_that_is_drawn_is_the_one_that_is_tried_and_paid_for_also_after_a_downgrade() {
    let weighted = |first: &str, second: &str| json!([{"provider": "one", "model": first, "weight": 1}, {"provider": "two", "model": second, "weight": 1}]);
    let mut gateway = Gateway::with(|json| {
        json["providers"]["two"]["dialect"] = json!("openai");
        json["models"]["small"] = weighted("s-1", "s-2");
        json["models"]["cheap"] = weighted("c-1", "c-2");
        json["budgets"] = json!([
            {"name": "one", "per": "provider", "window": "day", "limit_requests": 4,
                "downgrade": {"model": "cheap", "from_percent": 50}},
        ]);
    });
    let mut tried = std::collections::BTreeSet::new();
    for draw in 0..16 {
        gateway.draw = draw;
        for _ in 0..2 {
            let admission = gateway.chat(10).unwrap();
            assert_eq!(admission.target.model, admission.plan.targets[0].model);
            assert_eq!(admission.plan.targets.len(), 2);
            tried.insert((
                admission.plan.model,
                &*admission.target.provider.name == "one",
                admission.target.model,
            ));
        }
        (gateway.store, gateway.leases) = Default::default();
    }
    let expected =
        [("cheap", true, "c-1"), ("cheap", false, "c-2"), ("small", true, "s-1"), ("small", false, "s-2")];
    let expected = expected.map(|(name, one, model)| (name.to_owned(), one, model.to_owned()));
    assert_eq!(tried, expected.into());
}

#[test]
fn a_hold_grows_with_the_answer_and_others_find_the_room_gone() {
    let gateway = Gateway::new(json!([
        {"name": "day", "window": "day", "limit_output_tokens": 1_000},
        {"name": "cuts", "window": "day", "limit_output_tokens": 1_500, "running": "cut"},
    ]));
    let mut running = gateway.chat(100).unwrap();
    assert!(running.hold.may_cut());
    let seen = |output| Amounts { output, ..Amounts::REQUEST };
    assert_eq!(running.hold.grow(&gateway.ledger(), seen(50), NOW), Ok(()));
    assert_eq!(gateway.output("day").0, 100, "a hold does not shrink");
    assert_eq!(running.hold.grow(&gateway.ledger(), seen(950), NOW), Ok(()));
    assert_eq!(refused(gateway.chat(100)), ("day".into(), BudgetReason::Held));
    assert_eq!(running.hold.grow(&gateway.ledger(), seen(1_400), NOW), Ok(()), "who runs may finish");
    assert_eq!(gateway.output("day").0, 1_400);
    let used_up = running.hold.grow(&gateway.ledger(), seen(1_600), NOW).unwrap_err();
    assert_eq!(&*used_up.budget.name, "cuts");
    assert_eq!((gateway.output("day").0, gateway.output("cuts").0), (1_600, 1_400));
    gateway.settle(running, 1_700);
    assert_eq!((gateway.output("day"), gateway.output("cuts")), ((0, 1_700), (0, 1_700)));
}
