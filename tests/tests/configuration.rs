//! Configuration while Envoy starts and while it runs, the shipped sample, and hosts that lack what is needed.

use farebox_tests::bootstrap;
use farebox_tests::client::{Client, chat_body};
use farebox_tests::config::{self, DEMO, OTHER};
use farebox_tests::envoy::Setup;
use farebox_tests::gateway::Gateway;
use farebox_tests::patience::until;
use farebox_tests::provider::Provider;
use farebox_tests::raw::Raw;
use farebox_tests::script::{Gate, Reply, Step};
use farebox_tests::workspace;
use serde_json::{Value, json};

const FAILURES: &str = "extension_config_discovery.http_filter.farebox.config_fail$";

/// Waits until the pushed limit is in force everywhere: workers take a configuration over one by one.
async fn limited_to(gateway: &Gateway, requests: u64) -> Value {
    until("the pushed limit", async || {
        let mut usages = Vec::new();
        for _ in 0..8 {
            usages.push(gateway.caller(DEMO).usage("org").await); // each on a connection of its own
        }
        let pushed = usages.iter().all(|usage| usage["limit"]["requests"] == requests);
        pushed.then(|| usages.swap_remove(0))
    })
    .await
}

fn budget(limit: u64) -> Value {
    json!([{"name": "org", "window": "lifetime", "limit_requests": limit}])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_in_mid_traffic_changes_the_rules_and_keeps_the_counters() {
    let setup = Setup::new(&config::with_budgets(budget(5))).workers(2).discovered();
    let gateway = Gateway::run(setup).await;
    for count in 1..=4 {
        assert_eq!(gateway.client.chat("fast").await.status, 200);
        gateway.envoy.records(count).await;
    }
    // A fifth request is on its way while the configuration changes.
    let gate = Gate::closed();
    let events = farebox_tests::answers::Answers::default().chat_events(true);
    let reply = Reply::event_stream().chunk(&events[0]).then(Step::Await(gate.clone()));
    gateway.provider.reply(events[1..].iter().fold(reply, |reply, event| reply.chunk(event)).end());
    let mut stream = gateway.client.stream_chat("fast", json!({})).await;
    stream.next().await.unwrap();
    assert_eq!(gateway.client.chat("fast").await.status, 429);

    let mut config = config::with_budgets(budget(7));
    config["models"]["pushed"] = json!([{"provider": "local", "model": "new"}]);
    gateway.envoy.push(&config.to_string());
    let usage = limited_to(&gateway, 7).await;
    assert_eq!((&usage["spent"]["requests"], &usage["held"]["requests"]), (&json!(4), &json!(1)), "{usage}");

    gate.open();
    stream.all().await;
    assert!(!stream.broken);
    gateway.envoy.records(6).await;
    let usage = gateway.client.usage("org").await;
    assert_eq!((&usage["spent"]["requests"], &usage["held"]["requests"]), (&json!(5), &json!(0)), "{usage}");

    gateway.answers(farebox_tests::answers::Answers::default());
    let statuses = [gateway.client.chat("pushed").await.status, gateway.client.chat("fast").await.status];
    assert_eq!(statuses, [200, 200]);
    assert_eq!(gateway.client.chat("fast").await.status, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_push_is_refused_and_the_old_configuration_keeps_serving() {
    let gateway = Gateway::run(Setup::new(&config::with_budgets(budget(50))).discovered()).await;
    assert_eq!(gateway.client.chat("fast").await.status, 200);
    let mut unknown_member = config::basic();
    unknown_member["modles"] = json!({});
    let mut unknown_provider = config::basic();
    unknown_provider["models"]["fast"] = json!([{"provider": "locl"}]);
    let broken = ["{".to_owned(), String::new(), unknown_member.to_string(), unknown_provider.to_string()];
    for (failures, broken) in (1..).zip(broken) {
        gateway.envoy.push(&broken);
        gateway.envoy.stat_reaches(FAILURES, failures).await;
        assert_eq!(gateway.client.chat("fast").await.status, 200, "{broken}");
        assert_eq!(gateway.client.usage("org").await["limit"]["requests"], 50, "{broken}");
    }
    let log = gateway.envoy.log();
    assert!(log.contains("modles") && log.contains("models"), "the log says what is wrong");
    assert!(
        log.contains("models.fast[0].provider") && log.contains("\"local\""),
        "where, and what was meant"
    );
    gateway.envoy.records(5).await;
    assert_eq!(gateway.client.usage("org").await["spent"]["requests"], 5);

    gateway.envoy.push(&config::with_budgets(budget(60)).to_string());
    limited_to(&gateway, 60).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_does_not_start_with_a_bad_configuration_and_says_all_that_is_wrong() {
    let provider = Provider::start().await;
    let mut config = config::basic();
    config["budgets"] = json!([{"name": "org", "window": "fortnight", "limit_usd": 1}]);
    config["keys"][0]["tem"] = json!("search");
    config["models"]["fast"][0]["provider"] = json!("nowhere");
    let Err(refused) = Setup::new(&config).try_start(&provider).await else { panic!("Envoy started") };
    assert_eq!(refused.code, Some(1));
    for hint in ["budgets[0].window", "keys[0].tem", "models.fast[0].provider"] {
        assert!(refused.log.contains(hint), "{hint} is not in\n{}", refused.log);
    }
    for broken in ["", "{", "[]"] {
        let Err(refused) = Setup::with_text(broken).try_start(&provider).await else {
            panic!("started: {broken}")
        };
        assert_eq!(refused.code, Some(1), "{broken}");
    }
    let mut config = config::basic();
    config["providers"]["local"]["credentials"] = json!([{"env": "NOT_SET_ANYWHERE"}]);
    let Err(refused) = Setup::new(&config).try_start(&provider).await else { panic!("Envoy started") };
    assert!(refused.log.contains("NOT_SET_ANYWHERE"), "{}", refused.log);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_does_not_hold_headers_gets_503_and_the_provider_nothing() {
    let gateway = Gateway::run(Setup::new(&config::basic()).without_header_stop()).await;
    let http2 = Client::http2(&gateway.envoy, DEMO);
    let raw = async {
        let (headers, body) = (format!("authorization: Bearer {DEMO}\r\n"), chat_body("fast").to_string());
        let mut raw = Raw::connect(&gateway.envoy).await;
        raw.chat(headers.as_bytes(), body.as_bytes()).await;
        raw.status().await
    };
    let (answer, over_http2, raw) = tokio::join!(gateway.client.chat("fast"), http2.chat("fast"), raw);
    assert_eq!((answer.status, answer.header("x-farebox-denied")), (503, Some("host_unsupported")));
    assert_eq!((over_http2.status, raw), (503, 503));
    assert_eq!(gateway.provider.count(), 0);
    assert!(gateway.provider.wire().is_empty());
    assert!(gateway.envoy.metrics().await.sum("farebox_host_unsupported_total", &[]) > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn revoking_a_key_takes_effect_with_the_push() {
    let gateway = Gateway::run(Setup::new(&config::basic()).discovered()).await;
    let other = gateway.caller(OTHER);
    assert_eq!(other.chat("fast").await.status, 200);
    let mut config = config::basic();
    config["keys"].as_array_mut().unwrap().truncate(1);
    gateway.envoy.push(&config.to_string());
    until("the key to be refused", async || (other.chat("fast").await.status == 401).then_some(())).await;
    assert_eq!(gateway.client.chat("fast").await.status, 200);
}

#[test]
fn the_sample_embeds_the_sample_configuration() {
    let embedded = bootstrap::filter_of(&bootstrap::sample())["config"]["configuration"].clone();
    assert_eq!(embedded["@type"], "type.googleapis.com/google.protobuf.StringValue");
    let embedded: Value = serde_json::from_str(embedded["value"].as_str().unwrap()).unwrap();
    let file = std::fs::read_to_string(workspace::root().join("envoy/farebox.json")).unwrap();
    let file: Value = serde_json::from_str(&file).unwrap();
    assert_eq!(embedded, file);
}

#[test]
fn the_sample_fails_closed_and_reloads_a_lost_machine() {
    let sample = bootstrap::sample();
    let plugin = &bootstrap::filter_of(&sample)["config"];
    assert_eq!(plugin["failure_policy"], "FAIL_RELOAD");
    assert_eq!(plugin["allow_on_headers_stop_iteration"], true);
    assert!(
        !plugin["vm_config"]["vm_id"].as_str().unwrap().is_empty(),
        "counters belong to this plugin alone"
    );
    let text = sample.to_string();
    assert!(text.contains("request_body_buffer_limit"), "bodies over a megabyte are allowed for");
    assert!(text.contains(r#""timeout":"0s""#), "a long stream is not cut");
}
