//! Decides what a configuration is made of: its types, each immutable and complete once it is read.
//!
//! Does not read anything: see `read/`.

mod cors;
mod fleet_ledger;
mod hold_policy;
mod identity;
mod passed;
mod requests;
mod stated_cost;

pub use cors::Cors;
pub use fleet_ledger::{FleetLedger, LedgerEndpoint};
pub use hold_policy::HoldPolicy;
pub use identity::{
    BesideKey, ClaimPath, Identity, NameField, Names as CertificateNames, Piece, Proof, Source, TeamRule,
    UserRule,
};
pub use passed::{Names, Passed};
pub use requests::{Requests, StoredState};
pub use stated_cost::StatedCost;

use std::rc::Rc;

use super::Secret;
use crate::base::hash::HashMap;
use crate::base::pattern::Pattern;
use crate::base::window::Millis;
use crate::budget::ledger::{Account, Budget, Listed, RegisteredLimits};
use crate::budget::pending::PendingBounds;
use crate::dialect::Api;
use crate::pricing::Catalogue;
use crate::request::signed_id::ProviderAccounts;

/// Everything an operator decided.
#[derive(Debug)]
pub struct Config {
    /// Header that names a caller, set by an authentication filter before this one. Lower-case.
    pub identity_header: Option<Box<str>>,
    /// Where callers are proven who show no key.
    pub identity: Identity,
    /// What the configuration names of what callers are counted by; `None`: there are no others.
    pub listed: Option<Rc<Listed>>,
    /// Callers by `id`.
    pub keys: HashMap<Box<str>, Rc<Key>>,
    /// Providers by name.
    pub providers: HashMap<Box<str>, Rc<Provider>>,
    /// Models by exact alias.
    pub aliases: HashMap<Box<str>, Rc<Model>>,
    /// Models by pattern, longest pattern first.
    pub patterns: Vec<(Pattern, Rc<Model>)>,
    /// The model of a request that names none.
    pub default_model: Option<Box<str>>,
    /// The same for what not every model that writes can do.
    pub default_models: Vec<(crate::dialect::Endpoint, Box<str>)>,
    /// First match wins.
    pub rules: Vec<Rule>,
    /// In the order in which they were written.
    pub budgets: Vec<Rc<Budget>>,
    /// Where the budgets are kept that the whole fleet shares; `None`: each process keeps its own.
    pub ledger: Option<FleetLedger>,
    /// Prices of the configuration over those of the catalogue.
    pub prices: Catalogue,
    /// What to do with a model that has no price.
    pub unpriced: Unpriced,
    /// What to charge when the client leaves before the answer is complete.
    pub on_disconnect: OnDisconnect,
    /// How much is held for a request before it is sent.
    pub hold: HoldPolicy,
    /// What happens to a request whose attempt failed.
    pub failover: Failover,
    /// Status of a refusal by a budget: 429 or 402.
    pub budget_status: Option<u16>,
    /// What requests may ask for that costs in ways that cannot be held.
    pub requests: Requests,
    /// What ids of stored answers are bound to.
    pub provider_accounts: ProviderAccounts,
    /// The environment variable with the secret that binds them, if not the providers' keys do.
    pub stored_state_env: Option<Box<str>>,
    /// Which pages in browsers may ask; `None`: no page is told anything.
    pub cors: Option<Cors>,
    /// Headers and query parameters that pass besides those of the APIs' tables.
    pub passed: Passed,
    /// Paths that are let through besides the built-in ones, as patterns; spoken in the OpenAI dialect.
    pub endpoints: Vec<Pattern>,
    /// Largest request body in bytes.
    pub request_body_bytes: usize,
    /// How long a client may take to send its body, in milliseconds.
    pub request_body_ms: u64,
    /// How many bytes of bodies that are not complete a worker keeps.
    pub pending: PendingBounds,
    /// How often a key may have tokens counted in a minute, in each worker.
    pub count_requests_per_minute: u64,
    /// Most tokens, in or out, that a provider's report can have and be true.
    pub plausible_tokens: u64,
    /// How requests are sent without their bodies being read; `None`: they are read.
    pub headers_only: Option<HeadersOnly>,
    /// FNV-1a of the JSON text, to tell configurations apart in logs.
    pub hash: u64,
}

/// What is known of a request of which the body is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadersOnly {
    /// Header that names the model where the path does not, in lower case; `None`: the path or the default does.
    pub model_header: Option<Box<str>>,
}

/// A caller that may use the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Public part of the key: `[a-z0-9-]`, at most 64 bytes.
    pub id: Box<str>,
    /// SHA-256 of each key text that is good; none for a caller that only an authentication filter may name.
    pub sha256: Box<[[u8; 32]]>,
    /// Who pays.
    pub team: Box<str>,
    /// Who asks, if that is proven.
    pub user: Option<Box<str>>,
    /// Free labels for the record.
    pub labels: Vec<(Box<str>, Box<str>)>,
    /// Models the key may ask for, as patterns over the name asked for; empty means every one.
    pub models: Vec<Pattern>,
    /// First moment at which the key no longer works.
    pub expires: Option<Millis>,
    /// A key can be switched off without being removed.
    pub enabled: bool,
    /// For each budget of the configuration, the counter this caller uses, if that is known from the key alone.
    pub accounts: Vec<Option<Rc<Account>>>,
    /// Whether it may ask what others have spent.
    pub admin: bool,
    /// Models that its team may ask for, as the registry has it; empty means every one.
    pub team_models: Vec<Pattern>,
    /// The limits of the registry, if there are any: they are in its accounts, and hold for those that it gets with a
    /// request.
    pub limits: Option<Rc<RegisteredLimits>>,
}

impl Key {
    /// Whether there are models that it may not ask for.
    #[must_use]
    pub fn is_narrowed(&self) -> bool {
        !self.models.is_empty() || !self.team_models.is_empty()
    }

    /// Whether it may ask for `model`.
    #[must_use]
    pub fn may_use(&self, model: &str) -> bool {
        let allows =
            |models: &[Pattern]| models.is_empty() || models.iter().any(|pattern| pattern.matches(model));
        allows(&self.models) && allows(&self.team_models)
    }
}

/// A service that answers model calls.
#[derive(Debug, PartialEq, Eq)]
pub struct Provider {
    /// Its name in the configuration.
    pub name: Box<str>,
    /// Whose paths it serves; never empty.
    pub apis: Vec<Api>,
    /// Envoy cluster that reaches it.
    pub cluster: Box<str>,
    /// Its host, if the configuration or the preset says it.
    pub host: Option<Box<str>>,
    /// `:authority` to send: the host, else that of its first endpoint, else the cluster's name. Never the client's.
    pub authority: Box<str>,
    /// The project and the location of Google's that requests are made in; a provider without serves no path of Vertex.
    pub project: Option<(Box<str>, Box<str>)>,
    /// What stands in place of the API's root (`/v1`, say) in the path sent; without a slash at its end.
    pub base_path: Option<Box<str>>,
    /// The known provider it was said to be: a name of the table of presets.
    pub preset: Option<&'static str>,
    /// Where it listens, for the bootstrap that the command-line tool writes and to know how many they are. Empty: nobody
    /// said.
    pub endpoints: Vec<Endpoint>,
    /// How it is authenticated to.
    pub credential: Credential,
    /// The header that carries a key, and what comes before the key there. `None`: the one of the API.
    pub header: Option<(&'static str, &'static str)>,
    /// What Envoy signs requests with, if the configuration says so and the credential is Envoy's.
    pub signing: Option<Signing>,
    /// Path that Envoy asks for to find out whether it is alive.
    pub health_path: Option<Box<str>>,
    /// Whether usage may be asked for in a stream (`stream_options.include_usage`).
    pub include_usage: bool,
    /// The provider in the price list whose prices hold.
    pub catalogue: Box<str>,
    /// What listed prices are multiplied by, in thousandths.
    pub price_permille: u64,
    /// What to make of a cost that its answers state.
    pub stated_cost: StatedCost,
}

impl Provider {
    /// How many hosts it is known to have: what one of them fails at another one may do.
    #[must_use]
    pub fn hosts(&self) -> usize {
        self.endpoints.len().max(1)
    }

    /// The keys that may be sent to it; none if it wants none, or if Envoy adds it.
    #[must_use]
    pub fn keys(&self) -> &[PoolKey] {
        if let Credential::Pool(keys) = &self.credential { keys } else { &[] }
    }
}

/// How a provider is authenticated to.
#[derive(Debug, PartialEq, Eq)]
pub enum Credential {
    /// The provider wants none.
    None,
    /// Envoy adds it after this filter (`credential_injector`, `aws_request_signing`, …).
    Envoy,
    /// Sent by this filter, one of them with each attempt; never empty.
    Pool(Box<[PoolKey]>),
    /// Optional and none of them set: the provider is configured and not available. Their names.
    Missing(Box<str>),
}

/// One key of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolKey {
    /// The environment variable it came from: what records and metrics call it.
    pub env: Box<str>,
    /// The key itself.
    pub secret: Secret,
    /// Its part of the requests among the keys of the pool, from 1 to 100.
    pub weight: u32,
}

/// What Envoy makes a credential with. Means nothing to the filter: the tool that writes a bootstrap needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signing {
    /// AWS Signature Version 4.
    Aws {
        /// As in `eu-west-1`.
        region: Box<str>,
    },
    /// A token of the Google Cloud service account that Envoy runs as.
    Gcp,
    /// A token of a Microsoft Entra application.
    Azure {
        /// Directory of the application.
        tenant: Box<str>,
        /// Its id.
        client_id: Box<str>,
    },
    /// A key in the file at this path, which Envoy reads again when it is replaced.
    File(Box<str>),
}

/// One place where a provider listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Whether it speaks TLS.
    pub tls: bool,
    /// Name or address; that of IPv6 without brackets.
    pub host: Box<str>,
    /// Port; 443 or 80 if none was written.
    pub port: u16,
}

/// A model that callers can ask for.
#[derive(Debug, PartialEq, Eq)]
pub struct Model {
    /// Alias or pattern as configured: what metrics call it.
    pub name: Box<str>,
    /// Where it is served, first choice first.
    pub targets: Vec<Target>,
}

/// One place where a model is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The provider.
    pub provider: Rc<Provider>,
    /// The provider's name for the model; `None` sends the name that was asked for.
    pub model: Option<Box<str>>,
    /// Its part of the first attempts among the targets that have one, from 1 to 100.
    pub weight: Option<u32>,
    /// What has to go wrong before it is tried.
    pub after: After,
}

/// What has to go wrong before a target is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Anything that another target may do better; or nothing, for the first.
    Anything,
    /// The prompt was too long for another target.
    ContextLength,
}

/// What happens to a request whose attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failover {
    /// Most attempts of one request, the first among them.
    pub attempts: u32,
    /// How long an attempt may take to its first token, in milliseconds. `None`: as long as it likes.
    pub first_token_ms: Option<u64>,
    /// How long an attempt may say nothing, in milliseconds. The default is more than the ten minutes for which the common
    /// SDKs wait.
    pub silence_ms: u64,
    /// How long a credential is not used after 401 or 403, in milliseconds.
    pub unauthorized_ms: u64,
    /// How long a credential is not used after 429 without `retry-after`, in milliseconds.
    pub rate_limited_ms: u64,
}

/// Sends requests that match to another model than the one asked for.
#[derive(Debug)]
pub struct Rule {
    /// All conditions that are set must hold.
    pub when: When,
    /// Alias or `provider/model`.
    pub model: Box<str>,
}

/// Conditions of a rule. An unset one always holds.
#[derive(Debug, Default)]
pub struct When {
    /// The agent that the client says it is.
    pub agent: Option<Pattern>,
    /// The caller's team.
    pub team: Option<Pattern>,
    /// The caller's key id.
    pub key: Option<Pattern>,
    /// The model asked for.
    pub model: Option<Pattern>,
    /// Path without query.
    pub path: Option<Pattern>,
    /// Request headers, by lower-case name.
    pub headers: Vec<(Box<str>, Pattern)>,
    /// Estimated input tokens must be more than this.
    pub prompt_tokens_over: Option<u64>,
}

impl When {
    /// Whether it holds for what a request says of itself, which any caller can say.
    #[must_use]
    pub fn is_claim(&self) -> bool {
        self.agent.is_some() || !self.headers.is_empty()
    }
}

/// What to do with a request for a model that has no price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpriced {
    /// Refuse it.
    Deny,
    /// Serve it, charge tokens and requests but no money, and say so in the record and a metric.
    Allow,
}

/// What to charge when the client leaves before the answer is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDisconnect {
    /// The input, the output that was seen, and the reasoning that usually comes with it.
    BillSeen,
    /// What the model's answers usually have.
    BillExpected,
    /// Everything that was held.
    BillHold,
    /// The input alone.
    BillInputOnly,
}

impl OnDisconnect {
    /// Every policy with the word the configuration uses for it.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("bill_seen", Self::BillSeen),
        ("bill_expected", Self::BillExpected),
        ("bill_hold", Self::BillHold),
        ("bill_input_only", Self::BillInputOnly),
    ];
}

impl Config {
    /// What metrics call `team`: one word for all that nobody listed.
    #[must_use]
    pub fn metric_team<'a>(&self, team: &'a str) -> &'a str {
        let is_listed =
            team.is_empty() || self.listed.as_ref().is_none_or(|listed| listed.teams.contains(team));
        if is_listed { team } else { "other" }
    }

    /// The teams that it names, sorted, each once: the values the `team` label of a metric may have, besides `other`.
    #[must_use]
    pub fn teams(&self) -> Vec<&str> {
        let mut teams: Vec<&str> = self.keys.values().map(|key| &*key.team).collect();
        teams.extend(self.listed.iter().flat_map(|listed| listed.teams.iter().map(|team| &**team)));
        teams.sort_unstable();
        teams.dedup();
        teams
    }
}
