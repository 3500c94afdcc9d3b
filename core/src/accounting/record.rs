//! Decides what is written down of a request: one JSON object, the same for every request.
//!
//! The access log prints it, traces may carry it, and it is what a bill is checked against later. Names
//! are those of OpenTelemetry's GenAI conventions where there are some, without their dots. Nothing of a
//! prompt, an answer or a secret is in it; what a client says of itself is bounded printable text.
//!
//! Does not count: the filter's metrics come from the same facts and not from here.

mod line;

use crate::accounting::settlement::{Basis, Charge};
use crate::base::money::PicoUsd;
use crate::base::text::Label;
use crate::base::window::Millis;
use crate::budget::ledger::Figures;
use crate::config::{Config, Key};
use crate::denial::{Client, Denial};
use crate::dialect::{Dialect, Endpoint};
use crate::request::attribution::Attribution;
use crate::request::context::RequestContext;
use line::{Line, name};

/// What is known of a request when it has ended, or been refused.
#[derive(Debug, Default)]
pub struct Record<'a> {
    /// The id that Envoy gave it, or took from the client.
    pub request_id: Option<&'a str>,
    /// Its method.
    pub method: Option<&'a str>,
    /// Its path, without the query: some clients put their key there.
    pub path: Option<&'a str>,
    /// The caller, if it was let in.
    pub key: Option<&'a Key>,
    /// The id of the key that a caller named who was not let in.
    pub claimed_key: Option<&'a str>,
    /// What the request said about itself.
    pub attribution: Option<&'a Attribution>,
    /// The endpoint's name.
    pub endpoint: Option<&'a str>,
    /// The model asked for.
    pub model_requested: Option<&'a str>,
    /// The alias or pattern that it was found under.
    pub model: Option<&'a str>,
    /// The model's name at the provider.
    pub model_sent: Option<&'a str>,
    /// The model that answered.
    pub model_served: Option<&'a str>,
    /// The provider.
    pub provider: Option<&'a str>,
    /// Whether the answer was to be streamed.
    pub stream: bool,
    /// What was charged.
    pub charge: Option<&'a Charge>,
    /// What the provider says that it charges.
    pub stated_cost: Option<PicoUsd>,
    /// From the request's arrival to the first byte of the answer's body, in milliseconds.
    pub ttft_ms: Option<u64>,
    /// From the request's arrival to now, in milliseconds.
    pub duration_ms: u64,
    /// Status sent to the client, if any.
    pub status: Option<u64>,
    /// How it ended.
    pub outcome: &'a str,
    /// Envoy's word for it (`response.code_details`), where an answer did not come to its end.
    pub details: Option<&'a str>,
    /// Why it was refused.
    pub denied: Option<&'a str>,
    /// The budget that refused it, or ended its answer.
    pub budget: Option<&'a str>,
    /// What that budget has not enough of, in numbers.
    pub budget_figures: Option<Figures>,
    /// Budgets that only watch and would have refused it.
    pub shadowed: Option<&'a str>,
    /// The budget that chose its model.
    pub downgraded_by: Option<&'a str>,
    /// A budget that only watches and would have sent it to another model, and that model.
    pub would_downgrade: Option<(&'a str, &'a str)>,
    /// Places that it could not go to because nobody knows what they cost.
    pub unpriced: Option<&'a str>,
    /// The limit of its output that a strict budget set.
    pub output_limit: Option<u64>,
    /// Events or documents of the answer that could not be read.
    pub unreadable: u64,
    /// The service tier it was served in, in the provider's word.
    pub service_tier: Option<&'a str>,
    /// The tier whose prices it was charged at.
    pub charged_tier: Option<&'a str>,
    /// What its attempts came to, as JSON objects with commas in between; empty if it had one target.
    pub attempts: &'a str,
    /// The status of the provider, if the client got another.
    pub provider_status: Option<u64>,
    /// Hash of the configuration.
    pub config: u64,
    /// Hash of everything that prices come from.
    pub prices: u64,
}

impl<'a> Record<'a> {
    /// What is known of every request. `config`: what it was decided by, if there was one.
    #[must_use]
    pub fn of(context: &'a RequestContext, config: Option<&Config>, now: Millis) -> Self {
        Self {
            request_id: Some(context.request_id.as_str()).filter(|id| !id.is_empty()),
            method: context.method,
            path: context.path.as_ref().map(Label::as_str),
            key: context.key.as_deref(),
            claimed_key: context.claimed_key.as_ref().map(|key| &*key.id),
            attribution: Some(&context.attribution),
            endpoint: context.endpoint.map(Endpoint::name),
            model_requested: context.model.as_deref(),
            stream: context.stream,
            duration_ms: now.since(context.arrived),
            status: context.status,
            config: config.map_or(0, |config| config.hash),
            prices: config.map_or(0, |config| config.prices.hash()),
            ..Self::default()
        }
    }

    /// The same of a request that was answered here at `now`: because it was refused, or with a page.
    #[must_use]
    pub fn replied(self, denial: Option<&'a Denial>, now: Millis) -> Self {
        // What was told from the tick passed no other callback.
        let told = |denial: &Denial| u64::from(denial.status(Dialect::OpenAi, Client::Other, now));
        Self {
            outcome: if denial.is_some() { "denied" } else { "local" },
            denied: denial.map(Denial::reason),
            budget: denial.and_then(Denial::budget_name),
            budget_figures: denial.and_then(Denial::figures),
            status: self.status.or(denial.map(told)),
            ..self
        }
    }

    /// The record as one line of JSON, every member present.
    #[must_use]
    pub fn to_json(&self) -> String {
        String::from_utf8(self.to_bytes()).unwrap_or_default()
    }

    /// The same as bytes, which need not be looked through for UTF-8 again.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut line = Line::default();
        let part = |read: fn(&Attribution) -> &Option<crate::base::text::Label>| {
            self.attribution.and_then(|attribution| read(attribution).as_ref()).map(|label| label.as_str())
        };
        let tokens = self.charge.map(|charge| charge.tokens);
        line.text(name!("request_id"), self.request_id);
        line.text(name!("method"), self.method);
        line.text(name!("path"), self.path);
        line.text(name!("key"), self.key.map(|key| &*key.id).or(self.claimed_key));
        line.text(name!("team"), self.key.map(|key| &*key.team));
        line.text(name!("agent"), part(|whole| &whole.agent));
        line.text(name!("session"), part(|whole| &whole.session));
        line.text(name!("workflow"), part(|whole| &whole.workflow));
        // Whoever is proven is not somebody else by saying so.
        let proven = self.key.and_then(|key| key.user.as_deref());
        line.text(name!("user"), proven.or_else(|| part(|whole| &whole.user)));
        line.text(name!("client"), part(|whole| &whole.client));
        line.labels(self.key.map(|key| key.labels.as_slice()).unwrap_or_default());
        line.text(name!("endpoint"), self.endpoint);
        line.text(name!("model_requested"), self.model_requested);
        line.text(name!("model"), self.model);
        line.text(name!("model_sent"), self.model_sent);
        line.text(name!("model_served"), self.model_served);
        line.text(name!("provider"), self.provider);
        line.text(name!("service_tier"), self.service_tier);
        line.text(name!("charged_tier"), self.charged_tier);
        line.truth(name!("stream"), self.stream);
        line.number(name!("input_tokens"), tokens.map(|tokens| tokens.total_input()));
        line.number(name!("cache_read_tokens"), tokens.map(|tokens| tokens.total_cache_read()));
        line.number(name!("cache_write_tokens"), tokens.map(|tokens| tokens.total_cache_write()));
        line.number(name!("output_tokens"), tokens.map(|tokens| tokens.total_output()));
        line.number(name!("reasoning_tokens"), tokens.map(|tokens| tokens.reasoning));
        line.money(name!("cost_usd"), self.charge.and_then(|charge| charge.usd));
        line.money(name!("stated_cost_usd"), self.stated_cost);
        line.text(name!("cost_source"), self.charge.and_then(Charge::cost_source));
        line.text(name!("usage_source"), self.charge.map(|charge| charge.source.name()));
        line.text(name!("usage_basis"), self.charge.and_then(|charge| charge.basis).map(Basis::name));
        line.number(name!("ttft_ms"), self.ttft_ms);
        line.number(name!("duration_ms"), Some(self.duration_ms));
        line.number(name!("status"), self.status);
        line.text(name!("outcome"), Some(self.outcome));
        line.text(name!("details"), self.details);
        line.text(name!("denied"), self.denied);
        line.text(name!("budget"), self.budget);
        let figures = self.budget_figures;
        line.text(name!("budget_measure"), figures.map(|figures| figures.measure.name()));
        line.amount(name!("budget_limit"), figures.map(|figures| (figures.measure, figures.limit)));
        line.amount(name!("budget_spent"), figures.map(|figures| (figures.measure, figures.spent)));
        line.amount(name!("budget_held"), figures.map(|figures| (figures.measure, figures.held)));
        line.amount(name!("budget_estimate"), figures.map(|figures| (figures.measure, figures.wanted)));
        line.text(name!("shadowed"), self.shadowed);
        line.text(name!("downgraded_by"), self.downgraded_by);
        line.text(name!("would_downgrade_by"), self.would_downgrade.map(|(by, _)| by));
        line.text(name!("would_downgrade_to"), self.would_downgrade.map(|(_, to)| to));
        line.text(name!("unpriced_targets"), self.unpriced);
        line.number(name!("output_limit"), self.output_limit);
        line.number(name!("retries"), self.attribution.and_then(|attribution| attribution.retries));
        line.list(name!("attempts"), self.attempts);
        line.number(name!("provider_status"), self.provider_status);
        line.number(name!("unreadable"), Some(self.unreadable));
        line.hash(name!("config"), self.config);
        line.hash(name!("prices"), self.prices);
        line.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounting::settlement::UsageSource;
    use crate::base::tokens::Tokens;
    use serde_json::{Value, json};

    #[test]
    fn a_record_is_one_line_of_json_with_every_member() {
        let empty: Value =
            serde_json::from_str(&Record { outcome: "denied", ..Record::default() }.to_json()).unwrap();
        let tokens = Tokens { input: 1, cache_read: 35, output: 7, ..Tokens::default() };
        let charge = Charge {
            tokens,
            usd: Some(PicoUsd(2_500_000)),
            is_stated: false,
            source: UsageSource::Provider,
            basis: None,
        };
        let full = Record {
            model_requested: Some("a\"b\n"),
            charge: Some(&charge),
            outcome: "ok",
            ..Record::default()
        };
        let text = full.to_json();
        assert!(!text.contains('\n'));
        let full: Value = serde_json::from_str(&text).unwrap();
        let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&empty), names(&full));
        assert_eq!((&full["input_tokens"], &full["cost_usd"]), (&json!(36), &json!("0.0000025")));
        assert_eq!((&full["model_requested"], &empty["input_tokens"]), (&json!("a\"b\n"), &Value::Null));
    }
}
