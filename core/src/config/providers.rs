//! Decides which services answer model calls, and how each is authenticated to.
//!
//! A provider's secret comes from the environment of the filter, never from the document, so the
//! document can be reviewed, stored and logged. Nothing read from the environment gets into a message.

use std::rc::Rc;

use hashbrown::HashMap;

use super::cursor::{Cursor, Fields};
use super::parse::Environment;
use super::suggestion::did_you_mean;
use super::syntax::{BASE_PATH, CLUSTER, ENV, HOST, ID};
use super::{Credential, PoolKey, Provider, Secret};
use crate::dialect::Api;
use crate::money::parse_decimal;
use crate::price::{Listing, ONE};

const FIELDS: [&str; 8] = [
    "dialect",
    "cluster",
    "host",
    "base_path",
    "credentials",
    "include_usage",
    "catalogue",
    "price_multiplier",
];

/// The largest multiplier of prices, in thousandths.
const MAX_PERMILLE: u64 = 1_000_000;

/// The providers by name.
pub(super) fn read(at: &Cursor<'_>, environment: Environment<'_>) -> HashMap<Box<str>, Rc<Provider>> {
    let mut providers = HashMap::new();
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
    let apis = fields.need("dialect").map(|at| read_apis(&at));
    let cluster = fields.need("cluster").and_then(|at| at.text_as(CLUSTER));
    let host = fields.get("host").and_then(|at| at.text_as(HOST));
    let base_path = fields.get("base_path").and_then(|at| at.text_as(BASE_PATH));
    let credential = fields.get("credentials").map(|at| read_credential(&at, environment));
    let include_usage = fields.get("include_usage").and_then(|at| at.flag());
    let catalogue = fields.get("catalogue").and_then(|at| read_catalogue(&at));
    let price_permille = fields.get("price_multiplier").and_then(|at| read_multiplier(&at));
    Some(Provider {
        name: name.into(),
        apis: apis?,
        cluster: cluster?.into(),
        host: host.map(Into::into),
        base_path: base_path.map(|path| path.trim_end_matches('/').into()),
        preset: None,
        endpoints: Vec::new(),
        credential: credential.unwrap_or(Some(Credential::None))?,
        header: None,
        signing: None,
        health_path: None,
        include_usage: include_usage.unwrap_or(true),
        catalogue: catalogue.unwrap_or(name).into(),
        price_permille: price_permille.unwrap_or(ONE),
    })
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

fn read_credential(at: &Cursor<'_>, environment: Environment<'_>) -> Option<Credential> {
    if !at.is_list() {
        if at.is_text() && at.text() == Some("envoy") {
            return Some(Credential::Envoy);
        }
        at.fail("must be \"envoy\" or a list like [{\"env\": \"OPENAI_API_KEY\"}]");
        return None;
    }
    let items = at.items()?;
    let credentials: Vec<_> = items.iter().map(|item| read_environment(item, environment)).collect();
    match credentials.len() {
        0 => at.fail("must have an entry; leave \"credentials\" out if the provider wants none"),
        1 => {}
        _ => at.fail("several credentials are not supported yet"),
    }
    credentials.into_iter().next()?
}

/// A credential out of the environment. An empty or blank value counts as not set.
fn read_environment(at: &Cursor<'_>, environment: Environment<'_>) -> Option<Credential> {
    let fields = at.fields(&["env", "optional", "file"])?;
    let optional = fields.get("optional").and_then(|at| at.flag()).unwrap_or(false);
    if let Some(file) = fields.get("file") {
        file.fail(
            "Proxy-Wasm cannot read files; use \"credentials\": \"envoy\" with Envoy's credential_injector",
        );
        return None;
    }
    let env = fields.need("env")?;
    let name = env.text_as(ENV)?;
    let Some(value) = environment(name).filter(|value| !value.trim().is_empty()) else {
        if !optional {
            env.fail(format!(
                "{} is not set (Envoy hands on only what vm_config.environment_variables lists)",
                described(name)
            ));
        }
        return optional.then(|| Credential::Missing(name.into()));
    };
    let secret = Secret::new(&value);
    if !secret.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        env.fail(format!("the value of {} cannot stand in a header", described(name)));
        return None;
    }
    Some(Credential::Pool(Box::new([PoolKey { env: name.into(), secret, weight: 1 }])))
}

/// The name of a variable, if it looks like one: a secret that was put in its place may be made of the
/// same characters.
fn described(name: &str) -> &str {
    let usual = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    if name.bytes().all(usual) { name } else { "this environment variable" }
}
