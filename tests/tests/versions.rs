//! Every Envoy that `farebox render envoy --envoy` writes for, with what it writes: the samples are accepted, and the same calls
//! are served, metered, refused and sent on, or not where that is what was said. And what an Envoy does that was told more than
//! it knows.

mod limited;

use farebox_tests::answers::Answers;
use farebox_tests::bootstrap;
use farebox_tests::client::{Client, chat_body};
use farebox_tests::config::{self, OTHER};
use farebox_tests::envoy::Setup;
use farebox_tests::fleet::{self, Fleet, error};
use farebox_tests::gateway::Gateway;
use farebox_tests::script::{Gate, Reply, Step};
use farebox_tests::workspace;
use serde_json::{Value, json};
use std::process::Command;

const CHAT: &str = "/v1/chat/completions";
/// What the default answer costs at `a` and at `b`.
const COSTS: [&str; 2] = ["0.000061", "0.000122"];

/// An Envoy, and what is written for it.
#[derive(Clone, Copy)]
struct Version {
    /// `None`: the one that everything else is tested on.
    binary: Option<&'static str>,
    written_for: &'static str,
    fails_over: bool,
}

impl Version {
    fn setup(self, plugin: &Value) -> Setup {
        Setup::new(plugin).written_for(self.written_for).envoy(self.binary)
    }

    /// Ten calls, in one Envoy: it takes longer to start than to serve them.
    async fn serves(self) {
        let mut plugin = fleet::plugin();
        let limit = json!({"ads": {"limit_requests": 1}});
        let budget = json!({"name": "team", "per": "team", "window": "lifetime", "limit_usd": 100, "overrides": limit});
        plugin["budgets"].as_array_mut().unwrap().push(budget);
        let fleet = Fleet::run(self.setup(&plugin)).await;
        let client = &fleet.client;

        let answer = client.chat("fast").await;
        assert_eq!((answer.status, answer.json()), (200, Answers::default().chat()));
        let record = fleet.envoy.record(1).await;
        let reported =
            [&record["outcome"], &record["usage_source"], &record["cost_usd"], &record["provider"]];
        assert_eq!(reported, ["ok", "provider", COSTS[0], "a"], "{record}");

        let mut stream = client.stream_chat("fast", json!({})).await;
        assert!(!stream.all().await.is_empty() && !stream.broken);
        let record = fleet.envoy.record(2).await;
        assert_eq!((&record["stream"], &record["cost_usd"]), (&json!(true), &json!(COSTS[0])), "{record}");

        assert_eq!(
            Client::new(&fleet.envoy, "fb_nobody_0123456789abcdef0123456789").chat("fast").await.status,
            401
        );
        assert_eq!(client.chat("nonsense").await.status, 404);

        let other = Client::new(&fleet.envoy, OTHER);
        assert_eq!(other.chat("fast").await.status, 200);
        let spent = other.chat("fast").await;
        assert_eq!(spent.header("x-farebox-budget"), Some("team"), "{spent:?}");
        assert_eq!(fleet.counts(), [3, 0, 0]);

        let mut large = chat_body("fast");
        large["messages"][0]["content"] = "word ".repeat(600_000).into();
        for client in [client, &Client::http2(&fleet.envoy, config::DEMO)] {
            assert_eq!(client.post(CHAT, &large).await.status, 200);
            assert!(fleet.a().last().body.len() > 3_000_000);
        }
        assert_eq!(fleet.counts(), [5, 0, 0]);

        // As many records as there were calls so far.
        let calls = 8;
        fleet.envoy.records(calls).await;
        fleet.a().reply(error(400, &[]));
        let answer = client.chat("fast").await;
        assert_eq!((answer.status, &answer.json()["error"]["message"]), (400, &json!("says 400")));
        assert_eq!(fleet.envoy.record(calls + 1).await["cost_usd"], "0.00");

        fleet.a().reply(error(503, &[]));
        let answer = client.chat("fast").await;
        let record = fleet.envoy.record(calls + 2).await;
        if self.fails_over {
            assert_eq!((answer.status, fleet.counts()), (200, [7, 1, 0]));
            assert_eq!(
                (&record["provider"], &record["cost_usd"]),
                (&json!("b"), &json!(COSTS[1])),
                "{record}"
            );
            assert_eq!(record["attempts"].as_array().unwrap().len(), 2, "{record}");
        } else {
            assert_eq!((answer.status, &answer.json()["error"]["message"]), (503, &json!("says 503")));
            assert_eq!(fleet.counts(), [7, 0, 0], "it is sent once");
            assert_eq!((&record["attempts"], &record["cost_usd"]), (&json!([]), &json!("0.00")), "{record}");
        }

        let gate = Gate::closed();
        let events = Answers::default().chat_events(true);
        let begun = events[..=3].iter().fold(Reply::event_stream(), |reply, event| reply.chunk(event));
        fleet.a().reply(begun.then(Step::Await(gate.clone())).then(Step::Reset));
        let mut stream = client.stream_chat("fast", json!({})).await;
        for _ in 0..=3 {
            stream.next().await.unwrap();
        }
        gate.open();
        assert_eq!((stream.next().await, stream.broken), (None, true));
        let record = fleet.envoy.record(calls + 3).await;
        let said = [&record["outcome"], &record["usage_source"]];
        assert_eq!(said, ["upstream_reset", "estimated"], "{record}");
        assert!(record["output_tokens"].as_u64() > Some(0), "{record}");
        assert_eq!(client.usage("org").await["held"], config::nothing());

        // What never got as far as to the filter is told in the access log too.
        let asked = Client::anonymous(&fleet.envoy).send("CONNECT", "/", "").await;
        assert!(asked.status >= 400);
    }

    /// Requests that are sent by their headers.
    async fn serves_by_headers(self) {
        let mut plugin =
            config::with_budgets(json!([{"name": "org", "window": "lifetime", "limit_requests": 2}]));
        plugin["headers_only"] = json!({"model_header": "x-model"});
        let gateway = Gateway::run(self.setup(&plugin).without_header_stop()).await;
        let client = gateway.client.with("x-model", config::UPSTREAM_MODEL);
        for status in [200, 200, 429] {
            assert_eq!(client.chat(config::UPSTREAM_MODEL).await.status, status);
        }
        assert_eq!(gateway.provider.count(), 2);
        assert_eq!(gateway.envoy.record(2).await["cost_usd"], "0.000061");
    }

    /// What is written for each sample: all of them in one Envoy, which compiles the filter once.
    fn accepts_every_sample(self) {
        let samples = std::fs::read_dir(workspace::root().join("envoy/samples")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("gcp-token.json");
        let secret = json!({
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
            "name": "gcp", "generic_secret": {"secret": {"inline_string": "dummy"}},
        });
        std::fs::write(&token, json!({"resources": [secret]}).to_string()).unwrap();
        let envoy = self.binary.map_or_else(|| workspace::tool("envoy"), workspace::envoy);
        let mut command = Command::new(envoy);
        let mut whole = json!({"static_resources": {"listeners": [], "clusters": [], "secrets": []}});
        for (number, sample) in samples.map(|entry| entry.unwrap().path()).enumerate() {
            let text = bootstrap::written(&sample, self.written_for);
            let names = text
                .lines()
                .filter_map(|line| line.trim().strip_prefix("host_env_keys: [")?.strip_suffix(']'));
            for name in names.flat_map(|names| names.split(", ")).filter(|name| !name.is_empty()) {
                command.env(name, "a-secret-that-is-set");
            }
            let text = text
                .replace("/etc/envoy/gcp-token.json", token.to_str().unwrap())
                .replace("target/wasm32-wasip1/release/farebox.wasm", workspace::wasm().to_str().unwrap())
                // Machines of one name would share the variables of the first of them.
                .replace("vm_id: farebox", &format!("vm_id: farebox-{number}"));
            add(&mut whole, serde_saphyr::from_str(&text).unwrap(), number);
        }
        assert!(whole["static_resources"]["listeners"].as_array().unwrap().len() > 3);
        let file = folder.path().join("envoy.json");
        std::fs::write(&file, whole.to_string()).unwrap();
        command.args(["--mode", "validate", "--log-level", "error", "--log-format", "%v", "-c"]).arg(file);
        let verdict = command.env("AZURE_CLIENT_SECRET", "dummy").output().unwrap();
        assert!(verdict.status.success(), "{}", String::from_utf8_lossy(&verdict.stderr));
    }
}

/// Puts listeners, clusters and secrets of `sample` to those of `whole`, each under a name and at a port of its own.
fn add(whole: &mut Value, mut sample: Value, number: usize) {
    for kind in ["listeners", "clusters", "secrets"] {
        let more = sample["static_resources"][kind].take();
        let all = whole["static_resources"][kind].as_array_mut().unwrap();
        for mut one in more.as_array().cloned().unwrap_or_default() {
            if all.iter().any(|known| known["name"] == one["name"]) {
                one["name"] = json!(format!("{}-{number}", one["name"].as_str().unwrap()));
            }
            if kind == "listeners" {
                one["address"]["socket_address"]["port_value"] = json!(20_000 + all.len());
            }
            all.push(one);
        }
    }
    for (key, value) in sample.as_object().unwrap() {
        if whole.get(key).is_none() {
            whole[key] = value.clone();
        }
    }
}

macro_rules! version {
    ($module:ident, $binary:expr, $written_for:literal, $fails_over:literal) => {
        mod $module {
            use super::Version;

            pub(super) const VERSION: Version =
                Version { binary: $binary, written_for: $written_for, fails_over: $fails_over };

            #[tokio::test(flavor = "multi_thread")]
            async fn calls_are_served_metered_refused_and_sent_on_as_was_said() {
                VERSION.serves().await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn calls_are_served_by_their_headers() {
                VERSION.serves_by_headers().await;
            }
        }
    };
}

version!(v1_36, Some("1.36.4"), "1.36", false);
version!(v1_37, Some("1.37.0"), "1.37", false);
version!(v1_38, Some("1.38.2"), "1.38", false);
version!(v1_39, Some("1.39.3"), "1.39", true);
version!(v1_40, None, "1.40", true);

/// `make validate` has the newest one check them.
#[test]
fn every_older_envoy_accepts_every_sample() {
    for version in [v1_36::VERSION, v1_37::VERSION, v1_38::VERSION, v1_39::VERSION] {
        version.accepts_every_sample();
    }
}
