//! Decides what the most lenient provider would read in what arrived, and what it serves: the dearest model and the
//! most tokens that anybody could read. Writes down what should not have arrived.

use super::endpoints::{self, Endpoint};
use super::good::{self, Counts};
use super::heads::LEAK;
use super::marked;
use super::world::{CHEAP_SENT, DEAR_SENT, HOMES};
use crate::provider::Request;
use crate::script::Reply;
use farebox_readers::form;
use farebox_readers::json::Json;
use farebox_readers::limit::{self, Most};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// What a provider generates that is limited by nothing.
const UNLIMITED: u64 = 60_000;
/// The longest answer of any model here.
const LONGEST: u64 = 400_000;

/// What a provider did for one case.
#[derive(Clone, Debug)]
pub struct Served {
    /// Every model that one reader or another would have answered with.
    pub models: Vec<String>,
    /// Tokens in and out; `None` if it refused.
    pub counts: Option<Counts>,
    /// What should not have arrived.
    pub trespasses: Vec<String>,
    /// What arrived, to be shown.
    pub request: Request,
}

/// What was served, by the number of the case.
pub type Tally = Arc<Mutex<HashMap<u64, Vec<Served>>>>;

/// The provider's part.
pub fn script(tally: Tally) -> impl Fn(&Request) -> Reply + Send + Sync + 'static {
    move |request| {
        let (served, reply) = serve(request);
        let number = number_of(request).unwrap_or(u64::MAX);
        tally.lock().unwrap().entry(number).or_default().push(served);
        reply
    }
}

fn number_of(request: &Request) -> Option<u64> {
    marked(&request.body).or_else(|| marked(request.path.as_bytes()))
}

fn serve(request: &Request) -> (Served, Reply) {
    let path = request.path.split('?').next().unwrap_or_default();
    let host = request.header("host").first().cloned().unwrap_or_default();
    let home = HOMES.iter().find(|home| home.host == host);
    let endpoint = home.and_then(|home| endpoints::asked_for(home.name, path));
    let mut served = Served {
        models: Vec::new(),
        counts: None,
        trespasses: trespasses(request, endpoint),
        request: request.clone(),
    };
    let Some(endpoint) = endpoint else {
        return (served, error(404));
    };
    let content_type = request.header("content-type").first().cloned().unwrap_or_default();
    let json = Json::read(&request.body);
    served.models = models(endpoint, path, &content_type, &request.body, json.as_ref());
    if served.models.is_empty() {
        return (served, error(400));
    }
    let most = match &json {
        Some(json) if !endpoint.form => limit::worst(path, json),
        _ => Most::Tokens(100),
    };
    let output = match most {
        _ if !endpoint.generates => 0,
        Most::Tokens(tokens) => tokens.min(LONGEST),
        Most::Unlimited => UNLIMITED,
    };
    let counts = (1 + request.body.len() as u64 / 5, output);
    served.counts = Some(counts);
    let model = served.models[0].clone();
    let streams = ["gemini stream", "converse stream"].contains(&endpoint.name)
        || (json.as_ref().is_some_and(|json| {
            farebox_readers::json::Lookup::ALL
                .into_iter()
                .any(|lookup| json.member("stream", lookup).is_some_and(Json::is_true))
        }) && endpoint.generates
            && ["chat", "azure chat", "deployment", "completions", "responses", "messages", "cohere chat"]
                .contains(&endpoint.name));
    if streams {
        let (kind, events) = good::stream(endpoint.answer, &model, &["Yes", ", there."], counts);
        return (served, Reply::whole(200, kind, &events.concat()));
    }
    let answer = good::plain(endpoint.answer, &model, "Yes, there.", counts);
    (served, Reply::json(200, &answer))
}

fn error(status: u16) -> Reply {
    Reply::json(status, &serde_json::json!({"error": {"message": "no", "type": "invalid_request_error"}}))
}

/// Every model that this server could take the request to ask for.
fn models(
    endpoint: &Endpoint,
    path: &str,
    content_type: &str,
    body: &[u8],
    json: Option<&Json>,
) -> Vec<String> {
    let mut models = Vec::new();
    if endpoint.path.contains("{m}") {
        models.push(if path.contains(DEAR_SENT) { DEAR_SENT } else { CHEAP_SENT }.to_owned());
    }
    let folded = content_type.to_ascii_lowercase();
    if endpoint.form {
        models.extend(form::values(content_type, body, "model"));
        for name in ["Model", "MODEL", "model[]"] {
            models.extend(form::values(content_type, body, name));
        }
    }
    if !endpoint.form || folded.contains("json") {
        models.extend(json.into_iter().flat_map(|json| json.texts(&["model"])).map(str::to_owned));
        json.into_iter().for_each(|json| elsewhere(json, &mut models));
    }
    // Any other name is none of this provider's: it would refuse.
    models.retain(|model| [CHEAP_SENT, DEAR_SENT].contains(&model.as_str()));
    models.sort_unstable();
    models.dedup();
    models
}

/// Models in other members that servers are known to read. They must be in addition to what the request says first.
fn elsewhere(json: &Json, models: &mut Vec<String>) {
    let Json::Object(members) = json else { return };
    let mut add = |value: &Json| match value {
        Json::Text(text) => models.push(text.clone()),
        Json::List(items) => {
            for item in items {
                match item {
                    Json::Text(text) => models.push(text.clone()),
                    item => models.extend(item.texts(&["model"]).into_iter().map(str::to_owned)),
                }
            }
        }
        object => models.extend(object.texts(&["model"]).into_iter().map(str::to_owned)),
    };
    for (name, value) in members {
        match farebox_readers::json::folded(name).as_str() {
            "models" | "fallbacks" | "fallback_models" | "fallback_model" | "draft_model"
            | "speculative_model" | "route" | "tools" | "extra_body" => add(value),
            _ => {}
        }
    }
}

/// What should not have arrived.
fn trespasses(request: &Request, endpoint: Option<&'static Endpoint>) -> Vec<String> {
    let mut found = Vec::new();
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let host = request.header("host").join(",");
    let Some(home) = HOMES.iter().find(|home| home.host == host) else {
        return vec![format!("another host: {host}")];
    };
    if endpoint.is_none() {
        found.push("a path that no endpoint has".to_owned());
    }
    let _ = path;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let good = match name {
            "alt" => ["sse", "json"].contains(&value),
            // Whatever stands in it is one value, question marks and semicolons too.
            "api-version" | "beta" => true,
            _ => false,
        };
        if !good {
            found.push(format!("a query that stays here: {name}"));
        }
    }
    let mut credentials = 0;
    for (name, value) in &request.headers {
        let value = String::from_utf8_lossy(value);
        if *name == home.header {
            credentials += 1;
            if value != format!("{}{}", home.scheme, home.secret()) {
                found.push(format!("another credential: {name}"));
            }
        } else if ["authorization", "x-api-key", "api-key", "x-goog-api-key"].contains(&name.as_str()) {
            found.push(format!("a second credential: {name}"));
        }
        if value.contains("fb_red") || value.contains("fb_blue") {
            found.push(format!("a caller's key: {name}"));
        }
        if value.contains(LEAK) || value.contains("sk-odd") {
            found.push(format!("a header that stays here: {name}"));
        }
        if name.starts_with("x-farebox") {
            found.push(format!("our own header: {name}"));
        }
        if name == "accept-encoding" && value != "identity" {
            found.push("accept-encoding".to_owned());
        }
    }
    if credentials != 1 {
        found.push(format!("not one credential: {credentials}"));
    }
    if request.path.contains("fb_red") || request.path.contains("fb_blue") {
        found.push("a caller's key: in the path".to_owned());
    }
    found
}
