//! `farebox key`, `limit`, `team` and `audit` on a real Valkey, as a shell sees them.

use farebox_tests::client::Client;
use farebox_tests::envoys::{self, Envoys};
use farebox_tests::patience::until;
use farebox_tests::resp::Resp;
use farebox_tests::valkey::{Setup, Valkey};
use farebox_tests::workspace;
use farebox_tests::{config, envoy};
use serde_json::{Value, json};
use std::process::Stdio;
use tempfile::TempDir;
use tokio::process::Command;

/// A folder with a configuration whose registry is in `valkey`, with these members of the ledger besides.
fn plugin(valkey: &Valkey, more: Value) -> TempDir {
    let budgets = json!([
        {"name": "user", "per": "user", "window": "day", "utc_offset": "+02:00", "limit_usd": 20, "limit_requests": 100},
        {"name": "team", "per": "team", "window": "day", "limit_usd": 100},
        {"name": "key", "per": "key", "window": "minute", "limit_requests": 60},
        {"name": "all", "window": "month", "limit_usd": 5000},
        {"name": "loop", "per": ["session", "request"], "window": "hour", "limit_requests": 10},
    ]);
    let mut config = config::with_budgets(budgets);
    config["ledger"] = json!({"endpoints": [format!("redis://{}", valkey.address())], "registry": {}});
    let members = more.as_object().expect("an object").clone();
    config["ledger"].as_object_mut().expect("an object").extend(members);
    written(&config)
}

/// A folder with this configuration.
fn written(config: &Value) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("farebox.json"), config.to_string()).expect("it can be written");
    folder
}

/// What a command said.
#[derive(Debug)]
struct Said {
    is_good: bool,
    stdout: String,
    stderr: String,
}

/// Runs `farebox`: two words of the command, the configuration, and the rest of `line`.
async fn farebox(plugin: &TempDir, line: &str) -> Said {
    let words: Vec<&str> = line.split(' ').collect();
    let heads = if words[0] == "audit" { 1 } else { 2 };
    let mut command = Command::new(workspace::command());
    command.args(&words[..heads]).arg(plugin.path().join("farebox.json")).args(&words[heads..]);
    command.env("LEDGER_PASSWORD", "s3cret-s3cret").env_remove("SUDO_USER").env("USER", "carol");
    let output = command.stdin(Stdio::null()).output().await.expect("the command can be run");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Said { is_good: output.status.success(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// The same; what it printed, of a command that has to go well.
async fn good(plugin: &TempDir, line: &str) -> String {
    let said = farebox(plugin, line).await;
    assert!(said.is_good, "{line}: {said:?}");
    said.stdout
}

/// The same, as JSON.
async fn value(plugin: &TempDir, line: &str) -> Value {
    serde_json::from_str(&good(plugin, &format!("{line} --json")).await).expect("JSON")
}

/// What a command said that must not go well, and must leave everything as it is.
async fn refused(plugin: &TempDir, line: &str) -> String {
    let before = good(plugin, "audit --json").await;
    let said = farebox(plugin, line).await;
    assert!(!said.is_good && said.stdout.is_empty(), "{line}: {said:?}");
    assert_eq!(good(plugin, "audit --json").await, before, "{line}");
    said.stderr
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_once_shown_and_lives_until_it_is_revoked() {
    let valkey = Valkey::start().await;
    let plugin = plugin(&valkey, json!({}));
    let said = farebox(&plugin, "key new --team search --id ci --label app=chat --expires +90d").await;
    let key = said.stdout.trim_end();
    assert!(said.is_good && key.starts_with("fb_ci_") && key.len() == "fb_ci_".len() + 64, "{said:?}");
    assert!(said.stderr.contains("made key/ci\n") && said.stderr.contains("within 2 s"), "{said:?}");
    // Nothing has it, and nothing but its hash is kept.
    let Resp::Array(all) = valkey.command(&["HGETALL", "farebox:{registry}:entries"]).await else { panic!() };
    let (kept, audit) = (format!("{all:?}"), good(&plugin, "audit --json").await);
    let secret = &key["fb_ci_".len()..];
    assert!(!kept.contains(secret) && !said.stderr.contains(secret) && !audit.contains(secret));
    assert!(kept.contains("sha256"), "{kept}");

    let rotated = value(&plugin, "key rotate ci --overlap 2h").await;
    assert_ne!(rotated["key"], json!(key));
    let hashes = &rotated["changes"][0]["after"]["sha256"];
    assert!(hashes[0]["until"].is_string() && hashes[1]["until"].is_null(), "{hashes}");
    // A second one in the overlap: no promise is broken, and no secret is good for longer than is said now.
    let again = value(&plugin, "key rotate ci --overlap 24h").await;
    let both = &again["changes"][0]["after"]["sha256"];
    assert_eq!(both[0], hashes[0]);
    assert!(both[1]["until"].as_str() > both[0]["until"].as_str() && both[2]["until"].is_null(), "{both}");
    let ended = value(&plugin, "key rotate ci --overlap 0").await;
    assert_eq!(ended["changes"][0]["after"]["sha256"].as_array().expect("hashes").len(), 1);

    good(&plugin, "key disable ci").await;
    let list = good(&plugin, "key list").await;
    assert!(list.contains("ci     search  disabled"), "{list}");
    let said = farebox(&plugin, "key disable ci").await;
    assert!(said.is_good && said.stdout.contains("key/ci is so already"), "{said:?}");
    good(&plugin, "key enable ci").await;
    assert!(good(&plugin, "key show ci").await.contains("state       works"));

    assert!(refused(&plugin, "key revoke ci").await.contains("say --yes"));
    good(&plugin, "key revoke ci --yes --who bob").await;
    assert_eq!(value(&plugin, "key show ci").await["state"], "revoked");
    for line in ["key enable ci", "key rotate ci"] {
        assert!(refused(&plugin, line).await.contains("is for good"), "{line}");
    }
    assert!(refused(&plugin, "key new --team search --id ci").await.contains("revoked on"));
    let told = value(&plugin, "audit --who bob").await;
    assert_eq!(told["entries"].as_array().map(Vec::len), Some(1));
    let told = &told["entries"][0];
    assert_eq!((&told["what"], &told["name"]), (&json!("key revoke"), &json!("key/ci")));
    assert!(told["before"]["revoked_at"].is_null() && told["after"]["revoked_at"].is_string(), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_key_of_the_configuration_only_something_can_be_taken_away() {
    let valkey = Valkey::start().await;
    let plugin = plugin(&valkey, json!({}));
    let document = std::fs::read_to_string(plugin.path().join("farebox.json")).expect("it was written");
    let document: Value = serde_json::from_str(&document).expect("JSON");
    let id = document["keys"][0]["id"].as_str().expect("an id");
    let told = refused(&plugin, &format!("key new --team search --id {id}")).await;
    assert!(told.contains("the configuration has a key"), "{told}");
    assert!(refused(&plugin, &format!("key rotate {id}")).await.contains("farebox keygen --rotate"));
    let off = value(&plugin, &format!("key disable {id}")).await;
    assert_eq!(off["changes"][0]["after"], json!({"enabled": false}));
    assert_eq!(value(&plugin, &format!("key show {id}")).await["state"], "disabled");
    let on = value(&plugin, &format!("key enable {id}")).await;
    assert_eq!((&on["changed"], &on["changes"][0]["after"]), (&json!(true), &Value::Null));
    good(&plugin, &format!("key revoke {id} --yes")).await;
    assert_eq!(value(&plugin, &format!("key show {id}")).await["state"], "revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_raised_above_what_holds_and_falls_back_to_it() {
    let valkey = Valkey::start().await;
    let plugin = plugin(&valkey, json!({}));
    let said = value(&plugin, "limit raise user alice --usd +30 --until tomorrow").await;
    let usd = &said["limits"]["usd"];
    assert_eq!((&usd["now"], &usd["then"][0]["limit"]), (&json!("50.00"), &json!("20.00")));
    // Tomorrow begins there when it is 22:00 here.
    assert!(usd["then"][0]["from"].as_str().expect("a time").ends_with("T22:00:00Z"), "{usd}");
    assert_eq!(said["limits_before"]["usd"], json!({"now": "20.00", "then": []}));
    let text = good(&plugin, "limit set user alice --usd 25").await;
    assert!(text.contains("usd: $50.00 until ") && text.contains("then $25.00"), "{text}");
    assert!(text.contains("warning: a raise holds until"), "{text}");
    let list = good(&plugin, "limit list").await;
    assert!(list.contains("user    alice    usd          $20.00  $50.00"), "{list}");
    let text = good(&plugin, "limit unset user alice --raised").await;
    assert!(text.contains("usd: $50.00 -> $25.00"), "{text}");
    let text = good(&plugin, "limit unset user alice").await;
    assert!(text.contains("usd: $25.00 -> $20.00"), "{text}");
    assert_eq!(value(&plugin, "limit list").await, json!({"limits": [], "unreadable": []}));
    let text = good(&plugin, "limit set all * --usd +1000").await;
    assert!(text.contains("usd: $5000.00 -> $6000.00"), "{text}");
    let told = good(&plugin, "audit --name limit/user/*").await;
    assert!(told.contains("carol  limit raise  limit/user/alice\n  raised.limit_usd: - -> 50.00"), "{told}");
    assert!(!told.contains("limit/all"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_meant_is_told_and_changes_nothing() {
    let valkey = Valkey::start().await;
    let plugin = plugin(&valkey, json!({}));
    good(&plugin, "key new --team search --id ci").await;
    good(&plugin, "limit raise user alice --usd +5 --until +2h").await;
    for (line, told) in [
        ("key new --team search --id Ci_1", "its name must be 1 to 64 characters"),
        ("key new --team search --id ci", "farebox key rotate gives it another secret"),
        ("key new --team a/b --id c", "team: must be"),
        ("key new --team search --id c --expires 2020-01-01", "--expires: 2020-01-01T00:00:00Z is past"),
        ("key new --team search --id c --expires soon", "--expires: must be today, tomorrow"),
        ("key disable cii", "no key has the id \"cii\" (did you mean \"ci\"?)"),
        ("limit set usre alice --usd 5", "no budget is named \"usre\" (did you mean \"user\"?)"),
        ("limit set user al* --usd 5", "is a pattern"),
        ("limit set all search --usd 5", "its subject is *"),
        ("limit set loop s/r --requests 5", "requests have no names"),
        ("limit set key cii --requests 5", "no key has this id (did you mean \"ci\"?)"),
        ("limit set user alice", "say how much"),
        ("limit set user alice --usd five", "is not a decimal number"),
        ("limit set user alice --usd -5", "must not be negative"),
        ("limit set team search --usd 9000001", "up to $9000000"),
        ("limit set team search --tokens +5", "nothing to add to"),
        ("limit raise user alice --usd 10 --until +1h", "is no raise: it is $25.00 now"),
        ("limit raise user alice --requests +1 --until +1h", "the raise of --usd until"),
        ("limit raise user alice --usd +1", "--until"),
        ("limit unset team search", "the registry has no limit of \"search\""),
        ("team set search", "say what"),
        ("team set a/b --group g", "its name must be"),
        ("team unset search", "says nothing of the team"),
        ("team show serach", "knows the team"),
    ] {
        let said = refused(&plugin, line).await;
        assert!(said.contains(told), "{line}: {said}");
    }
    let said = farebox(&plugin, "key new --team search --models smal,*").await;
    assert!(said.is_good && said.stderr.contains("nothing serves \"smal\""), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_would_be_and_writes_nothing() {
    let valkey = Valkey::start().await;
    let plugin = plugin(&valkey, json!({}));
    for line in [
        "key new --team search --id ci",
        "limit set user alice --usd 5",
        "limit raise user alice --usd +5 --until +2h",
        "team set search --group eng",
        "team disable search",
    ] {
        let text = good(&plugin, &format!("{line} --dry-run")).await;
        assert!(text.contains("would ") && text.contains("nothing was changed"), "{line}: {text}");
        assert!(!text.contains("fb_"), "{line}: {text}");
        let said = value(&plugin, &format!("{line} --dry-run")).await;
        assert_eq!((&said["dry_run"], &said["changed"]), (&json!(true), &json!(false)));
    }
    assert_eq!(valkey.command(&["DBSIZE"]).await, Resp::Integer(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_programs_read_has_these_members() {
    let valkey = Valkey::start().await;
    let plugin = plugin(&valkey, json!({}));
    let members = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    let change = ["changed", "changes", "dry_run", "version", "warnings", "what", "who"];
    let team = value(&plugin, "team set search --group eng-search").await;
    assert_eq!(members(&team), change);
    assert_eq!(members(&team["changes"][0]), ["after", "before", "name"]);
    let key = value(&plugin, "key new --team search").await;
    assert_eq!(members(&key), ["changed", "changes", "dry_run", "key", "version", "warnings", "what", "who"]);
    let limit = value(&plugin, "limit set team search --usd 5").await;
    let own = ["budget", "limits", "limits_before", "subject"];
    assert!(own.iter().all(|name| limit.get(name).is_some()) && members(&limit).len() == 11, "{limit}");
    let all = value(&plugin, "key list").await;
    let entry = ["entry", "expires", "id", "in_configuration", "secrets", "state", "team"];
    assert_eq!(
        (members(&all), members(&all["keys"][0])),
        (vec!["keys".into(), "unreadable".into()], entry.map(str::to_owned).to_vec())
    );
    let limits = &value(&plugin, "limit list").await["limits"][0];
    assert_eq!(members(limits), ["budget", "changed_at", "entry", "in_configuration", "limits", "subject"]);
    let teams = value(&plugin, "team list").await;
    let teams = teams["teams"].as_array().expect("teams");
    assert_eq!(members(&teams[0]), ["enabled", "groups", "in_configuration", "models", "team"]);
    let told = &value(&plugin, "audit").await["entries"][0];
    assert_eq!(members(told), ["after", "at", "before", "name", "what", "who"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_raise_one_limit_at_once_nobody_is_lost_unknowingly() {
    let valkey = Valkey::start().await;
    let plugin = plugin(&valkey, json!({}));
    let raise = || farebox(&plugin, "limit set team search --requests 5 --usd +1");
    let (a, b, c, d) = tokio::join!(raise(), raise(), raise(), raise());
    let all = [a, b, c, d];
    let raised = all.iter().filter(|said| said.is_good).count();
    for said in all.iter().filter(|said| !said.is_good) {
        assert!(said.stderr.contains("somebody else has changed limit/team/search just now"), "{said:?}");
    }
    let limits = value(&plugin, "limit list").await;
    assert_eq!(limits["limits"][0]["limits"]["usd"]["now"], json!(format!("{}.00", 100 + raised)));
    let told = value(&plugin, "audit").await;
    assert_eq!(told["entries"].as_array().map(Vec::len), Some(raised));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_user_of_the_envoys_cannot_change_anything_and_an_operators_own_user_can() {
    let valkey = Valkey::start().await;
    let filter = "-@all +evalsha +eval +script|load +hget +hset +hmget +hdel +hscan +pexpireat +time +auth +select \
                  +quit +zrangebyscore";
    let operator = "-@all +eval +hget +hmget +hscan +hset +hdel +zadd +zrem +zrangebyscore +xadd +xrevrange +time \
                    +pexpireat +evalsha +script|load";
    for (user, rights) in [("farebox", filter), ("ops", operator)] {
        let mut words = vec!["ACL", "SETUSER", user, "on", ">s3cret-s3cret", "~farebox:*", "resetchannels"];
        words.extend(rights.split_whitespace());
        valkey.command(&words).await;
    }
    let access = json!({"username": "farebox", "password": {"env": "LEDGER_PASSWORD"}});
    let plugin = plugin(&valkey, access);
    let said = farebox(&plugin, "key new --team search").await;
    // Redis 7.0 says it in other words than those after it.
    let is_told =
        ["no permissions", "can't run this command"].iter().any(|words| said.stderr.contains(words));
    assert!(!said.is_good && said.stdout.is_empty() && is_told, "{said:?}");
    // Nothing of it is there: a server takes back nothing of a script that stops in the middle.
    assert_eq!(valkey.command(&["HLEN", "farebox:{registry}:entries"]).await, Resp::Integer(0));
    assert_eq!(valkey.command(&["XLEN", "farebox:{registry}:audit"]).await, Resp::Integer(0));
    assert!(good(&plugin, "key list").await.contains("configuration"));
    let text = good(&plugin, "ledger check").await;
    assert!(text.contains("the registry can be read") && text.contains("may not change keys"), "{text}");
    let text = good(&plugin, "ledger check --user ops").await;
    assert!(text.contains("this user may change keys, limits and teams"), "{text}");
    good(&plugin, "key new --team search --user ops").await;
    valkey.command(&["ACL", "SETUSER", "farebox", "-zrangebyscore"]).await;
    let said = farebox(&plugin, "ledger check").await;
    assert!(!said.is_good && said.stderr.contains("Envoys need besides: +zrangebyscore"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_on_another_node_of_a_cluster_is_found() {
    let (one, other) = (Setup::default().cluster().start().await, Setup::default().cluster().start().await);
    one.serve_all_slots().await;
    let (port, bus) = (one.address().port().to_string(), one.bus().to_string());
    other.command(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]).await;
    until("the other node to know it", async || {
        let answer = other.command(&["HGET", "farebox:{registry}:entries", "none"]).await;
        matches!(answer, Resp::Error(error) if error.starts_with("MOVED")).then_some(())
    })
    .await;
    let plugin = plugin(&other, json!({"mode": "cluster", "networks": ["127.0.0.0/8"]}));
    good(&plugin, "key new --team search --id ci").await;
    assert!(good(&plugin, "key list").await.contains("ci "));
    assert!(good(&plugin, "audit").await.contains("key new"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_silent_or_gone_is_told() {
    let mut valkey = Valkey::start().await;
    let plugin = plugin(&valkey, json!({}));
    valkey.pause();
    let said = farebox(&plugin, "key list").await;
    assert!(!said.is_good && said.stderr.contains("no answer within 5 s"), "{said:?}");
    valkey.go_on();
    valkey.kill();
    let said = farebox(&plugin, "key list").await;
    assert!(!said.is_good && said.stderr.contains("refused"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_at_a_shell_holds_in_every_envoy() {
    let valkey = Valkey::start().await;
    let budgets = json!([{"name": "key", "per": "key", "window": "lifetime", "limit_requests": 1}]);
    let mut config = envoys::plugin(budgets, json!({"registry": {"interval_ms": 200}}));
    let fleet = Envoys::start(2, envoy::Setup::new(&config).ledger(valkey.address())).await;
    config["ledger"]["endpoints"] = json!([format!("redis://{}", valkey.address())]);
    let plugin = written(&config);
    let everywhere = async |key: &str, status: u16| {
        for envoy in &fleet.envoys {
            until(&format!("{status}"), async || {
                (Client::new(envoy, key).chat("fast").await.status == status).then_some(())
            })
            .await;
        }
    };
    let key = good(&plugin, "key new --team search --id ci").await;
    let key = key.trim_end();
    // There is one request in the whole fleet. Whoever comes then is known, and has nothing left.
    everywhere(key, 429).await;
    good(&plugin, "limit raise key ci --requests +1000 --until +1h").await;
    everywhere(key, 200).await;
    let rotated = good(&plugin, "key rotate ci").await;
    everywhere(rotated.trim_end(), 200).await;
    everywhere(key, 200).await;
    good(&plugin, "limit unset key ci").await;
    everywhere(key, 429).await;
    good(&plugin, "team disable search").await;
    everywhere(key, 403).await;
    good(&plugin, "team enable search").await;
    everywhere(key, 429).await;
    good(&plugin, "key revoke ci --yes").await;
    everywhere(key, 401).await;
    assert_eq!(value(&plugin, "audit").await["entries"].as_array().map(Vec::len), Some(7));
}
