//! What real agents send, as `tests/agents/record.py` has kept it: let in by the README's budgets, known by session and
//! client, and told what stops each of them or makes it come again.

use super::*;

const SAMPLE: &str = include_str!("../../../envoy/farebox.json");
const KEY: &str = "fb_demo_tryit-0000000000";

/// An agent, and what is right for it.
struct Agent {
    name: &'static str,
    shapes: &'static str,
    credential: &'static str,
    client: &'static str,
    endpoint: &'static str,
    agent: Option<&'static str>,
    session: Option<&'static str>,
    user: Option<&'static str>,
    /// How it is told of money that is spent.
    spent: u32,
}

fn agents() -> [Agent; 5] {
    [
        Agent {
            name: "claude-code",
            shapes: include_str!("../../../tests/agents/shapes/claude-code.json"),
            credential: "authorization",
            client: "claude-cli",
            endpoint: "messages",
            agent: None,
            session: Some("00000000-0000-4000-8000-000000000001"),
            user: Some("0000000000000000000000000000000000000000000000000000000000000002"),
            spent: 429,
        },
        Agent {
            name: "codex",
            shapes: include_str!("../../../tests/agents/shapes/codex.json"),
            credential: "authorization",
            client: "codex_exec",
            endpoint: "responses",
            agent: Some("/root"),
            session: Some("00000000-0000-4000-8000-000000000001"),
            user: None,
            spent: 400,
        },
        Agent {
            name: "gemini-cli",
            shapes: include_str!("../../../tests/agents/shapes/gemini-cli.json"),
            credential: "x-goog-api-key",
            client: "geminicli-tui",
            endpoint: "stream_generate_content",
            agent: None,
            session: None,
            user: None,
            spent: 429,
        },
        Agent {
            name: "opencode",
            shapes: include_str!("../../../tests/agents/shapes/opencode.json"),
            credential: "authorization",
            client: "opencode",
            endpoint: "chat_completions",
            agent: None,
            session: Some("ses_00000000000000000000000001"),
            user: None,
            spent: 402,
        },
        Agent {
            name: "aider",
            shapes: include_str!("../../../tests/agents/shapes/aider.json"),
            credential: "authorization",
            client: "openai",
            endpoint: "chat_completions",
            agent: None,
            session: None,
            user: None,
            spent: 400,
        },
    ]
}

/// The README's configuration with the models that agents ask for, after `change`.
fn sample(change: impl FnOnce(&mut Value)) -> FakeVm {
    static SECRETS: Once = Once::new();
    // SAFETY: the environment is only read through `std`, which takes a lock.
    SECRETS.call_once(|| unsafe {
        for name in ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"] {
            std::env::set_var(name, "a-secret");
        }
    });
    let mut json: Value = serde_json::from_str(SAMPLE).unwrap();
    change(&mut json);
    FakeVm::start(&json.to_string())
}

/// Makes texts as long again as they were: "… +4000" stands for 4,000 bytes.
fn at_length(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some((kept, more)) = text.rsplit_once("… +") {
                *text = kept.to_owned() + &"x".repeat(more.parse().unwrap());
            }
        }
        Value::Array(values) => values.iter_mut().for_each(at_length),
        Value::Object(members) => members.values_mut().for_each(at_length),
        _ => {}
    }
}

/// What an agent has sent: heads and bodies.
fn requests(agent: &Agent) -> Vec<(Pairs, String)> {
    let shapes: Vec<Value> = serde_json::from_str(agent.shapes).unwrap();
    let request = |mut shape: Value| {
        at_length(&mut shape["body"]);
        let scheme = if agent.credential == "authorization" { "Bearer " } else { "" };
        let key = format!("{scheme}{KEY}");
        let path = shape["path"].as_str().unwrap();
        let mut head = pairs(&[(":method", "POST"), (":path", path), (":authority", "gateway.example")]);
        head.extend(pairs(&[("x-request-id", "r-1"), (agent.credential, &key)]));
        let headers = shape["headers"].as_object().unwrap();
        head.extend(
            headers.iter().map(|(name, value)| (name.clone().into(), value.as_str().unwrap().into())),
        );
        (head, shape["body"].to_string())
    };
    shapes.into_iter().map(request).collect()
}

/// Sends a request; whether it goes on.
fn send(vm: &FakeVm, (head, body): &(Pairs, String)) -> (Stream, bool) {
    let mut stream = vm.stream();
    assert_eq!(stream.request(head.clone(), false), Action::Pause, "{:?}", stream.response());
    let goes_on = stream.body(body.as_bytes(), true) == Action::Continue;
    (stream, goes_on)
}

/// The dollars that are held for the sample's only team.
fn dollars_held(vm: &FakeVm) -> f64 {
    let mut stream = vm.stream();
    let bearer = format!("Bearer {KEY}");
    let head = [(":method", "GET"), (":path", "/farebox/usage"), ("authorization", &bearer)];
    assert_eq!(stream.request(pairs(&head), true), Action::Pause);
    let page = stream.response().unwrap().json();
    let team = page["budgets"].as_array().unwrap().iter().find(|budget| budget["name"] == "team").unwrap();
    team["held"]["usd"].as_str().unwrap().parse().unwrap()
}

#[test]
fn every_call_of_an_agents_task_fits_the_readmes_budgets_at_one_time_and_is_known() {
    for agent in agents() {
        let vm = sample(|_| {});
        let calls = requests(&agent);
        assert!(calls.len() >= 3, "{}", agent.name);
        let streams: Vec<(Stream, bool)> = calls.iter().map(|call| send(&vm, call)).collect();
        let held = dollars_held(&vm);
        assert!(held > 0.001 && held < 1.0, "{}: {held}", agent.name);
        for (mut stream, goes_on) in streams {
            assert!(goes_on, "{}: {:?}", agent.name, stream.response());
            stream.answer(200, JSON, false);
            stream.answer_body(b"{}", true);
            let record = stream.log();
            let said = ["client", "agent", "session", "user"].map(|name| record[name].as_str());
            assert_eq!(said, [Some(agent.client), agent.agent, agent.session, agent.user], "{}", agent.name);
            // Gemini CLI asks its router for one document.
            assert!(
                agent.endpoint.ends_with(record["endpoint"].as_str().unwrap()),
                "{}: {record}",
                agent.name
            );
        }
    }
}

/// What an agent is told that finds budgets like this: status, `retry-after`, `x-should-retry`, why, and the body.
fn told(agent: &Agent, budget: Value, ends: bool) -> (u32, Vec<String>, Vec<String>, Vec<String>, Value) {
    let vm = sample(|json| json["budgets"] = json!([budget]));
    let call = requests(agent).remove(0);
    let mut running = Vec::new();
    for _ in 0..200 {
        let (mut stream, goes_on) = send(&vm, &call);
        if !goes_on {
            let reply = stream.response().unwrap();
            let header = |name| reply.header(name);
            let [wait, again, why] = ["retry-after", "x-should-retry", "x-farebox-denied"].map(header);
            return (reply.status, wait, again, why, reply.json());
        }
        if ends {
            stream.answer(200, JSON, false);
            stream.answer_body(b"{}", true);
            stream.log();
        } else {
            running.push(stream);
        }
    }
    panic!("{} is never refused", agent.name);
}

#[test]
fn every_agent_is_told_what_stops_it_where_nothing_is_left() {
    for agent in agents() {
        let budget = json!({"name": "run", "per": "key", "window": "day", "limit_requests": 1});
        let (status, wait, again, why, body) = told(&agent, budget, true);
        assert_eq!(
            (status, wait.len(), &*again, &*why),
            (agent.spent, 0, &["false".into()][..], &["budget".into()][..]),
            "{}",
            agent.name
        );
        let message = body["error"]["message"].as_str().unwrap();
        assert!(
            message.starts_with("Budget 'run' has no room for this request. It resets at 2"),
            "{message}"
        );
        // Gemini CLI goes by this alone.
        let delay = body["error"]["details"][0]["retryDelay"].as_str();
        assert_eq!(delay.is_some_and(|delay| delay != "1s"), agent.name == "gemini-cli", "{body}");
    }
}

#[test]
fn every_agent_is_told_to_come_again_where_others_are_in_the_way() {
    let held = json!({"name": "run", "per": "key", "window": "day", "limit_usd": "0.3"});
    let lane = json!({"name": "run", "per": "key", "window": "day", "limit_concurrent": 1});
    for (budget, reason) in [(held, "budget_held"), (lane, "budget_concurrency")] {
        for agent in agents() {
            let (status, wait, again, why, body) = told(&agent, budget.clone(), false);
            assert_eq!(
                (status, &*wait, again.len(), &*why),
                (429, &["1".into()][..], 0, &[reason.into()][..]),
                "{}",
                agent.name
            );
            assert!(body["error"]["message"].as_str().unwrap().contains("Budget 'run'"), "{body}");
            let delay = body["error"]["details"][0]["retryDelay"].as_str();
            assert_eq!(delay, (agent.name == "gemini-cli").then_some("1s"), "{body}");
        }
    }
}
