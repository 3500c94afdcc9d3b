//! The requests that are counted: what is asked of which configuration, and what must come of it.
//!
//! Each is played in an Envoy of its own that has just started, more than once, and the last time is what counts: the
//! first request of a kind claims budgets, defines metrics and grows tables and memory, which the others do not.

use serde_json::Value;

use crate::branches::Taken;
use crate::envoy::{Callback, Envoy, Exchange};
use crate::failure::Failure;
use crate::payload::{self, KEY};
use crate::vm::{Code, Function};

/// The plugin configuration, of which a scenario takes as many budgets as it wants.
const GATEWAY: &str = include_str!("../gateway.json");
const CHAT: &str = "/v1/chat/completions";
const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    budgets: usize,
    /// The filter stands behind the router too.
    behind: bool,
    /// A fleet shares the budgets.
    fleet: bool,
    /// The keys are the registry's.
    registry: bool,
    /// The first budget lets this many requests pass.
    requests: Option<usize>,
    /// Callers have tokens of an identity provider.
    tokens: bool,
    play: Play,
}

#[derive(Debug)]
enum Play {
    /// The start of the VMs.
    Start,
    /// The timer, after a request.
    Tick(Exchange),
    /// A request, of which the client must get this status and the record must say this.
    Request { exchange: Exchange, status: &'static str, record: &'static str },
}

/// What one playing of a scenario came to.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) callbacks: Vec<Callback>,
    /// Pages of memory at the end.
    pub(crate) pages: u64,
    /// What each function executed in what is counted, if functions are counted.
    pub(crate) functions: Vec<Function>,
    /// How often every branch was taken, from the start on, if branches are counted.
    pub(crate) branches: Vec<Vec<Taken>>,
}

/// All scenarios, in the order of the table.
pub(crate) fn all() -> Vec<Scenario> {
    let mut all = vec![of("start, 6 budgets", 6, Play::Start)];
    let placements = [(false, ""), (true, ", attempts")];
    for (behind, suffix) in placements {
        for budgets in [0, 1, 3, 6] {
            let name = format!("chat 1 KiB, {}{suffix}", counted(budgets));
            all.push(Scenario { behind, ..of(&name, budgets, answered("gpt-4o-mini", KIB)) });
        }
    }
    let failing = Play::Request {
        exchange: Exchange {
            answers: vec![payload::overloaded(), payload::answer()],
            ..ask("safe", KIB, false)
        },
        status: "200",
        record: r#""provider":"local""#,
    };
    // The same budgets for both: the team's, and one of a user, whom a token names and a key's caller only claims.
    let named = [("x-farebox-user", "alice@example.com")];
    let body = payload::chat("gpt-4o-mini", KIB, false);
    let by_key = Exchange {
        head: payload::head("POST", CHAT, Some(KEY), body.len(), &named),
        ..ask("gpt-4o-mini", KIB, false)
    };
    let by_token = Exchange {
        head: payload::head("POST", CHAT, Some(payload::TOKEN), body.len(), &[]),
        metadata: payload::metadata(),
        ..ask("gpt-4o-mini", KIB, false)
    };
    for (name, exchange) in [("by a key", by_key), ("by a token", by_token)] {
        let record = r#""user":"alice@example.com""#;
        let play = Play::Request { exchange, status: "200", record };
        all.push(Scenario { tokens: true, ..of(&format!("chat 1 KiB, team and user {name}"), 2, play) });
    }
    all.push(of("chat 1 KiB, model renamed", 3, answered("fast", KIB)));
    all.push(Scenario { behind: true, ..of("chat 1 KiB, two targets", 3, answered("safe", KIB)) });
    all.push(Scenario { behind: true, ..of("chat 1 KiB, first target fails", 3, failing) });
    for (name, size) in [("10 KiB", 10 * KIB), ("100 KiB", 100 * KIB), ("1 MiB", MIB), ("10 MiB", 10 * MIB)] {
        all.push(of(&format!("chat {name}"), 3, answered("gpt-4o-mini", size)));
    }
    all.push(of("chat 1 MiB, model renamed", 3, answered("fast", MIB)));
    for events in [10, 100, 1000] {
        all.push(of(&format!("stream of {events} events"), 3, streamed(events)));
    }
    all.push(Scenario { behind: true, ..of("stream of 100 events, attempts", 3, streamed(100)) });
    // As "chat 1 KiB, 3 budgets", with a key that is not the configuration's.
    all.push(Scenario {
        registry: true,
        ..of("chat 1 KiB, 3 budgets, key of a registry", 3, answered("gpt-4o-mini", KIB))
    });
    all.extend(refusals());
    all.push(of("models list", 3, bodiless("GET", "/v1/models")));
    all.push(of("tick, 3 budgets", 3, Play::Tick(ask("gpt-4o-mini", KIB, false))));
    // The first request asks the ledger and waits; the one that counts has been lent enough.
    all.push(Scenario {
        fleet: true,
        ..of("chat 1 KiB, 3 budgets of a fleet", 3, answered("gpt-4o-mini", KIB))
    });
    let tick = Play::Tick(ask("gpt-4o-mini", KIB, false));
    all.push(Scenario { fleet: true, ..of("tick, 3 budgets of a fleet", 3, tick) });
    all
}

fn refusals() -> Vec<Scenario> {
    let chat = ask("gpt-4o-mini", KIB, false);
    let with_key = |key| Exchange {
        head: payload::head("POST", CHAT, key, chat.body.len(), &[]),
        answers: Vec::new(),
        ..chat.clone()
    };
    let refused = |exchange, status, record| Play::Request { exchange, status, record };
    let unknown = with_key(Some("fb_demo_another-00000000"));
    let spent = Exchange { answers: Vec::new(), ..chat.clone() };
    let no_model = Exchange { answers: Vec::new(), ..ask("gemini-none", KIB, false) };
    vec![
        of("refused: unknown key", 3, refused(unknown, "401", r#""outcome":"denied""#)),
        of("refused: no key", 3, refused(with_key(None), "401", r#""outcome":"denied""#)),
        Scenario {
            requests: Some(0),
            ..of("refused: budget spent", 3, refused(spent, "429", r#""budget":"org""#))
        },
        of("refused: unknown model", 3, refused(no_model, "404", r#""outcome":"denied""#)),
    ]
}

fn of(name: &str, budgets: usize, play: Play) -> Scenario {
    Scenario {
        name: name.to_owned(),
        budgets,
        behind: false,
        fleet: false,
        registry: false,
        requests: None,
        tokens: false,
        play,
    }
}

fn counted(budgets: usize) -> String {
    if budgets == 1 { "1 budget".to_owned() } else { format!("{budgets} budgets") }
}

fn ask(model: &str, size: usize, stream: bool) -> Exchange {
    let body = payload::chat(model, size, stream);
    let session = [("x-farebox-session", "run-2026-11-21-0001")];
    Exchange {
        head: payload::head("POST", CHAT, Some(KEY), body.len(), &session),
        body,
        metadata: Vec::new(),
        answers: vec![payload::answer()],
    }
}

fn answered(model: &str, size: usize) -> Play {
    Play::Request { exchange: ask(model, size, false), status: "200", record: r#""usage_source":"provider""# }
}

fn streamed(events: usize) -> Play {
    let exchange = Exchange { answers: vec![payload::stream(events)], ..ask("gpt-4o-mini", KIB, true) };
    Play::Request { exchange, status: "200", record: r#""usage_source":"provider""# }
}

fn bodiless(method: &str, path: &str) -> Play {
    let head = payload::head(method, path, Some(KEY), 0, &[]);
    let exchange = Exchange { head, body: Vec::new(), metadata: Vec::new(), answers: Vec::new() };
    Play::Request { exchange, status: "200", record: r#""outcome":"local""# }
}

impl Scenario {
    /// Whether nothing is asked: the VMs only start.
    pub(crate) fn is_start(&self) -> bool {
        matches!(self.play, Play::Start)
    }

    /// Plays the scenario and counts its last time.
    ///
    /// # Errors
    ///
    /// The filter fails, or something else came of it than must.
    pub(crate) fn play(&self, code: &Code) -> Result<Played, Failure> {
        let mut envoy = Envoy::start(code, &self.configuration(), self.behind)?;
        let starting = envoy.callbacks();
        if self.registry {
            envoy.tick()?;
        }
        let mut before = Vec::new();
        let callbacks = match &self.play {
            Play::Start => starting,
            Play::Tick(exchange) => {
                envoy.exchange(exchange)?;
                envoy.tick()?;
                if self.fleet {
                    // There is something to say.
                    envoy.exchange(exchange)?;
                }
                envoy.callbacks();
                before = envoy.functions(code);
                envoy.tick()?;
                envoy.callbacks()
            }
            Play::Request { exchange, status, record } => {
                envoy.exchange(exchange)?;
                before = envoy.functions(code);
                let outcome = envoy.exchange(exchange)?;
                if outcome.status != *status || !outcome.record.contains(record) {
                    return Err(Failure::Otherwise { status: outcome.status, record: outcome.record });
                }
                outcome.callbacks
            }
        };
        let mut functions = envoy.functions(code);
        for (function, before) in functions.iter_mut().zip(before) {
            function.entered -= before.entered;
            function.own -= before.own;
            function.total -= before.total;
        }
        Ok(Played { callbacks, pages: envoy.pages(), functions, branches: envoy.branches() })
    }

    fn configuration(&self) -> String {
        let mut json: Value = serde_json::from_str(GATEWAY).unwrap_or_default();
        if let Some(json) = json.as_object_mut().filter(|_| self.fleet) {
            json.insert("ledger".into(), serde_json::json!({}));
        }
        if let Some(json) = json.as_object_mut().filter(|_| self.registry) {
            json.insert("ledger".into(), serde_json::json!({"registry": {}}));
            json.insert("keys".into(), serde_json::json!([]));
        }
        if let Some(json) = json.as_object_mut().filter(|_| self.tokens) {
            let team = serde_json::json!({"claim": "groups", "teams": {"eng-search": "search"}});
            json.insert(
                "identity".into(),
                serde_json::json!({"from": "jwt", "issuers": [payload::ISSUER],
                "team": team, "user": "email"}),
            );
            json.insert(
                "budgets".into(),
                serde_json::json!([
                    {"name": "team", "per": "team", "window": "day", "limit_usd": 5000},
                    {"name": "user", "per": "user", "window": "day", "limit_usd": 5000},
                ]),
            );
        }
        if let Some(budgets) = json.get_mut("budgets").and_then(Value::as_array_mut) {
            budgets.truncate(self.budgets);
            for budget in budgets.iter_mut().filter(|_| self.registry) {
                budget["scope"] = "process".into();
            }
            if let (Some(budget), Some(requests)) = (budgets.first_mut(), self.requests) {
                *budget = serde_json::json!({"name": "org", "window": "month", "limit_requests": requests});
            }
        }
        json.to_string()
    }
}
