//! Decides what is remembered of a request for its record, from its headers on.

use std::rc::Rc;

use farebox_core::base::hash::{self, fnv1a};
use farebox_core::base::headers::RequestHead;
use farebox_core::base::text::Label;
use farebox_core::base::window::Millis;
use farebox_core::config::Key;
use farebox_core::denial::Client;
use farebox_core::dialect::Endpoint;
use farebox_core::json;
use farebox_core::request::attribution::Attribution;

/// The longest path that is recorded.
const PATH_BYTES: usize = 256;

/// What is known of a request, whatever became of it.
#[derive(Debug, Default)]
pub(crate) struct RequestContext {
    pub(crate) arrived: Millis,
    pub(crate) request_id: String,
    pub(crate) method: Option<&'static str>,
    pub(crate) path: Option<Label>,
    pub(crate) key: Option<Rc<Key>>,
    /// The key that was named by who is not let in.
    pub(crate) claimed_key: Option<Rc<Key>>,
    pub(crate) attribution: Attribution,
    /// Who asks, as far as refusals differ.
    pub(crate) client: Client,
    /// Bytes that its body will have, if it says so.
    pub(crate) length: Option<u64>,
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) model: Option<String>,
    pub(crate) stream: bool,
    pub(crate) status: Option<u64>,
}

impl RequestContext {
    /// Takes what the headers say, whoever sent them.
    pub(crate) fn read(&mut self, head: &RequestHead) {
        self.request_id = request_id(head);
        self.method = method(head);
        self.path = Label::bounded(head.path(), PATH_BYTES);
        self.attribution = Attribution::read(head);
        self.client = Client::of(head);
        self.length = head.first("content-length").and_then(json::count);
    }
}

impl RequestContext {
    /// What is drawn with: the same for a request that comes again under the same id.
    pub(crate) fn draw(&self, context_id: u32) -> u64 {
        if !self.request_id.is_empty() {
            return fnv1a(hash::EMPTY, self.request_id.as_bytes());
        }
        fnv1a(fnv1a(hash::EMPTY, &self.arrived.0.to_le_bytes()), &context_id.to_le_bytes())
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
