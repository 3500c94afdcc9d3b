//! Budgets that change while requests are on their way: what was used stays used.

use farebox_tests::answers::Answers;
use farebox_tests::client::Events;
use farebox_tests::config;
use farebox_tests::envoy::Setup;
use farebox_tests::gateway::Gateway;
use farebox_tests::patience::until;
use farebox_tests::script::{Gate, Reply, Step};
use serde_json::{Value, json};

/// Pushes these budgets and waits until they are in force everywhere: workers take a configuration over one by
/// one, and each page below comes over a connection of its own.
async fn push(gateway: &Gateway, budgets: Value) {
    let mut config = config::with_budgets(budgets);
    // Something that differs each time and that can be asked for.
    let mark = format!("mark-{:016x}", fingerprint(&config));
    config["models"][&mark] = json!([{"provider": "local"}]);
    gateway.envoy.push(&config.to_string());
    until("the pushed budgets", async || {
        for _ in 0..8 {
            let models = gateway.caller(config::DEMO).get("/v1/models").await.json();
            if !models.to_string().contains(&mark) {
                return None;
            }
        }
        Some(())
    })
    .await;
}

fn fingerprint(config: &Value) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    config.to_string().hash(&mut hasher);
    hasher.finish()
}

async fn requests(gateway: &Gateway, budget: &str) -> (Value, Value, Value) {
    let usage = gateway.client.with("x-farebox-session", "run").usage(budget).await;
    (
        usage["spent"]["requests"].clone(),
        usage["held"]["requests"].clone(),
        usage["limit"]["requests"].clone(),
    )
}

/// Begins a stream of the session `run` that goes on when `gate` is opened.
async fn begin(gateway: &Gateway, gate: &Gate) -> Events {
    let events = Answers::default().chat_events(true);
    let reply = Reply::event_stream().chunk(&events[0]).then(Step::Await(gate.clone()));
    gateway.provider.reply(events[1..].iter().fold(reply, |reply, event| reply.chunk(event)).end());
    let client = gateway.client.with("x-farebox-session", "run");
    let mut stream = client.stream_chat("fast", json!({})).await;
    stream.next().await.expect("the stream begins");
    gateway.answers(Answers::default());
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn budgets_that_come_go_and_change_keep_what_was_used() {
    let org = |limit: u64| json!({"name": "org", "window": "lifetime", "limit_requests": limit});
    let team = || json!({"name": "team", "per": "team", "window": "lifetime", "limit_requests": 50});
    let run = |slots: u64| json!({"name": "run", "per": "session", "window": "lifetime", "limit_requests": 20, "slots": slots});
    let first = config::with_budgets(json!([org(5), run(1024)]));
    let gateway = Gateway::run(Setup::new(&first).workers(2).discovered()).await;
    let client = gateway.client.with("x-farebox-session", "run");
    let count = |spent: u64, held: u64, limit: u64| (json!(spent), json!(held), json!(limit));
    for logged in 1..=3 {
        assert_eq!(client.chat("fast").await.status, 200);
        gateway.envoy.records(logged).await;
    }
    let gate = Gate::closed();
    let mut stream = begin(&gateway, &gate).await;
    assert_eq!(requests(&gateway, "org").await, count(3, 1, 5));

    // Down to less than is used, another budget, more slots.
    push(&gateway, json!([org(2), team(), run(4096)])).await;
    assert_eq!(requests(&gateway, "org").await, count(3, 1, 2));
    assert_eq!(requests(&gateway, "run").await, count(3, 1, 20), "nobody is forgotten for more slots");
    assert_eq!(requests(&gateway, "team").await, count(0, 0, 50), "what was before a budget is not in it");
    let refused = client.chat("fast").await;
    assert_eq!((refused.status, refused.header("x-farebox-budget")), (429, Some("org")));

    // The request that was on its way is charged where it was held, and nowhere else.
    gate.open();
    stream.all().await;
    assert!(!stream.broken);
    gateway.envoy.records(5).await;
    assert_eq!(requests(&gateway, "org").await, count(4, 0, 2));
    assert_eq!(requests(&gateway, "run").await, count(4, 0, 20));
    assert_eq!(requests(&gateway, "team").await, count(0, 0, 50));

    // Up again; and one on its way whose budgets are taken away before it ends.
    push(&gateway, json!([org(9), team(), run(4096)])).await;
    let gate = Gate::closed();
    let mut stream = begin(&gateway, &gate).await;
    assert_eq!(requests(&gateway, "team").await, count(0, 1, 50));
    push(&gateway, json!([org(9)])).await;
    let usage = gateway.client.get("/farebox/usage?session=run").await.json();
    assert_eq!(usage["budgets"].as_array().map(Vec::len), Some(1), "{usage}");
    gate.open();
    stream.all().await;
    gateway.envoy.records(6).await;
    assert_eq!(requests(&gateway, "org").await, count(5, 0, 9));

    // They come back as they were left, in fewer slots too.
    push(&gateway, json!([run(1024), team(), org(9)])).await;
    assert_eq!(requests(&gateway, "team").await, count(1, 0, 50));
    assert_eq!(requests(&gateway, "run").await, count(5, 0, 20));
    assert_eq!(client.chat("fast").await.status, 200);
    gateway.envoy.records(7).await;
    assert_eq!(requests(&gateway, "run").await, count(6, 0, 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_answer_follows_the_budgets_that_it_began_with() {
    let run = |running: &str, limit: &str| json!([{"name": "run", "per": "session", "window": "lifetime", "limit_usd": limit, "running": running}]);
    let first = config::with_budgets(run("finish", "0.002"));
    let gateway = Gateway::run(Setup::new(&first).discovered()).await;
    let long = Answers { completion: 500, text: vec!["tram"; 500], ..Answers::default() };
    let (gate, events) = (Gate::closed(), long.chat_events(true));
    let reply = Reply::event_stream().chunk(&events[0]).then(Step::Await(gate.clone()));
    gateway.provider.reply(events[1..].iter().fold(reply, |reply, event| reply.chunk(event)).end());
    let client = gateway.client.with("x-farebox-session", "run");
    let mut stream = client.stream_chat("fast", json!({"max_tokens": 10})).await;
    stream.next().await.unwrap();
    push(&gateway, run("cut", "0.001")).await;
    gate.open();
    assert_eq!(stream.all().await.last().map(String::as_str), Some("[DONE]"));
    let record = gateway.envoy.record(1).await;
    assert_eq!((&record["outcome"], &record["output_tokens"]), (&json!("ok"), &json!(500)), "{record}");
    let usage = client.usage("run").await;
    assert_eq!((&usage["spent"]["usd"], &usage["held"]), (&record["cost_usd"], &config::nothing()));
}
