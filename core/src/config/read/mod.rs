//! Decides what a whole configuration consists of, and builds it or tells every mistake in it.
//!
//! Each part is read by a file of its own and yields what it could read, so the parts after it are
//! judged too. A [`Config`] leaves here only if nobody found a mistake.

mod budgets;
mod calendar;
mod callers;
mod cors;
mod credentials;
mod cursor;
mod dimensions;
mod document;
mod downgrades;
mod endpoints;
mod entry;
mod failover;
mod headers_only;
mod identity;
mod mistakes;
mod hold;
mod ledger;
mod measures;
mod models;
mod names;
mod names_of_certificates;
mod overrides;
mod passed;
mod policy;
pub(super) mod presets;
mod prices;
mod providers;
mod requests;
mod rules;
mod syntax;

use self::credentials::Environment;
use self::cursor::Cursor;
use self::mistakes::Mistakes;
use self::names::Names;
use self::syntax::SERVED_MODEL;
use crate::config::{Config, ConfigErrors};

use crate::base::hash::{self, fnv1a};
use crate::dialect::Endpoint;
use crate::request::signed_id::ProviderAccounts;

impl Config {
    /// Reads a plugin configuration. `secret` resolves the name of an environment variable.
    ///
    /// # Errors
    /// Every mistake found, each with its JSON path.
    pub fn parse(json: &[u8], secret: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigErrors> {
        parse(json, &secret)
    }
}

const FIELDS: [&str; 25] = [
    "$schema",
    "version",
    "identity",
    "keys",
    "providers",
    "models",
    "default_model",
    "default_models",
    "rules",
    "budgets",
    "ledger",
    "prices",
    "unpriced",
    "on_disconnect",
    "hold",
    "failover",
    "denial",
    "endpoints",
    "limits",
    "headers_only",
    "headers",
    "query",
    "response_headers",
    "requests",
    "cors",
];

/// See [`Config::parse`].
pub(super) fn parse(json: &[u8], environment: Environment<'_>) -> Result<Config, ConfigErrors> {
    let errors = Mistakes::default();
    let node = document::read(json, &errors);
    let config = node.and_then(|node| {
        let names = Names::of(&node);
        read(&Cursor::root(&node, &errors), &names, fnv1a(hash::EMPTY, json), environment)
    });
    errors.unless_any(config)?.ok_or_else(ConfigErrors::unexplained)
}

fn read(root: &Cursor<'_>, names: &Names<'_>, hash: u64, environment: Environment<'_>) -> Option<Config> {
    if !root.is_object() {
        root.fail("the configuration must be a JSON object");
        return None;
    }
    let fields = root.fields(&FIELDS)?;
    // Editors find the schema by it; it means nothing here.
    fields.get("$schema").and_then(|schema| schema.text());
    if let Some(version) = fields.need("version") {
        version.word(&[("v1", ())]);
    }
    let hold = hold::read(fields.get("hold").as_ref());
    let ledger = fields.get("ledger").map(|at| ledger::read(&at, &hold, environment));
    let has_ledger = ledger.is_some();
    let budgets =
        fields.get("budgets").map(|list| budgets::read(&list, names, has_ledger)).unwrap_or_default();
    let identity = fields.get("identity").map(|at| identity::read(&at, &budgets));
    let (identity_header, identity) = identity.unwrap_or_default();
    let sha256_needed = fields.get("identity").is_none();
    let keys = fields.need("keys").map(|list| callers::read(&list, sha256_needed, &budgets));
    let providers = fields.need("providers").map(|entries| providers::read(&entries, environment));
    let providers = providers.unwrap_or_default();
    let models = fields.need("models").map(|entries| models::read(&entries, &providers, names));
    let (aliases, patterns) = models.unwrap_or_default();
    let model = |at: Cursor<'_>| {
        let name = at.text_as(SERVED_MODEL)?;
        names.model(&at, name).then(|| name.into())
    };
    let default_model = fields.get("default_model").and_then(model);
    let own_default = Endpoint::OWN_DEFAULT.map(Endpoint::name);
    let default_models = fields.get("default_models").and_then(|at| at.fields(&own_default));
    let default_models = default_models.map(|defaults| {
        let named = |endpoint: Endpoint| Some((endpoint, defaults.get(endpoint.name()).and_then(model)?));
        Endpoint::OWN_DEFAULT.into_iter().filter_map(named).collect()
    });
    let limits = policy::body_limits(fields.get("limits").as_ref());
    let prices = prices::read(fields.get("prices").as_ref(), &providers);
    let keys = keys.unwrap_or_default();
    let mut teams: Vec<&str> = keys.values().map(|key: &std::rc::Rc<super::Key>| &*key.team).collect();
    teams.sort_unstable();
    teams.dedup();
    // The registry may have any number of others.
    let has_registry = ledger.iter().flatten().any(|ledger| ledger.registry.is_some());
    let teams = if has_registry { usize::MAX } else { teams.len() };
    let (requests, secret) = requests::read(fields.get("requests").as_ref(), teams, environment);
    let provider_accounts = ProviderAccounts::new(&providers, secret.as_ref().map(|(_, secret)| secret));
    Some(Config {
        identity_header,
        identity,
        listed: names.listed(),
        keys,
        providers,
        aliases,
        patterns,
        default_model,
        default_models: default_models.unwrap_or_default(),
        rules: fields.get("rules").map(|list| rules::read(&list, names)).unwrap_or_default(),
        budgets,
        prices,
        unpriced: policy::unpriced(fields.get("unpriced").as_ref()),
        on_disconnect: policy::on_disconnect(fields.get("on_disconnect").as_ref()),
        ledger: ledger.flatten(),
        hold,
        failover: failover::read(fields.get("failover").as_ref()),
        budget_status: policy::budget_status(fields.get("denial").as_ref()),
        requests,
        provider_accounts,
        stored_state_env: secret.map(|(name, _)| name),
        cors: fields.get("cors").and_then(|at| cors::read(&at)),
        passed: passed::read(&fields),
        endpoints: fields.get("endpoints").map(|list| policy::endpoints(&list)).unwrap_or_default(),
        request_body_bytes: limits.bytes,
        request_body_ms: limits.ms,
        pending: limits.pending,
        count_requests_per_minute: limits.count_requests_per_minute,
        plausible_tokens: limits.plausible_tokens,
        headers_only: headers_only::read(&fields),
        hash,
    })
}
