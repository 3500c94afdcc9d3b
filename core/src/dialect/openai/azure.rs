//! OpenAI's dialect at Azure: its paths, where a deployment may stand, and what of a head passes.

use super::PATHS;
use crate::dialect::headers::{HeadTable, headers};
use crate::dialect::path::{Served, find, named};
use crate::dialect::{Api, Endpoint};

/// What Azure's dated API has without a deployment in the path: the model is in the body.
const DATED: &[(&str, Endpoint)] = &[
    ("/responses", Endpoint::Responses),
    ("/responses/compact", Endpoint::CompactResponse),
    ("/responses/input_tokens", Endpoint::CountInput),
];

/// `/openai/v1/chat/completions`, `/openai/responses` or `/openai/deployments/<name>/chat/completions`.
pub(in crate::dialect) fn at(path: &str, rest: &str) -> Option<Served> {
    let newer = || rest.strip_prefix("/v1").and_then(|rest| find(PATHS, rest));
    if let Some(endpoint) = find(DATED, rest).or_else(newer) {
        return Some(Served { api: Api::Azure, endpoint, model_at: None });
    }
    let deployment = rest.strip_prefix("/deployments/")?;
    let (model, verb) = deployment.split_at(deployment.find('/')?);
    named(path, path.len() - deployment.len(), model, Api::Azure, find(PATHS, verb)?)
}

/// What of a request's head goes on, and what of an answer's comes back.
pub(in crate::dialect) static HEAD: HeadTable = HeadTable {
    query: &[("api-version", &[])],
    request_headers: headers!(
        [
            "openai-beta" as b"openai-beta", "x-ms-client-request-id" as b"x-ms-client-request-id",
            "x-ms-useragent" as b"x-ms-useragent",
        ],
        [],
    ),
    response_headers: headers!(
        [
            "apim-request-id" as b"apim-request-id", "azureml-model-session" as b"azureml-model-session",
            "openai-model" as b"openai-model", "openai-processing-ms" as b"openai-processing-ms",
            "openai-version" as b"openai-version", "x-ms-client-request-id" as b"x-ms-client-request-id",
            "x-ms-deployment-name" as b"x-ms-deployment-name", "x-ms-is-spilled-over" as b"x-ms-is-spilled-over",
            "x-ms-rai-invoked" as b"x-ms-rai-invoked", "x-ms-region" as b"x-ms-region",
        ],
        [],
    ),
};
