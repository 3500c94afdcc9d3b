//! A caller of the gateway: JSON in, the whole answer or its events out.
//!
//! Does not send what a decent HTTP library cannot send: see `raw.rs`.

use crate::envoy::Envoy;
use crate::patience::within;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use std::pin::Pin;

/// A caller with a key.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    headers: Vec<(String, String)>,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// As in 200.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as it came.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("not JSON: {:?}", String::from_utf8_lossy(&self.body)))
    }

    /// The value of a header, if it is there.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("a readable header"))
    }
}

impl Client {
    /// A caller with this key in `authorization`.
    #[must_use]
    pub fn new(envoy: &Envoy, key: &str) -> Self {
        Self::anonymous(envoy).with("authorization", &format!("Bearer {key}"))
    }

    /// A caller that does not say who it is.
    ///
    /// # Panics
    /// Never in practice: the options are valid.
    #[must_use]
    pub fn anonymous(envoy: &Envoy) -> Self {
        Self::over(envoy, reqwest::Client::builder())
    }

    /// A caller that speaks HTTP/2 without TLS.
    #[must_use]
    pub fn http2(envoy: &Envoy, key: &str) -> Self {
        let client = Self::over(envoy, reqwest::Client::builder().http2_prior_knowledge());
        client.with("authorization", &format!("Bearer {key}"))
    }

    fn over(envoy: &Envoy, builder: reqwest::ClientBuilder) -> Self {
        let http = builder.no_proxy().build().expect("valid options");
        Self { http, base: format!("http://{}", envoy.address()), headers: Vec::new() }
    }

    /// The same caller with another header on every request.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.push((name.to_owned(), value.to_owned()));
        client
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Panics
    /// If no answer comes.
    pub async fn send(&self, method: &str, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        self.try_send(method, path, body).await.expect("an answer")
    }

    /// Sends a request and reads the whole answer, if one comes whole.
    ///
    /// # Errors
    /// If the connection or the answer breaks off.
    pub async fn try_send(
        &self,
        method: &str,
        path: &str,
        body: impl Into<reqwest::Body>,
    ) -> Result<Answer, reqwest::Error> {
        within(&format!("the answer to {method} {path}"), async {
            let answer = self.request(method, path).body(body).send().await?;
            let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
            Ok(Answer { status, headers, body: answer.bytes().await? })
        })
        .await
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().expect("a method");
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request
    }

    /// Posts JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.with("content-type", "application/json").send("POST", path, body.to_string()).await
    }

    /// Asks for a path.
    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "").await
    }

    /// Asks `model` for a short chat.
    pub async fn chat(&self, model: &str) -> Answer {
        self.post("/v1/chat/completions", &chat_body(model)).await
    }

    /// What `/farebox/usage` says of the budget `name`.
    ///
    /// # Panics
    /// If it says nothing.
    pub async fn usage(&self, name: &str) -> Value {
        let answer = self.get("/farebox/usage").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let usage = answer.json();
        let budgets = usage["budgets"].as_array().expect("the usage lists budgets");
        budgets.iter().find(|budget| budget["name"] == name).expect("the budget is listed").clone()
    }

    /// Posts JSON and reads the answer as it comes.
    ///
    /// # Panics
    /// If no answer begins.
    pub async fn stream(&self, path: &str, body: &Value) -> Events {
        self.try_stream(path, body).await.expect("an answer")
    }

    /// The same, where there may be no answer.
    ///
    /// # Errors
    /// The connection was closed before one began.
    ///
    /// # Panics
    /// If nothing happens for too long.
    pub async fn try_stream(&self, path: &str, body: &Value) -> reqwest::Result<Events> {
        let request = self.with("content-type", "application/json").request("POST", path);
        let answer = within("the beginning of a stream", request.body(body.to_string()).send()).await?;
        Ok(Events {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            body: Vec::new(),
            taken: 0,
            broken: false,
            rest: Box::pin(answer.bytes_stream()),
        })
    }

    /// Asks `model` for a short streamed chat; `more` is added to the body.
    pub async fn stream_chat(&self, model: &str, more: Value) -> Events {
        let mut body = chat_body(model);
        body["stream"] = json!(true);
        let members = body.as_object_mut().expect("the body is an object");
        members.extend(more.as_object().cloned().unwrap_or_default());
        self.stream("/v1/chat/completions", &body).await
    }
}

/// A short chat request.
#[must_use]
pub fn chat_body(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "Where does the tram go?"}]})
}

/// A stream of server-sent events that is being received. Dropping it resets an HTTP/2 stream and
/// closes an HTTP/1.1 connection.
pub struct Events {
    /// As in 200.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// Everything received so far.
    pub body: Vec<u8>,
    /// Whether the stream broke off instead of ending.
    pub broken: bool,
    taken: usize,
    rest: Pin<Box<dyn Stream<Item = Result<Bytes, reqwest::Error>> + Send>>,
}

impl Events {
    /// The data of the next event, without the `data: ` in front; `None` when the stream has ended.
    pub async fn next(&mut self) -> Option<String> {
        within("the next event of a stream", async {
            loop {
                let unread = &self.body[self.taken..];
                if let Some(end) = unread.windows(2).position(|pair| pair == b"\n\n") {
                    let event = String::from_utf8_lossy(&unread[..end]).into_owned();
                    self.taken += end + 2;
                    return Some(data_of(&event));
                }
                match self.rest.next().await? {
                    Ok(bytes) => self.body.extend_from_slice(&bytes),
                    Err(_) => {
                        self.broken = true;
                        // A stream that was reset would say so again and again.
                        self.rest = Box::pin(futures_util::stream::empty());
                    }
                }
            }
        })
        .await
    }

    /// The data of all events to come.
    pub async fn all(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        while let Some(event) = self.next().await {
            all.push(event);
        }
        all
    }
}

fn data_of(event: &str) -> String {
    let lines = event.lines().filter_map(|line| line.strip_prefix("data:"));
    lines.map(|data| data.strip_prefix(' ').unwrap_or(data)).collect::<Vec<_>>().join("\n")
}
