//! Decides what a request can be between its callbacks, and answers one that goes no further.

use std::rc::Rc;

use farebox_core::base::headers::RequestHead;
use farebox_core::base::window::Millis;
use farebox_core::budget::fleet::Turn;
use farebox_core::budget::ledger::StoreError;
use farebox_core::config::Config;
use farebox_core::denial::{Denial, Reply};
use farebox_core::dialect::{Dialect, Endpoint, Served};
use farebox_core::exchange::Exchange;
use farebox_core::exchange::arrival::Call;
use farebox_core::exchange::waiting::Waiting;
use farebox_core::request::context::RequestContext;
use farebox_core::request::resource::dialect_of;
use proxy_wasm::types::Action;

use super::upload::Upload;
use crate::vm::Vm;
use farebox_hostcalls::{self as host, HostError, Map};

/// One request.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) context_id: u32,
    pub(crate) config: Option<Rc<Config>>,
    pub(crate) vm: Rc<Vm>,
    pub(crate) context: RequestContext,
    /// How long it has waited for the fleet's ledger, and since when.
    pub(super) turn: Turn,
    pub(super) asks_since: Option<Millis>,
    pub(crate) state: State,
}

/// Where a request is.
#[derive(Debug)]
pub(crate) enum State {
    New,
    Reading(Reading),
    /// Waits for the fleet's ledger. `None`: decided anew from its headers.
    Asking(Option<Asking>),
    /// Will be refused when its body is here.
    Refusing(Refusing),
    Admitted(Box<Exchange>),
    /// The gateway answered; why, if it was a refusal.
    Replied(Option<Denial>),
    Ended,
}

/// A request whose headers are held until its body is here.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(super) call: Call,
    /// What it is asked for; `None`: a page about a model.
    pub(super) served: Option<Served>,
    pub(crate) waiting: Rc<Waiting>,
    pub(super) upload: Upload,
}

/// A request that is here as far as it is read.
#[derive(Debug)]
pub(crate) struct Asking {
    pub(super) call: Call,
    pub(super) served: Served,
    /// What its body takes while it waits.
    pub(super) upload: Upload,
}

/// A request that is refused, but not yet told so.
#[derive(Debug)]
pub(crate) struct Refusing {
    pub(crate) denial: Denial,
    pub(crate) waiting: Rc<Waiting>,
}

impl Gateway {
    pub(crate) fn new(context_id: u32, config: Option<Rc<Config>>, vm: Rc<Vm>) -> Self {
        let context = RequestContext::default();
        Self { context_id, config, vm, context, turn: Turn::First, asks_since: None, state: State::New }
    }

    pub(super) fn deny(&mut self, denial: Denial) -> Action {
        let dialect = self.dialect();
        // Only a budget's refusal says when to come again.
        let now = if denial.budget_name().is_some() { host::now() } else { self.context.arrived };
        let reply = denial.reply(dialect, self.context.client, &self.context.request_id, now);
        // That the fleet's ledger is out of reach is said once, and not with every request.
        if let Denial::Store(error) = &denial
            && *error != StoreError::OutOfReach
        {
            log::error!("a request was refused because budgets cannot be checked: {error}");
        }
        let details = ["farebox_denied_", denial.reason()].concat();
        self.state = State::Replied(Some(denial));
        self.reply(reply, &details)
    }

    pub(super) fn reply(&mut self, mut reply: Reply, details: &str) -> Action {
        if let Some(visitor) = self.context.visitor.as_ref().filter(|_| reply.status != 204) {
            reply.headers.extend(visitor.headers(&RequestHead::default()));
        }
        self.vm.stop_waiting(self.context_id);
        self.context.status = Some(u64::from(reply.status));
        if let Err(error) = host::reply(reply.status, details, &reply.headers, &reply.body) {
            log::error!("a reply could not be sent: {error}");
        }
        // What was answered must not go on to a provider.
        Action::Pause
    }

    /// Answers with a page of the gateway's own.
    pub(super) fn show(&mut self, page: Reply) -> Action {
        self.state = State::Replied(None);
        self.reply(page, "farebox_page")
    }

    pub(super) fn unsupported(&self, error: HostError) -> Denial {
        self.vm.host_unsupported(&error.to_string());
        Denial::HostUnsupported
    }

    /// The dialect in which the request is refused.
    pub(super) fn dialect(&self) -> Dialect {
        self.context.endpoint.map(Endpoint::dialect).unwrap_or_else(|| {
            let config = self.config.as_ref();
            let told = config.and_then(|config| Some(dialect_of(config, &host::headers(Map::Request).ok()?)));
            told.unwrap_or(Dialect::OpenAi)
        })
    }
}
