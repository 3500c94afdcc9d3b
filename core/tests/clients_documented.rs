//! That `docs/clients.md` says what clients are really told: every row of its table is asked for here.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on should stop")]

use std::rc::Rc;

use farebox_core::base::headers::RequestHead;
use farebox_core::base::window::Millis;
use farebox_core::config::Config;
use farebox_core::denial::{BudgetReason, Client, Denial, Reply};
use farebox_core::dialect::Dialect;
use serde_json::{Value, json};

const DOCUMENT: &str = include_str!("../../docs/clients.md");
const SAMPLE: &str = include_str!("../../envoy/farebox.json");
/// Noon, 21 November 2026.
const NOW: Millis = Millis(1_795_262_400_000);

/// One row of the table, without the name of the client.
struct Row {
    client: Client,
    dialect: Dialect,
    soon: bool,
    told: [String; 3],
}

fn rows() -> Vec<Row> {
    let lines = DOCUMENT.lines().skip_while(|line| !line.starts_with("| client")).skip(2);
    lines.take_while(|line| line.starts_with('|')).map(row).collect()
}

fn row(line: &str) -> Row {
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    let header = cells[2].trim_matches('`').split_once(": ");
    let header = header.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    let dialects =
        [("openai", Dialect::OpenAi), ("anthropic", Dialect::Anthropic), ("gemini", Dialect::Gemini)];
    let dialect =
        dialects.into_iter().find_map(|(name, dialect)| (name == cells[3]).then_some(dialect)).unwrap();
    assert!(["soon", "spent"].contains(&cells[4]), "{line}");
    Row {
        client: Client::of(&RequestHead::new(header.into_iter().collect())),
        dialect,
        soon: cells[4] == "soon",
        told: [cells[5], cells[6], cells[7]].map(str::to_owned),
    }
}

/// What is said of the budget `run` of the sample.
fn denied(reason: BudgetReason) -> Denial {
    let mut json: Value = serde_json::from_str(SAMPLE).unwrap();
    json["budgets"] = json!([{"name": "run", "per": "key", "window": "day", "limit_usd": 2}]);
    let config = Config::parse(json.to_string().as_bytes(), |_| Some("key".into())).unwrap();
    let account = config.keys["demo"].accounts[0].clone().unwrap();
    Denial::budget(&config, Rc::clone(&account), reason, None, NOW)
}

fn told(reply: &Reply) -> [String; 3] {
    let header = |name: &str| {
        let found = reply.headers.iter().find(|(candidate, _)| *candidate == name);
        found.map(|(_, value)| value.to_string()).unwrap_or_default()
    };
    [reply.status.to_string(), header("retry-after"), header("x-should-retry")]
}

#[test]
fn every_row_of_the_table_is_what_such_a_client_is_told() {
    let rows = rows();
    assert!(rows.len() >= 16, "{}", rows.len());
    for Row { client, dialect, soon, told: documented } in rows {
        let reasons: &[BudgetReason] = if soon {
            &[BudgetReason::Concurrency, BudgetReason::Held]
        } else {
            &[BudgetReason::Spent, BudgetReason::Size, BudgetReason::Slots]
        };
        for reason in reasons {
            let reply = denied(*reason).reply(dialect, client, "id", NOW);
            assert_eq!(told(&reply), documented, "{client:?} {dialect:?} {reason:?}");
        }
    }
}

#[test]
fn geminis_clients_are_told_in_the_body_how_long_it_lasts() {
    for (reason, delay) in [
        (BudgetReason::Held, "1s"),
        (BudgetReason::Concurrency, "1s"),
        (BudgetReason::Spent, "43200s"),
        (BudgetReason::Size, "86400s"),
    ] {
        let reply = denied(reason).reply(Dialect::Gemini, Client::Other, "id", NOW);
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        let details = &body["error"]["details"][0];
        assert_eq!(details["@type"], "type.googleapis.com/google.rpc.RetryInfo");
        assert_eq!(details["retryDelay"], delay, "{reason:?}");
    }
}
