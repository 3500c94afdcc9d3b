//! `farebox render` for older Envoys.

use crate::shell::{Outcome, farebox};
use serde_json::Value;

/// Two keys, two hosts, two targets, one for long prompts, and everything that is said of failover.
const PLUGIN: &str = r#"{
  "version": "v1", "keys": [],
  "providers": {
    "vllm": {"dialect": "openai", "endpoints": ["http://10.0.0.1:8000", "http://10.0.0.2:8000"]},
    "openai": {"preset": "openai", "credentials": [{"env": "ONE"}, {"env": "TWO"}]},
    "groq": {"preset": "groq", "credentials": [{"env": "GROQ"}]},
    "bedrock": {"preset": "bedrock", "host": "bedrock-runtime.eu-central-1.amazonaws.com", "credentials": {"envoy": "aws", "region": "eu-central-1"}}
  },
  "models": {
    "fast": [{"provider": "openai", "model": "gpt-4o-mini"}, {"provider": "groq", "model": "llama-3.1-8b-instant"}],
    "drawn": [{"provider": "openai", "model": "gpt-4o", "weight": 9}, {"provider": "groq", "model": "llama-3.1-8b-instant", "weight": 1}],
    "long": [{"provider": "openai", "model": "gpt-4o"}, {"provider": "groq", "model": "llama-3.1-8b-instant", "after": "context_length"}],
    "only": [{"provider": "groq", "model": "llama-3.1-8b-instant"}]
  },
  "failover": {"attempts": 3, "first_token_seconds": 30, "silence_seconds": 100, "pause_seconds": {"unauthorized": 300}}
}"#;

/// What of it is lost where nothing is sent a second time.
const LOST: [&str; 8] = [
    "providers.vllm.endpoints: each request is sent to one of 2 hosts; when that one fails, no other is tried",
    "providers.openai.credentials: each request is sent with one of 2 keys; when that one fails, no other is tried and it does not go into cooldown",
    "models.drawn: has 2 targets: a request is sent to the one that is drawn by weight, and to no other when that fails",
    "models.fast: has 2 targets: a request is sent to the first that can take it, and to no other when that fails",
    "models.long[1]: is for prompts that are too long elsewhere, which are not sent again: it is never tried",
    "failover.attempts: every request is sent once",
    "failover.first_token_seconds: a stream without a first token is waited for as long as silence_seconds says",
    "failover.pause_seconds: no key and no model ever goes into cooldown",
];

/// Nothing of it needs a second attempt.
const SIMPLE: &str = r#"{
  "version": "v1", "keys": [], "providers": {"openai": {"preset": "openai"}},
  "models": {"fast": [{"provider": "openai", "model": "gpt-4o-mini"}]}
}"#;

/// The same without a provider for which Envoy signs, which a mesh cannot reach.
fn unsigned() -> String {
    let lines = PLUGIN.lines().filter(|line| !line.contains("bedrock"));
    lines.collect::<Vec<_>>().join("\n").replace("\"GROQ\"}]},", "\"GROQ\"}]}")
}

fn render(arguments: &[&str], plugin: &str) -> Outcome {
    let (host, options) = arguments.split_first().unwrap();
    let outcome = farebox([&["render", host, "-"], options].concat()).stdin(plugin).run();
    assert!(outcome.success && !outcome.stdout.contains("{{"), "{outcome:?}");
    outcome
}

/// What was said to be lost, sorted.
fn lost(outcome: &Outcome) -> Vec<&str> {
    let mut lost: Vec<&str> = outcome.stderr.lines().skip(1).map(str::trim).collect();
    lost.sort_unstable();
    lost
}

fn sorted<const N: usize>(mut all: [&str; N]) -> Vec<&str> {
    all.sort_unstable();
    all.to_vec()
}

/// A form that sends requests again sends them through the filter; what it says of lost failover stands in it too.
fn assert_whole(outcome: &Outcome, fails_over: bool) {
    // Not what a comment says of them.
    let text: String = outcome.stdout.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    for word in ["upstream_http_filters", "retry_policy", "refresh_cluster_on_retry", "value: attempt"] {
        assert_eq!(text.contains(word), fails_over, "{word}");
    }
    for line in outcome.stderr.lines().skip(1) {
        assert!(
            outcome.stdout.contains(&format!("#   {}", line.trim())),
            "{line} is not in what was written"
        );
    }
}

#[test]
fn an_envoy_before_1_39_gets_no_failover_and_is_said_to_have_none() {
    for (version, fails_over) in
        [("1.36", false), ("1.37", false), ("1.38", false), ("1.39", true), ("1.40", true)]
    {
        let outcome = render(&["envoy", "--envoy", version], PLUGIN);
        assert_whole(&outcome, fails_over);
        let expected = if fails_over { Vec::new() } else { sorted(LOST) };
        assert_eq!(lost(&outcome), expected, "{version}");
        assert!(outcome.stdout.starts_with(&format!("# Farebox in a stock Envoy {version}: ")));
        let written: Value = serde_saphyr::from_str(&outcome.stdout).unwrap();
        let manager =
            &written["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
        // The longest silence is what the configuration says, where there is no attempt to say it to.
        assert_eq!(manager["stream_idle_timeout"], if fails_over { "160s" } else { "100s" });
    }
}

#[test]
fn the_newest_is_written_for_unless_another_is_named() {
    assert_eq!(render(&["envoy"], PLUGIN), render(&["envoy", "--envoy", "1.40"], PLUGIN));
}

#[test]
fn nothing_is_said_where_nothing_is_lost() {
    for host in ["envoy", "istio"] {
        let outcome = render(&[host, "--envoy", "1.38"], SIMPLE);
        assert_whole(&outcome, false);
        assert_eq!(outcome.stderr, "");
    }
}

#[test]
fn envoy_1_36_holds_bodies_by_the_limit_of_connections_and_has_no_word_before_a_secret() {
    let vertex = r#"{
      "version": "v1", "keys": [], "models": {},
      "providers": {"vertex": {"preset": "vertex", "host": "us-east5-aiplatform.googleapis.com", "project": "p", "location": "us-east5", "credentials": {"envoy": "gcp"}}}
    }"#;
    let outcome = render(&["envoy", "--envoy", "1.36"], vertex);
    assert!(!outcome.stdout.contains("header_value_prefix: ") && !outcome.stdout.contains("COALESCE"));
    assert!(!outcome.stdout.contains("request_body_buffer_limit: "));
    assert!(outcome.stdout.contains("    per_connection_buffer_limit_bytes: 33619968\n"));
    assert!(outcome.stdout.contains("initial_stream_window_size: 33619968\n"));
    assert!(
        lost(&outcome)[0].starts_with("providers.vertex.credentials: Envoy 1.36 puts no word"),
        "{outcome:?}"
    );
    let newer = render(&["envoy", "--envoy", "1.37"], vertex);
    assert!(newer.stdout.contains("header_value_prefix: ") && newer.stdout.contains("COALESCE"));
    assert!(!newer.stdout.contains("per_connection_buffer_limit_bytes"));
    assert_eq!(newer.stderr, "");
}

#[test]
fn the_forms_for_kubernetes_leave_no_retry_policy_without_the_filter_behind_the_router() {
    for arguments in [
        &["istio", "--envoy", "1.38"][..],
        &["istio", "--no-failover"],
        &["istio", "--at", "sidecar", "--envoy", "1.37"],
        &["envoy-gateway", "--no-failover"],
        &["envoy-gateway", "--envoy-version", "1.38"],
        &["envoy-gateway", "--envoy", "docker.io/envoyproxy/envoy:distroless-v1.38.2"],
        &["plain", "--envoy", "docker.io/envoyproxy/envoy:v1.38.2"],
        &["plain", "--envoy-version", "1.37"],
    ] {
        let outcome = render(arguments, &unsigned());
        assert_eq!(lost(&outcome), sorted(LOST), "{arguments:?}");
        assert_whole(&outcome, false);
    }
    for arguments in
        [&["istio", "--envoy", "1.39"][..], &["envoy-gateway"], &["plain", "--envoy-version", "1.39"]]
    {
        let outcome = render(arguments, &unsigned());
        assert_whole(&outcome, true);
        assert_eq!(outcome.stderr, "");
    }
    let outcome = render(&["istio", "--envoy", "1.36"], SIMPLE);
    assert!(lost(&outcome)[0].starts_with("limits.request_body_bytes: "), "{outcome:?}");
}

#[test]
fn a_version_that_nobody_has_run_is_refused() {
    let outcome = farebox(["render", "envoy", "-", "--envoy", "1.35"]).stdin(SIMPLE).run();
    assert!(!outcome.success && outcome.stderr.contains("1.36, 1.37, 1.38, 1.39, 1.40"), "{outcome:?}");
}
