//! Which headers pass, table by table, and which of an answer say how it was served.
//!
//! A name that ends with `*` stands for all that begin so; names are in lower case.
//!
//! A provider may name the tier of an answer in a header and nowhere else, and a tier that is not read would cost what the
//! standard one does. What the body says comes later and wins.
//!
//! Sources: the API references of the providers, and what their official SDKs and common agents send; Gemini API,
//! priority and flex inference; Amazon Bedrock API reference, InvokeModel.

use super::field::Field;

/// Names of headers.
#[derive(Debug)]
pub struct Headers {
    /// All of them; a `*` ends a beginning.
    pub names: &'static [&'static str],
    /// Whether a name is one of those that are whole.
    pub(crate) is_whole: fn(&[u8]) -> bool,
    /// The beginnings, without their `*`.
    pub(crate) starts: &'static [&'static [u8]],
}

impl Headers {
    /// Whether `name`, in lower case, is one of them.
    pub(crate) fn has(&self, name: &[u8]) -> bool {
        (self.is_whole)(name) || self.starts.iter().any(|start| name.starts_with(start))
    }
}

/// Headers by their names and beginnings. A name is found by its letters, one after the other: every request has some forty
/// headers that are looked for here.
macro_rules! headers {
    ([$($name:literal as $bytes:literal),* $(,)?], [$($start:literal as $begins:literal),* $(,)?] $(,)?) => {
        $crate::dialect::headers::Headers {
            names: &[$($name,)* $($start,)*],
            is_whole: |name| match name {
                $($bytes => true,)*
                _ => false,
            },
            starts: &[$($begins,)*],
        }
    };
}

pub(crate) use headers;

/// What of a request's head goes on to a provider of an API, and what of its answer's head comes back, besides what does
/// for every API.
#[derive(Debug)]
pub struct HeadTable {
    /// Query parameters, each with the values that it may have; none: any.
    pub query: &'static [(&'static str, &'static [&'static str])],
    /// Request headers.
    pub request_headers: Headers,
    /// Response headers.
    pub response_headers: Headers,
}

/// Each header with what it says.
pub const SERVED: [(&str, Field); 3] = [
    ("x-gemini-service-tier", Field::ServiceTier),
    ("x-amzn-bedrock-service-tier", Field::ServiceTier),
    ("x-amzn-bedrock-performanceconfig-latency", Field::Speed),
];
