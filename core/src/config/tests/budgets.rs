//! What budgets come to.

use super::*;
use crate::base::hash::HashMap;
use crate::base::window::{Calendar, Window};

fn budget<'c>(config: &'c Config, name: &str) -> &'c Budget {
    config.budgets.iter().find(|budget| &*budget.name == name).unwrap()
}

fn usd(text: &str) -> Option<PicoUsd> {
    Some(PicoUsd::parse(text).unwrap())
}

#[test]
fn a_budget_says_no_more_than_it_must() {
    let config = parse(&with("budgets", r#"[{"name": "a", "window": "day", "limit_usd": 1}]"#)).unwrap();
    let limits = Limits { usd: usd("1"), ..Limits::default() };
    assert_eq!(*config.budgets[0], Budget::new("a", [], Calendar::utc(Window::Day), limits));
    let named = r#"[{"name": "a", "per": ["org"], "window": "day", "utc_offset": "-00:00", "limit_usd": 1, "mode": "hold",
        "at_limit": "deny", "running": "finish", "warn_percent": []}]"#;
    assert_eq!(parse(&with("budgets", named)).unwrap().budgets, config.budgets);
}

#[test]
fn everything_that_a_budget_says_is_kept() {
    let config = parse(MAXIMAL).unwrap();
    let run = Budget {
        scope: Scope::Fleet,
        overrides: Overrides {
            exact: HashMap::from_iter([(
                "search/nightly".into(),
                Limits { concurrent: Some(0), ..Limits::default() },
            )]),
            patterns: vec![
                (Pattern::new("search/night*"), Limits { usd: usd("4"), ..Limits::default() }),
                (Pattern::new("search/*"), Limits { usd: usd("3"), ..Limits::default() }),
            ],
        },
        mode: Mode::Strict,
        downgrade: Some(Downgrade::new([("*", "fast")], 90)),
        warn_percent: [50, 80].into(),
        running: Running::Cut,
        slots: 1_024,
        when_full: WhenFull::Evict,
        when_absent: WhenAbsent::Deny,
        forget_ms: 60_000,
        ..Budget::new(
            "run",
            [Dimension::Team, Dimension::Session],
            Calendar::utc(Window::Lifetime),
            Limits { usd: usd("2"), concurrent: Some(4), ..Limits::default() },
        )
    };
    assert_eq!(*budget(&config, "run"), run);
    let model = budget(&config, "model");
    assert_eq!(model.window, Calendar { window: Window::Week, offset_minutes: -210 });
    assert_eq!((model.limits.input_tokens, model.limits.output_tokens), (Some(1_000_000), Some(100_000)));
    assert_eq!((model.mode, &*model.warn_percent), (Mode::Check, &[75][..]));
    let steps = [("gpt-*", "fast"), ("fast", "fast"), ("openai/gpt-4o", "gpt-4o-mini")];
    assert_eq!(model.downgrade, Some(Downgrade::new(steps, 80)));
    let tenant = budget(&config, "tenant");
    assert_eq!(tenant.at_limit, AtLimit::Shadow);
    assert_eq!(tenant.downgrade, Some(Downgrade::new([("*", "local/smollm2")], 80)));
    assert_eq!(tenant.per_text(), "provider+header:x-tenant+label:env");
}

#[test]
fn an_override_is_found_by_its_name_or_else_by_the_longest_pattern() {
    let config = parse(MAXIMAL).unwrap();
    let run = |subject| {
        let limits = budget(&config, "run").limits_of(subject);
        (limits.usd, limits.concurrent)
    };
    assert_eq!(run("search/nightly"), (usd("2"), Some(0)));
    assert_eq!(run("search/nights"), (usd("4"), Some(4)));
    assert_eq!(run("search/day"), (usd("3"), Some(4)));
    assert_eq!(run("finance/nightly"), (usd("2"), Some(4)));
    // Only some are limited at all.
    let provider = budget(&config, "provider");
    assert_eq!(provider.limits_of("openai").concurrent, Some(100));
    assert!(!provider.limits_of("local").any());
}

#[test]
fn clocks_are_ahead_of_utc_or_behind_it() {
    for (text, minutes) in
        [("+02:00", 120), ("-03:30", -210), ("+14:00", 840), ("-14:00", -840), ("-00:01", -1)]
    {
        let budgets =
            format!(r#"[{{"name": "a", "window": "day", "utc_offset": "{text}", "limit_requests": 1}}]"#);
        assert_eq!(
            parse(&with("budgets", &budgets)).unwrap().budgets[0].window.offset_minutes,
            minutes,
            "{text}"
        );
    }
}

#[test]
fn an_override_replaces_only_the_measures_it_names() {
    let config = parse(MAXIMAL).unwrap();
    let accounts = |id: &str| {
        let accounts = config.keys[id].accounts.iter();
        accounts.flatten().map(|account| (account.record.to_string(), account.limits)).collect::<Vec<_>>()
    };
    let org = Limits { usd: usd("5000"), ..Limits::default() };
    assert_eq!(
        accounts("demo"),
        [
            ("fb/2/org/org/".to_owned(), org),
            (
                "fb/2/team/team/search".to_owned(),
                Limits {
                    usd: usd("200.000000000001"),
                    tokens: Some(1_000_000),
                    requests: Some(7),
                    ..Limits::default()
                }
            ),
            (
                "fb/2/key/key/demo".to_owned(),
                Limits { usd: None, tokens: Some(1_000_000), requests: Some(6), ..Limits::default() }
            ),
            ("fb/2/environment/label:cost-centre/".to_owned(), Limits { usd: usd("9"), ..Limits::default() }),
        ]
    );
    assert_eq!(
        accounts("batch-1")[1],
        (
            "fb/2/team/team/finance".to_owned(),
            Limits { usd: usd("0.1"), tokens: Some(1_000_000), requests: Some(1_000), ..Limits::default() }
        )
    );
}
