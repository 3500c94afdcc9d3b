//! Decides what a request waits for, and how far that has come.

use std::rc::Rc;

use super::share::Part;
use super::share_id::ShareId;
use crate::base::window::Millis;
use crate::budget::ledger::Amounts;

/// A request that waits.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) context: u32,
    pub(super) since: Millis,
    /// The accounts that it waits for.
    pub(super) shares: Vec<Rc<ShareId>>,
    pub(super) asks: Vec<Ask>,
}

/// What a request asks of one component.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) share: Rc<ShareId>,
    pub(super) part: Part,
    pub(super) amounts: Amounts,
    pub(super) state: AskState,
}

/// How far an ask has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AskState {
    /// It is to be sent, not before then.
    Waits(Millis),
    /// It is in this call.
    Sent(u64),
    /// It was answered.
    Answered,
}
