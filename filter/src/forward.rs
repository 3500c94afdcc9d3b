//! Decides how an admitted request goes on: to which cluster, under which name, with whose credential.
//!
//! Everything that a provider must not see is taken out first: every header that may carry a credential,
//! the header that names the caller, all of `x-farebox-*`, which a client could otherwise use to choose
//! a route, and all of `x-envoy-*`, which it could use to have a request sent more than once. A body is passed on as it is unless the model's name or the wish for usage differs.

use farebox_core::ask::{Ask, CompletionMember};
use farebox_core::config::{Config, Credential, Provider};
use farebox_core::dialect::Served;
use farebox_core::head::RequestHead;
use farebox_core::identity::CREDENTIAL_HEADERS;
use farebox_core::order::Admission;
use farebox_core::splice;

use crate::host::{self, Buffer, HostError, Map};

/// Filter state and request header that name the cluster. The filter state is the one to route by: clients
/// cannot set it.
const CLUSTER_PROPERTY: &str = "farebox.cluster";
const CLUSTER_HEADER: &str = "x-farebox-cluster";
const OWN_HEADERS: &[u8] = b"x-farebox-";
/// With these a client whom Envoy takes for internal has requests sent again, timed out or doubled, of which only
/// the last answer would be metered.
const ROUTER_HEADERS: &[u8] = b"x-envoy-";

/// Sends a request as it was admitted. `asks_for_usage`: a stream is made to report usage.
pub(crate) fn send(
    config: &Config,
    head: &RequestHead,
    served: &Served,
    ask: &Ask,
    admission: &Admission,
    body: &[u8],
    asks_for_usage: bool,
) -> Result<(), HostError> {
    let target = &admission.target;
    let provider = &target.provider;
    host::set_property(CLUSTER_PROPERTY, provider.cluster.as_bytes())?;
    // From here on every change of a header makes Envoy pick the route again, when it next needs it.
    for (name, _) in head.iter().filter(|(name, _)| is_internal(config, name)) {
        host::remove_header(Map::Request, name)?;
    }
    host::set_header(Map::Request, CLUSTER_HEADER, provider.cluster.as_bytes())?;
    // What is compressed cannot be metered.
    host::set_header(Map::Request, "accept-encoding", b"identity")?;
    if let Some(host_name) = &provider.host {
        host::set_header(Map::Request, ":authority", host_name.as_bytes())?;
    }
    let named = ask.path_naming(head.target(), &target.model);
    let path = named.as_deref().unwrap_or(head.target());
    if let Some(base) = &provider.base_path {
        let rest = path.strip_prefix(served.api.root().as_bytes()).unwrap_or(path);
        host::set_header(Map::Request, ":path", &[base.as_bytes(), rest].concat())?;
    } else if named.is_some() {
        host::set_header(Map::Request, ":path", path)?;
    }
    if let Credential::Pool(keys) = &provider.credential
        && let Some(key) = keys.first()
    {
        let (name, scheme) = provider.header.unwrap_or_else(|| served.api.credential());
        host::set_header(Map::Request, name, [scheme, key.secret.expose()].concat().as_bytes())?;
    }
    let mut edits = Vec::new();
    edits.extend(ask.name_model(&target.model));
    if asks_for_usage {
        edits.push(ask.ask_for_usage());
    }
    if let Some(limit) = admission.output_limit {
        edits.extend(ask.limit_output(limit, completion_member(provider)).unwrap_or_default());
    }
    if !edits.is_empty() {
        let changed = splice::apply(body, edits);
        // A length that does not fit the body lets its end be read as another request.
        if head.first("content-length").is_some() {
            host::set_header(Map::Request, "content-length", changed.len().to_string().as_bytes())?;
        }
        host::set_buffer(Buffer::RequestBody, &changed)?;
    }
    Ok(())
}

/// What limits the output of a chat completion where nothing does: most servers that speak OpenAI's dialect know
/// only the older member, and OpenAI's own newer models only the newer one.
fn completion_member(provider: &Provider) -> CompletionMember {
    match &*provider.catalogue {
        "openai" | "azure" => CompletionMember::MaxCompletionTokens,
        _ => CompletionMember::MaxTokens,
    }
}

fn is_internal(config: &Config, name: &[u8]) -> bool {
    CREDENTIAL_HEADERS.iter().any(|credential| credential.as_bytes() == name)
        || name.starts_with(OWN_HEADERS)
        || name.starts_with(ROUTER_HEADERS)
        || config.identity_header.as_ref().is_some_and(|header| header.as_bytes() == name)
}
