//! Decides what follows on the headers of a request: whether it is answered here, refused, or sent when its body is here.
//!
//! ```text
//! ## a browser's question, a health check   => answered, whoever asks
//! ## who asks ▸ what for                    => refused, or a page
//! ## a body that is too long, or none       => refused
//! ## nothing left, or too many counted      => refused
//! ## bodies are not read here               => sent at once
//! ## anything else                          => its body is waited for
//! ```

use core::cell::RefCell;
use std::rc::Rc;

use crate::base::headers::RequestHead;
use crate::budget::admit;
use crate::budget::counting::Counting;
use crate::budget::hold::Asks;
use crate::budget::ledger::{Amounts, Ledger, Store};
use crate::config::{Config, Key};
use crate::denial::{Denial, Reply};
use crate::dialect::{Api, Dialect, Served};
use crate::pages;
use crate::registry::{Registered, Registry};
use crate::request::context::RequestContext;
use crate::request::identity::{as_registered, claimed_key, is_open};
use crate::request::llm_request::{LlmRequest, LlmRequestError};
use crate::request::proof::{Callers, Evidence, caller};
use crate::request::resource::{Resource, UnknownPath, dialect_of};

/// A request of a caller who was let in.
#[derive(Debug)]
pub struct Call {
    /// What the operator decided.
    pub config: Rc<Config>,
    /// The caller.
    pub key: Rc<Key>,
    /// Its headers.
    pub head: RequestHead,
}

/// What follows on the headers of a request.
#[derive(Debug)]
pub enum Arrival {
    /// It is answered here.
    Page(Reply),
    /// It is answered here, when the ledger of the fleet has said what these stand at.
    Asks(Asks),
    /// Its body is not read: this is all that is asked.
    Known(Call, Served, Box<LlmRequest>),
    /// Its body is waited for. Without an endpoint, a page about a model is asked for.
    Body(Call, Option<Served>),
}

/// What one worker counts, and what it knows of who asks.
#[expect(missing_debug_implementations, reason = "what Envoy knows has none")]
pub struct Counts<'a, S> {
    /// What budgets stand at.
    pub ledger: &'a Ledger<'a, S>,
    /// The counts of tokens that keys have asked for.
    pub counting: &'a RefCell<Counting>,
    /// What Envoy has found out about the caller.
    pub evidence: &'a dyn Evidence,
    /// Callers that were proven lately.
    pub callers: &'a RefCell<Callers>,
    /// Keys, limits and teams that are not the configuration's.
    pub registry: &'a Registry,
}

impl Arrival {
    /// That of a request with this `head`, of which `context` remembers what is to be known later. `bodiless`: nothing comes
    /// after it.
    ///
    /// # Errors
    /// [`Denial`]: it is refused.
    pub fn of<S: Store>(
        context: &mut RequestContext,
        config: &Rc<Config>,
        head: RequestHead,
        bodiless: bool,
        counts: &Counts<'_, S>,
    ) -> Result<Self, Denial> {
        let now = context.arrived;
        context.read(&head);
        context.visitor = config.cors.as_ref().and_then(|cors| cors.visitor(&head));
        if let Some(reply) = context.visitor.as_ref().and_then(|visitor| visitor.preflight(config, &head)) {
            return Ok(Self::Page(reply));
        }
        let resource = Resource::find(config, &head);
        if let Ok(Resource::Endpoint(served)) = &resource {
            context.endpoint = Some(served.endpoint);
        }
        if matches!(resource, Ok(Resource::Health)) {
            return Ok(Self::Page(pages::reply(pages::HEALTH.into())));
        }
        let api = match &resource {
            Ok(Resource::Endpoint(served)) => Some(served.api),
            // Google's clients may have their key in the query of any path.
            _ => (dialect_of(config, &head) == Dialect::Gemini).then_some(Api::Gemini),
        };
        let registry = counts.registry.at(counts.ledger.store(), config, now);
        let registry = registry.as_ref().map(|registry| -> &dyn Registered { registry });
        let key = is_open(registry)
            .and_then(|()| caller(config, &head, api, now, registry, counts.evidence, counts.callers))
            .and_then(|key| as_registered(key, registry))
            .inspect_err(|_| context.claimed_key = claimed_key(config, &head, api, registry))?;
        context.key = Some(Rc::clone(&key));
        let served = match resource? {
            Resource::Endpoint(served) => Some(served),
            Resource::Show => None,
            other => {
                if matches!(other, Resource::Usage) {
                    let stale = pages::stale(counts.ledger, config, &key, &head, now)?;
                    if !stale.is_empty() {
                        let asks = stale.into_iter().map(|account| (account, Amounts::default()));
                        return Ok(Self::Asks(asks.collect()));
                    }
                }
                let call = Call { config: Rc::clone(config), key, head };
                return Ok(Self::Page(pages::reply(call.page(&other, counts.ledger, context)?)));
            }
        };
        if context.length.unwrap_or(0) > config.request_body_bytes as u64 {
            return Err(Denial::TooLarge(config.request_body_bytes));
        }
        if bodiless {
            return Err(Denial::Body(LlmRequestError::Empty));
        }
        if served.is_some() && is_free(served.as_ref()) {
            let mut counting = counts.counting.borrow_mut();
            counting.take(&key.id, config.count_requests_per_minute, now).map_err(Denial::Counts)?;
        } else if served.is_some()
            && let Some(denial) = admit::used_up(counts.ledger, config, &key, now)
        {
            return Err(denial);
        }
        let call = Call { config: Rc::clone(config), key, head };
        let Some(mode) = &config.headers_only else { return Ok(Self::Body(call, served)) };
        // Where bodies are not read, nobody can say which model is meant.
        let served = served.ok_or(Denial::UnknownEndpoint(UnknownPath::Unknown))?;
        let request = LlmRequest::unread(&served, &call.head, mode.model_header.as_deref())?;
        Ok(Self::Known(call, served, Box::new(request)))
    }
}

impl Call {
    /// What is asked, now that the whole body is here.
    ///
    /// # Errors
    /// [`LlmRequestError`]: it is refused.
    pub fn read(&self, served: &Served, body: &[u8]) -> Result<LlmRequest, LlmRequestError> {
        // Of two, a provider may believe the other one.
        if self.head.all("content-type").nth(1).is_some() {
            return Err(LlmRequestError::NotAForm);
        }
        let content_type = self.head.first("content-type").unwrap_or_default();
        LlmRequest::read(served, self.head.path(), content_type, body)
    }

    fn page<S: Store>(
        &self,
        resource: &Resource,
        ledger: &Ledger<'_, S>,
        context: &RequestContext,
    ) -> Result<String, Denial> {
        let Self { config, key, head } = self;
        Ok(match resource {
            Resource::Models => pages::models(config, key, dialect_of(config, head)),
            Resource::Model(name) => pages::model(config, key, name, dialect_of(config, head))?,
            Resource::Usage => pages::usage(ledger, config, key, head, context.arrived)?,
            Resource::Health | Resource::Show | Resource::Endpoint(_) => pages::HEALTH.into(),
        })
    }
}

/// Whether no budget holds for what is asked for.
#[must_use]
pub fn is_free(served: Option<&Served>) -> bool {
    served.is_none_or(|served| !served.endpoint.is_charged())
}
