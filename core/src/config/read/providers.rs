//! Decides which services answer model calls, and how each is authenticated to.
//!
//! A preset says what is the same for everyone who uses a provider; whatever is written wins over it.

use std::rc::Rc;

use crate::base::hash::HashMap;

use super::credentials::Environment;
use super::cursor::{Cursor, Fields};
use super::presets::{Host, PRESETS, Preset};
use super::syntax::{BASE_PATH, CLUSTER, HOST, ID, PROJECT};
use super::{credentials, endpoints};
use crate::base::money::parse_decimal;
use crate::config::StatedCost;
use crate::config::suggestion::did_you_mean;
use crate::config::{Credential, Endpoint, Provider};
use crate::dialect::Api;
use crate::pricing::{Listing, ONE};

const FIELDS: [&str; 14] = [
    "preset",
    "dialect",
    "cluster",
    "host",
    "base_path",
    "endpoints",
    "credentials",
    "health_path",
    "include_usage",
    "catalogue",
    "price_multiplier",
    "stated_cost",
    "project",
    "location",
];

/// The largest multiplier of prices, in thousandths.
const MAX_PERMILLE: u64 = 1_000_000;

/// The providers by name.
pub(super) fn read(at: &Cursor<'_>, environment: Environment<'_>) -> HashMap<Box<str>, Rc<Provider>> {
    let mut providers = HashMap::default();
    for (name, entry) in at.entries().unwrap_or_default() {
        entry.key_is(name, ID);
        let Some(fields) = entry.fields(&FIELDS) else { continue };
        if let Some(provider) = read_provider(name, &fields, environment) {
            providers.insert(name.into(), Rc::new(provider));
        }
    }
    providers
}

fn read_provider(name: &str, fields: &Fields<'_>, environment: Environment<'_>) -> Option<Provider> {
    let preset_at = fields.get("preset");
    let preset = preset_at.as_ref().and_then(read_preset);
    let apis = match fields.get("dialect") {
        Some(at) => Some(read_apis(&at)),
        None if preset_at.is_some() => preset.map(|preset| preset.apis.to_vec()),
        None => {
            fields.need("dialect");
            None
        }
    };
    let cluster = fields.get("cluster").map(|at| at.text_as(CLUSTER));
    let host = fields.get("host").and_then(|at| at.text_as(HOST));
    let base_path = fields.get("base_path").and_then(|at| at.text_as(BASE_PATH));
    let endpoints = fields.get("endpoints").map(|at| endpoints::read(&at));
    let credential = fields.get("credentials").map(|at| credentials::read(&at, environment));
    let health_path = fields.get("health_path").and_then(|at| at.text_as(BASE_PATH));
    let include_usage = fields.get("include_usage").and_then(|at| at.flag());
    let catalogue = fields.get("catalogue").and_then(|at| read_catalogue(&at));
    let price_permille = fields.get("price_multiplier").and_then(|at| read_multiplier(&at));
    let stated_cost = fields.get("stated_cost").and_then(|at| at.word(&StatedCost::NAMES));
    if let Some(preset) = preset {
        miss(preset, fields);
    }
    let host = host.or_else(|| match preset?.host {
        Host::At(host) => Some(host),
        Host::Like(_) | Host::Anywhere => None,
    });
    let project = fields.get("project").and_then(|at| at.text_as(PROJECT));
    let location = fields.get("location").and_then(|at| at.text_as(PROJECT));
    let location = location.or_else(|| host.map(location_of)).unwrap_or("global");
    let endpoints = endpoints.or_else(|| host.map(endpoints::of_host)).unwrap_or_default();
    let cluster = cluster.unwrap_or(Some(name))?;
    let (credential, signing) = credential.unwrap_or(Some((Credential::None, None)))?;
    let base_path = base_path.or_else(|| preset?.base_path);
    Some(Provider {
        name: name.into(),
        apis: apis?,
        authority: authority(host, &endpoints, cluster),
        project: project.map(|project| (project.into(), location.into())),
        cluster: cluster.into(),
        host: host.map(Into::into),
        base_path: base_path.map(|path| path.trim_end_matches('/').into()),
        preset: preset.map(|preset| preset.name),
        endpoints,
        credential,
        header: preset.and_then(|preset| preset.header),
        signing,
        health_path: health_path.map(Into::into),
        include_usage: include_usage.or_else(|| preset.map(|preset| preset.include_usage)).unwrap_or(true),
        catalogue: catalogue.or_else(|| preset?.catalogue).unwrap_or(name).into(),
        price_permille: price_permille.unwrap_or(ONE),
        stated_cost: stated_cost.or_else(|| preset.map(|preset| preset.stated_cost)).unwrap_or_default(),
    })
}

/// The host to name to a provider.
fn authority(host: Option<&str>, endpoints: &[Endpoint], cluster: &str) -> Box<str> {
    match (host, endpoints.first()) {
        (Some(host), _) => host.into(),
        (None, Some(endpoint)) => endpoint.authority().into(),
        // A cluster's name may have any character.
        (None, None) => cluster
            .chars()
            .map(|letter| if letter.is_ascii_alphanumeric() || letter == '.' { letter } else { '-' })
            .collect::<String>()
            .into(),
    }
}

/// The location that a host of Vertex's is of: `europe-west1-aiplatform.googleapis.com`.
fn location_of(host: &str) -> &str {
    host.split_once("-aiplatform.").map_or("global", |(location, _)| location)
}

fn read_preset(at: &Cursor<'_>) -> Option<&'static Preset> {
    let words: Vec<(&str, &'static Preset)> = PRESETS.iter().map(|preset| (preset.name, preset)).collect();
    at.word(&words)
}

/// Tells what a preset leaves to the operator and the operator left out.
fn miss(preset: &Preset, fields: &Fields<'_>) {
    let name = preset.name;
    if let Host::Like(host) = preset.host
        && fields.get("host").is_none()
    {
        fields.fail(format!("\"host\" is missing: with the preset \"{name}\" it is your own, like {host}"));
    }
    if let Some(example) = preset.credentials
        && fields.get("credentials").is_none()
    {
        fields.fail(format!("\"credentials\" is missing: the preset \"{name}\" needs it, like {example}"));
    }
}

/// The name of a provider that prices are listed of.
fn read_catalogue(at: &Cursor<'_>) -> Option<&'static str> {
    let (name, listing) = (at.text_as(ID)?, Listing::checked_in());
    let found = listing.provider(name);
    if found.is_none() {
        at.fail(format!("no prices are listed of this provider{}", did_you_mean(name, listing.providers())));
    }
    found
}

/// A factor as thousandths.
fn read_multiplier(at: &Cursor<'_>) -> Option<u64> {
    let permille = at.decimal(|text| parse_decimal(text, 3))?;
    if permille > MAX_PERMILLE {
        at.fail("must be a number from 0 to 1000");
    }
    Some(permille)
}

/// One API or a list of them.
fn read_apis(at: &Cursor<'_>) -> Vec<Api> {
    if !at.is_list() {
        return at.word(&Api::NAMES).into_iter().collect();
    }
    let items = at.items().unwrap_or_default();
    if items.is_empty() {
        at.fail("must name at least one dialect");
    }
    items.iter().filter_map(|item| item.word(&Api::NAMES)).collect()
}
