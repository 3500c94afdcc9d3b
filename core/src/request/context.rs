//! Decides what is remembered of a request for its record, from its headers on, whatever becomes of it.

use std::rc::Rc;

use crate::base::hash::{self, fnv1a};
use crate::base::headers::RequestHead;
use crate::base::text::Label;
use crate::base::window::Millis;
use crate::config::Key;
use crate::denial::Client;
use crate::dialect::Endpoint;
use crate::json;
use crate::request::attribution::Attribution;
use crate::request::cors::Visitor;
use crate::request::llm_request::LlmRequest;

/// The longest path that is recorded.
const PATH_BYTES: usize = 256;

/// What is known of a request, whatever became of it.
#[derive(Debug, Default)]
pub struct RequestContext {
    /// When it arrived.
    pub arrived: Millis,
    /// The id that Envoy gave it, or took from the client; empty if there is none.
    pub request_id: String,
    /// Its method.
    pub method: Option<&'static str>,
    /// Its path, without the query.
    pub path: Option<Label>,
    /// The caller, if it was let in.
    pub key: Option<Rc<Key>>,
    /// The key that was named by a caller who was not let in.
    pub claimed_key: Option<Rc<Key>>,
    /// What it says of itself.
    pub attribution: Attribution,
    /// Who asks, as far as refusals differ.
    pub client: Client,
    /// The page in a browser that asks, if it may.
    pub visitor: Option<Visitor>,
    /// Bytes that its body will have, if it says so.
    pub length: Option<u64>,
    /// What is asked for.
    pub endpoint: Option<Endpoint>,
    /// The model asked for.
    pub model: Option<String>,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// The status that its client got, if it got one.
    pub status: Option<u64>,
}

impl RequestContext {
    /// Takes what the headers say, whoever sent them.
    pub fn read(&mut self, head: &RequestHead) {
        self.request_id = request_id(head);
        self.method = method(head);
        self.path = Label::bounded(head.path(), PATH_BYTES);
        self.attribution = Attribution::read(head);
        self.client = Client::of(head);
        self.length = head.first("content-length").and_then(json::count);
    }

    /// Takes what its body says, or what stands for it.
    pub fn asks(&mut self, request: &LlmRequest) {
        self.attribution = core::mem::take(&mut self.attribution).or(&request.attribution);
        self.model.clone_from(&request.model);
        self.stream = request.stream;
    }

    /// The team of who calls; empty if nobody knows it.
    #[must_use]
    pub fn team(&self) -> &str {
        self.key.as_ref().map_or("", |key| &key.team)
    }

    /// What is drawn with: the same for a request that comes again under the same id. `number`: of the request, where it has
    /// no id.
    #[must_use]
    pub fn draw(&self, number: u32) -> u64 {
        if !self.request_id.is_empty() {
            return fnv1a(hash::EMPTY, self.request_id.as_bytes());
        }
        fnv1a(fnv1a(hash::EMPTY, &self.arrived.0.to_le_bytes()), &number.to_le_bytes())
    }
}

/// The method as it is recorded.
fn method(head: &RequestHead) -> Option<&'static str> {
    const KNOWN: [&str; 9] = ["POST", "GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"];
    let method = head.first(":method")?;
    Some(KNOWN.into_iter().find(|known| known.as_bytes() == method).unwrap_or("other"))
}

fn request_id(head: &RequestHead) -> String {
    head.first("x-request-id").and_then(Label::from_bytes).map(Label::into_string).unwrap_or_default()
}
