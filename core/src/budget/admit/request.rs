//! What is decided on, and what it would come to at one model.

use std::rc::Rc;

use crate::base::headers::RequestHead;
use crate::base::window::Millis;
use crate::budget::estimate::Estimate;
use crate::budget::ledger::Amounts;
use crate::budget::recent::Recent;
use crate::config::{Account, Config, Key};
use crate::dialect::Api;
use crate::pricing::Price;
use crate::request::attribution::Attribution;
use crate::request::llm_request::LlmRequest;
use crate::request::route::{Destination, Plan};

/// A request that wants to be sent.
#[derive(Clone, Copy)]
pub struct AdmissionRequest<'a> {
    /// What the operator decided.
    pub config: &'a Config,
    /// The caller.
    pub key: &'a Key,
    /// What the request says of itself.
    pub attribution: &'a Attribution,
    /// Its headers.
    pub head: &'a RequestHead,
    /// Whose path it uses.
    pub api: Api,
    /// What it asks for.
    pub request: &'a LlmRequest,
    /// Its body.
    pub body: &'a [u8],
    /// A hash of what tells it from other requests: which of several targets is first, where that is drawn.
    pub draw: u64,
    /// Whether a target is in cooldown: its model, or all keys for it.
    pub in_cooldown: &'a dyn Fn(&Destination) -> bool,
    /// What models have answered lately.
    pub recent: &'a Recent,
    /// When it arrived: the moment of its prices.
    pub arrived: Millis,
    /// Now.
    pub now: Millis,
}

/// A model with its prices and what the request is expected to use of it.
pub(super) struct Offer {
    pub(super) plan: Plan,
    pub(super) target: Destination,
    pub(super) key: Option<usize>,
    pub(super) unpriced: Vec<Destination>,
    /// Of every place that it may go to.
    pub(super) prices: Vec<Option<Rc<Price>>>,
    pub(super) estimate: Estimate,
    /// Output tokens of one answer that the estimate is of.
    pub(super) expected: u64,
    /// What of the estimate is more than a guess.
    pub(super) certain: Amounts,
    /// Output tokens that the model's answers suggest, and that are expected before there are enough.
    pub(super) recent: Option<u64>,
    pub(super) first: u64,
    pub(super) accounts: Vec<Rc<Account>>,
}
