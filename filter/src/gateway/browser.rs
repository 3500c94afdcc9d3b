//! Tells browsers what their pages may see: see `cors.rs` of the core for what that is.

use farebox_core::base::headers::RequestHead;
use farebox_core::request::cors::Visitor;

use crate::host::{self, Map};

/// Tells a page's browser what it may see of an answer.
pub(crate) fn tell(visitor: &Visitor, head: &RequestHead) {
    for (name, value) in visitor.headers(head) {
        if let Err(error) = host::set_header(Map::Response, name, value.as_bytes()) {
            log::error!("a browser could not be told what its page may see: {error}");
        }
    }
}
