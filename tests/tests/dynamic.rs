//! `farebox render envoy --dynamic` on the real Envoy: keys, limits and providers come and go while it runs.

use farebox_tests::answers::Answers;
use farebox_tests::client::{Client, Events};
use farebox_tests::config::{self, DEMO, OTHER, key};
use farebox_tests::dynamic::Dynamic;
use farebox_tests::envoy::Envoy;
use farebox_tests::patience::until;
use farebox_tests::provider::Provider;
use farebox_tests::script::{Gate, Reply, Step};
use serde_json::{Value, json};

const NEW: &str = "fb_new_Hh4Kk8Ww2Ss6Dd0Ff3Gg7Jj1Ll5Qq9Pp";

/// A configuration with these keys, so many requests for all of them, and a provider for each name.
fn plugin(keys: &[&str], limit: u64, providers: &[(&str, &Provider)]) -> Value {
    let one = |(name, at): &(&str, &Provider)| {
        let endpoints = json!([format!("http://{}", at.address())]);
        ((*name).to_owned(), json!({"dialect": "openai", "endpoints": endpoints}))
    };
    let target =
        |(name, _): &(&str, &Provider)| ((*name).to_owned(), json!([{"provider": name, "model": "m"}]));
    let org = json!([{"name": "org", "window": "lifetime", "limit_requests": limit}]);
    let mut config = config::with_budgets(org);
    config["keys"] = keys.iter().map(|text| key(text, "search")).collect();
    config["providers"] = Value::Object(providers.iter().map(one).collect());
    config["models"] = Value::Object(providers.iter().map(target).collect());
    config["prices"] = json!({"*": {"input": 1, "output": 10}});
    config
}

/// Waits until this key gets the list of models, over a new connection each time; workers take a listener over one by one.
async fn is_let_in(envoy: &Envoy, key: &str) {
    until("the key to be let in", async || {
        for _ in 0..8 {
            if Client::new(envoy, key).get("/v1/models").await.status != 200 {
                return None;
            }
        }
        Some(())
    })
    .await;
}

/// Begins a stream that goes on when `gate` is opened.
async fn begin(envoy: &Envoy, provider: &Provider, model: &str, gate: &Gate) -> Events {
    let events = Answers::default().chat_events(true);
    let reply = Reply::event_stream().chunk(&events[0]).then(Step::Await(gate.clone()));
    provider.reply(events[1..].iter().fold(reply, |reply, event| reply.chunk(event)).end());
    let mut stream = Client::new(envoy, DEMO).stream_chat(model, json!({})).await;
    stream.next().await.expect("the stream begins");
    provider.answer(|request| Answers::default().reply(request));
    stream
}

async fn requests(envoy: &Envoy) -> [Value; 3] {
    let usage = Client::new(envoy, DEMO).usage("org").await;
    ["spent", "held", "limit"].map(|member| usage[member]["requests"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_and_a_raised_limit_need_no_restart() {
    let provider = Provider::start().await;
    let all = [("local", &provider)];
    let dynamic = Dynamic::start(&plugin(&[DEMO, OTHER], 3, &all), 600).await;
    let envoy = &dynamic.envoy;
    for (logged, caller) in [(1, DEMO), (2, OTHER)] {
        assert_eq!(Client::new(envoy, caller).chat("local").await.status, 200);
        envoy.records(logged).await;
    }
    let gate = Gate::closed();
    let mut stream = begin(envoy, &provider, "local", &gate).await;
    assert_eq!(requests(envoy).await, [json!(2), json!(1), json!(3)]);
    assert_eq!(Client::new(envoy, DEMO).chat("local").await.status, 429);

    let outcome = dynamic.render(&plugin(&[DEMO, NEW], 4, &all));
    assert!(outcome.status.success() && outcome.stderr.is_empty(), "{outcome:?}");
    is_let_in(envoy, NEW).await;
    assert_eq!(requests(envoy).await, [json!(2), json!(1), json!(4)], "what was spent and held still is");
    assert_eq!(Client::new(envoy, OTHER).chat("local").await.status, 401);
    assert_eq!(Client::new(envoy, NEW).chat("local").await.status, 200);
    assert_eq!(Client::new(envoy, NEW).chat("local").await.status, 429, "the limit that is raised holds");

    gate.open();
    assert_eq!(stream.all().await.last().map(String::as_str), Some("[DONE]"));
    assert!(!stream.broken);
    let streamed = until("the stream's record", async || {
        let mut records = envoy.log_lines().into_iter().map(|mut line| line["farebox"].take());
        records.find(|record| record["stream"] == true)
    })
    .await;
    assert_eq!((&streamed["outcome"], &streamed["key"]), (&json!("ok"), &json!("demo")), "{streamed}");
    assert_ne!(streamed["cost_usd"], json!("0.00"), "{streamed}");
    assert_eq!(requests(envoy).await, [json!(4), json!(0), json!(4)]);
    assert_eq!(envoy.stat("listener_manager.lds.update_rejected").await, 0);

    // Nothing new is nothing to take over; and a configuration that is refused does not reach Envoy.
    let taken = envoy.stat("listener_manager.listener_(added|modified|in_place_updated)$").await;
    assert!(dynamic.render(&plugin(&[DEMO, NEW], 4, &all)).status.success());
    let mut broken = plugin(&[DEMO], 9, &all);
    broken["modles"] = json!({});
    assert!(!dynamic.render(&broken).status.success());
    assert_eq!(requests(envoy).await, [json!(4), json!(0), json!(4)]);
    assert_eq!(envoy.stat("listener_manager.listener_(added|modified|in_place_updated)$").await, taken);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_comes_and_another_goes_without_a_request_of_the_others_that_fails() {
    let (old, new) = (Provider::start().await, Provider::start().await);
    let dynamic = Dynamic::start(&plugin(&[DEMO], 1_000_000, &[("old", &old)]), 600).await;
    let envoy = &dynamic.envoy;
    let gate = Gate::closed();
    let mut stream = begin(envoy, &old, "old", &gate).await;

    let both = [("old", &old), ("new", &new)];
    assert!(dynamic.render(&plugin(&[DEMO], 1_000_000, &both)).status.success());
    until("the model of the new provider", async || {
        assert_eq!(Client::new(envoy, DEMO).chat("old").await.status, 200);
        // 503: Envoy has not found the new provider's hosts yet.
        let status = Client::new(envoy, DEMO).chat("new").await.status;
        assert!([200, 404, 503].contains(&status), "{status}");
        (status == 200).then_some(())
    })
    .await;

    assert!(dynamic.render(&plugin(&[DEMO], 1_000_000, &both[1..])).status.success());
    until("the old provider to be gone", async || {
        let status = Client::new(envoy, DEMO).chat("old").await.status;
        assert!([200, 404].contains(&status), "a cluster gone before its listener: {status}");
        (status == 404).then_some(())
    })
    .await;
    assert!(envoy.stat("cluster.old.upstream_rq_total").await > 0, "the cluster stays for what came before");
    assert!(dynamic.render(&plugin(&[DEMO], 1_000_000, &both[1..])).status.success());
    until("the cluster to be gone", async || {
        (!envoy.admin("/clusters").await.lines().any(|line| line.starts_with("old::"))).then_some(())
    })
    .await;
    gate.open();
    assert_eq!(stream.all().await.last().map(String::as_str), Some("[DONE]"));
    assert!(!stream.broken);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_that_envoy_has_not_leaves_it_with_the_configuration_before() {
    let provider = Provider::start().await;
    let one = plugin(&[DEMO], 9, &[("local", &provider)]);
    let dynamic = Dynamic::start(&one, 600).await;
    let mut more = one.clone();
    more["keys"] = json!([key(DEMO, "search"), key(NEW, "search")]);
    more["providers"]["local"]["credentials"] = json!([{"env": "FAREBOX_TEST_NEW"}]);
    let outcome = dynamic.render(&more);
    let said = String::from_utf8_lossy(&outcome.stderr);
    assert!(outcome.status.success() && said.contains("FAREBOX_TEST_NEW"), "{outcome:?}");
    dynamic.envoy.stat_reaches("listener_manager.lds.update_rejected", 1).await;
    assert_eq!(Client::new(&dynamic.envoy, NEW).get("/v1/models").await.status, 401);
    assert_eq!(Client::new(&dynamic.envoy, DEMO).get("/v1/models").await.status, 200);

    more["providers"]["local"]["credentials"][0]["optional"] = json!(true);
    assert!(dynamic.render(&more).status.success());
    is_let_in(&dynamic.envoy, NEW).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_providers_key_out_of_a_file_is_exchanged_without_a_restart() {
    let (provider, folder) = (Provider::start().await, tempfile::tempdir().unwrap());
    provider.answer(|request| Answers::default().reply(request));
    let file = folder.path().join("key.json");
    let write = |key: &str| {
        let secret = json!({
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
            "name": "key", "generic_secret": {"secret": {"inline_string": key}},
        });
        let new = file.with_extension("new");
        std::fs::write(&new, json!({"resources": [secret]}).to_string()).unwrap();
        std::fs::rename(new, &file).unwrap();
    };
    write("sk-first");
    let mut config = plugin(&[DEMO], 1_000, &[("local", &provider)]);
    config["providers"]["local"]["credentials"] = json!({"envoy": "file", "path": file});
    let dynamic = Dynamic::start(&config, 600).await;
    let sent = async || {
        assert_eq!(Client::new(&dynamic.envoy, DEMO).chat("local").await.status, 200);
        provider.last().header("authorization")
    };
    assert_eq!(sent().await, ["Bearer sk-first"]);
    write("sk-second");
    until("the second key", async || (sent().await == ["Bearer sk-second"]).then_some(())).await;
    assert!(dynamic.render(&config).stderr.is_empty());
}
