//! Decides what a request can be between its callbacks.

use std::rc::Rc;

use farebox_core::base::headers::RequestHead;
use farebox_core::config::{Config, Key};
use farebox_core::denial::Denial;
use farebox_core::dialect::Served;
use farebox_core::exchange::Exchange;

use super::deferred_reply::Refusing;
use super::upload::Upload;
use crate::vm::Waiting;

/// Where a request is.
#[derive(Debug)]
pub(crate) enum State {
    New,
    Reading(Reading),
    /// Will be refused when its body is here.
    Refusing(Refusing),
    Admitted(Box<Exchange>),
    /// The gateway answered; why, if it was a refusal.
    Replied(Option<Denial>),
    Ended,
}

/// A request of a caller who was let in.
#[derive(Debug)]
pub(crate) struct Call {
    pub(super) config: Rc<Config>,
    pub(super) key: Rc<Key>,
    pub(super) head: RequestHead,
}

/// One whose headers are held until its body is here.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(super) call: Call,
    /// What it is asked for; `None`: a page about a model.
    pub(super) served: Option<Served>,
    pub(crate) waiting: Rc<Waiting>,
    pub(super) upload: Upload,
}
