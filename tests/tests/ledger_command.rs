//! `farebox ledger` reads a real Valkey, and says of one that is no good why.

use farebox_core::budget::fleet::exchange::{self, Header, Item};
use farebox_core::budget::fleet::{Access, Units};
use farebox_core::config::Limits;
use farebox_tests::config;
use farebox_tests::resp::{self, Resp};
use farebox_tests::valkey::{Setup, Valkey};
use farebox_tests::workspace;
use serde_json::{Value, json};
use std::process::Stdio;
use tempfile::TempDir;
use tokio::process::Command;

/// When a lifetime begins.
const WINDOW: u64 = 0;

/// A folder with a configuration whose ledger is `valkey`, with these members besides.
fn plugin(valkey: &Valkey, more: Value) -> TempDir {
    let budgets = json!([
        {"name": "team", "per": "team", "window": "lifetime", "limit_usd": 50, "limit_requests": 100},
        {"name": "run", "per": "session", "window": "lifetime", "limit_usd": 2, "limit_concurrent": 4},
        {"name": "own", "scope": "process", "window": "lifetime", "limit_usd": 2},
    ]);
    let mut config = config::with_budgets(budgets);
    config["ledger"] = json!({"endpoints": [format!("redis://{}", valkey.address())]});
    let members = more.as_object().expect("an object").clone();
    config["ledger"].as_object_mut().expect("an object").extend(members);
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("farebox.json"), config.to_string()).expect("it can be written");
    folder
}

/// Runs `farebox ledger`; whether it went well, and all that it said.
async fn ledger(plugin: &TempDir, arguments: &[&str], password: &str) -> (bool, String) {
    let (what, rest) = arguments.split_first().expect("a command");
    let mut command = Command::new(workspace::command());
    command.args(["ledger", what]).arg(plugin.path().join("farebox.json")).args(rest);
    let output = command.env("LEDGER_PASSWORD", password).stdin(Stdio::null()).output().await;
    let output = output.expect("the command can be run");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).expect("text"))
}

/// What a client says of its part of an account.
fn item(key: &str, id: &str, charged: [u64; 4], need: [u64; 4]) -> Item {
    Item {
        key: key.to_owned(),
        id: id.to_owned(),
        sequence: 1,
        answered: 0,
        forgives: false,
        from: WINDOW,
        till: 0,
        tail: 0,
        limits: Limits::default(),
        charged: Units::of(charged),
        need: Units::of(need),
        unit: Units::default(),
        wish: 0,
        bound: None,
        asks: Vec::new(),
        seed: None,
    }
}

/// Has clients say these items to `valkey`.
async fn say(valkey: &Valkey, mark: &str, items: &[Item]) {
    let header = Header { revision: 0, epoch_ms: 30_000, grace_ms: 2_000, recall_ms: 1_250 };
    let bytes = exchange::request(&Access::default(), &header, mark, items, true);
    let answer = resp::exchange(valkey.address(), &bytes).await.expect("an answer");
    let (answers, _) = resp::answers(&answer);
    let Some(Resp::Array(answers)) = answers.last() else { panic!("{answers:?}") };
    assert_eq!(answers.len(), 3 + items.len(), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_shown_with_who_holds_what_of_them_and_the_nearest_to_their_limits_first() {
    let valkey = Valkey::start().await;
    let plugin = plugin(&valkey, json!({}));
    assert_eq!(
        ledger(&plugin, &["show"], "").await,
        (true, "nothing was spent yet in these windows\n".into())
    );
    let run = format!("farebox:{{run}}:session@search#{}", "0123456789abcdef".repeat(2));
    say(
        &valkey,
        "farebox:mark",
        &[
            item(
                "farebox:{team}:team/search:0",
                "beef.1",
                [1_234_567_890, 100, 50, 7],
                [20_000_000, 9, 9, 1],
            ),
            item("farebox:{team}:team/search:0", "cafe.1", [40_000_000_000, 900, 500, 10], [0; 4]),
            item(&format!("{run}:0"), "cafe.2", [1_900_000_000, 9, 9, 9], [0; 4]),
            item(&format!("{run}:running"), "cafe.3", [0; 4], [0, 0, 0, 2]),
        ],
    )
    .await;
    valkey.command(&["SET", "farebox:{team}:team/odd:0", "x"]).await;
    valkey.command(&["HSET", "other:{team}:team/search:0", "h", "x"]).await;

    let (good, text) = ledger(&plugin, &["show", "team", "search"], "").await;
    assert!(good, "{text}");
    for part in [
        "search   usd       $41.23456789  $0.02  $50.00  82.5%  $8.74543211       -",
        "search   requests            17      1     100  18.0%           82       -",
        "2 heard in it and 0 before; what falls silent is charged",
        "beef.1     1      1  $1.23456789            7  $0.02            1",
        "cafe.1     1      1       $40.00           10  $0.00            0",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains("session"), "{text}");

    let (_, text) = ledger(&plugin, &["show"], "").await;
    assert!(
        text.contains("concurrent") && text.contains("cannot be read: farebox:{team}:team/odd:0"),
        "{text}"
    );
    let (_, text) = ledger(&plugin, &["top", "--count", "1"], "").await;
    assert!(text.contains("95.0%") && !text.contains("82.5%"), "{text}");
    let (good, text) = ledger(&plugin, &["show", "taem"], "").await;
    assert_eq!((good, &*text), (false, "no budget is named \"taem\"\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_shown_with_the_limits_of_the_registry() {
    let valkey = Valkey::start().await;
    let plugin = plugin(&valkey, json!({"registry": {}}));
    let spent = item("farebox:{team}:team/search:0", "cafe.1", [45_000_000_000, 900, 500, 10], [0; 4]);
    say(&valkey, "farebox:mark", &[spent]).await;
    let entry = r#"7 {"limit_usd":"60.00","raised":{"limit_requests":500,"until":"2099-01-01T00:00:00Z"}}"#;
    valkey.command(&["HSET", "farebox:{registry}:entries", "limit/team/search", entry]).await;
    let (good, text) = ledger(&plugin, &["show", "team", "search"], "").await;
    assert!(good, "{text}");
    for part in ["$45.00  $0.00  $60.00  75.0%", "10      0     500   2.0%"] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_fit_is_found_fit_by_a_user_who_may_do_no_more_than_the_filter() {
    let rights = "resetchannels -@all +evalsha +eval +script|load +hget +hset +hmget +hdel +hscan +pexpireat \
                  +time +auth +select +quit";
    let valkey = Setup::default().append_only("everysec").start().await;
    let mut words = vec!["ACL", "SETUSER", "farebox", "on", ">s3cret-s3cret", "~farebox:*"];
    words.extend(rights.split_whitespace());
    valkey.command(&words).await;
    let access = json!({"username": "farebox", "password": {"env": "LEDGER_PASSWORD"}});
    let plugin = plugin(&valkey, access);
    let (good, text) =
        ledger(&plugin, &["check", "--envoys", "5000", "--accounts", "4"], "s3cret-s3cret").await;
    assert!(good && text.contains("the ledger's script runs"), "{text}");
    assert!(text.contains("this user may not ask for INFO"), "{text}");
    assert!(text.contains("20000 commands/s, 27.5 MB/s, 9.80 cores"), "{text}");

    // Without one of these rights it is not, and the one is named.
    for right in ["hset", "hdel", "hscan", "pexpireat", "evalsha"] {
        let lacks = format!("-{right}");
        valkey.command(&["ACL", "SETUSER", "farebox", &lacks]).await;
        let (good, text) = ledger(&plugin, &["check"], "s3cret-s3cret").await;
        assert!(
            !good && text.contains("wrong") && text.contains(right) && text.contains("~farebox:*"),
            "{text}"
        );
        valkey.command(&["ACL", "SETUSER", "farebox", &format!("+{right}")]).await;
    }
    let (good, text) = ledger(&plugin, &["check"], "another-password").await;
    assert!(!good && text.contains("uthentication failed"), "{text}");
    let (good, text) = ledger(&plugin, &["check"], "").await;
    assert!(!good && text.contains("ledger.password.env: LEDGER_PASSWORD is not set"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_evicts_or_is_gone_is_told() {
    let mut valkey = Setup::default().option("--maxmemory-policy", "allkeys-lru").start().await;
    let plugin = plugin(&valkey, json!({}));
    let (good, text) = ledger(&plugin, &["check"], "").await;
    assert!(
        !good && text.contains("maxmemory-policy allkeys-lru") && text.contains("appendonly no"),
        "{text}"
    );
    valkey.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    let (good, text) = ledger(&plugin, &["check"], "").await;
    assert!(good && text.contains("ok       redis://127.0.0.1") && text.contains("Valkey 9"), "{text}");
    // What it made to try is gone by itself.
    let Resp::Array(keys) = valkey.command(&["KEYS", "farebox:*"]).await else { panic!("an array") };
    assert_eq!(keys.len(), 2, "{keys:?}");
    for key in keys {
        let Resp::Bulk(Some(key)) = key else { panic!("a key") };
        let Resp::Integer(left) = valkey.command(&["PTTL", &key]).await else { panic!("a number") };
        assert!((1..=21_000).contains(&left), "{key}: {left}");
    }
    valkey.kill();
    let (good, text) = ledger(&plugin, &["check"], "").await;
    assert!(!good && text.contains("refused"), "{text}");
    let (good, text) = ledger(&plugin, &["show"], "").await;
    assert!(!good && text.contains("refused"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_on_another_node_is_found_and_only_in_the_networks() {
    let (one, other) = (Setup::default().cluster().start().await, Setup::default().cluster().start().await);
    one.serve_all_slots().await;
    let (port, bus) = (one.address().port().to_string(), one.bus().to_string());
    other.command(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]).await;
    farebox_tests::patience::until("the other node to know it", async || {
        let answer = other.command(&["HGET", "farebox:{team}:mark", "m"]).await;
        matches!(answer, Resp::Error(error) if error.starts_with("MOVED")).then_some(())
    })
    .await;
    let items = [item("farebox:{team}:team/search:0", "cafe.1", [7_000_000_000, 1, 1, 1], [0; 4])];
    say(&one, "farebox:{team}:mark", &items).await;

    let inside = plugin(&other, json!({"mode": "cluster", "networks": ["127.0.0.0/8"]}));
    let (good, text) = ledger(&inside, &["show"], "").await;
    assert!(good && text.contains("$7.00"), "{text}");
    let (good, text) = ledger(&inside, &["check"], "").await;
    assert!(good && text.contains(&format!("{}: the ledger's script runs", one.address())), "{text}");
    let outside = plugin(&other, json!({"mode": "cluster", "networks": ["10.0.0.0/8"]}));
    let (good, text) = ledger(&outside, &["show"], "").await;
    assert!(!good && text.contains("in none of \"ledger.networks\""), "{text}");
    let standalone = plugin(&one, json!({}));
    let (good, text) = ledger(&standalone, &["check"], "").await;
    assert!(!good && text.contains("say \"mode\": \"cluster\""), "{text}");
}
