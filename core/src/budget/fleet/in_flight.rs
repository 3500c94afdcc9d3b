//! Decides what is remembered of a call until it is answered, and what an operator is told.

use std::rc::Rc;

use super::share::Part;
use super::share_id::ShareId;

/// A call without an answer so far.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) id: u64,
    pub(super) link: usize,
    /// The node that was called, if another one had named it.
    pub(super) shard: Option<Box<str>>,
    pub(super) sent: Vec<Sent>,
}

/// What was said of one component in a call.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) share: Rc<ShareId>,
    pub(super) part: Part,
    pub(super) number: u64,
    pub(super) sequence: u64,
    pub(super) asks: bool,
}

/// Something that an operator wants to know, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The ledger is out of reach; why, as far as it is known.
    OutOfReach(String),
    /// It answers again.
    Back,
    /// It lost something: all that is remembered is said again.
    Lost,
    /// What it has under this key is not an account.
    NotAnAccount(String),
}
