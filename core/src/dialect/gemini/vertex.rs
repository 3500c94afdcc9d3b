//! Gemini on Vertex, and Anthropic's models there: its paths, what of a head passes, and whose project a request is made in.
//!
//! The project is the provider's, whatever the path says. A caller that names another one would have it billed with the
//! gateway's credential.

use super::VERBS;
use crate::dialect::headers::{HeadTable, headers};
use crate::dialect::path::{Served, find, named};
use crate::dialect::{Api, Endpoint};

/// What Google's own models can be asked besides on Vertex.
const GOOGLE_VERBS: &[(&str, Endpoint)] = &[("predict", Endpoint::Predict)];

const ANTHROPIC_VERBS: &[(&str, Endpoint)] =
    &[("rawPredict", Endpoint::RawPredict), ("streamRawPredict", Endpoint::StreamRawPredict)];

/// `/v1/projects/<p>/locations/<l>/publishers/<publisher>/models/<model>:<verb>`, also under `/v1beta1`. Clients that
/// have a key of Google's in place of a project leave out what comes before the publisher.
pub(in crate::dialect) fn at(path: &str) -> Option<Served> {
    let rest = path.strip_prefix("/v1/").or_else(|| path.strip_prefix("/v1beta1/"))?;
    let rest = match rest.strip_prefix("projects/") {
        Some(placed) => {
            let mut parts = placed.splitn(4, '/');
            let (_project, locations, _location) = (parts.next()?, parts.next()?, parts.next()?);
            parts.next().filter(|_| locations == "locations")?
        }
        None => rest,
    };
    let (publisher, last) = rest.strip_prefix("publishers/")?.split_once('/')?;
    let last = last.strip_prefix("models/")?;
    let (model, verb) = last.split_once(':')?;
    (!model.contains('/')).then_some(())?;
    let endpoint = match publisher {
        "anthropic" => find(ANTHROPIC_VERBS, verb),
        "google" => find(VERBS, verb).or_else(|| find(GOOGLE_VERBS, verb)),
        _ => find(VERBS, verb),
    };
    named(path, path.len() - last.len(), model, Api::Vertex, endpoint?)
}

/// What of a request's head goes on, and what of an answer's comes back.
pub(in crate::dialect) static HEAD: HeadTable = HeadTable {
    query: &[("alt", &["sse", "json"])],
    request_headers: headers!(
        [
            "anthropic-beta" as b"anthropic-beta", "anthropic-version" as b"anthropic-version",
            "x-goog-api-client" as b"x-goog-api-client", "x-server-timeout" as b"x-server-timeout",
        ],
        [],
    ),
    response_headers: headers!(
        ["x-gemini-service-tier" as b"x-gemini-service-tier"],
        ["anthropic-*" as b"anthropic-", "x-vertex-ai-*" as b"x-vertex-ai-"],
    ),
};

/// What comes before the publisher in a path of Vertex, by its versions.
const VERSIONS: [&str; 2] = ["/v1", "/v1beta1"];

/// The path with the project and location of the provider in place of its own, or where it has none. `None` if it is no
/// path of Vertex.
#[must_use]
pub fn placed(path: &str, project: &str, location: &str) -> Option<String> {
    let (version, rest) = VERSIONS.iter().find_map(|version| {
        let rest = path.strip_prefix(version)?.strip_prefix('/')?;
        Some((version, rest))
    })?;
    let publisher = match rest.strip_prefix("projects/") {
        Some(rest) => rest.splitn(4, '/').nth(3)?,
        None => rest,
    };
    publisher
        .starts_with("publishers/")
        .then(|| format!("{version}/projects/{project}/locations/{location}/{publisher}"))
}
