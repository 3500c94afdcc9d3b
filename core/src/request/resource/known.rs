//! Decides what is at a path: an endpoint that a provider serves, a page of the gateway's own, or nothing.
//!
//! Only what is listed here, in a dialect (`dialect/`) or in the configuration is let through. A provider's other
//! paths (files, fine-tuning, administration) would be reached with the gateway's credential and without
//! any metering.

use crate::base::text::percent_decode;
use crate::config::Config;
use crate::dialect::{Api, Endpoint, Served};

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A provider serves it.
    Endpoint(Served),
    /// `/v1/models`, `/api/tags`: the models that this key may use.
    Models,
    /// `/v1/models/{id}`: that model, if this key may use it.
    Model(String),
    /// `/api/show`: the same for the model that the body names.
    Show,
    /// `/farebox/usage`: what this key's budgets stand at.
    Usage,
    /// `/farebox/health`: whether the filter runs. Needs no key.
    Health,
}

impl Resource {
    /// What is at `path`, which has no query.
    #[must_use]
    pub fn at(config: &Config, path: &[u8]) -> Option<Self> {
        Some(match path {
            b"/v1/models" | b"/v1beta/models" | b"/openai/v1/models" | b"/api/tags" => Self::Models,
            b"/api/show" => Self::Show,
            b"/farebox/usage" => Self::Usage,
            b"/farebox/health" => Self::Health,
            path => match served(config, path) {
                Some(served) => Self::Endpoint(served),
                None => Self::Model(model(path)?),
            },
        })
    }

    /// The methods with which it may be asked for.
    #[must_use]
    pub fn methods(&self) -> &'static str {
        match self {
            Self::Endpoint(_) | Self::Show => "POST",
            Self::Models | Self::Model(_) | Self::Usage | Self::Health => "GET, HEAD",
        }
    }
}

/// The model that a path asks about: its name may be percent-encoded, slashes too.
fn model(path: &[u8]) -> Option<String> {
    let roots: [&[u8]; 3] = [b"/v1/models/", b"/v1beta/models/", b"/openai/v1/models/"];
    let name = roots.iter().find_map(|root| path.strip_prefix(*root)).filter(|name| !name.is_empty())?;
    String::from_utf8(percent_decode(name)).ok()
}

/// The endpoint at `path`, which has no query; built-in or of the configuration.
#[must_use]
pub fn served(config: &Config, path: &[u8]) -> Option<Served> {
    let path = core::str::from_utf8(path).ok()?;
    let configured = || config.endpoints.iter().any(|pattern| pattern.matches(path));
    Served::at(path).or_else(|| {
        configured().then_some(Served { api: Api::OpenAi, endpoint: Endpoint::Configured, model_at: None })
    })
}
