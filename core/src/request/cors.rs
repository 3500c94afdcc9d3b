//! Decides what a page in a browser may ask of the gateway, and what of an answer it may see.
//!
//! A browser asks first, with `OPTIONS` and without a key, so that is answered here. It may send what goes on to a
//! provider anyway, credentials, and what the gateway itself reads; it sees what SDKs read of an answer.
//!
//! Without `cors` in the configuration nothing is said, and browsers let no page in.
//!
//! Source: Fetch standard, CORS protocol.

use std::borrow::Cow;

use crate::base::headers::RequestHead;
use crate::config::{Config, Cors, Dimension};
use crate::denial::Reply;
use crate::dialect::Api;
use crate::request::api::{EVERY_REQUEST, passes_request};
use crate::request::credential_headers::is_credential;
use crate::request::resource::Resource;

/// A header of an answer.
pub type Header = (&'static str, Cow<'static, str>);

/// A page that may ask: what its browser has to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    origin: Option<Box<str>>,
    credentials: bool,
}

/// What of an answer's head a page sees besides what every page does.
const EXPOSED: &str = "x-farebox-denied, x-farebox-budget, x-farebox-output-limit, x-farebox-downgraded-by, \
                       x-farebox-budget-warning, x-request-id, request-id, retry-after, retry-after-ms, x-should-retry, \
                       x-amzn-requestid, x-amzn-errortype, apim-request-id";
/// What callers show a key in.
const CREDENTIALS: [&str; 4] = ["authorization", "x-api-key", "x-goog-api-key", "api-key"];
/// What the gateway reads itself.
const ATTRIBUTION: [&str; 4] =
    ["x-farebox-agent", "x-farebox-session", "x-farebox-workflow", "x-farebox-user"];
/// What no page can set.
const OF_BROWSERS: [&str; 4] =
    ["accept-encoding", "content-length", "transfer-encoding", "x-forwarded-proto"];
/// Most headers that a browser asks for that are looked at.
const ASKED: usize = 64;

impl Cors {
    /// The page that a request comes from, if it may ask. Of two origins none counts.
    #[must_use]
    pub fn visitor(&self, head: &RequestHead) -> Option<Visitor> {
        let mut origins = head.all("origin");
        let origin = core::str::from_utf8(origins.next()?).ok()?;
        if origins.next().is_some() {
            return None;
        }
        let origin = match &self.origins {
            None => None,
            Some(known) => Some(known.iter().find(|known| ***known == *origin)?.clone()),
        };
        Some(Visitor { origin, credentials: self.credentials })
    }
}

impl Visitor {
    /// What is told to its browser with every answer: over what `head`, that of a provider's, says of the same.
    #[must_use]
    pub fn headers(&self, head: &RequestHead) -> Vec<Header> {
        let said = |name| head.first(name).and_then(|list| core::str::from_utf8(list).ok());
        let with = |own: &'static str, said: Option<&str>| -> Cow<'static, str> {
            match said {
                Some(list) if list != "*" && !list.is_empty() => [own, ", ", list].concat().into(),
                _ => own.into(),
            }
        };
        let mut headers = self.allowed(with("origin", said("vary")));
        let exposed = with(EXPOSED, said("access-control-expose-headers"));
        headers.push(("access-control-expose-headers", exposed));
        headers
    }

    fn allowed(&self, vary: Cow<'static, str>) -> Vec<Header> {
        let origin = self.origin.as_deref().map_or("*".into(), |origin| origin.to_owned().into());
        let mut headers = vec![("access-control-allow-origin", origin), ("vary", vary)];
        if self.credentials {
            headers.push(("access-control-allow-credentials", "true".into()));
        }
        headers
    }

    /// The answer to its browser's question whether it may ask for what `head` names. `None`: that is no such question,
    /// or there is nothing at this path.
    #[must_use]
    pub fn preflight(&self, config: &Config, head: &RequestHead) -> Option<Reply> {
        let cors = config.cors.as_ref()?;
        if head.first(":method") != Some(b"OPTIONS") || head.first("access-control-request-method").is_none()
        {
            return None;
        }
        let resource = Resource::at(config, head.path())?;
        let api = if let Resource::Endpoint(served) = &resource { Some(served.api) } else { None };
        let mut headers = self.allowed("origin".into());
        headers.extend([
            ("access-control-allow-methods", resource.methods().into()),
            ("access-control-allow-headers", allowed_headers(config, api, head).into()),
            ("access-control-max-age", cors.max_age_seconds.to_string().into()),
        ]);
        Some(Reply { status: 204, headers, body: String::new() })
    }
}

/// The headers that a page may send: those with a name of their own, and of those that are known by their beginnings the
/// ones that it wants.
fn allowed_headers(config: &Config, api: Option<Api>, head: &RequestHead) -> String {
    let whole = |name: &&str| !name.ends_with('*') && !OF_BROWSERS.contains(name);
    let of_api = api.map(|api| api.head().request_headers.names).unwrap_or_default();
    let mut names: Vec<&str> = CREDENTIALS.into_iter().chain(ATTRIBUTION).collect();
    names.extend(EVERY_REQUEST.names.iter().chain(of_api).copied().filter(whole));
    names.extend(config.passed.headers.iter().filter(whole));
    let counted = config.budgets.iter().flat_map(|budget| &budget.per).filter_map(|per| match per {
        Dimension::Header(name) => Some(&**name),
        _ => None,
    });
    names.extend(counted.chain(config.headers_only.iter().filter_map(|mode| mode.model_header.as_deref())));
    let asked = head.all("access-control-request-headers").flat_map(|list| list.split(|&byte| byte == b','));
    let asked = asked.filter_map(|name| core::str::from_utf8(name.trim_ascii()).ok()).take(ASKED);
    // Who asks for a credential of another kind gets no key through with it.
    let asked: Vec<String> = asked.map(str::to_ascii_lowercase).collect();
    let passes = |name: &&str| match api {
        Some(api) => {
            !is_credential(name.as_bytes()) && passes_request(api, &config.passed.headers, name.as_bytes())
        }
        None => false,
    };
    names.extend(asked.iter().map(String::as_str).filter(passes));
    let mut seen: Vec<&str> = Vec::with_capacity(names.len());
    names.retain(|name| {
        let is_new = !seen.contains(name);
        seen.push(name);
        is_new
    });
    names.join(", ")
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "unknown")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::config::testing;
    use serde_json::{Value, json};

    const PAGE: &str = "https://app.example";

    fn config(cors: Value) -> Config {
        testing::config(|json| {
            json["cors"] = cors;
            json["headers"] = json!({"pass": ["x-tenant", "x-team-*"]});
        })
    }

    fn asks(config: &Config, path: &str, headers: &[(&str, &str)]) -> Option<Reply> {
        let mut all = vec![
            (":method", "OPTIONS"),
            (":path", path),
            ("origin", PAGE),
            ("access-control-request-method", "POST"),
        ];
        all.extend(headers);
        let all = all.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        let head = RequestHead::new(all.collect());
        config.cors.as_ref()?.visitor(&head)?.preflight(config, &head)
    }

    fn header<'r>(headers: &'r [Header], name: &str) -> Option<&'r str> {
        headers.iter().find(|(known, _)| *known == name).map(|(_, value)| &**value)
    }

    #[test]
    fn a_browser_is_told_what_its_page_may_send_to_each_path() {
        let config = config(json!({"origins": [PAGE, "http://localhost:3000"], "max_age_seconds": 60}));
        let wants =
            [("access-control-request-headers", "Content-Type,x-stainless-os, x-team-a,x-secret, cookie")];
        let reply = asks(&config, "/v1/messages?beta=true", &wants).unwrap();
        assert_eq!((reply.status, reply.body.as_str()), (204, ""));
        let told = |name| header(&reply.headers, name);
        assert_eq!(told("access-control-allow-origin"), Some(PAGE));
        assert_eq!(told("access-control-allow-methods"), Some("POST"));
        assert_eq!((told("access-control-max-age"), told("vary")), (Some("60"), Some("origin")));
        assert_eq!(told("access-control-allow-credentials"), None);
        let allowed: Vec<&str> = told("access-control-allow-headers").unwrap().split(", ").collect();
        for name in [
            "authorization",
            "x-api-key",
            "x-goog-api-key",
            "api-key",
            "content-type",
            "anthropic-version",
            "anthropic-dangerous-direct-browser-access",
            "x-farebox-session",
            "x-stainless-os",
            "x-tenant",
            "x-team-a",
        ] {
            assert_eq!(allowed.iter().filter(|known| **known == name).count(), 1, "{name}: {allowed:?}");
        }
        for name in ["x-secret", "cookie", "content-length", "x-stainless-*", "x-farebox-cluster"] {
            assert!(!allowed.contains(&name), "{name}");
        }
        let page = asks(&config, "/v1/models", &[]).unwrap();
        assert_eq!(header(&page.headers, "access-control-allow-methods"), Some("GET, HEAD"));
    }

    #[test]
    fn who_is_not_known_asks_for_nothing_or_is_somewhere_else_is_told_nothing() {
        let only = config(json!({"origins": ["https://other.example"]}));
        assert_eq!(asks(&only, "/v1/chat/completions", &[]), None);
        let any = config(json!({"origins": ["*"]}));
        let reply = asks(&any, "/v1/chat/completions", &[]).unwrap();
        assert_eq!(header(&reply.headers, "access-control-allow-origin"), Some("*"));
        assert_eq!(asks(&any, "/v1/files", &[]), None);
        assert_eq!(asks(&any, "/v1/chat/completions", &[("origin", "https://second.example")]), None);
        assert_eq!(asks(&testing::config(|_| {}), "/v1/chat/completions", &[]), None);
        for missing in [":method", "access-control-request-method", "origin"] {
            let all = [
                (":method", "OPTIONS"),
                (":path", "/v1/models"),
                ("origin", PAGE),
                ("access-control-request-method", "GET"),
            ];
            let kept = all.into_iter().filter(|(name, _)| *name != missing);
            let head = RequestHead::new(kept.map(|(name, value)| (name.into(), value.into())).collect());
            let visitor = any.cors.as_ref().unwrap().visitor(&head);
            assert_eq!(visitor.and_then(|visitor| visitor.preflight(&any, &head)), None, "{missing}");
        }
    }

    #[test]
    fn a_page_sees_what_sdks_read_and_what_the_provider_lets_it_see() {
        let config = config(json!({"origins": [PAGE], "credentials": true}));
        let head = RequestHead::from([("origin", PAGE)]);
        let visitor = config.cors.as_ref().unwrap().visitor(&head).unwrap();
        let headers = visitor.headers(&RequestHead::from([
            ("access-control-expose-headers", "x-own, request-id"),
            ("vary", "accept-encoding"),
        ]));
        assert_eq!(header(&headers, "access-control-allow-credentials"), Some("true"));
        let exposed = header(&headers, "access-control-expose-headers").unwrap();
        for name in ["x-farebox-denied", "x-request-id", "retry-after", "x-own"] {
            assert!(exposed.split(", ").any(|known| known == name), "{exposed}");
        }
        assert_eq!(header(&headers, "vary"), Some("origin, accept-encoding"));
        let any = visitor.headers(&RequestHead::from([("access-control-expose-headers", "*")]));
        assert_eq!(header(&any, "access-control-expose-headers"), Some(EXPOSED));
    }
}
