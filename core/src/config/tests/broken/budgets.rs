//! What is told about mistakes in a budget.

use super::*;

const MEASURES: &str = "must have at least one of limit_usd, limit_tokens, limit_input_tokens, \
                        limit_output_tokens, limit_requests, limit_concurrent";
const WORDS: &str = "must be one of org, team, key, model, provider, user, agent, session, workflow, request, \
                     label:<name>, header:<name>";
const KEYS: &str =
    r#"[{"id": "a", "team": "search", "labels": {"env": "ci"}}], "identity": {"header": "x-a"}"#;

/// Each row: members of a daily budget of one dollar, and the mistakes that are told, below the budget's path.
/// A row that says something of a window or a limit has no other.
fn check_budget(rows: &[(&str, &[&str])]) {
    for (rest, expected) in rows {
        let usual = [("window", r#""window": "day","#), ("limit_", r#""limit_usd": 1,"#)];
        let usual: String =
            usual.iter().filter(|(name, _)| !rest.contains(name)).map(|(_, member)| *member).collect();
        let budgets = format!(r#"{KEYS}, "budgets": [{{"name": "a", {usual} {rest}}}]"#);
        let expected: Vec<String> = expected.iter().map(|told| format!("budgets[0]{told}")).collect();
        assert_eq!(mistakes(&with("keys", &budgets)), expected.join("\n"), "{rest}");
    }
}

#[test]
fn what_is_wrong_with_a_list_of_budgets_is_told() {
    let many = vec![r#"{"name": "a"}"#; 17];
    let told = mistakes(&with("budgets", &format!("[{}]", many.join(", "))));
    assert!(told.starts_with("budgets: must have at most 16 budgets, not 17\n"), "{told}");
    check(&[(
        "budgets",
        r#"[{"name": "a", "window": "day"}, {"name": "a", "window": "day", "limit_usd": "1e9"}, {"nmae": "b"}]"#,
        &[
            &format!("budgets[0]: {MEASURES}"),
            "budgets[1].name: budgets[0] has this name already",
            "budgets[1].limit_usd: is too large to be counted",
            r#"budgets[2]: "name" is missing"#,
            r#"budgets[2]: "window" is missing"#,
            &format!("budgets[2]: {MEASURES}"),
            r#"budgets[2].nmae: unknown key (did you mean "name"?)"#,
        ],
    )]);
}

#[test]
fn what_is_wrong_with_the_dimensions_of_a_budget_is_told() {
    check_budget(&[
        (r#""per": "sesion""#, &[&format!(".per: {WORDS} (did you mean \"session\"?)")]),
        (r#""per": "label""#, &[&format!(".per: {WORDS}")]),
        (r#""per": 7"#, &[".per: must be a string, not a number"]),
        (
            r#""per": []"#,
            &[".per: must name what the budget is counted by; leave \"per\" out for the whole organisation"],
        ),
        (
            r#""per": ["team", "key", "model", "user", "agent"]"#,
            &[".per: must have at most 4 dimensions, not 5"],
        ),
        (r#""per": ["team", "org"]"#, &[r#".per[1]: "org" is everyone and stands alone"#]),
        (
            r#""per": ["user", "header:x-b", "user", "header:X-B"]"#,
            &[".per[2]: budgets[0].per[0] says this already", ".per[3]: budgets[0].per[1] says this already"],
        ),
        (
            r#""per": ["tema", null]"#,
            &[&format!(".per[0]: {WORDS} (did you mean \"team\"?)"), ".per[1]: must be a string, not null"],
        ),
        (r#""per": "label:evn""#, &[r#".per: no key has this label (did you mean "label:env"?)"#]),
        (r#""per": "label:ab""#, &[".per: no key has this label"]),
        (r#""per": "label:""#, &[r#".per: what follows "label:" must be 1 to 64 characters"#]),
        (
            r#""per": "header::path""#,
            &[r#".per: what follows "header:" must be an HTTP header name of 1 to 64 characters"#],
        ),
        (
            r#""per": ["header:Authorization", "header:x-goog-api-key"]"#,
            &[
                ".per[0]: this header carries credentials, which nothing may be counted by",
                ".per[1]: this header carries credentials, which nothing may be counted by",
            ],
        ),
    ]);
}

#[test]
fn what_is_wrong_with_the_window_of_a_budget_is_told() {
    check_budget(&[
        (
            r#""window": "dya""#,
            &[r#".window: must be one of minute, hour, day, week, month, lifetime (did you mean "day"?)"#],
        ),
        (r#""utc_offset": 2"#, &[".utc_offset: must be a string, not a number"]),
        (
            r#""window": "lifetime", "utc_offset": "+02:00""#,
            &[
                ".utc_offset: a lifetime never starts again, whatever the clocks say; leave \"utc_offset\" out",
            ],
        ),
    ]);
    for offset in
        ["Z", "", "+2:00", "+02", "02:00", "+02:60", "+14:01", "-15:00", "+-2:00", "é02:00", "+02:00:00"]
    {
        check_budget(&[(
            &format!(r#""utc_offset": "{offset}""#),
            &[".utc_offset: must be like +02:00 or -03:30, from -14:00 to +14:00"],
        )]);
    }
}

#[test]
fn what_is_wrong_with_the_limits_of_a_budget_is_told() {
    check_budget(&[
        (
            r#""limit_usd": 0.0000000000001, "limit_tokens": 1.5, "limit_concurrent": "2", "limit_input_tokens": -1"#,
            &[
                ".limit_usd: has more decimals than can be counted",
                ".limit_tokens: must be a whole number from 0 to 9007199254740991",
                ".limit_concurrent: must be a whole number, not a string",
                ".limit_input_tokens: must be a whole number from 0 to 9007199254740991",
            ],
        ),
        (
            r#""limit_used": 1"#,
            &[&format!(": {MEASURES}"), r#".limit_used: unknown key (did you mean "limit_usd"?)"#],
        ),
        // There are overrides, so everyone else may be without a limit; but these limit nothing.
        (
            r#""per": "user", "window": "day", "overrides": {"limit_of_her": {}}"#,
            &[&format!(".overrides.limit_of_her: {MEASURES}")],
        ),
    ]);
    let none = r#"[{"name": "a", "per": "user", "window": "day", "overrides": {}}]"#;
    check(&[("budgets", none, &[&format!("budgets[0]: {MEASURES}")])]);
}

#[test]
fn what_is_wrong_with_an_override_is_told() {
    check_budget(&[
        (
            r#""overrides": {"search": 7}"#,
            &[".overrides: a budget for the whole organisation has no overrides; \
               say in \"per\" who has a counter of their own"],
        ),
        (
            r#""per": ["user", "request"], "overrides": {}"#,
            &[".overrides: a budget that is counted by the request has no overrides: requests have no names"],
        ),
        (
            r#""per": "team", "overrides": {"serach": {"limit_usd": 2}, "search": {}, "sear*": {"usd": 1}}"#,
            &[
                r#".overrides.serach: no key has this team (did you mean "search"?)"#,
                &format!(".overrides.search: {MEASURES}"),
                &format!(".overrides[\"sear*\"]: {MEASURES}"),
                ".overrides[\"sear*\"].usd: unknown key (known here: limit_usd, limit_tokens, \
                 limit_input_tokens, limit_output_tokens, limit_requests, limit_concurrent)",
            ],
        ),
        (r#""per": "key", "overrides": {"b": {"limit_usd": 2}}"#, &[".overrides.b: no key has this id"]),
        (
            r#""per": "model", "overrides": {"fats": {"limit_usd": 2}, "other": {"limit_usd": 2}}"#,
            &[r#".overrides.fats: no model has this name (did you mean "fast"?)"#],
        ),
        (
            r#""per": ["provider"], "overrides": {"locl": {"limit_usd": 2}, "local": null}"#,
            &[
                r#".overrides.locl: no provider has this name (did you mean "local"?)"#,
                ".overrides.local: must be an object, not null",
            ],
        ),
        (
            r#""per": ["team", "model", "header:X-A"], "overrides": {"a/b": {"limit_usd": 2}, "a?b": {"limit_usd": 2}, "a/b/c/d": {"limit_usd": 2}}"#,
            &[r#".overrides["a/b"]: the name must be team/model/header:x-a, or a pattern of that"#],
        ),
        (r#""per": "team", "overrides": ["search"]"#, &[".overrides: must be an object, not a list"]),
    ]);
}

#[test]
fn what_is_wrong_with_the_conduct_of_a_budget_is_told() {
    check_budget(&[
        (
            r#""mode": "stict", "at_limit": "warn", "running": "stop""#,
            &[
                r#".mode: must be one of check, hold, strict (did you mean "strict"?)"#,
                ".at_limit: must be one of deny, shadow",
                ".running: must be one of finish, cut",
            ],
        ),
        (
            r#""downgrade": {"model": "fats", "from_percent": 0}"#,
            &[
                r#".downgrade.model: no model has this name (did you mean "fast"?)"#,
                ".downgrade.from_percent: must be a whole number from 1 to 100",
            ],
        ),
        (
            r#""downgrade": {"modle": "fast"}"#,
            &[
                r#".downgrade: "model" is missing"#,
                r#".downgrade.modle: unknown key (did you mean "model"?)"#,
            ],
        ),
        (
            r#""downgrade": {"model": "f*"}"#,
            &[".downgrade.model: must be the name of one model, not a pattern"],
        ),
        (r#""downgrade": {"model": ["fast"]}"#, &[".downgrade.model: must be a string, not a list"]),
        (r#""downgrade": {"model": {}}"#, &[".downgrade.model: must name at least one model"]),
        (
            r#""downgrade": {"model": {"fats": "fast", "*": "fats", "f*": "g*", "a{b}": "fast", "?": 1}}"#,
            &[
                r#".downgrade.model.fats: no model has this name (did you mean "fast"?)"#,
                r#".downgrade.model["*"]: no model has this name (did you mean "fast"?)"#,
                r#".downgrade.model["f*"]: must be the name of one model, not a pattern"#,
                r#".downgrade.model["a{b}"]: the name must be 1 to 256 visible ASCII characters without a space or a brace"#,
                r#".downgrade.model["?"]: must be a string, not a number"#,
            ],
        ),
        (
            r#""downgrade": {"model": {"*": "fast", "fast": "local/x"}}"#,
            &[
                r#".downgrade.model.fast: "local/x" leads back to itself; say for the model that is to be the last that it leads to itself"#,
            ],
        ),
        (r#""warn_percent": 101"#, &[".warn_percent: must be a whole number from 1 to 100"]),
        (
            r#""warn_percent": [0, 10, 20, 30, "40"]"#,
            &[
                ".warn_percent: must have at most 4 percentages, not 5",
                ".warn_percent[0]: must be a whole number from 1 to 100",
                ".warn_percent[4]: must be a whole number, not a string",
            ],
        ),
        (
            r#""at_limit": "shadow", "running": "cut""#,
            &[".running: a budget that only watches cuts no answer; leave \"at_limit\" out"],
        ),
    ]);
}

#[test]
fn what_means_nothing_for_a_budget_is_told() {
    let unclaimed = "only means something if callers name what the budget is counted by: \
                     user, agent, session, workflow, request or header:<name>";
    let present = "only means something if what the budget is counted by may be absent: \
                   user, agent, session, workflow, label:<name> or header:<name>";
    check_budget(&[
        (
            r#""per": ["team", "label:env", "model"], "slots": 2048, "when_full": "allow", "forget_after_seconds": 60, "when_absent": "deny""#,
            &[
                &format!(".slots: {unclaimed}"),
                &format!(".when_full: {unclaimed}"),
                &format!(".forget_after_seconds: {unclaimed}"),
            ],
        ),
        (
            r#""slots": 1, "when_absent": "skip""#,
            &[
                ".slots: must be a whole number from 1024 to 262144",
                &format!(".slots: {unclaimed}"),
                &format!(".when_absent: {present}"),
            ],
        ),
        (r#""per": "request", "when_absent": "deny""#, &[&format!(".when_absent: {present}")]),
        (
            r#""per": "user", "slots": 262145, "forget_after_seconds": 59, "when_full": "keep", "when_absent": "ask""#,
            &[
                ".slots: must be a whole number from 1024 to 262144",
                ".forget_after_seconds: must be a whole number from 60 to 31622400",
                ".when_full: must be one of deny, allow, evict",
                ".when_absent: must be one of skip, deny",
            ],
        ),
        // What the budget is counted by is a mistake itself, so nobody knows what goes with it.
        (r#""per": "usr", "slots": 1024"#, &[&format!(".per: {WORDS} (did you mean \"user\"?)")]),
    ]);
}
