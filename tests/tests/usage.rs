//! The page `/farebox/usage`: who may see what, and what it never does.

use farebox_tests::client::{Answer, Client};
use farebox_tests::config::{self, DEMO, OTHER};
use farebox_tests::gateway::Gateway;
use farebox_tests::patience::within;
use farebox_tests::raw::Raw;
use serde_json::{Value, json};

/// The key `root` of team `platform`, which may see what others have spent.
const ADMIN: &str = "fb_root_Hn4Bv7Cx2Za9Sd6Fg3Jk8Lq5We1Rt0Yu";

fn configuration() -> Value {
    let budget = |name: &str, per: Value| json!({"name": name, "per": per, "window": "lifetime", "limit_requests": 10});
    let mut config = config::with_budgets(json!([
        budget("org", json!("org")),
        budget("team", json!("team")),
        budget("key", json!("key")),
        budget("run", json!("session")),
        budget("mixed", json!(["team", "model", "header:x-tenant"])),
    ]));
    config["keys"].as_array_mut().unwrap().push(config::key(ADMIN, "platform"));
    config["keys"][2]["admin"] = json!(true);
    config
}

/// What is spent, by budget.
fn spent(page: &Value) -> Vec<(String, u64)> {
    let budgets = page["budgets"].as_array().unwrap().iter();
    let spent = budgets.map(|budget| {
        (budget["name"].as_str().unwrap().to_owned(), budget["spent"]["requests"].as_u64().unwrap())
    });
    spent.collect()
}

fn owned(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_sees_its_own_use_by_what_it_says_in_headers_or_in_the_query() {
    let gateway = Gateway::new(configuration()).await;
    let caller = gateway.client.with("x-farebox-session", "one").with("x-tenant", "t");
    assert_eq!(caller.chat("fast").await.status, 200);
    assert_eq!(gateway.caller(OTHER).with("x-farebox-session", "one").chat("fast").await.status, 200);
    gateway.envoy.records(2).await;

    let plain = gateway.client.get("/farebox/usage").await.json();
    assert_eq!(spent(&plain), owned(&[("org", 2), ("team", 1), ("key", 1)]));
    let unnamed = |page: &Value| {
        let unnamed = page["unnamed"].as_array().unwrap().clone();
        unnamed.iter().map(|budget| (budget["name"].clone(), budget["needs"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(unnamed(&plain), [(json!("run"), json!("session")), (json!("mixed"), json!("model"))]);
    for page in [
        gateway.client.get("/farebox/usage?session=one").await.json(),
        gateway.client.with("x-farebox-session", "one").get("/farebox/usage").await.json(),
        gateway.client.with("x-farebox-session", "two").get("/farebox/usage?session=one").await.json(),
    ] {
        assert_eq!(spent(&page), owned(&[("org", 2), ("team", 1), ("key", 1), ("run", 1)]));
        assert_eq!(page["budgets"][3]["subject"], "one");
    }
    let all = gateway.client.get("/farebox/usage?session=two&model=fast&header:x-tenant=t").await.json();
    assert_eq!(spent(&all), owned(&[("org", 2), ("team", 1), ("key", 1), ("run", 0), ("mixed", 1)]));
    assert_eq!(unnamed(&all), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_admin_key_sees_the_use_of_others() {
    let gateway = Gateway::new(configuration()).await;
    assert_eq!(gateway.client.with("x-farebox-session", "one").chat("fast").await.status, 200);
    gateway.envoy.records(1).await;
    let (admin, other) = (gateway.caller(ADMIN), gateway.caller(OTHER));
    for (query, expected) in [
        ("", vec![("org", 1), ("team", 0), ("key", 0)]),
        ("?team=search", vec![("org", 1), ("team", 1)]),
        ("?key=demo", vec![("org", 1), ("team", 1), ("key", 1)]),
        ("?team=search&key=demo&session=one", vec![("org", 1), ("team", 1), ("key", 1), ("run", 1)]),
        ("?team=ads&session=one", vec![("org", 1), ("team", 0), ("run", 0)]),
    ] {
        let answer = admin.get(&format!("/farebox/usage{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        assert_eq!(spent(&answer.json()), owned(&expected), "{query}");
    }
    for query in ["?team=search", "?key=demo", "?team=search&key=demo", "?team=nobody", "?key=nobody"] {
        let answer = other.get(&format!("/farebox/usage{query}")).await;
        assert_eq!((answer.status, answer.header("x-farebox-denied")), (403, Some("admin_only")), "{query}");
    }
    // Its own are its own.
    assert_eq!(other.get("/farebox/usage?team=ads&key=other").await.status, 200);
    for query in ["?teem=search", "?session=a&x", "?header=a"] {
        let answer = admin.get(&format!("/farebox/usage{query}")).await;
        assert_eq!(
            (answer.status, answer.header("x-farebox-denied")),
            (400, Some("invalid_query")),
            "{query}"
        );
    }
    for query in ["?key=nobody", "?team=ads&key=demo", "?team=serach"] {
        let answer = admin.get(&format!("/farebox/usage{query}")).await;
        assert_eq!(
            (answer.status, answer.header("x-farebox-denied")),
            (404, Some("unknown_subject")),
            "{query}"
        );
    }
    assert_eq!(admin.get("/farebox/usage").await.json()["teams"], json!(["ads", "platform", "search"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_only_read_and_never_long() {
    let gateway = Gateway::new(configuration()).await;
    let get = gateway.client.get("/farebox/usage").await;
    assert_eq!((get.status, get.header("cache-control")), (200, Some("no-store")));
    let head = gateway.client.send("HEAD", "/farebox/usage", "").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let answer = gateway.client.send(method, "/farebox/usage", "").await;
        assert_eq!((answer.status, answer.header("x-farebox-denied")), (405, Some("method_not_allowed")));
    }
    let anonymous: Answer = Client::anonymous(&gateway.envoy).get("/farebox/usage").await;
    assert_eq!(anonymous.status, 401);

    // However long the names are that it is asked for.
    let long = "x".repeat(20_000);
    let query = format!("/farebox/usage?session={long}&model={long}&header:x-tenant={long}");
    let answer = gateway.client.get(&query).await;
    assert!(answer.body.len() < 64 * 1024, "{} bytes", answer.body.len());
    let mut raw = Raw::connect(&gateway.envoy).await;
    let hostile = b"session=%00%ff%22%0d%0a&model=%22%7d&header:x-tenant=%";
    let end = format!(" HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {DEMO}\r\nconnection: close\r\n\r\n");
    let request = [b"GET /farebox/usage?".as_slice(), hostile, end.as_bytes()];
    raw.send(&request.concat()).await;
    within("the page", raw.ends()).await;
    let text = String::from_utf8_lossy(&raw.received).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let body: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("not JSON: {body}"));
    assert_eq!(body["unnamed"], json!([]), "{body}");
}
